#ifndef IDMESH_FETCH_SPAN_H
#define IDMESH_FETCH_SPAN_H

/*
 * span.h - hours of the day in which requests may leave, and deadlines.
 *
 * schedule.c asks with the server's time.  Pure: instants are milliseconds
 * since the epoch and are passed in; only the host's zone is looked up.
 */

#include <stdbool.h>
#include <stdint.h>

#include "why.h"

#define SPAN_TEXT 48 /* room for an instant as people read it */

/* Whose hours of the day are meant. */
struct zone {
	bool local; /* the host's, daylight saving and all */
	int offset_min; /* otherwise; east of UTC */
};

struct span {
	int from, to; /* minutes of the day; to <= from: over midnight */
	struct zone zone;
};

/* "22:00-06:00", with +02:00, Z or local behind it; -1 with why. */
int span_parse(struct span *s, const char *text, struct why *why);
/* The next instant, from at_ms on, that is in the span; at_ms if it is. */
int64_t span_opens(const struct span *s, int64_t at_ms);
/* The end of the span that at_ms is in; at_ms when it is in none. */
int64_t span_closes(const struct span *s, int64_t at_ms);
/* When so much time inside the span has gone by, from at_ms on. */
int64_t span_after(const struct span *s, int64_t at_ms, int64_t busy_ms);

/*
 * "09:00" with a zone as above: the next one after now_ms; or an RFC 3339
 * time that is not over.  Fills zone with what it was given in; -1 with why.
 */
int span_deadline(const char *text, int64_t now_ms, int64_t *at_ms,
    struct zone *zone, struct why *why);

/* "2026-04-22 22:00:00 +02:00" */
void span_show(const struct zone *zone, int64_t at_ms, char out[SPAN_TEXT]);

#endif
