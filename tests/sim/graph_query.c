/*
 * graph_query.c - what a request of Graph asks for: $select, $filter by id.
 *
 * graph_delta.c and graph_list.c call it; a refusal is answered here, with
 * the words Graph has for it.
 */

#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

uint64_t
wish_defaults(int dir)
{
	uint64_t select = 0;

	for (size_t i = 0; i < tenant_kinds[dir].n_props; i++)
		if (tenant_kinds[dir].props[i].flags & PROP_DEFAULT)
			select |= UINT64_C(1) << i;
	return select;
}

uint64_t
wish_common(const struct wish *w, int dir)
{
	const struct kind *k = &tenant_kinds[w->dir];
	uint64_t select = 0;

	for (size_t i = 0; i < k->n_props; i++) {
		const char *name = k->props[i].name;
		int prop = kind_prop(dir, name, strlen(name));

		if ((w->select >> i & 1) && prop >= 0)
			select |= UINT64_C(1) << prop;
	}
	return select;
}

/* Properties of a user that do not live in the directory. */
static bool
outside(const char *name, size_t len)
{
	static const char *const names[] = { "aboutMe", "birthday", "hireDate",
		"interests", "mailboxSettings", "mySite", "pastProjects",
		"preferredName", "responsibilities", "schools", "skills",
		"signInActivity" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len &&
		    strncasecmp(names[i], name, len) == 0)
			return true;
	return false;
}

static bool
select_one(struct call *c, struct wish *w, const char *name, size_t len)
{
	const struct kind *k = &tenant_kinds[w->dir];
	int prop = kind_prop(w->dir, name, len);

	if (prop >= 0) {
		w->select |= UINT64_C(1) << prop;
		return true;
	}
	if (k->edge != NULL && strlen(k->edge) == len &&
	    strncasecmp(k->edge, name, len) == 0) {
		w->edge = true;
		return true;
	}
	if (w->dir == DIR_USERS && outside(name, len))
		graph_error(c, 501, "NotImplemented",
		    "The property '%.*s' is not stored in the directory.",
		    (int)len, name);
	else
		graph_error(c, 400, "BadRequest",
		    "Parsing OData Select and Expand failed: Could not find "
		    "a property named '%.*s' on type 'microsoft.graph.%s'.",
		    (int)len, name, k->type);
	return false;
}

bool
wish_select(struct call *c, struct wish *w, const char *select)
{
	if (select == NULL) {
		w->select = wish_defaults(w->dir);
		return true;
	}
	while (*select != '\0') {
		size_t len;

		select += strspn(select, ", ");
		len = strcspn(select, ", ");
		if (len > 0 && !select_one(c, w, select, len))
			return false;
		select += len;
	}
	return true;
}

static const char *
skip(const char *s, const char *word)
{
	size_t len = strlen(word);

	s += strspn(s, " ");
	return strncasecmp(s, word, len) == 0 ? s + len : NULL;
}

/* id eq 'x' or id eq 'y' ...: an unknown id is no error, it selects nothing. */
bool
wish_ids(struct call *c, struct wish *w, const char *filter)
{
	const char *s = filter;

	for (;;) {
		char id[GUID_LEN + 1];
		uint32_t ref;

		s = skip(s, "id");
		s = s != NULL ? skip(s, "eq") : NULL;
		s = s != NULL ? skip(s, "'") : NULL;
		if (s == NULL || strcspn(s, "'") != GUID_LEN)
			break;
		memcpy(id, s, GUID_LEN);
		id[GUID_LEN] = '\0';
		ref = tenant_find(&c->sim->tenant, w->dir, id);
		if (w->n_only == 50)
			break;
		w->only[w->n_only++] =
		    ref != NO_REF ? REF_INDEX(ref) : REF_INDEX(NO_REF);
		s += GUID_LEN + 1;
		if (s[strspn(s, " ")] == '\0')
			return true;
		s = skip(s, "or");
		if (s == NULL)
			break;
	}
	graph_error(c, 400, "Request_UnsupportedQuery",
	    "Unsupported or invalid query filter clause specified: delta takes "
	    "id eq '...' or id eq '...', 50 at most.");
	return false;
}
