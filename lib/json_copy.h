#ifndef IDMESH_JSON_COPY_H
#define IDMESH_JSON_COPY_H

/*
 * json_copy.h - parsed values written as JSON text again, without loss.
 *
 * layer 1.  The plan writes attributes with it: strings as UTF-8 with the
 * fewest escapes, numbers as the very digits that were read (pages are parsed
 * with YYJSON_READ_NUMBER_AS_RAW), arrays and objects in their own order.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <yyjson.h>

#include "buf.h"

#define JSON_KEY_PAD 16
#define JSON_DEPTH_MAX 64 /* arrays and objects inside of each other */

/* Why a value is not passed on. */
enum json_fault {
	JSON_FINE,
	JSON_NUL, /* U+0000: databases and SCIM refuse it */
	JSON_UTF8, /* not UTF-8, or half of a surrogate pair */
	JSON_DEPTH,
};

/* One sentence for a person. */
const char *json_fault_text(enum json_fault fault);

/* Appends v; on a fault the bytes behind the old end are not to be used. */
enum json_fault json_copy(struct buf *b, yyjson_val *v);
/* Appends a string with its quotes. */
enum json_fault json_copy_string(struct buf *b, const char *s, size_t len);

/*
 * Appends key and v; key is written as it stands and has JSON_KEY_PAD readable
 * bytes behind its end.
 */
enum json_fault json_copy_member(
    struct buf *b, const char *key, size_t key_len, yyjson_val *v);

/* Equal bytes; keys are short, so no call. */
static inline int
json_same(const char *a, const char *b, size_t len)
{
	uint64_t x, y;
	uint32_t v, w;

	if (len >= 8) {
		size_t i = 0;

		for (; i + 8 <= len; i += 8) {
			memcpy(&x, a + i, 8);
			memcpy(&y, b + i, 8);
			if (x != y)
				return 0;
		}
		memcpy(&x, a + len - 8, 8);
		memcpy(&y, b + len - 8, 8);
		return x == y;
	}
	if (len >= 4) {
		memcpy(&v, a, 4);
		memcpy(&w, b, 4);
		if (v != w)
			return 0;
		memcpy(&v, a + len - 4, 4);
		memcpy(&w, b + len - 4, 4);
		return v == w;
	}
	for (size_t i = 0; i < len; i++) {
		if (a[i] != b[i])
			return 0;
	}
	return 1;
}

#endif
