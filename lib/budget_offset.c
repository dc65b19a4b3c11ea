/*
 * budget_offset.c - how far the server's clock is from ours.
 *
 * Budget, part 1.  Every answer with a Date narrows a span that surely holds
 * the offset; windows are closed by its late side, so that a request is never
 * early however wrong the local clock or however slow the answer.
 */

#include "budget_private.h"

/* Two quartz clocks drift apart by at most this, in parts per million. */
#define DRIFT_PPM 200

static int64_t
drift(const struct offset *o, int64_t now_ms)
{
	int64_t age = now_ms - o->at_ms;

	return age > 0 ? (age * DRIFT_PPM + 999999) / 1000000 : 0;
}

void
offset_note(struct offset *o, int64_t sent_ms, int64_t now_ms, int64_t date_ms)
{
	int64_t lo = date_ms - now_ms;
	int64_t hi = date_ms + 1000 - sent_ms;

	if (o->known) {
		int64_t wide = drift(o, now_ms);

		if (o->lo - wide > lo)
			lo = o->lo - wide;
		if (o->hi + wide < hi)
			hi = o->hi + wide;
	}
	if (lo > hi) { /* someone set a clock: only the new span holds */
		lo = date_ms - now_ms;
		hi = date_ms + 1000 - sent_ms;
	}
	o->known = true;
	o->lo = lo;
	o->hi = hi;
	o->at_ms = now_ms;
}

int64_t
offset_latest(const struct offset *o, int64_t server_ms)
{
	int64_t local_ms = server_ms - o->lo;

	return local_ms + drift(o, local_ms);
}

int64_t
offset_middle(const struct offset *o)
{
	return o->known ? o->lo + (o->hi - o->lo) / 2 : 0;
}
