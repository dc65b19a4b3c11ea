/*
 * test_fetch_call.c - how often a request is tried, and what it costs.
 *
 * http.c is played by the test: it sees each try and says what comes back.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define RETRY_BASE_MS 2
#include "fetch/call.c"
#include "fetch/judge.c"
#include "fetch/judge_common.c"
#include "fetch/schedule.c"
#include "fetch/span.c"
#include "fetch/url.c"

#define TRIES_SEEN 64

struct http_transfer {
	http_done *done;
	void *arg;
	int busy;
};

/* What the fake answers, try after try; the last one for ever. */
static struct script {
	int status;
	const char *body;
	int64_t limit, remaining;
	int64_t retry_after_ms;
} script[16];
static size_t tries;
static struct http_transfer transfer;
static char urls[TRIES_SEEN][200];
static int retry_counts[TRIES_SEEN];
static char retry_for[TRIES_SEEN][32];
static char authorization[64];
static bool open_window = true;

struct http_transfer *
http_get(
    struct http *h, const struct http_request *r, http_done *done, void *arg)
{
	(void)h;
	assert_true(tries < TRIES_SEEN);
	snprintf(urls[tries], sizeof(urls[tries]), "%s", r->url);
	snprintf(retry_for[tries], sizeof(retry_for[tries]), "%s",
	    r->retry_for != NULL ? r->retry_for : "");
	snprintf(authorization, sizeof(authorization), "%s", r->authorization);
	retry_counts[tries] = r->retry_count;
	tries++;
	transfer = (struct http_transfer){ done, arg, 1 };
	return &transfer;
}

void
http_cancel(struct http *h, struct http_transfer *t)
{
	(void)h;
	t->busy = 0;
}

void
fetch_fail(struct fetch *f, enum exit_code code, const char *fmt, ...)
{
	(void)f;
	(void)code;
	fail_msg("%s", fmt);
}

struct stream *
source_stream(struct source *s, const char *name)
{
	(void)s;
	(void)name;
	return NULL;
}

const char *
secret_value(const struct secret *s)
{
	(void)s;
	return "00token";
}

void
streams_pump(struct fetch *f)
{
	calls_pump(f->calls);
}

void
reqlog_write(struct fetch *f, const struct reqlog_try *t,
    const struct http_answer *a, const char *error)
{
	(void)f;
	(void)t;
	(void)a;
	(void)error;
}

static bool
room(const struct out *o, size_t coming)
{
	(void)o;
	return open_window && coming < 4;
}

static struct fetch fetch;
static struct source source;

struct result {
	int n;
	enum verdict verdict;
	char why[600];
	int limit;
	size_t rows;
};

static void
done(void *arg, const struct call_result *r)
{
	struct result *result = arg;

	result->n++;
	result->verdict = r->verdict;
	result->limit = r->limit;
	result->rows = yyjson_arr_size(yyjson_doc_get_root(r->doc));
	snprintf(result->why, sizeof(result->why), "%s", r->why.text);
}

/* Lets the fake answer the try that is in flight. */
static void
answer(void)
{
	const struct script *s = &script[0];
	struct http_answer a = { .remaining = -1 };

	for (size_t i = 0; i < tries && script[i].status >= 0; i++)
		s = &script[i];
	a.status = s->status;
	a.limit = s->limit;
	a.remaining = s->limit >= 0 ? s->remaining : -1;
	a.reset_s = s->limit >= 0 ? 1000 : -1;
	a.date_ms = 999000;
	a.retry_after_ms = s->retry_after_ms;
	snprintf(a.request_id, sizeof(a.request_id), "req%zu", tries);
	if (s->status == 0)
		snprintf(a.error, sizeof(a.error), "reset");
	buf_str(&a.body, s->body);
	transfer.busy = 0;
	transfer.done(transfer.arg, &a);
	buf_free(&a.body);
}

/* Runs until the call is over; at most 5 s. */
static void
play(struct result *result, const char *path)
{
	struct call_ask ask = { .source = &source,
		.path = path,
		.pattern = "/api/v1/users",
		.array = true };
	int64_t end = clock_ms() + 5000;

	memset(result, 0, sizeof(*result));
	tries = 0;
	call_start(fetch.calls, &ask, done, result);
	while (result->n == 0 && clock_ms() < end) {
		loop_once(fetch.loop, 5);
		if (transfer.busy)
			answer();
	}
	assert_int_equal(result->n, 1);
	assert_int_equal(budget_in_flight(fetch.budget), 0);
	assert_int_equal(calls_in_flight(fetch.calls), 0);
}

static void
will(size_t i, int status, const char *body)
{
	script[i] = (struct script){ status, body, -1, -1, -1 };
	script[i + 1].status = -1;
}

#define E9 "{\"errorCode\":\"E0000009\"}"

static void
test_good(void **state)
{
	struct result r;

	(void)state;
	will(0, 200, "[{},{}]");
	play(&r, "/api/v1/users?limit=200");
	assert_int_equal(r.verdict, VERDICT_OK);
	assert_int_equal(r.rows, 2);
	assert_int_equal(tries, 1);
	assert_string_equal(
	    urls[0], "https://contoso.okta.com/api/v1/users?limit=200");
	assert_string_equal(authorization, "SSWS 00token");
	assert_int_equal(retry_counts[0], 0);
}

static void
test_retry_bounded(void **state)
{
	struct result r;

	(void)state;
	will(0, 503, "");
	play(&r, "/api/v1/users?limit=200");
	assert_int_equal(r.verdict, VERDICT_FAILED);
	assert_int_equal(tries, CALL_RETRIES + 1);
	assert_non_null(strstr(r.why, "given up after 6 tries"));
	/* Okta's support finds the tries of one request by the first id. */
	for (int i = 1; i <= CALL_RETRIES; i++) {
		assert_int_equal(retry_counts[i], i);
		assert_string_equal(retry_for[i], "req1");
	}
	will(0, 0, "");
	play(&r, "/api/v1/users?limit=200");
	assert_int_equal(r.verdict, VERDICT_FAILED);
	assert_int_equal(tries, CALL_RETRIES + 1);
}

static void
test_recovers(void **state)
{
	struct result r;

	(void)state;
	will(0, 500, "oops");
	will(1, 0, "");
	will(2, 200, "[1,");
	will(3, 200, "");
	will(4, 200, "{}");
	will(5, 200, "[{}]");
	play(&r, "/api/v1/users?limit=200");
	assert_int_equal(r.verdict, VERDICT_OK);
	assert_int_equal(tries, 6);
}

static void
test_broken_bounded(void **state)
{
	struct result r;

	(void)state;
	will(0, 200, "<html>");
	play(&r, "/api/v1/users?limit=200");
	assert_int_equal(r.verdict, VERDICT_FAILED);
	assert_int_equal(tries, BROKEN_MAX + 1);
	assert_non_null(strstr(r.why, "not JSON"));
}

/* "Not so many at once" is no failure of the request. */
static void
test_concurrency(void **state)
{
	struct result r;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		will(i, 429, "{\"errorCode\":\"E0000047\"}");
		script[i].limit = script[i].remaining = 0;
	}
	will(2, 200, "[]");
	play(&r, "/api/v1/users?limit=200");
	assert_int_equal(r.verdict, VERDICT_OK);
	assert_int_equal(tries, 3);
}

static void
test_smaller_pages(void **state)
{
	struct result r;

	(void)state;
	will(0, 500, E9);
	will(1, 500, E9);
	will(2, 200, "[]");
	play(&r, "/api/v1/users?limit=200&after=x");
	assert_int_equal(r.verdict, VERDICT_OK);
	assert_int_equal(r.limit, 100);
	assert_non_null(strstr(urls[1], "limit=200&after=x"));
	assert_non_null(strstr(urls[2], "limit=100&after=x"));
	/* Not without end. */
	play(&r, "/api/v1/users?limit=10");
	assert_int_equal(r.limit, 10);
}

static void
test_retry_after(void **state)
{
	struct result r;
	int64_t begun = clock_ms();

	(void)state;
	will(0, 503, "");
	script[0].retry_after_ms = 300;
	will(1, 200, "[]");
	play(&r, "/api/v1/users");
	assert_int_equal(r.verdict, VERDICT_OK);
	assert_true(clock_ms() - begun >= 300);
	/* Longer than we are willing to wait: say so at once. */
	will(0, 503, "");
	script[0].retry_after_ms = 3600000;
	play(&r, "/api/v1/users");
	assert_int_equal(r.verdict, VERDICT_FAILED);
	assert_int_equal(tries, 1);
}

static void
test_verdicts_at_once(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum verdict verdict;
	} rows[] = {
		{ 401, "{\"errorCode\":\"E0000011\"}", VERDICT_TOKEN },
		{ 403, "{\"errorCode\":\"E0000006\"}", VERDICT_DENIED },
		{ 404, "{\"errorCode\":\"E0000007\"}", VERDICT_GONE },
		{ 400, "{\"errorCode\":\"E0000029\"}", VERDICT_RESTART },
		{ 400, "{\"errorCode\":\"E0000053\"}", VERDICT_FILTER },
		{ 302, "", VERDICT_CONFIG },
	};
	struct result r;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		will(0, rows[i].status, rows[i].body);
		play(&r, "/api/v1/users");
		assert_int_equal(r.verdict, rows[i].verdict);
		assert_int_equal(tries, 1);
	}
}

/* Without room in the window nothing goes out, however free the budget. */
static void
test_back_pressure(void **state)
{
	struct call_ask ask = { .source = &source,
		.path = "/api/v1/users",
		.pattern = "/api/v1/users" };
	struct result r = { .n = 0 };
	struct call *call;

	(void)state;
	tries = 0;
	open_window = false;
	call = call_start(fetch.calls, &ask, done, &r);
	loop_once(fetch.loop, 20);
	loop_once(fetch.loop, 20);
	assert_int_equal(tries, 0);
	open_window = true;
	calls_pump(fetch.calls);
	assert_int_equal(tries, 1);
	/* Given up in flight: the slot comes back, nobody is called. */
	call_cancel(call);
	assert_int_equal(budget_in_flight(fetch.budget), 0);
	assert_int_equal(r.n, 0);
}

static int
set_up(void **state)
{
	static const struct out_kind kind = { .room = room };
	static struct out out = { .kind = &kind };
	static char base[] = "https://contoso.okta.com", name[] = "okta:x";
	struct budget_limits limits = { .share = 1, .in_flight_max = 4 };

	(void)state;
	log_level(LOG_ERROR);
	source.name = name;
	source.config.base_url = base;
	fetch.out = &out;
	fetch.retries_max = CALL_RETRIES;
	fetch.loop = loop_new();
	fetch.budget = budget_new(&limits);
	fetch.calls = calls_new(&fetch);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	calls_free(fetch.calls);
	budget_free(fetch.budget);
	loop_free(fetch.loop);
	return 0;
}

/* A budget of its own for each: some close theirs for an hour. */
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		EACH(test_good),
		EACH(test_retry_bounded),
		EACH(test_recovers),
		EACH(test_broken_bounded),
		EACH(test_concurrency),
		EACH(test_smaller_pages),
		EACH(test_retry_after),
		EACH(test_verdicts_at_once),
		EACH(test_back_pressure),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
