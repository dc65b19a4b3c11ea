/*
 * flow.c - a stream of a source in its current run, as join works on it.
 *
 * Loaded from the database at the first message of a stream (pipe) or at a
 * hello (service), written back with every transaction.  The committer is
 * told where each one stands.
 */

#include "join.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "merge.h"
#include "run.h"

struct flow *
flow_find(struct join *j, const char *source, const char *stream)
{
	struct flow *f = j->flows;

	while (f != NULL && (strcmp(f->stream, stream) != 0 ||
				strcmp(f->source, source) != 0))
		f = f->next;
	return f;
}

static int64_t
type_row(struct store *s, const char *name)
{
	sqlite3_stmt *st;
	int64_t pk = 0;

	store_do(s, "INSERT OR IGNORE INTO type(name) VALUES(?)", "t", name);
	st = store_ask(s, "SELECT pk FROM type WHERE name = ?", "t", name);
	if (store_row(s, st))
		pk = sqlite3_column_int64(st, 0);
	store_end(st);
	return pk;
}

/* Columns of the checkpoint and its stream, in the order of the SELECT. */
static void
read_row(struct flow *f, sqlite3_stmt *st)
{
	int64_t *counts[] = { &f->counts.pages, &f->counts.records,
		&f->counts.added, &f->counts.changed, &f->counts.same,
		&f->counts.gone, &f->counts.spared, &f->counts.rejects,
		&f->counts.errors };
	const char *state = store_text(st, 4);

	f->checkpoint_pk = sqlite3_column_int64(st, 0);
	f->stream_pk = sqlite3_column_int64(st, 1);
	f->full = strcmp(store_text(st, 2), MSG_FULL) == 0;
	f->seq = f->told = sqlite3_column_int64(st, 3);
	buf_clear(&f->state);
	if (state != NULL)
		buf_str(&f->state, state);
	f->unsure = sqlite3_column_int(st, 5);
	f->alive = sqlite3_column_int64(st, 6);
	f->dead = sqlite3_column_int64(st, 7);
	f->source_pk = sqlite3_column_int64(st, 8);
	f->run_pk = sqlite3_column_int64(st, 9);
	f->run = sqlite3_column_int64(st, 10);
	f->epoch = sqlite3_column_int64(st, 11);
	f->generation = sqlite3_column_int64(st, 12);
	f->own = sqlite3_column_type(st, 13) == SQLITE_NULL;
	for (int i = 0; i < 9; i++)
		*counts[i] = sqlite3_column_int64(st, 14 + i);
	f->leaving = sqlite3_column_int(st, 23) != 0;
	f->over = sqlite3_column_int(st, 24) != 0;
	f->heard_ms = clock_ms();
}

/* The flow of a stream in the source's current run; NULL when none is. */
static struct flow *
load(struct join *j, const char *source, const char *stream)
{
	sqlite3_stmt *st = store_ask(j->store,
	    "SELECT c.pk, t.pk, c.mode, c.seq, c.state, c.unsure, t.alive,"
	    " (SELECT count(*) FROM reject x WHERE x.stream = t.pk"
	    " AND x.resolved IS NULL), s.pk,"
	    " r.pk, r.number, s.epoch, r.generation, r.asked,"
	    " c.pages, c.records, c.added, c.changed, c.same, c.gone,"
	    " c.spared, c.rejects, c.errors,"
	    " EXISTS (SELECT 1 FROM leaving l JOIN object o ON o.pk = l.pk"
	    " WHERE o.stream = t.pk), c.phase <> 'reading'"
	    " FROM source s JOIN run r ON r.source = s.pk AND r.number = s.run"
	    " JOIN checkpoint c ON c.run = r.pk"
	    " JOIN stream t ON t.pk = c.stream WHERE s.name = ? AND t.name = ?",
	    "tt", source, stream);
	struct flow *f = flow_find(j, source, stream);

	if (!store_row(j->store, st))
		return NULL;
	if (f == NULL) {
		f = xcalloc(1, sizeof(*f));
		f->source = xstrdup(source);
		f->stream = xstrdup(stream);
		f->next = j->flows;
		j->flows = f;
	}
	read_row(f, st);
	store_end(st);
	f->type_pk = type_row(j->store, stream);
	committer_set(j->committer, f->source, f->stream, f->own ? 0 : f->run,
	    f->own ? 0 : f->epoch, f->seq);
	return f;
}

/* A stream that nobody named when the run began. */
static void
add_checkpoint(struct store *s, const struct msg *m)
{
	store_do(s,
	    "INSERT OR IGNORE INTO stream(source, name)"
	    " SELECT pk, ? FROM source WHERE name = ?",
	    "tt", m->stream, m->source);
	store_do(s,
	    "INSERT INTO checkpoint(run, stream, mode)"
	    " SELECT r.pk, t.pk, ? FROM source s"
	    " JOIN run r ON r.source = s.pk AND r.number = s.run"
	    " JOIN stream t ON t.source = s.pk AND t.name = ?"
	    " WHERE s.name = ?",
	    "ttt",
	    m->mode != NULL && strcmp(m->mode, MSG_DELTA) == 0 ? MSG_DELTA
							       : MSG_FULL,
	    m->stream, m->source);
}

/* Is the message's run the one that the database is in? */
static int
current(struct join *j, const struct msg *m)
{
	sqlite3_stmt *st = store_ask(j->store,
	    "SELECT run, epoch FROM source WHERE name = ?", "t", m->source);
	int64_t run = 0, epoch = 0;

	if (store_row(j->store, st)) {
		run = sqlite3_column_int64(st, 0);
		epoch = sqlite3_column_int64(st, 1);
	}
	store_end(st);
	if (m->run == run && m->epoch == epoch)
		return 0;
	if (!j->store->failed)
		log_error("%s run %lld (epoch %lld) is not current, run %lld "
			  "(epoch %lld) is: another fetch took over, or the "
			  "state came from another database",
		    m->source, (long long)m->run, (long long)m->epoch,
		    (long long)run, (long long)epoch);
	return -1;
}

static bool
has_own_run(const struct join *j, const char *source)
{
	for (const struct flow *f = j->flows; f != NULL; f = f->next)
		if (f->own && strcmp(f->source, source) == 0)
			return true;
	return false;
}

/* The exit code. */
static int
open_new(struct join *j, const struct msg *m)
{
	struct why why;

	if (merge_room(j->store, m->source, m->stream, &why) != EXIT_DONE) {
		log_error("%s", why.text);
		return EXIT_USAGE;
	}
	add_checkpoint(j->store, m);
	return load(j, m->source, m->stream) != NULL ? EXIT_DONE
						     : EXIT_TEMPORARY;
}

int
flow_open(struct join *j, const struct msg *m)
{
	int rc = EXIT_DONE;

	if (store_begin(j->store) != 0)
		return EXIT_TEMPORARY;
	if (m->run == 0 && !has_own_run(j, m->source))
		run_begin_own(j->store, m->source);
	if (m->run != 0 && current(j, m) != 0)
		rc = EXIT_TEMPORARY;
	if (rc == EXIT_DONE && load(j, m->source, m->stream) == NULL)
		rc = open_new(j, m);
	if (rc == EXIT_DONE && store_commit(j->store) != 0)
		rc = EXIT_TEMPORARY;
	if (rc != EXIT_DONE)
		store_rollback(j->store);
	else
		store_claim(j->store, m->source);
	return rc;
}

void
flow_load(struct join *j, const char *source)
{
	const char *names[JOIN_STREAMS_MAX];
	char *copies[JOIN_STREAMS_MAX];
	size_t n = 0;
	sqlite3_stmt *st = store_ask(j->store,
	    "SELECT t.name FROM source s"
	    " JOIN run r ON r.source = s.pk AND r.number = s.run"
	    " JOIN checkpoint c ON c.run = r.pk"
	    " JOIN stream t ON t.pk = c.stream WHERE s.name = ?",
	    "t", source);

	while (n < JOIN_STREAMS_MAX && store_row(j->store, st))
		names[n] = copies[n] = xstrdup(store_text(st, 0)), n++;
	store_end(st);
	for (size_t i = 0; i < n; i++) {
		load(j, source, names[i]);
		free(copies[i]);
	}
}

void
flow_save(struct join *j, struct flow *f)
{
	const struct counts *c = &f->counts;

	f->dirty = false;
	store_do(j->store,
	    "UPDATE checkpoint SET seq = ?, state = ?, unsure = ?, pages = ?,"
	    " records = ?, added = ?, changed = ?, same = ?, gone = ?,"
	    " rejects = ?, errors = ? WHERE pk = ?",
	    "itiiiiiiiiii", f->seq, f->state.len > 0 ? f->state.data : NULL,
	    (int64_t)f->unsure, c->pages, c->records, c->added, c->changed,
	    c->same, c->gone, c->rejects, c->errors, f->checkpoint_pk);
	store_do(j->store, "UPDATE stream SET alive = ? WHERE pk = ?", "ii",
	    f->alive, f->stream_pk);
}

void
flow_free_all(struct join *j)
{
	while (j->flows != NULL) {
		struct flow *f = j->flows;

		j->flows = f->next;
		buf_free(&f->state);
		free(f->source);
		free(f->stream);
		free(f);
	}
}
