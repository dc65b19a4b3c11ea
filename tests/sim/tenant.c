/*
 * tenant.c - the tenant's objects: finding them and changing them.
 *
 * Every change passes through here, so that versions, the logs and the
 * edges' own versions always agree; what a delta round shows follows from
 * them alone.
 */

#include "tenant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define SPREAD UINT32_C(0x9e3779b1) /* odd, so that it can be undone */

/*
 * The first group of digits hides the directory and the index, so an id is
 * found without a table; the others are noise that follows from them.
 */
static void
make_id(const struct tenant *t, uint32_t ref, char out[GUID_LEN + 1])
{
	uint32_t x = (ref ^ (uint32_t)t->key) * SPREAD;
	uint64_t h = rng_hash(&ref, sizeof(ref), t->key);
	uint64_t g = rng_hash(&ref, sizeof(ref), ~t->key);

	snprintf(out, GUID_LEN + 1, "%08x-%04x-4%03x-%04x-%012llx", x,
	    (unsigned)(h & 0xffff), (unsigned)(h >> 16 & 0xfff),
	    (unsigned)(h >> 32 & 0x3fff) | 0x8000u,
	    (unsigned long long)(g & 0xffffffffffffu));
}

static uint32_t
undo_spread(uint32_t x)
{
	uint32_t inverse = 1;

	/* Newton: each step doubles the bits that are right. */
	for (int i = 0; i < 5; i++)
		inverse *= 2 - SPREAD * inverse;
	return x * inverse;
}

static void
object_free(struct object *o)
{
	free(o->text);
	free(o->touches);
	free(o->edges.v);
}

void
tenant_free(struct tenant *t)
{
	for (int d = 0; d < N_DIRS; d++) {
		for (size_t i = 0; i < t->dirs[d].n; i++)
			object_free(&t->dirs[d].v[i]);
		free(t->dirs[d].v);
		free(t->dirs[d].log);
	}
	*t = (struct tenant){ 0 };
}

struct object *
tenant_object(const struct tenant *t, uint32_t ref)
{
	return &t->dirs[REF_DIR(ref)].v[REF_INDEX(ref)];
}

uint32_t
tenant_find(const struct tenant *t, int dir, const char *id)
{
	unsigned x;
	uint32_t ref;

	if (strlen(id) != GUID_LEN || sscanf(id, "%8x-", &x) != 1)
		return NO_REF;
	ref = undo_spread(x) ^ (uint32_t)t->key;
	if (dir >= 0 && REF_DIR(ref) != dir)
		return NO_REF;
	if (REF_INDEX(ref) >= t->dirs[REF_DIR(ref)].n)
		return NO_REF;
	if (strcasecmp(tenant_object(t, ref)->id, id) != 0 ||
	    tenant_object(t, ref)->state == OBJECT_GONE)
		return NO_REF;
	return ref;
}

uint32_t
tenant_match(
    const struct tenant *t, int dir, size_t prop, const char *text, size_t len)
{
	for (size_t i = 0; i < t->dirs[dir].n; i++) {
		const struct object *o = &t->dirs[dir].v[i];
		const char *s;
		size_t n;

		if (o->state != OBJECT_LIVE)
			continue;
		s = object_text(o, prop, &n);
		if (s != NULL && n == len && strncasecmp(s, text, len) == 0)
			return REF(dir, i);
	}
	return NO_REF;
}

const char *
object_value(const struct object *o, size_t prop, size_t *len)
{
	*len = (size_t)(o->at[prop + 1] - o->at[prop]);
	return o->text + o->at[prop];
}

const char *
object_text(const struct object *o, size_t prop, size_t *len)
{
	const char *s;

	if (prop == 0) {
		*len = GUID_LEN;
		return o->id;
	}
	s = object_value(o, prop, len);
	if (*len < 2 || s[0] != '"')
		return NULL;
	*len -= 2;
	return s + 1;
}

/* Notes that the object changed, under a new version. */
static uint32_t
log_change(struct tenant *t, uint32_t ref)
{
	struct directory *d = &t->dirs[REF_DIR(ref)];
	struct object *o = tenant_object(t, ref);

	if (d->n_log == d->cap_log) {
		d->cap_log = d->cap_log ? d->cap_log * 2 : 256;
		d->log = xrealloc(d->log, d->cap_log * sizeof(*d->log));
	}
	d->log[d->n_log] =
	    (struct entry){ .version = ++t->version, .object = REF_INDEX(ref) };
	if (o->logged > 0)
		d->log[o->logged - 1].next = (uint32_t)d->n_log;
	o->logged = (uint32_t)++d->n_log;
	return t->version;
}

struct object *
tenant_add(struct tenant *t, int dir, bool log)
{
	struct directory *d = &t->dirs[dir];
	struct object *o;

	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 64;
		d->v = xrealloc(d->v, d->cap * sizeof(*d->v));
	}
	o = &d->v[d->n];
	*o = (struct object){ .twin = NO_TWIN, .text = xstrdup("") };
	make_id(t, REF(dir, d->n), o->id);
	d->n++;
	d->live++;
	if (log)
		o->created = log_change(t, REF(dir, d->n - 1));
	return o;
}

void
object_begin(struct maker *m, size_t prop)
{
	while (m->next <= prop)
		m->o->at[m->next++] = (uint16_t)m->b.len;
}

void
object_end(struct maker *m)
{
	object_begin(m, MAX_PROPS);
	free(m->o->text);
	m->o->text = buf_take(&m->b);
}

static void
touch(struct object *o, size_t prop, uint32_t version)
{
	for (int i = 0; i < o->n_touches; i++) {
		if (o->touches[i].prop != prop)
			continue;
		o->touches[i].version = version;
		return;
	}
	if (o->n_touches == o->cap_touches) {
		o->cap_touches += 4;
		o->touches =
		    xrealloc(o->touches, o->cap_touches * sizeof(*o->touches));
	}
	o->touches[o->n_touches++] =
	    (struct touch){ .version = version, .prop = (uint32_t)prop };
}

uint32_t
object_touched(const struct object *o, size_t prop)
{
	for (int i = 0; i < o->n_touches; i++)
		if (o->touches[i].prop == prop)
			return o->touches[i].version;
	return 0;
}

bool
tenant_set(
    struct tenant *t, uint32_t ref, size_t prop, const char *json, size_t len)
{
	struct object *o = tenant_object(t, ref);
	size_t old, total = o->at[MAX_PROPS];
	const char *was = object_value(o, prop, &old);
	size_t from = o->at[prop], behind = from + old;
	char *text;

	if (old == len && memcmp(was, json, len) == 0)
		return false;
	/* Clearing what was never set leaves it so. */
	if (old == 0 && len == 4 && memcmp(json, "null", 4) == 0)
		return false;
	if (prop == 0 || total - old + len > TEXT_MAX)
		return false;
	text = xmalloc(total - old + len + 1);
	memcpy(text, o->text, from);
	memcpy(text + from, json, len);
	memcpy(text + from + len, o->text + behind, total - behind);
	text[total - old + len] = '\0';
	free(o->text);
	o->text = text;
	for (size_t p = prop + 1; p <= MAX_PROPS; p++)
		o->at[p] = (uint16_t)(o->at[p] - old + len);
	touch(o, prop, log_change(t, ref));
	return true;
}

uint32_t
edges_from(const struct edges *e, uint32_t ref)
{
	uint32_t low = 0, high = e->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (e->v[mid].ref < ref)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct edge *
edge_insert(struct edges *e, uint32_t at, uint32_t ref)
{
	if (e->n == e->cap) {
		e->cap = e->cap ? e->cap * 2 : 2;
		e->v = xrealloc(e->v, e->cap * sizeof(*e->v));
	}
	memmove(e->v + at + 1, e->v + at, (e->n - at) * sizeof(*e->v));
	e->n++;
	e->v[at] = (struct edge){ .ref = ref, .state = EDGE_REMOVED };
	return &e->v[at];
}

bool
tenant_edge(struct tenant *t, uint32_t from, uint32_t to, int state)
{
	struct edges *e = &tenant_object(t, from)->edges;
	uint32_t at = edges_from(e, to);
	bool known = at < e->n && e->v[at].ref == to;
	struct edge *edge;

	if (!known && state != EDGE_PRESENT)
		return false;
	edge = known ? &e->v[at] : edge_insert(e, at, to);
	if ((int)edge->state == state)
		return false;
	if (REF_DIR(from) == DIR_USERS && state == EDGE_PRESENT)
		tenant_object(t, to)->reports++;
	edge->state = (unsigned)state & 3;
	edge->version = log_change(t, from) & 0x3fffffff;
	return true;
}

/*
 * Every edge that leads to the object goes with it, or comes back.  Users
 * are many, so they are asked only when it was ever anybody's manager.
 */
static void
move_edges(struct tenant *t, uint32_t ref, int from, int to)
{
	for (int d = DIR_USERS; d <= DIR_GROUPS; d++) {
		if (d == DIR_USERS && tenant_object(t, ref)->reports == 0)
			continue;
		for (size_t i = 0; i < t->dirs[d].n; i++) {
			struct edges *e = &t->dirs[d].v[i].edges;
			uint32_t at = e->n > 0 ? edges_from(e, ref) : 0;

			if (at < e->n && e->v[at].ref == ref &&
			    (int)e->v[at].state == from)
				tenant_edge(t, REF(d, i), ref, to);
		}
	}
}

bool
tenant_move(struct tenant *t, uint32_t ref, int state)
{
	struct object *o = tenant_object(t, ref);

	if (o->state == state || o->state == OBJECT_GONE)
		return false;
	if (o->state == OBJECT_LIVE) {
		t->dirs[REF_DIR(ref)].live--;
		move_edges(t, ref, EDGE_PRESENT,
		    state == OBJECT_SOFT ? EDGE_SUSPENDED : EDGE_REMOVED);
	} else if (state == OBJECT_LIVE) {
		t->dirs[REF_DIR(ref)].live++;
		move_edges(t, ref, EDGE_SUSPENDED, EDGE_PRESENT);
	}
	o->state = (uint8_t)state;
	o->moved = log_change(t, ref);
	return true;
}

uint32_t
object_manager(const struct object *o)
{
	for (uint32_t i = 0; i < o->edges.n; i++)
		if (o->edges.v[i].state == EDGE_PRESENT)
			return o->edges.v[i].ref;
	return NO_REF;
}

bool
tenant_manage(struct tenant *t, uint32_t user, uint32_t to)
{
	struct object *o = tenant_object(t, user);
	uint32_t now = object_manager(o);

	/* One who is deleted does not come back as a second manager. */
	for (uint32_t i = 0; i < o->edges.n; i++)
		if (o->edges.v[i].state == EDGE_SUSPENDED)
			o->edges.v[i].state = EDGE_REMOVED;
	if (now == to)
		return false;
	if (now != NO_REF)
		tenant_edge(t, user, now, EDGE_REMOVED);
	if (to != NO_REF)
		tenant_edge(t, user, to, EDGE_PRESENT);
	return true;
}
