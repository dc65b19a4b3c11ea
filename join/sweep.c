/*
 * sweep.c - deletes by absence, after a complete full stream.
 *
 * end.c asks the guard, batch.c and `join approve` then do the sweep in
 * chunks whose place is durable, so that a crash goes on where it was.
 * Every object handled in the run carries the run's generation or a newer
 * one; what is older was not listed.
 */

#include "join.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "log.h"

#ifndef SWEEP_CHUNK
#define SWEEP_CHUNK 1000
#endif
/* An empty listing of a stream with this many objects is not believed. */
#define SWEEP_EMPTY 10

static int64_t
absent(struct store *s, const struct flow *f)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT count(*) FROM seen n JOIN object o ON o.pk = n.pk"
	    " WHERE n.generation < ? AND o.stream = ?",
	    "ii", f->generation, f->stream_pk);
	int64_t n = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return n;
}

bool
sweep_guard(struct join *j, const struct flow *f, char *why, size_t len)
{
	struct rules_guard g = { 500, 5, 50 };
	int64_t n = absent(j->store, f), records = f->counts.records;
	bool over;

	if (j->rules != NULL)
		g = rules_guard_leave(j->rules);
	over = n > g.max ||
	       (f->alive >= g.of_at_least &&
		   (double)n * 100 > g.percent * (double)f->alive) ||
	       (n > 0 && records == 0 && f->alive >= SWEEP_EMPTY);
	if (!over)
		return false;
	snprintf(why, len,
	    "held: %lld of %lld objects were not listed, the guard allows %lld "
	    "or %g %%; nothing was deleted",
	    (long long)n, (long long)f->alive, (long long)g.max, g.percent);
	log_warn("%s %s run %lld: %s; if that is right: "
		 "idmesh join approve --db %s %lld",
	    f->source, f->stream, (long long)f->run, why, j->store->path,
	    (long long)f->run);
	return true;
}

/* One sweep that was decided and is not done. */
struct sweep {
	int64_t checkpoint, run, stream, generation, after;
	int64_t since_ms; /* spares what changed later, -1 unknown */
	int64_t gone, spared, last;
	size_t rows;
};

static int
next_sweep(struct store *s, struct sweep *w)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT c.pk, c.run, c.stream, r.generation, c.swept, c.watermark"
	    " FROM checkpoint c JOIN run r ON r.pk = c.run"
	    " WHERE c.phase = 'sweeping' LIMIT 1",
	    "");
	const char *since;

	if (!store_row(s, st))
		return 0;
	*w = (struct sweep){
		.checkpoint = sqlite3_column_int64(st, 0),
		.run = sqlite3_column_int64(st, 1),
		.stream = sqlite3_column_int64(st, 2),
		.generation = sqlite3_column_int64(st, 3),
		.after = sqlite3_column_int64(st, 4),
	};
	since = store_text(st, 5);
	if (since == NULL ||
	    clock_parse_rfc3339(since, strlen(since), &w->since_ms) != 0)
		w->since_ms = -1;
	store_end(st);
	return 1;
}

/* Touched while the listing ran: it may have slipped between two pages. */
static bool
spared(const struct sweep *w, const char *attrs)
{
	yyjson_doc *doc;
	const char *text;
	int64_t at;
	bool late;

	if (w->since_ms < 0 || attrs == NULL)
		return false;
	doc = yyjson_read(attrs, strlen(attrs), YYJSON_READ_NUMBER_AS_RAW);
	text = json_text(yyjson_doc_get_root(doc), "lastUpdated");
	late = text != NULL &&
	       clock_parse_rfc3339(text, strlen(text), &at) == 0 &&
	       at >= w->since_ms;
	yyjson_doc_free(doc);
	return late;
}

static void
sweep_rows(struct store *s, struct sweep *w, struct flow *f)
{
	struct object gone[SWEEP_CHUNK];
	sqlite3_stmt *st = store_ask(s,
	    "SELECT o.pk, o.mesh, a.text FROM seen n"
	    " JOIN object o ON o.pk = n.pk LEFT JOIN attrs a ON a.pk = o.pk"
	    " WHERE n.pk > ? AND n.generation < ? AND o.stream = ?"
	    " ORDER BY n.pk LIMIT ?",
	    "iiii", w->after, w->generation, w->stream, (int64_t)SWEEP_CHUNK);
	size_t n = 0;

	w->last = w->after;
	while (store_row(s, st)) {
		w->rows++;
		w->last = sqlite3_column_int64(st, 0);
		if (spared(w, store_text(st, 2))) {
			w->spared++;
			continue;
		}
		gone[n].pk = w->last;
		gone[n++].mesh = sqlite3_column_int64(st, 1);
	}
	for (size_t i = 0; i < n; i++)
		object_leave(s, f, &gone[i], "absent");
	w->gone = (int64_t)n;
}

/* The flow in memory, if this process has it, must agree. */
static void
tell_flow(struct join *j, const struct sweep *w)
{
	for (struct flow *f = j->flows; f != NULL; f = f->next) {
		if (f->stream_pk != w->stream)
			continue;
		f->alive -= w->gone;
		if (f->checkpoint_pk != w->checkpoint)
			continue;
		f->counts.gone += w->gone;
		f->counts.spared += w->spared;
	}
}

int
sweep_step(struct join *j)
{
	struct store *s = j->store;
	struct flow scratch = { 0 };
	struct sweep w;
	bool last;

	if (!next_sweep(s, &w))
		return 0;
	sweep_rows(s, &w, &scratch);
	last = w.rows < SWEEP_CHUNK;
	store_do(s,
	    "UPDATE checkpoint SET swept = ?, gone = gone + ?,"
	    " spared = spared + ?, phase = ? WHERE pk = ?",
	    "iiiti", w.last, w.gone, w.spared, last ? "done" : "sweeping",
	    w.checkpoint);
	store_do(s, "UPDATE stream SET alive = alive - ? WHERE pk = ?", "ii",
	    w.gone, w.stream);
	if (last)
		run_settle(s, w.run, false);
	tell_flow(j, &w);
	return 1;
}

int
sweep_chunk(struct join *j)
{
	int more;

	if (store_begin(j->store) != 0)
		return -1;
	more = sweep_step(j);
	return store_commit(j->store) == 0 ? more : -1;
}
