/*
 * org.c - the organisation: finding objects, and who is in which group.
 *
 * Users and groups lie in arrays in id order, so a search by id halves the
 * array and a page is a walk along it.  render.c writes their text, seed.c
 * and mutate.c decide what there is.
 */

#include "org.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "rules.h"

const char *
user_status_name(enum user_status status)
{
	static const char *const names[] = { "STAGED", "PROVISIONED", "ACTIVE",
		"RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT", "SUSPENDED",
		"DEPROVISIONED" };

	return names[status];
}

const char *
group_type_name(enum group_type type)
{
	static const char *const names[] = { "OKTA_GROUP", "APP_GROUP",
		"BUILT_IN" };

	return names[type];
}

static void
user_free(struct user *u)
{
	free(u->text);
	free(u->patch);
}

void
org_free(struct org *org)
{
	for (size_t i = 0; i < org->n_users; i++)
		user_free(&org->users[i]);
	for (size_t i = 0; i < org->n_groups; i++) {
		free(org->groups[i].members);
		free(org->groups[i].text);
	}
	rules_free(org);
	free(org->users);
	free(org->groups);
	*org = (struct org){ 0 };
}

size_t
org_user_from(const struct org *org, const char *id)
{
	size_t low = 0, high = org->n_users;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(org->users[mid].id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

size_t
org_group_from(const struct org *org, const char *id)
{
	size_t low = 0, high = org->n_groups;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(org->groups[mid].id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Logins are compared without case, as Okta does when one signs in. */
static struct user *
user_by_login(const struct org *org, const char *login)
{
	size_t want = strlen(login), len;

	for (size_t i = 0; i < org->n_users; i++) {
		struct user *u = &org->users[i];
		const char *s;

		if (u->gone)
			continue;
		s = user_login(u, &len);
		if (len == want && strncasecmp(s, login, len) == 0)
			return u;
	}
	return NULL;
}

struct user *
org_user(const struct org *org, const char *id_or_login)
{
	size_t i = org_user_from(org, id_or_login);

	if (i < org->n_users && strcmp(org->users[i].id, id_or_login) == 0)
		return org->users[i].gone ? NULL : &org->users[i];
	if (strchr(id_or_login, '@') == NULL)
		return NULL;
	return user_by_login(org, id_or_login);
}

struct group *
org_group(const struct org *org, const char *id)
{
	size_t i = org_group_from(org, id);

	if (i < org->n_groups && strcmp(org->groups[i].id, id) == 0)
		return &org->groups[i];
	return NULL;
}

size_t
group_member_from(const struct group *g, uint32_t user)
{
	size_t low = 0, high = g->n_members;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (g->members[mid] < user)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool
group_has(const struct group *g, uint32_t user)
{
	size_t at = group_member_from(g, user);

	return at < g->n_members && g->members[at] == user;
}

bool
group_add(struct group *g, uint32_t user)
{
	size_t at = group_member_from(g, user);

	if (at < g->n_members && g->members[at] == user)
		return false;
	if (g->n_members == g->cap_members) {
		g->cap_members = g->cap_members ? g->cap_members * 2 : 8;
		g->members =
		    xrealloc(g->members, g->cap_members * sizeof(*g->members));
	}
	memmove(g->members + at + 1, g->members + at,
	    (g->n_members - at) * sizeof(*g->members));
	g->members[at] = user;
	g->n_members++;
	return true;
}

bool
group_remove(struct group *g, uint32_t user)
{
	size_t at = group_member_from(g, user);

	if (at == g->n_members || g->members[at] != user)
		return false;
	g->n_members--;
	memmove(g->members + at, g->members + at + 1,
	    (g->n_members - at) * sizeof(*g->members));
	return true;
}
