/*
 * plan_path.c - every path of a plan, looked up in one walk of the record.
 *
 * The plan adds its paths at load; transform's inner loop calls
 * paths_resolve() once a record.  Owns the learned keys; values are borrowed
 * from the record.
 */

#include "plan_path.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json_copy.h"
#include "mem.h"

#ifndef LEARN_MAX
#define LEARN_MAX 256 /* keys whose order is remembered, an object */
#endif
#define KEY_MAX 256 /* longer ones are not remembered */
#define BUCKETS 1024 /* a power of two, well above LEARN_MAX */
#define AHEAD 3 /* keys that may be missing in a row */

#define OF_CONTEXT -2
#define SOFT_MAX 128 /* slots that functions may add, a map */

struct key {
	uint64_t head, mask; /* the first 8 bytes, and which of them count */
	char *text; /* owned */
	size_t len;
	int slot; /* -1: no rule asks for it */
	int soft; /* only functions ask: may stand twice */
	int place; /* in the order, -1: not met yet */
	struct key *next; /* of the bucket */
};

/* An object of the record that some path goes through. */
struct object {
	int parent; /* slot of its value, PATHS_RECORD or OF_CONTEXT */
	struct key **order; /* borrowed keys, as last met */
	int n;
	struct key *buckets[BUCKETS]; /* owned keys */
};

struct slot {
	char *path; /* owned */
	const char *name; /* the path's last part */
	size_t name_len;
	int parent;
	int context; /* looked up once a page */
	struct object *object; /* owned; NULL for a leaf */
};

struct paths {
	struct slot *slots; /* owned */
	int n, cap; /* cap is SOFT_MAX above what the plan itself has */
	int soft;
	int *parents; /* owned; slots that have an object, ascending */
	int nparents;
	struct object *record, *context; /* owned */
	yyjson_val **values, **base; /* owned; base holds the context's */
	yyjson_val *present; /* borrowed: the last record */
};

static struct object *
object_new(int parent)
{
	struct object *o = xcalloc(1, sizeof(*o));

	o->parent = parent;
	o->order = xcalloc(LEARN_MAX, sizeof(struct key *));
	return o;
}

static void
object_free(struct object *o)
{
	if (o == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (o->buckets[i] != NULL) {
			struct key *k = o->buckets[i];

			o->buckets[i] = k->next;
			free(k->text);
			free(k);
		}
	}
	free(o->order);
	free(o);
}

struct paths *
paths_new(void)
{
	struct paths *p = xcalloc(1, sizeof(*p));

	p->record = object_new(PATHS_RECORD);
	p->context = object_new(OF_CONTEXT);
	return p;
}

void
paths_free(struct paths *p)
{
	if (p == NULL)
		return;
	for (int i = 0; i < p->n; i++) {
		free(p->slots[i].path);
		object_free(p->slots[i].object);
	}
	object_free(p->record);
	object_free(p->context);
	free(p->slots);
	free(p->parents);
	free(p->values);
	free(p->base);
	free(p);
}

static size_t
bucket_of(const char *text, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 16777619u;
	return (h ^ h >> 16) & (BUCKETS - 1);
}

static struct key *
look_up(const struct object *o, const char *text, size_t len)
{
	struct key *k = o->buckets[bucket_of(text, len)];

	while (k != NULL && (k->len != len || memcmp(k->text, text, len) != 0))
		k = k->next;
	return k;
}

static struct key *
add_key(struct object *o, const char *text, size_t len)
{
	struct key **bucket = &o->buckets[bucket_of(text, len)];
	struct key *k = xcalloc(1, sizeof(*k));

	k->text = xstrndup(text, len);
	k->len = len;
	memcpy(&k->head, text, len < 8 ? len : 8);
	memset(&k->mask, 0xff, len < 8 ? len : 8);
	k->slot = -1;
	k->place = -1;
	k->next = *bucket;
	*bucket = k;
	return k;
}

/* A key met for the first time goes where it was met. */
static void
learn(struct object *o, struct key *k, int at)
{
	for (int i = o->n; i > at; i--) {
		o->order[i] = o->order[i - 1];
		o->order[i]->place = i;
	}
	o->order[at] = k;
	k->place = at;
	o->n++;
}

/* The key by its hash; `at` is where it would stand in the order. */
static struct key *
unexpected(struct object *o, const char *text, size_t len, int at)
{
	struct key *k = look_up(o, text, len);

	if (o->n == LEARN_MAX || len > KEY_MAX)
		return k;
	if (k == NULL)
		k = add_key(o, text, len);
	if (k->place < 0)
		learn(o, k, at);
	return k;
}

/*
 * A key of a parsed document has 8 readable bytes: behind it come at least a
 * quote, a colon, a value and a brace, and then yyjson's padding of 4.
 */
static int
is_key(const struct key *k, const char *text, size_t len)
{
	uint64_t head;

	if (k->len != len)
		return 0;
	memcpy(&head, text, 8);
	if (((head ^ k->head) & k->mask) != 0)
		return 0;
	return len <= 8 || json_same(k->text + 8, text + 8, len - 8);
}

static int
twice(struct why *why, const struct key *k)
{
	return why_set(why, "E_DUPLICATE", NULL,
	    "the record has the key \"%.100s\" twice in one object", k->text);
}

/* The place in the order of the next known key, or -1. */
static inline int
expected(const struct object *o, const char *text, size_t len, int at)
{
	int end = at + AHEAD < o->n ? at + AHEAD : o->n;

	for (; at < end; at++) {
		if (is_key(o->order[at], text, len))
			return at;
	}
	return -1;
}

static int
walk(struct object *o, yyjson_val *v, yyjson_val **values, struct why *why)
{
	yyjson_val *key = unsafe_yyjson_get_first(v);
	int at = 0;

	for (size_t left = unsafe_yyjson_get_len(v); left > 0; left--) {
		size_t len = unsafe_yyjson_get_len(key);
		int found = expected(o, key->uni.str, len, at);
		struct key *k;

		if (found >= 0) {
			k = o->order[found];
			at = found + 1;
		} else {
			k = unexpected(o, key->uni.str, len, at);
			if (k != NULL && k->place >= 0)
				at = k->place + 1;
		}
		if (k != NULL && k->slot >= 0) {
			if (values[k->slot] == NULL)
				values[k->slot] = key + 1;
			else if (!k->soft)
				return twice(why, k);
		}
		key = unsafe_yyjson_get_next(key + 1);
	}
	return 0;
}

int
paths_find(const struct paths *p, const char *path)
{
	for (int i = 0; i < p->n; i++) {
		if (strcmp(p->slots[i].path, path) == 0)
			return i;
	}
	return -1;
}

/* Room for SOFT_MAX more: adding those moves no value. */
static void
grow(struct paths *p)
{
	size_t cap = (size_t)p->n + 1 + SOFT_MAX;

	if (p->n + SOFT_MAX < p->cap)
		return;
	p->slots = xrealloc(p->slots, cap * sizeof(*p->slots));
	p->values = xrealloc(p->values, cap * sizeof(*p->values));
	p->base = xrealloc(p->base, cap * sizeof(*p->base));
	p->cap = (int)cap;
}

static struct object *
object_of(struct paths *p, int parent)
{
	if (parent == PATHS_RECORD)
		return p->record;
	if (parent == OF_CONTEXT)
		return p->context;
	return p->slots[parent].object;
}

/* A new slot; takes the path, whose last part begins at `name`. */
static int
new_slot(struct paths *p, int parent, char *path, size_t name, int soft)
{
	struct object *o = object_of(p, parent);
	struct slot *s = &p->slots[p->n];
	size_t len = strlen(path + name);
	struct key *k = look_up(o, path + name, len);

	if (k == NULL)
		k = add_key(o, path + name, len);
	k->slot = p->n;
	k->soft = soft;
	*s = (struct slot){ .path = path,
		.name = path + name,
		.name_len = len,
		.parent = parent,
		.context = parent == OF_CONTEXT ||
			   (parent >= 0 && p->slots[parent].context) };
	p->values[p->n] = p->base[p->n] = NULL;
	return p->n++;
}

/* The slot of the first `len` bytes of path; its parent is there already. */
static int
add_slot(struct paths *p, int parent, const char *path, size_t len, size_t name)
{
	char *text = xstrndup(path, len);
	int found = paths_find(p, text);

	if (found < 0) {
		grow(p);
		return new_slot(p, parent, text, name, 0);
	}
	/* From now on the plan itself asks for it. */
	look_up(object_of(p, parent), text + name, len - name)->soft = 0;
	free(text);
	return found;
}

static void
add_object(struct paths *p, int slot)
{
	int at = p->nparents++;

	p->slots[slot].object = object_new(slot);
	p->parents =
	    xrealloc(p->parents, (size_t)p->nparents * sizeof(*p->parents));
	for (; at > 0 && p->parents[at - 1] > slot; at--)
		p->parents[at] = p->parents[at - 1];
	p->parents[at] = slot;
}

int
paths_add(struct paths *p, const char *path, struct why *why)
{
	static const char context[] = "$context.";
	int parent = PATHS_RECORD, slot;
	size_t name = 0;

	if (path[0] == '$') {
		if (strncmp(path, context, strlen(context)) != 0)
			return why_set(why, "E_PATH", NULL,
			    "\"%.100s\": only $context is known behind $",
			    path);
		parent = OF_CONTEXT;
		name = strlen(context);
	}
	for (;;) {
		size_t len = name + strcspn(path + name, ".");

		if (len == name)
			return why_set(why, "E_PATH", NULL,
			    "\"%.100s\" is no path: a name is missing", path);
		slot = add_slot(p, parent, path, len, name);
		if (path[len] == '\0')
			return slot;
		if (p->slots[slot].object == NULL)
			add_object(p, slot);
		parent = slot;
		name = len + 1;
	}
}

int
paths_is(
    const struct paths *p, int slot, int parent, const char *name, size_t len)
{
	const struct slot *s = &p->slots[slot];

	return slot < p->n && s->parent == parent && s->name_len == len &&
	       json_same(s->name, name, len);
}

int
paths_soft(struct paths *p, int parent, const char *name, size_t len)
{
	const char *above = parent >= 0 ? p->slots[parent].path : "";
	yyjson_val *v;
	struct key *k;
	char *path;
	int slot;

	if (len == 0 || len > KEY_MAX || name[0] == '$' ||
	    memchr(name, '.', len) != NULL || memchr(name, 0, len) != NULL)
		return -1;
	if (parent >= 0 && p->slots[parent].object == NULL)
		add_object(p, parent);
	k = look_up(object_of(p, parent), name, len);
	if (k != NULL && k->slot >= 0)
		return k->slot;
	if (p->soft == SOFT_MAX || p->n == p->cap)
		return -1;
	path = xasprintf(
	    "%s%s%.*s", above, parent >= 0 ? "." : "", (int)len, name);
	slot = new_slot(p, parent, path, strlen(path) - len, 1);
	p->soft++;
	v = parent == PATHS_RECORD ? p->present : p->values[parent];
	p->values[slot] = yyjson_obj_getn(v, name, len);
	return slot;
}

/* Slots come after the one they hang on, so one pass sees parents first. */
static int
walk_slots(struct paths *p, int context, yyjson_val **values, struct why *why)
{
	for (int i = 0; i < p->nparents; i++) {
		yyjson_val *v = values[p->parents[i]];
		struct slot *s = &p->slots[p->parents[i]];

		if (s->context != context || !yyjson_is_obj(v))
			continue;
		if (walk(s->object, v, values, why) < 0)
			return -1;
	}
	return 0;
}

int
paths_context(struct paths *p, yyjson_val *context, struct why *why)
{
	for (int i = 0; i < p->n; i++)
		p->base[i] = NULL;
	if (!yyjson_is_obj(context))
		return 0;
	if (walk(p->context, context, p->base, why) < 0)
		return -1;
	return walk_slots(p, 1, p->base, why);
}

void
paths_absent(const struct paths *p, struct buf *out)
{
	for (int i = 0; i < p->n; i++) {
		const struct slot *s = &p->slots[i];

		if (s->context && s->object == NULL && p->base[i] == NULL)
			buf_fmt(out, "%s%s", out->len > 0 ? ", " : "", s->path);
	}
}

int
paths_resolve(struct paths *p, yyjson_val *record, struct why *why)
{
	p->present = record;
	if (p->n == 0)
		return 0;
	memcpy(p->values, p->base, (size_t)p->n * sizeof(*p->values));
	if (walk(p->record, record, p->values, why) < 0)
		return -1;
	return walk_slots(p, 0, p->values, why);
}

yyjson_val *const *
paths_values(const struct paths *p)
{
	return p->values;
}
