/*
 * graph_control.c - /_sim/entra/: what a test asks of the Entra side.
 *
 * As control.c for Okta: JSON in and out, no token, not counted.  Whole
 * populations change by mutate, single persons and groups by a POST of
 * exactly what they shall be, tokens and secrets expire on command.
 */

#include "graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "control.h"
#include "mem.h"
#include "tenant_mutate.h"

static const struct {
	const char *name;
	size_t offset;
} keys[] = {
	{ "change", offsetof(struct tenant_mutation, change) },
	{ "unselected", offsetof(struct tenant_mutation, unselected) },
	{ "rename", offsetof(struct tenant_mutation, rename) },
	{ "clearEmployeeId", offsetof(struct tenant_mutation, clear) },
	{ "create", offsetof(struct tenant_mutation, create) },
	{ "softDelete", offsetof(struct tenant_mutation, soft) },
	{ "hardDelete", offsetof(struct tenant_mutation, hard) },
	{ "restore", offsetof(struct tenant_mutation, restore) },
	{ "disable", offsetof(struct tenant_mutation, disable) },
	{ "manager", offsetof(struct tenant_mutation, manager) },
	{ "move", offsetof(struct tenant_mutation, move) },
	{ "groups", offsetof(struct tenant_mutation, groups) },
	{ "createGroups", offsetof(struct tenant_mutation, create_groups) },
	{ "renameGroups", offsetof(struct tenant_mutation, rename_groups) },
	{ "softDeleteGroups", offsetof(struct tenant_mutation, soft_groups) },
	{ "hardDeleteGroups", offsetof(struct tenant_mutation, hard_groups) },
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static bool
set_key(struct tenant_mutation *m, const char *key, yyjson_val *value)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].name, key) != 0 || !yyjson_is_uint(value))
			continue;
		*(size_t *)(void *)((char *)m + keys[i].offset) =
		    yyjson_get_uint(value);
		return true;
	}
	return false;
}

static void
mutate(struct call *c)
{
	struct tenant_mutation m = { 0 };
	yyjson_doc *doc = control_body(c);
	yyjson_val *key, *value;
	size_t i, n;

	if (doc == NULL)
		return;
	answer_ok(c);
	yyjson_obj_foreach(yyjson_doc_get_root(doc), i, n, key,
	    value) if (!set_key(&m, yyjson_get_str(key), value))
	    control_refuse(c, "mutate takes numbers for the kinds of changes "
			      "that orgsim --help lists");
	yyjson_doc_free(doc);
	if (c->answer.status != 200)
		return;
	if (m.groups == 0)
		m.groups = m.move < 30 ? m.move : 30;
	tenant_mutate(&c->sim->tenant, &m, &c->answer.body);
	buf_char(&c->answer.body, '\n');
}

/* {"id":...} or {"match":{"employeeId":"E1"}}; NO_REF: none such. */
static uint32_t
find(const struct tenant *t, int dir, yyjson_val *root)
{
	const char *id = yyjson_get_str(yyjson_obj_get(root, "id"));
	yyjson_val *match = yyjson_obj_get(root, "match"), *key, *value;
	size_t i, n;

	if (id != NULL)
		return tenant_find(t, dir, id);
	yyjson_obj_foreach(match, i, n, key, value)
	{
		const char *name = yyjson_get_str(key);
		int prop = kind_prop(dir, name, strlen(name));

		if (prop >= 0 && yyjson_is_str(value))
			return tenant_match(t, dir, (size_t)prop,
			    yyjson_get_str(value), yyjson_get_len(value));
	}
	return NO_REF;
}

/* Every id of an array as an edge of that state; false: one is unknown. */
static bool
set_edges(struct tenant *t, uint32_t group, yyjson_val *ids, int state)
{
	yyjson_val *id;
	size_t i, n;

	yyjson_arr_foreach(ids, i, n, id)
	{
		const char *s = yyjson_get_str(id);
		uint32_t ref = s != NULL ? tenant_find(t, -1, s) : NO_REF;

		if (ref == NO_REF)
			return false;
		tenant_edge(t, group, ref, state);
	}
	return true;
}

static bool
set_manager(struct tenant *t, uint32_t ref, yyjson_val *value)
{
	const char *id = yyjson_get_str(value);
	uint32_t to = id != NULL ? tenant_find(t, DIR_USERS, id) : NO_REF;

	if (id != NULL && to == NO_REF)
		return false;
	tenant_manage(t, ref, to);
	return true;
}

/* {"delete":"soft"}, {"delete":"hard"} or {"delete":null}: restored. */
static bool
set_state(struct tenant *t, uint32_t ref, yyjson_val *value)
{
	const char *how = yyjson_get_str(value);

	if (how == NULL)
		tenant_move(t, ref, OBJECT_LIVE);
	else if (strcmp(how, "soft") == 0)
		tenant_move(t, ref, OBJECT_SOFT);
	else if (strcmp(how, "hard") == 0)
		tenant_move(t, ref, OBJECT_GONE);
	else
		return false;
	return true;
}

/* Is it a member that a body may have?  Asked before anything is made. */
static bool
knows(int dir, const char *name)
{
	static const char *const others[] = { "match", "delete", "manager",
		"add", "remove" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(others[i], name) == 0)
			return i < 2 || (i == 2) == (dir == DIR_USERS);
	return kind_prop(dir, name, strlen(name)) >= 0;
}

static bool
set_member(struct tenant *t, uint32_t ref, const char *name, yyjson_val *value)
{
	int dir = REF_DIR(ref), prop;
	size_t len;
	char *json;

	if (strcmp(name, "id") == 0 || strcmp(name, "match") == 0)
		return true;
	if (strcmp(name, "delete") == 0)
		return set_state(t, ref, value);
	if (dir == DIR_USERS && strcmp(name, "manager") == 0)
		return set_manager(t, ref, value);
	if (dir == DIR_GROUPS && strcmp(name, "add") == 0)
		return set_edges(t, ref, value, EDGE_PRESENT);
	if (dir == DIR_GROUPS && strcmp(name, "remove") == 0)
		return set_edges(t, ref, value, EDGE_REMOVED);
	prop = kind_prop(dir, name, strlen(name));
	if (prop <= 0)
		return false;
	json = yyjson_val_write(value, 0, &len);
	if (json != NULL)
		tenant_set(t, ref, (size_t)prop, json, len);
	free(json);
	return json != NULL;
}

/* Creates or patches one object, and answers with what it is then. */
static void
write_one(struct call *c, int dir)
{
	struct tenant *t = &c->sim->tenant;
	yyjson_doc *doc = control_body(c);
	yyjson_val *root = yyjson_doc_get_root(doc), *key, *value;
	uint32_t ref;
	size_t i, n;

	if (doc == NULL)
		return;
	answer_ok(c);
	yyjson_obj_foreach(
	    root, i, n, key, value) if (!knows(dir, yyjson_get_str(key)))
	    control_refuse(c, "there is no such property");
	ref = find(t, dir, root);
	if (ref == NO_REF && (yyjson_obj_get(root, "id") != NULL ||
				 yyjson_obj_get(root, "match") != NULL))
		control_refuse(c, "there is no such object");
	if (c->answer.status != 200) {
		yyjson_doc_free(doc);
		return;
	}
	if (ref == NO_REF) {
		ref = REF(dir, t->dirs[dir].n);
		tenant_add(t, dir, true);
	}
	yyjson_obj_foreach(root, i, n, key,
	    value) if (!set_member(t, ref, yyjson_get_str(key), value))
	    control_refuse(c, "there is no such state, or no such id");
	yyjson_doc_free(doc);
	if (c->answer.status != 200)
		return;
	graph_put(t, ref, ~UINT64_C(0), false, &c->answer.body);
	buf_char(&c->answer.body, '\n');
}

static void
write_user(struct call *c)
{
	write_one(c, DIR_USERS);
}

static void
write_group(struct call *c)
{
	write_one(c, DIR_GROUPS);
}

/* {"access":true} and {"delta":"syncStateNotFound|gone|resyncRequired",
 * "pages":false}: tokens given out so far are expired. */
static void
expire(struct call *c)
{
	static const struct {
		const char *name;
		enum fault_kind kind;
	} answers[] = { { "syncStateNotFound", FAULT_BADCURSOR },
		{ "gone", FAULT_GONE }, { "resyncRequired", FAULT_RESYNC } };
	struct graph *g = c->sim->graph;
	yyjson_doc *doc = control_body(c);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *how = yyjson_get_str(yyjson_obj_get(root, "delta"));
	bool known = how == NULL;

	if (doc == NULL)
		return;
	for (size_t i = 0; how != NULL && i < 3; i++) {
		if (strcmp(answers[i].name, how) != 0)
			continue;
		known = true;
		g->expired = answers[i].kind;
		g->delta_epoch++;
		if (yyjson_get_bool(yyjson_obj_get(root, "pages")))
			g->skip_epoch++;
	}
	if (yyjson_get_bool(yyjson_obj_get(root, "access")))
		g->token_epoch++;
	answer_ok(c);
	buf_str(&c->answer.body, "{}\n");
	if (!known)
		control_refuse(c, "delta is syncStateNotFound, gone or "
				  "resyncRequired");
	yyjson_doc_free(doc);
}

/* {"revoke":true}, or {"secret":"..."}: another one is good from now on. */
static void
set_secret(struct call *c)
{
	struct graph *g = c->sim->graph;
	yyjson_doc *doc = control_body(c);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *secret = yyjson_get_str(yyjson_obj_get(root, "secret"));

	if (doc == NULL)
		return;
	if (secret != NULL) {
		free(g->secret);
		g->secret = xstrdup(secret);
	}
	g->revoked = yyjson_get_bool(yyjson_obj_get(root, "revoke"));
	yyjson_doc_free(doc);
	answer_ok(c);
	buf_str(&c->answer.body, "{}\n");
}

/* All properties as a listing has them; a user's manager besides. */
static void
all(struct call *c, int dir)
{
	const struct tenant *t = &c->sim->tenant;
	struct buf *b = &c->answer.body;

	answer_ok(c);
	for (size_t i = 0; i < t->dirs[dir].n; i++) {
		const struct object *o = &t->dirs[dir].v[i];
		uint32_t boss;

		if (o->state != OBJECT_LIVE)
			continue;
		graph_put(t, REF(dir, i), ~UINT64_C(0), false, b);
		if (dir == DIR_USERS) {
			boss = object_manager(o);
			b->len--;
			buf_str(b, ",\"manager\":");
			buf_json_str(b,
			    boss != NO_REF ? tenant_object(t, boss)->id : NULL);
			buf_str(b, ",\"oktaId\":");
			buf_json_str(b, o->twin != NO_TWIN
					    ? c->sim->org.users[o->twin].id
					    : NULL);
			buf_char(b, '}');
		}
		buf_char(b, '\n');
	}
}

static void
all_users(struct call *c)
{
	all(c, DIR_USERS);
}

static void
all_groups(struct call *c)
{
	all(c, DIR_GROUPS);
}

static void
all_members(struct call *c)
{
	const struct tenant *t = &c->sim->tenant;

	answer_ok(c);
	for (size_t i = 0; i < t->dirs[DIR_GROUPS].n; i++) {
		const struct object *o = &t->dirs[DIR_GROUPS].v[i];

		for (uint32_t k = 0; o->state == OBJECT_LIVE && k < o->edges.n;
		     k++) {
			const struct edge *e = &o->edges.v[k];

			if (e->state != EDGE_PRESENT)
				continue;
			buf_fmt(&c->answer.body,
			    "{\"groupId\":\"%s\",\"memberId\":\"%s\","
			    "\"type\":\"%s\"}\n",
			    o->id, tenant_object(t, e->ref)->id,
			    tenant_kinds[REF_DIR(e->ref)].type);
		}
	}
}

void
graph_stats(const struct sim *sim, struct buf *b)
{
	const struct tenant *t = &sim->tenant;
	const struct graph *g = sim->graph;
	size_t edges = 0;

	for (size_t i = 0; i < t->dirs[DIR_GROUPS].n; i++) {
		const struct object *o = &t->dirs[DIR_GROUPS].v[i];

		for (uint32_t k = 0; o->state == OBJECT_LIVE && k < o->edges.n;
		     k++)
			edges += o->edges.v[k].state == EDGE_PRESENT;
	}
	buf_fmt(b,
	    "{\"users\":%zu,\"groups\":%zu,\"edges\":%zu,\"version\":%u,"
	    "\"calls\":%" PRIu64 ",\"batched\":%" PRIu64 ",\"tokens\":%" PRIu64
	    ",\"units\":%" PRIu64 ",\"throttled\":%" PRIu64 "}",
	    t->dirs[DIR_USERS].live, t->dirs[DIR_GROUPS].live, edges,
	    t->version, g->calls, g->batched, g->tokens, g->units,
	    g->throttled);
}

void
graph_stats_reset(struct sim *sim)
{
	struct graph *g = sim->graph;

	g->calls = g->batched = g->tokens = g->units = g->throttled = 0;
}

const struct route graph_control_routes[] = {
	{ "POST", "/_sim/entra/mutate", NULL, mutate, ROUTE_CONTROL },
	{ "POST", "/_sim/entra/users", NULL, write_user, ROUTE_CONTROL },
	{ "POST", "/_sim/entra/groups", NULL, write_group, ROUTE_CONTROL },
	{ "POST", "/_sim/entra/expire", NULL, expire, ROUTE_CONTROL },
	{ "POST", "/_sim/entra/secret", NULL, set_secret, ROUTE_CONTROL },
	{ "GET", "/_sim/entra/users", NULL, all_users, ROUTE_CONTROL },
	{ "GET", "/_sim/entra/groups", NULL, all_groups, ROUTE_CONTROL },
	{ "GET", "/_sim/entra/members", NULL, all_members, ROUTE_CONTROL },
};
const size_t graph_control_n_routes =
    sizeof(graph_control_routes) / sizeof(graph_control_routes[0]);
