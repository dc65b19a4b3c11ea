/*
 * tenant_groups.c - the groups a tenant starts with, and what is in them.
 *
 * tenant_seed.c calls it when the users are there.  Sizes are skewed, one
 * group in ten is empty, one in six holds the next group, and some hold a
 * device or a service principal.  A membershipRule is shown and not obeyed:
 * the members of a dynamic group are drawn as those of any other.
 */

#include "tenant_seed.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "names.h"

#define N_DEVICES 5
#define N_PRINCIPALS 3

void
tenant_link(struct tenant *t, uint32_t from, uint32_t to)
{
	struct edges *e = &tenant_object(t, from)->edges;
	uint32_t at = edges_from(e, to);

	if (at < e->n && e->v[at].ref == to)
		return;
	if (e->n == e->cap) {
		e->cap = e->cap ? e->cap * 2 : 1;
		e->v = xrealloc(e->v, e->cap * sizeof(*e->v));
	}
	memmove(e->v + at + 1, e->v + at, (e->n - at) * sizeof(*e->v));
	e->v[at] = (struct edge){ .ref = to, .state = EDGE_PRESENT };
	e->n++;
	if (REF_DIR(from) == DIR_USERS)
		tenant_object(t, to)->reports++;
}

static void
seed_plain(struct tenant *t, int dir, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++) {
		struct maker m = { .o = tenant_add(t, dir, false) };

		object_begin(&m, 1);
		buf_fmt(&m.b, "\"%s %zu\"", what, i);
		object_begin(&m, 2);
		buf_str(&m.b, "true");
		object_begin(&m, 3);
		if (dir == DIR_DEVICES)
			buf_str(&m.b, "\"Linux\"");
		else
			buf_fmt(&m.b, "\"%s\"", m.o->id);
		object_end(&m);
	}
}

static void
begin(struct maker *m, const char *prop)
{
	object_begin(m, (size_t)kind_prop(DIR_GROUPS, prop, strlen(prop)));
}

static void
seed_group(struct tenant *t, uint32_t i)
{
	enum { SECURITY, M365, DYNAMIC, SYNCED } is = i % 4;
	struct maker m = { .o = tenant_add(t, DIR_GROUPS, false) };
	const char *kind = group_kinds[rng_below(&t->rng, N_KIND)];

	begin(&m, "createdDateTime");
	buf_fmt(&m.b, "\"20%02u-%02u-11T09:30:00Z\"", 19 + i % 6, 1 + i % 12);
	if (i % 3 != 0) {
		begin(&m, "description");
		buf_str(&m.b, "\"Played by orgsim\"");
	}
	begin(&m, "displayName");
	buf_fmt(&m.b, "\"%s %s %u\"", kind,
	    cities[rng_below(&t->rng, N_CITY)].name, i);
	begin(&m, "groupTypes");
	buf_str(&m.b, is == M365      ? "[\"Unified\"]"
		      : is == DYNAMIC ? "[\"DynamicMembership\"]"
				      : "[]");
	if (is == M365) {
		begin(&m, "mail");
		buf_fmt(&m.b, "\"group%u@%s\"", i, TENANT_NAME);
	}
	begin(&m, "mailEnabled");
	buf_str(&m.b, is == M365 ? "true" : "false");
	begin(&m, "mailNickname");
	buf_fmt(&m.b, "\"group%u\"", i);
	if (is == DYNAMIC) {
		begin(&m, "membershipRule");
		buf_str(&m.b, "\"user.department -eq \\\"Sales\\\"\"");
		begin(&m, "membershipRuleProcessingState");
		buf_str(&m.b, "\"On\"");
	}
	if (is == SYNCED) {
		begin(&m, "onPremisesSamAccountName");
		buf_fmt(&m.b, "\"grp%u\"", i);
		begin(&m, "onPremisesSecurityIdentifier");
		buf_fmt(&m.b, "\"S-1-5-21-1-2-3-%u\"", 1000 + i);
		begin(&m, "onPremisesSyncEnabled");
		buf_str(&m.b, "true");
	}
	begin(&m, "securityEnabled");
	buf_str(&m.b, is == M365 ? "false" : "true");
	begin(&m, "securityIdentifier");
	buf_fmt(&m.b, "\"S-1-12-1-%u-%u\"", i, 7 * i + 3);
	if (is == M365) {
		begin(&m, "visibility");
		buf_str(&m.b, i % 8 == 1 ? "\"Private\"" : "\"Public\"");
	}
	object_end(&m);
}

/* `want` users, each in turn with the chance that is left. */
static void
seed_members(struct tenant *t, uint32_t group, size_t want)
{
	struct object *o = tenant_object(t, group);
	uint32_t n = (uint32_t)t->dirs[DIR_USERS].n;
	struct edge *v = xmalloc((want + 4) * sizeof(*v));
	uint32_t got = 0, at = 0;

	/* From one to the next in leaps whose mean leaves room for the rest. */
	while (got < want) {
		uint32_t left = (uint32_t)want - got;
		uint32_t leap = (n - at - left) / left;

		at += rng_below(&t->rng, (left > 1 ? 2 * leap : leap) + 1);
		v[got++] = (struct edge){ .ref = REF(DIR_USERS, at++),
			.state = EDGE_PRESENT };
	}
	o->edges = (struct edges){ .v = v, .n = got, .cap = got + 4 };
}

/* The n-th group that has members gets about 1/n of the first. */
static void
seed_edges(struct tenant *t, size_t edges)
{
	size_t n = t->dirs[DIR_GROUPS].n, users = t->dirs[DIR_USERS].n;
	double sum = 0, rank = 0;

	for (size_t i = 0; i < n; i++)
		if (i % 10 != 5)
			sum += 1 / (++rank + 2);
	rank = 0;
	for (size_t i = 0; i < n; i++) {
		size_t want;

		if (i % 10 == 5)
			continue;
		want = (size_t)((double)edges / (++rank + 2) / sum + 0.5);
		if (want > users)
			want = users;
		if (want > 0)
			seed_members(t, REF(DIR_GROUPS, i), want);
	}
}

static void
seed_nesting(struct tenant *t, bool cycle)
{
	size_t n = t->dirs[DIR_GROUPS].n;

	for (size_t i = 3; i + 1 < n; i += 6) {
		tenant_link(t, REF(DIR_GROUPS, i), REF(DIR_GROUPS, i + 1));
		/* Some chains are three long. */
		if (i % 12 == 3 && i + 2 < n)
			tenant_link(
			    t, REF(DIR_GROUPS, i + 1), REF(DIR_GROUPS, i + 2));
	}
	if (cycle && n > 5)
		tenant_link(t, REF(DIR_GROUPS, 5), REF(DIR_GROUPS, 3));
	for (size_t i = 0; i < n; i++) {
		if (i % 8 == 0)
			tenant_link(t, REF(DIR_GROUPS, i),
			    REF(DIR_DEVICES, i % N_DEVICES));
		if (i % 8 == 4)
			tenant_link(t, REF(DIR_GROUPS, i),
			    REF(DIR_PRINCIPALS, i % N_PRINCIPALS));
	}
}

void
tenant_seed_groups(struct tenant *t, const struct tenant_size *size)
{
	seed_plain(t, DIR_DEVICES, N_DEVICES, "Device");
	seed_plain(t, DIR_PRINCIPALS, N_PRINCIPALS, "Application");
	for (size_t i = 0; i < size->groups; i++)
		seed_group(t, (uint32_t)i);
	seed_edges(t, size->edges);
	seed_nesting(t, size->cycle);
}
