/*
 * budget_foreign.c - what others on the same bucket take.
 *
 * Budget, part 3.  The server's count falls by our requests and by those of
 * everybody else in the organisation; what we did not send was theirs.  As
 * much as they used lately is left to them for the rest of the window.
 */

#include <math.h>

#include "budget_private.h"

/* A rate seen over less than this part of the window is noise. */
#define SPAN_MIN_PARTS 16
#define LENGTH_MIN_MS 1000
#define MINUTE_MS 60000

/* What the count fell by without us, as far as it is certain. */
static int64_t
foreign_used(const struct bucket *k)
{
	int64_t used = k->limit - k->remaining - k->sent;

	return used > 0 ? used : 0;
}

/* Over how long the others of this window were watched. */
static int64_t
foreign_span(const struct bucket *k)
{
	int64_t span = k->noted_ms - k->first_ms;
	int64_t least = k->length_ms / SPAN_MIN_PARTS;

	return span > least ? span : least;
}

/* We watch only while we ask, so what was seen stands for the rest too. */
void
foreign_close(struct bucket *k)
{
	if (k->reset_s < 0 || k->length_ms <= 0)
		return;
	k->foreign_last = k->foreign * k->length_ms / foreign_span(k);
	k->foreign_last_ms = k->length_ms;
}

/*
 * What was gone before we first looked is no rate, for we do not know how
 * long it took.
 */
void
foreign_open(struct bucket *k, int64_t now_ms, int64_t opens_ms)
{
	k->foreign = 0;
	k->foreign_base = foreign_used(k);
	k->noted_ms = now_ms;
	k->length_ms = opens_ms - now_ms;
	if (k->length_ms < LENGTH_MIN_MS)
		k->length_ms = LENGTH_MIN_MS;
}

void
foreign_note(struct bucket *k, int64_t now_ms)
{
	int64_t used = foreign_used(k) - k->foreign_base;

	k->noted_ms = now_ms;
	if (used > k->foreign)
		k->foreign = used;
}

/* At the rate that `seen` of this window or all of the last one stand for. */
static int64_t
foreign_at(const struct bucket *k, int64_t seen, int64_t until_ms)
{
	int64_t left = until_ms - k->noted_ms;
	int64_t now, last = 0;

	if (left <= 0 || k->length_ms <= 0 || k->foreign + k->foreign_last == 0)
		return 0;
	now = seen * left / foreign_span(k);
	if (k->foreign_last > 0)
		last = k->foreign_last * left / k->foreign_last_ms;
	return (now > last ? now : last) + 1;
}

/* What may be chance, the square root of a number, is not expected again. */
int64_t
foreign_expected(const struct bucket *k, int64_t until_ms)
{
	int64_t chance = (int64_t)ceil(sqrt((double)k->foreign));

	return foreign_at(k, k->foreign - chance, until_ms);
}

int64_t
foreign_feared(const struct bucket *k, int64_t until_ms)
{
	return foreign_at(k, k->foreign, until_ms);
}

int64_t
foreign_per_minute(const struct bucket *k)
{
	if (k->foreign_last_ms <= 0)
		return 0;
	return k->foreign_last * MINUTE_MS / k->foreign_last_ms;
}
