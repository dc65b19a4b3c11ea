#ifndef ORGSIM_ORG_H
#define ORGSIM_ORG_H

/*
 * org.h - the organisation that orgsim plays: users, groups, memberships.
 *
 * seed.c fills it, mutate.c changes it, the API files read it.  A user or a
 * group keeps its index for ever: deleted ones stay as `gone`, so index order
 * is id order and a cursor survives every mutation.  Each object carries its
 * JSON text, rendered when it changes and copied when it is asked for.
 * Instants are milliseconds since the epoch in whole seconds, as Okta gives
 * them; 0 is null.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "rng.h"

struct rule; /* rules.h */

#define ORG_ID 20 /* length of every id */
#define ORG_HOST "https://orgsim.example" /* in the bodies' own links */

enum user_status {
	USER_STAGED,
	USER_PROVISIONED,
	USER_ACTIVE,
	USER_RECOVERY,
	USER_PASSWORD_EXPIRED,
	USER_LOCKED_OUT,
	USER_SUSPENDED,
	USER_DEPROVISIONED,
};

struct user {
	char id[ORG_ID + 1];
	bool gone; /* deleted: no request finds it any more */
	enum user_status status;
	int64_t created, activated, status_changed, last_login, last_updated,
	    password_changed;
	uint32_t number; /* how many users came before it */
	uint32_t manager; /* index; its own when there is none */
	uint16_t first, last, title, department, city;
	uint64_t bits; /* decides which optional attributes it has */
	char *text; /* owned; the row of a list, credentials included */
	uint32_t len;
	uint32_t profile, profile_len; /* where in text the profile is */
	uint32_t credentials, credentials_len; /* member with its comma */
	uint32_t links; /* where `,"_links"` begins */
	char *patch; /* owned; attributes a test has set; NULL: none */
};

enum group_type { GROUP_OKTA, GROUP_APP, GROUP_BUILT_IN };

struct group {
	char id[ORG_ID + 1];
	char source[ORG_ID + 1]; /* of an APP_GROUP, else empty */
	enum group_type type;
	bool directory; /* an APP_GROUP imported from a Windows domain */
	int64_t created, last_updated, last_membership_updated;
	uint32_t number;
	uint16_t kind, place; /* indices of the words in its name */
	uint32_t renamed; /* how often */
	uint32_t *members; /* owned; indices of users, ascending */
	size_t n_members, cap_members;
	char *text; /* owned */
	uint32_t len;
	uint32_t name, name_len; /* where the JSON string of the name is */
	uint32_t links; /* where `,"_links"` begins */
};

struct org {
	struct user *users; /* owned */
	size_t n_users, cap_users;
	size_t live_users;
	struct group *groups; /* owned */
	size_t n_groups;
	struct rule *rules; /* owned */
	size_t n_rules;
	size_t edges; /* memberships, Everyone not counted */
	bool everyone; /* group 0 holds every user */
	struct rng rng;
	char id[ORG_ID + 1], type[ORG_ID + 1], schema[ORG_ID + 1];
};

/* What --seed, --users, --groups, --edges, --rules, --everyone say. */
struct org_size {
	uint64_t seed;
	size_t users, groups, edges, rules;
	bool everyone;
};

/* Fills an empty org; -1 when so many memberships do not fit. */
int org_seed(struct org *org, const struct org_size *size);
void org_free(struct org *org);

/* An id that sorts behind those of smaller numbers. */
void org_make_id(
    struct rng *rng, const char *prefix, uint32_t number, char out[ORG_ID + 1]);
/* Appends a user made from the org's randomness, not yet rendered. */
struct user *org_add_user(struct org *org, int64_t created);

const char *user_status_name(enum user_status status);
const char *group_type_name(enum group_type type);

/* Makes the text anew after a change. */
void user_render(const struct org *org, struct user *u);
void group_render(struct group *g);

/* The row of a list, with or without its credentials. */
void user_put(const struct user *u, bool credentials, struct buf *out);
/* GET /users/{id}: the same with all links; of them those about credentials
 * only when asked for. */
void user_put_one(const struct org *org, const struct user *u, bool credentials,
    bool credential_links, struct buf *out);
/* The row of a group, with _embedded.stats when asked for. */
void group_put(const struct group *g, bool stats, struct buf *out);

/* Index of the first user (group) whose id is not below `id`. */
size_t org_user_from(const struct org *org, const char *id);
size_t org_group_from(const struct org *org, const char *id);
/* By id, or by login; NULL when there is none or it is gone. */
struct user *org_user(const struct org *org, const char *id_or_login);
struct group *org_group(const struct org *org, const char *id);
/* The login of a user; borrowed until it is rendered again. */
const char *user_login(const struct user *u, size_t *len);

/* Position of the first member whose index is not below `user`. */
size_t group_member_from(const struct group *g, uint32_t user);
bool group_has(const struct group *g, uint32_t user);
/* Keep the order; false when there was nothing to do. */
bool group_add(struct group *g, uint32_t user);
bool group_remove(struct group *g, uint32_t user);

#endif
