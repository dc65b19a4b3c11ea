#ifndef BUDGET_STEPS_H
#define BUDGET_STEPS_H

/*
 * budget_steps.h - one step of the budget at a time: ask, answer, look.
 *
 * For the unit tests that play a short sequence of headers.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "budget.h"

#define USERS "/api/v1/users"
#define S 1000 /* ms */
/* The server's clock: T0 when ours shows 0. */
#define T0_S 1757607700
#define T0 (T0_S * (int64_t)1000)

static inline struct budget *
start(double share, int reserve, int in_flight)
{
	struct budget_limits limits = { share, reserve, in_flight, 7, 0 };

	return budget_new(&limits);
}

/* An answer the server gave at local time at_ms. */
static inline struct budget_answer
counted(int64_t limit, int64_t remaining, int64_t reset_in_s, int64_t at_ms)
{
	return (struct budget_answer){ 200, limit, remaining, T0_S + reset_in_s,
		(T0 + at_ms) / 1000 * 1000, -1 };
}

static inline int
go(struct budget *b, int class, int64_t now_ms)
{
	int64_t wake = -1;
	int slot = -1;

	assert_int_equal(
	    budget_reserve(b, class, now_ms, &slot, &wake), BUDGET_GO);
	assert_true(slot >= 0);
	return slot;
}

/* Asserts that nothing may be sent, and gives the time to ask again. */
static inline int64_t
stop(struct budget *b, int class, int64_t now_ms, enum budget_verdict verdict)
{
	int64_t wake = -1;
	int slot = -1;

	assert_int_equal(
	    budget_reserve(b, class, now_ms, &slot, &wake), verdict);
	assert_int_equal(slot, -1);
	assert_true(wake > now_ms);
	return wake;
}

/* One request sent now_ms - 20, answered now. */
static inline void
answered(struct budget *b, int class, int64_t now_ms, struct budget_answer a)
{
	budget_settle(b, go(b, class, now_ms - 20), now_ms, &a);
}

/* How many more may be sent now; all of them are taken back. */
static inline int
free_now(struct budget *b, int class, int64_t now_ms)
{
	int slots[300], n = 0;
	int64_t wake;

	while (budget_reserve(b, class, now_ms, &slots[n], &wake) == BUDGET_GO)
		n++;
	for (int i = 0; i < n; i++)
		budget_cancel(b, slots[i], now_ms);
	return n;
}

static inline struct budget_row
row(struct budget *b, int64_t now_ms, const char *name)
{
	struct budget_row rows[16];
	size_t n = budget_rows(b, now_ms, rows, 16);

	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i];
	fail_msg("no bucket %s", name);
	return rows[0];
}

#endif
