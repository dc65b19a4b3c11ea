#ifndef IDMESH_BLEND_H
#define IDMESH_BLEND_H

/*
 * blend.h - several objects of one person become one mesh object.
 *
 * layer 3.  join calls it for every person that changed, and `explain` again
 * with a trace; both see the same, for it is a function of its input.  A
 * source may not report an attribute, report nothing, or report a value; the
 * three are kept apart.  Semantics: rules(7), FLOW.
 */

#include <stdbool.h>
#include <stddef.h>

#include "policy.h"
#include "why.h"

/* One contributor. */
struct blend_part {
	const char *source; /* "okta:contoso" */
	const char *id; /* connector id */
	yyjson_val *attrs; /* numbers as raw text */
};

struct blend_input {
	const struct policy *policy;
	struct rules *rules; /* for functions; NULL when there are none */
	const struct blend_part *parts; /* in rank order */
	size_t n;
	yyjson_val *old; /* what the mesh has, for functions that fail */
	/*
	 * The mesh id behind a reference of a part, or NULL while it is not
	 * known; borrowed until the next call.  NULL: references stay as they
	 * are.
	 */
	const char *(*resolve)(void *ctx, const struct blend_part *part,
	    const struct policy_flow *flow, const char *text, size_t len);
	void *ctx;
};

enum blend_why {
	BLEND_WON,
	BLEND_JOINED, /* part of all, any or a union */
	BLEND_LATER, /* a source before it has a value */
	BLEND_EMPTY, /* it says: nothing */
	BLEND_OWNED, /* the owner's answer counts */
	BLEND_OLDER,
	BLEND_NOT_ASKED, /* the flow does not name the source */
};

#define BLEND_PARTS_MAX 64

/* What became of one attribute. */
struct blend_said {
	const struct policy_flow *flow;
	int winner; /* a part, or BLEND_NOBODY and so on */
	bool present; /* it is in the mesh object at all */
	struct {
		yyjson_val *value; /* NULL: not reported */
		enum blend_why why;
	} parts[BLEND_PARTS_MAX];
};

enum {
	BLEND_NOBODY = -1,
	BLEND_DEFAULT = -2, /* the flow's template */
	BLEND_LUA = -3, /* the flow's function */
	BLEND_KEPT = -4, /* its function failed: as it was */
};

/*
 * Appends the mesh object as JSON, attributes in map order.  Answers how many
 * functions failed; why is that of the last.  trace, when it is not NULL, has
 * room for one entry an attribute of the policy.
 */
size_t blend(const struct blend_input *in, struct buf *out,
    struct blend_said *trace, struct why *why);

/* Around any number of calls: functions see the time and have a deadline. */
void blend_begin(struct rules *r, const char *now);
void blend_end(struct rules *r);

#endif
