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
/*
 * edge.c: a membership leaves, or waits while its user or its group is held
 * back, or not decided yet in the run that is under way.
 */
enum wait { WAIT_NONE, WAIT_HELD, WAIT_RUN };
/* What memberships of the stream wait for now; another stream's never do. */
enum wait edge_wait(struct store *s, const struct flow *f);
void edge_leave(struct store *s, struct flow *f, enum wait w,
    const struct object *o, const char *why);
/* So many memberships of the stream have left their group and wait. */
int64_t edges_waiting(struct store *s, const struct flow *f);
/* Lets those go whose wait is over, and tells how many stay; j may be NULL. */
void edges_settle(struct store *s, struct join *j, int64_t source);
/* A stream of the run, or its sweep, is over; `closing`: so is the input. */
void edges_close(struct join *j, int64_t source, int64_t run, bool closing);
void container_open(struct store *s, const struct flow *f, const struct msg *m,
    int64_t *container, int64_t *generation);
void container_close(struct store *s, struct flow *f, const struct msg *m,
    int64_t container, bool unsure);
/* A record that became none, in the page m. */
struct reject {
	const struct msg *m;
	yyjson_val *bad; /* code, at, message, raw, index */
	const char *id, *stage; /* id may be NULL */
	int64_t generation, container; /* of what it would have been */
};
int reject_put(struct join *j, struct flow *f, const struct reject *r);
/* Its object came and is right: the letter keeps no raw text any more. */
void reject_resolve(struct store *s, struct flow *f, const char *id, size_t len,
    const char *how);

#endif
