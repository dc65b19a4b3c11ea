#ifndef IDMESH_JOIN_PLAN_H
#define IDMESH_JOIN_PLAN_H

/*
 * plan.h - whom a merge or a run that its guard stopped would touch.
 *
 *   plan.c          `join plan`: says it, kind by kind
 *   plan_run.c      whom a run would let go that is held
 *   plan_walk.c     the components of the plan, person by person
 *   plan_because.c  why: the rule, the decision or the source behind it
 *
 * The plan is made again from what the database holds, as approving does, and
 * nothing is written.
 */

#include "join.h"
#include "merge_private.h"

/* What would happen to a person, worst first. */
enum plan_what {
	PLAN_LEAVE,
	PLAN_DISABLE, /* a source of theirs takes the right to sign in */
	PLAN_PART, /* an object of theirs goes on without them */
	PLAN_JOIN, /* an object, or another person, becomes part of them */
	PLAN_CHANGE, /* in an attribute that the guard counts */
	PLAN_HOLD, /* an object that is new belongs to nobody */
	PLAN_COME,
	PLAN_KINDS
};

struct plan_item {
	enum plan_what what;
	int64_t mesh; /* the person as they are now, 0: a new one */
	size_t i; /* the object that it is about, of the part */
};

struct plan_walk {
	struct store *s;
	struct merge_type *t;
	struct merge_world world;
	struct merge_part part; /* the component that is looked at */
};

/* The type by these rules, without a trace in the database; -1 when the
 * database was not written by them. */
int plan_type(
    struct store *s, struct rules *r, const char *type, struct merge_type *t);
/* The plan as it would be made now: its hash. */
void plan_open(
    struct plan_walk *w, struct store *s, struct merge_type *t, char hash[17]);
/* Calls each() for everything that would happen, until it answers false. */
void plan_each(struct plan_walk *w,
    bool (*each)(void *ctx, const struct plan_item *item), void *ctx);
void plan_close(struct plan_walk *w);

/* The key of an object of the database. */
int64_t plan_object(const struct plan_walk *w, const struct plan_item *item);

/* Why. */
struct plan_because {
	struct buf text; /* owned: a sentence without its end */
	struct buf at; /* owned: file:line of a rule, "" without one */
	const char *key; /* borrowed: "employeeNumber", or NULL */
	char reason[32]; /* "scope", "disabled", "ambiguous", ... or "" */
};
void plan_explain(const struct plan_walk *w, const struct plan_item *item,
    struct plan_because *b);

/* plan_run.c: the runs that are held, or that of the name; how many. */
struct plan_show {
	const char *db;
	int all, json;
};
#define PLAN_SHOWN 20 /* of each kind, unless all */
size_t plan_runs(struct store *s, const char *name,
    const struct plan_show *show, bool first);
/* The held run that would let the object go, "okta:contoso/12" into name. */
bool plan_run_of(struct store *s, int64_t object, char *name, size_t len);
/* plan.c: what to type when it is right, and what to do when it is not. */
void plan_way_out(const char *db, const char *name);

int plan_main(int argc, char **argv);

#endif
