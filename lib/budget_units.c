/*
 * budget_units.c - resource units, as Microsoft Graph counts them.
 *
 * Budget, part 5; idle unless budget_limits.units says how many there are.
 * Requests of different cost draw on one token bucket that fills evenly over
 * ten seconds.  What an answer says it cost corrects what was taken, and at
 * the first sign of throttling the flow is slowed for one such span.
 * Source: entra 1.4.
 */

#include <string.h>

#include "budget_private.h"

#define SPAN_MS 10000
#define SLOW_PERCENT 80 /* from here on the server says how near we are */

struct cost {
	const char *path;
	int units;
};

/* $select saves one, which the first answer then tells. */
static const struct cost costs[] = {
	{ "/v1.0/users", 2 },
	{ "/v1.0/groups/{id}/members", 3 },
	{ "/v1.0/groups/{id}/transitiveMembers", 5 },
};

int
units_cost(const char *path)
{
	for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++)
		if (strcmp(costs[i].path, path) == 0)
			return costs[i].units;
	return 1;
}

void
units_init(struct units *u, const struct budget_limits *limits)
{
	memset(u, 0, sizeof(*u));
	u->room = limits->units * limits->share;
	if (u->room < 1)
		u->room = 1;
	u->level = u->room;
	u->pace = 1;
	u->random = limits->seed | 1;
}

static void
fill(struct units *u, int64_t now_ms)
{
	if (u->pace < 1 && now_ms >= u->slow_ms)
		u->pace = 1;
	if (now_ms > u->at_ms && u->at_ms > 0)
		u->level +=
		    (double)(now_ms - u->at_ms) * u->pace * u->room / SPAN_MS;
	if (u->level > u->room)
		u->level = u->room;
	u->at_ms = now_ms;
}

bool
units_allow(struct units *u, int cost, int64_t now_ms, int64_t *wake_ms)
{
	/* One that costs more than there ever is may go when it is full. */
	double wanted = cost < u->room ? cost : u->room;

	fill(u, now_ms);
	if (u->level >= wanted)
		return true;
	*wake_ms =
	    now_ms + 1 +
	    (int64_t)((wanted - u->level) * SPAN_MS / (u->pace * u->room));
	return false;
}

void
units_take(struct units *u, int cost)
{
	u->level -= cost;
}

static double
pace(int64_t percent)
{
	if (percent < 100)
		return 0.5;
	return percent < 150 ? 0.25 : 0.1;
}

void
units_slow(struct units *u, int64_t percent, int64_t now_ms)
{
	if (percent < SLOW_PERCENT)
		return;
	fill(u, now_ms);
	u->pace = pace(percent);
	u->slow_ms = now_ms + SPAN_MS;
	/* What was saved up would be a burst. */
	if (u->level > u->pace * u->room / 10)
		u->level = u->pace * u->room / 10;
}

void
units_settle(struct units *u)
{
	u->random ^= u->random << 13;
	u->random ^= u->random >> 7;
	u->random ^= u->random << 17;
}

int64_t
units_jitter(const struct units *u, int64_t bound_ms)
{
	return bound_ms > 0 ? (int64_t)(u->random % (uint64_t)bound_ms) + 1 : 0;
}
