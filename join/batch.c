/*
 * batch.c - what is in order becomes one transaction.
 *
 * pipe.c and service.c offer messages to the committer and call join_batch()
 * whenever nothing more is waiting.  Data, dead letters, seq and resume state
 * of up to 32 pages are durable when it returns; only then are they
 * acknowledged.
 */

#include "join.h"

#include <string.h>

#include "clock.h"
#include "log.h"
#include "merge.h"
#include "sweep.h"

#define BATCH_PAGES 32
#define BATCH_BYTES ((size_t)4 << 20)
#define BATCH_SWEEPS 4 /* one for each stream that may end together */
#define REJECTS_MAX 100
#define REJECTS_PERCENT 1

int
join_load_rules(struct join *j)
{
	struct buf errors = { 0 };
	struct rules *r = rules_load(j->rules_dir, &errors), *old = j->rules;

	log_error_lines(errors.data);
	buf_free(&errors);
	if (r == NULL)
		return -1;
	j->rules = r;
	if (j->store != NULL && merge_prepare(j) != EXIT_DONE) {
		j->rules = old;
		(void)merge_prepare(j);
		old = r;
	}
	rules_free(old);
	return j->rules == r ? 0 : -1;
}

/* Broken rules must not look like a success. */
static bool
too_many(const struct flow *f)
{
	int64_t of =
	    f->counts.records > f->alive ? f->counts.records : f->alive;

	return f->counts.rejects > REJECTS_MAX &&
	       f->counts.rejects * 100 > of * REJECTS_PERCENT;
}

/*
 * Has someone raised the epoch since the flow was loaded?  And what `approve`
 * and `dead --retry` may have done beside this process is read again.
 */
static bool
fenced(struct join *j, struct flow *f)
{
	sqlite3_stmt *st = store_ask(j->store,
	    "SELECT s.run, s.epoch, t.alive, (SELECT count(*) FROM reject x"
	    " WHERE x.stream = t.pk AND x.resolved IS NULL)"
	    " FROM source s JOIN stream t ON t.source = s.pk WHERE t.pk = ?",
	    "i", f->stream_pk);
	bool other = true;

	if (store_row(j->store, st)) {
		other = sqlite3_column_int64(st, 0) != f->run ||
			sqlite3_column_int64(st, 1) != f->epoch;
		f->alive = sqlite3_column_int64(st, 2);
		f->dead = sqlite3_column_int64(st, 3);
	}
	store_end(st);
	if (other && !j->store->failed)
		log_error("%s run %lld (epoch %lld) was taken over by another "
			  "fetch",
		    f->source, (long long)f->run, (long long)f->epoch);
	return other;
}

static void
stop_run(struct join *j, const struct flow *f)
{
	log_error("%s %s run %lld stops: %lld of %lld records were rejected; "
		  "see `idmesh join dead --db %s`, mend the rules, run again",
	    f->source, f->stream, (long long)f->run,
	    (long long)f->counts.rejects, (long long)f->counts.records,
	    j->store->path);
	store_do(j->store,
	    "UPDATE checkpoint SET phase = 'incomplete',"
	    " why = 'too many rejects' WHERE pk = ?",
	    "i", f->checkpoint_pk);
	store_do(j->store, "UPDATE run SET state = 'incomplete' WHERE pk = ?",
	    "i", f->run_pk);
}

/* Fills the transaction; *of is the flow that ended it early. */
static enum batch
fill(struct join *j, const struct flow **of)
{
	struct committer_stream *cs;
	size_t bytes = 0;
	struct msg *m;

	for (int n = 0; n < BATCH_PAGES && bytes < BATCH_BYTES; n++) {
		struct flow *f;

		m = committer_next(j->committer, &cs);
		if (m == NULL)
			break;
		f = flow_find(j, m->source, m->stream);
		*of = f;
		if (!f->dirty && fenced(j, f))
			return BATCH_FENCED;
		bytes += m->len;
		f->heard_ms = clock_ms();
		if (m->kind == MSG_END)
			apply_end(j, f, m);
		else
			apply_page(j, f, m);
		committer_step(cs);
		if (too_many(f)) {
			stop_run(j, f);
			return BATCH_STOP;
		}
	}
	return BATCH_DONE;
}

static void
save_flows(struct join *j)
{
	for (struct flow *f = j->flows; f != NULL; f = f->next)
		if (f->dirty)
			flow_save(j, f);
}

/* What else came of a stopped run, its end above all, must not be applied. */
static void
forget(struct join *j, const char *source)
{
	for (struct flow *f = j->flows; f != NULL; f = f->next)
		if (strcmp(f->source, source) == 0)
			committer_set(
			    j->committer, f->source, f->stream, -1, -1, 0);
}

/* A chunk of the merges that are due. */
static enum batch
merge(struct join *j)
{
	int left = merge_chunk(j);

	if (left < 0)
		return BATCH_FAIL;
	return left > 0 ? BATCH_DONE : BATCH_NONE;
}

static enum batch
sweep(struct join *j)
{
	int left = j->sweeping ? sweep_chunk(j) : 0;

	j->sweeping = left > 0;
	if (left < 0)
		return BATCH_FAIL;
	return left > 0 ? BATCH_DONE : merge(j);
}

enum batch
join_batch(struct join *j, const struct flow **of)
{
	struct committer_stream *cs;
	enum batch result;

	if (merge_busy(j))
		return merge(j);
	if (committer_next(j->committer, &cs) == NULL)
		return sweep(j);
	if (store_begin(j->store) != 0)
		return BATCH_FAIL;
	result = fill(j, of);
	if (result == BATCH_FENCED) {
		store_rollback(j->store);
		committer_back(j->committer);
		return j->store->failed ? BATCH_FAIL : BATCH_FENCED;
	}
	save_flows(j);
	/* Most sweeps are small and done with the end that decided them. */
	for (int i = 0; j->sweeping && i < BATCH_SWEEPS; i++)
		j->sweeping = sweep_step(j) > 0;
	if (store_commit(j->store) != 0)
		return BATCH_FAIL;
	committer_done(j->committer);
	if (result == BATCH_STOP)
		forget(j, (*of)->source);
	return result;
}
