#ifndef ORGSIM_MUTATE_H
#define ORGSIM_MUTATE_H

/*
 * mutate.h - what happens in an organisation between two runs.
 *
 * control.c calls it for POST /_sim/mutate.  Which objects are hit follows
 * from the seed and the mutations before.
 */

#include <stdint.h>

#include "buf.h"
#include "org.h"

struct mutation {
	size_t change; /* users whose profile changes */
	size_t create, deprovision, delete;
	size_t login; /* users who sign in: lastLogin only */
	size_t move; /* memberships: each takes one away and adds one */
	size_t groups; /* how many groups the moves are spread over */
	size_t rename; /* groups */
};

/* A new user, active, not yet rendered; in Everyone if there is one. */
struct user *org_new_user(struct org *org, int64_t now_ms);
/* The user and its memberships are gone. */
void org_delete_user(struct org *org, struct user *u);

/*
 * Does it at server time `now_ms` and writes the JSON answer: counts, and
 * the ids touched.  A deleted user leaves its groups without a trace in
 * lastMembershipUpdated, so only a full pass can notice.
 */
void org_mutate(
    struct org *org, const struct mutation *m, int64_t now_ms, struct buf *out);

#endif
