/*
 * report_table.c - the sums of a request log as a table or as JSON.
 *
 * Called by report.c when all is read.  Endpoints refused most often come
 * first, then those called most often; the total is last.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "msg.h"
#include "report.h"

void
endpoint_clear(struct endpoint *e)
{
	free(e->method);
	free(e->path);
	free(e->latency);
	memset(e, 0, sizeof(*e));
}

int64_t
endpoint_percentile(const struct endpoint *e, int percent)
{
	/* The nearest rank: the smallest value with so many at or below. */
	int64_t rank = (e->answered * percent + 99) / 100, seen = 0;

	if (e->answered == 0)
		return -1;
	for (size_t ms = 0; ms < e->latency_len; ms++) {
		seen += e->latency[ms];
		if (seen >= rank)
			return (int64_t)ms;
	}
	return REPORT_LATENCY_MS;
}

static void
add(struct endpoint *sum, const struct endpoint *e)
{
	sum->calls += e->calls;
	sum->ok += e->ok;
	sum->limited += e->limited;
	sum->concurrency += e->concurrency;
	sum->errors += e->errors;
	sum->waited_ms += e->waited_ms;
	sum->answered += e->answered;
	if (e->latency_len > sum->latency_len) {
		sum->latency = xrealloc(
		    sum->latency, e->latency_len * sizeof(*sum->latency));
		memset(sum->latency + sum->latency_len, 0,
		    (e->latency_len - sum->latency_len) *
			sizeof(*sum->latency));
		sum->latency_len = e->latency_len;
	}
	for (size_t i = 0; i < e->latency_len; i++)
		sum->latency[i] += e->latency[i];
}

static int
down(int64_t a, int64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int
by_trouble(const void *a, const void *b)
{
	const struct endpoint *x = a, *y = b;
	int order =
	    down(x->limited + x->concurrency, y->limited + y->concurrency);

	if (order == 0)
		order = down(x->calls, y->calls);
	if (order == 0)
		order = strcmp(x->path, y->path);
	return order != 0 ? order : strcmp(x->method, y->method);
}

static void
put_ms(char out[24], int64_t ms)
{
	if (ms < 0)
		snprintf(out, 24, "-");
	else
		snprintf(out, 24, "%lld", (long long)ms);
}

static void
print_row(const struct endpoint *e)
{
	char p50[24], p95[24];

	put_ms(p50, endpoint_percentile(e, 50));
	put_ms(p95, endpoint_percentile(e, 95));
	printf("%8lld %8lld %6lld %8lld %6lld %7s %7s %9.1f  %s%s%s\n",
	    (long long)e->calls, (long long)e->ok, (long long)e->limited,
	    (long long)e->concurrency, (long long)e->errors, p50, p95,
	    (double)e->waited_ms / 1000, e->method,
	    e->method[0] != '\0' ? " " : "", e->path);
}

static void
print_table(const struct report *r, const struct endpoint *total)
{
	printf("%8s %8s %6s %8s %6s %7s %7s %9s  %s\n", "calls", "2xx", "429",
	    "at once", "other", "p50 ms", "p95 ms", "waited s", "endpoint");
	for (size_t i = 0; i < r->n; i++)
		print_row(&r->endpoints[i]);
	if (r->rest.calls > 0)
		print_row(&r->rest);
	print_row(total);
	if (r->from[0] != '\0')
		printf("from %s to %s\n", r->from, r->to);
	if (r->ignored > 0)
		printf("%lld of %lld lines are no requests\n",
		    (long long)r->ignored, (long long)r->lines);
}

/* The members that a row and the total have in common. */
static void
put_sums(struct buf *b, const struct endpoint *e)
{
	int64_t p50 = endpoint_percentile(e, 50);
	int64_t p95 = endpoint_percentile(e, 95);

	msg_int(b, "calls", e->calls);
	msg_int(b, "ok", e->ok);
	msg_int(b, "limited", e->limited);
	msg_int(b, "concurrency", e->concurrency);
	msg_int(b, "errors", e->errors);
	if (p50 >= 0)
		msg_int(b, "p50Ms", p50);
	if (p95 >= 0)
		msg_int(b, "p95Ms", p95);
	msg_int(b, "waitedMs", e->waited_ms);
	buf_char(b, '}');
}

static void
put_row(struct buf *b, const struct endpoint *e)
{
	buf_str(b, b->data[b->len - 1] == '[' ? "{" : ",{");
	buf_str(b, "\"path\":");
	buf_json_str(b, e->path);
	if (e->method[0] != '\0')
		msg_str(b, "method", e->method);
	put_sums(b, e);
}

static void
print_json(const struct report *r, const struct endpoint *total)
{
	struct buf b = { 0 };

	buf_fmt(&b, "{\"files\":%lld", (long long)r->files);
	msg_int(&b, "lines", r->lines);
	msg_int(&b, "ignored", r->ignored);
	if (r->from[0] != '\0') {
		msg_str(&b, "from", r->from);
		msg_str(&b, "to", r->to);
	}
	buf_str(&b, ",\"endpoints\":[");
	for (size_t i = 0; i < r->n; i++)
		put_row(&b, &r->endpoints[i]);
	if (r->rest.calls > 0)
		put_row(&b, &r->rest);
	buf_str(&b, "],\"total\":{\"endpoints\":");
	buf_int(&b, (int64_t)r->n);
	put_sums(&b, total);
	buf_str(&b, "}\n");
	fwrite(b.data, 1, b.len, stdout);
	buf_free(&b);
}

void
report_print(struct report *r, bool json)
{
	struct endpoint total = { .method = xstrdup(""),
		.path = xstrdup("total") };

	qsort(r->endpoints, r->n, sizeof(r->endpoints[0]), by_trouble);
	for (size_t i = 0; i < r->n; i++)
		add(&total, &r->endpoints[i]);
	add(&total, &r->rest);
	if (json)
		print_json(r, &total);
	else
		print_table(r, &total);
	endpoint_clear(&total);
}
