#ifndef IDMESH_WHY_H
#define IDMESH_WHY_H

/*
 * why.h - the reason that a judgement of data travels with.
 *
 * layer 0.  A function that judges data fills one of these instead of
 * logging, because the reason goes into a dead letter, an answer or an error
 * message with its place.  Plain struct; nothing to free.
 */

#include <stddef.h>

struct why {
	char code[32]; /* stable word, such as E_RULE */
	char at[128]; /* file:line or object id, may be empty */
	char text[512]; /* what happened and what to do, one line */
};

/* Sets all three; `at` may be NULL. Returns -1, so callers can return it. */
int why_set(struct why *why, const char *code, const char *at, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));

/* How many letters two short words differ by: left out, put in, another or
 * swapped with the next.  Capitals do not count. */
size_t why_distance(const char *a, const char *b);

/*
 * The nearest of `names` (n of them) to a mistyped `word`, or NULL when none
 * is near; for "did you mean".  The answer is borrowed from names.
 */
const char *why_nearest(const char *word, const char *const *names, size_t n);

#endif
