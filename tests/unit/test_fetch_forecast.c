/*
 * test_fetch_forecast.c - calls from facts, and time from calls and limits.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fetch/forecast_count.c"
#include "fetch/forecast_time.c"
#include "fetch/okta.c"

static struct source source;
static struct forecast_facts facts;
static struct forecast_group groups[8];
static struct forecast_run run;

static int
set_up(void **state)
{
	(void)state;
	source = (struct source){ .n_streams = 3 };
	source.config.page_size = 200;
	facts = (struct forecast_facts){ .users = { .n = -1 },
		.everyone = -1,
		.keeps_gone = true,
		.groups = groups };
	facts.user.page = facts.group.page = 200;
	facts.member.page = 1000;
	memset(&run, 0, sizeof(run));
	for (size_t i = 0; i < 3; i++) {
		source.streams[i] = (struct stream){ .source = &source,
			.entity = okta_entity(i) };
		run.items[run.n++] = (struct forecast_item){
			.stream = &source.streams[i],
			.facts = &facts,
			.first_import = true,
		};
	}
	return 0;
}

static struct forecast_item *
count(size_t stream)
{
	forecast_count(&run.items[stream], &run);
	return &run.items[stream];
}

static void
pass(enum pass_kind kind, int64_t rows, bool more)
{
	facts.passes[kind].asked = true;
	facts.passes[kind].rows = rows;
	facts.passes[kind].more = more;
}

static void
group(const char *id, int64_t members, int64_t moved_ms)
{
	static char ids[8][16];
	char *own = ids[facts.n_groups];

	snprintf(own, sizeof(ids[0]), "%s", id);
	groups[facts.n_groups++] = (struct forecast_group){
		.id = own,
		.members = members,
		.updated_ms = 0,
		.moved_ms = moved_ms,
	};
}

static void
calls(const struct forecast_item *it, int64_t low, int64_t n, int64_t high)
{
	assert_int_equal(it->low, low);
	assert_int_equal(it->calls, n);
	assert_int_equal(it->high, high);
}

static void
test_few_users(void **state)
{
	struct forecast_item *it;

	(void)state;
	pass(PASS_PLAIN, 150, false);
	pass(PASS_GONE, 0, false);
	it = count(0);
	calls(it, 2, 2, 2); /* an empty list is a call too */
	assert_int_equal(it->records.n, 150);
	assert_int_equal(it->records.sure, SURE_EXACT);
}

static void
test_everyone(void **state)
{
	struct forecast_item *it;

	(void)state;
	pass(PASS_PLAIN, 200, true);
	pass(PASS_GONE, 150, false);
	facts.everyone = 5000;
	it = count(0);
	calls(it, 26, 26, 26); /* 4850 and 150 */
	assert_int_equal(it->records.n, 5000);
	assert_int_equal(it->records.sure, SURE_COUNTED);
	/* More are deprovisioned than a page: only the sum is known. */
	pass(PASS_GONE, 200, true);
	it = count(0);
	assert_int_equal(it->low, 26);
	assert_int_equal(it->high, 27);
	assert_int_equal(it->records.n, 5000);
	/* Those are not in Everyone here: they come on top. */
	facts.keeps_gone = false;
	facts.passes[PASS_GONE].total = (struct amount){ 900, SURE_ESTIMATE };
	it = count(0);
	assert_int_equal(it->calls, 25 + 5);
	assert_int_equal(it->records.n, 5900);
	assert_int_equal(it->records.sure, SURE_ESTIMATE);
}

static void
test_nobody_tells(void **state)
{
	struct forecast_item *it;

	(void)state;
	pass(PASS_PLAIN, 200, true);
	pass(PASS_GONE, 10, false);
	it = count(0);
	assert_int_equal(it->records.sure, SURE_AT_LEAST);
	calls(it, 3, 3, -1);
	facts.users = (struct amount){ 10010, SURE_ESTIMATE };
	it = count(0);
	assert_int_equal(it->calls, 51);
	assert_true(it->low < 45 && it->high > 60);
	/* A number below what was seen is no number. */
	facts.users.n = 100;
	assert_int_equal(count(0)->records.sure, SURE_AT_LEAST);
}

static void
test_one_list(void **state)
{
	struct forecast_item *it = &run.items[0];

	(void)state;
	pass(PASS_SCOPE, 700, false);
	facts.user.page = 50;
	calls(count(0), 14, 14, 14);
	it->mode = MODE_DELTA;
	pass(PASS_DELTA, 1000, true);
	facts.passes[PASS_DELTA].total = (struct amount){ 2000, SURE_ESTIMATE };
	assert_int_equal(count(0)->calls, 40);
	/* Refused, it is everyone, and the call that found that out. */
	facts.passes[PASS_DELTA].refused = true;
	pass(PASS_PLAIN, 40, false);
	pass(PASS_GONE, 10, false);
	calls(count(0), 3, 3, 3);
	facts.passes[PASS_DELTA].refused = false;
	facts.passes[PASS_DELTA].denied = true;
	assert_true(count(0)->denied);
	calls(it, 1, 1, 1);
}

static void
test_members(void **state)
{
	struct forecast_item *it = &run.items[2];

	(void)state;
	group("g1", 0, 100);
	group("g2", 1, 200);
	group("g3", 1000, 300);
	group("g4", 1001, 400);
	group("g5", 90, 500);
	groups[4].out = true;
	calls(count(2), 4, 4, 4);
	assert_int_equal(it->lists, 0); /* the Group stream lists them */
	assert_int_equal(it->records.n, 2002);
	it->first_import = false;
	assert_int_equal(count(2)->calls, 5); /* zero may be stale */
	run.items[1].done = true;
	count(2);
	assert_int_equal(it->lists, 1);
	assert_int_equal(it->calls, 6);
	facts.members_denied = true;
	calls(count(2), 4, 4, 4);
}

static void
test_delta(void **state)
{
	(void)state;
	for (size_t i = 1; i < 3; i++) {
		run.items[i].mode = MODE_DELTA;
		snprintf(
		    run.items[i].since, CLOCK_TEXT, "1970-01-01T00:00:00.300Z");
	}
	group("g1", 5, 100);
	group("g2", 5, 300);
	group("g3", 0, 400);
	groups[0].updated_ms = 301;
	calls(count(1), 1, 1, 1);
	assert_int_equal(run.items[1].records.n, 2);
	calls(count(2), 2, 2, 2);
}

static void
test_resumed(void **state)
{
	static const char text[] = "{\"group\":\"g3\",\"pending\":[\"g2\"]}";
	static const char users[] = "{\"pass\":\"plain\",\"n\":600}";
	static const char gone[] = "{\"pass\":\"deprovisioned\",\"n\":850}";
	static const char done[] = "{\"pass\":\"done\",\"n\":1000}";
	yyjson_doc *doc;

	(void)state;
	for (int i = 1; i < 6; i++) {
		char id[4] = { 'g', (char)('0' + i), '\0' };

		group(id, 10, 0);
	}
	doc = yyjson_read(text, sizeof(text) - 1, YYJSON_READ_NUMBER_AS_RAW);
	run.items[2].resume = yyjson_doc_get_root(doc);
	assert_int_equal(count(2)->calls, 3); /* g2, g4, g5 */
	yyjson_doc_free(doc);
	pass(PASS_PLAIN, 200, true);
	pass(PASS_GONE, 200, false);
	facts.everyone = 1000;
	doc = yyjson_read(users, sizeof(users) - 1, YYJSON_READ_NUMBER_AS_RAW);
	run.items[0].resume = yyjson_doc_get_root(doc);
	assert_int_equal(count(0)->calls, 2);
	yyjson_doc_free(doc);
	doc = yyjson_read(gone, sizeof(gone) - 1, YYJSON_READ_NUMBER_AS_RAW);
	run.items[0].resume = yyjson_doc_get_root(doc);
	assert_int_equal(count(0)->calls, 1);
	yyjson_doc_free(doc);
	doc = yyjson_read(done, sizeof(done) - 1, YYJSON_READ_NUMBER_AS_RAW);
	run.items[0].resume = yyjson_doc_get_root(doc);
	assert_int_equal(count(0)->calls, 0);
	yyjson_doc_free(doc);
	run.items[0].done = true;
	assert_int_equal(count(0)->calls, 0);
}

/* 10,000 rows, the n-th at n seconds. */
static struct forecast_sample
even(int64_t from, int64_t rows)
{
	return (struct forecast_sample){ .ok = true,
		.more = true,
		.from_ms = from * 1000,
		.to_ms = (from + rows) * 1000,
		.rows = rows };
}

static void
test_estimate(void **state)
{
	struct forecast_sample s[6] = { even(0, 200), even(9800, 200),
		even(2000, 200), even(4000, 200), even(6000, 200),
		even(8000, 200) };
	struct amount a = forecast_estimate(s, 6);

	(void)state;
	assert_in_range(a.n, 9900, 10100);
	assert_int_equal(a.sure, SURE_ESTIMATE);
	s[3].ok = false;
	assert_in_range(forecast_estimate(s, 6).n, 9900, 10100);
	/* Four times as many in the second half. */
	s[3] = even(4000, 200);
	for (int i = 4; i < 6; i++)
		s[i].to_ms = s[i].from_ms + 50000;
	s[1].from_ms = s[1].to_ms - 50000;
	assert_in_range(forecast_estimate(s, 6).n, 20000, 30000);
	/* All of one second: nothing can be said. */
	s[1] = s[0];
	assert_int_equal(forecast_estimate(s, 6).n, -1);
	s[0].more = false;
	a = forecast_estimate(s, 6);
	assert_int_equal(a.n, 200);
	assert_int_equal(a.sure, SURE_EXACT);
}

static void
bucket(int64_t usable, int64_t window_ms)
{
	run.buckets[run.n_buckets++] = (struct forecast_bucket){
		.limit = usable, .usable = usable, .window_ms = window_ms
	};
}

/* What forecast_count() would have found. */
static void
found(size_t i, int64_t n, int64_t latency_ms, size_t k)
{
	run.items[i].calls = n;
	run.items[i].latency_ms = latency_ms;
	run.items[i].bucket = k;
}

static void
test_time_of_latency(void **state)
{
	(void)state;
	bucket(1000, 60000);
	found(0, 10, 100, 0);
	forecast_time(&run, 8);
	assert_int_equal(run.ms, 1000); /* one after the other */
	/* Members: the first alone, then eight at once. */
	run.buckets[0].calls = 0;
	found(0, 0, 0, 0);
	found(2, 17, 100, 0);
	forecast_time(&run, 8);
	assert_int_equal(run.ms, 300);
	assert_int_equal(run.buckets[0].calls, 17);
}

static void
test_time_of_windows(void **state)
{
	(void)state;
	bucket(50, 10000);
	found(2, 400, 20, 0);
	forecast_time(&run, 8);
	/* Seven waits, then 50 calls: one, and then 49 by eights. */
	assert_int_equal(run.ms, 7 * 10000 + 20 + 7 * 20);
	assert_int_equal(run.items[2].ms, run.ms);
	/* A window that is open has 30 left and 4 s to go. */
	run.now = true;
	run.buckets[0].left = 30;
	run.buckets[0].ends_ms = 4000;
	found(2, 31, 20, 0);
	forecast_time(&run, 8);
	assert_int_equal(run.ms, 4020);
}

/* Longer than a window lasts: latency is the limit, not the bucket. */
static void
test_time_of_slow_pages(void **state)
{
	(void)state;
	bucket(1000, 1000);
	found(0, 100, 300, 0);
	forecast_time(&run, 8);
	assert_int_equal(run.ms, 30000);
}

static void
test_time_side_by_side(void **state)
{
	(void)state;
	bucket(10, 10000);
	bucket(10, 10000);
	found(0, 30, 10, 0);
	found(1, 5, 10, 1);
	found(2, 20, 10, 1);
	forecast_time(&run, 8);
	assert_in_range(run.items[0].ms, 20000, 20200);
	assert_in_range(run.items[1].ms, 50, 60);
	assert_in_range(run.items[2].ms, 20000, 20200);
	assert_int_equal(run.buckets[0].calls, 30);
	assert_int_equal(run.buckets[1].calls, 25);
}

/* With one at a time the lists come first, and nothing is lost. */
static void
test_time_one_at_once(void **state)
{
	(void)state;
	bucket(0, 0);
	run.buckets[0].limit = -1;
	found(0, 4, 100, 0);
	found(1, 2, 100, 0);
	found(2, 4, 100, 0);
	forecast_time(&run, 1);
	assert_int_equal(run.ms, 1000);
	assert_int_equal(run.items[0].ms, 400);
	assert_int_equal(run.items[1].ms, 600);
	/* Its own lists come before its members. */
	run.items[2].lists = 1;
	found(0, 0, 0, 0);
	found(1, 0, 0, 0);
	forecast_time(&run, 8);
	assert_int_equal(run.ms, 200);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_few_users, set_up),
		cmocka_unit_test_setup(test_everyone, set_up),
		cmocka_unit_test_setup(test_nobody_tells, set_up),
		cmocka_unit_test_setup(test_one_list, set_up),
		cmocka_unit_test_setup(test_members, set_up),
		cmocka_unit_test_setup(test_delta, set_up),
		cmocka_unit_test_setup(test_resumed, set_up),
		cmocka_unit_test_setup(test_estimate, set_up),
		cmocka_unit_test_setup(test_time_of_latency, set_up),
		cmocka_unit_test_setup(test_time_of_windows, set_up),
		cmocka_unit_test_setup(test_time_of_slow_pages, set_up),
		cmocka_unit_test_setup(test_time_side_by_side, set_up),
		cmocka_unit_test_setup(test_time_one_at_once, set_up),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
