/*
 * tenant_mutate.c - what happens in a tenant between two runs.
 *
 * Each kind of change picks its objects by the tenant's own randomness and
 * notes their ids in the answer; tenant.c keeps the versions.
 */

#include "tenant_mutate.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "names.h"

struct work {
	struct tenant *t;
	struct buf *out;
	unsigned char *touched; /* owned; one a user that was there before */
	size_t n;
	unsigned round; /* numbers the new names */
};

static void
put_id(struct work *w, uint32_t ref)
{
	struct buf *out = w->out;

	if (out->data[out->len - 1] != '[')
		buf_char(out, ',');
	buf_json_str(out, tenant_object(w->t, ref)->id);
}

/* A user in that state that nobody has touched yet; NO_REF: none is left. */
static uint32_t
pick_user(struct work *w, int state)
{
	uint32_t start = w->n > 0 ? rng_below(&w->t->rng, (uint32_t)w->n) : 0;

	for (uint32_t k = 0; k < w->n; k++) {
		uint32_t i = (start + k) % (uint32_t)w->n;

		if (w->touched[i] || w->t->dirs[DIR_USERS].v[i].state != state)
			continue;
		w->touched[i] = 1;
		return REF(DIR_USERS, i);
	}
	return NO_REF;
}

static void
set_text(struct work *w, uint32_t ref, const char *name, const char *text)
{
	int prop = kind_prop(REF_DIR(ref), name, strlen(name));
	struct buf b = { 0 };

	buf_json_str(&b, text);
	tenant_set(w->t, ref, (size_t)prop, b.data, b.len);
	buf_free(&b);
}

static void
set_raw(struct work *w, uint32_t ref, const char *name, const char *json)
{
	int prop = kind_prop(REF_DIR(ref), name, strlen(name));

	tenant_set(w->t, ref, (size_t)prop, json, strlen(json));
}

static void
change(struct work *w, uint32_t ref)
{
	char *text = xasprintf(
	    "%s (%u)", titles[rng_below(&w->t->rng, N_TITLE)], w->t->version);

	set_text(w, ref, "jobTitle", text);
	set_text(w, ref, "officeLocation",
	    cities[rng_below(&w->t->rng, N_CITY)].name);
	free(text);
}

static void
fax(struct work *w, uint32_t ref)
{
	char *text = xasprintf("+1 555 %u", w->t->version);

	set_text(w, ref, "faxNumber", text);
	free(text);
}

/* Somebody marries: the mailbox moves along, the login does not. */
static void
rename_user(struct work *w, uint32_t ref)
{
	const struct name *last = &last_names[rng_below(&w->t->rng, N_LAST)];
	char *display = xasprintf("Renamed %s", last->text);
	char *mail = xasprintf(
	    "renamed.%s%u@orgsim.example", last->ascii, w->t->version);

	set_text(w, ref, "surname", last->text);
	set_text(w, ref, "displayName", display);
	set_text(w, ref, "mail", mail);
	free(display);
	free(mail);
}

static void
clear_id(struct work *w, uint32_t ref)
{
	set_raw(w, ref, "employeeId", "null");
}

static void
disable(struct work *w, uint32_t ref)
{
	set_raw(w, ref, "accountEnabled", "false");
}

static void
soft_delete(struct work *w, uint32_t ref)
{
	tenant_move(w->t, ref, OBJECT_SOFT);
}

static void
hard_delete(struct work *w, uint32_t ref)
{
	tenant_move(w->t, ref, OBJECT_GONE);
}

static void
restore(struct work *w, uint32_t ref)
{
	tenant_move(w->t, ref, OBJECT_LIVE);
}

static void
new_manager(struct work *w, uint32_t ref)
{
	uint32_t start = rng_below(&w->t->rng, (uint32_t)w->n);

	for (uint32_t k = 0; k < w->n; k++) {
		uint32_t to = REF(DIR_USERS, (start + k) % (uint32_t)w->n);

		if (to != ref &&
		    tenant_object(w->t, to)->state == OBJECT_LIVE &&
		    tenant_manage(w->t, ref, to))
			return;
	}
}

/* `"name":[ids]` of n users in that state that `how` was done to. */
static void
each_user(struct work *w, const char *name, size_t n, int state,
    void (*how)(struct work *, uint32_t))
{
	buf_fmt(w->out, "\"%s\":[", name);
	while (n-- > 0) {
		uint32_t ref = pick_user(w, state);

		if (ref == NO_REF)
			break;
		put_id(w, ref);
		how(w, ref);
	}
	buf_str(w->out, "],");
}

static void
create_users(struct work *w, size_t n)
{
	buf_str(w->out, "\"create\":[");
	while (n-- > 0) {
		uint32_t ref = REF(DIR_USERS, w->t->dirs[DIR_USERS].n);
		const struct name *first =
		    &first_names[rng_below(&w->t->rng, N_FIRST)];
		const struct name *last =
		    &last_names[rng_below(&w->t->rng, N_LAST)];
		char *login = xasprintf("%s.%s.n%u@orgsim.example",
		    first->ascii, last->ascii, REF_INDEX(ref));
		char *id = xasprintf("N%06u", REF_INDEX(ref));
		char *name = xasprintf("%s %s", first->text, last->text);

		tenant_add(w->t, DIR_USERS, true);
		set_raw(w, ref, "accountEnabled", "true");
		set_text(w, ref, "displayName", name);
		set_text(w, ref, "employeeId", id);
		set_text(w, ref, "givenName", first->text);
		set_text(w, ref, "surname", last->text);
		set_text(w, ref, "mail", login);
		set_text(w, ref, "userPrincipalName", login);
		set_text(w, ref, "userType", "Member");
		put_id(w, ref);
		free(login);
		free(id);
		free(name);
	}
	buf_str(w->out, "],");
}

/* A live group that has been passed over by `seen` picks; NO_REF: none. */
static uint32_t
nth_group(const struct tenant *t, size_t nth, bool with_members)
{
	for (size_t i = 0; i < t->dirs[DIR_GROUPS].n; i++) {
		const struct object *o = &t->dirs[DIR_GROUPS].v[i];

		if (o->state == OBJECT_LIVE &&
		    (!with_members || o->edges.n > 0) && nth-- == 0)
			return REF(DIR_GROUPS, i);
	}
	return NO_REF;
}

/* A user that is a member now, and was so before this call. */
static uint32_t
pick_member(struct work *w, uint32_t group, uint32_t before)
{
	const struct edges *e = &tenant_object(w->t, group)->edges;
	uint32_t start = rng_below(&w->t->rng, e->n);

	for (uint32_t k = 0; k < e->n; k++) {
		const struct edge *at = &e->v[(start + k) % e->n];

		if (at->state == EDGE_PRESENT && at->version <= before &&
		    REF_DIR(at->ref) == DIR_USERS)
			return at->ref;
	}
	return NO_REF;
}

/* A user that is none, and was none before this call. */
static uint32_t
pick_joiner(struct work *w, uint32_t group)
{
	const struct edges *e = &tenant_object(w->t, group)->edges;
	uint32_t start = w->n > 0 ? rng_below(&w->t->rng, (uint32_t)w->n) : 0;

	for (uint32_t k = 0; k < w->n; k++) {
		uint32_t ref = REF(DIR_USERS, (start + k) % (uint32_t)w->n);
		uint32_t at = edges_from(e, ref);

		if (tenant_object(w->t, ref)->state == OBJECT_LIVE &&
		    (at == e->n || e->v[at].ref != ref))
			return ref;
	}
	return NO_REF;
}

static void
move_members(struct work *w, size_t moves, size_t spread)
{
	uint32_t before = w->t->version;
	struct buf *b = w->out;

	buf_str(b, "\"moves\":[");
	for (size_t k = 0; spread > 0 && k < moves; k++) {
		uint32_t group = nth_group(w->t, k % spread, true), out, in;

		if (group == NO_REF && k == 0)
			break;
		if (group == NO_REF) {
			spread = k--; /* there are no more: begin again */
			continue;
		}
		out = pick_member(w, group, before);
		in = pick_joiner(w, group);
		if (out == NO_REF || in == NO_REF)
			continue;
		tenant_edge(w->t, group, out, EDGE_REMOVED);
		tenant_edge(w->t, group, in, EDGE_PRESENT);
		buf_fmt(b,
		    "%s{\"groupId\":\"%s\",\"removed\":\"%s\",\"added\":"
		    "\"%s\"}",
		    b->data[b->len - 1] != '[' ? "," : "",
		    tenant_object(w->t, group)->id,
		    tenant_object(w->t, out)->id, tenant_object(w->t, in)->id);
	}
	buf_str(b, "],");
}

static void
create_groups(struct work *w, size_t n)
{
	buf_str(w->out, "\"createGroups\":[");
	while (n-- > 0) {
		uint32_t ref = REF(DIR_GROUPS, w->t->dirs[DIR_GROUPS].n);
		char *name = xasprintf("New group %u", REF_INDEX(ref));

		tenant_add(w->t, DIR_GROUPS, true);
		set_text(w, ref, "displayName", name);
		set_raw(w, ref, "groupTypes", "[]");
		set_raw(w, ref, "mailEnabled", "false");
		set_raw(w, ref, "securityEnabled", "true");
		put_id(w, ref);
		free(name);
	}
	buf_str(w->out, "],");
}

static void
rename_group(struct work *w, uint32_t ref)
{
	char *name = xasprintf("Group renamed %u", w->t->version);

	set_text(w, ref, "displayName", name);
	free(name);
}

/* The first n groups that are there; deleting makes the next the first. */
static void
each_group(struct work *w, const char *name, size_t n, bool deletes,
    void (*how)(struct work *, uint32_t))
{
	buf_fmt(w->out, "\"%s\":[", name);
	for (size_t k = 0; k < n; k++) {
		uint32_t ref = nth_group(w->t, deletes ? 0 : k, false);

		if (ref == NO_REF)
			break;
		put_id(w, ref);
		how(w, ref);
	}
	buf_str(w->out, "],");
}

void
tenant_mutate(
    struct tenant *t, const struct tenant_mutation *m, struct buf *out)
{
	struct work w = { .t = t, .out = out, .n = t->dirs[DIR_USERS].n };

	w.touched = xcalloc(w.n + 1, 1);
	buf_char(out, '{');
	each_user(&w, "change", m->change, OBJECT_LIVE, change);
	each_user(&w, "unselected", m->unselected, OBJECT_LIVE, fax);
	each_user(&w, "rename", m->rename, OBJECT_LIVE, rename_user);
	each_user(&w, "clearEmployeeId", m->clear, OBJECT_LIVE, clear_id);
	each_user(&w, "disable", m->disable, OBJECT_LIVE, disable);
	each_user(&w, "manager", m->manager, OBJECT_LIVE, new_manager);
	each_user(&w, "restore", m->restore, OBJECT_SOFT, restore);
	each_user(&w, "softDelete", m->soft, OBJECT_LIVE, soft_delete);
	each_user(&w, "hardDelete", m->hard, OBJECT_LIVE, hard_delete);
	create_users(&w, m->create);
	move_members(&w, m->move, m->groups);
	each_group(&w, "renameGroups", m->rename_groups, false, rename_group);
	each_group(&w, "softDeleteGroups", m->soft_groups, true, soft_delete);
	each_group(&w, "hardDeleteGroups", m->hard_groups, true, hard_delete);
	create_groups(&w, m->create_groups);
	buf_fmt(out, "\"version\":%u}", t->version);
	free(w.touched);
}
