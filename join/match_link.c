/*
 * match_link.c - what was decided or linked before the keys have their say.
 *
 * match.c calls it ahead of the first round and at the beginning of each.  A
 * link outlives the evidence it was made by, until a stronger key contradicts
 * it or has joined one side with somebody else.
 */

#include "match_private.h"

static size_t
node_of(const struct match_work *w, size_t object)
{
	return w->place[object];
}

/* The pair of the next decision to join behind the one of *a and *b. */
static bool
next_join(const struct match_work *w, size_t *a, size_t *b)
{
	size_t best_a = SIZE_MAX, best_b = SIZE_MAX;

	for (size_t i = 0; i < w->in->ndecisions; i++) {
		const struct match_decision *d = &w->in->decisions[i];
		size_t x, y;

		if (d->verb != MATCH_JOIN)
			continue;
		x = node_of(w, d->a);
		y = node_of(w, d->b);
		if (x > y) {
			x = y;
			y = node_of(w, d->a);
		}
		if (*a != SIZE_MAX && (x < *a || (x == *a && y <= *b)))
			continue;
		if (x < best_a || (x == best_a && y < best_b)) {
			best_a = x;
			best_b = y;
		}
	}
	*a = best_a;
	*b = best_b;
	return best_a != SIZE_MAX;
}

/* A tombstone that is decided to be somebody waits for match_person.c. */
static void
decide_join(struct match_work *w, size_t a, size_t b)
{
	const struct match_node *n = w->nodes;
	size_t x = match_root(w, a), y = match_root(w, b);

	if (n[a].o->gone || n[b].o->gone || n[a].alone || n[b].alone || x == y)
		return;
	if ((n[x].mask & n[y].mask) == 0 && !match_never(w, x, y)) {
		match_unite(w, a, b, MATCH_DECIDED, NULL);
		return;
	}
	match_conflict(w, &(struct match_conflict){ .why = MATCH_IMPOSSIBLE,
			      .key = MATCH_NONE,
			      .against = MATCH_NONE,
			      .a = n[a].index,
			      .b = n[b].index });
}

void
match_decide(struct match_work *w)
{
	size_t a = SIZE_MAX, b = SIZE_MAX;

	for (size_t i = 0; i < w->in->ndecisions; i++) {
		const struct match_decision *d = &w->in->decisions[i];
		struct match_node *n = &w->nodes[node_of(w, d->a)];

		if (d->verb == MATCH_ALONE)
			n->alone = n->left = true;
	}
	while (next_join(w, &a, &b))
		decide_join(w, a, b);
}

/* Was the link of this node to its person made no later than by the key? */
static bool
linked_by(const struct match_node *n, int key)
{
	return !n->o->gone && !n->alone &&
	       (n->o->evidence == MATCH_NONE ||
		   (n->o->evidence >= 0 && n->o->evidence <= key));
}

static void
relink(struct match_work *w, size_t with, size_t node, int key)
{
	const struct match_node *n = w->nodes;
	size_t a = match_root(w, with), b = match_root(w, node);
	int against = MATCH_NONE;

	if (a == b || match_never(w, a, b))
		return;
	if ((n[a].mask & n[b].mask) == 0 &&
	    match_agree(w, a, b, key, &against)) {
		match_unite(w, with, node, key, NULL);
		return;
	}
	match_conflict(w, &(struct match_conflict){ .why = MATCH_UNJOINED,
			      .key = key,
			      .against = against,
			      .a = n[with < node ? with : node].index,
			      .b = n[with < node ? node : with].index });
}

/* With whom it was linked to; with all the person when that one has left. */
static void
relink_node(
    struct match_work *w, const size_t *members, size_t n, size_t node, int key)
{
	const struct match_object *o = w->nodes[node].o;
	size_t with;

	if (o->evidence != key || !linked_by(&w->nodes[node], key))
		return;
	if (o->with != MATCH_NOBODY) {
		const struct match_node *partner;

		with = node_of(w, o->with);
		partner = &w->nodes[with];
		if (partner->o->mesh == o->mesh && !partner->o->gone &&
		    !partner->alone) {
			relink(w, with, node, key);
			return;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (members[i] != node && linked_by(&w->nodes[members[i]], key))
			relink(w, members[i], node, key);
}

void
match_relink(struct match_work *w, int key)
{
	const struct match_node *n = w->nodes;
	size_t to;

	for (size_t from = 0; from < w->nmesh; from = to) {
		int64_t mesh = n[w->bymesh[from]].o->mesh;

		for (to = from + 1; to < w->nmesh; to++)
			if (n[w->bymesh[to]].o->mesh != mesh)
				break;
		for (size_t i = from; i < to; i++)
			relink_node(
			    w, w->bymesh + from, to - from, w->bymesh[i], key);
	}
}
