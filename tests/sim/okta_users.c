/*
 * okta_users.c - GET /api/v1/users and what hangs below one user.
 *
 * Plain listings and q leave DEPROVISIONED users out, filter and search do
 * not; q is a look-up and has no pages.
 */

#include "okta.h"

#include <stdio.h>
#include <string.h>

#include "list.h"
#include "names.h"

#define ALL (EXPR_EQ | EXPR_SW | EXPR_ORDER | EXPR_PR)

static const struct expr_attr filter_attrs[] = {
	{ "id", EXPR_EQ, false },
	{ "status", EXPR_EQ, false },
	{ "lastUpdated", EXPR_EQ | EXPR_ORDER, true },
	{ "profile.login", EXPR_EQ, false },
	{ "profile.email", EXPR_EQ, false },
	{ "profile.firstName", EXPR_EQ, false },
	{ "profile.lastName", EXPR_EQ, false },
};

static const struct expr_attr search_attrs[] = {
	{ "id", ALL, false },
	{ "status", ALL, false },
	{ "created", EXPR_EQ | EXPR_ORDER | EXPR_PR, true },
	{ "activated", EXPR_EQ | EXPR_ORDER | EXPR_PR, true },
	{ "statusChanged", EXPR_EQ | EXPR_ORDER | EXPR_PR, true },
	{ "lastUpdated", EXPR_EQ | EXPR_ORDER | EXPR_PR, true },
	{ "type.id", ALL, false },
	{ "realmId", ALL, false },
	{ "profile.firstName", ALL | EXPR_CO, false },
	{ "profile.lastName", ALL | EXPR_CO, false },
	{ "profile.email", ALL | EXPR_CO, false },
	{ "profile.login", ALL | EXPR_CO, false },
	{ "profile.*", ALL, false },
};

static const struct expr_table filter_table = { filter_attrs,
	sizeof(filter_attrs) / sizeof(filter_attrs[0]), false };
static const struct expr_table search_table = { search_attrs,
	sizeof(search_attrs) / sizeof(search_attrs[0]), true };

static size_t
users_count(const struct org *org)
{
	return org->n_users;
}

static const char *
users_id(const struct org *org, size_t i)
{
	return org->users[i].id;
}

static bool
users_hidden(const struct org *org, size_t i, bool plain)
{
	const struct user *u = &org->users[i];

	return u->gone || (plain && u->status == USER_DEPROVISIONED);
}

static void
users_put(struct call *c, size_t i, struct buf *out)
{
	user_put(&c->sim->org.users[i], okta_shows_credentials(c), out);
}

static bool
get_date(const struct user *u, const char *name, struct expr_value *out)
{
	const struct {
		const char *name;
		int64_t ms;
	} dates[] = {
		{ "lastUpdated", u->last_updated },
		{ "created", u->created },
		{ "activated", u->activated },
		{ "statusChanged", u->status_changed },
	};

	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		if (strcmp(name, dates[i].name) != 0)
			continue;
		out->kind = dates[i].ms != 0 ? EXPR_DATE : EXPR_NONE;
		out->ms = dates[i].ms;
		return true;
	}
	return false;
}

static void
get_text(struct expr_value *out, const char *text)
{
	out->kind = EXPR_TEXT;
	out->text = text;
}

/* What is a field of the struct is read there: most filters need no JSON. */
static void
users_get(void *ctx, const char *name, struct expr_value *out)
{
	struct item *item = ctx;
	struct user *u = &item->org->users[item->i];

	if (strcmp(name, "status") == 0) {
		get_text(out, user_status_name(u->status));
	} else if (strcmp(name, "id") == 0) {
		get_text(out, u->id);
	} else if (strcmp(name, "type.id") == 0) {
		get_text(out, item->org->type);
	} else if (u->patch == NULL && strcmp(name, "profile.firstName") == 0) {
		get_text(out, first_names[u->first].text);
	} else if (u->patch == NULL && strcmp(name, "profile.lastName") == 0) {
		get_text(out, last_names[u->last].text);
	} else if (!get_date(u, name, out) &&
		   strncmp(name, "profile.", 8) == 0) {
		if (item->doc == NULL)
			item->doc = yyjson_read(
			    u->text + u->profile, u->profile_len, 0);
		out->json =
		    yyjson_obj_get(yyjson_doc_get_root(item->doc), name + 8);
		out->kind = out->json != NULL ? EXPR_JSON : EXPR_NONE;
	}
}

static const struct collection users = { "2", users_count, users_id,
	org_user_from, users_hidden, users_get, users_put };

/* Does one of the four names begin with q? */
static bool
found_by_q(const struct org *org, size_t i, const char *q)
{
	static const char *const names[] = { "profile.firstName",
		"profile.lastName", "profile.email", "profile.login" };
	struct item item = { .org = org, .i = i };
	size_t len = strlen(q);
	bool found = false;

	for (size_t k = 0; k < 4 && !found; k++) {
		struct expr_value v = { 0 };
		const char *s;

		users_get(&item, names[k], &v);
		s = v.kind == EXPR_TEXT ? v.text : yyjson_get_str(v.json);
		found = s != NULL && strlen(s) >= len &&
			expr_compare(s, len, q, len, true) == 0;
	}
	yyjson_doc_free(item.doc);
	return found;
}

static void
users_by_q(struct call *c, const char *q)
{
	const struct org *org = &c->sim->org;
	struct buf *b = &c->answer.body;
	size_t limit, n = 0;

	if (!list_limit(c, 10, 200, &limit))
		return;
	answer_ok(c);
	buf_char(b, '[');
	for (size_t i = 0; i < org->n_users && n < limit; i++) {
		if (users_hidden(org, i, true) || !found_by_q(org, i, q))
			continue;
		if (n++ > 0)
			buf_char(b, ',');
		users_put(c, i, b);
	}
	buf_char(b, ']');
}

void
okta_users(struct call *c)
{
	struct page page = { .after = call_query(c, "after") };
	const char *q = call_query(c, "q");
	const char *order = call_query(c, "sortOrder");

	if (q != NULL && call_query(c, "filter") == NULL &&
	    call_query(c, "search") == NULL) {
		users_by_q(c, q);
		return;
	}
	if (!list_limit(c, 200, 200, &page.limit) ||
	    !okta_expr(c, &filter_table, &search_table, &page))
		return;
	if (page.search)
		page.sort_by = call_query(c, "sortBy");
	page.descending = order != NULL && strcmp(order, "desc") == 0;
	list_page(c, &users, &page);
	expr_free(page.expr);
}

static void
put_user(struct call *c, const struct user *u)
{
	struct answer *a = &c->answer;
	uint64_t h = 0;

	answer_ok(c);
	user_put_one(&c->sim->org, u, okta_shows_credentials(c),
	    !okta_omits(c, "omitCredentialsLinks"), &a->body);
	snprintf(a->etag, sizeof(a->etag), "W/\"");
	for (int i = 0; i < 4; i++) {
		h = rng_hash(u->text, u->len, h + 1);
		snprintf(a->etag + 3 + i * 16, 18, "%016llx\"",
		    (unsigned long long)h);
	}
}

void
okta_user(struct call *c)
{
	const struct user *u = org_user(&c->sim->org, c->arg);

	if (u == NULL)
		okta_not_found(c, "User");
	else
		put_user(c, u);
}

/* The administrator whose token it is: the first active user. */
void
okta_me(struct call *c)
{
	const struct org *org = &c->sim->org;

	for (size_t i = 0; i < org->n_users; i++) {
		const struct user *u = &org->users[i];

		if (u->gone || u->status != USER_ACTIVE)
			continue;
		put_user(c, u);
		return;
	}
	answer_error(c, 404, "E0000007",
	    "Not found: Resource not found: me "
	    "(User)",
	    NULL);
}

void
okta_user_groups(struct call *c)
{
	const struct org *org = &c->sim->org;
	const struct user *u = org_user(org, c->arg);
	const char *after = call_query(c, "after"), *next = NULL;
	struct buf *b = &c->answer.body;
	char id[ORG_ID + 1] = "";
	size_t limit, n = 0;

	if (u == NULL) {
		okta_not_found(c, "User");
		return;
	}
	if (!list_limit(c, 200, 200, &limit) ||
	    (after != NULL && !list_cursor(c, "", false, after, id)))
		return;
	answer_ok(c);
	buf_char(b, '[');
	for (size_t i = org_group_from(org, id); i < org->n_groups; i++) {
		const struct group *g = &org->groups[i];

		if (strcmp(g->id, id) == 0 && after != NULL)
			continue;
		if (!group_has(g, (uint32_t)(u - org->users)))
			continue;
		if (n == limit) {
			next = id;
			break;
		}
		if (n++ > 0)
			buf_char(b, ',');
		group_put(g, false, b);
		memcpy(id, g->id, sizeof(id));
		after = NULL;
	}
	buf_char(b, ']');
	list_links(c, limit, next);
}
