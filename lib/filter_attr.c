/*
 * filter_attr.c - which attribute Okta compares how, and on which endpoint.
 *
 * filter_parse.c asks about each comparison.  The tables are those of Okta's
 * reference for listing users and groups; what they do not take is refused
 * with the form that works, because Okta itself would only answer "invalid
 * search criteria".
 */

#include "filter_private.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "clock.h"

#define EQ (1u << OP_EQ)
#define AROUND (1u << OP_GT | 1u << OP_LT)
#define ORDER (AROUND | 1u << OP_GE | 1u << OP_LE)
#define CO (1u << OP_CO)
#define SEARCH_DATE (EQ | ORDER | 1u << OP_PR)
#define SEARCH (SEARCH_DATE | 1u << OP_SW)

struct attribute {
	const char *name;
	int is_date;
	unsigned int filter, search; /* operators of each endpoint */
};

static const struct attribute user[] = {
	{ "id", 0, EQ, SEARCH },
	{ "status", 0, EQ, SEARCH },
	{ "lastUpdated", 1, EQ | ORDER, SEARCH_DATE },
	{ "created", 1, 0, SEARCH_DATE },
	{ "activated", 1, 0, SEARCH_DATE },
	{ "statusChanged", 1, 0, SEARCH_DATE },
	{ "type.id", 0, 0, SEARCH },
	{ "realmId", 0, 0, SEARCH },
	{ "profile.login", 0, EQ, SEARCH | CO },
	{ "profile.email", 0, EQ, SEARCH | CO },
	{ "profile.firstName", 0, EQ, SEARCH | CO },
	{ "profile.lastName", 0, EQ, SEARCH | CO },
	{ "profile.secondEmail", 0, 0, SEARCH },
	{ "profile.middleName", 0, 0, SEARCH },
	{ "profile.honorificPrefix", 0, 0, SEARCH },
	{ "profile.honorificSuffix", 0, 0, SEARCH },
	{ "profile.displayName", 0, 0, SEARCH },
	{ "profile.nickName", 0, 0, SEARCH },
	{ "profile.title", 0, 0, SEARCH },
	{ "profile.userType", 0, 0, SEARCH },
	{ "profile.employeeNumber", 0, 0, SEARCH },
	{ "profile.organization", 0, 0, SEARCH },
	{ "profile.department", 0, 0, SEARCH },
	{ "profile.division", 0, 0, SEARCH },
	{ "profile.costCenter", 0, 0, SEARCH },
	{ "profile.manager", 0, 0, SEARCH },
	{ "profile.managerId", 0, 0, SEARCH },
	{ "profile.mobilePhone", 0, 0, SEARCH },
	{ "profile.primaryPhone", 0, 0, SEARCH },
	{ "profile.profileUrl", 0, 0, SEARCH },
	{ "profile.streetAddress", 0, 0, SEARCH },
	{ "profile.city", 0, 0, SEARCH },
	{ "profile.state", 0, 0, SEARCH },
	{ "profile.zipCode", 0, 0, SEARCH },
	{ "profile.countryCode", 0, 0, SEARCH },
	{ "profile.postalAddress", 0, 0, SEARCH },
	{ "profile.preferredLanguage", 0, 0, SEARCH },
	{ "profile.locale", 0, 0, SEARCH },
	{ "profile.timezone", 0, 0, SEARCH },
};

static const struct attribute group[] = {
	{ "id", 0, EQ | AROUND, SEARCH },
	{ "type", 0, EQ | AROUND, SEARCH },
	{ "lastUpdated", 1, EQ | AROUND, SEARCH_DATE },
	{ "lastMembershipUpdated", 1, EQ | AROUND, SEARCH_DATE },
	{ "created", 1, 0, SEARCH_DATE },
	{ "source.id", 0, 0, SEARCH },
	{ "profile.name", 0, 0, SEARCH | CO },
	{ "profile.description", 0, 0, SEARCH | CO },
	{ "profile.samAccountName", 0, 0, SEARCH },
	{ "profile.dn", 0, 0, SEARCH },
	{ "profile.windowsDomainQualifiedName", 0, 0, SEARCH },
	{ "profile.externalId", 0, 0, SEARCH },
	{ "profile.objectSid", 0, 0, SEARCH },
	{ "profile.groupType", 0, 0, SEARCH },
	{ "profile.groupScope", 0, 0, SEARCH },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NAMES_MAX COUNT(user)

/* An attribute of an organisation's own schema: its type is not known here. */
static const struct attribute custom = { "profile.", 0, 0, SEARCH };

static const struct {
	const char *noun;
	const struct attribute *rows;
	size_t n;
	size_t contains_min; /* characters that co needs */
	const char *contains; /* who takes co */
	const char *takes;
} tables[] = {
	[FILTER_USER] = { "users", user, COUNT(user), 3,
	    "profile.firstName, lastName, email and login",
	    "id status created activated statusChanged lastUpdated type.id "
	    "realmId profile.NAME" },
	[FILTER_GROUP] = { "groups", group, COUNT(group), 1,
	    "profile.name and profile.description",
	    "id type created lastUpdated lastMembershipUpdated source.id "
	    "profile.NAME" },
};

static const struct attribute *
find(enum filter_entity entity, const char *path)
{
	const struct attribute *rows = tables[entity].rows;

	for (size_t i = 0; i < tables[entity].n; i++)
		if (strcmp(rows[i].name, path) == 0)
			return &rows[i];
	if (strncmp(path, custom.name, strlen(custom.name)) == 0 &&
	    strchr(path + strlen(custom.name), '.') == NULL)
		return &custom;
	return NULL;
}

/* The known name that differs in case only, or lacks its "profile.". */
static const char *
same_but(enum filter_entity entity, const char *path)
{
	const struct attribute *rows = tables[entity].rows;
	size_t skip = strlen(custom.name);

	for (size_t i = 0; i < tables[entity].n; i++) {
		const char *name = rows[i].name;

		if (strcasecmp(name, path) == 0)
			return name;
		if (strncmp(name, custom.name, skip) == 0 &&
		    strcasecmp(name + skip, path) == 0)
			return name;
	}
	return NULL;
}

static const char *
nearest(enum filter_entity entity, const char *path)
{
	const char *names[NAMES_MAX];

	for (size_t i = 0; i < tables[entity].n; i++)
		names[i] = tables[entity].rows[i].name;
	return why_nearest(path, names, tables[entity].n);
}

int
filter_judge_path(struct parse *p, const char *path, struct spot spot)
{
	const struct attribute *a = find(p->entity, path);
	const char *right;

	if (a != NULL && a != &custom)
		return 0;
	right = same_but(p->entity, path);
	if (right != NULL)
		return filter_fail(p, spot,
		    "did you mean %s? Names count with their case", right);
	if (a == &custom)
		return 0;
	if (strncasecmp(path, custom.name, strlen(custom.name)) == 0)
		return filter_fail(p, spot,
		    "an attribute of the profile is written profile.NAME, "
		    "with one name");
	right = nearest(p->entity, path);
	if (right != NULL)
		return filter_fail(p, spot,
		    "Okta cannot select %s by this; did you mean %s?",
		    tables[p->entity].noun, right);
	return filter_fail(p, spot,
	    "Okta cannot select %s by this; it takes %s",
	    tables[p->entity].noun, tables[p->entity].takes);
}

static int
judge_operator(struct parse *p, const struct node *n, const struct attribute *a,
    struct spot spot)
{
	if (a->search & 1u << n->op)
		return 0;
	if (a->is_date)
		return filter_fail(p, spot,
		    "%.60s is an instant; compare it with gt ge lt le or eq",
		    n->path);
	return filter_fail(p, spot,
	    "Okta takes co only on %s; use sw for a beginning or eq",
	    tables[p->entity].contains);
}

static int
month_has(int year, int month, int day)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };
	int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return day <= days[month - 1] + (month == 2 && leap);
}

static int
judge_date(struct parse *p, struct value *v, struct spot spot)
{
	int year, month, day;

	if (v->kind != VALUE_TEXT ||
	    clock_parse_rfc3339(v->text, v->len, &v->instant) != 0 ||
	    sscanf(v->text, "%4d-%2d-%2d", &year, &month, &day) != 3 ||
	    !month_has(year, month, day))
		return filter_fail(p, spot,
		    "this is no date; write one like "
		    "\"2026-04-22T08:15:30.000Z\"");
	v->kind = VALUE_DATE;
	return 0;
}

static size_t
characters(const struct value *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->len; i++)
		n += ((unsigned char)v->text[i] & 0xc0) != 0x80;
	return n;
}

static int
judge_value(struct parse *p, struct node *n, const struct attribute *a,
    struct spot spot)
{
	const struct value *v = &n->value;
	size_t least = tables[p->entity].contains_min;
	int word_len = (int)(spot.len < 40 ? spot.len : 40);

	if (n->op == OP_PR)
		return 0;
	if (a->is_date)
		return judge_date(p, &n->value, spot);
	if (v->kind != VALUE_TEXT &&
	    (a != &custom || n->op == OP_SW || n->op == OP_CO))
		return filter_fail(p, spot, "%s compares text; write \"%.*s\"",
		    a != &custom ? a->name : "sw", word_len, p->text + spot.at);
	if (v->kind == VALUE_BOOL && n->op != OP_EQ)
		return filter_fail(
		    p, spot, "only eq compares with true and false");
	if (n->op == OP_CO && characters(v) < least)
		return filter_fail(p, spot,
		    "co needs at least %zu characters; use sw for less", least);
	return 0;
}

int
filter_judge(struct parse *p, struct node *n, const struct compare_spots *spots)
{
	const struct attribute *a = find(p->entity, n->path);

	if (judge_operator(p, n, a, spots->op) != 0 ||
	    judge_value(p, n, a, spots->value) != 0)
		return -1;
	if (!(a->filter & 1u << n->op))
		p->route = FILTER_BY_SEARCH;
	return 0;
}
