/*
 * test_budget.c - one decision of the budget at a time: what a sequence of
 * headers, however odd, makes of the next request.
 */

#include "tests/unit/budget_steps.h"

static const struct budget_answer lost = { 0, -1, -1, -1, -1, -1 };

static void
first_request_goes_alone(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	int groups = budget_class(b, "GET", "/api/v1/groups");
	struct budget_answer a = counted(600, 599, 60, 20);
	int slot;

	(void)state;
	slot = go(b, users, 0);
	stop(b, users, 0, BUDGET_FLIGHT);
	go(b, groups, 0); /* another bucket is not kept waiting */
	assert_int_equal(budget_in_flight(b), 2);
	assert_int_equal(budget_settle(b, slot, 20, &a), BUDGET_OK);
	assert_int_equal(free_now(b, users, 21), 7);
	budget_free(b);
}

static void
share_and_reserve_bound_a_window(void **state)
{
	static const struct {
		double share;
		int reserve, limit, allowed; /* after the first request */
	} rows[] = {
		{ 1, 0, 10, 9 },
		{ 0.8, 0, 10, 7 },
		{ 0.8, 3, 10, 4 },
		{ 1, 3, 10, 6 },
		{ 0.8, 0, 60, 47 },
		{ 0.1, 0, 5, 0 }, /* rounds to none: the first one only */
		{ 0.5, 0, 1, 0 },
		{ 1, 50, 10, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct budget *b = start(rows[i].share, rows[i].reserve, 1);
		int users = budget_class(b, "GET", USERS);
		int n = 0, slot;
		int64_t now = 20, wake;

		answered(b, users, now,
		    counted(rows[i].limit, rows[i].limit - 1, 60, now));
		while (
		    budget_reserve(b, users, now, &slot, &wake) == BUDGET_GO) {
			struct budget_answer a = counted(
			    rows[i].limit, rows[i].limit - 2 - n, 60, now + 20);

			now += 20;
			budget_settle(b, slot, now, &a);
			n++;
		}
		assert_int_equal(n, rows[i].allowed);
		wake = stop(b, users, now, BUDGET_WAIT);
		assert_in_range(wake, 60 * S + 250, 61 * S + 250);
		go(b, users, wake); /* the next window is tried */
		budget_free(b);
	}
}

static void
in_flight_counts_as_used(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	struct budget_answer a = counted(100, 2, 60, 40);
	int slot[4];

	(void)state;
	answered(b, users, 20, counted(100, 3, 60, 20));
	for (int i = 0; i < 3; i++)
		slot[i] = go(b, users, 21);
	stop(b, users, 21, BUDGET_FLIGHT); /* they may be given back */
	budget_cancel(b, slot[0], 22);
	slot[0] = go(b, users, 23);
	budget_settle(b, slot[0], 40, &a);
	stop(b, users, 41, BUDGET_FLIGHT);
	a.remaining = 0;
	budget_settle(b, slot[1], 42, &a);
	stop(b, users, 43, BUDGET_WAIT);
	budget_free(b);
}

static void
answers_out_of_order(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	struct budget_answer a = counted(10, 7, 60, 40);
	struct budget_answer late = counted(10, 8, 60, 30);
	int first, second;

	(void)state;
	answered(b, users, 20, counted(10, 9, 60, 20));
	first = go(b, users, 21);
	second = go(b, users, 21);
	budget_settle(b, second, 40, &a);
	budget_settle(b, first, 50, &late);
	assert_int_equal(row(b, 50, USERS).remaining, 7);
	assert_int_equal(free_now(b, users, 51), 7);
	budget_free(b);
}

static void
an_old_window_does_not_return(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	struct budget_answer old = counted(10, 1, 60, 59 * S);
	int slow;

	(void)state;
	answered(b, users, 20, counted(10, 9, 60, 20));
	slow = go(b, users, 21);
	answered(b, users, 62 * S, counted(10, 5, 121, 62 * S));
	assert_int_equal(free_now(b, users, 62 * S), 4); /* slow may count */
	budget_settle(b, slow, 62 * S + 1, &old);
	assert_int_equal(row(b, 62 * S + 1, USERS).remaining, 5);
	assert_int_equal(free_now(b, users, 62 * S + 2), 5);
	budget_free(b);
}

static void
an_old_answer_is_not_charged_twice(void **state)
{
	struct budget *b = start(0.5, 0, 8);
	int users = budget_class(b, "GET", USERS);
	struct budget_answer old = counted(10, 8, 60, 59 * S);
	int slow;

	(void)state;
	answered(b, users, 20, counted(10, 9, 60, 20));
	slow = go(b, users, 21);
	answered(b, users, 62 * S, counted(10, 9, 121, 62 * S));
	assert_int_equal(free_now(b, users, 62 * S), 3);
	budget_settle(b, slow, 62 * S + 1, &old);
	assert_int_equal(free_now(b, users, 62 * S + 2), 4);
	budget_free(b);
}

/* Two nodes round one reset differently: it is no new window. */
static void
a_reset_one_second_off_is_the_same(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	struct budget_answer a = counted(10, 7, 60, 40);
	struct budget_answer late = counted(10, 8, 61, 30);
	int first, second;

	(void)state;
	answered(b, users, 20, counted(10, 9, 60, 20));
	first = go(b, users, 21);
	second = go(b, users, 21);
	budget_settle(b, second, 40, &a);
	budget_settle(b, first, 50, &late);
	assert_int_equal(free_now(b, users, 51), 7);
	budget_free(b);
}

/* 50 answers without headers: the count falls with each of them. */
static void
missing_headers_change_nothing(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	struct budget_answer bare = { 401, -1, -1, -1, T0, -1 };

	(void)state;
	answered(b, users, 20, counted(50, 40, 60, 20));
	for (int i = 0; i < 40; i++)
		answered(b, users, 40 + i, bare);
	assert_int_equal(row(b, 100, USERS).limit, 50);
	assert_in_range(stop(b, users, 100, BUDGET_WAIT), 60 * S, 62 * S);
	budget_free(b);
}

static void
lost_answers_may_have_been_counted(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);

	(void)state;
	answered(b, users, 20, counted(50, 2, 60, 20));
	answered(b, users, 50, lost);
	answered(b, users, 80, lost);
	stop(b, users, 81, BUDGET_WAIT);
	budget_free(b);
}

/* A window of two, and two requests in it that told nothing. */
static void
unseen_window_may_be_used_up(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	int64_t open;

	(void)state;
	answered(b, users, 20, counted(2, 0, 60, 20));
	open = stop(b, users, 21, BUDGET_WAIT);
	answered(b, users, open + 20, lost);
	answered(b, users, open + 40, lost);
	assert_int_equal(
	    stop(b, users, open + 41, BUDGET_WAIT), open + 20 + 61 * S);
	go(b, users, open + 20 + 61 * S);
	budget_free(b);
}

static void
server_without_headers_is_not_counted(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", "/v1.0/users/delta");
	struct budget_answer bare = { 200, -1, -1, -1, T0, -1 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		int slot = go(b, users, 100 * i);

		stop(b, users, 100 * i, BUDGET_FLIGHT);
		budget_settle(b, slot, 100 * i + 20, &bare);
	}
	assert_int_equal(free_now(b, users, 400), 8);
	/* the first count ends that */
	answered(b, users, 420, counted(10, 2, 60, 420));
	assert_int_equal(free_now(b, users, 421), 2);
	budget_free(b);
}

/* Recorded: limit 10, remaining 0, reset 48 s behind Date. */
static void
limited_waits_for_the_reset(void **state)
{
	struct budget *b = start(1, 0, 8);
	int apps = budget_class(b, "GET", "/api/v1/apps");
	struct budget_answer a = { 429, 10, 0, 1757607758, 1757607710000, -1 };
	int slot = go(b, apps, 9900);

	(void)state;
	assert_int_equal(budget_settle(b, slot, 10 * S, &a), BUDGET_LIMITED);
	assert_in_range(
	    stop(b, apps, 10 * S, BUDGET_WAIT), 58 * S + 250, 59 * S + 500);
	assert_int_equal(row(b, 10 * S, "/api/v1/apps").limited, 1);
	budget_free(b);
}

static void
limited_without_headers_backs_off(void **state)
{
	static const int64_t waits[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	struct budget_answer bare = { 429, -1, -1, -1, T0, -1 };
	int64_t now = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		int64_t wake;

		budget_settle(b, go(b, users, now), now + 10, &bare);
		wake = stop(b, users, now + 10, BUDGET_WAIT);
		assert_int_equal(wake - now - 10, waits[i] * S);
		now = wake;
	}
	budget_free(b);
}

static void
retry_after_closes_the_bucket(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	int groups = budget_class(b, "GET", "/api/v1/groups");
	struct budget_answer a = { 503, -1, -1, -1, T0, 7 * S };

	(void)state;
	budget_settle(b, go(b, users, 0), 20, &a);
	assert_int_equal(stop(b, users, 21, BUDGET_WAIT), 20 + 7 * S);
	go(b, groups, 21);
	go(b, users, 20 + 7 * S);
	stop(b, users, 20 + 7 * S, BUDGET_FLIGHT); /* alone again */
	budget_free(b);
}

/* Hours of skew between the clocks are no wait of hours. */
static void
clock_skew_cancels_out(void **state)
{
	static const int64_t skews[] = { 0, -3 * 3600, 3 * 3600, 86400 * 365 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct budget *b = start(1, 0, 8);
		int users = budget_class(b, "GET", USERS);
		struct budget_answer a = counted(10, 0, 48, 20);

		a.date_ms += skews[i] * S;
		a.reset_s += skews[i];
		answered(b, users, 20, a);
		assert_in_range(stop(b, users, 21, BUDGET_WAIT), 48 * S + 250,
		    49 * S + 300);
		assert_in_range(
		    budget_server_offset(b) - skews[i] * S - T0 + 500, 0, 1000);
		budget_free(b);
	}
}

/* A Reset by another clock than Date: an hour ahead, an hour back. */
static void
reset_off_by_hours_is_clamped(void **state)
{
	static const int64_t offs[] = { 3600, -3600, 500, -10 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct budget *b = start(1, 0, 8);
		int users = budget_class(b, "GET", USERS);
		int64_t open;

		answered(b, users, 20, counted(10, 0, offs[i], 20));
		open = stop(b, users, 21, BUDGET_WAIT);
		assert_int_equal(open, 20 + 61 * S);
		/* the same bad reset again is another window all the same */
		answered(b, users, open + 20, counted(10, 9, offs[i], open));
		assert_int_equal(free_now(b, users, open + 21), 8);
		/* and a good one is believed at once */
		answered(b, users, open + 40, counted(10, 3, 100, open + 40));
		assert_int_equal(free_now(b, users, open + 41), 3);
		budget_free(b);
	}
}

static void
reset_that_jumps_back_is_followed(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	int64_t open;

	(void)state;
	answered(b, users, 20, counted(10, 0, 60, 20));
	open = stop(b, users, 21, BUDGET_WAIT);
	/* the server's clock was set back 40 s meanwhile */
	for (int i = 0; i < 3; i++) {
		struct budget_answer a = counted(10, 9 - i, 80, open);

		a.reset_s -= 40;
		a.date_ms -= 40 * S;
		answered(b, users, open + 20 * (i + 1), a);
	}
	assert_int_equal(free_now(b, users, open + 80), 7);
	budget_free(b);
}

/* Still the old window behind its reset: the wider margin from then on. */
static void
rounded_reset_widens_the_margin(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	struct budget_answer a = counted(10, 0, 60, 60 * S + 300);
	int64_t open, again;

	(void)state;
	answered(b, users, 20, counted(10, 0, 60, 20));
	open = stop(b, users, 21, BUDGET_WAIT);
	a.status = 429;
	budget_settle(b, go(b, users, open), open + 20, &a);
	again = stop(b, users, open + 20, BUDGET_WAIT);
	assert_in_range(again, 61 * S, 62 * S);
	answered(b, users, again + 20, counted(10, 0, 121, again + 20));
	assert_in_range(
	    stop(b, users, again + 21, BUDGET_WAIT), 122 * S, 123 * S + 100);
	budget_free(b);
}

static void
no_date_means_a_whole_minute(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	struct budget_answer a = counted(10, 0, 5, 20);

	(void)state;
	a.date_ms = -1;
	answered(b, users, 20, a);
	assert_int_equal(stop(b, users, 21, BUDGET_WAIT), 20 + 61 * S);
	assert_int_equal(budget_server_offset(b), 0);
	budget_free(b);
}

static void
waiting_is_added_up(void **state)
{
	struct budget *b = start(1, 0, 8);
	int users = budget_class(b, "GET", USERS);
	int64_t open;

	(void)state;
	answered(b, users, 20, counted(10, 0, 60, 20));
	open = stop(b, users, 10 * S, BUDGET_WAIT);
	assert_int_equal(row(b, 30 * S, USERS).waited_ms, 20 * S);
	assert_int_equal(row(b, 30 * S, USERS).opens_ms, open);
	answered(b, users, open + 20, counted(10, 9, 120, open + 20));
	assert_int_equal(row(b, open + 20, USERS).waited_ms, open - 10 * S);
	assert_int_equal(row(b, open + 20, USERS).opens_ms, 0);
	assert_int_equal(row(b, open + 20, USERS).calls, 2);
	budget_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_request_goes_alone),
		cmocka_unit_test(share_and_reserve_bound_a_window),
		cmocka_unit_test(in_flight_counts_as_used),
		cmocka_unit_test(answers_out_of_order),
		cmocka_unit_test(an_old_window_does_not_return),
		cmocka_unit_test(an_old_answer_is_not_charged_twice),
		cmocka_unit_test(a_reset_one_second_off_is_the_same),
		cmocka_unit_test(missing_headers_change_nothing),
		cmocka_unit_test(lost_answers_may_have_been_counted),
		cmocka_unit_test(unseen_window_may_be_used_up),
		cmocka_unit_test(server_without_headers_is_not_counted),
		cmocka_unit_test(limited_waits_for_the_reset),
		cmocka_unit_test(limited_without_headers_backs_off),
		cmocka_unit_test(retry_after_closes_the_bucket),
		cmocka_unit_test(clock_skew_cancels_out),
		cmocka_unit_test(reset_off_by_hours_is_clamped),
		cmocka_unit_test(reset_that_jumps_back_is_followed),
		cmocka_unit_test(rounded_reset_widens_the_margin),
		cmocka_unit_test(no_date_means_a_whole_minute),
		cmocka_unit_test(waiting_is_added_up),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
