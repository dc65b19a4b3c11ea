/*
 * graph_members.c - who is in a group, direct or through other groups.
 *
 * Like graph_list.c, whose parameters and links it uses.  The rows are of
 * several kinds, so each says its @odata.type.
 */

#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* The refs of a list, ascending, each once. */
struct refs {
	uint32_t *v; /* owned */
	size_t n, cap;
};

static void
add_ref(struct refs *r, uint32_t ref)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 256;
		r->v = xrealloc(r->v, r->cap * sizeof(*r->v));
	}
	r->v[r->n++] = ref;
}

static void
add_members(const struct tenant *t, uint32_t group, struct refs *r)
{
	const struct edges *e = &tenant_object(t, group)->edges;

	for (uint32_t i = 0; i < e->n; i++)
		if (e->v[i].state == EDGE_PRESENT)
			add_ref(r, e->v[i].ref);
}

static int
by_ref(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
sort_refs(struct refs *r)
{
	size_t n = 0;

	if (r->n > 0)
		qsort(r->v, r->n, sizeof(*r->v), by_ref);
	for (size_t i = 0; i < r->n; i++)
		if (n == 0 || r->v[n - 1] != r->v[i])
			r->v[n++] = r->v[i];
	r->n = n;
}

/* Members of members as well; a group that was seen is not entered again. */
static void
collect(const struct tenant *t, uint32_t group, bool deep, struct refs *r)
{
	unsigned char *seen = xcalloc(t->dirs[DIR_GROUPS].n + 1, 1);

	add_members(t, group, r);
	seen[REF_INDEX(group)] = 1;
	for (size_t i = 0; deep && i < r->n; i++) {
		uint32_t ref = r->v[i];

		if (REF_DIR(ref) != DIR_GROUPS || seen[REF_INDEX(ref)])
			continue;
		seen[REF_INDEX(ref)] = 1;
		add_members(t, ref, r);
	}
	free(seen);
	sort_refs(r);
}

/* The directory that a cast in the path asks for; -1: all of them. */
static int
cast_of(const struct call *c)
{
	const char *cast = strstr(c->path, "/microsoft.graph.");

	for (int d = 0; cast != NULL && d < N_DIRS; d++)
		if (strcmp(cast + strlen("/microsoft.graph."),
			tenant_kinds[d].type) == 0)
			return d;
	return -1;
}

static void
members(struct call *c, bool deep)
{
	const struct tenant *t = &c->sim->tenant;
	struct wish w = { .dir = DIR_USERS };
	struct buf rows = { 0 }, *b = &c->answer.body;
	struct refs refs = { 0 };
	uint32_t group = list_find(c, DIR_GROUPS), after = 0, last = 0;
	const char *select = call_query(c, "$select");
	size_t top, n = 0;
	bool skip, more = false;
	int only = cast_of(c);

	if (group == NO_REF || !list_wish(c, &w, &top) ||
	    !list_skip(c, &after, &skip))
		return;
	collect(t, group, deep, &refs);
	for (size_t i = 0; i < refs.n; i++) {
		int dir = REF_DIR(refs.v[i]);

		if ((skip && refs.v[i] <= after) || (only >= 0 && dir != only))
			continue;
		more = n == top;
		if (more)
			break;
		if (n++ > 0)
			buf_char(&rows, ',');
		last = refs.v[i];
		/* What a kind has not got is left out. */
		graph_put(t, last,
		    select == NULL || dir == DIR_USERS
			? dir == DIR_USERS ? w.select : wish_defaults(dir)
			: wish_common(&w, dir),
		    true, &rows);
	}
	graph_ok(c);
	buf_char(b, '{');
	graph_context(c, "directoryObjects");
	if (more)
		list_next(c, last);
	buf_str(b, "\"value\":[");
	buf_add(b, rows.data != NULL ? rows.data : "", rows.len);
	buf_str(b, "]}");
	buf_free(&rows);
	free(refs.v);
}

void
graph_members(struct call *c)
{
	members(c, false);
}

void
graph_transitive(struct call *c)
{
	members(c, true);
}
