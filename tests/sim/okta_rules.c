/*
 * okta_rules.c - GET /api/v1/groups/rules, and what a test asks of rules.
 *
 * okta_routes.c and control.c have the routes, rules.c the rules.  The list
 * knows no filter; a page has 50 rows unless asked for others, 200 at most.
 */

#include <string.h>

#include "control.h"
#include "okta.h"
#include "rules.h"

static size_t
rules_count(const struct org *org)
{
	return org->n_rules;
}

static const char *
rules_id(const struct org *org, size_t i)
{
	return org->rules[i].id;
}

static size_t
rules_from(const struct org *org, const char *id)
{
	size_t i = 0;

	while (i < org->n_rules && strcmp(org->rules[i].id, id) < 0)
		i++;
	return i;
}

static bool
rules_hidden(const struct org *org, size_t i, bool plain)
{
	(void)plain;
	return org->rules[i].gone;
}

static void
rules_get(void *ctx, const char *name, struct expr_value *out)
{
	(void)ctx;
	(void)name;
	out->kind = EXPR_NONE;
}

static void
rules_put(struct call *c, size_t i, struct buf *out)
{
	rule_put(&c->sim->org, &c->sim->org.rules[i], out);
}

static const struct collection rules = { "", rules_count, rules_id, rules_from,
	rules_hidden, rules_get, rules_put };

void
okta_rules(struct call *c)
{
	struct page page = { .after = call_query(c, "after"), .plain = true };

	if (list_limit(c, 50, 200, &page.limit))
		list_page(c, &rules, &page);
}

/* GET /_sim/rules: all of them, one a line. */
void
okta_all_rules(struct call *c)
{
	const struct org *org = &c->sim->org;

	answer_ok(c);
	for (size_t i = 0; i < org->n_rules; i++) {
		if (org->rules[i].gone)
			continue;
		rule_put(org, &org->rules[i], &c->answer.body);
		buf_char(&c->answer.body, '\n');
	}
}

static bool
set_status(struct rule *r, const char *name)
{
	for (int s = RULE_ACTIVE; name != NULL && s <= RULE_INVALID; s++) {
		if (strcmp(rule_status_name((enum rule_status)s), name) != 0)
			continue;
		r->status = (enum rule_status)s;
		return true;
	}
	return name == NULL;
}

/* POST /_sim/okta/rules: {"id":..., "status":... or "delete":true}. */
void
okta_write_rule(struct call *c)
{
	struct org *org = &c->sim->org;
	int64_t now = sim_now(c->sim);
	yyjson_doc *doc = control_body(c);
	yyjson_val *root = yyjson_doc_get_root(doc);
	struct rule *r;

	if (doc == NULL)
		return;
	r = org_rule(org, yyjson_get_str(yyjson_obj_get(root, "id")));
	if (r == NULL) {
		control_refuse(c, "there is no such rule");
	} else if (!set_status(
		       r, yyjson_get_str(yyjson_obj_get(root, "status")))) {
		control_refuse(c, "there is no such status");
	} else {
		r->last_updated = now - now % 1000;
		r->gone = yyjson_get_bool(yyjson_obj_get(root, "delete"));
		rule_apply(org, r);
		answer_ok(c);
		rule_put(org, r, &c->answer.body);
		buf_char(&c->answer.body, '\n');
	}
	yyjson_doc_free(doc);
}
