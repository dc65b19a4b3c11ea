#ifndef IDMESH_EXPLAIN_H
#define IDMESH_EXPLAIN_H

/*
 * explain.h - one person as the operator sees it: who they are made of, by
 * which rule, and where each value comes from.
 *
 * person.c reads it from the database and makes the values again with a
 * trace, for provenance is not stored; explain.c and explain_json.c print.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "blend.h"
#include "buf.h"
#include "find.h"
#include "match.h"
#include "rules.h"
#include "store.h"

/* A source object that the person is made of, or was. */
struct contributor {
	int64_t pk, stream;
	char *source, *id; /* owned */
	char *gone; /* owned: why it left, NULL while it lives */
	size_t entry; /* of the policy: its rank */
	int64_t key; /* keydef that linked it, negative as in link */
	char *label, *place; /* owned: "email", "rules/okta.lua:7", or NULL */
	char *value; /* owned: that it shares now, NULL: none, or stale */
	char *run; /* owned: "run 3 of entra:contoso", or NULL */
	yyjson_doc *attrs; /* owned; NULL when it left */
};

struct person {
	int64_t mesh, type_pk; /* mesh 0: no person */
	char *type, *id, *state; /* owned; state NULL: living */
	int64_t leave_at; /* ms, 0: not */
	int64_t made_ms; /* server time of the body, 0: it needs none */
	char *held; /* owned: why the only object is in no person */
	const struct policy *policy; /* NULL: no join rule */
	struct contributor *of; /* owned, in rank order */
	size_t n;
	struct blend_part parts[BLEND_PARTS_MAX]; /* the living ones */
	size_t nparts;
	yyjson_doc *body; /* owned: the mesh object, or NULL */
	struct blend_said *said; /* owned, one a flow; NULL: no trace */
	struct buf text;
};

/* -1 when the database has nothing about it. */
int person_load(
    struct store *s, struct rules *r, const struct found *f, struct person *p);
void person_free(struct person *p);
/* Did they leave for good?  Memberships outlive them. */
bool person_gone(const struct person *p);
/* Is the attribute false because they leave, whatever their sources say? */
bool person_disabled(const struct person *p, const char *attribute);

/* What an operator may want to decide. */
struct conflict {
	char *why; /* owned, as are the others */
	char *object, *other; /* "okta:contoso/00u1" */
	char *object_name, *other_name; /* as people know them, or NULL */
	char *label, *value, *place; /* the key, or NULL */
	char *against; /* label of the stronger key, or NULL */
	char *object_has, *other_has; /* values of that */
	bool held; /* one of the two is in no person */
	int64_t decision; /* about them that no merge has done, 0: none */
	char *plan; /* owned: the stopped one that it waits for, or NULL */
};
/*
 * Conflicts, worst first: of one object or of all (0).  Answers how many;
 * *list is freed with conflict_free().
 */
size_t conflict_load(
    struct store *s, struct rules *r, int64_t object, struct conflict **list);
void conflict_free(struct conflict *list, size_t n);
/* Do they say the same of the same object, so that they can be told at once? */
bool conflict_same(const struct conflict *a, const struct conflict *b);
/* Appends a sentence. */
void conflict_text(const struct conflict *c, struct buf *out);
/* Appends what n that are the same have in common, and what one has alone. */
void conflict_head(const struct conflict *c, size_t n, struct buf *out);
void conflict_member(const struct conflict *c, struct buf *out);
/* Appends ,"name":value members of the object. */
void conflict_json(const struct conflict *c, struct buf *out);
/* What can be typed about it, or the decision that waits; "" when there is
 * nothing to decide. */
void conflict_way_out(
    const struct conflict *c, const char *db, struct buf *out);

/* explain_groups.c: the groups that a mesh object is in, a line each, or as a
 * member ,"groups":[...]. */
void explain_groups(struct store *s, int64_t person);
void explain_groups_json(struct store *s, int64_t person, struct buf *out);

/* explain_decided.c: the decisions about them that joined nobody to them, a
 * line each, or as a member ,"decisions":[...]. */
void explain_decided(struct store *s, const struct person *p);
void explain_decided_json(
    struct store *s, const struct person *p, struct buf *out);

/* explain_json.c */
void explain_json(
    struct store *s, struct rules *r, struct person *p, const char *attribute);

int explain_main(int argc, char **argv);
int held_main(int argc, char **argv);
int decide_main(int argc, char **argv);

#endif
