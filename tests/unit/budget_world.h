#ifndef BUDGET_WORLD_H
#define BUDGET_WORLD_H

/*
 * budget_world.h - an invented server to try the budget on.
 *
 * Each world has its own limits, windows, clock, latencies and mishaps, drawn
 * from a seed; time is virtual, so a minute costs nothing.  A failure names
 * the seed of its world.  For the unit tests that include it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "budget.h"

#define SLOTS 300
#define BUCKETS 3
#define TIMEOUT_MS 30000
/* Longer than any window and timeout together: nothing moves any more. */
#define STUCK_MS 200000

enum reset_form { RESET_UP, RESET_DOWN };

struct counter {
	int64_t usual; /* limit */
	int64_t limit, length_ms, phase_ms;
	bool on_demand; /* windows begin with their first request */
	bool whole; /* and end on a whole second */
	int64_t end_ms; /* server time; 0 none yet */
	int64_t count, best; /* best: most of ours ever in one window */
	int64_t told; /* the limit last delivered */
	int64_t lowered_ms; /* local time a lower one was, -1 never */
	int64_t windows, accepted, refused, excused;
	int64_t theirs_ms, next_theirs_ms; /* others: pace, 0 none */
	int64_t theirs, denied;
	int answers;
};

struct request {
	int bucket;
	int64_t sent_ms, end_ms;
	bool lost;
	struct budget_answer answer;
};

struct event {
	int64_t at_ms;
	uint32_t order;
	int slot;
	bool delivery;
};

struct world {
	uint64_t seed, random;
	struct budget_limits limits;
	enum reset_form form;
	int64_t skew_ms, drift_ppm;
	int64_t latency_ms, spread_ms;
	int lost_permille, bare_permille, change_percent;
	int concurrency; /* 0 unlimited */
	bool dateless;
	int buckets, turn;
	struct counter counters[BUCKETS];

	struct budget *b;
	const char *path[BUCKETS]; /* NULL: of the built-in table */
	int counter[BUCKETS]; /* which counter the class is counted on */
	int class[BUCKETS];
	int64_t todo[BUCKETS];
	int64_t now_ms, start_ms, moved_ms;
	struct request requests[SLOTS];
	struct event heap[2 * SLOTS];
	size_t events;
	uint32_t order;
	int serving, crowded; /* in the server; refused for it */
	int out;
	int64_t done;
};

static uint64_t
draw(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

/* One of lo..hi. */
static int64_t
between(struct world *w, int64_t lo, int64_t hi)
{
	return lo + (int64_t)(draw(w) % (uint64_t)(hi - lo + 1));
}

static bool
chance(struct world *w, int permille)
{
	return between(w, 0, 999) < permille;
}

static void
fail_world(const struct world *w, const char *what)
{
	fail_msg("world %llu at %lld ms: %s", (unsigned long long)w->seed,
	    (long long)(w->now_ms - w->start_ms), what);
}

static bool
earlier(const struct event *a, const struct event *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void
heap_swap(struct event *a, struct event *b)
{
	struct event t = *a;

	*a = *b;
	*b = t;
}

static void
heap_push(struct world *w, int64_t at_ms, int slot, bool delivery)
{
	size_t i = w->events++;

	w->heap[i] = (struct event){ at_ms, w->order++, slot, delivery };
	for (; i > 0 && earlier(&w->heap[i], &w->heap[(i - 1) / 2]);
	     i = (i - 1) / 2)
		heap_swap(&w->heap[i], &w->heap[(i - 1) / 2]);
}

static struct event
heap_pop(struct world *w)
{
	struct event top = w->heap[0];
	size_t i = 0, least;

	w->heap[0] = w->heap[--w->events];
	for (;; i = least) {
		least = i;
		for (size_t c = 2 * i + 1; c <= 2 * i + 2; c++)
			if (c < w->events &&
			    earlier(&w->heap[c], &w->heap[least]))
				least = c;
		if (least == i)
			return top;
		heap_swap(&w->heap[i], &w->heap[least]);
	}
}

static int64_t
server_time(const struct world *w, int64_t local_ms)
{
	int64_t run = local_ms - w->start_ms;

	return local_ms + w->skew_ms + run * w->drift_ppm / 1000000;
}

static void
window_open(struct world *w, struct counter *c, int64_t server_ms)
{
	int64_t limit = c->limit;

	if (c->on_demand)
		c->end_ms = server_ms + c->length_ms -
			    (c->whole ? server_ms % 1000 : 0);
	else
		c->end_ms = server_ms + c->length_ms -
			    (server_ms - c->phase_ms) % c->length_ms;
	c->windows++;
	c->count = 0;
	if (between(w, 0, 99) < w->change_percent)
		limit = between(w, c->usual / 2 + 1, c->usual * 2);
	c->limit = limit;
}

/* Others on the same bucket, at an even pace, up to now. */
static void
theirs_run(struct world *w, struct counter *c, int64_t server_ms)
{
	if (c->next_theirs_ms == 0)
		c->next_theirs_ms = server_ms;
	while (c->next_theirs_ms <= server_ms) {
		if (c->next_theirs_ms >= c->end_ms)
			window_open(w, c, c->next_theirs_ms);
		if (c->count < c->limit) {
			c->count++;
			c->theirs++;
		} else {
			c->denied++;
		}
		c->next_theirs_ms += c->theirs_ms;
	}
}

static void
count_headers(struct world *w, struct counter *c, struct budget_answer *a)
{
	int64_t up = w->form == RESET_UP ? 999 : 0;

	a->limit = c->limit;
	a->remaining = c->limit - c->count;
	a->reset_s = (c->end_ms + up) / 1000;
}

static void
serve_counted(struct world *w, struct request *r, int64_t server_ms)
{
	struct counter *c = &w->counters[w->counter[r->bucket]];
	struct budget_answer *a = &r->answer;

	if (c->theirs_ms > 0)
		theirs_run(w, c, server_ms);
	if (server_ms >= c->end_ms)
		window_open(w, c, server_ms);
	r->end_ms = c->end_ms;
	if (c->count < c->limit) {
		c->count++;
		c->accepted++;
		a->status = 200;
	} else {
		a->status = 429;
		c->refused++;
		/* Nobody could know of a limit not told or just fallen. */
		if (c->answers == 0 || c->limit < c->told ||
		    r->sent_ms <= c->lowered_ms)
			c->excused++;
	}
	count_headers(w, c, a);
}

/* The request is at the server. */
static void
serve(struct world *w, int slot)
{
	struct request *r = &w->requests[slot];
	struct budget_answer *a = &r->answer;
	int64_t half = w->latency_ms / 2 + between(w, 0, w->spread_ms);
	int64_t server_ms = server_time(w, w->now_ms);

	*a = (struct budget_answer){ 0, -1, -1, -1, -1, -1 };
	if (w->concurrency > 0 && w->serving >= w->concurrency) {
		w->crowded++;
		*a = (struct budget_answer){ 429, 0, 0, server_ms / 1000 + 114,
			server_ms / 1000 * 1000, -1 };
		heap_push(w, w->now_ms + 5, slot, true);
		r->end_ms = -1;
		return;
	}
	w->serving++;
	serve_counted(w, r, server_ms);
	a->date_ms =
	    server_time(w, w->now_ms + between(w, 0, half)) / 1000 * 1000;
	if (w->dateless)
		a->date_ms = -1;
	if (a->status == 200 && chance(w, w->bare_permille) &&
	    w->counters[w->counter[r->bucket]].answers > 0)
		a->limit = a->remaining = a->reset_s = -1;
	heap_push(w, r->lost ? r->sent_ms + TIMEOUT_MS : w->now_ms + half, slot,
	    true);
}

static void
deliver(struct world *w, int slot)
{
	struct request *r = &w->requests[slot];
	struct counter *c = &w->counters[w->counter[r->bucket]];
	struct budget_answer lost = { 0, -1, -1, -1, -1, -1 };
	bool counted = r->answer.limit > 0 && !r->lost;

	if (r->end_ms >= 0)
		w->serving--;
	if (counted && r->answer.limit < c->told)
		c->lowered_ms = w->now_ms;
	if (counted)
		c->told = r->answer.limit;
	c->answers += counted;
	w->out--;
	if (!r->lost && r->answer.status == 200)
		w->done++;
	else
		w->todo[r->bucket]++;
	budget_settle(w->b, slot, w->now_ms, r->lost ? &lost : &r->answer);
}

static void
send_one(struct world *w, int bucket, int slot)
{
	struct request *r = &w->requests[slot];
	int64_t half = w->latency_ms / 2 + between(w, 0, w->spread_ms);

	if (slot < 0 || slot >= w->limits.in_flight_max)
		fail_world(w, "a slot out of range");
	r->bucket = bucket;
	r->sent_ms = w->now_ms;
	r->lost = chance(w, w->lost_permille);
	w->out++;
	w->todo[bucket]--;
	w->moved_ms = w->now_ms;
	if (r->lost && chance(w, 500)) { /* it never got there */
		r->answer.limit = -1;
		r->end_ms = -1;
		heap_push(w, w->now_ms + TIMEOUT_MS, slot, true);
		return;
	}
	heap_push(w, w->now_ms + half, slot, false);
}

/* Asks for one; true when it was sent, else *next may come nearer. */
static bool
ask(struct world *w, int class, int64_t *next)
{
	int64_t wake = -1;
	int slot = -1;

	if (w->todo[class] == 0)
		return false;
	if (budget_reserve(w->b, w->class[class], w -> now_ms, &slot, &wake) ==
	    BUDGET_GO) {
		send_one(w, class, slot);
		return true;
	}
	if (wake <= w->now_ms)
		fail_world(w, "told to wake in the past");
	if (wake < *next)
		*next = wake;
	return false;
}

/* Sends what may be sent, in turns; when to ask again, or INT64_MAX. */
static int64_t
pump(struct world *w)
{
	int64_t next = INT64_MAX;

	for (int idle = 0; idle < w->buckets; idle++) {
		w->turn = (w->turn + 1) % w->buckets;
		if (ask(w, w->turn, &next))
			idle = -1;
	}
	return next;
}

static void
step(struct world *w)
{
	int64_t next = pump(w);

	if (w->events > 0 && w->heap[0].at_ms <= next) {
		struct event e = heap_pop(w);

		w->now_ms = e.at_ms;
		if (e.delivery)
			deliver(w, e.slot);
		else
			serve(w, e.slot);
	} else if (next < INT64_MAX) {
		w->now_ms = next;
	}
	if (w->now_ms - w->moved_ms > STUCK_MS)
		fail_world(w, "nothing was sent for long");
	if (budget_in_flight(w->b) != w->out)
		fail_world(w, "in flight is miscounted");
}

static void
world_begin(struct world *w)
{
	static const char *const paths[BUCKETS] = { "/api/v1/users",
		"/api/v1/groups", "/api/v1/apps" };

	w->start_ms = between(w, 0, 1000000000);
	w->now_ms = w->start_ms;
	w->moved_ms = w->now_ms;
	w->limits.seed = draw(w);
	w->b = budget_new(&w->limits);
	for (int i = 0; i < w->buckets; i++)
		w->class[i] = budget_class(
		    w->b, "GET", w->path[i] != NULL ? w->path[i] : paths[i]);
}

static bool
world_done(const struct world *w)
{
	for (int i = 0; i < w->buckets; i++)
		if (w->todo[i] > 0)
			return false;
	return w->out == 0;
}

static void
world_run(struct world *w)
{
	world_begin(w);
	while (!world_done(w))
		step(w);
}

static void
world_end(struct world *w)
{
	budget_free(w->b);
}

/* A world of its own for every seed; what a test wants it sets after. */
static void
world_draw(struct world *w, uint64_t seed)
{
	static const int64_t top[] = { 3, 30, 300, 3000 };

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->random = seed * 0x9e3779b97f4a7c15u + 1;
	for (int i = 0; i < 8; i++)
		draw(w);
	w->limits.share = (double)between(w, 1, 20) / 20;
	w->limits.reserve = chance(w, 300) ? (int)between(w, 0, 20) : 0;
	w->limits.in_flight_max =
	    (int)between(w, 1, chance(w, 500) ? 10 : SLOTS);
	w->skew_ms = between(w, 3600000, 1760000000000);
	w->drift_ppm = between(w, -150, 150);
	w->latency_ms = between(w, 2, chance(w, 200) ? 5000 : 400);
	w->spread_ms = between(w, 0, 2 * w->latency_ms);
	w->buckets = (int)between(w, 1, BUCKETS);
	for (int i = 0; i < w->buckets; i++) {
		struct counter *c = &w->counters[i];

		w->counter[i] = i;
		c->usual = between(w, 1, top[between(w, 0, 3)]);
		c->limit = c->usual;
		c->lowered_ms = -1;
		c->length_ms = between(w, 10, 60) * 1000;
		c->on_demand = chance(w, 500);
		c->phase_ms = between(w, 0, 59999);
		w->todo[i] = between(w, 1, 4 * c->limit + 4);
		if (w->todo[i] > 800)
			w->todo[i] = 800;
	}
}

/* A calm world of one bucket: whole windows, no mishap. */
static void
calm(struct world *w, uint64_t seed, int64_t limit, int64_t length_ms)
{
	world_draw(w, seed);
	w->limits = (struct budget_limits){ 1, 0, SLOTS, seed, 0 };
	w->buckets = 1;
	w->latency_ms = between(w, 10, 200);
	w->spread_ms = between(w, 0, 50);
	memset(w->counters, 0, sizeof(w->counters));
	w->counters[0].lowered_ms = -1;
	w->counters[0].usual = limit;
	w->counters[0].limit = limit;
	w->counters[0].length_ms = length_ms;
	w->counters[0].phase_ms = between(w, 0, 59) * 1000;
	w->counters[0].on_demand = chance(w, 500);
	w->counters[0].whole = true;
}

#endif
