/*
 * merge_reach.c - what a few dirty objects reach.
 *
 * A walk over shared values, links and decisions, until nothing new is found;
 * the work depends on what changed, not on how much there is.
 */

#include "merge_private.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct found {
	int64_t pk, mesh, stream, key, other;
	char *id; /* owned */
	bool gone, linked;
};

struct text {
	uint32_t key, object; /* found number */
	char *text; /* owned */
};

struct reach {
	struct store *s;
	const struct merge_type *t;
	struct found *list; /* owned */
	size_t n, cap;
	uint32_t *hash; /* owned; open addressing by pk, 0 free */
	size_t slots;
	struct text *texts; /* owned */
	size_t ntexts, tcap;
};

static size_t
slot_of(int64_t pk, size_t slots)
{
	return (size_t)((uint64_t)pk * 0x9e3779b97f4a7c15u >> 20) & (slots - 1);
}

static void
grow_hash(struct reach *r)
{
	r->slots = r->slots == 0 ? 4096 : r->slots * 2;
	free(r->hash);
	r->hash = xcalloc(r->slots, sizeof(*r->hash));
	for (size_t i = 0; i < r->n; i++) {
		size_t at = slot_of(r->list[i].pk, r->slots);

		while (r->hash[at] != 0)
			at = (at + 1) & (r->slots - 1);
		r->hash[at] = (uint32_t)i + 1;
	}
}

/* Puts an object on the list once. */
static void
reach(struct reach *r, int64_t pk)
{
	size_t at;

	if ((r->n + 1) * 2 > r->slots)
		grow_hash(r);
	at = slot_of(pk, r->slots);
	while (r->hash[at] != 0) {
		if (r->list[r->hash[at] - 1].pk == pk)
			return;
		at = (at + 1) & (r->slots - 1);
	}
	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 1024 : r->cap * 2;
		r->list = xrealloc(r->list, r->cap * sizeof(*r->list));
	}
	r->list[r->n] = (struct found){ .pk = pk };
	r->hash[at] = (uint32_t)++r->n;
}

/* Every object that a query finds. */
static void
reach_all(struct reach *r, sqlite3_stmt *st)
{
	while (store_row(r->s, st))
		reach(r, sqlite3_column_int64(st, 0));
}

static void
read_object(struct reach *r, size_t i)
{
	sqlite3_stmt *st = store_ask(r->s,
	    "SELECT o.stream, o.id, o.gone IS NOT NULL, l.mesh, l.key,"
	    " l.object IS NOT NULL, l.other FROM object o"
	    " LEFT JOIN link l ON l.object = o.pk WHERE o.pk = ?",
	    "i", r->list[i].pk);
	struct found *f = &r->list[i];

	if (store_row(r->s, st)) {
		f->stream = sqlite3_column_int64(st, 0);
		f->id = xstrdup(store_text(st, 1));
		f->gone = sqlite3_column_int(st, 2) != 0;
		f->mesh = sqlite3_column_int64(st, 3);
		f->key = sqlite3_column_int64(st, 4);
		f->linked = sqlite3_column_int(st, 5) != 0;
		f->other = sqlite3_column_int64(st, 6);
	}
	store_end(st);
}

/* The place of a keydef in the rules, -1 for a lookup or an old one. */
static int
place_of(const struct merge_type *t, int64_t key)
{
	for (size_t k = 0; k < t->policy->nkeys; k++)
		if (t->keys[k] == key)
			return (int)k;
	return -1;
}

static void
add_text(struct reach *r, size_t object, int key, const char *value)
{
	if (r->ntexts == r->tcap) {
		r->tcap = r->tcap == 0 ? 4096 : r->tcap * 2;
		r->texts = xrealloc(r->texts, r->tcap * sizeof(*r->texts));
	}
	r->texts[r->ntexts++] =
	    (struct text){ (uint32_t)key, (uint32_t)object, xstrdup(value) };
}

static void
read_values(struct reach *r, size_t i)
{
	sqlite3_stmt *st =
	    store_ask(r->s, "SELECT key, value FROM matchkey WHERE object = ?",
		"i", r->list[i].pk);
	size_t first = r->ntexts;

	while (store_row(r->s, st)) {
		int place = place_of(r->t, sqlite3_column_int64(st, 0));

		if (place >= 0)
			add_text(r, i, place, store_text(st, 1));
	}
	for (size_t k = first; k < r->ntexts; k++)
		reach_all(r,
		    store_ask(r->s,
			"SELECT object FROM matchkey WHERE key = ?"
			" AND value = ?",
			"it", r->t->keys[r->texts[k].key], r->texts[k].text));
}

static const char *
source_of(const struct merge_type *t, int64_t stream)
{
	size_t rank = merge_rank(t, stream);

	return rank < t->nsources ? t->sources[rank].name : "";
}

/* The other side of each decision about the object. */
static void
read_decided(struct reach *r, size_t i)
{
	struct buf name = { 0 };

	buf_str(&name, source_of(r->t, r->list[i].stream));
	buf_char(&name, '/');
	buf_str(&name, r->list[i].id != NULL ? r->list[i].id : "");
	reach_all(
	    r, store_ask(r->s,
		   "SELECT o.pk FROM decision d JOIN source s"
		   " ON iif(d.a = ?1, d.b, d.a) >= s.name || '/'"
		   " AND iif(d.a = ?1, d.b, d.a) < s.name || '0'"
		   " JOIN type y ON y.pk = d.type AND y.pk = ?2"
		   " JOIN stream t ON t.source = s.pk AND t.name = y.name"
		   " JOIN object o ON o.stream = t.pk AND o.id ="
		   " substr(iif(d.a = ?1, d.b, d.a), length(s.name) + 2)"
		   " WHERE d.undone_at IS NULL AND (d.a = ?1 OR d.b = ?1)",
		   "ti", name.data, r->t->pk));
	buf_free(&name);
}

static bool
any_decision(struct store *s)
{
	sqlite3_stmt *st = store_ask(
	    s, "SELECT 1 FROM decision WHERE undone_at IS NULL LIMIT 1", "");
	bool any = store_row(s, st) != 0;

	store_end(st);
	return any;
}

static void
walk(struct reach *r)
{
	bool decided = any_decision(r->s);

	reach_all(r, store_ask(r->s, "SELECT object FROM dirty WHERE type = ?",
			 "i", r->t->pk));
	for (size_t i = 0; i < r->n; i++) {
		read_object(r, i);
		read_values(r, i);
		if (r->list[i].mesh != 0)
			reach_all(
			    r, store_ask(r->s,
				   "SELECT object FROM link WHERE mesh = ?",
				   "i", r->list[i].mesh));
		if (decided)
			read_decided(r, i);
	}
}

static int
by_pk(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->pk > y->pk) - (x->pk < y->pk);
}

static int
by_text(const void *a, const void *b)
{
	const struct text *x = a, *y = b;
	int order;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	order = strcmp(x->text, y->text);
	return order != 0 ? order
			  : (x->object > y->object) - (x->object < y->object);
}

struct named {
	uint8_t rank;
	const char *id;
	uint32_t object;
};

static int
by_id(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->id, y->id);
}

static void
number_ids(const struct reach *r, struct merge_world *w)
{
	struct named *list = xcalloc(w->n + 1, sizeof(*list));

	for (size_t i = 0; i < w->n; i++)
		list[i] = (struct named){ w->rank[i],
			r->list[i].id != NULL ? r->list[i].id : "",
			(uint32_t)i };
	qsort(list, w->n, sizeof(*list), by_id);
	for (size_t i = 0; i < w->n; i++)
		w->id[list[i].object] = (uint32_t)i + 1;
	free(list);
}

static uint32_t
top(struct merge_world *w, uint32_t i)
{
	while (w->root[i] != i)
		i = w->root[i];
	return i;
}

/* Numbers for the texts, and one component for those that share one. */
static void
number_texts(struct reach *r, struct merge_world *w)
{
	struct merge_triple *list = xcalloc(r->ntexts + 1, sizeof(*list));
	uint32_t number = 0;

	if (r->ntexts > 0)
		qsort(r->texts, r->ntexts, sizeof(*r->texts), by_text);
	for (size_t i = 0; i < r->ntexts; i++) {
		const struct text *x = &r->texts[i];
		bool same = i > 0 && x->key == x[-1].key &&
			    strcmp(x->text, x[-1].text) == 0;

		number += !same;
		list[i] = (struct merge_triple){ x->object, x->key, number };
		if (same) {
			uint32_t a = top(w, x[-1].object),
				 b = top(w, x->object);

			w->root[a > b ? a : b] = a > b ? b : a;
		}
	}
	merge_values_set(w, list, r->ntexts);
	free(list);
}

static void
fill(struct reach *r, struct merge_world *w)
{
	w->n = r->n;
	w->pk = xcalloc(w->n + 1, sizeof(*w->pk));
	w->mesh = xcalloc(w->n + 1, sizeof(*w->mesh));
	w->id = xcalloc(w->n + 1, sizeof(*w->id));
	w->root = xcalloc(w->n + 1, sizeof(*w->root));
	w->evidence = xcalloc(w->n + 1, sizeof(*w->evidence));
	w->with = xcalloc(w->n + 1, sizeof(*w->with));
	w->rank = xcalloc(w->n + 1, 1);
	w->flags = xcalloc(w->n + 1, 1);
	for (size_t i = 0; i < w->n; i++)
		w->pk[i] = r->list[i].pk;
	for (size_t i = 0; i < w->n; i++) {
		const struct found *f = &r->list[i];

		w->with[i] = merge_find(w, f->other);
		w->root[i] = (uint32_t)i;
		w->mesh[i] = f->mesh;
		w->evidence[i] = merge_evidence(r->t, f->key);
		w->rank[i] = (uint8_t)merge_rank(r->t, f->stream);
		w->flags[i] = (uint8_t)((f->gone ? MERGE_IS_GONE : 0) |
					(f->linked ? MERGE_IS_LINKED : 0));
	}
}

/* The objects in the order of their keys; texts follow them. */
static void
sort_objects(struct reach *r)
{
	struct merge_world w = { .n = r->n };
	int64_t *before = xcalloc(r->n + 1, sizeof(*before));

	for (size_t i = 0; i < r->n; i++)
		before[i] = r->list[i].pk;
	if (r->n > 0)
		qsort(r->list, r->n, sizeof(*r->list), by_pk);
	w.pk = xcalloc(r->n + 1, sizeof(*w.pk));
	for (size_t i = 0; i < r->n; i++)
		w.pk[i] = r->list[i].pk;
	for (size_t i = 0; i < r->ntexts; i++)
		r->texts[i].object = merge_find(&w, before[r->texts[i].object]);
	free(w.pk);
	free(before);
}

void
merge_reach(struct store *s, const struct merge_type *t, struct merge_world *w)
{
	struct reach r = { .s = s, .t = t };

	walk(&r);
	sort_objects(&r);
	fill(&r, w);
	number_ids(&r, w);
	number_texts(&r, w);
	for (size_t i = 0; i < r.n; i++)
		free(r.list[i].id);
	for (size_t i = 0; i < r.ntexts; i++)
		free(r.texts[i].text);
	free(r.list);
	free(r.texts);
	free(r.hash);
}
