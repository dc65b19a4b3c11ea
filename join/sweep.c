/*
 * sweep.c - who leaves behind a complete stream: the guard and the deletes.
 *
 * end.c asks the guard, batch.c and `join approve` then do the sweep in
 * chunks whose place is durable, so that a crash goes on where it was.
 * Pages only mark what fetch or the rules take out.  Every object handled in
 * the run carries the run's generation or a newer one; what is older was not
 * listed, and leaves too when the listing was full.
 */

#include "join.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leave.h"
#include "log.h"
#include "merge.h"
#include "mem.h"
#include "run.h"
#include "sweep.h"

#ifndef SWEEP_CHUNK
#define SWEEP_CHUNK 1000
#endif
/* What would leave a stream: absent objects and marked ones by reason. */
struct leavers {
	int64_t absent, spared, all; /* all: without the spared */
	struct buf text; /* "12 absent, 3 scope" */
};

/* Only a full listing that missed nothing proves it. */
static bool
proves_absence(const struct flow *f)
{
	return f->full && !f->unsure;
}

static void
count_absent(
    struct store *s, const struct flow *f, const char *since, struct leavers *l)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT count(*), ifnull(sum(late), 0) FROM (SELECT " SWEEP_SPARED(
		"?3") " AS late"
		      " FROM seen n JOIN object o ON o.pk = n.pk"
		      " LEFT JOIN attrs a ON a.pk = o.pk"
		      " WHERE n.generation < ?1 AND o.stream = ?2"
		      " AND NOT EXISTS (SELECT 1 FROM leaving l WHERE l.pk = "
		      "n.pk"
		      " AND l.generation IN (0, ?1)))",
	    "iit", f->generation, f->stream_pk, since);

	if (store_row(s, st)) {
		l->spared = sqlite3_column_int64(st, 1);
		l->absent = sqlite3_column_int64(st, 0) - l->spared;
	}
	store_end(st);
}

static void
add_leavers(struct leavers *l, int64_t n, const char *reason)
{
	l->all += n;
	buf_fmt(&l->text, "%s%lld %.40s", l->text.len > 0 ? ", " : "",
	    (long long)n, reason);
}

static void
count_leavers(
    struct store *s, const struct flow *f, const char *since, struct leavers *l)
{
	sqlite3_stmt *st;

	if (proves_absence(f))
		count_absent(s, f, since, l);
	if (l->absent > 0)
		add_leavers(l, l->absent, "absent");
	st = store_ask(s,
	    "SELECT count(*), l.reason FROM leaving l"
	    " JOIN object o ON o.pk = l.pk"
	    " WHERE o.stream = ? AND l.generation = ?"
	    " GROUP BY l.reason ORDER BY l.reason",
	    "ii", f->stream_pk, f->generation);
	while (store_row(s, st))
		add_leavers(l, sqlite3_column_int64(st, 0), store_text(st, 1));
}

static bool
too_many(
    const struct rules_guard *g, const struct flow *f, const struct leavers *l)
{
	return l->all > g->max ||
	       (f->alive >= g->of_at_least &&
		   (double)l->all * 100 > g->percent * (double)f->alive);
}

static void
tell_held(struct join *j, const struct flow *f, const char *why)
{
	log_warn("%s %s run %lld: %s; whom it touches: idmesh join plan --db "
		 "%s; if that is right: idmesh join approve --db %s %lld",
	    f->source, f->stream, (long long)f->run, why, j->store->path,
	    j->store->path, (long long)f->run);
	j->held = true;
}

static void
hold(struct join *j, const struct flow *f, const struct rules_guard *g,
    const struct leavers *l, char *why, size_t len)
{
	char more[120] = "";

	if (l->spared > 0)
		snprintf(more, sizeof(more), "; %lld more " SWEEP_WORDS,
		    (long long)l->spared);
	/* release() of admin.c cuts it behind the first semicolon. */
	snprintf(why, len,
	    "held: %lld of %lld objects would leave (%s), the guard allows "
	    "%lld or %g %%; nothing was deleted%s",
	    (long long)l->all, (long long)f->alive, l->text.data,
	    (long long)g->max, g->percent, more);
	tell_held(j, f, why);
}

const char *
sweep_judge(struct join *j, const struct flow *f, const char *since, bool empty,
    char *why, size_t len)
{
	struct rules_guard g = { 500, 5, 50 };
	struct leavers l = { 0 };
	const char *phase = "sweeping";

	if (j->rules != NULL)
		g = rules_guard_leave(j->rules);
	count_leavers(j->store, f, since, &l);
	if (l.all + l.spared == 0) {
		phase = "done";
	} else if (empty) {
		tell_held(j, f, why);
		phase = "held";
	} else if (too_many(&g, f, &l)) {
		hold(j, f, &g, &l, why, len);
		phase = "held";
	} else {
		j->sweeping = true;
	}
	buf_free(&l.text);
	return phase;
}

/* A stream of an earlier run that its guard holds. */
struct held {
	int64_t checkpoint, run, number, generation;
	bool absent; /* it was listed in full */
	char name[256];
};

/* One sweep that was decided and is not done. */
struct sweep {
	int64_t checkpoint, run, source, stream, generation, after;
	char name[32]; /* of the stream */
	bool absent; /* what was not listed goes too */
	int64_t gone, spared, last;
	size_t rows;
};

static int
next_sweep(struct store *s, struct sweep *w)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT c.pk, c.run, c.stream, r.generation, c.swept,"
	    " c.mode = 'full' AND c.unsure = 0, r.source, t.name"
	    " FROM checkpoint c JOIN run r ON r.pk = c.run"
	    " JOIN stream t ON t.pk = c.stream"
	    " WHERE c.phase = 'sweeping' LIMIT 1",
	    "");

	if (!store_row(s, st))
		return 0;
	*w = (struct sweep){
		.checkpoint = sqlite3_column_int64(st, 0),
		.run = sqlite3_column_int64(st, 1),
		.stream = sqlite3_column_int64(st, 2),
		.generation = sqlite3_column_int64(st, 3),
		.after = sqlite3_column_int64(st, 4),
		.absent = sqlite3_column_int(st, 5) != 0,
		.source = sqlite3_column_int64(st, 6),
	};
	snprintf(w->name, sizeof(w->name), "%s", store_text(st, 7));
	store_end(st);
	return 1;
}

/* Only its own marks: what an older run holds, that run's approval lets go. */
static void
marked_rows(struct store *s, struct sweep *w, struct flow *f)
{
	struct object gone[SWEEP_CHUNK];
	char *why[SWEEP_CHUNK];
	sqlite3_stmt *st = store_ask(s,
	    "SELECT o.pk, o.mesh, l.reason FROM leaving l"
	    " JOIN object o ON o.pk = l.pk"
	    " WHERE o.stream = ? AND l.generation = ? ORDER BY l.pk LIMIT ?",
	    "iii", w->stream, w->generation, (int64_t)SWEEP_CHUNK);
	enum wait wait;
	size_t n = 0;

	while (store_row(s, st)) {
		gone[n].pk = sqlite3_column_int64(st, 0);
		gone[n].mesh = sqlite3_column_int64(st, 1);
		why[n++] = xstrdup(store_text(st, 2));
	}
	wait = edge_wait(s, f);
	for (size_t i = 0; i < n; i++) {
		edge_leave(s, f, wait, &gone[i], why[i]);
		/* One that waits has a mark of its own now. */
		store_do(s,
		    "DELETE FROM leaving WHERE pk = ? AND generation = ?", "ii",
		    gone[i].pk, w->generation);
		free(why[i]);
	}
	w->last = w->after;
	w->gone = f->counts.gone;
	w->rows = n;
}

static void
sweep_rows(struct store *s, struct sweep *w, struct flow *f)
{
	struct object gone[SWEEP_CHUNK];
	sqlite3_stmt *st = store_ask(s,
	    "SELECT o.pk, o.mesh, " SWEEP_SPARED(
		"c.watermark") " FROM seen n JOIN object o ON o.pk = n.pk"
			       " JOIN checkpoint c ON c.pk = ?5"
			       " LEFT JOIN attrs a ON a.pk = o.pk"
			       " WHERE n.pk > ?1 AND n.generation < ?2 AND "
			       "o.stream = ?3"
			       " ORDER BY n.pk LIMIT ?4",
	    "iiiii", w->after, w->generation, w->stream, (int64_t)SWEEP_CHUNK,
	    w->checkpoint);
	enum wait wait;
	size_t n = 0;

	w->last = w->after;
	while (store_row(s, st)) {
		w->rows++;
		w->last = sqlite3_column_int64(st, 0);
		if (sqlite3_column_int(st, 2) != 0) {
			w->spared++;
			continue;
		}
		gone[n].pk = w->last;
		gone[n++].mesh = sqlite3_column_int64(st, 1);
	}
	wait = edge_wait(s, f);
	for (size_t i = 0; i < n; i++)
		edge_leave(s, f, wait, &gone[i], "absent");
	w->gone = f->counts.gone;
}

/* Is there still something that the run holds back in the stream? */
static bool
holds(struct store *s, int64_t stream, const struct held *h)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT EXISTS (SELECT 1 FROM leaving l JOIN object o ON o.pk = "
	    "l.pk"
	    " WHERE o.stream = ?1 AND l.generation = ?2) OR (?3 AND EXISTS"
	    " (SELECT 1 FROM seen n JOIN object o ON o.pk = n.pk"
	    " JOIN checkpoint c ON c.pk = ?4 LEFT JOIN attrs a ON a.pk = o.pk"
	    " WHERE n.generation < ?2 AND o.stream = ?1"
	    " AND " SWEEP_SPARED("c.watermark") " = 0))",
	    "iiii", stream, h->generation, (int64_t)h->absent, h->checkpoint);
	bool is = store_row(s, st) && sqlite3_column_int(st, 0) != 0;

	store_end(st);
	return is;
}

/* A held stream of an earlier run; *after moves on. */
static int
next_held(struct store *s, int64_t stream, int64_t not_run, int64_t *after,
    struct held *h)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT c.pk, c.run, r.number, r.generation,"
	    " c.mode = 'full' AND c.unsure = 0, s.name, t.name"
	    " FROM checkpoint c JOIN run r ON r.pk = c.run"
	    " JOIN stream t ON t.pk = c.stream"
	    " JOIN source s ON s.pk = r.source WHERE c.phase = 'held'"
	    " AND c.stream = ? AND c.run <> ? AND c.pk > ?"
	    " ORDER BY c.pk LIMIT 1",
	    "iii", stream, not_run, *after);

	if (!store_row(s, st))
		return 0;
	*after = h->checkpoint = sqlite3_column_int64(st, 0);
	h->run = sqlite3_column_int64(st, 1);
	h->number = sqlite3_column_int64(st, 2);
	h->generation = sqlite3_column_int64(st, 3);
	h->absent = sqlite3_column_int(st, 4) != 0;
	snprintf(h->name, sizeof(h->name), "%.200s %.30s", store_text(st, 5),
	    store_text(st, 6));
	store_end(st);
	return 1;
}

void
held_review(struct join *j, int64_t stream, int64_t run)
{
	struct store *s = j->store;
	int64_t after = 0;
	struct held h;

	while (next_held(s, stream, run, &after, &h)) {
		if (holds(s, stream, &h)) {
			if (run != 0)
				log_warn("%s run %lld still holds objects "
					 "back: idmesh join approve --db %s "
					 "%lld",
				    h.name, (long long)h.number, s->path,
				    (long long)h.number);
			j->held = true;
			continue;
		}
		store_do(s,
		    "UPDATE checkpoint SET phase = 'done', why ="
		    " 'what was held is there again or has left' WHERE pk = ?",
		    "i", h.checkpoint);
		run_settle(s, h.run, false);
	}
}

/* Whoever reads of the run finds no delete that he looked for. */
static void
note_spared(struct store *s, int64_t checkpoint)
{
	store_do(s,
	    "UPDATE checkpoint SET why = ifnull(why || '; ', '') || spared ||"
	    " ' not listed ' || ? WHERE pk = ? AND spared > 0",
	    "ti", SWEEP_WORDS, checkpoint);
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
	scratch.stream = w.name;
	scratch.source_pk = w.source;
	marked_rows(s, &w, &scratch);
	last = w.rows == 0 && !w.absent;
	if (w.rows == 0 && w.absent) {
		sweep_rows(s, &w, &scratch);
		last = w.rows < SWEEP_CHUNK;
	}
	store_do(s,
	    "UPDATE checkpoint SET swept = ?, gone = gone + ?,"
	    " spared = spared + ?, phase = ? WHERE pk = ?",
	    "iiiti", w.last, w.gone, w.spared, last ? "done" : "sweeping",
	    w.checkpoint);
	store_do(s, "UPDATE stream SET alive = alive - ? WHERE pk = ?", "ii",
	    w.gone, w.stream);
	tell_flow(j, &w);
	if (last) {
		note_spared(s, w.checkpoint);
		held_review(j, w.stream, 0);
		edges_close(j, w.source, w.run, false);
		merge_due_dirty(s, w.name);
	}
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
