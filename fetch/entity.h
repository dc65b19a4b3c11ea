#ifndef IDMESH_FETCH_ENTITY_H
#define IDMESH_FETCH_ENTITY_H

/*
 * entity.h - the kinds of things that a source has: tables of facts.
 *
 * okta.c and entra.c hold one line for each; streams are made of them.
 */

#include <stdbool.h>
#include <stddef.h>

/* One kind of thing that is imported: one line of a table of okta.c. */
struct entity {
	const char *name; /* of the stream */
	const char *config; /* the switch in ConfigJson, for messages */
	const char *list; /* path; {id} is the parent's */
	const char *query; /* added to every request, "" for none */
	int page_max; /* rows of a page */
	bool sized; /* PageSize applies */
	bool omits; /* rows would carry credentials: ask to omit them */
	bool filtered; /* UserSearchFilter applies */
	const char *second; /* filter of a second full pass, or NULL */
	/* Filter, @ is the time; of Okta, NULL: every run lists everything. */
	const char *delta;
	/* of an entity that is listed once for each record of another: */
	const char *parent;
	const char *moved; /* time in the parent that moves with it */
	const char *changed; /* and the one that moves with its scope */
	const char *count; /* path of how many there should be */
	const char *context; /* name of the parent's id in the context */
	const char *key; /* JSON: paths that make the id */
	const char *permission; /* that is needed, or NULL */
	/* of Microsoft Graph: */
	const char *type; /* of a record, as in "entra.User" */
	const char *select; /* what is always asked for */
	const char *usual; /* and what else, when no rules tell */
	bool members; /* records are edges of the list's objects */
};

/* okta.c: the entities, parents before children; NULL behind the last. */
const struct entity *okta_entity(size_t i);
/* entra.c: the same of an Entra tenant. */
const struct entity *entra_entity(size_t i);

#endif
