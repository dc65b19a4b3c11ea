/*
 * out_none.c - messages that go nowhere.
 *
 * For `fetch test` and `fetch forecast`, which ask and import nothing: there
 * is always room, and nothing ever arrives.
 */

#include "out.h"

static bool
room(const struct out *o, size_t coming)
{
	(void)o;
	(void)coming;
	return true;
}

static bool
drained(const struct out *o)
{
	(void)o;
	return false;
}

static void
nothing(struct out *o)
{
	(void)o;
}

struct out *
out_none(void)
{
	static const struct out_kind kind = {
		.room = room, .drained = drained, .free = nothing
	};
	static struct out none = { .kind = &kind };

	return &none;
}
