#ifndef IDMESH_JOIN_MERGE_H
#define IDMESH_JOIN_MERGE_H

/*
 * merge.h - types with a join rule: from the connector space into the mesh.
 *
 * Objects of such a type have no mesh object of their own (object.mesh is 0).
 * apply.c and leave.c only note here what is new, changed or gone; when the
 * streams of the type have ended, merge_chunk() plans, asks the guard and
 * commits, one chunk a transaction.  Whatever was not done when a process
 * dies is in dirty, stale and merge, and is gone on with.
 *
 *   merge_mark.c   key values and dirty objects, inside of a page
 *   merge_keys.c   rules that changed since the database was written
 *   merge_world.c  the objects that a merge looks at, as arrays
 *   merge_plan.c   what it would do; guard
 *   merge_approve.c a stopped plan goes on
 *   merge_commit.c links, ids, held objects
 *   merge_body.c   attributes of mesh objects, and the change log
 *   merge_edge.c   memberships between mesh objects
 *   merge_ref.c    references between mesh objects
 */

#include "join.h"
#include "why.h"

enum merge_kind { MERGE_NOT, MERGE_JOINED, MERGE_EDGE };

/* How objects of the stream become mesh objects under these rules. */
enum merge_kind merge_kind(const struct rules *r, const char *stream);

/*
 * Makes the database fit the rules: called when rules were loaded, in no
 * transaction.  EXIT_DONE, or the exit code when they cannot be used.
 */
int merge_prepare(struct join *j);
/*
 * May the source have such a stream?  EXIT_USAGE with why when its type is
 * merged and has as many sources as a merge can tell apart.
 */
int merge_room(
    struct store *s, const char *source, const char *stream, struct why *why);

/*
 * Inside of a page's transaction: an object of a joined type, or a membership,
 * is there (fresh: for the first time, or again) or has changed; changed (may
 * be NULL) is the JSON array of its attributes, and was (may be NULL) the JSON
 * object of all that it had before.
 */
struct merge_news {
	int64_t object;
	yyjson_val *attrs;
	const char *changed, *was;
	bool fresh;
};
void merge_put(
    struct join *j, const struct flow *f, const struct merge_news *news);
/* An object without mesh left. */
void merge_gone(struct store *s, int64_t object);
/* A stream of the type ended; its merge is due. */
void merge_due(struct store *s, int64_t type, const char *at);

/* The same behind a sweep, when it left something dirty. */
void merge_due_dirty(struct store *s, const char *stream);

/* Is one due that could not be done yet? */
bool merge_waits(const struct join *j);
/* Did a guard stop one?  It may have, behind the summary of its run. */
bool merge_stopped(struct store *s);
/* Is a merge under way that must go on before more pages are taken? */
bool merge_busy(const struct join *j);
/* A transaction of the merges that are due: 0 none is, -1 the store failed. */
int merge_chunk(struct join *j);
void merge_free(struct join *j);

/* Approves the stopped plan when it is still the same; the exit code. */
int merge_approve(struct join *j, const char *plan);

#endif
