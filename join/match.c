/*
 * match.c - the join rules over one component: its clusters and their links.
 *
 * merge.c calls match() for everything that changed something.  Clusters are
 * kept as a union-find over the sorted nodes, whose members form a ring and
 * whose links a tree; match_round.c plays the keys.
 */

#include "match_private.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

size_t
match_root(const struct match_work *w, size_t node)
{
	struct match_node *n = w->nodes;

	while (n[node].parent != node) {
		n[node].parent = n[n[node].parent].parent;
		node = n[node].parent;
	}
	return node;
}

/* Turns the links between a node and its lead around, so that it leads. */
static void
hand_back(struct match_node *n, size_t node)
{
	size_t at = node, with = n[node].with;
	struct match_node link = n[node];

	n[node].evidence = MATCH_NONE;
	n[node].value = NULL;
	n[node].with = MATCH_NOBODY;
	while (with != MATCH_NOBODY) {
		struct match_node *next = &n[with];
		struct match_node saved = *next;

		next->evidence = link.evidence;
		next->value = link.value;
		next->with = at;
		at = with;
		with = saved.with;
		link = saved;
	}
}

/*
 * Links make a tree: each node but the lead has one to another of its cluster.
 * The new one goes to the node that bridges from the weaker cluster.
 */
void
match_unite(
    struct match_work *w, size_t a, size_t b, int evidence, const char *value)
{
	struct match_node *n = w->nodes;
	size_t to = match_root(w, a), from = match_root(w, b), bridge = b, next;

	if (to == from)
		return;
	if (from < to) {
		next = from;
		from = to;
		to = next;
		bridge = a;
	}
	hand_back(n, bridge);
	n[bridge].evidence = evidence;
	n[bridge].value = value;
	n[bridge].with = bridge == a ? b : a;
	n[from].parent = to;
	n[to].mask |= n[from].mask;
	n[to].left |= n[from].left;
	next = n[to].next;
	n[to].next = n[from].next;
	n[from].next = next;
}

const char *
match_common(
    const struct match_object *a, const struct match_object *b, int key)
{
	const char *found = NULL;

	for (size_t i = 0; i < a->nvalues; i++) {
		if (a->values[i].key != key)
			continue;
		for (size_t k = 0; k < b->nvalues; k++) {
			if (b->values[k].key == key &&
			    strcmp(a->values[i].text, b->values[k].text) == 0 &&
			    (found == NULL ||
				strcmp(a->values[i].text, found) < 0))
				found = a->values[i].text;
		}
	}
	return found;
}

static bool
has_key(const struct match_object *o, int key)
{
	for (size_t i = 0; i < o->nvalues; i++)
		if (o->values[i].key == key)
			return true;
	return false;
}

/* Both sides say something, and nothing of it is the same. */
static bool
differ(const struct match_work *w, size_t a, size_t b, int key)
{
	const struct match_node *n = w->nodes;
	bool has_a = false, has_b = false;
	size_t i = a, k;

	do {
		k = b;
		has_a |= has_key(n[i].o, key);
		do {
			has_b |= has_key(n[k].o, key);
			if (match_common(n[i].o, n[k].o, key) != NULL)
				return false;
			k = n[k].next;
		} while (k != b);
		i = n[i].next;
	} while (i != a);
	return has_a && has_b;
}

bool
match_agree(
    const struct match_work *w, size_t a, size_t b, int key, int *against)
{
	*against = MATCH_NONE;
	for (int k = 0; k < key; k++) {
		if (!w->rules->propose[k] && differ(w, a, b, k)) {
			*against = k;
			return false;
		}
	}
	return true;
}

bool
match_remembers(const struct match_work *w, size_t root)
{
	size_t at = root;

	do {
		const struct match_object *o = w->nodes[at].o;

		if (o->mesh != 0 && o->evidence != MATCH_UNDONE)
			return true;
		at = w->nodes[at].next;
	} while (at != root);
	return false;
}

/* Did an operator say that two of their members are never the same? */
bool
match_never(const struct match_work *w, size_t a, size_t b)
{
	a = match_root(w, a);
	b = match_root(w, b);
	for (size_t i = 0; i < w->in->ndecisions; i++) {
		const struct match_decision *d = &w->in->decisions[i];
		size_t x, y;

		if (d->verb != MATCH_NEVER)
			continue;
		x = match_root(w, w->place[d->a]);
		y = match_root(w, w->place[d->b]);
		if ((x == a && y == b) || (x == b && y == a))
			return true;
	}
	return false;
}

void
match_conflict(struct match_work *w, const struct match_conflict *c)
{
	struct match_output *out = w->out;

	out->conflicts = xrealloc(
	    out->conflicts, (out->nconflicts + 1) * sizeof(*out->conflicts));
	out->conflicts[out->nconflicts++] = *c;
}

static int
by_rank(const void *a, const void *b)
{
	const struct match_object *x = ((const struct match_node *)a)->o;
	const struct match_object *y = ((const struct match_node *)b)->o;

	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	return strcmp(x->id, y->id);
}

static int
by_value(const void *a, const void *b)
{
	const struct match_entry *x = a, *y = b;
	int order;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	order = strcmp(x->text, y->text);
	if (order != 0)
		return order;
	return x->node < y->node ? -1 : x->node > y->node;
}

static int
by_mesh(const void *a, const void *b, void *nodes)
{
	const struct match_node *n = nodes;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (n[x].o->mesh != n[y].o->mesh)
		return n[x].o->mesh < n[y].o->mesh ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int
by_first(const void *a, const void *b, void *nodes)
{
	const struct match_node *n = nodes;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (n[x].first != n[y].first)
		return n[x].first < n[y].first ? -1 : 1;
	return x < y ? -1 : x > y;
}

static void
sort_persons(struct match_work *w)
{
	struct match_node *n = w->nodes;
	size_t *list = w->bymesh;

	qsort_r(list, w->nmesh, sizeof(*list), by_mesh, n);
	for (size_t i = 0; i < w->nmesh; i++)
		n[list[i]].first =
		    i > 0 && n[list[i]].o->mesh == n[list[i - 1]].o->mesh
			? n[list[i - 1]].first
			: list[i];
	qsort_r(list, w->nmesh, sizeof(*list), by_first, n);
}

/* Only what lives has a say; tombstones are asked in match_person.c. */
static void
lay_out_values(struct match_work *w)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i < w->in->n; i++)
		n += w->in->objects[i].nvalues;
	w->entries = xcalloc(n + 1, sizeof(*w->entries));
	for (size_t i = 0; i < w->in->n; i++) {
		const struct match_object *o = w->nodes[i].o;

		for (size_t k = 0; k < o->nvalues && !o->gone; k++)
			w->entries[at++] =
			    (struct match_entry){ o->values[k].key,
				    o->values[k].text, i };
	}
	w->nentries = at;
	qsort(w->entries, at, sizeof(*w->entries), by_value);
}

/* Of a person whom nobody is left of who was not put there by a decision that
 * was undone. */
static bool
is_left(const struct match_object *o)
{
	return !o->gone && o->evidence != MATCH_UNDONE;
}

static void
find_ghosts(struct match_work *w)
{
	struct match_node *n = w->nodes;
	size_t to;

	for (size_t from = 0; from < w->nmesh; from = to) {
		bool living = is_left(n[w->bymesh[from]].o);

		for (to = from + 1; to < w->nmesh; to++) {
			if (n[w->bymesh[to]].o->mesh !=
			    n[w->bymesh[from]].o->mesh)
				break;
			living |= is_left(n[w->bymesh[to]].o);
		}
		for (size_t i = from; i < to && !living; i++) {
			if (!n[w->bymesh[i]].o->gone)
				continue;
			n[w->bymesh[i]].ghost = true;
			w->nghosts++;
		}
	}
}

static void
lay_out(struct match_work *w)
{
	size_t n = w->in->n;

	w->nodes = xcalloc(n + 1, sizeof(*w->nodes));
	w->place = xcalloc(n + 1, sizeof(*w->place));
	w->bymesh = xcalloc(n + 1, sizeof(*w->bymesh));
	w->list = xcalloc(n + 1, sizeof(*w->list));
	for (size_t i = 0; i < n; i++) {
		w->nodes[i].o = &w->in->objects[i];
		w->nodes[i].index = i;
	}
	qsort(w->nodes, n, sizeof(*w->nodes), by_rank);
	for (size_t i = 0; i < n; i++) {
		struct match_node *node = &w->nodes[i];

		w->place[node->index] = i;
		node->parent = node->next = i;
		node->evidence = MATCH_NONE;
		node->with = MATCH_NOBODY;
		if (!node->o->gone)
			node->mask = (uint64_t)1 << node->o->source;
		if (node->o->mesh != 0)
			w->bymesh[w->nmesh++] = i;
	}
	sort_persons(w);
	find_ghosts(w);
	lay_out_values(w);
}

void
match(const struct match_input *in, struct match_output *out)
{
	struct match_work w = { .in = in, .rules = in->rules, .out = out };

	*out = (struct match_output){ 0 };
	lay_out(&w);
	match_decide(&w);
	for (size_t k = 0; k < in->rules->nkeys; k++)
		match_round(&w, (int)k);
	match_persons(&w);
	free(w.nodes);
	free(w.place);
	free(w.bymesh);
	free(w.list);
	free(w.entries);
}

void
match_free(struct match_output *out)
{
	free(out->places);
	free(out->persons);
	free(out->aliases);
	free(out->conflicts);
	*out = (struct match_output){ 0 };
}

const char *
match_why_word(enum match_why why)
{
	static const char *const words[] = {
		[MATCH_FINE] = "fine",
		[MATCH_AMBIGUOUS] = "ambiguous",
		[MATCH_CONTRADICTED] = "contradicted",
		[MATCH_PROPOSED] = "proposed",
		[MATCH_UNMATCHED] = "unmatched",
		[MATCH_RETURNED] = "returned",
		[MATCH_UNJOINED] = "unjoined",
		[MATCH_IMPOSSIBLE] = "impossible",
	};

	return words[why];
}

/* Its own one nearly always, and a component may be large. */
int
match_kept_by(const struct match_output *out, size_t object, int64_t mesh)
{
	int own = out->places[object].person;

	if (own >= 0 && out->persons[own].mesh == mesh)
		return own;
	for (size_t i = 0; i < out->npersons; i++)
		if (out->persons[i].mesh == mesh)
			return (int)i;
	return -1;
}
