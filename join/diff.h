#ifndef IDMESH_JOIN_DIFF_H
#define IDMESH_JOIN_DIFF_H

/*
 * diff.h - what would be, beside what is.
 *
 *   replay.c      kept raw records become pages again
 *   diff_main.c   `join diff`: which way to compare
 *   diff_copy.c   a copy of the database that goes through new rules
 *   diff_mesh.c   two meshes, object by object
 *   diff_print.c  what differs, for people and for programs
 *   diff_run.c    what changed between two runs
 *   rejoin.c      links that today's data would not make
 *
 * Nothing here writes to the database that is asked about.
 */

#include "join.h"

/* replay.c */
struct replay;
/*
 * The pages of `source` and `stream` (NULL: all), as they are in the store's
 * present transaction, each stream with an end of that mode.
 */
struct replay *replay_new(
    struct store *s, const char *mode, const char *source, const char *stream);
/* Appends the next message with its newline; 0 when there is none. */
int replay_next(struct replay *r, struct buf *out);
void replay_free(struct replay *r);

/* diff_copy.c */
/* How a copy went through new rules. */
struct trial {
	int64_t records; /* that were mapped again */
	int64_t without; /* living objects without a raw record */
	bool stopped; /* too many rejects, or the guard */
	struct buf why; /* owned; a line for each guard that would stop it */
	/* Owned; a line for each plan and run that is stopped already: plans
	 * are judged again and let pass, leavers of runs are left alone. */
	struct buf waits;
};
/* Maps and merges what the copy has by the rules in dir; the exit code. */
int copy_try(struct store *copy, struct store *of, const char *dir,
    struct rules **rules, struct trial *t);

/* diff_mesh.c: an object of the two meshes that is not the same in both. */
enum difference { DIFFERS, COMES, LEAVES };
struct mesh_diff {
	enum difference what;
	const char *type, *id; /* borrowed, like all that is here */
	const char *reason; /* LEAVES: removed, scope, alias, ... */
	int64_t pk; /* in both */
	yyjson_val *old, *new; /* the objects, NULL where it is not */
	yyjson_val *had, *has; /* their contributors */
};
/* Of a type: people, then groups, and memberships last. */
int mesh_rank(const char *type);
/* Calls each() for all of them by rank, type and id, until it answers false. */
void mesh_compare(struct store *old, struct store *new,
    bool (*each)(void *ctx, const struct mesh_diff *d), void *ctx);
/*
 * Calls each() for every attribute that is not the same; was and is are NULL
 * where it is absent.
 */
void mesh_attributes(const struct mesh_diff *d,
    void (*each)(void *ctx, const char *name, yyjson_val *was, yyjson_val *is),
    void *ctx);
/* The contributors in a that are not in b: each() for every one. */
void mesh_others(yyjson_val *a, yyjson_val *b,
    void (*each)(void *ctx, const char *contributor), void *ctx);

/* diff_place.c: "rules/okta.lua:12", the line that is behind a difference. */
struct places {
	struct store *old, *new;
	const struct rules *rules;
};
void place_find(const struct places *p, const struct mesh_diff *d,
    const char *attribute, char *out, size_t len);

/* diff_print.c: how it is shown. */
struct diff_view {
	struct store *old, *new;
	const struct rules *rules; /* the new ones */
	const struct trial *trial;
	bool json;
	int64_t limit; /* of objects that are shown, negative: all */
};
/* How many objects differ. */
int64_t diff_print(const struct diff_view *v);

/* diff_run.c: what changed between two runs; the exit code. */
int diff_runs(
    struct store *s, const char *source, int64_t from, int64_t to, bool json);

int replay_main(int argc, char **argv);
int diff_main(int argc, char **argv);
int rejoin_main(int argc, char **argv);

#endif
