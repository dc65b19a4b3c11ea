/*
 * test_budget_units.c - the budget where requests cost resource units.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/budget.h"

static const struct budget_answer plain = { 200, -1, -1, -1, -1, -1 };

/* Requests that go out between two times, each answered at once. */
static int
drive(struct budget *b, int class, int64_t from, int64_t to, int64_t units,
    int64_t percent)
{
	int64_t wake;
	int slot, n = 0;

	for (int64_t now = from; now < to; now += 10) {
		while (
		    budget_reserve(b, class, now, &slot, &wake) == BUDGET_GO) {
			budget_spent(b, slot, now, units, percent);
			budget_settle(b, slot, now, &plain);
			n++;
		}
		assert_true(wake > now);
	}
	return n;
}

static void
units_are_a_share_of_ten_seconds(void **state)
{
	struct budget_limits limits = { 0.5, 0, 8, 7, 100 };
	struct budget *b = budget_new(&limits);
	int class = budget_class(b, "GET", "/v1.0/groups/delta");

	(void)state;
	/* A full bucket, then what flows in: half of 100 in 10 s. */
	assert_int_equal(drive(b, class, 1000, 1010, 1, -1), 50);
	assert_in_range(drive(b, class, 1010, 11010, 1, -1), 49, 51);
	budget_free(b);
}

static void
the_answer_says_what_it_cost(void **state)
{
	struct budget_limits limits = { 1, 0, 8, 7, 100 };
	struct budget *b = budget_new(&limits);
	int class = budget_class(b, "GET", "/v1.0/groups/delta");

	(void)state;
	assert_in_range(drive(b, class, 1000, 1010, 5, -1), 20, 21);
	budget_free(b);
}

static void
near_the_limit_it_goes_slower(void **state)
{
	struct budget_limits limits = { 1, 0, 8, 7, 1000 };
	struct budget *b = budget_new(&limits);
	int class = budget_class(b, "GET", "/v1.0/users/delta"), slot, n;
	int64_t wake;

	(void)state;
	assert_int_equal(
	    budget_reserve(b, class, 1000, &slot, &wake), BUDGET_GO);
	budget_spent(b, slot, 1000, 1, 80);
	budget_settle(b, slot, 1000, &plain);
	/* Half of 100 a second, and nothing that was saved up. */
	n = drive(b, class, 1010, 6010, 1, -1);
	assert_in_range(n, 240, 310);
	/* Ten seconds later all is as before. */
	drive(b, class, 6010, 12010, 1, -1);
	assert_in_range(drive(b, class, 12010, 22010, 1, -1), 990, 1010);
	budget_free(b);
}

static void
a_429_without_a_time_is_waited_for_at_random(void **state)
{
	static const struct budget_answer limited = { 429, -1, -1, -1, -1, -1 };
	struct budget_limits limits = { 1, 0, 8, 7, 1000 };
	int64_t least = INT64_MAX, most = 0, wake;

	(void)state;
	for (uint64_t seed = 1; seed < 200; seed++) {
		struct budget *b;
		int class, slot;

		limits.seed = seed * 7919;
		b = budget_new(&limits);
		class = budget_class(b, "GET", "/v1.0/users/delta");
		budget_reserve(b, class, 1000, &slot, &wake);
		budget_settle(b, slot, 1000, &limited);
		assert_int_equal(
		    budget_reserve(b, class, 1000, &slot, &wake), BUDGET_WAIT);
		least = wake < least ? wake : least;
		most = wake > most ? wake : most;
		budget_free(b);
	}
	assert_in_range(least, 1001, 1200);
	assert_in_range(most, 1800, 2000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_are_a_share_of_ten_seconds),
		cmocka_unit_test(the_answer_says_what_it_cost),
		cmocka_unit_test(near_the_limit_it_goes_slower),
		cmocka_unit_test(a_429_without_a_time_is_waited_for_at_random),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
