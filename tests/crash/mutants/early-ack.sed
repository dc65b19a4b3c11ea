# file: join/service.c
# test: tests/crash/late-commit.sh
# What has arrived is acknowledged before it is committed.
s/^\tswitch (committer_offer(v->j->committer, m, clock_ms())) {/\
	{\
		struct buf early = { 0 };\
\
		msg_short(\&early, MSG_ACK, f->source, f->stream, m->run,\
		    m->epoch, m->seq);\
		send_client(v, c, \&early);\
	}\
&/
