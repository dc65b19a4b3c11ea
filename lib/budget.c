/*
 * budget.c - how many requests may go out now, and when the next one may.
 *
 * Stage 1, inside fetch: asked before every request and told of every answer.
 * It holds the classes, buckets and slots of one tenant and asks its parts in
 * turn: the bucket first, for it knows how long to wait, then the limit on
 * requests at once.
 */

#include <stdlib.h>
#include <string.h>

#include "budget_private.h"
#include "mem.h"

#define IN_FLIGHT_LIMIT 300
#define IN_FLIGHT_DEFAULT 8
#define SHARE_DEFAULT 0.8
#define LIMIT_TOP 1000000000
#define TIME_TOP_MS INT64_C(253402300799000) /* the year 9999 */

static void
limits_check(struct budget_limits *l)
{
	if (!(l->share > 0 && l->share <= 1))
		l->share = SHARE_DEFAULT;
	if (l->reserve < 0)
		l->reserve = 0;
	if (l->in_flight_max < 1)
		l->in_flight_max = IN_FLIGHT_DEFAULT;
	if (l->in_flight_max > IN_FLIGHT_LIMIT)
		l->in_flight_max = IN_FLIGHT_LIMIT;
}

struct budget *
budget_new(const struct budget_limits *limits)
{
	struct budget *b = xcalloc(1, sizeof(*b));
	int max;

	b->limits = *limits;
	limits_check(&b->limits);
	max = b->limits.in_flight_max;
	flight_init(&b->flight, max, b->limits.seed);
	units_init(&b->units, &b->limits);
	b->slots = xcalloc((size_t)max, sizeof(*b->slots));
	for (int i = 0; i < max; i++)
		b->slots[i].next_free = i + 1 < max ? i + 1 : -1;
	return b;
}

void
budget_free(struct budget *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->n_buckets; i++)
		free(b->buckets[i].name);
	for (size_t i = 0; i < b->n_classes; i++) {
		free(b->classes[i].method);
		free(b->classes[i].path);
	}
	free(b->buckets);
	free(b->classes);
	free(b->slots);
	free(b);
}

int
budget_add_bucket(struct budget *b, const char *name, bool unknown)
{
	b->buckets =
	    xrealloc(b->buckets, (b->n_buckets + 1) * sizeof(*b->buckets));
	bucket_init(&b->buckets[b->n_buckets], name, unknown);
	return (int)b->n_buckets++;
}

static int
find_bucket(const struct budget *b, const char *name)
{
	for (size_t i = 0; i < b->n_buckets; i++)
		if (!b->buckets[i].dead &&
		    strcmp(b->buckets[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* The bucket a class starts in; unknown endpoints get one of their own. */
static int
class_start(struct budget *b, const char *method, const char *path)
{
	const char *name = class_bucket(method, path);
	char *own;
	int bucket;

	if (name != NULL) {
		bucket = find_bucket(b, name);
		return bucket >= 0 ? bucket : budget_add_bucket(b, name, false);
	}
	if (strcmp(method, "GET") == 0)
		return budget_add_bucket(b, path, true);
	own = xasprintf("%s %s", method, path);
	bucket = budget_add_bucket(b, own, true);
	free(own);
	return bucket;
}

int
budget_class(struct budget *b, const char *method, const char *path)
{
	struct class *c;

	for (size_t i = 0; i < b->n_classes; i++)
		if (strcmp(b->classes[i].path, path) == 0 &&
		    strcmp(b->classes[i].method, method) == 0)
			return (int)i;
	b->classes =
	    xrealloc(b->classes, (b->n_classes + 1) * sizeof(*b->classes));
	c = &b->classes[b->n_classes];
	memset(c, 0, sizeof(*c));
	c->method = xstrdup(method);
	c->path = xstrdup(path);
	c->limit = -1;
	c->reset_s = -1;
	c->cost = units_cost(path);
	c->bucket = class_start(b, method, path);
	return (int)b->n_classes++;
}

const char *
budget_bucket(const struct budget *b, int class)
{
	return b->buckets[b->classes[class].bucket].name;
}

static int
take_slot(struct budget *b, int class)
{
	int i = b->free_slot;
	struct slot *s = &b->slots[i];

	b->free_slot = s->next_free;
	s->used = true;
	s->class = class;
	s->bucket = b->classes[class].bucket;
	return i;
}

/* The slot's content; the slot itself is free again. */
static struct slot
give_slot(struct budget *b, int i)
{
	struct slot s = b->slots[i];

	b->slots[i].used = false;
	b->slots[i].next_free = b->free_slot;
	b->free_slot = i;
	return s;
}

static void
wanted_over(struct bucket *k, int64_t now_ms)
{
	if (k->wanted_ms >= 0 && now_ms > k->wanted_ms)
		k->waited_ms += now_ms - k->wanted_ms;
	k->wanted_ms = -1;
}

enum budget_verdict
budget_reserve(
    struct budget *b, int class, int64_t now_ms, int *slot, int64_t *wake_ms)
{
	struct bucket *k = &b->buckets[b->classes[class].bucket];
	enum budget_verdict verdict = bucket_allows(b, k, now_ms, wake_ms);

	if (verdict == BUDGET_GO && b->limits.units > 0 &&
	    !units_allow(&b->units, b->classes[class].cost, now_ms, wake_ms))
		verdict = BUDGET_WAIT;
	if (verdict == BUDGET_WAIT) {
		if (k->wanted_ms < 0)
			k->wanted_ms = now_ms;
		return BUDGET_WAIT;
	}
	wanted_over(k, now_ms);
	if (verdict == BUDGET_FLIGHT) {
		*wake_ms = flight_soon(&b->flight, now_ms);
		return BUDGET_FLIGHT;
	}
	if (!flight_allows(&b->flight, now_ms, wake_ms))
		return BUDGET_FLIGHT;
	*slot = take_slot(b, class);
	flight_send(&b->flight);
	bucket_send(b, k, &b->slots[*slot], now_ms);
	b->slots[*slot].cost = b->classes[class].cost;
	units_take(&b->units, b->slots[*slot].cost);
	learn_send(b, &b->slots[*slot]);
	return BUDGET_GO;
}

void
budget_cancel(struct budget *b, int slot, int64_t now_ms)
{
	struct slot s = give_slot(b, slot);

	(void)now_ms;
	flight_cancel(&b->flight);
	units_take(&b->units, -s.cost);
	bucket_cancel(&b->buckets[s.bucket], &s);
}

static int64_t
sane(int64_t n, int64_t top)
{
	return n >= 0 && n <= top ? n : -1;
}

/* Numbers no server means are as good as absent. */
static struct budget_answer
answer_sane(const struct budget_answer *given)
{
	struct budget_answer a = *given;

	a.limit = sane(a.limit, LIMIT_TOP);
	a.remaining = sane(a.remaining, LIMIT_TOP);
	a.reset_s = sane(a.reset_s, TIME_TOP_MS / 1000);
	a.date_ms = sane(a.date_ms, TIME_TOP_MS);
	a.retry_after_ms = sane(a.retry_after_ms, TIME_TOP_MS);
	return a;
}

void
budget_spent(
    struct budget *b, int slot, int64_t now_ms, int64_t units, int64_t percent)
{
	struct slot *s = &b->slots[slot];

	if (units >= 0 && units <= LIMIT_TOP) {
		units_take(&b->units, (int)units - s->cost);
		s->cost = (int)units;
		b->classes[s->class].cost = units > 0 ? (int)units : 1;
	}
	units_slow(&b->units, percent, now_ms);
}

enum budget_outcome
budget_settle(struct budget *b, int slot, int64_t now_ms,
    const struct budget_answer *given)
{
	struct budget_answer a = answer_sane(given), *answer = &a;
	struct slot s = give_slot(b, slot);
	bool limited = answer->status == 429;
	bool zero = answer->limit == 0 && answer->remaining == 0;

	if (answer->date_ms >= 0)
		offset_note(&b->offset, s.sent_ms, now_ms, answer->date_ms);
	if (limited && zero)
		flight_refuse(&b->flight, s.sent_ms, now_ms);
	else
		flight_settle(&b->flight, s.sent_ms, now_ms,
		    answer->status > 0 && !limited);
	units_settle(&b->units);
	bucket_settle(b, &b->buckets[s.bucket], &s, now_ms, answer);
	if (bucket_counted(answer))
		learn_answer(b, &s, now_ms, answer);
	if (!limited)
		return BUDGET_OK;
	return zero ? BUDGET_CONCURRENCY : BUDGET_LIMITED;
}

int64_t
budget_server_offset(const struct budget *b)
{
	return offset_middle(&b->offset);
}

static void
row_fill(const struct budget *b, const struct bucket *k, int64_t now_ms,
    struct budget_row *row)
{
	int64_t opens = 0;

	row->name = k->name;
	row->limit = k->limit;
	row->remaining = k->remaining;
	if (bucket_allows(b, k, now_ms, &opens) != BUDGET_WAIT)
		opens = 0;
	row->opens_ms = opens;
	row->calls = k->calls;
	row->limited = k->limited;
	row->concurrency = k->concurrency;
	row->waited_ms = k->waited_ms;
	if (k->wanted_ms >= 0 && now_ms > k->wanted_ms)
		row->waited_ms += now_ms - k->wanted_ms;
	row->foreign = foreign_per_minute(k);
}

size_t
budget_rows(
    const struct budget *b, int64_t now_ms, struct budget_row *rows, size_t n)
{
	size_t filled = 0;

	for (size_t i = 0; i < b->n_buckets && filled < n; i++)
		if (!b->buckets[i].dead)
			row_fill(b, &b->buckets[i], now_ms, &rows[filled++]);
	return filled;
}

int
budget_in_flight(const struct budget *b)
{
	return b->flight.now;
}

int
budget_window(const struct budget *b)
{
	return b->flight.window;
}
