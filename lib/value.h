#ifndef IDMESH_VALUE_H
#define IDMESH_VALUE_H

/*
 * value.h - one value on its way from a record into an attribute.
 *
 * layer 2.  Plan nodes and Lua functions produce values, predicates judge
 * them, value_write() makes JSON of them.  Text and items live in the record
 * or in the arena, and die with the next record.
 */

#include <stddef.h>

#include <yyjson.h>

#include "buf.h"
#include "json_copy.h"

enum value_kind {
	VALUE_ABSENT, /* the record does not say */
	VALUE_NULL, /* it says: nothing */
	VALUE_BOOL,
	VALUE_NUMBER, /* text: the digits as JSON has them */
	VALUE_STRING,
	VALUE_NODE, /* array or object of the record */
	VALUE_LIST, /* values put together by list() */
	VALUE_JSON, /* text of an array or object that a function made */
};

struct value {
	enum value_kind kind;
	int truth; /* of VALUE_BOOL */
	size_t len; /* bytes of text, or number of items */
	const char *text; /* borrowed, not NUL-terminated */
	yyjson_val *node; /* borrowed */
	const struct value *items; /* borrowed */
};

/* Memory of one record: given out piece by piece, taken back as a whole. */
struct arena {
	struct arena_block *first; /* owned */
	size_t used; /* of the first block */
};

void *arena_take(struct arena *a, size_t len);
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

/* v may be NULL: absent. */
struct value value_of(yyjson_val *v, struct arena *a);
struct value value_text(const char *s, size_t len);

/* Appends the value as JSON; VALUE_ABSENT becomes null. */
enum json_fault value_write(struct buf *b, const struct value *v);

/*
 * Same kind and content; numbers by value, 1 and 1.0 are equal.  Arrays and
 * objects are never equal to anything.
 */
int value_equal(const struct value *a, const struct value *b);
/* <0, 0, >0; both are numbers. */
int value_compare_numbers(const struct value *a, const struct value *b);

/* Items of an array, whatever made it; -1 when v is none. */
long value_count(const struct value *v);
struct value value_item(const struct value *v, long i, struct arena *a);

/* "an object": how a message calls it. */
const char *value_kind_name(const struct value *v);

#endif
