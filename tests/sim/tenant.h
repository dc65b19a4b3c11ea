#ifndef ORGSIM_TENANT_H
#define ORGSIM_TENANT_H

/*
 * tenant.h - the Microsoft Entra tenant that orgsim plays beside the org.
 *
 * tenant_seed.c fills it, tenant_mutate.c and graph_control.c change it,
 * graph_*.c read it.  Users, groups, devices and service principals are
 * objects of one shape in four directories.  An object keeps its index for
 * ever.  Every change gets the next version number, the object remembers
 * which property it was, and the directory keeps a log in version order: a
 * delta round walks the part of the log behind its token, nothing more.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "org.h"
#include "rng.h"

#define TENANT_ID "5f2b6c1e-0d47-4a9b-8e31-c7a4d90b6e12"
#define TENANT_NAME "orgsim.onmicrosoft.example"
#define GUID_LEN 36
#define MAX_PROPS 48
#define TEXT_MAX 60000 /* of one object's values */
#define NO_TWIN UINT32_MAX

enum { DIR_USERS, DIR_GROUPS, DIR_DEVICES, DIR_PRINCIPALS, N_DIRS };

/* What a property is, beside its name. */
enum {
	PROP_DEFAULT = 1, /* returned when nothing is selected */
	PROP_LIST = 2, /* a collection: [] where others are null */
	PROP_BOOL = 4,
};

struct prop {
	const char *name;
	unsigned flags;
};

/* One kind of object; props[0] is the id. */
struct kind {
	const char *plural, *type;
	const struct prop *props;
	size_t n_props;
	const char *edge; /* the relationship delta can track; NULL: none */
};
extern const struct kind tenant_kinds[N_DIRS];

/* Index of a property of that kind, 0 (the id) included; -1: none. */
int kind_prop(int dir, const char *name, size_t len);

/* Which object: the directory in the two highest bits, then its index. */
#define REF(dir, index) ((uint32_t)(dir) << 30 | (uint32_t)(index))
#define REF_DIR(ref) ((int)((ref) >> 30))
#define REF_INDEX(ref) ((ref)&0x3fffffffu)
#define NO_REF UINT32_MAX

enum {
	EDGE_PRESENT,
	EDGE_REMOVED,
	EDGE_SUSPENDED, /* its end is soft-deleted; a restore brings it back */
};

/* A member of a group, or the manager of a user; removed ones stay. */
struct edge {
	uint32_t ref;
	uint32_t version : 30, state : 2;
};

/* By ref, ascending. */
struct edges {
	struct edge *v; /* owned */
	uint32_t n, cap;
};

/* When a property changed last; none: not since the object was made. */
struct touch {
	uint32_t version;
	uint32_t prop;
};

enum { OBJECT_LIVE, OBJECT_SOFT, OBJECT_GONE };

struct object {
	char id[GUID_LEN + 1];
	uint8_t state;
	uint8_t n_touches, cap_touches;
	uint32_t created; /* version; 0: by the seed */
	uint32_t moved; /* version of the last change of state */
	uint32_t logged; /* index of its last log entry plus 1; 0: none */
	uint32_t twin; /* index of the Okta user it is; NO_TWIN */
	uint32_t reports; /* how often it became a manager */
	struct touch *touches; /* owned */
	struct edges edges;
	char *text; /* owned; JSON values one behind the other */
	uint16_t at[MAX_PROPS + 1]; /* value p: text[at[p]] .. text[at[p+1]] */
};

struct entry {
	uint32_t version, object;
	uint32_t next; /* the object's next entry; 0: none */
};

struct directory {
	struct object *v; /* owned */
	size_t n, cap, live;
	struct entry *log; /* owned */
	size_t n_log, cap_log;
};

struct tenant {
	struct directory dirs[N_DIRS];
	uint32_t version; /* of the last change */
	uint32_t seen; /* what late rounds may show; graph_delta.c */
	struct rng rng;
	uint64_t key; /* of ids, tokens and signatures */
};

/* What --entra and its kin say. */
struct tenant_size {
	size_t users, groups, edges;
	int overlap; /* percent of the users that the org has too */
	bool cycle; /* groups that hold each other */
};

/* Fills an empty tenant from the org, whose users exist already. */
void tenant_seed(struct tenant *t, const struct org *org,
    const struct tenant_size *size, uint64_t seed);
void tenant_free(struct tenant *t);

/* A new object without values; borrowed until the next one is added.  The
 * seed's are not in the log, later ones are. */
struct object *tenant_add(struct tenant *t, int dir, bool log);
/*
 * The values of a new object, in the order of tenant_kinds[].props:
 * object_begin() before each is appended to b, object_end() takes b.
 */
struct maker {
	struct object *o;
	struct buf b;
	size_t next;
};
void object_begin(struct maker *m, size_t prop);
void object_end(struct maker *m);

struct object *tenant_object(const struct tenant *t, uint32_t ref);
/* By id; NO_REF when there is none in that directory, or it is gone for
 * good.  dir -1: any. */
uint32_t tenant_find(const struct tenant *t, int dir, const char *id);
/* The first live object whose property has that text, case aside. */
uint32_t tenant_match(
    const struct tenant *t, int dir, size_t prop, const char *text, size_t len);

/* JSON of a value; *len is 0 when it was never set. */
const char *object_value(const struct object *o, size_t prop, size_t *len);
/* The same when it is a string without escapes, without its quotes. */
const char *object_text(const struct object *o, size_t prop, size_t *len);

/* Sets a value from JSON; false when it is the same or does not fit. */
bool tenant_set(
    struct tenant *t, uint32_t ref, size_t prop, const char *json, size_t len);
/* Adds or removes one edge (of state EDGE_*); false: it was so already. */
bool tenant_edge(struct tenant *t, uint32_t from, uint32_t to, int state);
/* Soft- or hard-deletes, or restores, with the edges that lead to it. */
bool tenant_move(struct tenant *t, uint32_t ref, int state);
/* Makes the only manager of a user `to`; NO_REF: none. */
bool tenant_manage(struct tenant *t, uint32_t user, uint32_t to);
uint32_t object_manager(const struct object *o);

/* Position of the first edge whose ref is not below. */
uint32_t edges_from(const struct edges *e, uint32_t ref);
/* When the property changed last; 0: since the object was made, never. */
uint32_t object_touched(const struct object *o, size_t prop);

#endif
