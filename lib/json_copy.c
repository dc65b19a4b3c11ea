/*
 * json_copy.c - parsed values written as JSON text again, without loss.
 *
 * The inner loop of transform: every string of every record passes here, once
 * in and once out.
 */

#include "json_copy.h"

#include <stdlib.h>

#include "utf8.h"

#define HIGH_BITS 0x8080808080808080u

const char *
json_fault_text(enum json_fault fault)
{
	switch (fault) {
	case JSON_NUL:
		return "a string holds U+0000, which no target takes";
	case JSON_UTF8:
		return "a string is not UTF-8, or was cut inside a character";
	case JSON_DEPTH:
		return "arrays and objects are nested more than 64 deep";
	case JSON_FINE:
		break;
	}
	return "";
}

/* Copies len >= 8 bytes; the sum of their bits tells if all are ASCII. */
static inline uint64_t
copy_words(char *to, const char *from, size_t len)
{
	uint64_t x, y, bits = 0;
	size_t i = 0;

	for (; i + 16 <= len; i += 16) {
		memcpy(&x, from + i, 8);
		memcpy(&y, from + i + 8, 8);
		bits |= x | y;
		memcpy(to + i, &x, 8);
		memcpy(to + i + 8, &y, 8);
	}
	if (i + 8 <= len) {
		memcpy(&x, from + i, 8);
		bits |= x;
		memcpy(to + i, &x, 8);
	}
	memcpy(&x, from + len - 8, 8);
	memcpy(to + len - 8, &x, 8);
	return bits | x;
}

static inline uint64_t
copy_plain(char *to, const char *from, size_t len)
{
	uint32_t x, y;
	uint64_t bits = 0;

	if (len >= 8)
		return copy_words(to, from, len);
	if (len >= 4) {
		memcpy(&x, from, 4);
		memcpy(&y, from + len - 4, 4);
		memcpy(to, &x, 4);
		memcpy(to + len - 4, &y, 4);
		return x | y;
	}
	for (size_t i = 0; i < len; i++) {
		to[i] = from[i];
		bits |= (unsigned char)from[i];
	}
	return bits;
}

/*
 * A string that had no escape where it was read needs none here either; the
 * room is reserved.
 */
static inline enum json_fault
copy_unescaped(struct buf *b, const char *s, size_t len)
{
	char *to = b->data + b->len;
	uint64_t bits;

	to[0] = '"';
	bits = copy_plain(to + 1, s, len);
	to[len + 1] = '"';
	to[len + 2] = '\0';
	b->len += len + 2;
	if ((bits & HIGH_BITS) != 0 && !utf8_valid(s, len))
		return JSON_UTF8;
	return JSON_FINE;
}

#define ONES 0x0101010101010101u

/* Bytes below n (at most 0x80) have their high bit set in the result. */
static inline uint64_t
below(uint64_t x, unsigned n)
{
	return (x - ONES * n) & ~x & HIGH_BITS;
}

static inline uint64_t
odd_bytes(uint64_t x)
{
	return (x & HIGH_BITS) | below(x, ' ') | below(x ^ ONES * '"', 1) |
	       below(x ^ ONES * '\\', 1);
}

/* ASCII without anything that JSON escapes. */
static int
is_plain(const char *s, size_t len)
{
	uint64_t x = ONES * ' ', odd = 0;

	if (len < 8) {
		for (size_t i = 0; i < len; i++)
			x = x << 8 | (unsigned char)s[i];
		return odd_bytes(x) == 0;
	}
	for (size_t i = 0; i + 8 <= len; i += 8) {
		memcpy(&x, s + i, 8);
		odd |= odd_bytes(x);
	}
	memcpy(&x, s + len - 8, 8);
	return (odd | odd_bytes(x)) == 0;
}

enum json_fault
json_copy_string(struct buf *b, const char *s, size_t len)
{
	if (is_plain(s, len)) {
		buf_reserve(b, len + 3);
		return copy_unescaped(b, s, len);
	}
	if (memchr(s, 0, len) != NULL)
		return JSON_NUL;
	if (!utf8_valid(s, len))
		return JSON_UTF8;
	buf_json(b, s, len);
	return JSON_FINE;
}

static enum json_fault copy(struct buf *b, yyjson_val *v, int depth);

/* In steps of 16, over the end: the room is there on both sides. */
static inline void
add_key(struct buf *b, const char *key, size_t len)
{
	char *to = b->data + b->len;

	for (size_t i = 0; i < len; i += 16)
		memcpy(to + i, key + i, 16);
	b->len += len;
}

enum json_fault
json_copy_member(struct buf *b, const char *key, size_t key_len, yyjson_val *v)
{
	const uint8_t noesc = YYJSON_TYPE_STR | YYJSON_SUBTYPE_NOESC;
	size_t len = unsafe_yyjson_get_len(v);

	if ((unsafe_yyjson_get_tag(v) & YYJSON_TAG_MASK) != noesc) {
		buf_reserve(b, key_len + JSON_KEY_PAD);
		add_key(b, key, key_len);
		return copy(b, v, 0);
	}
	if (b->cap - b->len < key_len + len + JSON_KEY_PAD + 3)
		buf_reserve(b, key_len + len + JSON_KEY_PAD + 3);
	add_key(b, key, key_len);
	return copy_unescaped(b, v->uni.str, len);
}

static enum json_fault
copy_array(struct buf *b, yyjson_val *v, int depth)
{
	enum json_fault fault;
	yyjson_val *item;
	size_t i, n;

	buf_char(b, '[');
	yyjson_arr_foreach(v, i, n, item)
	{
		if (i > 0)
			buf_char(b, ',');
		fault = copy(b, item, depth + 1);
		if (fault != JSON_FINE)
			return fault;
	}
	buf_char(b, ']');
	return JSON_FINE;
}

static enum json_fault
copy_object(struct buf *b, yyjson_val *v, int depth)
{
	enum json_fault fault;
	yyjson_val *key, *item;
	size_t i, n;

	buf_char(b, '{');
	yyjson_obj_foreach(v, i, n, key, item)
	{
		if (i > 0)
			buf_char(b, ',');
		fault = copy(b, key, depth + 1);
		if (fault != JSON_FINE)
			return fault;
		buf_char(b, ':');
		fault = copy(b, item, depth + 1);
		if (fault != JSON_FINE)
			return fault;
	}
	buf_char(b, '}');
	return JSON_FINE;
}

/* Numbers that were parsed: documents of our own, not pages. */
static void
copy_number(struct buf *b, yyjson_val *v)
{
	char *text = yyjson_val_write(v, 0, NULL);

	if (text != NULL)
		buf_str(b, text);
	else
		buf_str(b, "null");
	free(text);
}

static enum json_fault
copy(struct buf *b, yyjson_val *v, int depth)
{
	size_t len = unsafe_yyjson_get_len(v);

	if (depth > JSON_DEPTH_MAX)
		return JSON_DEPTH;
	switch (unsafe_yyjson_get_type(v)) {
	case YYJSON_TYPE_STR:
		if ((unsafe_yyjson_get_subtype(v) & YYJSON_SUBTYPE_NOESC) !=
		    0) {
			buf_reserve(b, len + 3);
			return copy_unescaped(b, v->uni.str, len);
		}
		return json_copy_string(b, v->uni.str, len);
	case YYJSON_TYPE_RAW:
		buf_add(b, v->uni.str, len);
		return JSON_FINE;
	case YYJSON_TYPE_NULL:
		buf_add(b, "null", 4);
		return JSON_FINE;
	case YYJSON_TYPE_BOOL:
		buf_str(b, unsafe_yyjson_is_true(v) ? "true" : "false");
		return JSON_FINE;
	case YYJSON_TYPE_ARR:
		return copy_array(b, v, depth);
	case YYJSON_TYPE_OBJ:
		return copy_object(b, v, depth);
	default:
		copy_number(b, v);
		return JSON_FINE;
	}
}

enum json_fault
json_copy(struct buf *b, yyjson_val *v)
{
	return copy(b, v, 0);
}
