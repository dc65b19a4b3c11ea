/*
 * test_budget_yield.c - what the others of an org use is left to them.
 *
 * Plays a bucket of 100 a minute, of which others take 40 evenly, or stop.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "budget.h"

#define LIMIT 100
#define WINDOW_MS 60000
#define LATENCY_MS 20
#define SLOW_MS 500
#define T0_S 1757607720 /* the server's clock when ours shows 0 */
#define WINDOWS 5

struct world {
	struct budget *budget;
	int class;
	int others; /* calls of others in one window, evenly spread */
	int stop_window; /* from here on there are no others */
	int64_t slow_until; /* until then an answer takes SLOW_MS */
	int64_t begin; /* of our part */
	int ours[WINDOWS];
	int limited;
};

static int
others_used(const struct world *w, int64_t now)
{
	if (now / WINDOW_MS >= w->stop_window)
		return 0;
	return (int)(w->others * (now % WINDOW_MS) / WINDOW_MS);
}

static struct budget_answer
serve(struct world *w, int64_t at)
{
	int window = (int)(at / WINDOW_MS);
	int left = LIMIT - w->ours[window] - others_used(w, at);
	struct budget_answer a = { .status = 200,
		.limit = LIMIT,
		.reset_s = T0_S + (window + 1) * WINDOW_MS / 1000,
		.date_ms = (T0_S + at / 1000) * INT64_C(1000),
		.retry_after_ms = -1 };

	if (left > 0) {
		w->ours[window]++;
		a.remaining = left - 1;
	} else {
		w->limited++;
		a.status = 429;
	}
	return a;
}

/* One request after the other, as many as the budget lets go. */
static void
play(struct world *w)
{
	struct budget_limits limits = { 1.0, 0, 1, 7, 0 };
	int64_t now = w->begin, end = WINDOWS * (int64_t)WINDOW_MS - SLOW_MS;

	w->budget = budget_new(&limits);
	w->class = budget_class(w->budget, "GET", "/api/v1/groups");
	while (now < end) {
		struct budget_answer a;
		int64_t wake;
		int slot;

		if (budget_reserve(w->budget, w->class, now, &slot, &wake) !=
		    BUDGET_GO) {
			assert_true(wake > now);
			now = wake;
			continue;
		}
		a = serve(w, now);
		now += now < w->slow_until ? SLOW_MS : LATENCY_MS;
		budget_settle(w->budget, slot, now, &a);
	}
	budget_free(w->budget);
}

static void
test_steady_others_get_theirs(void **state)
{
	struct world w = { .others = 40, .stop_window = WINDOWS };

	(void)state;
	play(&w);
	assert_int_equal(w.limited, 0);
	/* The first is over in two seconds and has seen next to nothing. */
	for (int i = 2; i < WINDOWS; i++)
		assert_in_range(w.ours[i], 57, 62);
}

/* Half a window seen tells about a whole one. */
static void
test_half_a_window(void **state)
{
	struct world w = { .others = 40,
		.stop_window = WINDOWS,
		.begin = WINDOW_MS / 2,
		.slow_until = WINDOW_MS };

	(void)state;
	play(&w);
	assert_int_equal(w.limited, 0);
	assert_in_range(w.ours[0], 55, 60);
	assert_in_range(w.ours[1], 57, 66);
	for (int i = 2; i < WINDOWS; i++)
		assert_in_range(w.ours[i], 57, 62);
}

static void
test_what_they_stop_using_is_ours(void **state)
{
	struct world w = { .others = 40, .stop_window = 2 };

	(void)state;
	play(&w);
	assert_int_equal(w.limited, 0);
	assert_in_range(w.ours[2], 85, LIMIT);
	assert_in_range(w.ours[3], 95, LIMIT);
	assert_in_range(w.ours[4], 95, LIMIT);
}

static void
test_nobody_else(void **state)
{
	struct world w = { .others = 0, .stop_window = 0 };

	(void)state;
	play(&w);
	assert_int_equal(w.limited, 0);
	for (int i = 0; i < WINDOWS; i++)
		assert_int_equal(w.ours[i], LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steady_others_get_theirs),
		cmocka_unit_test(test_half_a_window),
		cmocka_unit_test(test_what_they_stop_using_is_ours),
		cmocka_unit_test(test_nobody_else),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("budget_yield", tests, NULL, NULL);
}
