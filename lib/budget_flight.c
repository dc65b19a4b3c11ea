/*
 * budget_flight.c - how many requests may be out at once.
 *
 * Budget, part 2.  The server never tells its limit on requests in flight; a
 * 429 with limit 0 and remaining 0 is the only signal (okta-api 3.4).  So the
 * window grows while it is full and all goes well, shrinks to what the server
 * did take when it refuses, and stays below the refused level for a while.
 */

#include <stdlib.h>
#include <string.h>

#include "budget_private.h"

#define WINDOW_START 8
/* A refused level is tried again after so long without a refusal. */
#define CEILING_MS 30000
/* Waiting for a free place: okta-api 3.4 found 0.2 to 2 s right. */
#define HOLD_MIN_MS 50
#define HOLD_MAX_MS 2000
#define LATENCY_GUESS_MS 200
#define STREAK_MAX 4

void
flight_init(struct flight *f, int max, uint64_t seed)
{
	memset(f, 0, sizeof(*f));
	f->max = max;
	f->window = max < WINDOW_START ? max : WINDOW_START;
	f->ssthresh = max;
	f->median_ms = LATENCY_GUESS_MS;
	f->seed = seed != 0 ? seed : 1;
}

/* xorshift64: enough to keep two fetches from knocking in step. */
static uint64_t
flight_random(struct flight *f)
{
	f->seed ^= f->seed << 13;
	f->seed ^= f->seed >> 7;
	f->seed ^= f->seed << 17;
	return f->seed;
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Kept up to date while answers are few, then now and then. */
static void
flight_note(struct flight *f, int64_t latency_ms)
{
	int64_t sorted[FLIGHT_RING];
	size_t n;

	f->latency[f->latencies++ % FLIGHT_RING] = latency_ms;
	if (f->latencies > FLIGHT_RING && f->latencies % 8 != 0)
		return;
	n = f->latencies < FLIGHT_RING ? f->latencies : FLIGHT_RING;
	memcpy(sorted, f->latency, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_size);
	f->median_ms = sorted[n / 2];
}

int64_t
flight_soon(struct flight *f, int64_t now_ms)
{
	int64_t median = f->median_ms;
	int64_t wait =
	    median / 2 + (int64_t)(flight_random(f) % (uint64_t)(median + 1));

	if (wait < HOLD_MIN_MS)
		wait = HOLD_MIN_MS;
	if (wait > HOLD_MAX_MS)
		wait = HOLD_MAX_MS;
	return now_ms + wait;
}

bool
flight_allows(struct flight *f, int64_t now_ms, int64_t *wake_ms)
{
	if (f->hold_ms > now_ms) {
		*wake_ms = f->hold_ms;
		return false;
	}
	if (f->now >= f->window) {
		*wake_ms = flight_soon(f, now_ms);
		return false;
	}
	return true;
}

void
flight_send(struct flight *f)
{
	f->now++;
}

void
flight_cancel(struct flight *f)
{
	f->now--;
}

/* Grows after an answer that found the window full. */
static void
flight_grow(struct flight *f, int64_t now_ms)
{
	if (f->window >= f->max)
		return;
	if (f->ceiling > 0 && f->window + 1 >= f->ceiling) {
		if (now_ms - f->refused_ms < CEILING_MS)
			return;
		f->ceiling = 0;
	}
	f->credit++;
	if (f->window < f->ssthresh || f->credit >= f->window) {
		f->window++;
		f->credit = 0;
	}
}

void
flight_settle(struct flight *f, int64_t sent_ms, int64_t now_ms, bool ok)
{
	bool full = f->now >= f->window;

	f->now--;
	if (!ok)
		return;
	flight_note(f, now_ms - sent_ms);
	f->hold_ms = 0;
	f->streak = 0;
	if (full)
		flight_grow(f, now_ms);
}

/*
 * The first refusal of a burst sets the window to what is still out; each
 * later one of the same burst takes its own place away too.  What remains is
 * the number the server did take.
 */
void
flight_refuse(struct flight *f, int64_t sent_ms, int64_t now_ms)
{
	bool burst = f->ceiling > 0 && sent_ms <= f->shrunk_ms;
	int64_t wait;

	f->now--;
	if (burst)
		f->window--;
	else if (f->now < f->window)
		f->window = f->now;
	if (f->window < 1)
		f->window = 1;
	f->ssthresh = f->window;
	f->ceiling = f->window + 1;
	f->credit = 0;
	f->refused_ms = now_ms;
	if (burst)
		return;
	f->shrunk_ms = now_ms;
	wait = (flight_soon(f, now_ms) - now_ms) << f->streak;
	if (f->streak < STREAK_MAX)
		f->streak++;
	f->hold_ms = now_ms + (wait < HOLD_MAX_MS ? wait : HOLD_MAX_MS);
}
