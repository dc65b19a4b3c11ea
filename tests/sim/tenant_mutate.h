#ifndef ORGSIM_TENANT_MUTATE_H
#define ORGSIM_TENANT_MUTATE_H

/*
 * tenant_mutate.h - what happens in a tenant between two runs.
 *
 * graph_control.c calls it for POST /_sim/entra/mutate.
 */

#include "tenant.h"

struct tenant_mutation {
	size_t change; /* users: another jobTitle and officeLocation */
	size_t unselected; /* users: faxNumber, which nobody selects */
	size_t rename; /* users: surname, displayName and mail */
	size_t clear; /* users: employeeId becomes null */
	size_t create; /* users */
	size_t soft, hard, restore; /* users */
	size_t disable; /* users: accountEnabled false */
	size_t manager; /* users: somebody else */
	size_t move; /* memberships: each takes one away and adds one */
	size_t groups; /* how many groups the moves are spread over */
	size_t create_groups, rename_groups, soft_groups, hard_groups;
};

/*
 * Does it and writes the JSON answer: the ids touched, by kind.  No user is
 * hit twice in one call.
 */
void tenant_mutate(
    struct tenant *t, const struct tenant_mutation *m, struct buf *out);

#endif
