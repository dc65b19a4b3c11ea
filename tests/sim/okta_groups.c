/*
 * okta_groups.c - GET /api/v1/groups, one group, and its members.
 *
 * Members of a group keep their place when they are deprovisioned, as in
 * Okta: the list has no filter.
 */

#include "okta.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"

#define ALL (EXPR_EQ | EXPR_SW | EXPR_ORDER | EXPR_PR)
#define DATE (EXPR_EQ | EXPR_ORDER | EXPR_PR)
#define SOME_ORDER (EXPR_EQ | EXPR_GT | EXPR_LT)

static const struct expr_attr filter_attrs[] = {
	{ "id", EXPR_EQ, false },
	{ "type", EXPR_EQ, false },
	{ "lastUpdated", SOME_ORDER, true },
	{ "lastMembershipUpdated", SOME_ORDER, true },
};

static const struct expr_attr search_attrs[] = {
	{ "id", ALL, false },
	{ "type", ALL, false },
	{ "created", DATE, true },
	{ "lastUpdated", DATE, true },
	{ "lastMembershipUpdated", DATE, true },
	{ "source.id", ALL, false },
	{ "profile.name", ALL | EXPR_CO, false },
	{ "profile.description", ALL | EXPR_CO, false },
	{ "profile.*", ALL, false },
};

static const struct expr_table filter_table = { filter_attrs,
	sizeof(filter_attrs) / sizeof(filter_attrs[0]), false };
static const struct expr_table search_table = { search_attrs,
	sizeof(search_attrs) / sizeof(search_attrs[0]), true };

static size_t
groups_count(const struct org *org)
{
	return org->n_groups;
}

static const char *
groups_id(const struct org *org, size_t i)
{
	return org->groups[i].id;
}

static bool
groups_hidden(const struct org *org, size_t i, bool plain)
{
	(void)org;
	(void)i;
	(void)plain;
	return false;
}

static bool
wants_stats(const struct call *c)
{
	const char *expand = call_query(c, "expand");

	return expand != NULL && strstr(expand, "stats") != NULL;
}

static void
groups_put(struct call *c, size_t i, struct buf *out)
{
	group_put(&c->sim->org.groups[i], wants_stats(c), out);
}

static void
get_date(struct expr_value *out, int64_t ms)
{
	out->kind = EXPR_DATE;
	out->ms = ms;
}

static void
get_text(struct expr_value *out, const char *text)
{
	out->kind = text[0] != '\0' ? EXPR_TEXT : EXPR_NONE;
	out->text = text;
}

static void
groups_get(void *ctx, const char *name, struct expr_value *out)
{
	struct item *item = ctx;
	struct group *g = &item->org->groups[item->i];

	if (strcmp(name, "id") == 0) {
		get_text(out, g->id);
	} else if (strcmp(name, "type") == 0) {
		get_text(out, group_type_name(g->type));
	} else if (strcmp(name, "source.id") == 0) {
		get_text(out, g->source);
	} else if (strcmp(name, "created") == 0) {
		get_date(out, g->created);
	} else if (strcmp(name, "lastUpdated") == 0) {
		get_date(out, g->last_updated);
	} else if (strcmp(name, "lastMembershipUpdated") == 0) {
		get_date(out, g->last_membership_updated);
	} else if (strncmp(name, "profile.", 8) == 0) {
		if (item->doc == NULL)
			item->doc = yyjson_read(g->text, g->len, 0);
		out->json = yyjson_obj_get(
		    yyjson_obj_get(yyjson_doc_get_root(item->doc), "profile"),
		    name + 8);
		out->kind = out->json != NULL ? EXPR_JSON : EXPR_NONE;
	}
}

static const struct collection groups = { "", groups_count, groups_id,
	org_group_from, groups_hidden, groups_get, groups_put };

static bool
found_by_q(const struct group *g, const char *q)
{
	size_t len = strlen(q);

	return g->name_len >= len + 2 &&
	       expr_compare(g->text + g->name + 1, len, q, len, true) == 0;
}

/* Names that begin with q, of those that the filter lets through. */
static void
groups_by_q(struct call *c, const char *q, struct page *page)
{
	const struct org *org = &c->sim->org;
	struct buf *b = &c->answer.body;
	size_t n = 0;

	answer_ok(c);
	buf_char(b, '[');
	for (size_t i = 0; i < org->n_groups && n < page->limit; i++) {
		struct item item = { .org = org, .i = i };
		bool yes = found_by_q(&org->groups[i], q) &&
			   (page->expr == NULL ||
			       expr_match(page->expr, groups_get, &item));

		yyjson_doc_free(item.doc);
		if (!yes)
			continue;
		if (n++ > 0)
			buf_char(b, ',');
		groups_put(c, i, b);
	}
	buf_char(b, ']');
}

void
okta_groups(struct call *c)
{
	struct page page = { .after = call_query(c, "after") };
	const char *q = call_query(c, "q");
	const char *order = call_query(c, "sortOrder");

	if (!list_limit(c, q != NULL ? 300 : 10000, 10000, &page.limit) ||
	    !okta_expr(c, &filter_table, &search_table, &page))
		return;
	if (page.search)
		page.sort_by = call_query(c, "sortBy");
	page.descending = order != NULL && strcmp(order, "desc") == 0;
	if (q != NULL && !page.search)
		groups_by_q(c, q, &page);
	else
		list_page(c, &groups, &page);
	expr_free(page.expr);
}

void
okta_group(struct call *c)
{
	const struct group *g = org_group(&c->sim->org, c->arg);

	if (g == NULL) {
		okta_not_found(c, "UserGroup");
		return;
	}
	answer_ok(c);
	group_put(g, wants_stats(c), &c->answer.body);
}

/* Rows from position `at`; the cursor of the last one when there are more. */
static const char *
put_members(struct call *c, const struct group *g, size_t at, size_t limit,
    const char *prefix, char cursor[CURSOR_TEXT])
{
	const struct user *u = c->sim->org.users;
	bool credentials = okta_shows_credentials(c);
	struct buf *b = &c->answer.body;
	size_t end = at + limit;

	if (end > g->n_members)
		end = g->n_members;
	buf_char(b, '[');
	for (size_t i = at; i < end; i++) {
		if (i > at)
			buf_char(b, ',');
		user_put(&u[g->members[i]], credentials, b);
	}
	buf_char(b, ']');
	if (end == g->n_members)
		return NULL;
	snprintf(
	    cursor, CURSOR_TEXT, "%s%s", prefix, u[g->members[end - 1]].id);
	return cursor;
}

/* Position behind the user of that id, who may have left meanwhile. */
static size_t
members_behind(const struct org *org, const struct group *g, const char *id)
{
	size_t i = org_user_from(org, id);

	if (i < org->n_users && strcmp(org->users[i].id, id) == 0)
		i++;
	return group_member_from(g, (uint32_t)i);
}

void
okta_members(struct call *c)
{
	const struct org *org = &c->sim->org;
	const struct group *g = org_group(org, c->arg);
	const char *after = call_query(c, "after"), *next;
	char prefix[ORG_ID + 2], id[ORG_ID + 1];
	char cursor[CURSOR_TEXT], first[CURSOR_TEXT], text[CURSOR_TEXT];
	size_t limit, at = 0;
	bool empty;

	if (g == NULL) {
		okta_not_found(c, "UserGroup");
		return;
	}
	if (!list_limit(c, 1000, 1000, &limit))
		return;
	/* A cursor belongs to its group. */
	snprintf(prefix, sizeof(prefix), "m%.17s", g->id + 3);
	if (after != NULL) {
		if (!list_cursor(c, prefix, false, after, id))
			return;
		at = members_behind(org, g, id);
	}
	answer_ok(c);
	next = put_members(c, g, at, limit, prefix, cursor);
	snprintf(first, sizeof(first), "%s%s", prefix, "00000000000000000000");
	list_fault(c, first, &next, &empty, text);
	if (empty) {
		buf_clear(&c->answer.body);
		buf_str(&c->answer.body, "[]");
	}
	list_links(c, limit, next);
}
