/*
 * budget_learn.c - which requests share a bucket, as the headers show it.
 *
 * Budget, part 4.  The map of okta-api 3.5 moves over time, and a tenant may
 * differ.  Two buckets that answer with one limit and one reset, and whose
 * counts fall by the requests of both, are one; a class whose answers keep
 * disagreeing with its bucket's other classes gets a bucket of its own.
 */

#include "budget_private.h"

/* Observations before two buckets become one. */
#define JOINT_ANSWERS 3
/* Answers in a row before a class leaves its bucket. */
#define ODD_ANSWERS 2
/* Resets nearer than this are one reset, told by two nodes. */
#define NEAR_S 1

static bool
resets_differ(int64_t a, int64_t b)
{
	return a > b + NEAR_S || b > a + NEAR_S;
}

/* Was the window of this reset still running at the server a second ago? */
static bool
reset_ahead(const struct budget *b, int64_t reset_s, int64_t now_ms)
{
	int64_t server_ms = now_ms + offset_middle(&b->offset);

	return b->offset.known && reset_s > server_ms / 1000 + NEAR_S;
}

/*
 * Does an answer contradict the last one of another class?  Two windows of
 * one bucket never run at the same time, nor two limits in one window.
 */
static bool
contradicts(const struct budget *b, const struct class *c, int64_t now_ms,
    const struct budget_answer *a)
{
	if (!reset_ahead(b, a->reset_s, now_ms) ||
	    !reset_ahead(b, c->reset_s, now_ms))
		return false;
	return c->limit != a->limit || resets_differ(c->reset_s, a->reset_s);
}

/*
 * The class's last answer and this one agree, and one of another class that
 * came between them does not: no change of limit or window looks so.
 */
static bool
odd_one(const struct budget *b, int class, int64_t now_ms,
    const struct budget_answer *a)
{
	const struct class *c = &b->classes[class];

	if (c->limit < 0 || contradicts(b, c, now_ms, a))
		return false;
	for (size_t i = 0; i < b->n_classes; i++) {
		const struct class *o = &b->classes[i];

		if ((int)i != class && o->bucket == c->bucket &&
		    o->limit >= 0 && o->seen > c->seen &&
		    contradicts(b, o, now_ms, a))
			return true;
	}
	return false;
}

/* What is in flight of a class, or of a whole bucket (class -1), moves. */
static void
move_slots(struct budget *b, int class, int from, int to)
{
	struct bucket *old = &b->buckets[from], *new = &b->buckets[to];

	for (int i = 0; i < b->limits.in_flight_max; i++) {
		struct slot *s = &b->slots[i];

		if (!s->used || s->bucket != from ||
		    (class >= 0 && s->class != class))
			continue;
		s->bucket = to;
		old->in_flight--;
		new->in_flight++;
		old->probes -= s->probe;
		new->probes += s->probe;
	}
}

static void
split(struct budget *b, int class)
{
	struct class *c = &b->classes[class];
	int from = c->bucket;

	c->bucket = budget_add_bucket(b, c->path, true);
	c->odd = 0;
	move_slots(b, class, from, c->bucket);
}

/* Both are one: the careful side of either holds, and all sent is summed. */
static void
merge(struct budget *b, int from, int to)
{
	struct bucket *old = &b->buckets[from], *new = &b->buckets[to];

	for (size_t i = 0; i < b->n_classes; i++)
		if (b->classes[i].bucket == from)
			b->classes[i].bucket = to;
	move_slots(b, -1, from, to);
	if (old->remaining < new->remaining)
		new->remaining = old->remaining;
	if (old->held_ms > new->held_ms)
		new->held_ms = old->held_ms;
	if (old->margin_ms > new->margin_ms)
		new->margin_ms = old->margin_ms;
	new->sent += old->sent;
	new->told += old->told;
	for (size_t i = 0; i < APART_MAX; i++)
		new->apart[i] |= old->apart[i];
	/* What looked like others was ours. */
	new->foreign = 0;
	new->foreign_base = 0;
	new->foreign_last = 0;
	new->calls += old->calls;
	new->limited += old->limited;
	new->concurrency += old->concurrency;
	new->waited_ms += old->waited_ms;
	new->twin = -1;
	new->joint = 0;
	old->dead = true;
}

/* Do two buckets look the same from outside? */
static bool
alike(const struct bucket *k, const struct bucket *t)
{
	return t != k && !t->dead && t->limit == k->limit && t->reset_s >= 0 &&
	       !resets_differ(t->reset_s, k->reset_s);
}

void
learn_send(const struct budget *b, struct slot *slot)
{
	for (size_t i = 0; i < b->n_buckets && i < APART_MAX; i++)
		slot->told[i] = b->buckets[i].told;
}

int
learn_suspects(
    const struct budget *b, const struct bucket *k, int64_t *remaining)
{
	int out = 0;

	for (size_t i = 0; i < b->n_buckets; i++) {
		const struct bucket *t = &b->buckets[i];

		if (!alike(k, t) || i >= APART_MAX || k->apart[i])
			continue;
		out += t->in_flight;
		if (t->remaining < *remaining)
			*remaining = t->remaining;
	}
	return out;
}

/*
 * One counter would have counted all that was answered on either bucket
 * before this request was sent, and the request itself; if it shows less,
 * they are two.
 */
static void
learn_apart(
    struct budget *b, const struct slot *slot, const struct budget_answer *a)
{
	size_t own = (size_t)slot->bucket;
	struct bucket *k = &b->buckets[own];

	if (own >= APART_MAX || slot->sent_ms <= k->first_ms ||
	    a->status == 429)
		return;
	for (size_t i = 0; i < b->n_buckets && i < APART_MAX; i++) {
		struct bucket *t = &b->buckets[i];
		int64_t told = slot->told[own] + slot->told[i] + 1;

		if (alike(k, t) && slot->sent_ms > t->first_ms &&
		    a->reset_s == t->reset_s && a->limit - a->remaining < told)
			k->apart[i] = t->apart[own] = true;
	}
}

/*
 * May bucket t be the one that also counted this answer of bucket k?  Both
 * must have fallen by more than their own requests and show nearly the same
 * count: someone else on one of two alike buckets does not look so.
 */
static bool
may_be_twin(const struct bucket *k, const struct bucket *t,
    const struct budget_answer *a)
{
	int64_t used = a->limit - a->remaining;
	int64_t apart = t->remaining - a->remaining;
	int64_t open = k->in_flight + t->in_flight + 1;

	if (!alike(k, t))
		return false;
	if (t->limit - t->remaining <= t->sent || apart > open || -apart > open)
		return false;
	return used > k->sent && used <= k->sent + t->sent;
}

/* Counts observations; the twin, when there were enough of them, or -1. */
static int
find_twin(struct budget *b, struct bucket *k, const struct budget_answer *a)
{
	for (size_t i = 0; i < b->n_buckets && i < APART_MAX; i++) {
		const struct bucket *t = &b->buckets[i];

		if (k->apart[i] || !may_be_twin(k, t, a))
			continue;
		if (k->twin != (int)i) {
			k->twin = (int)i;
			k->joint = 0;
			k->twin_calls = -1;
		}
		if (t->calls == k->twin_calls)
			return -1; /* it did not move since */
		k->twin_calls = t->calls;
		return ++k->joint >= JOINT_ANSWERS ? (int)i : -1;
	}
	return -1;
}

void
learn_answer(struct budget *b, const struct slot *slot, int64_t now_ms,
    const struct budget_answer *a)
{
	int class = slot->class;
	struct class *c = &b->classes[class];
	int twin;

	c->odd = odd_one(b, class, now_ms, a) ? c->odd + 1 : 0;
	c->limit = a->limit;
	c->reset_s = a->reset_s;
	c->seen = ++b->answers;
	if (c->odd >= ODD_ANSWERS) {
		split(b, class);
		return;
	}
	learn_apart(b, slot, a);
	twin = find_twin(b, &b->buckets[c->bucket], a);
	if (twin >= 0 && twin < c->bucket)
		merge(b, c->bucket, twin);
	else if (twin >= 0)
		merge(b, twin, c->bucket);
}
