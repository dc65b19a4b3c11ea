#ifndef IDMESH_JOIN_MERGE_PRIVATE_H
#define IDMESH_JOIN_MERGE_PRIVATE_H

/*
 * merge_private.h - what the files of merge.h share.
 */

#include "match.h"
#include "merge.h"
#include "policy.h"

#define MERGE_SOURCES_MAX POLICY_SOURCES_MAX
#define MERGE_KEYS_MAX 64 /* POLICY_KEYS_MAX, and 16 lookups */
#define MERGE_GONE -3 /* no place: a tombstone */

/* A source that has objects of the type, in rank order. */
struct merge_source {
	int64_t stream;
	char name[256];
	size_t entry; /* of the policy */
};

/* A type as the rules and the database know it. */
struct merge_type {
	int64_t pk;
	const struct policy *policy; /* NULL: memberships */
	int64_t keys[MERGE_KEYS_MAX]; /* keydef of each key of the policy */
	size_t nkeys; /* with the lookups */
	struct merge_source sources[MERGE_SOURCES_MAX];
	size_t nsources;
};
void merge_type_load(struct store *s, const struct policy *p, const char *name,
    struct merge_type *t);
/* The rank of a stream, nsources when it is none of them. */
size_t merge_rank(const struct merge_type *t, int64_t stream);

/* merge_keys.c: its keys as the database has them; 0 where it has none. */
void merge_type_keys(
    struct store *s, const struct policy *p, struct merge_type *t);
/* The name of a keydef, and the line of the rules that has it now; both owned
 * by the caller, and NULL where there is none.  `place` may be NULL. */
void merge_key_name(struct store *s, const struct rules *r, int64_t keydef,
    char **label, char **place);

/* merge_mark.c: keeps the object's values of one key; 1 when one moved that
 * joins.  Without `changed` a fresh object has none yet. */
bool merge_values_put(struct store *s, const struct merge_type *t, size_t key,
    const struct merge_news *news);

/*
 * The objects that a merge looks at, with all that anything connects to them,
 * and nothing longer than a number of each: values and ids are numbered in
 * the order of their text.
 */
struct merge_world {
	size_t n;
	int64_t *pk; /* ascending */
	int64_t *mesh; /* link, 0: none or held */
	uint32_t *id; /* place among the ids of its source */
	uint32_t *root; /* the component, the number of its first object */
	int16_t *evidence; /* of match.h */
	uint32_t *with; /* the object that it is linked to; n: none here */
	uint8_t *rank, *flags;
	uint32_t *first; /* n + 1: where its values begin */
	struct merge_value {
		uint32_t key, text;
	} * values;
	uint32_t *order, *start; /* objects by component, and where it begins */
	size_t ncomponents; /* those with a dirty object only */
	struct match_decision *decisions; /* of objects of the world */
	size_t ndecisions;
};
enum {
	MERGE_IS_GONE = 1,
	MERGE_IS_DIRTY = 2,
	MERGE_IS_CHANGED = 4, /* in a guarded attribute */
	MERGE_IS_DECIDED = 8,
	MERGE_IS_LINKED = 16, /* has a link row, held ones too */
	MERGE_IS_LET_GO = 32, /* left by an operator's word */
	MERGE_IS_DISABLED = 64, /* its source took the right to sign in */
};
/* Bits of dirty.changed. */
enum {
	MERGE_DIRTY_CHANGED = 1,
	MERGE_DIRTY_LET_GO = 2,
	MERGE_DIRTY_DISABLED = 4,
};
#define MERGE_ENABLED "accountEnabled"
/* All of the type, or only what dirty objects reach. */
void merge_world_load(
    struct store *s, const struct merge_type *t, struct merge_world *w);
void merge_world_free(struct merge_world *w);
/* merge_reach.c: the objects and values that dirty objects reach. */
void merge_reach(
    struct store *s, const struct merge_type *t, struct merge_world *w);
/* merge_world.c, for both ways: the values of (object, key, text) triples. */
struct merge_triple {
	uint32_t object, key, text;
};
void merge_values_set(
    struct merge_world *w, const struct merge_triple *list, size_t n);
/* The place in the rules of a link's keydef. */
int16_t merge_evidence(const struct merge_type *t, int64_t key);
uint32_t merge_find(const struct merge_world *w, int64_t pk); /* or n */

/* One component, matched; its objects are order[start..] of the world. */
struct merge_part {
	const struct merge_world *w;
	const uint32_t *objects;
	size_t n;
	struct match_output out;
	/* Memory that is used again. */
	struct match_object *in;
	struct match_value *values;
	char *texts;
	struct match_decision *decisions;
	size_t cap, vcap, dcap;
};
void merge_match(const struct merge_type *t, const struct merge_world *w,
    size_t component, struct merge_part *p);
void merge_part_free(struct merge_part *p);

/* A person of before that nobody continues. */
struct merge_leaver {
	int64_t mesh;
	uint32_t object; /* one of its objects */
	int person; /* gone = "any": the one that goes on, else -1 */
};
/* Fills list (room for the component's objects); living ones only. */
size_t merge_leavers(struct store *s, const struct merge_type *t,
    const struct merge_part *p, struct merge_leaver *list);

struct merge_plan {
	int64_t persons, leaves, disables, unjoins, changed, objects, held;
	char hash[17];
	struct buf by; /* owned; JSON members of reasons */
	struct buf reasons; /* owned; the same for people */
};
void merge_plan_make(struct store *s, const struct merge_type *t,
    const struct merge_world *w, struct merge_plan *p);
void merge_plan_free(struct merge_plan *p);
/* 0 when it may be done; else why says which limit stops it. */
int merge_plan_judge(
    const struct merge_type *t, const struct merge_plan *p, struct why *why);

/* merge.c: where the merges of this process are. */
struct merge {
	struct merge_type *types; /* owned; those with a join rule */
	size_t ntypes;
	struct merge_type edge; /* memberships; their ranks are Group's */
	struct merge_type *type; /* of the world, in types */
	struct merge_world world;
	struct merge_part part;
	bool loaded; /* the world is there and may be committed */
	bool active; /* a merge goes on: no pages in between */
	size_t next; /* component */
	int64_t version; /* of the database when it was loaded */
	bool refs, helds, conflicts; /* there are rows of that kind */
	int64_t stale; /* bodies up to this group are made */
	int64_t people; /* more of them than type.people says */
	int64_t now_ms; /* server time of the merge */
	int64_t bodies, told; /* made; different from before */
	int64_t failures; /* functions */
};
struct merge_type *merge_type_by_pk(struct merge *m, int64_t pk);
struct merge_type *merge_type_named(struct merge *m, const char *name);

/* merge_commit.c: one component. */
void merge_commit(struct join *j, struct merge *m, struct merge_part *p);
/* merge_body.c: some groups of stale mesh objects; 0 when none is left. */
int merge_bodies(struct join *j, struct merge *m);
/* Mesh objects whose grace is over; how many. */
int64_t merge_grace(struct store *s, int64_t now_ms);
void merge_stale(struct store *s, int64_t grp, int64_t mesh);
/* merge_edge.c: some dirty memberships; 0 when none is left. */
int merge_edges(struct join *j, struct merge *m);
/* The attributes of one with its ends as mesh ids. */
void merge_edge_body(
    struct store *s, int64_t stream, yyjson_val *attrs, struct buf *out);

/* merge_ref.c: the mesh object behind an id, 0 when there is none yet. */
int64_t merge_ref_find(
    struct store *s, int64_t stream, const char *id, size_t len);
/* The same for a value of a flow with a `ref`. */
struct merge_ref {
	const struct policy_flow *flow;
	const struct merge_type *to; /* of flow->ref */
	int64_t stream; /* of the object that refers */
	int64_t object; /* it is told when that moves; 0: nobody is */
};
int64_t merge_ref_resolve(
    struct store *s, const struct merge_ref *r, const char *text, size_t len);
/* Its id, or NULL; borrowed until the next call. */
const char *merge_mesh_id(struct store *s, int64_t mesh);
/* The stream of the same source with that name, 0 when there is none. */
int64_t merge_sister(struct store *s, int64_t stream, const char *name);
void merge_ref_add(struct store *s, int64_t stream, const char *id, size_t len,
    int64_t object);
void merge_ref_clear(struct store *s, int64_t object);
/* Whoever refers to the object is made again. */
void merge_ref_moved(struct store *s, int64_t object);
/* Whoever refers to what has that value of a key. */
void merge_ref_valued(struct store *s, int64_t keydef, const char *value);
bool merge_ref_any(struct store *s);

#endif
