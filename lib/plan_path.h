#ifndef IDMESH_PLAN_PATH_H
#define IDMESH_PLAN_PATH_H

/*
 * plan_path.h - every path of a plan, looked up in one walk of the record.
 *
 * layer 2.  Records of a stream name their keys in nearly the same order, so
 * the walk expects after each key the one that followed it before and asks a
 * hash table only when it is another.  A mapped key that stands twice in one
 * object makes the record unusable: readers disagree on which one counts.
 */

#include <stddef.h>

#include <yyjson.h>

#include "buf.h"
#include "why.h"

struct paths;

struct paths *paths_new(void);
void paths_free(struct paths *p);

/*
 * The slot of "profile.email" or "$context.groupId"; the same path has the
 * same slot.  -1 with why when it is no path.
 */
int paths_add(struct paths *p, const char *path, struct why *why);
/* The slot of a path that was added, or -1. */
int paths_find(const struct paths *p, const char *path);

/* The page's context, an object or NULL; it outlives the page's records. */
int paths_context(struct paths *p, yyjson_val *context, struct why *why);
/* Appends the paths behind $context that it did not have: ", " between them. */
void paths_absent(const struct paths *p, struct buf *out);
/* Looks every path up; -1 with E_DUPLICATE when a mapped key stands twice. */
int paths_resolve(struct paths *p, yyjson_val *record, struct why *why);
#define PATHS_RECORD -1 /* the record itself, as a parent */

/*
 * The slot of a key that a function asks for, under a slot or PATHS_RECORD;
 * known from this record on.  Such a key may stand twice: the first counts.
 * -1 when there are too many, or the name does not fit a path.
 */
int paths_soft(struct paths *p, int parent, const char *name, size_t len);
/* Is the slot that of the name under the parent? */
int paths_is(
    const struct paths *p, int slot, int parent, const char *name, size_t len);

/* What the last record has there, or NULL. */
yyjson_val *const *paths_values(const struct paths *p);

#endif
