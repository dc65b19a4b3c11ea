/*
 * run.c - runs of a source: begin, resume, the state that fetch goes on from.
 *
 * Called by `join begin`, by a hello in service mode and, for messages without
 * a run, by flow.c.  A run is a row of `run` with one checkpoint a stream.
 * Everything here happens inside the caller's transaction.
 */

#include "join.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "leave.h"
#include "log.h"
#include "merge.h"
#include "run.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)

static void
now(char out[CLOCK_TEXT])
{
	clock_rfc3339(clock_wall_ms(), out);
}

/* The row of a source, made when it is new. */
static int64_t
source_row(struct store *s, const char *name)
{
	sqlite3_stmt *st;
	int64_t pk = 0;

	store_do(s, "INSERT OR IGNORE INTO source(name) VALUES(?)", "t", name);
	st = store_ask(s, "SELECT pk FROM source WHERE name = ?", "t", name);
	if (store_row(s, st))
		pk = sqlite3_column_int64(st, 0);
	store_end(st);
	return pk;
}

static int64_t
stream_row(struct store *s, int64_t source, const char *name, int64_t *full)
{
	sqlite3_stmt *st;
	int64_t pk = 0;

	store_do(s, "INSERT OR IGNORE INTO stream(source, name) VALUES(?, ?)",
	    "it", source, name);
	st = store_ask(s,
	    "SELECT pk, full_run FROM stream WHERE source = ? AND name = ?",
	    "it", source, name);
	if (store_row(s, st)) {
		pk = sqlite3_column_int64(st, 0);
		*full = sqlite3_column_int64(st, 1);
	}
	store_end(st);
	return pk;
}

bool
watermark_is_time(const char *mark)
{
	int64_t ms;

	return clock_parse_rfc3339(mark, strlen(mark), &ms) == 0;
}

/* Of any other stream every run reads everything. */
static bool
has_mark(const char *stream)
{
	return strcmp(stream, "User") == 0 || strcmp(stream, "Group") == 0 ||
	       strcmp(stream, "GroupMember") == 0;
}

/* Which of a source's watermarks a stream is read from. */
static const char *
watermark_of(const char *stream, const struct marks *m)
{
	const char *w = "";

	if (strcmp(stream, "User") == 0)
		w = m->user;
	else if (strcmp(stream, "Group") == 0)
		w = m->group;
	else if (strcmp(stream, "GroupMember") == 0 && m->member[0] != '\0')
		w = m->member;
	else if (strcmp(stream, "GroupMember") == 0 &&
		 watermark_is_time(m->group))
		w = m->group;
	return w[0] != '\0' ? w : NULL;
}

bool
watermark_is_future(const char *mark)
{
	int64_t ms;

	return clock_parse_rfc3339(mark, strlen(mark), &ms) == 0 &&
	       ms > clock_wall_ms() + DAY_MS;
}

/* Nothing changes before such a watermark comes, so it is not believed. */
static void
warn_of_future(struct store *s, const char *source)
{
	struct marks m;
	const char *mark = m.user;

	watermark_read(s, source, &m);
	if (!watermark_is_future(m.user))
		mark = m.group;
	if (watermark_is_future(mark))
		log_warn("%s: the watermark %s lies in the future; what is "
			 "read from there is read in full",
		    source, mark);
}

/* auto, full or delta becomes full or delta; NULL: there is no watermark. */
static const char *
decide(const char *asked, const char *since, int64_t full)
{
	if (strcmp(asked, MSG_FULL) == 0)
		return MSG_FULL;
	if (strcmp(asked, MSG_DELTA) == 0)
		return since != NULL ? MSG_DELTA : NULL;
	return since != NULL && full > 0 ? MSG_DELTA : MSG_FULL;
}

static int
add_stream(struct store *s, int64_t source, int64_t run, const struct ask *ask,
    const char *name, struct why *why)
{
	struct marks marks;
	const char *since, *mode;
	int64_t stream, full = 0;

	watermark_read(s, ask->source, &marks);
	since = watermark_of(name, &marks);
	if (merge_room(s, ask->source, name, why) != EXIT_DONE)
		return -1;
	stream = stream_row(s, source, name, &full);
	mode = has_mark(name) ? decide(ask->mode, since, full) : MSG_FULL;
	if (since != NULL && watermark_is_future(since))
		mode = MSG_FULL;
	if (mode == NULL)
		return why_set(why, "E_MODE", ask->source,
		    "%s: %s has no watermark to read changes from; run once "
		    "with --mode full",
		    ask->source, name);
	store_do(s,
	    "INSERT OR IGNORE INTO checkpoint(run, stream, mode, since)"
	    " VALUES(?, ?, ?, ?)",
	    "iitt", run, stream, mode,
	    strcmp(mode, MSG_DELTA) == 0 ? since : NULL);
	return 0;
}

/*
 * To the time: a database that was put back to an earlier copy would count to
 * the same number again, and take pages that are on their way from before.
 */
static void
raise_epoch(struct store *s, int64_t source)
{
	store_do(s, "UPDATE source SET epoch = max(epoch + 1, ?) WHERE pk = ?",
	    "ii", clock_wall_ms(), source);
}

static int64_t
run_add(struct store *s, int64_t source, const char *asked)
{
	char at[CLOCK_TEXT];
	int64_t run;

	now(at);
	leaving_forget(s, source);
	store_do(s,
	    "UPDATE run SET state = 'incomplete', ended = ?"
	    " WHERE source = ? AND state = 'running'",
	    "ti", at, source);
	store_do(s,
	    "UPDATE run SET until = ? WHERE source = ? AND until IS NULL", "ii",
	    s->newest, source);
	store_do(
	    s, "UPDATE source SET run = run + 1 WHERE pk = ?", "i", source);
	raise_epoch(s, source);
	store_do(s,
	    "INSERT INTO run(source, number, asked, state, generation,"
	    " started, log)"
	    " SELECT pk, run, ?, 'running', ?, ?, ? FROM source WHERE pk = ?",
	    "titii", asked, ++s->generation, at, s->newest, source);
	run = sqlite3_last_insert_rowid(s->db);
	/* Nothing of the closed run is decided any more. */
	edges_settle(s, NULL, source);
	return run;
}

/* Is the unfinished run one that this question can go on with? */
static bool
fits(struct store *s, int64_t run, const struct ask *ask)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT t.name, c.mode FROM checkpoint c JOIN stream t"
	    " ON t.pk = c.stream WHERE c.run = ?",
	    "i", run);
	size_t found = 0, rows = 0;

	while (store_row(s, st)) {
		const char *mode = store_text(st, 1);

		rows++;
		for (size_t i = 0; i < ask->n; i++)
			if (strcmp(ask->streams[i], store_text(st, 0)) == 0 &&
			    (!has_mark(ask->streams[i]) ||
				strcmp(ask->mode, MSG_AUTO) == 0 ||
				strcmp(ask->mode, mode) == 0))
				found++;
	}
	return rows == ask->n && found == ask->n;
}

/* The run to go on with, or 0. */
static int64_t
unfinished(struct store *s, int64_t source, const struct ask *ask)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT r.pk FROM source s JOIN run r"
	    " ON r.source = s.pk AND r.number = s.run"
	    " WHERE s.pk = ? AND r.state = 'running' AND r.asked IS NOT NULL",
	    "i", source);
	int64_t run = 0;

	if (store_row(s, st))
		run = sqlite3_column_int64(st, 0);
	store_end(st);
	return run != 0 && fits(s, run, ask) ? run : 0;
}

static void
resume(struct store *s, int64_t source, int64_t run)
{
	raise_epoch(s, source);
	store_do(s,
	    "UPDATE checkpoint SET phase = 'reading', why = NULL"
	    " WHERE run = ? AND phase = 'incomplete'",
	    "i", run);
}

/*
 * A fetch that asks again after its run was closed must hear that it is
 * done, not begin another one.
 */
static bool
answered(struct store *s, int64_t source, const char *instance)
{
	sqlite3_stmt *st;
	bool found;

	if (instance == NULL)
		return false;
	st = store_ask(s, "SELECT 1 FROM source WHERE pk = ? AND instance = ?",
	    "it", source, instance);
	found = store_row(s, st);
	store_end(st);
	return found;
}

/* A fetch lists an unfinished group again from its first page. */
static void
forget_listings(struct store *s, int64_t source)
{
	store_do(s,
	    "UPDATE container SET listing = NULL WHERE listing IS NOT NULL"
	    " AND stream IN (SELECT pk FROM stream WHERE source = ?)",
	    "i", source);
}

int
run_begin(struct store *s, const struct ask *ask, struct why *why)
{
	int64_t source = source_row(s, ask->source), run;

	if (answered(s, source, ask->instance))
		return EXIT_DONE;
	forget_listings(s, source);
	run = unfinished(s, source, ask);
	if (run != 0) {
		resume(s, source, run);
	} else {
		warn_of_future(s, ask->source);
		run = run_add(s, source, ask->mode);
		for (size_t i = 0; i < ask->n; i++)
			if (add_stream(
				s, source, run, ask, ask->streams[i], why) != 0)
				return EXIT_USAGE;
	}
	store_do(s, "UPDATE source SET instance = ? WHERE pk = ?", "ti",
	    ask->instance, source);
	return s->failed ? EXIT_TEMPORARY : EXIT_DONE;
}

int64_t
run_begin_own(struct store *s, const char *source)
{
	int64_t row = source_row(s, source);

	forget_listings(s, row);
	return run_add(s, row, NULL);
}

static void
state_streams(struct store *s, int64_t run, struct buf *out)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT t.name, c.mode, c.seq, c.state, c.since, c.phase,"
	    " (SELECT p.records FROM checkpoint p WHERE p.stream = c.stream"
	    " AND p.mode = 'full' AND p.phase = 'done' AND p.pk < c.pk"
	    " ORDER BY p.pk DESC LIMIT 1)"
	    " FROM checkpoint c JOIN stream t ON t.pk = c.stream"
	    " WHERE c.run = ? ORDER BY c.pk",
	    "i", run);
	const char *separator = "{";

	while (store_row(s, st)) {
		const char *state = store_text(st, 3), *since;
		const char *phase = store_text(st, 5);

		buf_str(out, separator);
		buf_json_str(out, store_text(st, 0));
		buf_str(out, ":{\"" MSG_MODE "\":");
		buf_json_str(out, store_text(st, 1));
		msg_int(out, MSG_SEQ, sqlite3_column_int64(st, 2));
		state = state != NULL ? state : "null";
		msg_raw(out, MSG_STATE, state, strlen(state));
		since = store_text(st, 4);
		msg_str(out, MSG_SINCE, since);
		if (sqlite3_column_int64(st, 6) > 0)
			msg_int(out, MSG_EXPECTED, sqlite3_column_int64(st, 6));
		msg_bool(out, MSG_DONE,
		    strcmp(phase, "reading") != 0 &&
			strcmp(phase, "incomplete") != 0);
		buf_char(out, '}');
		separator = ",";
	}
	buf_str(out, *separator == '{' ? "{}" : "}");
}

/* {"u":"..","g":".."} with null for what there is not, and m if it is. */
void
watermark_json(struct buf *b, const struct marks *m)
{
	buf_str(b, "{\"" MSG_MARK_USERS "\":");
	buf_json_str(b, m->user[0] != '\0' ? m->user : NULL);
	buf_str(b, ",\"" MSG_MARK_GROUPS "\":");
	buf_json_str(b, m->group[0] != '\0' ? m->group : NULL);
	if (m->member[0] != '\0')
		msg_str(b, MSG_MARK_MEMBERS, m->member);
	buf_char(b, '}');
}

void
run_state(
    struct store *s, const char *source, const char *boot, struct buf *out)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT s.run, s.epoch, r.pk FROM source s JOIN run r"
	    " ON r.source = s.pk AND r.number = s.run WHERE s.name = ?",
	    "t", source);
	struct buf streams = { 0 }, marks = { 0 };
	struct marks m;

	if (store_row(s, st)) {
		msg_open(out, MSG_STATE_ANSWER);
		msg_str(out, MSG_SOURCE, source);
		msg_int(out, MSG_RUN, sqlite3_column_int64(st, 0));
		msg_int(out, MSG_EPOCH, sqlite3_column_int64(st, 1));
		msg_str(out, MSG_BOOT, boot);
		watermark_read(s, source, &m);
		watermark_json(&marks, &m);
		if (m.user[0] != '\0' || m.group[0] != '\0' ||
		    m.member[0] != '\0')
			msg_raw(out, MSG_WATERMARK, marks.data, marks.len);
		else
			msg_raw(out, MSG_WATERMARK, "null", 4);
		state_streams(s, sqlite3_column_int64(st, 2), &streams);
		msg_raw(out, MSG_STREAMS, streams.data, streams.len);
		msg_close(out);
	}
	store_end(st);
	buf_free(&streams);
	buf_free(&marks);
}

static void
copy_mark(yyjson_val *o, const char *name, char out[WATERMARK_MAX])
{
	const char *text = json_text(o, name);

	snprintf(out, WATERMARK_MAX, "%s", text != NULL ? text : "");
}

void
watermark_read(struct store *s, const char *source, struct marks *m)
{
	sqlite3_stmt *st = store_ask(
	    s, "SELECT value FROM watermark WHERE source = ?", "t", source);
	yyjson_doc *doc = NULL;

	m->user[0] = m->group[0] = m->member[0] = '\0';
	if (store_row(s, st)) {
		const char *text = store_text(st, 0);

		doc = yyjson_read(text, strlen(text), 0);
		if (doc == NULL)
			log_warn("%s: the watermark of %s is not JSON and is "
				 "ignored: %s",
			    s->path, source, text);
	}
	if (doc != NULL) {
		copy_mark(yyjson_doc_get_root(doc), MSG_MARK_USERS, m->user);
		copy_mark(yyjson_doc_get_root(doc), MSG_MARK_GROUPS, m->group);
		copy_mark(
		    yyjson_doc_get_root(doc), MSG_MARK_MEMBERS, m->member);
	}
	yyjson_doc_free(doc);
	store_end(st);
}

void
watermark_write(struct store *s, const char *source, const struct marks *m)
{
	struct buf value = { 0 };

	watermark_json(&value, m);
	store_do(s,
	    "INSERT INTO watermark(source, value) VALUES(?, ?)"
	    " ON CONFLICT(source) DO UPDATE SET value = excluded.value",
	    "tt", source, value.data);
	buf_free(&value);
}

int
run_ask(const struct msg *m, struct ask *ask)
{
	yyjson_val *v;
	size_t i, n;

	*ask = (struct ask){
		.source = m->source,
		.mode = m->mode != NULL ? m->mode : MSG_AUTO,
		.instance = m->instance,
	};
	if (m->instance == NULL || !yyjson_is_arr(m->streams) ||
	    !msg_is_mode(ask->mode))
		return -1;
	yyjson_arr_foreach(m->streams, i, n, v)
	{
		if (yyjson_get_str(v) == NULL || ask->n == JOIN_STREAMS_MAX)
			return -1;
		ask->streams[ask->n++] = yyjson_get_str(v);
	}
	return ask->n > 0 ? 0 : -1;
}
