/*
 * match_round.c - one key of the join rules over one component.
 *
 * match.c calls it for each key in the order of the rules.  A round looks at
 * the values of its key, group by group, and judges what they connect.
 */

#include "match_private.h"

#include <stdlib.h>
#include <string.h>

#define NEVER_MAX 64 /* larger groups are ambiguous whatever was decided */

/* The clusters that one component of a round connects. */
struct group {
	const size_t *roots; /* sorted */
	size_t n;
	uint64_t mask;
	bool crowded; /* two clusters have an object of the same source */
	int against;
};

static void
weigh(const struct match_work *w, struct group *g)
{
	g->mask = 0;
	g->crowded = false;
	for (size_t i = 0; i < g->n; i++) {
		g->crowded |= (g->mask & w->nodes[g->roots[i]].mask) != 0;
		g->mask |= w->nodes[g->roots[i]].mask;
	}
}

/* Could it be one person with another cluster, but for a decision? */
static bool
kept_apart(const struct match_work *w, const struct group *g, size_t i)
{
	bool apart = false;

	for (size_t k = 0; k < g->n; k++) {
		size_t other = g->roots[k];

		if (k == i)
			continue;
		if (match_never(w, g->roots[i], other))
			apart = true;
		else if ((w->nodes[g->roots[i]].mask & w->nodes[other].mask) ==
			 0)
			return false;
	}
	return apart;
}

/* Who is never one of those that it could be has no part in the group. */
static void
drop_never(const struct match_work *w, size_t *roots, struct group *g)
{
	for (size_t i = 0; i < g->n && g->n <= NEVER_MAX; i++) {
		if (!kept_apart(w, g, i))
			continue;
		memmove(
		    roots + i, roots + i + 1, (g->n - i - 1) * sizeof(*roots));
		g->n--;
		i = (size_t)-1;
	}
}

/* The smallest text that a member shares with another cluster. */
static const char *
shared_value(const struct match_work *w, size_t root)
{
	const struct match_node *n = w->nodes;
	const char *value = NULL;
	size_t at = root;

	do {
		if (n[at].shared != NULL &&
		    (value == NULL || strcmp(n[at].shared, value) < 0))
			value = n[at].shared;
		at = n[at].next;
	} while (at != root);
	return value;
}

/* Each of the weaker ones against the first that it could be joined with. */
static void
tell(struct match_work *w, const struct group *g, int key, enum match_why why)
{
	const struct match_node *n = w->nodes;

	for (size_t i = 1; i < g->n; i++) {
		size_t b = g->roots[i], a = g->roots[0];
		struct match_conflict c = { .why = why,
			.key = key,
			.value = shared_value(w, b),
			.against = g->against };

		for (size_t k = 0; k < i; k++) {
			if ((n[g->roots[k]].mask & n[b].mask) != 0)
				continue;
			a = g->roots[k];
			break;
		}
		c.a = n[a].index;
		c.b = n[b].index;
		match_conflict(w, &c);
	}
}

/* Nobody is joined by a guess, no person gets lost and none is made twice. */
static void
set_aside(
    struct match_work *w, const struct group *g, int key, enum match_why why)
{
	uint64_t top = g->mask & (~g->mask + 1);

	for (size_t i = 0; i < g->n; i++) {
		struct match_node *n = &w->nodes[g->roots[i]];

		n->left = true;
		if ((n->mask & top) == 0 &&
		    (w->rules->strict || !match_remembers(w, g->roots[i])))
			n->held = why;
	}
	tell(w, g, key, why);
}

/* Of three, two may never be one: whose is the third? */
static bool
torn(const struct match_work *w, const struct group *g)
{
	if (g->crowded)
		return true;
	for (size_t i = 0; i < g->n; i++)
		for (size_t k = i + 1; k < g->n; k++)
			if (match_never(w, g->roots[i], g->roots[k]))
				return true;
	return false;
}

static bool
contradicts(const struct match_work *w, struct group *g, int key)
{
	for (size_t i = 0; i < g->n; i++)
		for (size_t k = i + 1; k < g->n; k++)
			if (!match_agree(
				w, g->roots[i], g->roots[k], key, &g->against))
				return true;
	return false;
}

/* Two clusters and what links them. */
struct bridge {
	size_t a, b;
	const char *value; /* NULL: nothing */
};

static void
find_bridge(const struct match_work *w, size_t to, size_t from, int key,
    struct bridge *found)
{
	const struct match_node *n = w->nodes;
	size_t i = to, k;

	found->value = NULL;
	do {
		k = from;
		do {
			const char *value = match_common(n[i].o, n[k].o, key);

			if (value != NULL &&
			    (found->value == NULL ||
				strcmp(value, found->value) < 0))
				*found = (struct bridge){ i, k, value };
			k = n[k].next;
		} while (k != from);
		i = n[i].next;
	} while (i != to);
}

/* One by one, each by a value that it shares with those before it. */
static void
unite_all(struct match_work *w, const size_t *roots, size_t n, int key)
{
	for (size_t joined = 1; joined < n; joined++) {
		struct bridge found = { 0 };

		for (size_t i = 1; i < n && found.value == NULL; i++)
			if (match_root(w, roots[i]) != roots[0])
				find_bridge(w, roots[0], roots[i], key, &found);
		if (found.value != NULL)
			match_unite(w, found.a, found.b, key, found.value);
	}
}

static void
judge(struct match_work *w, size_t *roots, size_t n, int key)
{
	struct group g = { .roots = roots, .n = n, .against = MATCH_NONE };

	if (w->in->ndecisions > 0)
		drop_never(w, roots, &g);
	weigh(w, &g);
	if (g.n < 2 || (g.mask & (g.mask - 1)) == 0)
		return;
	if (w->rules->propose[key]) {
		tell(w, &g, key, MATCH_PROPOSED);
	} else if (torn(w, &g)) {
		set_aside(w, &g, key, MATCH_AMBIGUOUS);
	} else if (contradicts(w, &g, key)) {
		set_aside(w, &g, key, MATCH_CONTRADICTED);
	} else {
		unite_all(w, roots, g.n, key);
	}
}

static size_t
comp_root(struct match_node *n, size_t at)
{
	while (n[at].comp != at) {
		n[at].comp = n[n[at].comp].comp;
		at = n[at].comp;
	}
	return at;
}

/* The clusters that share one value become one component. */
static void
connect(struct match_work *w, size_t from, size_t to)
{
	struct match_node *n = w->nodes;
	size_t first = SIZE_MAX, root, other;

	for (size_t i = from; i < to; i++) {
		const struct match_entry *e = &w->entries[i];

		root = match_root(w, e->node);
		if (!n[e->node].takes || n[root].left)
			continue;
		if (first == SIZE_MAX)
			first = i;
		other = match_root(w, w->entries[first].node);
		if (root == other)
			continue;
		if (n[e->node].shared == NULL)
			n[e->node].shared = e->text;
		if (n[w->entries[first].node].shared == NULL)
			n[w->entries[first].node].shared = e->text;
		root = comp_root(n, root);
		other = comp_root(n, other);
		n[root > other ? root : other].comp =
		    root > other ? other : root;
	}
}

static void
connect_all(struct match_work *w, int key)
{
	size_t from = 0, to;

	while (from < w->nentries && w->entries[from].key < key)
		from++;
	for (; from < w->nentries && w->entries[from].key == key; from = to) {
		for (to = from + 1; to < w->nentries; to++)
			if (w->entries[to].key != key ||
			    strcmp(w->entries[to].text,
				w->entries[from].text) != 0)
				break;
		connect(w, from, to);
	}
}

static int
by_component(const void *a, const void *b, void *nodes)
{
	const struct match_node *n = nodes;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (n[x].comp != n[y].comp)
		return n[x].comp < n[y].comp ? -1 : 1;
	return x < y ? -1 : x > y;
}

void
match_round(struct match_work *w, int key)
{
	struct match_node *n = w->nodes;
	uint64_t all = w->rules->nsources >= MATCH_SOURCES_MAX
			   ? UINT64_MAX
			   : ((uint64_t)1 << w->rules->nsources) - 1;
	size_t many = 0, to;

	for (size_t i = 0; i < w->in->n; i++) {
		const struct match_node *root = &n[match_root(w, i)];

		n[i].takes = !n[i].o->gone && !root->left && root->mask != all;
		n[i].shared = NULL;
		n[i].comp = i;
	}
	if (!w->rules->strict && !w->rules->propose[key])
		match_relink(w, key);
	connect_all(w, key);
	for (size_t i = 0; i < w->in->n; i++) {
		if (match_root(w, i) != i || n[i].o->gone)
			continue;
		n[i].comp = comp_root(n, i);
		w->list[many++] = i;
	}
	qsort_r(w->list, many, sizeof(*w->list), by_component, n);
	for (size_t from = 0; from < many; from = to) {
		for (to = from + 1; to < many; to++)
			if (n[w->list[to]].comp != n[w->list[from]].comp)
				break;
		if (to - from > 1)
			judge(w, w->list + from, to - from, key);
	}
}
