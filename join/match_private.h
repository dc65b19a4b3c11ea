#ifndef IDMESH_MATCH_PRIVATE_H
#define IDMESH_MATCH_PRIVATE_H

/*
 * match_private.h - what the files of match.h share.
 *
 * match.c keeps the clusters, match_round.c plays the keys, match_link.c the
 * remembered links and decisions, match_person.c says what became of everybody.
 * Objects are nodes sorted by rank and id, so that a smaller number is trusted
 * more and nothing depends on the order of the input.
 */

#include "match.h"

#define MATCH_SOURCES_MAX 64

struct match_node {
	const struct match_object *o;
	size_t index; /* in the input */
	/* Of a cluster, in its root, which is its smallest node. */
	size_t parent;
	uint64_t mask; /* its sources */
	bool left; /* takes no part in weaker keys */
	enum match_why held;
	/* Of the node. */
	size_t next; /* the cluster's ring */
	size_t comp; /* the component of this round */
	size_t first; /* of the person that it was part of */
	bool takes; /* part in this round */
	bool alone; /* decided */
	bool ghost; /* of a person whom nobody is left of */
	int evidence;
	size_t with; /* the node it was joined with, MATCH_NOBODY */
	const char *value; /* that it was joined by */
	const char *shared; /* with another cluster, in this round */
	int64_t revived; /* of a root: the person who comes back, 0 none */
};

/* A value of a node; sorted by key, text, node. */
struct match_entry {
	int key;
	const char *text;
	size_t node;
};

struct match_work {
	const struct match_input *in;
	const struct match_rules *rules;
	struct match_node *nodes; /* owned, n */
	size_t *place; /* owned: the node of an object of the input */
	/* Owned: nodes with a mesh, those of one together, in the order of
	 * their first: numbers only say which person was made first. */
	size_t *bymesh;
	size_t nmesh, nghosts;
	size_t *list; /* owned: scratch for n nodes */
	struct match_entry *entries; /* owned */
	size_t nentries;
	struct match_output *out;
};

/* match.c */
size_t match_root(const struct match_work *w, size_t node);
/* Is any member of a person already, on a ground that still stands? */
bool match_remembers(const struct match_work *w, size_t root);
/* Joins the clusters of two nodes by what these two share. */
void match_unite(
    struct match_work *w, size_t a, size_t b, int evidence, const char *value);
/* May the clusters of two nodes be one person, as far as keys stronger than
 * `key` say?  *against is the key in which they differ, or MATCH_NONE. */
bool match_agree(
    const struct match_work *w, size_t a, size_t b, int key, int *against);
bool match_never(const struct match_work *w, size_t a, size_t b);
void match_conflict(struct match_work *w, const struct match_conflict *c);
/* The smallest text of `key` that both objects have, or NULL. */
const char *match_common(
    const struct match_object *a, const struct match_object *b, int key);

/* match_round.c */
void match_round(struct match_work *w, int key);

/* match_link.c */
void match_decide(struct match_work *w);
void match_relink(struct match_work *w, int key);

/* match_person.c */
void match_persons(struct match_work *w);

#endif
