# file: join/batch.c
# test: tests/crash/steps-join.sh
# Number and resume state of a page are in a transaction of their own, before
# that of its data.
/^	if (committer_next(j->committer, &cs) == NULL)$/,/^	if (store_begin/{
	s/^	if (store_begin/\
	{\
		struct msg *m = committer_next(j->committer, \&cs);\
		struct flow *f = flow_find(j, m->source, m->stream);\
		char *state = yyjson_val_write(m->state, 0, NULL);\
\
		store_begin(j->store);\
		store_do(j->store,\
		    "UPDATE checkpoint SET seq = ?, state = ?"\
		    " WHERE pk = ?", "iti", m->seq, state, f->checkpoint_pk);\
		store_commit(j->store);\
	}\
&/
}
