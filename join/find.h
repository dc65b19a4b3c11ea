#ifndef IDMESH_FIND_H
#define IDMESH_FIND_H

/*
 * find.h - what an operator calls a person, and who that is.
 *
 * A name is "okta:contoso/00u1", an id of the mesh or of a source, or a value
 * that people know each other by: login, email, number, name.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "buf.h"
#include "store.h"

#define FIND_MAX 20

/* A mesh object, or an object that is part of none. */
struct found {
	int64_t mesh; /* 0: it is held, or left before it had one */
	int64_t object; /* an object that the name means, 0: a mesh id */
};

/* Everything that the name may mean, at most FIND_MAX, those who left last; the
 * strictest reading that finds anything counts. */
size_t find(struct store *s, const char *name, struct found out[FIND_MAX]);

/* Appends "okta:contoso/00u1". */
void find_name(struct store *s, int64_t object, struct buf *out);

/* The object called "okta:contoso/00u1", 0 for none. */
int64_t find_object(struct store *s, const char *name);

/* The name that people know somebody with these attributes by, or NULL. */
const char *find_known_as(yyjson_val *attrs);
/* Append that of a mesh object, or of an object; nothing without one. */
void find_mesh_name(struct store *s, int64_t mesh, struct buf *out);
void find_object_name(struct store *s, int64_t object, struct buf *out);
/* Appends "Ann Li (okta:contoso/00u1)", or source and id alone. */
void find_called(struct store *s, int64_t object, struct buf *out);

#endif
