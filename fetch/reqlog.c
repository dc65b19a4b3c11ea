/*
 * reqlog.c - each request as one line of JSON.
 *
 * call.c writes one for every try.  `idmesh fetch report` and people read
 * them.  Headers are never logged, ids are left out of the path, and a
 * cursor is cut short, so that no secret and no person is in a line.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "call.h"
#include "clock.h"
#include "fetch.h"
#include "mem.h"

#define CURSOR_SHOWN 12

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How long the name of a parameter is, with its =, if it is a cursor. */
static size_t
cursor_name(const char *p)
{
	static const char *const names[] = { "after=", "$skiptoken=",
		"$deltatoken=", "%24skiptoken=", "%24deltatoken=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncasecmp(p, names[i], strlen(names[i])) == 0)
			return strlen(names[i]);
	return 0;
}

/* The query as people read it; the value of a cursor is cut. */
static void
put_query(struct buf *b, const char *path)
{
	const char *p = strchr(path, '?');
	struct buf text = { 0 };

	for (p = p != NULL ? p + 1 : ""; *p != '\0';) {
		size_t len = strcspn(p, "&"), shown = len;
		size_t cursor = cursor_name(p);

		if (cursor > 0 && len > cursor + CURSOR_SHOWN)
			shown = cursor + CURSOR_SHOWN;
		for (size_t i = 0; i < shown; i++) {
			if (p[i] == '%' && i + 2 < shown &&
			    hex(p[i + 1]) >= 2 && hex(p[i + 1]) < 8 &&
			    hex(p[i + 2]) >= 0) {
				buf_char(&text,
				    (char)(hex(p[i + 1]) * 16 + hex(p[i + 2])));
				i += 2;
			} else {
				buf_char(&text, p[i] == '+' ? ' ' : p[i]);
			}
		}
		if (shown < len)
			buf_str(&text, "...");
		p += len;
		if (*p == '&')
			buf_char(&text, *p++);
	}
	msg_str(b, "query", text.len > 0 ? text.data : "");
	buf_free(&text);
}

static void
put_known(struct buf *b, const char *name, int64_t n)
{
	if (n >= 0)
		msg_int(b, name, n);
}

void
reqlog_write(struct fetch *f, const struct reqlog_try *t,
    const struct http_answer *a, const char *error)
{
	char now[CLOCK_TEXT];
	struct buf b = { 0 };

	if (f->request_log == NULL)
		return;
	clock_rfc3339(clock_wall_ms(), now);
	buf_str(&b, "{\"time\":");
	buf_json_str(&b, now);
	msg_str(&b, "kind", "request");
	msg_str(&b, "source", t->ask->source->name);
	msg_str(&b, "method", t->method != NULL ? t->method : "GET");
	msg_str(&b, "path", t->ask->pattern);
	put_query(&b, t->ask->path);
	msg_int(&b, "status", a->status);
	msg_int(&b, "ms", a->took_ms);
	msg_int(&b, "bytes", a->bytes);
	put_known(&b, "limit", a->limit);
	put_known(&b, "remaining", a->remaining);
	put_known(&b, "reset", a->reset_s);
	if (a->request_id[0] != '\0')
		msg_str(&b, "requestId", a->request_id);
	if (t->client_id != NULL && t->client_id[0] != '\0')
		msg_str(&b, "clientRequestId", t->client_id);
	put_known(&b, "units", a->units);
	put_known(&b, "percent", a->percent);
	if (t->throttle != NULL && t->throttle[0] != '\0')
		msg_str(&b, "throttle", t->throttle);
	if (t->retry > 0)
		msg_int(&b, "retry", t->retry);
	if (t->waited_ms > 0)
		msg_int(&b, "waitedMs", t->waited_ms);
	msg_str(&b, "error", error);
	buf_str(&b, "}\n");
	/* A log that cannot be written must not stop the import. */
	if (fwrite(b.data, 1, b.len, f->request_log) == b.len)
		fflush(f->request_log);
	buf_free(&b);
}
