#ifndef ORGSIM_TENANT_SEED_H
#define ORGSIM_TENANT_SEED_H

/*
 * tenant_seed.h - between the two files that fill a tenant.
 *
 * tenant_seed.c makes the users, tenant_groups.c what holds them.
 */

#include "tenant.h"

void tenant_seed_groups(struct tenant *t, const struct tenant_size *size);
/* An edge that was there from the start: version 0, not in the log. */
void tenant_link(struct tenant *t, uint32_t from, uint32_t to);

#endif
