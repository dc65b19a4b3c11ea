/*
 * rules.c - group rules of the org: who is in a group because of an expression.
 *
 * seed.c makes them behind everything else and from a randomness of their own,
 * so that an org without rules is what it always was.  A rule that is ACTIVE
 * puts each user of its department into its group, but for those it excludes;
 * beside them the group has two members that somebody put there by hand, one
 * of the department, who is excluded, and one of another.  okta_control.c
 * asks again when a user was written.  Shapes: okta's API reference.
 */

#include "rules.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "clock.h"
#include "mem.h"
#include "names.h"

const char *
rule_status_name(enum rule_status status)
{
	static const char *const names[] = { "ACTIVE", "INACTIVE", "INVALID" };

	return names[status];
}

static bool
matches(const struct rule *r, const struct user *u)
{
	yyjson_doc *doc;
	bool is;

	if (u->gone || u->status == USER_DEPROVISIONED)
		return false;
	doc = yyjson_read(u->text + u->profile, u->profile_len, 0);
	is = yyjson_equals_str(
	    yyjson_obj_get(yyjson_doc_get_root(doc), "department"),
	    departments[r->department]);
	yyjson_doc_free(doc);
	return is;
}

/* True: the group has changed. */
static bool
judge(struct org *org, struct rule *r, uint32_t user)
{
	struct group *g = &org->groups[r->group];

	if (r->status != RULE_ACTIVE || (r->hand && user == r->excluded))
		return false;
	if (matches(r, &org->users[user])) {
		if (!group_add(g, user))
			return false;
		group_add(&r->placed, user);
		org->edges++;
		return true;
	}
	if (!group_remove(&r->placed, user) || !group_remove(g, user))
		return false;
	org->edges--;
	return true;
}

void
rules_user(struct org *org, const struct user *u, int64_t now_ms)
{
	for (size_t i = 0; i < org->n_rules; i++) {
		struct rule *r = &org->rules[i];

		if (!r->gone && judge(org, r, (uint32_t)(u - org->users))) {
			org->groups[r->group].last_membership_updated = now_ms;
			group_render(&org->groups[r->group]);
		}
	}
}

void
rule_apply(struct org *org, struct rule *r)
{
	for (size_t i = 0; !r->gone && i < org->n_users; i++)
		judge(org, r, (uint32_t)i);
	group_render(&org->groups[r->group]);
}

/* One of the department whom the rule leaves alone, one of another. */
static void
add_by_hand(struct org *org, struct rule *r)
{
	struct group *g = &org->groups[r->group];
	bool other = false;

	for (uint32_t i = 0; i < org->n_users && !(r->hand && other); i++) {
		struct user *u = &org->users[i];
		bool is = matches(r, u);

		if (u->status == USER_DEPROVISIONED || (is ? r->hand : other))
			continue;
		if (is)
			r->excluded = i;
		*(is ? &r->hand : &other) = true;
		org->edges += group_add(g, i);
	}
}

/* The next group behind `at` that a rule may fill; 0: there is none. */
static uint32_t
next_group(const struct org *org, uint32_t at)
{
	for (size_t k = 1; k <= org->n_groups; k++) {
		const struct group *g = &org->groups[(at + k) % org->n_groups];

		if (g->type == GROUP_OKTA && g->n_members > 0)
			return g->number;
	}
	return 0;
}

/* The first rule that fills a group takes out who was drawn for it. */
static void
empty(struct org *org, const struct rule *r)
{
	struct group *g = &org->groups[r->group];

	for (const struct rule *k = org->rules; k < r; k++)
		if (k->group == r->group && k->status == RULE_ACTIVE)
			return;
	org->edges -= g->n_members;
	g->n_members = 0;
}

void
rules_seed(struct org *org, size_t n, uint64_t seed)
{
	struct rng rng = { seed ^ 0x72756c65u };
	uint32_t at = 0;

	org->rules = xcalloc(n + 1, sizeof(*org->rules));
	for (size_t i = 0; i < n; i++) {
		struct rule *r = &org->rules[i];
		struct group *g;

		at = next_group(org, at);
		if (at == 0)
			return;
		g = &org->groups[at];
		org->n_rules++;
		org_make_id(&rng, "0pr", (uint32_t)i, r->id);
		r->group = at;
		r->department = (uint16_t)(i % N_DEPARTMENT);
		r->status = i % 4 != 3   ? RULE_ACTIVE
			    : i % 8 == 3 ? RULE_INACTIVE
					 : RULE_INVALID;
		r->created = r->last_updated = g->last_updated;
		if (r->status != RULE_ACTIVE)
			continue;
		empty(org, r);
		add_by_hand(org, r);
		rule_apply(org, r);
	}
}

void
rules_free(struct org *org)
{
	for (size_t i = 0; i < org->n_rules; i++)
		free(org->rules[i].placed.members);
	free(org->rules);
}

struct rule *
org_rule(const struct org *org, const char *id)
{
	for (size_t i = 0; id != NULL && i < org->n_rules; i++)
		if (!org->rules[i].gone && strcmp(org->rules[i].id, id) == 0)
			return &org->rules[i];
	return NULL;
}

void
rule_put(const struct org *org, const struct rule *r, struct buf *out)
{
	const char *department = departments[r->department];
	char created[CLOCK_TEXT], updated[CLOCK_TEXT];
	struct buf text = { 0 };

	clock_rfc3339(r->created, created);
	clock_rfc3339(r->last_updated, updated);
	buf_fmt(&text, "user.department==\"%s\"", department);
	buf_fmt(out,
	    "{\"type\":\"group_rule\",\"id\":\"%s\",\"status\":\"%s\","
	    "\"name\":\"%s people\",\"created\":\"%s\",\"lastUpdated\":\"%s\","
	    "\"conditions\":{\"people\":{\"users\":{\"exclude\":[",
	    r->id, rule_status_name(r->status), department, created, updated);
	if (r->hand)
		buf_json_str(out, org->users[r->excluded].id);
	buf_str(out, "]},\"groups\":{\"exclude\":[]}},\"expression\":{"
		     "\"value\":");
	buf_json_str(out, text.data);
	buf_fmt(out,
	    ",\"type\":\"urn:okta:expression:1.0\"}},\"actions\":{"
	    "\"assignUserToGroups\":{\"groupIds\":[\"%s\"]}},"
	    "\"allGroupsValid\":%s}",
	    org->groups[r->group].id,
	    r->status == RULE_INVALID ? "false" : "true");
	buf_free(&text);
}
