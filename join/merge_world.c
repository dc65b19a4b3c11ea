/*
 * merge_world.c - the objects that a merge looks at, as arrays.
 *
 * Where much is dirty everything is streamed in the order of keys and values;
 * where little is, merge_reach.c walks from the dirty objects.  Either way no
 * text stays: equal values get equal numbers, in the order of the text, and
 * some fifty bytes an object are all that is kept.
 */

#include "merge_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define FULL_SHARE 8 /* one of so many is dirty: all are read */

static int
by_rank(const void *a, const void *b)
{
	const struct merge_source *x = a, *y = b;

	if (x->entry != y->entry)
		return x->entry < y->entry ? -1 : 1;
	return strcmp(x->name, y->name);
}

void
merge_type_load(struct store *s, const struct policy *p, const char *name,
    struct merge_type *t)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT t.pk, s.name FROM stream t JOIN source s ON s.pk = t.source"
	    " WHERE t.name = ?",
	    "t", name);

	t->nsources = 0;
	while (store_row(s, st) && t->nsources < MERGE_SOURCES_MAX) {
		struct merge_source *x = &t->sources[t->nsources++];

		x->stream = sqlite3_column_int64(st, 0);
		snprintf(x->name, sizeof(x->name), "%s", store_text(st, 1));
		x->entry = policy_entry(p, x->name);
	}
	store_end(st);
	qsort(t->sources, t->nsources, sizeof(t->sources[0]), by_rank);
}

size_t
merge_rank(const struct merge_type *t, int64_t stream)
{
	size_t i = 0;

	while (i < t->nsources && t->sources[i].stream != stream)
		i++;
	return i;
}

uint32_t
merge_find(const struct merge_world *w, int64_t pk)
{
	size_t low = 0, high = w->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (w->pk[mid] < pk)
			low = mid + 1;
		else
			high = mid;
	}
	return low < w->n && w->pk[low] == pk ? (uint32_t)low : (uint32_t)w->n;
}

static uint32_t
root_of(struct merge_world *w, uint32_t i)
{
	while (w->root[i] != i) {
		w->root[i] = w->root[w->root[i]];
		i = w->root[i];
	}
	return i;
}

static void
unite(struct merge_world *w, uint32_t a, uint32_t b)
{
	a = root_of(w, a);
	b = root_of(w, b);
	if (a < b)
		w->root[b] = a;
	else
		w->root[a] = b;
}

/* All objects of the type, in the order of their keys. */
static void
read_objects(struct store *s, const struct merge_type *t, struct merge_world *w)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT pk, stream, gone IS NOT NULL FROM object ORDER BY pk", "");
	size_t cap = 0;

	while (store_row(s, st)) {
		size_t rank = merge_rank(t, sqlite3_column_int64(st, 1));

		if (rank == t->nsources)
			continue;
		if (w->n == cap) {
			cap = cap == 0 ? 4096 : cap * 2;
			w->pk = xrealloc(w->pk, cap * sizeof(*w->pk));
			w->rank = xrealloc(w->rank, cap);
			w->flags = xrealloc(w->flags, cap);
		}
		w->pk[w->n] = sqlite3_column_int64(st, 0);
		w->rank[w->n] = (uint8_t)rank;
		w->flags[w->n++] =
		    sqlite3_column_int(st, 2) != 0 ? MERGE_IS_GONE : 0;
	}
	w->mesh = xcalloc(w->n + 1, sizeof(*w->mesh));
	w->id = xcalloc(w->n + 1, sizeof(*w->id));
	w->root = xcalloc(w->n + 1, sizeof(*w->root));
	w->evidence = xcalloc(w->n + 1, sizeof(*w->evidence));
	w->with = xmalloc((w->n + 1) * sizeof(*w->with));
	for (size_t i = 0; i < w->n; i++)
		w->with[i] = (uint32_t)w->n;
}

int16_t
merge_evidence(const struct merge_type *t, int64_t key)
{
	if (key < 0)
		return (int16_t)key;
	for (size_t k = 0; k < t->policy->nkeys; k++)
		if (t->keys[k] == key)
			return (int16_t)k;
	/* Of a key that the rules have no more: as good as the weakest. */
	return (int16_t)((int)t->policy->nkeys - 1);
}

static void
read_links(struct store *s, const struct merge_type *t, struct merge_world *w)
{
	sqlite3_stmt *st = store_ask(
	    s, "SELECT object, mesh, key, other FROM link ORDER BY object", "");
	size_t at = 0;

	while (store_row(s, st)) {
		int64_t pk = sqlite3_column_int64(st, 0);

		while (at < w->n && w->pk[at] < pk)
			at++;
		if (at == w->n || w->pk[at] != pk)
			continue;
		w->mesh[at] = sqlite3_column_int64(st, 1);
		w->evidence[at] =
		    merge_evidence(t, sqlite3_column_int64(st, 2));
		w->flags[at] |= MERGE_IS_LINKED;
		if (sqlite3_column_int64(st, 3) != 0)
			w->with[at] =
			    merge_find(w, sqlite3_column_int64(st, 3));
	}
}

/* Places by key, so that nothing is searched two million times. */
static uint32_t *
make_map(const struct merge_world *w)
{
	size_t last = w->n > 0 ? (size_t)w->pk[w->n - 1] : 0;
	uint32_t *map = xmalloc((last + 1) * sizeof(*map));

	memset(map, 0xff, (last + 1) * sizeof(*map));
	for (size_t i = 0; i < w->n; i++)
		map[w->pk[i]] = (uint32_t)i;
	return map;
}

static uint32_t
mapped(const struct merge_world *w, const uint32_t *map, int64_t pk)
{
	if (w->n == 0 || pk < 0 || pk > w->pk[w->n - 1])
		return UINT32_MAX;
	return map[pk];
}

static void
read_ids(struct store *s, const struct merge_type *t, struct merge_world *w,
    const uint32_t *map)
{
	for (size_t i = 0; i < t->nsources; i++) {
		sqlite3_stmt *st = store_ask(s,
		    "SELECT pk FROM object WHERE stream = ? ORDER BY id", "i",
		    t->sources[i].stream);
		uint32_t n = 0;

		while (store_row(s, st)) {
			uint32_t at =
			    mapped(w, map, sqlite3_column_int64(st, 0));

			if (at != UINT32_MAX)
				w->id[at] = ++n;
		}
	}
}

struct triples {
	struct merge_triple *list; /* owned */
	size_t n, cap;
};

static void
add_triple(struct triples *l, uint32_t object, uint32_t key, uint32_t text)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 65536 : l->cap * 2;
		l->list = xrealloc(l->list, l->cap * sizeof(*l->list));
	}
	l->list[l->n++] = (struct merge_triple){ object, key, text };
}

/* The values of one key in their order; equal ones unite their objects. */
static void
read_key(struct store *s, const struct merge_type *t, struct merge_world *w,
    const uint32_t *map, size_t key, struct triples *l)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT value, object FROM matchkey WHERE key = ? ORDER BY value",
	    "i", t->keys[key]);
	struct buf last = { 0 };
	uint32_t text = 0, before = UINT32_MAX;

	while (store_row(s, st)) {
		size_t len = (size_t)sqlite3_column_bytes(st, 0);
		const char *value = store_text(st, 0);
		uint32_t at = mapped(w, map, sqlite3_column_int64(st, 1));

		if (at == UINT32_MAX)
			continue;
		if (text == 0 || len != last.len ||
		    memcmp(value, last.data, len) != 0) {
			buf_clear(&last);
			buf_add(&last, value, len);
			text++;
			before = UINT32_MAX;
		}
		add_triple(l, at, (uint32_t)key, text);
		if (before != UINT32_MAX)
			unite(w, before, at);
		before = at;
	}
	buf_free(&last);
}

void
merge_values_set(
    struct merge_world *w, const struct merge_triple *list, size_t n)
{
	uint32_t *at;

	w->first = xcalloc(w->n + 2, sizeof(*w->first));
	w->values = xcalloc(n + 1, sizeof(*w->values));
	for (size_t i = 0; i < n; i++)
		w->first[list[i].object + 2]++;
	for (size_t i = 2; i < w->n + 2; i++)
		w->first[i] += w->first[i - 1];
	at = w->first + 1;
	for (size_t i = 0; i < n; i++)
		w->values[at[list[i].object]++] =
		    (struct merge_value){ list[i].key, list[i].text };
}

static void
read_all(struct store *s, const struct merge_type *t, struct merge_world *w)
{
	struct triples l = { 0 };
	uint32_t *map;

	read_objects(s, t, w);
	read_links(s, t, w);
	for (size_t i = 0; i < w->n; i++)
		w->root[i] = (uint32_t)i;
	map = make_map(w);
	read_ids(s, t, w, map);
	for (size_t k = 0; k < t->policy->nkeys; k++)
		read_key(s, t, w, map, k, &l);
	free(map);
	merge_values_set(w, l.list, l.n);
	free(l.list);
}

static void
read_dirty(struct store *s, const struct merge_type *t, struct merge_world *w)
{
	sqlite3_stmt *st = store_ask(
	    s, "SELECT object, changed FROM dirty WHERE type = ?", "i", t->pk);

	while (store_row(s, st)) {
		uint32_t at = merge_find(w, sqlite3_column_int64(st, 0));
		int changed;

		if (at == w->n)
			continue;
		w->flags[at] |= MERGE_IS_DIRTY;
		changed = sqlite3_column_int(st, 1);
		if ((changed & MERGE_DIRTY_CHANGED) != 0)
			w->flags[at] |= MERGE_IS_CHANGED;
		if ((changed & MERGE_DIRTY_LET_GO) != 0)
			w->flags[at] |= MERGE_IS_LET_GO;
		if ((changed & MERGE_DIRTY_DISABLED) != 0)
			w->flags[at] |= MERGE_IS_DISABLED;
	}
}

struct linked {
	int64_t mesh;
	uint32_t object;
};

static int
by_mesh(const void *a, const void *b)
{
	const struct linked *x = a, *y = b;

	if (x->mesh != y->mesh)
		return x->mesh < y->mesh ? -1 : 1;
	return (x->object > y->object) - (x->object < y->object);
}

/* Objects of one person belong together whatever their values are. */
static void
unite_persons(struct merge_world *w)
{
	struct linked *list = xmalloc((w->n + 1) * sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++)
		if (w->mesh[i] != 0)
			list[n++] = (struct linked){ w->mesh[i], (uint32_t)i };
	qsort(list, n, sizeof(*list), by_mesh);
	for (size_t i = 1; i < n; i++)
		if (list[i].mesh == list[i - 1].mesh)
			unite(w, list[i - 1].object, list[i].object);
	free(list);
}

/* Where "okta:contoso/00u1" is in the world, n when it is not. */
static uint32_t
named(struct store *s, const struct merge_type *t, const struct merge_world *w,
    const char *name)
{
	for (size_t i = 0; name != NULL && i < t->nsources; i++) {
		size_t len = strlen(t->sources[i].name);
		sqlite3_stmt *st;
		uint32_t at = (uint32_t)w->n;

		if (strncmp(name, t->sources[i].name, len) != 0 ||
		    name[len] != '/')
			continue;
		st = store_ask(s,
		    "SELECT pk FROM object WHERE stream = ? AND id = ?", "it",
		    t->sources[i].stream, name + len + 1);
		if (store_row(s, st))
			at = merge_find(w, sqlite3_column_int64(st, 0));
		store_end(st);
		return at;
	}
	return (uint32_t)w->n;
}

static enum match_verb
verb_of(const char *word)
{
	if (strcmp(word, "join") == 0)
		return MATCH_JOIN;
	return strcmp(word, "never") == 0 ? MATCH_NEVER : MATCH_ALONE;
}

static void
read_decisions(
    struct store *s, const struct merge_type *t, struct merge_world *w)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT verb, a, b FROM decision WHERE type = ?"
	    " AND undone_at IS NULL ORDER BY pk",
	    "i", t->pk);

	while (store_row(s, st)) {
		enum match_verb verb = verb_of(store_text(st, 0));
		uint32_t a = named(s, t, w, store_text(st, 1));
		uint32_t b = named(s, t, w, store_text(st, 2));

		if (a == w->n || (verb != MATCH_ALONE && b == w->n))
			continue;
		if (verb == MATCH_ALONE)
			b = a;
		w->decisions = xrealloc(
		    w->decisions, (w->ndecisions + 1) * sizeof(*w->decisions));
		w->decisions[w->ndecisions++] =
		    (struct match_decision){ verb, a, b };
		w->flags[a] |= MERGE_IS_DECIDED;
		unite(w, a, b);
	}
}

/* Components with a dirty object, each a piece of `order`. */
static void
lay_out(struct merge_world *w)
{
	uint32_t *size = xcalloc(w->n + 1, sizeof(*size));
	uint32_t *at = xcalloc(w->n + 1, sizeof(*at));
	uint32_t used = 0;

	for (size_t i = 0; i < w->n; i++) {
		uint32_t root = root_of(w, (uint32_t)i);

		w->root[i] = root;
		size[root]++;
		if ((w->flags[i] & MERGE_IS_DIRTY) != 0)
			at[root] = 1;
	}
	w->order = xcalloc(w->n + 1, sizeof(*w->order));
	w->start = xcalloc(w->n + 2, sizeof(*w->start));
	for (size_t i = 0; i < w->n; i++) {
		if (w->root[i] != i || at[i] == 0)
			continue;
		w->start[w->ncomponents++] = used;
		at[i] = used + 1;
		used += size[i];
	}
	w->start[w->ncomponents] = used;
	for (size_t i = 0; i < w->n; i++)
		if (at[w->root[i]] != 0)
			w->order[at[w->root[i]]++ - 1] = (uint32_t)i;
	free(size);
	free(at);
}

static bool
is_much(struct store *s, const struct merge_type *t)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT (SELECT count(*) FROM dirty WHERE type = ?1),"
	    " (SELECT sum(t.alive) FROM stream t JOIN type y"
	    " ON y.name = t.name WHERE y.pk = ?1)",
	    "i", t->pk);
	bool much =
	    store_row(s, st) && sqlite3_column_int64(st, 0) * FULL_SHARE >
				    sqlite3_column_int64(st, 1);

	store_end(st);
	return much;
}

void
merge_world_load(
    struct store *s, const struct merge_type *t, struct merge_world *w)
{
	*w = (struct merge_world){ 0 };
	if (is_much(s, t)) {
		read_all(s, t, w);
	} else {
		merge_reach(s, t, w);
	}
	read_dirty(s, t, w);
	unite_persons(w);
	read_decisions(s, t, w);
	lay_out(w);
}

void
merge_world_free(struct merge_world *w)
{
	free(w->pk);
	free(w->mesh);
	free(w->id);
	free(w->root);
	free(w->evidence);
	free(w->with);
	free(w->rank);
	free(w->flags);
	free(w->first);
	free(w->values);
	free(w->order);
	free(w->start);
	free(w->decisions);
	*w = (struct merge_world){ 0 };
}
