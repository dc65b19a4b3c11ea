#ifndef IDMESH_BLEND_PRIVATE_H
#define IDMESH_BLEND_PRIVATE_H

/*
 * blend_private.h - what the files of blend.h share.
 *
 * layer 3.  blend.c chooses and writes, blend_union.c puts lists together,
 * blend_last.c knows the last resorts: templates and functions.
 */

#include "blend.h"

/* Where the value of an attribute lies. */
struct blend_choice {
	yyjson_val *value; /* of a part, or of what the mesh had */
	int winner;
	const char *text; /* JSON in scratch instead of value, or NULL */
	size_t len;
};

struct blend_work {
	const struct blend_input *in;
	uint64_t named[BLEND_PARTS_MAX]; /* by part: policy.names it is */
	size_t n; /* parts that are looked at */
	yyjson_val *values[BLEND_PARTS_MAX]; /* of the present attribute */
	yyjson_obj_iter iters[BLEND_PARTS_MAX];
	struct blend_said *said; /* of the present attribute, or NULL */
	struct buf text; /* owned; JSON that was made */
	struct buf words; /* owned; scratch of templates and keys */
	struct buf wants; /* owned; '1' for a flow that wants its default */
	size_t failed;
	struct why *why;
};

/* blend.c: is the part meant by the flow's nth name? */
bool blend_named(const struct blend_work *w, const struct policy_flow *f,
    size_t name, size_t part);
void blend_tell(struct blend_work *w, size_t part, enum blend_why why);

/* blend_union.c: all items of all parts, each once. */
void blend_union(
    struct blend_work *w, const struct policy_flow *f, struct blend_choice *c);

/* blend_last.c */
/* The template filled from the object so far; false when it is blank. */
bool blend_template(struct blend_work *w, const struct policy_flow *f,
    yyjson_val *object, struct blend_choice *c);
void blend_function(
    struct blend_work *w, const struct policy_flow *f, struct blend_choice *c);

#endif
