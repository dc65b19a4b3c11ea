#ifndef ORGSIM_OKTA_H
#define ORGSIM_OKTA_H

/*
 * okta.h - the endpoints of the Okta API that are played.
 *
 * okta_routes.c has the table, each handler fills c->answer.
 */

#include "list.h"
#include "sim.h"

handler okta_users, okta_user, okta_me, okta_user_groups;
handler okta_groups, okta_group, okta_members, okta_rules;

/* Does the request ask to leave the credentials out of the rows? */
bool okta_omits(const struct call *c, const char *what);
/* Are credentials in this answer? */
bool okta_shows_credentials(const struct call *c);
/* 404 E0000007 about c->arg. */
void okta_not_found(struct call *c, const char *kind);
/*
 * Reads filter or search of a listing by the table of its endpoint into page;
 * false when it was refused (answered).
 */
bool okta_expr(struct call *c, const struct expr_table *filters,
    const struct expr_table *searches, struct page *page);

#endif
