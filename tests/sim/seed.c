/*
 * seed.c - an organisation out of a number.
 *
 * main.c calls org_seed() once.  The same seed and sizes give the same
 * objects, byte for byte, on every machine; instants lie between 2020 and
 * the summer of 2025.  One user in twenty is deprovisioned, half of the
 * others are active; one group in ten is empty and sizes are skewed, so that
 * a large org has a few groups of more than a thousand members.
 */

#include "org.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "names.h"
#include "rules.h"

#define YEAR_2020 INT64_C(1577836800000)
#define FIVE_YEARS INT64_C(157788000000)
#define HALF_YEAR (FIVE_YEARS / 10)
#define MONTH (FIVE_YEARS / 60)
#define ID_STRIDE 1009 /* room between two ids in sequence */

/*
 * Prefix, seven digits in base 36 that grow with `number`, then noise: ids
 * look like Okta's and sort in the order of creation.
 */
void
org_make_id(
    struct rng *rng, const char *prefix, uint32_t number, char out[ORG_ID + 1])
{
	static const char set[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	uint64_t n = UINT64_C(50000000000) + (uint64_t)number * ID_STRIDE +
		     rng_below(rng, ID_STRIDE);

	memcpy(out, prefix, 3);
	for (int i = 6; i >= 0; i--) {
		out[3 + i] = set[n % 36];
		n /= 36;
	}
	rng_text(rng, out + 10, 7);
	memcpy(out + 17, "5d7", 4);
}

/* An instant up to `span` after `from`, in whole seconds. */
static int64_t
later(struct rng *rng, int64_t from, int64_t span)
{
	return from + (int64_t)rng_below(rng, (uint32_t)(span / 1000)) * 1000;
}

struct user *
org_add_user(struct org *org, int64_t created)
{
	struct rng *rng = &org->rng;
	struct user *u;

	if (org->n_users == org->cap_users) {
		org->cap_users = org->cap_users ? org->cap_users * 2 : 1024;
		org->users = xrealloc(org->users, org->cap_users * sizeof(*u));
	}
	u = &org->users[org->n_users];
	*u = (struct user){ .created = created, .last_updated = created };
	u->number = (uint32_t)org->n_users++;
	org_make_id(rng, "00u", u->number, u->id);
	u->bits = rng_next(rng);
	u->first = (uint16_t)rng_below(rng, N_FIRST);
	u->last = (uint16_t)rng_below(rng, N_LAST);
	u->title = (uint16_t)rng_below(rng, N_TITLE);
	u->department = (uint16_t)rng_below(rng, N_DEPARTMENT);
	u->city = (uint16_t)rng_below(rng, N_CITY);
	u->manager = u->number / 8;
	org->live_users++;
	return u;
}

static enum user_status
pick_status(struct rng *rng, uint32_t number)
{
	static const enum user_status others[] = { USER_STAGED,
		USER_PROVISIONED, USER_RECOVERY, USER_PASSWORD_EXPIRED,
		USER_LOCKED_OUT, USER_SUSPENDED, USER_SUSPENDED };

	if (number % 20 == 13)
		return USER_DEPROVISIONED;
	if (rng_below(rng, 2) == 0)
		return USER_ACTIVE;
	return others[rng_below(rng, sizeof(others) / sizeof(others[0]))];
}

/* The course of a user's life so far, which its status has to fit. */
static void
seed_life(struct rng *rng, struct user *u)
{
	u->status = pick_status(rng, u->number);
	u->password_changed = u->created;
	if (u->status == USER_STAGED)
		return;
	u->activated = later(rng, u->created, MONTH / 30);
	u->status_changed = u->activated;
	if (u->status != USER_PROVISIONED && u->status != USER_ACTIVE)
		u->status_changed = later(rng, u->activated, HALF_YEAR);
	u->last_updated = later(rng, u->status_changed, MONTH);
	if (u->status == USER_ACTIVE && rng_below(rng, 4) > 0)
		u->last_login = later(rng, u->last_updated, HALF_YEAR);
	/* Older users have no activation date: recorded so. */
	if (u->number % 17 == 0)
		u->activated = 0;
}

static void
seed_users(struct org *org, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t step = FIVE_YEARS / (int64_t)n;
		int64_t at = YEAR_2020 + (int64_t)i * step;

		seed_life(&org->rng, org_add_user(org, at - at % 1000));
	}
	for (size_t i = 0; i < n; i++)
		user_render(org, &org->users[i]);
}

static void
seed_group(struct org *org, struct group *g, uint32_t number)
{
	struct rng *rng = &org->rng;

	g->number = number;
	org_make_id(rng, "00g", number, g->id);
	g->created = later(rng, YEAR_2020, FIVE_YEARS - MONTH);
	g->last_updated = later(rng, g->created, MONTH);
	g->last_membership_updated = later(rng, g->created, HALF_YEAR);
	g->kind = (uint16_t)rng_below(rng, N_KIND);
	g->place = (uint16_t)rng_below(rng, N_CITY);
	if (number == 0) {
		g->type = GROUP_BUILT_IN;
	} else if (number % 5 == 2) {
		/* Few apps bring many groups. */
		snprintf(g->source, sizeof(g->source), "0oanwlw0pkSource%u5d7",
		    number % 7);
		g->type = GROUP_APP;
		g->directory = number % 2 == 0;
	}
}

/* Does this group have members at all? */
static bool
peopled(const struct group *g)
{
	return g->number != 0 && g->number % 10 != 5;
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* A small group: draw, drop what came twice, draw again. */
static void
draw_members(struct org *org, struct group *g, size_t want)
{
	while (g->n_members < want) {
		size_t n = 0;

		while (g->n_members < want)
			g->members[g->n_members++] =
			    rng_below(&org->rng, (uint32_t)org->n_users);
		qsort(g->members, want, sizeof(*g->members), by_number);
		for (size_t i = 0; i < want; i++)
			if (n == 0 || g->members[n - 1] != g->members[i])
				g->members[n++] = g->members[i];
		g->n_members = n;
	}
}

/* A large one: each user in turn, with just the chance that is left. */
static void
walk_members(struct org *org, struct group *g, size_t want)
{
	for (uint32_t i = 0; g->n_members < want; i++) {
		uint32_t left = (uint32_t)org->n_users - i;

		if (rng_below(&org->rng, left) < want - g->n_members)
			g->members[g->n_members++] = i;
	}
}

static void
seed_members(struct org *org, struct group *g, size_t want)
{
	g->cap_members = want;
	g->members = xrealloc(NULL, (want + 1) * sizeof(*g->members));
	if (want > org->n_users / 10)
		walk_members(org, g, want);
	else
		draw_members(org, g, want);
}

/*
 * Shares `edges` out so that the n-th group gets about 1/n of the first,
 * then gives what is left over to whoever has room.
 */
static int
share_out(const struct org *org, size_t edges, size_t *sizes)
{
	double sum = 0, rank = 0;
	size_t left = edges, given = 1;

	for (size_t i = 0; i < org->n_groups; i++)
		if (peopled(&org->groups[i]))
			sum += 1 / (++rank + 2);
	rank = 0;
	for (size_t i = 0; i < org->n_groups; i++) {
		size_t n;

		sizes[i] = 0;
		if (!peopled(&org->groups[i]))
			continue;
		n = (size_t)((double)edges / (++rank + 2) / sum);
		sizes[i] = n < org->n_users ? n : org->n_users;
		left -= sizes[i];
	}
	while (left > 0 && given > 0) {
		given = 0;
		for (size_t i = 0; i < org->n_groups && left > 0; i++)
			if (peopled(&org->groups[i]) &&
			    sizes[i] < org->n_users) {
				sizes[i]++;
				left--;
				given++;
			}
	}
	return left == 0 ? 0 : -1;
}

static int
seed_edges(struct org *org, size_t edges)
{
	size_t *sizes = xcalloc(org->n_groups + 1, sizeof(*sizes));
	int r = share_out(org, edges, sizes);

	for (size_t i = 0; r == 0 && i < org->n_groups; i++)
		if (sizes[i] > 0)
			seed_members(org, &org->groups[i], sizes[i]);
	org->edges = edges;
	free(sizes);
	return r;
}

int
org_seed(struct org *org, const struct org_size *size)
{
	*org = (struct org){ .rng = { size->seed },
		.everyone = size->everyone,
		.n_groups = size->groups };
	org_make_id(&org->rng, "00o", 0, org->id);
	org_make_id(&org->rng, "oty", 0, org->type);
	org_make_id(&org->rng, "osc", 0, org->schema);
	seed_users(org, size->users);
	org->groups = xcalloc(size->groups + 1, sizeof(*org->groups));
	for (size_t i = 0; i < size->groups; i++)
		seed_group(org, &org->groups[i], (uint32_t)i);
	if (seed_edges(org, size->edges) < 0)
		return -1;
	if (size->everyone && size->groups > 0)
		seed_members(org, &org->groups[0], size->users);
	for (size_t i = 0; i < size->groups; i++)
		group_render(&org->groups[i]);
	rules_seed(org, size->rules, size->seed);
	return 0;
}
