/*
 * test_budget_world.c - the budget against thousands of invented servers:
 * never refused, never stuck, and nothing left over.
 */

#include "tests/unit/budget_world.h"

static void
mishaps_draw(struct world *w)
{
	w->lost_permille = chance(w, 400) ? (int)between(w, 1, 100) : 0;
	w->bare_permille = chance(w, 400) ? (int)between(w, 1, 200) : 0;
	w->change_percent = chance(w, 400) ? (int)between(w, 1, 100) : 0;
	w->dateless = chance(w, 50);
}

/* Resets are rounded up or exact: a bucket never refuses. */
static void
never_refused(void **state)
{
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 4000; seed++) {
		world_draw(&w, seed);
		mishaps_draw(&w);
		world_run(&w);
		for (int i = 0; i < w.buckets; i++)
			if (w.counters[i].refused > w.counters[i].excused)
				fail_world(&w, "a bucket refused");
		world_end(&w);
	}
}

/* Resets are rounded down: one refusal teaches the margin. */
static void
refused_once_at_most(void **state)
{
	struct world w;
	int64_t refused = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		world_draw(&w, seed);
		w.form = RESET_DOWN;
		world_run(&w);
		for (int i = 0; i < w.buckets; i++) {
			refused += w.counters[i].refused;
			if (w.counters[i].refused > 1)
				fail_world(&w, "a bucket refused twice");
		}
		world_end(&w);
	}
	assert_true(refused > 0); /* else these worlds test nothing */
}

/* With demand without end, 95 of 100 allowed requests are made. */
static void
uses_what_is_allowed(void **state)
{
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		int64_t cap, done;

		calm(&w, seed, 0, 0);
		w.counters[0].limit = w.counters[0].usual =
		    between(&w, 20, chance(&w, 200) ? 1000 : 200);
		w.counters[0].length_ms = between(&w, 10, 60) * 1000;
		w.limits.share = (double)between(&w, 5, 10) / 10;
		w.todo[0] = 1000000;
		world_begin(&w);
		while (w.now_ms < w.start_ms + 20 * w.counters[0].length_ms)
			step(&w);
		done = w.counters[0].accepted;
		cap = (int64_t)(w.limits.share * (double)w.counters[0].limit);
		if (done * 100 < 95 * 20 * cap)
			fail_world(&w, "requests were left over");
		world_end(&w);
	}
}

/* DESIGN 8: 400 calls at 60 a 10 s, whatever number in flight. */
static void
needs_no_more_than_ideal(void **state)
{
	struct world w;

	(void)state;
	for (int flight = 1; flight <= SLOTS; flight++) {
		int64_t ideal;

		calm(&w, (uint64_t)flight, 60, 10000);
		w.limits.in_flight_max = flight;
		w.todo[0] = 400;
		world_run(&w);
		ideal = 60000 + 40 * (w.latency_ms + 100) / flight;
		if (w.counters[0].refused > 0)
			fail_world(&w, "a bucket refused");
		if (w.now_ms - w.start_ms > ideal * 105 / 100)
			fail_world(&w, "more than 1.05 x ideal");
		world_end(&w);
	}
}

/* A concurrency limit of 35, 60 workers, 200 calls of 200 ms: 2 x ideal. */
static void
finds_the_limit_in_flight(void **state)
{
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		calm(&w, seed, 3000, 60000);
		w.latency_ms = 200;
		w.spread_ms = 0;
		w.concurrency = 35;
		w.limits.in_flight_max = 60;
		w.todo[0] = 200;
		world_run(&w);
		if (w.now_ms - w.start_ms > 2 * 200 * 200 / 35)
			fail_world(&w, "more than twice the ideal time");
		world_end(&w);
	}
}

/* One of a few numbers a header may hold, good and bad. */
static int64_t
any_number(uint64_t *random, int64_t usual)
{
	static const int64_t odd[] = { -1, 0, 1, INT64_MAX, INT64_MIN,
		INT64_MAX / 1000, 2147483648, -5 };

	*random = *random * 6364136223846793005u + 1442695040888963407u;
	if ((*random >> 60) < 8)
		return usual + (int64_t)(*random >> 40 & 63);
	return odd[*random >> 50 & 7];
}

/* Whatever the headers say, the next request is never an hour away. */
static void
nonsense_does_no_harm(void **state)
{
	static const int status[] = { 200, 200, 200, 429, 503, 0, 404, 500 };
	uint64_t random = 1;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct budget_limits limits = { 0.8, 0, 1 + round, 7, 0 };
		struct budget *b = budget_new(&limits);
		int class[2] = { budget_class(b, "GET", "/api/v1/users"),
			budget_class(b, "GET", "/x") };
		int64_t now = 0;

		for (int i = 0; i < 500; i++) {
			int64_t r = any_number(&random, 0), wake = -1;
			struct budget_answer a = { status[r & 7],
				any_number(&random, 10), any_number(&random, 0),
				any_number(&random, 1757607700 + now / 1000),
				any_number(&random, 1757607700000 + now),
				any_number(&random, -50) };
			int slot;

			if (budget_reserve(b, class[i & 1], now, &slot,
				&wake) == BUDGET_GO) {
				budget_settle(b, slot, now += 30, &a);
				continue;
			}
			assert_in_range(wake - now, 1, 3600000);
			now = wake;
		}
		assert_int_equal(budget_in_flight(b), 0);
		budget_free(b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_refused),
		cmocka_unit_test(refused_once_at_most),
		cmocka_unit_test(uses_what_is_allowed),
		cmocka_unit_test(needs_no_more_than_ideal),
		cmocka_unit_test(finds_the_limit_in_flight),
		cmocka_unit_test(nonsense_does_no_harm),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("budget_world", tests, NULL, NULL);
}
