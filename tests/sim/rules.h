#ifndef ORGSIM_RULES_H
#define ORGSIM_RULES_H

/*
 * rules.h - group rules of the org.
 *
 * rules.c keeps them and lets them fill their groups, okta_rules.c lists
 * them.
 */

#include "org.h"

enum rule_status { RULE_ACTIVE, RULE_INACTIVE, RULE_INVALID };

struct rule {
	char id[ORG_ID + 1];
	bool gone; /* deleted; whom it put into its group stays there */
	enum rule_status status;
	int64_t created, last_updated;
	uint32_t group; /* index of the group that it fills */
	uint16_t department; /* of those it puts there */
	bool hand; /* is there somebody excluded? */
	uint32_t excluded; /* index of that user */
	struct group placed; /* of which only the members: whom it put there */
};

/* Makes up to n, fewer where no group can be filled. */
void rules_seed(struct org *org, size_t n, uint64_t seed);
void rules_free(struct org *org);
/* The rules look at a user that is new or has changed. */
void rules_user(struct org *org, const struct user *u, int64_t now_ms);
/* One rule looks at everybody. */
void rule_apply(struct org *org, struct rule *r);
/* NULL when there is none or it is gone. */
struct rule *org_rule(const struct org *org, const char *id);
void rule_put(const struct org *org, const struct rule *r, struct buf *out);
const char *rule_status_name(enum rule_status status);

#endif
