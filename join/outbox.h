#ifndef IDMESH_JOIN_OUTBOX_H
#define IDMESH_JOIN_OUTBOX_H

/*
 * outbox.h - the change log and the mesh as messages for a sink.
 */

#include "join.h"

struct rebuild {
	int64_t run, seq; /* its number and its last message */
	int64_t pk; /* the last mesh object in it */
	int64_t until; /* the change-log number where deltas go on */
};
struct rebuild rebuild_new(struct store *s);
void outbox_schema(const struct join *j, struct buf *out);
/* The message behind change *number, which moves on; 0 when none is there. */
int outbox_delta(
    struct store *s, int64_t epoch, int64_t *number, struct buf *out);
/* The next message of a rebuild; 0 when it was the `end`. */
int outbox_rebuild(
    struct store *s, int64_t epoch, struct rebuild *r, struct buf *out);
/* Where a target stands: 0 and *number, 1 rebuild, -1 refused with why. */
int outbox_place(
    struct store *s, const char *cursor, int64_t *number, struct why *why);
/*
 * Appends what the change log has behind `number`, at most n rows, each with
 * its object as it is now; returns the number of the last one.
 */
int64_t body_changes(struct store *s, int64_t number, size_t n,
    size_t bytes_max, struct buf *out);
/* Appends the living mesh object itself, without op. */
void body_object(struct store *s, int64_t mesh, struct buf *out);
/* Appends at most n living objects behind *pk; 0 when none is left. */
int body_page(
    struct store *s, int64_t *pk, size_t n, size_t bytes_max, struct buf *out);

#endif
