/*
 * settle.c - the end of a run: watermarks move, the run is closed.
 *
 * batch.c calls it in the transaction in which a stream or its sweep ended,
 * pipe.c once more at the end of its input, when it is known which streams
 * the run had.
 */

#include "join.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"

/* What the streams of a run say together. */
struct tally {
	char u[WATERMARK_MAX], group[WATERMARK_MAX], member[WATERMARK_MAX];
	bool has_member, reading, incomplete, held;
};

static void
keep(char out[WATERMARK_MAX], const char *phase, const char *mark)
{
	bool whole = strcmp(phase, "done") == 0 || strcmp(phase, "held") == 0 ||
		     strcmp(phase, "sweeping") == 0;

	if (whole && mark != NULL)
		snprintf(out, WATERMARK_MAX, "%s", mark);
}

static void
tally(struct store *s, int64_t run, struct tally *t)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT t.name, c.phase, c.watermark FROM checkpoint c"
	    " JOIN stream t ON t.pk = c.stream WHERE c.run = ?",
	    "i", run);

	while (store_row(s, st)) {
		const char *name = store_text(st, 0),
			   *phase = store_text(st, 1),
			   *mark = store_text(st, 2);

		t->reading |= strcmp(phase, "reading") == 0 ||
			      strcmp(phase, "sweeping") == 0;
		t->incomplete |= strcmp(phase, "incomplete") == 0;
		t->held |= strcmp(phase, "held") == 0;
		if (strcmp(name, "User") == 0)
			keep(t->u, phase, mark);
		else if (strcmp(name, "Group") == 0)
			keep(t->group, phase, mark);
		else if (strcmp(name, "GroupMember") == 0)
			keep(t->member, phase, mark);
		t->has_member |= strcmp(name, "GroupMember") == 0;
	}
}

/* g covers groups and members: the older of both, when both are there. */
static const char *
group_mark(const struct tally *t, bool all_known)
{
	if (t->group[0] == '\0')
		return "";
	if (!t->has_member)
		return all_known ? t->group : "";
	if (t->member[0] == '\0')
		return "";
	return strcmp(t->member, t->group) < 0 ? t->member : t->group;
}

static void
move_marks(struct store *s, int64_t run, const struct tally *t, bool all_known)
{
	char u[WATERMARK_MAX], g[WATERMARK_MAX], source[256] = "";
	const char *group = group_mark(t, all_known);
	sqlite3_stmt *st;

	if (t->u[0] == '\0' && group[0] == '\0')
		return;
	st = store_ask(s,
	    "SELECT s.name FROM run r JOIN source s ON s.pk = r.source"
	    " WHERE r.pk = ? AND s.run = r.number",
	    "i", run);
	if (store_row(s, st))
		snprintf(source, sizeof(source), "%s", store_text(st, 0));
	store_end(st);
	/* An older run that is let go: a newer one has moved them since. */
	if (source[0] == '\0')
		return;
	watermark_read(s, source, u, g);
	watermark_write(s, source, t->u[0] != '\0' ? t->u : u,
	    group[0] != '\0' ? group : g);
}

/* A run that was asked for knows its streams from its beginning, and one that
 * was closed before (held, then approved) has them all. */
static bool
streams_known(struct store *s, int64_t run)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT 1 FROM run WHERE pk = ?"
	    " AND (asked IS NOT NULL OR state <> 'running')",
	    "i", run);
	bool known = store_row(s, st);

	store_end(st);
	return known;
}

/* One line for people. */
static void
summarize(struct store *s, int64_t run, const char *state)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT s.name, r.number, sum(c.added), sum(c.changed),"
	    " sum(c.same), sum(c.gone), sum(c.rejects) FROM run r"
	    " JOIN source s ON s.pk = r.source"
	    " JOIN checkpoint c ON c.run = r.pk WHERE r.pk = ?",
	    "i", run);

	if (store_row(s, st))
		log_info("%s run %s is %s: %s new, %s changed, %s the same, "
			 "%s gone, %s rejected",
		    store_text(st, 0), store_text(st, 1), state,
		    store_text(st, 2), store_text(st, 3), store_text(st, 4),
		    store_text(st, 5), store_text(st, 6));
	store_end(st);
}

void
run_settle(struct store *s, int64_t run, bool closing)
{
	bool all_known = closing || streams_known(s, run);
	char at[CLOCK_TEXT];
	struct tally t = { 0 };
	const char *state = "done";

	tally(s, run, &t);
	move_marks(s, run, &t, all_known);
	if (t.reading || !all_known)
		return;
	if (t.incomplete)
		state = "incomplete";
	else if (t.held)
		state = "held";
	clock_rfc3339(clock_wall_ms(), at);
	if (store_do(s,
		"UPDATE run SET state = ?, ended = ? WHERE pk = ?"
		" AND state IN ('running', 'held')",
		"tti", state, at, run) > 0)
		summarize(s, run, state);
}
