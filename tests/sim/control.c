/*
 * control.c - /_sim/: what a test asks of the simulator itself.
 *
 * JSON in and out, no token, no limits, not counted.  Statistics, mutations,
 * fault plans, simulated foreign clients, and the whole truth as NDJSON.
 */

#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <yyjson.h>

#include "control.h"
#include "limits.h"
#include "mutate.h"

void
control_refuse(struct call *c, const char *text)
{
	c->answer.status = 400;
	c->answer.type = "application/json";
	buf_clear(&c->answer.body);
	buf_str(&c->answer.body, "{\"error\":");
	buf_json_str(&c->answer.body, text);
	buf_str(&c->answer.body, "}\n");
}

static void
put_endpoints(const struct sim *sim, struct buf *b)
{
	bool some = false;

	for (size_t i = 0; i < sim->n_tallies; i++) {
		const struct tally *t = &sim->tallies[i];

		if (t->calls == 0)
			continue;
		buf_fmt(b,
		    "%s{\"method\":\"%s\",\"path\":\"%s\",\"calls\":%" PRIu64
		    ",\"2xx\":%" PRIu64 ",\"429\":%" PRIu64
		    ",\"other\":%" PRIu64 "}",
		    some ? "," : "", t->route ? t->route->method : "",
		    t->route ? t->route->path : "(unknown)", t->calls, t->ok,
		    t->limited, t->other);
		some = true;
	}
}

static void
put_buckets(const struct sim *sim, struct buf *b)
{
	const struct bucket *k;

	for (size_t i = 0;; i++) {
		k = limits_at(sim->limits, i);
		if (k == NULL)
			break;
		buf_fmt(b,
		    "%s{\"name\":\"%s\",\"limit\":%" PRId64
		    ",\"calls\":%" PRIu64 ",\"limited\":%" PRIu64
		    ",\"peak\":%" PRId64 "}",
		    i > 0 ? "," : "", k->name, k->ceiling, k->calls, k->limited,
		    k->peak);
	}
}

static void
get_stats(struct call *c)
{
	const struct sim *sim = c->sim;
	struct buf *b = &c->answer.body;

	answer_ok(c);
	buf_fmt(b,
	    "{\"calls\":%" PRIu64 ",\"limited\":%" PRIu64
	    ",\"concurrency429\":%" PRIu64
	    ",\"maxInFlight\":%d,\"retriesMarked\":%" PRIu64
	    ",\"users\":%zu,\"groups\":%zu,\"edges\":%zu,\"endpoints\":[",
	    sim->calls, sim->limited, sim->concurrency_429, sim->max_in_flight,
	    sim->retries_marked, sim->org.live_users, sim->org.n_groups,
	    sim->org.edges);
	put_endpoints(sim, b);
	buf_str(b, "],\"buckets\":[");
	put_buckets(sim, b);
	buf_str(b, "],\"entra\":");
	graph_stats(sim, b);
	buf_str(b, "}\n");
}

static void
reset_stats(struct call *c)
{
	struct sim *sim = c->sim;
	struct bucket *k;

	sim->calls = sim->limited = sim->concurrency_429 = 0;
	sim->retries_marked = 0;
	sim->max_in_flight = sim->in_flight;
	for (size_t i = 0; i < sim->n_tallies; i++)
		sim->tallies[i] =
		    (struct tally){ .route = sim->tallies[i].route };
	for (size_t i = 0;; i++) {
		k = limits_at(sim->limits, i);
		if (k == NULL)
			break;
		k->calls = k->limited = 0;
		k->peak = 0;
	}
	graph_stats_reset(sim);
	answer_ok(c);
	buf_str(&c->answer.body, "{}\n");
}

yyjson_doc *
control_body(struct call *c)
{
	yyjson_doc *doc;

	if (c->body.len == 0)
		buf_str(&c->body, "{}");
	doc = yyjson_read(c->body.data, c->body.len, 0);
	if (doc == NULL)
		control_refuse(c, "the body is not JSON");
	return doc;
}

static int64_t
get_int(yyjson_val *obj, const char *key, int64_t fallback)
{
	yyjson_val *v = yyjson_obj_get(obj, key);

	return yyjson_is_int(v) ? yyjson_get_sint(v) : fallback;
}

static const struct {
	const char *name;
	size_t offset;
} mutation_keys[] = {
	{ "change", offsetof(struct mutation, change) },
	{ "create", offsetof(struct mutation, create) },
	{ "deprovision", offsetof(struct mutation, deprovision) },
	{ "delete", offsetof(struct mutation, delete) },
	{ "login", offsetof(struct mutation, login) },
	{ "move", offsetof(struct mutation, move) },
	{ "groups", offsetof(struct mutation, groups) },
	{ "renameGroups", offsetof(struct mutation, rename) },
};
#define N_KEYS (sizeof(mutation_keys) / sizeof(mutation_keys[0]))

/* Sets the field of that name; false when there is none. */
static bool
set_mutation(struct mutation *m, const char *key, yyjson_val *value)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(mutation_keys[i].name, key) != 0)
			continue;
		if (!yyjson_is_uint(value))
			return false;
		*(size_t *)(void *)((char *)m + mutation_keys[i].offset) =
		    yyjson_get_uint(value);
		return true;
	}
	return false;
}

static void
mutate(struct call *c)
{
	struct mutation m = { 0 };
	yyjson_doc *doc = control_body(c);
	yyjson_val *key, *value;
	size_t i, n;

	if (doc == NULL)
		return;
	answer_ok(c);
	yyjson_obj_foreach(yyjson_doc_get_root(doc), i, n, key,
	    value) if (!set_mutation(&m, yyjson_get_str(key), value))
	    control_refuse(c, "mutate takes numbers for change, create, "
			      "deprovision, delete, login, move, groups, "
			      "renameGroups");
	yyjson_doc_free(doc);
	if (m.groups == 0)
		m.groups = m.move < 30 ? m.move : 30;
	if (c->answer.status == 200) {
		org_mutate(&c->sim->org, &m, sim_now(c->sim), &c->answer.body);
		buf_char(&c->answer.body, '\n');
	}
}

static bool
read_fault(yyjson_val *v, struct fault *f)
{
	const char *match = yyjson_get_str(yyjson_obj_get(v, "match"));
	const char *kind = yyjson_get_str(yyjson_obj_get(v, "kind"));

	if (match == NULL || kind == NULL)
		return false;
	*f = (struct fault){ .nth = get_int(v, "nth", 1),
		.count = get_int(v, "count", 1),
		.retry_after_s = get_int(v, "retryAfter", 1),
		.ms = get_int(v, "ms", 1000),
		.kind = fault_kind_of(kind) };
	snprintf(f->match, sizeof(f->match), "%s", match);
	return f->kind != FAULT_NONE;
}

static void
set_faults(struct call *c)
{
	yyjson_doc *doc = control_body(c);
	yyjson_val *root = yyjson_doc_get_root(doc), *v;
	struct sim *sim = c->sim;
	size_t i, n;

	if (doc == NULL)
		return;
	answer_ok(c);
	sim->n_faults = 0;
	if (!yyjson_is_arr(root) || yyjson_arr_size(root) > MAX_FAULTS)
		control_refuse(
		    c, "a fault plan is an array of at most 32 rules");
	else
		yyjson_arr_foreach(root, i, n,
		    v) if (!read_fault(v, &sim->faults[sim->n_faults++]))
		    control_refuse(c, "a rule needs match and a kind");
	if (c->answer.status == 200)
		buf_fmt(&c->answer.body, "{\"rules\":%zu}\n", sim->n_faults);
	else
		sim->n_faults = 0;
	yyjson_doc_free(doc);
}

static void
set_foreign(struct call *c)
{
	yyjson_doc *doc = control_body(c);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *name = yyjson_get_str(yyjson_obj_get(root, "bucket"));
	struct bucket *b = NULL;

	if (doc == NULL)
		return;
	if (name != NULL)
		b = limits_find(c->sim->limits, name);
	if (b == NULL) {
		control_refuse(c, "there is no such bucket");
	} else {
		b->foreign = get_int(root, "perMinute", 0);
		b->foreign_same =
		    yyjson_get_bool(yyjson_obj_get(root, "sameToken"));
		answer_ok(c);
		buf_str(&c->answer.body, "{}\n");
	}
	yyjson_doc_free(doc);
}

static void
all_users(struct call *c)
{
	const struct org *org = &c->sim->org;

	answer_ok(c);
	for (size_t i = 0; i < org->n_users; i++) {
		if (org->users[i].gone)
			continue;
		user_put(&org->users[i], false, &c->answer.body);
		buf_char(&c->answer.body, '\n');
	}
}

static void
all_groups(struct call *c)
{
	const struct org *org = &c->sim->org;

	answer_ok(c);
	for (size_t i = 0; i < org->n_groups; i++) {
		group_put(&org->groups[i], false, &c->answer.body);
		buf_char(&c->answer.body, '\n');
	}
}

static void
all_members(struct call *c)
{
	const struct org *org = &c->sim->org;

	answer_ok(c);
	for (size_t i = 0; i < org->n_groups; i++) {
		const struct group *g = &org->groups[i];

		for (size_t k = 0; k < g->n_members; k++)
			buf_fmt(&c->answer.body,
			    "{\"groupId\":\"%s\",\"userId\":\"%s\"}\n", g->id,
			    org->users[g->members[k]].id);
	}
}

const struct route control_routes[] = {
	{ "GET", "/_sim/stats", NULL, get_stats, ROUTE_CONTROL },
	{ "POST", "/_sim/reset-stats", NULL, reset_stats, ROUTE_CONTROL },
	{ "POST", "/_sim/mutate", NULL, mutate, ROUTE_CONTROL },
	{ "POST", "/_sim/fault", NULL, set_faults, ROUTE_CONTROL },
	{ "POST", "/_sim/foreign", NULL, set_foreign, ROUTE_CONTROL },
	{ "POST", "/_sim/okta/users", NULL, okta_write_user, ROUTE_CONTROL },
	{ "POST", "/_sim/okta/rules", NULL, okta_write_rule, ROUTE_CONTROL },
	{ "GET", "/_sim/rules", NULL, okta_all_rules, ROUTE_CONTROL },
	{ "GET", "/_sim/users", NULL, all_users, ROUTE_CONTROL },
	{ "GET", "/_sim/groups", NULL, all_groups, ROUTE_CONTROL },
	{ "GET", "/_sim/members", NULL, all_members, ROUTE_CONTROL },
};
const size_t control_n_routes =
    sizeof(control_routes) / sizeof(control_routes[0]);
