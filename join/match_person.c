/*
 * match_person.c - what became of every object, and which id each person has.
 *
 * The last step of match.c, behind all rounds: who stands alone and may not,
 * who has the key of a person that left, who keeps which mesh id, and which
 * links live without their evidence.
 */

#include "match_private.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* All of its sources only join. */
static void
hold_unmatched(struct match_work *w, size_t root)
{
	struct match_node *n = &w->nodes[root];

	for (size_t i = 0; i < w->rules->nsources; i++)
		if ((n->mask & (uint64_t)1 << i) != 0 && !w->rules->hold[i])
			return;
	if (n->alone || (!w->rules->strict && match_remembers(w, root)))
		return;
	if (n->held == MATCH_FINE)
		n->held = MATCH_UNMATCHED;
}

/* The value of `key` that some member shares with the tombstone. */
static const char *
returns_by(const struct match_work *w, size_t root, size_t ghost, int key)
{
	const struct match_node *n = w->nodes;
	const char *value;
	size_t at = root;
	int against;

	do {
		value = match_common(n[at].o, n[ghost].o, key);
		if (value != NULL)
			return match_agree(w, root, ghost, key, &against)
				   ? value
				   : NULL;
		at = n[at].next;
	} while (at != root);
	return NULL;
}

struct returning {
	size_t ghost;
	int key;
	const char *value;
	int64_t mesh; /* 0: nobody */
	bool several;
};

static bool
decided_return(const struct match_work *w, size_t root, struct returning *r)
{
	for (size_t i = 0; i < w->in->ndecisions; i++) {
		const struct match_decision *d = &w->in->decisions[i];
		size_t a = w->place[d->a], b = w->place[d->b];

		if (d->verb != MATCH_JOIN)
			continue;
		if (w->nodes[a].ghost) {
			size_t swap = a;
			a = b;
			b = swap;
		}
		if (match_root(w, a) != root || !w->nodes[b].ghost)
			continue;
		*r = (struct returning){ .ghost = b,
			.key = MATCH_DECIDED,
			.mesh = w->nodes[b].o->mesh };
		return true;
	}
	return false;
}

/* By the strongest key that says anything. */
static void
find_return(const struct match_work *w, size_t root, struct returning *r)
{
	const struct match_node *n = w->nodes;

	*r = (struct returning){ 0 };
	if (decided_return(w, root, r) || n[root].alone)
		return;
	for (size_t k = 0; k < w->rules->nkeys && r->mesh == 0; k++) {
		for (size_t i = 0; i < w->in->n; i++) {
			const char *value;

			if (w->rules->propose[k] || !n[i].ghost ||
			    match_never(w, root, i))
				continue;
			value = returns_by(w, root, i, (int)k);
			if (value == NULL)
				continue;
			r->several |= r->mesh != 0 && r->mesh != n[i].o->mesh;
			if (r->mesh != 0)
				continue;
			r->ghost = i;
			r->key = (int)k;
			r->value = value;
			r->mesh = n[i].o->mesh;
		}
	}
}

/* A cluster that may be a person who was here before. */
static bool
is_new(const struct match_work *w, size_t root)
{
	const struct match_node *n = &w->nodes[root];

	return n->parent == root && !n->o->gone && n->held == MATCH_FINE &&
	       n->revived == 0 && !match_remembers(w, root);
}

/* Does it come back by itself, as far as it alone is concerned? */
static bool
may_revive(const struct match_work *w, const struct returning *r)
{
	return r->mesh != 0 && !r->several &&
	       (r->key == MATCH_DECIDED || w->rules->same_key == MATCH_REVIVE);
}

/* Two who would both be the same leaver are neither; a decision is stronger
 * than a key. */
static bool
contested(
    const struct match_work *w, const struct returning *claims, size_t root)
{
	for (size_t i = 0; i < w->in->n; i++)
		if (i != root && is_new(w, i) &&
		    claims[i].mesh == claims[root].mesh &&
		    (claims[i].key == MATCH_DECIDED ||
			claims[root].key != MATCH_DECIDED))
			return true;
	return false;
}

static void
revive(struct match_work *w, size_t root, int64_t mesh)
{
	w->nodes[root].revived = mesh;
	for (size_t i = 0; i < w->nmesh; i++)
		if (w->nodes[w->bymesh[i]].o->mesh == mesh)
			w->nodes[w->bymesh[i]].ghost = false;
}

/* Who comes back undoubtedly is nobody that others could be. */
static bool
revive_one(struct match_work *w, struct returning *claims)
{
	for (size_t i = 0; i < w->in->n; i++)
		if (is_new(w, i))
			find_return(w, i, &claims[i]);
	for (size_t i = 0; i < w->in->n; i++) {
		if (!is_new(w, i) || !may_revive(w, &claims[i]) ||
		    contested(w, claims, i))
			continue;
		revive(w, i, claims[i].mesh);
		return true;
	}
	return false;
}

static void
ask(struct match_work *w, size_t root, const struct returning *r)
{
	struct match_node *n = w->nodes;

	n[root].held = MATCH_RETURNED;
	match_conflict(w, &(struct match_conflict){ .why = MATCH_RETURNED,
			      .key = r->key,
			      .value = r->value,
			      .against = MATCH_NONE,
			      .a = n[r->ghost].index,
			      .b = n[root].index });
}

static void
find_returns(struct match_work *w)
{
	struct returning *claims;

	if (w->nghosts == 0)
		return;
	claims = xcalloc(w->in->n, sizeof(*claims));
	while (revive_one(w, claims))
		continue;
	for (size_t i = 0; i < w->in->n; i++)
		if (is_new(w, i) && claims[i].mesh != 0 &&
		    (claims[i].key == MATCH_DECIDED ||
			w->rules->same_key != MATCH_NEW))
			ask(w, i, &claims[i]);
	free(claims);
}

/* A person for each cluster that is not held. */
static void
make_persons(struct match_work *w)
{
	struct match_output *out = w->out;
	struct match_node *n = w->nodes;

	out->persons = xcalloc(w->in->n + 1, sizeof(*out->persons));
	for (size_t i = 0; i < w->in->n; i++) {
		size_t root = match_root(w, i);
		struct match_place *p = &out->places[n[i].index];

		*p = (struct match_place){ .person = -1,
			.evidence = MATCH_NONE,
			.with = MATCH_NOBODY,
			.held = n[root].held };
		if (n[i].o->gone || n[root].held != MATCH_FINE)
			continue;
		if (i == root) {
			out->persons[out->npersons] =
			    (struct match_person){ .lead = n[i].index,
				    .mesh = n[i].revived };
			w->list[i] = out->npersons++;
		} else {
			p->evidence = n[i].evidence;
			p->value = n[i].value;
			if (n[i].with != MATCH_NOBODY)
				p->with = n[n[i].with].index;
		}
		p->person = (int)w->list[root];
		out->persons[p->person].n++;
	}
}

/* Who goes on as the person `mesh`: where its highest-ranked object is. */
static void
inherit(struct match_work *w, int64_t mesh, size_t node)
{
	struct match_output *out = w->out;
	int person = out->places[w->nodes[node].index].person;

	if (out->persons[person].mesh == 0) {
		out->persons[person].mesh = mesh;
		return;
	}
	if (out->persons[person].mesh == mesh)
		return;
	out->aliases =
	    xrealloc(out->aliases, (out->naliases + 1) * sizeof(*out->aliases));
	out->aliases[out->naliases++] = (struct match_alias){ mesh, person };
}

/*
 * Its first living member that is not held, or SIZE_MAX.  One whose place was
 * undone takes the id only when it belongs to nobody else, not even to somebody
 * who left.
 */
static size_t
heir(const struct match_work *w, size_t from, size_t to)
{
	size_t second = SIZE_MAX;
	bool left = false;

	for (size_t i = from; i < to; i++) {
		const struct match_node *n = &w->nodes[w->bymesh[i]];

		left |= n->o->gone;
		if (n->o->gone || w->out->places[n->index].person < 0)
			continue;
		if (n->o->evidence != MATCH_UNDONE)
			return w->bymesh[i];
		if (second == SIZE_MAX)
			second = w->bymesh[i];
	}
	return left ? SIZE_MAX : second;
}

static int
by_number(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

/* In the order of rank, so that the id of the best-ranked one stays. */
static void
give_ids(struct match_work *w)
{
	const struct match_node *n = w->nodes;
	size_t heirs = 0, to;

	for (size_t from = 0; from < w->nmesh; from = to) {
		size_t node;

		for (to = from + 1; to < w->nmesh; to++)
			if (n[w->bymesh[to]].o->mesh !=
			    n[w->bymesh[from]].o->mesh)
				break;
		node = heir(w, from, to);
		if (node != SIZE_MAX)
			w->list[heirs++] = node;
	}
	qsort(w->list, heirs, sizeof(*w->list), by_number);
	for (size_t i = 0; i < heirs; i++)
		inherit(w, n[w->list[i]].o->mesh, w->list[i]);
}

/* Do the two that a link holds still share what it was made by? */
static void
find_stale(struct match_work *w)
{
	for (size_t i = 0; i < w->in->n; i++) {
		const struct match_object *o = w->nodes[i].o;
		struct match_place *p = &w->out->places[w->nodes[i].index];

		if (p->person < 0 || p->evidence < 0)
			continue;
		p->value = p->with == MATCH_NOBODY
			       ? NULL
			       : match_common(
				     o, &w->in->objects[p->with], p->evidence);
		p->stale = p->value == NULL;
	}
}

void
match_persons(struct match_work *w)
{
	const struct match_node *n = w->nodes;

	w->out->places = xcalloc(w->in->n + 1, sizeof(*w->out->places));
	for (size_t i = 0; i < w->in->n; i++)
		if (match_root(w, i) == i && !n[i].o->gone)
			hold_unmatched(w, i);
	find_returns(w);
	make_persons(w);
	give_ids(w);
	find_stale(w);
}
