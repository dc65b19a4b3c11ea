#ifndef IDMESH_JOIN_LEAVE_H
#define IDMESH_JOIN_LEAVE_H

/*
 * leave.h - objects that leave, the sets of groups, and rejects.
 *
 * apply.c and sweep.c call leave.c inside their transaction; the tables are
 * object, leaving, container and reject of store_schema.c.
 */

#include "join.h"

struct object {
	int64_t pk, mesh;
	bool living;
	uint8_t hash[16];
};

int object_find(struct store *s, int64_t stream_pk, const char *id, size_t len,
    struct object *o);
void object_leave(
    struct store *s, struct flow *f, const struct object *o, const char *why);
/* Marks a living object, whose run's end decides; a put takes it back. */
void leaving_mark(struct store *s, struct flow *f, int64_t pk, const char *why);
void leaving_clear(struct store *s, const struct flow *f, int64_t pk);
/* What runs of the source marked that neither ended nor are held. */
void leaving_forget(struct store *s, int64_t source);
void container_open(struct store *s, const struct flow *f, const struct msg *m,
    int64_t *container, int64_t *generation);
void container_close(struct store *s, struct flow *f, const struct msg *m,
    int64_t container, bool unsure);
int reject_put(struct join *j, struct flow *f, const struct msg *m,
    yyjson_val *bad, const char *id, const char *stage);

#endif
