/*
 * answer.c - an answer on the wire, with the headers Okta sends.
 *
 * Handlers and admit.c fill c->answer; answer_send() turns it into a
 * libmicrohttpd response, and lets the faults that damage an answer strike.
 */

#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "graph.h"
#include "mem.h"

static const char html[] = "<html><head><title>Bad Gateway</title></head>"
			   "<body>upstream</body></html>\n";

void
answer_ok(struct call *c)
{
	c->answer.status = 200;
	c->answer.type = "application/json";
}

void
answer_error(struct call *c, unsigned status, const char *code,
    const char *summary, const char *cause)
{
	struct buf *b = &c->answer.body;
	char id[24];

	rng_text(&c->sim->rng, id, 22);
	c->answer.status = status;
	c->answer.type = "application/json";
	buf_clear(&c->answer.self);
	buf_clear(&c->answer.next);
	buf_clear(b);
	buf_fmt(b, "{\"errorCode\":\"%s\",\"errorSummary\":", code);
	buf_json_str(b, summary);
	buf_fmt(b,
	    ",\"errorLink\":\"%s\",\"errorId\":\"oae%s\",\"errorCauses\":[",
	    code, id);
	if (cause != NULL) {
		buf_str(b, "{\"errorSummary\":");
		buf_json_str(b, cause);
		buf_char(b, '}');
	}
	buf_str(b, "]}");
}

void
answer_base(const struct call *c, struct buf *out)
{
	const char *host = call_header(c, "Host");
	const char *scheme = call_header(c, "X-Forwarded-Proto");

	buf_fmt(out, "%s://%s", scheme != NULL ? scheme : "http",
	    host != NULL ? host : "127.0.0.1");
}

void
answer_gateway(struct call *c, unsigned status, const char *message)
{
	c->answer.status = status;
	c->answer.type = NULL;
	c->quota.shown = false;
	buf_clear(&c->answer.body);
	buf_fmt(&c->answer.body, "{\"status\":%u,\"message\":\"%s\"}\n", status,
	    message);
}

static void
header(struct MHD_Response *r, const char *name, const char *value)
{
	MHD_add_response_header(r, name, value);
}

static void
header_int(struct MHD_Response *r, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	header(r, name, text);
}

/* The server's clock, which --date-skew moves away from the real one. */
static void
header_date(const struct call *c, struct MHD_Response *r)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)(sim_now(c->sim) / 1000);
	char text[64];
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
	header(r, "Date", text);
}

static void
header_links(const struct call *c, struct MHD_Response *r)
{
	const struct answer *a = &c->answer;
	char *joined;

	if (!c->sim->opt.join_links || a->self.len == 0 || a->next.len == 0) {
		if (a->self.len > 0)
			header(r, "Link", a->self.data);
		if (a->next.len > 0)
			header(r, "Link", a->next.data);
		return;
	}
	joined = xasprintf("%s, %s", a->self.data, a->next.data);
	header(r, "Link", joined);
	free(joined);
}

static void
put_header(void *ctx, const char *name, const char *value)
{
	header(ctx, name, value);
}

static void
header_all(struct call *c, struct MHD_Response *r)
{
	char id[24];

	header_date(c, r);
	if (graph_owns(c)) {
		if (c->answer.type != NULL)
			header(r, "Content-Type", c->answer.type);
		if (c->answer.retry_after_s > 0)
			header_int(r, "Retry-After", c->answer.retry_after_s);
		graph_headers(c, put_header, r);
		return;
	}
	rng_text(&c->sim->rng, id, 20);
	header(r, "X-Okta-Request-Id", id);
	if (c->answer.type != NULL)
		header(r, "Content-Type", c->answer.type);
	if (c->quota.shown) {
		header_int(r, "X-Rate-Limit-Limit", c->quota.limit);
		header_int(r, "X-Rate-Limit-Remaining", c->quota.remaining);
		header_int(r, "X-Rate-Limit-Reset", c->quota.reset);
	}
	header_links(c, r);
	if (c->answer.etag[0] != '\0')
		header(r, "ETag", c->answer.etag);
	if (c->answer.retry_after_s > 0)
		header_int(r, "Retry-After", c->answer.retry_after_s);
	if (c->answer.allow != NULL)
		header(r, "Allow", c->answer.allow);
}

/* The faults that put another answer in the place of the right one. */
static void
answer_fault(struct call *c)
{
	if (graph_owns(c) && c->fault.kind != FAULT_NONJSON) {
		graph_fault(c, c->fault.kind, c->fault.retry_after_s);
		return;
	}
	switch (c->fault.kind) {
	case FAULT_500:
		answer_error(c, 500, "E0000009", "Internal Server Error", NULL);
		break;
	case FAULT_503:
		answer_error(c, 503, "E0000240",
		    "The service is temporarily unavailable. Try again later.",
		    NULL);
		c->answer.retry_after_s = c->fault.retry_after_s;
		break;
	case FAULT_NONJSON:
		buf_clear(&c->answer.body);
		buf_str(&c->answer.body, html);
		c->answer.status = 200;
		c->answer.type = "text/html";
		break;
	default:
		break;
	}
}

/* A body that ends before its Content-Length says so. */
struct torn {
	size_t len;
	char data[];
};

static ssize_t
torn_read(void *cls, uint64_t pos, char *out, size_t max)
{
	const struct torn *t = cls;
	size_t n;

	if (pos >= t->len)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = t->len - (size_t)pos;
	if (n > max)
		n = max;
	memcpy(out, t->data + pos, n);
	return (ssize_t)n;
}

static struct MHD_Response *
torn_response(const struct buf *body)
{
	size_t half = body->len / 2;
	struct torn *t = xmalloc(sizeof(*t) + half);

	t->len = half;
	if (half > 0)
		memcpy(t->data, body->data, half);
	return MHD_create_response_from_callback(
	    body->len, 16384, torn_read, t, free);
}

/* Disconnecting a TCP socket this way sends RST, not FIN. */
static enum MHD_Result
reset_connection(struct call *c)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(c->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (info != NULL)
		connect(info->connect_fd, &none, sizeof(none));
	return MHD_NO;
}

static void
count_answer(struct call *c)
{
	if (!c->counted)
		return;
	if (c->fault.kind == FAULT_RESET)
		c->tally->other++;
	else if (c->answer.status == 429)
		c->tally->limited++;
	else if (c->answer.status < 300)
		c->tally->ok++;
	else
		c->tally->other++;
}

enum MHD_Result
answer_send(struct call *c)
{
	struct MHD_Response *r;
	enum MHD_Result result;
	size_t len;

	answer_fault(c);
	count_answer(c);
	if (c->fault.kind == FAULT_RESET)
		return reset_connection(c);
	len = c->answer.body.len;
	if (c->fault.kind == FAULT_TRUNCATE)
		r = torn_response(&c->answer.body);
	else
		r = MHD_create_response_from_buffer(
		    len, buf_take(&c->answer.body), MHD_RESPMEM_MUST_FREE);
	if (r == NULL)
		return MHD_NO;
	header_all(c, r);
	result = MHD_queue_response(c->conn, c->answer.status, r);
	MHD_destroy_response(r);
	return result;
}
