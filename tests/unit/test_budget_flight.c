/*
 * test_budget_flight.c - requests at once: what a refusal without a bucket
 * makes of the window in flight, and when a place is asked for again.
 */

#include "tests/unit/budget_steps.h"

/* okta-sdk-nodejs 409: limit 0, remaining 0 and a reset 114 s off. */
static void
concurrency_is_not_a_bucket(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	struct budget_answer zero = { 429, 0, 0, T0_S + 114, T0, -1 };
	struct budget_answer fine = counted(600, 590, 60, 100);
	int slot[6];
	int64_t wake;

	(void)state;
	answered(b, users, 20, counted(600, 599, 60, 20));
	for (int i = 0; i < 6; i++)
		slot[i] = go(b, users, 30);
	assert_int_equal(
	    budget_settle(b, slot[0], 40, &zero), BUDGET_CONCURRENCY);
	assert_int_equal(budget_window(b), 5);
	assert_int_equal(
	    budget_settle(b, slot[1], 41, &zero), BUDGET_CONCURRENCY);
	assert_int_equal(budget_window(b), 4); /* one burst, what it took */
	wake = stop(b, users, 42, BUDGET_FLIGHT);
	assert_in_range(wake, 90, 40 + 2000);
	budget_settle(b, slot[2], 100, &fine);
	go(b, users, 101); /* one came back, one may go */
	stop(b, users, 101, BUDGET_FLIGHT);
	assert_int_equal(row(b, 102, USERS).limit, 600);
	assert_int_equal(row(b, 102, USERS).concurrency, 2);
	assert_int_equal(row(b, 102, USERS).limited, 0);
	budget_free(b);
}

/* Others hold every place: knock, each time later, and never for long. */
static void
no_place_at_all_is_waited_for(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	struct budget_answer zero = { 429, 0, 0, T0_S + 114, T0, -1 };
	int64_t now = 0, wake = 0, first = 0;

	(void)state;
	for (int i = 0; i < 8; i++) {
		budget_settle(b, go(b, users, now), now + 5, &zero);
		wake = stop(b, users, now + 5, BUDGET_FLIGHT);
		assert_in_range(wake - now - 5, 50, 2000);
		if (i == 0)
			first = wake - now - 5;
		now = wake;
	}
	assert_true(first <= 300);
	assert_int_equal(budget_window(b), 1);
	go(b, users, wake);
	budget_free(b);
}

static void
refused_level_is_avoided_for_a_while(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	struct budget_answer zero = { 429, 0, 0, T0_S + 114, T0, -1 };
	int slot[8], window = 0, left = 8999;
	int64_t now = 20;

	(void)state;
	answered(b, users, now, counted(9000, 8999, 60, now));
	for (int i = 0; i < 8; i++)
		slot[i] = go(b, users, now);
	budget_settle(b, slot[7], now + 5, &zero);
	for (; now < 40 * S; now += 200) {
		for (int i = 0; i < 7; i++) {
			struct budget_answer a =
			    counted(9000, --left, 60, now + 200);

			budget_settle(b, slot[i], now + 200, &a);
			slot[i] = go(b, users, now + 200);
		}
		if (now < 30 * S)
			assert_int_equal(budget_window(b), 7);
		window = budget_window(b);
	}
	assert_int_equal(window, 8); /* tried again later */
	budget_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(concurrency_is_not_a_bucket),
		cmocka_unit_test(no_place_at_all_is_waited_for),
		cmocka_unit_test(refused_level_is_avoided_for_a_while),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("budget_flight", tests, NULL, NULL);
}
