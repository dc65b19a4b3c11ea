/*
 * budget_foreign.c - what others on the same bucket take.
 *
 * Budget, part 3.  The server's count falls by our requests and by those of
 * everybody else in the organisation; what we did not send was theirs.  As
 * much as they used lately is left to them for the rest of the window.
 */

#include "budget_private.h"

/* A rate measured over less than this share of the window is noise. */
#define SPAN_MIN_PARTS 4

/* What the count fell by without us, as far as it is certain. */
static int64_t
foreign_used(const struct bucket *k)
{
	int64_t used = k->limit - k->remaining - k->sent;

	return used > 0 ? used : 0;
}

/*
 * A window begins; what was gone before we first looked is no rate, for we do
 * not know how long it took.
 */
void
foreign_open(struct bucket *k, int64_t now_ms, bool first)
{
	k->foreign_last = k->foreign + (k->whole ? k->foreign_base : 0);
	k->span_last = first ? 0 : now_ms - k->first_ms;
	k->whole = !first;
	k->foreign = 0;
	k->foreign_base = foreign_used(k);
}

void
foreign_note(struct bucket *k)
{
	int64_t used = foreign_used(k) - k->foreign_base;

	if (used > k->foreign)
		k->foreign = used;
}

int64_t
foreign_expected(const struct bucket *k, int64_t opens_ms, int64_t now_ms)
{
	int64_t left = opens_ms - now_ms;
	int64_t gone = now_ms - k->first_ms;
	int64_t least = (left + gone) / SPAN_MIN_PARTS;
	int64_t now_rate = 0, last_rate = 0;

	if (left <= 0)
		return 0;
	if (gone < least)
		gone = least;
	if (gone > 0)
		now_rate = k->foreign * left / gone;
	if (k->span_last > 0)
		last_rate = k->foreign_last * left / k->span_last;
	return now_rate > last_rate ? now_rate : last_rate;
}
