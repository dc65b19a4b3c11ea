/*
 * render.c - users and groups as the JSON text of Okta's answers.
 *
 * A list row is written once, when its object changes, and remembers where
 * its parts begin: so a page is copies, and leaving the credentials out is
 * two copies instead of one.  Member order is that of recorded answers.
 */

#include "org.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "clock.h"
#include "names.h"

/* Which optional attributes a user has: bits of user.bits, from bit 0. */
enum {
	HAS_MOBILE,
	HAS_SECOND_EMAIL,
	HAS_DISPLAY_NAME,
	HAS_NICK_NAME,
	HAS_MIDDLE_NAME,
	HAS_DEPARTMENT,
	HAS_DIVISION,
	HAS_COST_CENTER,
	HAS_CUSTOM,
	HAS_SKILLS,
	HAS_QUESTION,
	HAS_SCHEDULE, /* three more bits follow */
};

static bool
has(const struct user *u, int what)
{
	return (u->bits >> what & 1) != 0;
}

/* `,"name":"2024-..."`, or null. */
static void
put_time(struct buf *b, const char *name, int64_t ms)
{
	char text[CLOCK_TEXT];

	buf_fmt(b, ",\"%s\":", name);
	if (ms == 0) {
		buf_str(b, "null");
		return;
	}
	clock_rfc3339(ms, text);
	buf_json_str(b, text);
}

/* `,"name":"text"`; NULL is null. */
static void
put_text(struct buf *b, const char *name, const char *text)
{
	buf_fmt(b, ",\"%s\":", name);
	buf_json_str(b, text);
}

static void
put_name(const struct user *u, struct buf *b)
{
	const char *first = first_names[u->first].text;
	const char *last = last_names[u->last].text;

	buf_str(b, "{\"firstName\":");
	buf_json_str(b, first);
	put_text(b, "lastName", last);
	if (has(u, HAS_MOBILE))
		buf_fmt(b, ",\"mobilePhone\":\"+1-555-%03u-%04u\"",
		    (unsigned)(u->bits >> 20 & 0x3ff) % 1000,
		    (unsigned)(u->bits >> 30 & 0x3fff) % 10000);
	else
		buf_str(b, ",\"mobilePhone\":null");
	if (has(u, HAS_DISPLAY_NAME)) {
		buf_str(b, ",\"displayName\":");
		buf_json_str(b, first);
		b->len--; /* one string of two */
		buf_char(b, ' ');
		buf_str(b, last);
		buf_char(b, '"');
	}
	if (has(u, HAS_NICK_NAME))
		put_text(b, "nickName", first_names[u->first].ascii);
	if (has(u, HAS_MIDDLE_NAME))
		put_text(b, "middleName", (u->bits >> 44 & 1) ? "J." : NULL);
}

static void
put_work(const struct org *org, const struct user *u, struct buf *b)
{
	static const char *const types[] = { "Employee", "Contractor", "Temp",
		"Intern" };
	const struct user *m = &org->users[u->manager];

	put_text(b, "title", titles[u->title]);
	if (has(u, HAS_DEPARTMENT) || has(u, HAS_DIVISION))
		put_text(b, "department", departments[u->department]);
	if (has(u, HAS_DIVISION))
		put_text(
		    b, "division", u->department < 8 ? "Core" : "Services");
	if (has(u, HAS_COST_CENTER))
		buf_fmt(b, ",\"costCenter\":\"CC-%03u\"", u->department * 7u);
	put_text(b, "organization", "Orgsim Inc.");
	/* Hand-typed numbers are not clean: rules have to trim and fold. */
	buf_fmt(b,
	    u->number % 40 == 7 ? ",\"employeeNumber\":\" e%06u \""
				: ",\"employeeNumber\":\"E%06u\"",
	    u->number);
	put_text(b, "userType", types[u->bits >> 46 & 3]);
	if (m == u) {
		buf_str(b, ",\"manager\":null,\"managerId\":null");
		return;
	}
	buf_fmt(b, ",\"manager\":\"%s %s\",\"managerId\":\"E%06u\"",
	    first_names[m->first].text, last_names[m->last].text, m->number);
}

static void
put_place(const struct user *u, struct buf *b)
{
	const struct city *city = &cities[u->city];

	put_text(b, "city", city->name);
	put_text(b, "countryCode", city->country);
	put_text(b, "locale", city->locale);
	put_text(b, "timezone", city->timezone);
}

/* The custom attributes: the values that importers are known to damage. */
static void
put_custom(const struct user *u, struct buf *b)
{
	static const char *const skills[] = { "c", "sql", "lua", "welding" };

	if (!has(u, HAS_CUSTOM))
		return;
	buf_fmt(b, ",\"badgeNumber\":%" PRId64 ",\"fullTime\":%s,\"remote\":%s",
	    INT64_C(9007199254740993) + u->number,
	    has(u, HAS_SCHEDULE) ? "1.0" : "0.5",
	    has(u, HAS_SCHEDULE + 1) ? "true" : "false");
	if (has(u, HAS_SKILLS))
		buf_fmt(b, ",\"skills\":[\"%s\",\"%s\"]",
		    skills[u->bits >> 48 & 3], skills[u->bits >> 50 & 3]);
	buf_str(b, ",\"badges\":[],\"costRate\":null");
}

/* Unique by the number; a few keep capitals, for filters mind the case. */
static void
put_login(const struct user *u, bool email, struct buf *b)
{
	const char *first = first_names[u->first].ascii;
	const char *last = last_names[u->last].ascii;
	const char *domain = "orgsim.example";

	if (email && u->number % 10 == 3)
		domain = "mail.orgsim.example";
	buf_fmt(b, ",\"%s\":\"", email ? "email" : "login");
	buf_str(b, first);
	if (u->number % 50 == 11)
		b->data[b->len - strlen(first)] -= 'a' - 'A';
	buf_fmt(b, ".%s%u@%s\"", last, u->number, domain);
}

static void
put_profile(const struct org *org, const struct user *u, struct buf *b)
{
	put_name(u, b);
	if (has(u, HAS_SECOND_EMAIL))
		buf_fmt(b, ",\"secondEmail\":\"%s%u@home.example\"",
		    last_names[u->last].ascii, u->number);
	else
		buf_str(b, ",\"secondEmail\":null");
	put_work(org, u, b);
	put_place(u, b);
	put_custom(u, b);
	put_login(u, false, b);
	put_login(u, true, b);
	buf_char(b, '}');
}

static void
put_credentials(const struct user *u, struct buf *b)
{
	buf_str(b, ",\"credentials\":{\"password\":{}");
	if (has(u, HAS_QUESTION))
		buf_str(b, ",\"recovery_question\":{\"question\":"
			   "\"What was your first pet called?\"}");
	buf_fmt(b,
	    ",\"emails\":[{\"value\":\"%s%u@orgsim.example\","
	    "\"status\":\"VERIFIED\",\"type\":\"PRIMARY\"}]",
	    last_names[u->last].ascii, u->number);
	buf_str(b, ",\"provider\":{\"type\":\"OKTA\",\"name\":\"OKTA\"}}");
}

/* The profile once more, with what a test has set; null stays null. */
static void
lay_over(const struct user *u, struct buf *b)
{
	yyjson_doc *made = yyjson_read(b->data + u->profile,
	    b->len - u->profile, YYJSON_READ_NUMBER_AS_RAW);
	yyjson_doc *set =
	    yyjson_read(u->patch, strlen(u->patch), YYJSON_READ_NUMBER_AS_RAW);
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *all =
	    yyjson_val_mut_copy(doc, yyjson_doc_get_root(made));
	yyjson_val *key, *value;
	size_t i, n;
	char *text;

	yyjson_obj_foreach(yyjson_doc_get_root(set), i, n, key, value)
	    yyjson_mut_obj_put(all, yyjson_val_mut_copy(doc, key),
		yyjson_val_mut_copy(doc, value));
	text = yyjson_mut_val_write(all, 0, NULL);
	if (text != NULL) {
		b->len = u->profile;
		buf_str(b, text);
	}
	free(text);
	yyjson_mut_doc_free(doc);
	yyjson_doc_free(made);
	yyjson_doc_free(set);
}

void
user_render(const struct org *org, struct user *u)
{
	struct buf b = { 0 };

	buf_reserve(&b, 1800);
	buf_fmt(&b, "{\"id\":\"%s\",\"status\":\"%s\"", u->id,
	    user_status_name(u->status));
	put_time(&b, "created", u->created);
	put_time(&b, "activated", u->activated);
	put_time(&b, "statusChanged", u->status_changed);
	put_time(&b, "lastLogin", u->last_login);
	put_time(&b, "lastUpdated", u->last_updated);
	put_time(&b, "passwordChanged", u->password_changed);
	buf_fmt(&b, ",\"type\":{\"id\":\"%s\"},\"profile\":", org->type);
	u->profile = (uint32_t)b.len;
	put_profile(org, u, &b);
	if (u->patch != NULL)
		lay_over(u, &b);
	u->profile_len = (uint32_t)b.len - u->profile;
	u->credentials = (uint32_t)b.len;
	put_credentials(u, &b);
	u->credentials_len = (uint32_t)b.len - u->credentials;
	u->links = (uint32_t)b.len;
	buf_fmt(&b,
	    ",\"_links\":{\"self\":{\"href\":\"" ORG_HOST
	    "/api/v1/users/%s\"}}}",
	    u->id);
	u->len = (uint32_t)b.len;
	free(u->text);
	u->text = buf_take(&b);
}

const char *
user_login(const struct user *u, size_t *len)
{
	static const char key[] = "\"login\":\"";
	const char *s =
	    memmem(u->text + u->profile, u->profile_len, key, sizeof(key) - 1);

	s += sizeof(key) - 1;
	*len = (size_t)(strchr(s, '"') - s);
	return s;
}

void
user_put(const struct user *u, bool credentials, struct buf *out)
{
	if (credentials) {
		buf_add(out, u->text, u->len);
		return;
	}
	buf_add(out, u->text, u->credentials);
	buf_add(out, u->text + u->links, u->len - u->links);
}

static void
put_link(struct buf *out, const char *name, const char *id, const char *path)
{
	buf_fmt(out,
	    "\"%s\":{\"href\":\"" ORG_HOST
	    "/api/v1/users/%s/%s\",\"method\":\"POST\"},",
	    name, id, path);
}

void
user_put_one(const struct org *org, const struct user *u, bool credentials,
    bool credential_links, struct buf *out)
{
	buf_add(out, u->text, credentials ? u->links : u->credentials);
	buf_str(out, ",\"_links\":{");
	put_link(out, "suspend", u->id, "lifecycle/suspend");
	buf_fmt(out,
	    "\"schema\":{\"href\":\"" ORG_HOST
	    "/api/v1/meta/schemas/user/%s\"},",
	    org->schema);
	if (credential_links) {
		put_link(
		    out, "resetPassword", u->id, "lifecycle/reset_password");
		put_link(out, "forgotPassword", u->id,
		    "credentials/forgot_password");
		put_link(
		    out, "expirePassword", u->id, "lifecycle/expire_password");
		put_link(out, "changeRecoveryQuestion", u->id,
		    "credentials/change_recovery_question");
		put_link(out, "changePassword", u->id,
		    "credentials/change_password");
	}
	buf_fmt(out, "\"self\":{\"href\":\"" ORG_HOST "/api/v1/users/%s\"},",
	    u->id);
	put_link(out, "resetFactors", u->id, "lifecycle/reset_factors");
	buf_fmt(out,
	    "\"type\":{\"href\":\"" ORG_HOST "/api/v1/meta/types/user/%s\"},",
	    org->type);
	put_link(out, "deactivate", u->id, "lifecycle/deactivate");
	out->len--; /* the comma of the last one */
	buf_str(out, "}}");
}

/* The JSON string of a group's name. */
static void
put_group_name(const struct group *g, struct buf *b)
{
	if (g->type == GROUP_BUILT_IN) {
		buf_str(b, "\"Everyone\"");
		return;
	}
	buf_fmt(b, "\"%s %s %u", group_kinds[g->kind], cities[g->place].name,
	    g->number);
	if (g->renamed > 0)
		buf_fmt(b, " (renamed %u)", g->renamed);
	buf_char(b, '"');
}

/* What a group imported from a Windows domain carries beside its name. */
static void
put_directory(const struct group *g, struct buf *b)
{
	buf_fmt(b,
	    ",\"samAccountName\":\"grp%u\","
	    "\"dn\":\"CN=grp%u,OU=Groups,DC=orgsim,DC=example\","
	    "\"windowsDomainQualifiedName\":\"ORGSIM\\\\grp%u\","
	    "\"externalId\":\"ext-%u\",\"objectSid\":\"S-1-5-21-1-2-3-%u\","
	    "\"groupType\":\"Security\",\"groupScope\":\"Global\"",
	    g->number, g->number, g->number, g->number, 1000 + g->number);
}

static void
put_group_links(const struct group *g, struct buf *b)
{
	buf_str(b, ",\"_links\":{\"logo\":[");
	for (int large = 0; large < 2; large++)
		buf_fmt(b,
		    "%s{\"name\":\"%s\",\"href\":\"" ORG_HOST
		    "/logos/okta-%s.png\",\"type\":\"image/png\"}",
		    large ? "," : "", large ? "large" : "medium",
		    large ? "large" : "medium");
	buf_fmt(b,
	    "],\"users\":{\"href\":\"" ORG_HOST
	    "/api/v1/groups/%s/users\"},\"apps\":{\"href\":\"" ORG_HOST
	    "/api/v1/groups/%s/apps\"}",
	    g->id, g->id);
	if (g->type == GROUP_APP)
		buf_fmt(b,
		    ",\"source\":{\"href\":\"" ORG_HOST "/api/v1/apps/%s\"}",
		    g->source);
	buf_str(b, "}}");
}

void
group_render(struct group *g)
{
	struct buf b = { 0 };

	buf_fmt(&b, "{\"id\":\"%s\"", g->id);
	put_time(&b, "created", g->created);
	put_time(&b, "lastUpdated", g->last_updated);
	put_time(&b, "lastMembershipUpdated", g->last_membership_updated);
	buf_fmt(&b,
	    ",\"objectClass\":[\"okta:%s\"],\"type\":\"%s\","
	    "\"profile\":{\"name\":",
	    g->directory ? "windows_security_principal" : "user_group",
	    group_type_name(g->type));
	g->name = (uint32_t)b.len;
	put_group_name(g, &b);
	g->name_len = (uint32_t)b.len - g->name;
	put_text(&b, "description",
	    g->type == GROUP_BUILT_IN ? "All users in your organization"
	    : g->number % 3 == 0      ? NULL
				      : "Played by orgsim");
	if (g->directory)
		put_directory(g, &b);
	buf_char(&b, '}');
	if (g->type == GROUP_APP)
		buf_fmt(&b, ",\"source\":{\"id\":\"%s\"}", g->source);
	g->links = (uint32_t)b.len;
	put_group_links(g, &b);
	g->len = (uint32_t)b.len;
	free(g->text);
	g->text = buf_take(&b);
}

void
group_put(const struct group *g, bool stats, struct buf *out)
{
	buf_add(out, g->text, g->links);
	if (stats)
		buf_fmt(out,
		    ",\"_embedded\":{\"stats\":{\"usersCount\":%zu,"
		    "\"appsCount\":%u,\"groupPushMappingsCount\":0,"
		    "\"hasAdminPrivilege\":%s}}",
		    g->n_members, g->number % 4,
		    g->number % 25 == 6 ? "true" : "false");
	buf_add(out, g->text + g->links, g->len - g->links);
}
