#ifndef IDMESH_MATCH_H
#define IDMESH_MATCH_H

/*
 * match.h - who is the same person: the join rules on one set of objects.
 *
 * merge.c gives it a component: living objects of one mesh type and tombstones
 * that anything connects, a shared key value, a remembered link or a decision.
 * It is a pure function: no store, no clock, and the order of its input does
 * not matter.  Semantics: rules(7), JOIN.
 *
 * A person is a cluster of at most one object per source.  Keys are tried in
 * the order of the rules; each round first takes up the links that its key
 * has made before (unless `strict`), then joins whatever shares a value
 * and is unambiguous.  What is ambiguous or contradicts a stronger key
 * leaves the game for all weaker ones.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MATCH_NONE (-1) /* evidence: stands for itself, or led */
#define MATCH_DECIDED (-2) /* evidence: an operator's `join` */
/* Evidence: a decision that was undone.  It joins nobody and keeps nobody from
 * being held; the mesh id goes to it only when nobody else can have it. */
#define MATCH_UNDONE (-3)
#define MATCH_NOBODY SIZE_MAX

/* One normalised key value of an object. */
struct match_value {
	int key; /* place in the rules, 0 is the strongest */
	const char *text; /* borrowed */
};

struct match_object {
	int source; /* rank: 0 is trusted most; one number a source */
	const char *id; /* unique within the source; borrowed */
	bool gone; /* a tombstone: only says who was there */
	int64_t mesh; /* the person it was part of, 0: none */
	int evidence; /* the key that linked it, MATCH_NONE, _DECIDED, _UNDONE
		       */
	size_t with; /* the object it was linked to, MATCH_NOBODY unknown */
	const struct match_value *values; /* borrowed; in any order */
	size_t nvalues;
};

enum match_verb { MATCH_JOIN, MATCH_NEVER, MATCH_ALONE };

struct match_decision {
	enum match_verb verb;
	size_t a, b; /* objects; b is not looked at for MATCH_ALONE */
};

enum match_back { MATCH_ASK, MATCH_REVIVE, MATCH_NEW };

struct match_rules {
	size_t nkeys;
	const bool *propose; /* by key: it only ever proposes */
	size_t nsources;
	const bool *hold; /* by source: unmatched objects are held */
	bool strict; /* no remembered links */
	enum match_back same_key; /* a new object with a leaver's key */
};

struct match_input {
	const struct match_object *objects;
	size_t n;
	const struct match_decision *decisions;
	size_t ndecisions;
	const struct match_rules *rules;
};

enum match_why {
	MATCH_FINE,
	MATCH_AMBIGUOUS, /* several objects of one source share a value */
	MATCH_CONTRADICTED, /* they differ in a stronger key */
	MATCH_PROPOSED, /* only a proposing key says so */
	MATCH_UNMATCHED, /* alone, of a source that must not be */
	MATCH_RETURNED, /* has the key of a person who left */
	MATCH_UNJOINED, /* the remembered link is contradicted */
	MATCH_IMPOSSIBLE, /* a decision that another one, or a source, forbids
			   */
};

/* What became of one object. */
struct match_place {
	int person; /* -1: held, or gone */
	int evidence; /* what linked it to its person */
	size_t with; /* the object it is linked to, MATCH_NOBODY: it leads */
	const char *value; /* the shared value, NULL for none */
	bool stale; /* the evidence does not hold any more */
	enum match_why held; /* MATCH_FINE unless it is held */
};

struct match_person {
	size_t lead; /* the object of the highest rank */
	size_t n;
	int64_t mesh; /* the id it keeps, 0: a new one */
};

/* A person that became part of another. */
struct match_alias {
	int64_t mesh;
	int person;
};

/* What an operator may want to decide; objects may project all the same. */
struct match_conflict {
	enum match_why why;
	int key; /* the key that they share, MATCH_NONE for none */
	const char *value;
	int against; /* the stronger key in which they differ, or MATCH_NONE */
	size_t a, b; /* a is of the lower rank; b may be a itself */
};

struct match_output {
	struct match_place *places; /* one for each object, same order */
	struct match_person *persons;
	size_t npersons;
	struct match_alias *aliases;
	size_t naliases;
	struct match_conflict *conflicts;
	size_t nconflicts;
};

/* Fills out, which match_free() empties; texts stay borrowed from in. */
void match(const struct match_input *in, struct match_output *out);
void match_free(struct match_output *out);
/* The word for it in tables, in `held` and in plans. */
const char *match_why_word(enum match_why why);
/* The person that goes on with the id `mesh` that an object had, -1: none. */
int match_kept_by(const struct match_output *out, size_t object, int64_t mesh);

#endif
