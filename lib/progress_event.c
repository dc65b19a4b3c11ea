/*
 * progress_event.c - how far the streams are, from one program to another.
 *
 * fetch writes such a line to `idmesh run` a few times a second.  It may be
 * lost, whole: the next one has it all again.
 */

#include "progress.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "msg.h"

/* Of an event, beside the names of the dictionary. */
#define EVENT "event"
#define EVENT_PROGRESS "progress"
#define EVENT_READY "ready"
#define EVENT_UNTIL "until"
#define EVENT_HOURS "hours"
#define END_MAX 8 /* bytes before and behind the last row */

static const char *const states[] = {
	[PROGRESS_IDLE] = "idle",
	[PROGRESS_READING] = "reading",
	[PROGRESS_DONE] = "done",
	[PROGRESS_INCOMPLETE] = "incomplete",
	[PROGRESS_SKIPPED] = "skipped",
};

#define STATES (sizeof(states) / sizeof(states[0]))

static void
put_row(const struct progress_row *row, struct buf *out)
{
	char until[CLOCK_TEXT];

	buf_str(out, "{\"" MSG_SOURCE "\":");
	buf_json_str(out, row->source);
	msg_str(out, MSG_STREAM, row->stream);
	msg_str(out, MSG_MODE, row->delta ? MSG_DELTA : MSG_FULL);
	msg_str(out, MSG_STATE, states[row->state]);
	msg_int(out, MSG_N, row->n);
	msg_int(out, MSG_PAGES, row->pages);
	if (row->expected > 0)
		msg_int(out, MSG_EXPECTED, row->expected);
	if (row->until_ms != 0) {
		clock_rfc3339(row->until_ms, until);
		msg_str(out, EVENT_UNTIL, until);
		msg_bool(out, EVENT_HOURS, row->hours);
	}
	buf_char(out, '}');
}

_Static_assert(PROGRESS_EVENT < PIPE_BUF, "a pipe would tear an event");

size_t
progress_write(const struct progress *p, bool ready, size_t at, struct buf *out)
{
	const struct progress_row *row = progress_row_at(p, at);
	struct buf text = { 0 };
	size_t first = at;

	msg_open(out, MSG_EVENT);
	msg_str(out, EVENT, EVENT_PROGRESS);
	msg_bool(out, EVENT_READY, ready);
	buf_str(out, ",\"" MSG_STREAMS "\":[");
	while (row != NULL) {
		buf_clear(&text);
		put_row(row, &text);
		if (out->len + text.len > PROGRESS_EVENT - END_MAX)
			break;
		if (at > first)
			buf_char(out, ',');
		buf_add(out, text.data, text.len);
		row = progress_row_at(p, ++at);
	}
	buf_char(out, ']');
	msg_close(out);
	buf_free(&text);
	return at;
}

static void
copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text != NULL ? text : "");
}

static enum progress_state
state_of(const char *text)
{
	size_t i = 0;

	while (i < STATES && (text == NULL || strcmp(text, states[i]) != 0))
		i++;
	return i < STATES ? (enum progress_state)i : PROGRESS_READING;
}

static void
take_row(struct progress *p, yyjson_val *v, int64_t now_ms)
{
	const char *mode = json_text(v, MSG_MODE);
	const char *until = json_text(v, EVENT_UNTIL);
	struct progress_row row = {
		.state = state_of(json_text(v, MSG_STATE)),
		.delta = mode != NULL && strcmp(mode, MSG_DELTA) == 0,
		.n = json_int(json_get(v, MSG_N), 0),
		.pages = json_int(json_get(v, MSG_PAGES), 0),
		.expected = json_int(json_get(v, MSG_EXPECTED), 0),
		.hours = json_true(v, EVENT_HOURS),
	};

	copy(row.source, sizeof(row.source), json_text(v, MSG_SOURCE));
	copy(row.stream, sizeof(row.stream), json_text(v, MSG_STREAM));
	if (until == NULL ||
	    clock_parse_rfc3339(until, strlen(until), &row.until_ms) < 0)
		row.until_ms = 0;
	progress_put(p, &row, now_ms);
}

int
progress_read(struct progress *p, const char *line, size_t len, int64_t now_ms,
    bool *ready)
{
	yyjson_doc *doc = yyjson_read(line, len, YYJSON_READ_NUMBER_AS_RAW);
	yyjson_val *root = yyjson_doc_get_root(doc), *v;
	const char *event = json_text(root, EVENT);
	size_t i, n;

	if (event == NULL || strcmp(event, EVENT_PROGRESS) != 0) {
		yyjson_doc_free(doc);
		return -1;
	}
	*ready = json_true(root, EVENT_READY);
	yyjson_arr_foreach(json_get(root, MSG_STREAMS), i, n, v)
	{
		take_row(p, v, now_ms);
	}
	yyjson_doc_free(doc);
	return 0;
}
