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
#include "run.h"
#include "sweep.h"

/* What the streams of a run say together. */
struct tally {
	struct marks marks;
	bool has_member, reading, incomplete, held;
};

static void
keep(char out[WATERMARK_MAX], const char *phase, const char *mark)
{
	bool whole = strcmp(phase, "done") == 0 || strcmp(phase, "held") == 0 ||
		     strcmp(phase, "sweeping") == 0;

	/* Half a link is none: the next run reads everything. */
	if (whole && mark != NULL && strlen(mark) < WATERMARK_MAX)
		snprintf(out, WATERMARK_MAX, "%s", mark);
}

static void
tally(struct store *s, int64_t run, struct tally *t)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT t.name, c.phase, c.watermark FROM checkpoint c"
	    " JOIN stream t ON t.pk = c.stream WHERE c.run = ?",
	    "i", run);

	*t = (struct tally){ .reading = false };
	while (store_row(s, st)) {
		const char *name = store_text(st, 0),
			   *phase = store_text(st, 1),
			   *mark = store_text(st, 2);

		t->reading |= strcmp(phase, "reading") == 0 ||
			      strcmp(phase, "sweeping") == 0;
		t->incomplete |= strcmp(phase, "incomplete") == 0;
		t->held |= strcmp(phase, "held") == 0;
		if (strcmp(name, "User") == 0)
			keep(t->marks.user, phase, mark);
		else if (strcmp(name, "Group") == 0)
			keep(t->marks.group, phase, mark);
		else if (strcmp(name, "GroupMember") == 0)
			keep(t->marks.member, phase, mark);
		t->has_member |= strcmp(name, "GroupMember") == 0;
	}
}

/*
 * A time of groups covers their members: the older of both, when both are
 * there.  Links stand for themselves.
 */
static void
join_marks(struct tally *t, bool all_known)
{
	char *group = t->marks.group, *member = t->marks.member;
	bool links = (group[0] != '\0' && !watermark_is_time(group)) ||
		     (member[0] != '\0' && !watermark_is_time(member));

	if (links)
		return;
	if (t->has_member ? member[0] == '\0' : !all_known)
		group[0] = '\0';
	else if (t->has_member && group[0] != '\0' && strcmp(member, group) < 0)
		memmove(group, member, strlen(member) + 1);
	member[0] = '\0';
}

static void
move(char *mark, const char *to)
{
	if (to[0] != '\0')
		memmove(mark, to, strlen(to) + 1);
}

static void
move_marks(struct store *s, int64_t run, struct tally *t, bool all_known)
{
	char source[256] = "";
	const struct marks *to = &t->marks;
	struct marks m;
	sqlite3_stmt *st;

	join_marks(t, all_known);
	if (to->user[0] == '\0' && to->group[0] == '\0' &&
	    to->member[0] == '\0')
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
	watermark_read(s, source, &m);
	move(m.user, to->user);
	move(m.group, to->group);
	move(m.member, to->member);
	watermark_write(s, source, &m);
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
	    " sum(c.same), sum(c.gone), sum(c.rejects), sum(c.spared)"
	    " FROM run r"
	    " JOIN source s ON s.pk = r.source"
	    " JOIN checkpoint c ON c.run = r.pk WHERE r.pk = ?",
	    "i", run);
	bool spared;

	if (store_row(s, st)) {
		spared = sqlite3_column_int64(st, 7) > 0;
		log_info("%s run %s is %s: %s new, %s changed, %s the same, "
			 "%s gone, %s rejected%s%s%s",
		    store_text(st, 0), store_text(st, 1), state,
		    store_text(st, 2), store_text(st, 3), store_text(st, 4),
		    store_text(st, 5), store_text(st, 6), spared ? "; " : "",
		    spared ? store_text(st, 7) : "",
		    spared ? " not listed " SWEEP_WORDS : "");
	}
	store_end(st);
}

void
run_note(struct store *s)
{
	store_do(s,
	    "UPDATE run SET until = ? WHERE until IS NULL AND state <> "
	    "'running'"
	    " AND NOT EXISTS (SELECT 1 FROM merge WHERE state <> 'stopped')",
	    "i", s->newest);
}

void
run_settle(struct store *s, int64_t run, bool closing)
{
	bool all_known = closing || streams_known(s, run);
	char at[CLOCK_TEXT];
	struct tally t;
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
	run_note(s);
}
