#ifndef IDMESH_EXPLAIN_PATH_H
#define IDMESH_EXPLAIN_PATH_H

/*
 * explain_path.h - why a source has somebody in a group.
 *
 * explain_groups.c finds the memberships, explain_path.c what may be said of
 * one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "store.h"

enum path_how {
	PATH_DIRECT, /* certain */
	PATH_RULE, /* directly, or by a group rule that is named */
	PATH_UNKNOWN, /* the same, but the source's rules were never read */
	PATH_IMPORT, /* an app fills the group */
	PATH_BUILT_IN,
	PATH_DYNAMIC, /* a rule of the group's own fills it */
};

/* An active group rule that fills the group; strings are owned. */
struct path_rule {
	char *id, *name, *expression; /* the last two may be NULL */
	bool excluded; /* it leaves the member out */
};

/* An attribute that a rule's expression asks for. */
struct path_has {
	char *name, *value; /* owned; JSON */
};
#define PATH_HAS_MAX 8

/* One source's membership; strings are owned. */
struct path {
	int64_t source_pk;
	char *source, *group, *member; /* "okta:contoso" and its ids */
	char *type, *classes; /* of the group; NULL: it has none */
	/* By path_judge(): */
	enum path_how how;
	struct path_rule *rules; /* owned; n of them */
	size_t n;
	struct path_has has[PATH_HAS_MAX]; /* of the member; n_has of them */
	size_t n_has;
	int64_t rules_of; /* a run, where newer ones did not read them; or 0 */
};

void path_judge(struct store *s, struct path *p);
/* Frees what is in it. */
void path_free(struct path *p);
/* Appends "okta:contoso/00g1 directly". */
void path_text(const struct path *p, struct buf *out);
/* Appends {"source":...,"group":...,"how":...}. */
void path_json(const struct path *p, struct buf *out);

#endif
