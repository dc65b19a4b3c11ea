/*
 * mutate.c - what happens in an organisation between two runs.
 *
 * Each kind of change picks its objects, alters them, renders them anew and
 * notes their ids in the answer.  No user is hit twice in one call, so that
 * a test can count.
 */

#include "mutate.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "names.h"

struct work {
	struct org *org;
	struct buf *out;
	int64_t now_ms; /* whole seconds */
	unsigned char *touched; /* owned; one a user that was there before */
	unsigned char *moved; /* owned; the same for memberships */
	size_t n; /* of both */
};

#define NOBODY UINT32_MAX

static bool
may_pick(const struct work *w, uint32_t i)
{
	const struct user *u = &w->org->users[i];

	return !u->gone && u->status != USER_DEPROVISIONED && !w->touched[i];
}

/* A user nobody has touched yet, NOBODY when there is none left. */
static uint32_t
pick_user(struct work *w)
{
	uint32_t n = (uint32_t)w->n, start;

	if (n == 0)
		return NOBODY;
	start = rng_below(&w->org->rng, n);
	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = (start + k) % n;

		if (may_pick(w, i)) {
			w->touched[i] = 1;
			return i;
		}
	}
	return NOBODY;
}

static void
put_id(struct buf *out, const char *id)
{
	if (out->data[out->len - 1] != '[')
		buf_char(out, ',');
	buf_json_str(out, id);
}

static void
change_user(struct work *w, struct user *u)
{
	struct rng *rng = &w->org->rng;

	u->title =
	    (uint16_t)((u->title + 1 + rng_below(rng, N_TITLE - 1)) % N_TITLE);
	u->city = (uint16_t)rng_below(rng, N_CITY);
	u->last_updated = w->now_ms;
}

static void
deprovision_user(struct work *w, struct user *u)
{
	u->status = USER_DEPROVISIONED;
	u->status_changed = u->last_updated = w->now_ms;
}

static void
login_user(struct work *w, struct user *u)
{
	u->last_login = w->now_ms;
}

void
org_delete_user(struct org *org, struct user *u)
{
	uint32_t at = (uint32_t)(u - org->users);

	u->gone = true;
	org->live_users--;
	for (size_t i = 0; i < org->n_groups; i++)
		if (group_remove(&org->groups[i], at) && i > 0)
			org->edges--;
}

static void
delete_user(struct work *w, struct user *u)
{
	org_delete_user(w->org, u);
}

/* `"name":[ids]` of n users that `how` was done to. */
static void
each_user(struct work *w, const char *name, size_t n,
    void (*how)(struct work *, struct user *))
{
	buf_fmt(w->out, "\"%s\":[", name);
	for (size_t k = 0; k < n; k++) {
		uint32_t i = pick_user(w);

		if (i == NOBODY)
			break;
		how(w, &w->org->users[i]);
		user_render(w->org, &w->org->users[i]);
		put_id(w->out, w->org->users[i].id);
	}
	buf_str(w->out, "],");
}

struct user *
org_new_user(struct org *org, int64_t now_ms)
{
	struct user *u = org_add_user(org, now_ms);

	u->status = USER_ACTIVE;
	u->password_changed = u->activated = u->status_changed = now_ms;
	if (org->everyone && org->n_groups > 0) {
		group_add(&org->groups[0], u->number);
		org->groups[0].last_membership_updated = now_ms;
		group_render(&org->groups[0]);
	}
	return u;
}

static void
create_users(struct work *w, size_t n)
{
	struct org *org = w->org;

	buf_str(w->out, "\"create\":[");
	for (size_t k = 0; k < n; k++) {
		struct user *u = org_new_user(org, w->now_ms);

		if (rng_below(&org->rng, 3) == 0) {
			u->status = USER_STAGED;
			u->activated = u->status_changed = 0;
		}
		user_render(org, u);
		put_id(w->out, u->id);
	}
	buf_str(w->out, "],");
}

/* A member that no move of this call has brought; NOBODY when all are. */
static uint32_t
pick_member(struct work *w, const struct group *g)
{
	size_t n = g->n_members, start = rng_below(&w->org->rng, (uint32_t)n);

	for (size_t k = 0; k < n; k++) {
		uint32_t i = g->members[(start + k) % n];

		if (i < w->n && !w->moved[i])
			return i;
	}
	return NOBODY;
}

/* Somebody who is not in the group and has not just been. */
static uint32_t
pick_joiner(struct work *w, const struct group *g)
{
	uint32_t n = (uint32_t)w->n, start = rng_below(&w->org->rng, n);

	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = (start + k) % n;
		const struct user *u = &w->org->users[i];

		if (!u->gone && u->status != USER_DEPROVISIONED &&
		    !w->moved[i] && !group_has(g, i))
			return i;
	}
	return NOBODY;
}

/* Takes a member away and puts another user in. */
static bool
move_one(struct work *w, struct group *g)
{
	uint32_t out = pick_member(w, g), in = pick_joiner(w, g);
	struct buf *b = w->out;

	if (out == NOBODY || in == NOBODY)
		return false;
	w->moved[out] = w->moved[in] = 1;
	group_remove(g, out);
	group_add(g, in);
	if (b->data[b->len - 1] != '[')
		buf_char(b, ',');
	buf_fmt(b, "{\"groupId\":\"%s\",\"removed\":\"%s\",\"added\":\"%s\"}",
	    g->id, w->org->users[out].id, w->org->users[in].id);
	return true;
}

/* Up to `want` groups that have members, Everyone never; returns how many. */
static size_t
pick_groups(struct org *org, struct group **picked, size_t want)
{
	size_t start, n = 0;

	if (org->n_groups == 0)
		return 0;
	start = rng_below(&org->rng, (uint32_t)org->n_groups);
	for (size_t k = 0; k < org->n_groups && n < want; k++) {
		struct group *g = &org->groups[(start + k) % org->n_groups];

		if (g->number != 0 && g->n_members > 0 &&
		    g->n_members < org->live_users)
			picked[n++] = g;
	}
	return n;
}

static void
move_members(struct work *w, size_t moves, size_t spread)
{
	struct group **picked = xcalloc(spread + 1, sizeof(struct group *));
	size_t n = pick_groups(w->org, picked, spread);

	buf_str(w->out, "\"moves\":[");
	for (size_t k = 0; n > 0 && k < moves; k++)
		if (move_one(w, picked[k % n]))
			picked[k % n]->last_membership_updated = w->now_ms;
	buf_str(w->out, "],\"groups\":[");
	for (size_t k = 0; k < n && k < moves; k++) {
		group_render(picked[k]);
		put_id(w->out, picked[k]->id);
	}
	buf_str(w->out, "],");
	free(picked);
}

static void
rename_groups(struct work *w, size_t n)
{
	struct org *org = w->org;

	buf_str(w->out, "\"renameGroups\":[");
	for (size_t i = 1; i < org->n_groups && n > 0; i++, n--) {
		struct group *g = &org->groups[i];

		g->renamed++;
		g->last_updated = w->now_ms;
		group_render(g);
		put_id(w->out, g->id);
	}
	buf_str(w->out, "],");
}

void
org_mutate(
    struct org *org, const struct mutation *m, int64_t now_ms, struct buf *out)
{
	struct work w = { .org = org, .out = out, .n = org->n_users };
	char now[CLOCK_TEXT];

	w.now_ms = now_ms - now_ms % 1000;
	w.touched = xcalloc(org->n_users + 1, 1);
	w.moved = xcalloc(org->n_users + 1, 1);
	clock_rfc3339(w.now_ms, now);
	buf_char(out, '{');
	each_user(&w, "change", m->change, change_user);
	each_user(&w, "deprovision", m->deprovision, deprovision_user);
	each_user(&w, "delete", m->delete, delete_user);
	each_user(&w, "login", m->login, login_user);
	create_users(&w, m->create);
	move_members(&w, m->move, m->groups);
	rename_groups(&w, m->rename);
	buf_fmt(out, "\"now\":\"%s\"}", now);
	free(w.touched);
	free(w.moved);
}
