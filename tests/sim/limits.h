#ifndef ORGSIM_LIMITS_H
#define ORGSIM_LIMITS_H

/*
 * limits.h - the buckets of calls per minute.
 *
 * A bucket belongs to the whole organisation; one token may take a share of
 * it, and that share is what its headers show.  The window of a bucket
 * begins with the first call in it.  Figures: the last table Okta published.
 */

#include "sim.h"

struct bucket {
	const char *name;
	int64_t limit; /* of the organisation in one window; 0: none */
	int64_t ceiling; /* of one token */
	int64_t reset_ms; /* end of the window, server time; 0: none yet */
	int64_t used, used_by[MAX_PRINCIPALS + 1];
	int64_t foreign; /* calls a window by clients we do not see */
	bool foreign_same; /* they use the same token */
	uint64_t calls, limited;
	int64_t peak; /* the most calls one token had in one window */
};

struct limits *limits_new(const struct options *opt);
void limits_free(struct limits *l);

/* NULL when there is none of that name. */
struct bucket *limits_find(struct limits *l, const char *name);
struct bucket *limits_at(struct limits *l, size_t i); /* NULL at the end */

/*
 * One call by principal (0: no known token) at `now`; false when it is over
 * the limit.  Fills *quota either way.
 */
bool bucket_take(struct bucket *b, const struct options *opt, size_t principal,
    int64_t now_ms, struct quota *quota);

#endif
