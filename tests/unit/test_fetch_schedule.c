/*
 * test_fetch_schedule.c - which request leaves next, and when none does.
 *
 * http.c is played by the test: requests stay out until it answers them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fetch/call.c"
#include "fetch/judge.c"
#include "fetch/judge_common.c"
#include "fetch/okta.c"
#include "fetch/schedule.c"
#include "fetch/span.c"
#include "fetch/url.c"

#define OUT_MAX 64
#define USERS "/api/v1/users"
#define GROUPS "/api/v1/groups"
#define MEMBERS "/api/v1/groups/{id}/users"

struct http_transfer {
	http_done *done;
	void *arg;
	char path[100];
	bool out;
};

static struct http_transfer transfers[OUT_MAX];
static size_t sent; /* since the start of the test */
static struct fetch fetch;
static struct source source;
static struct schedule schedule;
static enum exit_code failed;
static char failure[400];
static bool safe; /* all that came is */

struct http_transfer *
http_get(
    struct http *h, const struct http_request *r, http_done *done, void *arg)
{
	struct http_transfer *t = &transfers[sent];

	(void)h;
	assert_true(sent < OUT_MAX);
	*t = (struct http_transfer){ .done = done, .arg = arg, .out = true };
	snprintf(t->path, sizeof(t->path), "%s", r->url + 1);
	sent++;
	return t;
}

void
http_cancel(struct http *h, struct http_transfer *t)
{
	(void)h;
	t->out = false;
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

void
fetch_fail(struct fetch *f, enum exit_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(failure, sizeof(failure), fmt, ap);
	va_end(ap);
	f->failed = true;
	failed = code;
}

struct stream *
source_stream(struct source *s, const char *name)
{
	for (size_t i = 0; i < s->n_streams; i++)
		if (strcmp(s->streams[i].entity->name, name) == 0)
			return &s->streams[i];
	return NULL;
}

static bool
room(const struct out *o, size_t coming)
{
	(void)o;
	(void)coming;
	return true;
}

static bool
drained(const struct out *o)
{
	(void)o;
	return safe;
}

static void
done(void *arg, const struct call_result *r)
{
	(void)arg;
	(void)r;
}

static void
ask(size_t stream, const char *pattern, const char *path)
{
	struct call_ask a = { .source = &source,
		.stream = &source.streams[stream],
		.path = path,
		.pattern = pattern };

	call_start(fetch.calls, &a, done, NULL);
}

/* Answers the n-th request that left. */
static void
answer(size_t n, int64_t limit, int64_t remaining)
{
	int64_t now = clock_wall_ms();
	struct http_answer a = { .status = 200,
		.limit = limit,
		.remaining = remaining,
		.reset_s = now / 1000 + 60,
		.date_ms = now - now % 1000,
		.retry_after_ms = -1 };

	assert_true(n < sent && transfers[n].out);
	transfers[n].out = false;
	buf_str(&a.body, "[]");
	transfers[n].done(transfers[n].arg, &a);
	buf_free(&a.body);
}

static void
left(size_t n, const char *path)
{
	assert_true(n < sent);
	assert_string_equal(transfers[n].path, path);
}

/* A bucket that awaits its first answer holds nobody else up. */
static void
test_buckets_side_by_side(void **state)
{
	(void)state;
	ask(1, GROUPS, "/g1");
	ask(1, GROUPS, "/g2");
	ask(1, GROUPS, "/g3");
	ask(0, USERS, "/u1");
	ask(0, USERS, "/u2");
	calls_pump(fetch.calls);
	assert_int_equal(sent, 2); /* one alone of each bucket */
	left(0, "/g1");
	left(1, "/u1");
	answer(1, 600, 599);
	assert_int_equal(sent, 3);
	left(2, "/u2");
	answer(0, 500, 499);
	assert_int_equal(sent, 5);
}

/* Nor does one that is used up. */
static void
test_closed_bucket(void **state)
{
	(void)state;
	ask(1, GROUPS, "/g1");
	ask(0, USERS, "/u1");
	calls_pump(fetch.calls);
	ask(1, GROUPS, "/g2");
	ask(0, USERS, "/u2");
	answer(0, 500, 0);
	answer(1, 600, 599);
	assert_int_equal(sent, 3);
	left(2, "/u2");
}

static void
test_lists_before_members(void **state)
{
	(void)state;
	ask(1, GROUPS, "/first");
	calls_pump(fetch.calls);
	ask(2, MEMBERS, "/m1");
	ask(2, MEMBERS, "/m2");
	ask(2, GROUPS, "/scan");
	ask(1, GROUPS, "/list");
	answer(0, 500, 499);
	assert_int_equal(sent, 5);
	left(1, "/scan");
	left(2, "/list");
	left(3, "/m1");
	left(4, "/m2");
}

/* With a deadline: users, groups, members, whoever came first. */
static void
test_valuable_first(void **state)
{
	(void)state;
	schedule.due_ms = 1;
	ask(2, MEMBERS, "/m1");
	ask(2, GROUPS, "/scan");
	ask(1, GROUPS, "/list");
	ask(0, USERS, "/u1");
	calls_pump(fetch.calls);
	answer(0, 600, 599);
	answer(1, 500, 499);
	assert_int_equal(sent, 4);
	left(0, "/u1");
	left(1, "/scan");
	left(2, "/list");
	left(3, "/m1");
}

static void
test_most_calls(void **state)
{
	(void)state;
	schedule.opt.max_calls = 3;
	ask(0, USERS, "/u1");
	calls_pump(fetch.calls);
	for (int i = 0; i < 5; i++)
		ask(0, USERS, "/more");
	answer(0, 600, 599);
	assert_int_equal(sent, 3);
	assert_false(fetch.failed);
	answer(1, 600, 598);
	assert_false(fetch.failed); /* one is still out */
	answer(2, 600, 597);
	assert_false(fetch.failed); /* what came is not safe yet */
	safe = true;
	calls_pump(fetch.calls);
	assert_true(fetch.failed);
	assert_int_equal(failed, EXIT_TEMPORARY);
	assert_non_null(strstr(failure, "can be resumed"));
	assert_int_equal(sent, 3);
}

/* Just enough calls is enough. */
static void
test_last_call(void **state)
{
	(void)state;
	safe = true;
	schedule.opt.max_calls = 1;
	ask(0, USERS, "/u1");
	calls_pump(fetch.calls);
	answer(0, 600, 599);
	assert_false(fetch.failed);
	schedule.looking = true;
	ask(0, USERS, "/u2");
	calls_pump(fetch.calls);
	assert_int_equal(failed, EXIT_USAGE);
	assert_int_equal(sent, 1);
}

/* "HH:MM-HH:MMZ" about the present minute, this many minutes to each side. */
static void
hours(int from, int to)
{
	static char text[40];
	int now = (int)(clock_wall_ms() / 60000 % 1440) + 1440;
	struct why why;
	struct schedule_options o = { .window = text };

	snprintf(text, sizeof(text), "%02d:%02d-%02d:%02dZ",
	    (now + from) % 1440 / 60, (now + from) % 60, (now + to) % 1440 / 60,
	    (now + to) % 60);
	assert_int_equal(schedule_open(&schedule, &o, &why), 0);
}

static void
test_hours(void **state)
{
	int64_t now = clock_ms();

	(void)state;
	hours(60, 120);
	ask(0, USERS, "/u1");
	calls_pump(fetch.calls);
	assert_int_equal(sent, 0);
	assert_true(schedule_gate(&fetch, now) > now);
	assert_true(schedule_gate(&fetch, now) <= now + LOOK_MS);
	assert_int_equal(
	    schedule_shut(&fetch, now + 7000) - schedule_shut(&fetch, now),
	    7000);
	schedule.opt.window = NULL;
	calls_pump(fetch.calls);
	assert_int_equal(sent, 1);
	hours(-60, 60);
	assert_int_equal(schedule_gate(&fetch, clock_ms()), 0);
}

/* Both edges are kept off by as much as the clock may be wrong. */
static void
test_edges(void **state)
{
	struct span s;
	struct why why;

	(void)state;
	assert_int_equal(span_parse(&s, "01:00-02:00Z", &why), 0);
	assert_int_equal(closed_for(&s, 3600000 - 1), EDGE_MS + 1);
	assert_int_equal(closed_for(&s, 3600000), EDGE_MS);
	assert_int_equal(closed_for(&s, 3600000 + EDGE_MS), 0);
	assert_int_equal(closed_for(&s, 7200000 - EDGE_MS - 1), 0);
	assert_int_equal(
	    closed_for(&s, 7200000 - EDGE_MS), 23 * 3600000 + 2 * EDGE_MS);
	assert_int_equal(closed_for(&s, 7200000), 23 * 3600000 + EDGE_MS);
	/* A whole day has no edge. */
	assert_int_equal(span_parse(&s, "00:00-24:00Z", &why), 0);
	assert_int_equal(closed_for(&s, 86400000), 0);
}

static void
test_durations(void **state)
{
	char text[SCHEDULE_TEXT];

	(void)state;
	schedule_duration(940, text);
	assert_string_equal(text, "0.9 s");
	schedule_duration(40499, text);
	assert_string_equal(text, "40 s");
	schedule_duration(125000, text);
	assert_string_equal(text, "2 min 5 s");
	schedule_duration(7500000, text);
	assert_string_equal(text, "2 h 5 min");
}

static int
set_up(void **state)
{
	static const struct out_kind kind = { .room = room,
		.drained = drained };
	static struct out out = { .kind = &kind };
	static char base[] = "x", name[] = "okta:x";
	struct budget_limits limits = { .share = 1, .in_flight_max = 8 };

	(void)state;
	log_level(LOG_ERROR);
	source = (struct source){ .fetch = &fetch, .name = name };
	source.config.base_url = base;
	for (size_t i = 0; i < 3; i++)
		source.streams[source.n_streams++] =
		    (struct stream){ .source = &source,
			    .entity = okta_entity(i) };
	schedule = (struct schedule){ .sent = 0 };
	fetch = (struct fetch){ .out = &out,
		.schedule = &schedule,
		.sources = &source,
		.n_sources = 1,
		.retries_max = CALL_RETRIES };
	fetch.loop = loop_new();
	fetch.budget = budget_new(&limits);
	fetch.calls = calls_new(&fetch);
	sent = 0;
	safe = false;
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

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		EACH(test_buckets_side_by_side),
		EACH(test_closed_bucket),
		EACH(test_lists_before_members),
		EACH(test_valuable_first),
		EACH(test_most_calls),
		EACH(test_last_call),
		EACH(test_hours),
		EACH(test_edges),
		EACH(test_durations),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
