/*
 * okta_routes.c - which paths of the Okta API there are, and their buckets.
 *
 * Read by route.c.  Patterns of buckets as Okta's own map of 988 lines has
 * them: everything below one user is charged to the list of users.
 */

#include "okta.h"

#include <stdio.h>
#include <string.h>

static handler get_org, get_well_known;

const struct route okta_routes[] = {
	{ "GET", "/api/v1/users", "/api/v1/users", okta_users, 0 },
	{ "GET", "/api/v1/users/me", "/api/v1/users/me", okta_me, 0 },
	{ "GET", "/api/v1/users/{id}", "/api/v1/users/{id:.+}", okta_user, 0 },
	{ "GET", "/api/v1/users/{id}/groups", "/api/v1/users", okta_user_groups,
	    0 },
	{ "GET", "/api/v1/groups", "/api/v1/groups", okta_groups, 0 },
	{ "GET", "/api/v1/groups/rules", "/api/v1/groups", okta_rules, 0 },
	{ "GET", "/api/v1/groups/{id}", "/api/v1/groups/{id}", okta_group, 0 },
	{ "GET", "/api/v1/groups/{id}/users", "/api/v1/groups", okta_members,
	    0 },
	{ "GET", "/api/v1/org", "/api/v1", get_org, 0 },
	{ "GET", "/.well-known/okta-organization", NULL, get_well_known,
	    ROUTE_OPEN },
};
const size_t okta_n_routes = sizeof(okta_routes) / sizeof(okta_routes[0]);

/*
 * Content-Type: application/json; okta-response="omitCredentials,..." is a
 * strange place for a wish, but it is Okta's.
 */
bool
okta_omits(const struct call *c, const char *what)
{
	const char *s = call_header(c, "Content-Type");
	size_t len = strlen(what);

	s = s != NULL ? strstr(s, "okta-response=") : NULL;
	if (s == NULL)
		return false;
	for (s += strlen("okta-response="); *s != '\0' && *s != ';';) {
		size_t n = strcspn(s, "\", ;");

		if (n == len && strncmp(s, what, n) == 0)
			return true;
		s += n;
		s += strspn(s, "\", ");
	}
	return false;
}

bool
okta_shows_credentials(const struct call *c)
{
	return c->sim->opt.credentials || c->fault.kind == FAULT_CREDENTIALS ||
	       !okta_omits(c, "omitCredentials");
}

void
okta_not_found(struct call *c, const char *kind)
{
	char text[256];

	snprintf(text, sizeof(text), "Not found: Resource not found: %s (%s)",
	    c->arg, kind);
	answer_error(c, 404, "E0000007", text, NULL);
}

static void
bad_expr(struct call *c, const char *parameter, bool syntax)
{
	if (syntax && strcmp(parameter, "filter") == 0)
		answer_error(c, 400, "E0000053",
		    "Invalid filter: the expression cannot be parsed.", NULL);
	else
		answer_error(c, 400, "E0000031", "Invalid search criteria.",
		    syntax ? "The expression cannot be parsed."
			   : "An attribute or operator of the expression is "
			     "not supported here.");
}

bool
okta_expr(struct call *c, const struct expr_table *filters,
    const struct expr_table *searches, struct page *page)
{
	const char *filter = call_query(c, "filter");
	const char *search = call_query(c, "search");
	enum expr_error error = EXPR_OK;

	page->plain = filter == NULL && search == NULL;
	page->search = search != NULL;
	if (filter != NULL && search != NULL) {
		answer_error(c, 400, "E0000033",
		    "Invalid search criteria: search and filter exclude each "
		    "other.",
		    NULL);
		return false;
	}
	if (filter != NULL)
		page->expr = expr_parse(filter, filters, &error);
	if (search != NULL)
		page->expr = expr_parse(search, searches, &error);
	if (error == EXPR_OK)
		return true;
	bad_expr(c, filter != NULL ? "filter" : "search", error == EXPR_SYNTAX);
	return false;
}

static void
get_org(struct call *c)
{
	struct buf *b = &c->answer.body;

	answer_ok(c);
	buf_fmt(b,
	    "{\"id\":\"%s\",\"subdomain\":\"orgsim\","
	    "\"companyName\":\"Orgsim Inc.\",\"status\":\"ACTIVE\","
	    "\"expiresAt\":null,\"created\":\"2020-01-01T00:00:00.000Z\","
	    "\"lastUpdated\":\"2024-05-01T00:00:00.000Z\","
	    "\"website\":\"" ORG_HOST "\",\"phoneNumber\":\"\","
	    "\"endUserSupportHelpURL\":\"\",\"supportPhoneNumber\":\"\","
	    "\"address1\":null,\"address2\":null,\"city\":null,"
	    "\"state\":null,\"country\":null,\"postalCode\":null,"
	    "\"_links\":{\"contacts\":{\"href\":\"" ORG_HOST
	    "/api/v1/org/contacts\"}}}",
	    c->sim->org.id);
}

static void
get_well_known(struct call *c)
{
	answer_ok(c);
	buf_fmt(&c->answer.body,
	    "{\"id\":\"%s\",\"cell\":\"sim1\",\"pipeline\":\"idx\","
	    "\"_links\":{\"organization\":{\"href\":\"" ORG_HOST "\"}}}",
	    c->sim->org.id);
}
