#ifndef IDMESH_STANDING_H
#define IDMESH_STANDING_H

/*
 * standing.h - where things stood when a decision was made.
 *
 * decide.c writes it down with each decision and has it put back when the
 * decision is undone.  In the caller's transaction; errors are the store's.
 */

#include <stdint.h>

#include "store.h"

/* The links of an object that the decision names and of all that have to do
 * with it. */
void standing_note(struct store *s, int64_t decision, int64_t object);
/*
 * What the decision has made of the `n` objects that it names loses its
 * ground: links are again what they were, and who was in no person is judged
 * as if they were new.  All that is touched is dirty; the next merge of the
 * type looks at it.
 */
void standing_restore(struct store *s, int64_t decision, int64_t type,
    const int64_t *objects, size_t n);

#endif
