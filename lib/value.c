/*
 * value.c - one value on its way from a record into an attribute.
 *
 * Between the parsed record and the text of the answer; owns only its arena.
 */

#include "value.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>

#include "mem.h"

#ifndef ARENA_BLOCK
#define ARENA_BLOCK 16384
#endif

struct arena_block {
	struct arena_block *next;
	size_t cap;
	alignas(16) char data[];
};

void *
arena_take(struct arena *a, size_t len)
{
	struct arena_block *block = a->first;
	size_t cap = ARENA_BLOCK;
	void *p;

	len = (len + 15) & ~(size_t)15;
	if (block == NULL || block->cap - a->used < len) {
		if (cap < len)
			cap = len;
		block = xmalloc(sizeof(*block) + cap);
		block->cap = cap;
		block->next = a->first;
		a->first = block;
		a->used = 0;
	}
	p = block->data + a->used;
	a->used += len;
	return p;
}

void
arena_reset(struct arena *a)
{
	if (a->first == NULL)
		return;
	while (a->first->next != NULL) {
		struct arena_block *block = a->first;

		a->first = block->next;
		free(block);
	}
	a->used = 0;
}

void
arena_free(struct arena *a)
{
	arena_reset(a);
	free(a->first);
	*a = (struct arena){ 0 };
}

struct value
value_text(const char *s, size_t len)
{
	return (struct value){ .kind = VALUE_STRING, .text = s, .len = len };
}

/* Numbers of a document that was parsed without the raw flag. */
static struct value
number_of(yyjson_val *v, struct arena *a)
{
	struct value out = { .kind = VALUE_NUMBER };
	char *text = yyjson_val_write(v, 0, &out.len), *copy;

	if (text == NULL)
		return (struct value){ .kind = VALUE_NULL };
	copy = arena_take(a, out.len);
	memcpy(copy, text, out.len);
	free(text);
	out.text = copy;
	return out;
}

struct value
value_of(yyjson_val *v, struct arena *a)
{
	struct value out = { .kind = VALUE_ABSENT };

	if (v == NULL)
		return out;
	switch (unsafe_yyjson_get_type(v)) {
	case YYJSON_TYPE_NULL:
		out.kind = VALUE_NULL;
		return out;
	case YYJSON_TYPE_BOOL:
		out.kind = VALUE_BOOL;
		out.truth = unsafe_yyjson_is_true(v);
		return out;
	case YYJSON_TYPE_STR:
	case YYJSON_TYPE_RAW:
		out.kind = yyjson_is_raw(v) ? VALUE_NUMBER : VALUE_STRING;
		out.text = v->uni.str;
		out.len = unsafe_yyjson_get_len(v);
		return out;
	case YYJSON_TYPE_NUM:
		return number_of(v, a);
	default:
		out.kind = VALUE_NODE;
		out.node = v;
		return out;
	}
}

static enum json_fault
write_list(struct buf *b, const struct value *v)
{
	buf_char(b, '[');
	for (size_t i = 0; i < v->len; i++) {
		enum json_fault fault;

		if (i > 0)
			buf_char(b, ',');
		fault = value_write(b, &v->items[i]);
		if (fault != JSON_FINE)
			return fault;
	}
	buf_char(b, ']');
	return JSON_FINE;
}

enum json_fault
value_write(struct buf *b, const struct value *v)
{
	switch (v->kind) {
	case VALUE_BOOL:
		buf_str(b, v->truth ? "true" : "false");
		return JSON_FINE;
	case VALUE_NUMBER:
	case VALUE_JSON:
		buf_add(b, v->text, v->len);
		return JSON_FINE;
	case VALUE_STRING:
		return json_copy_string(b, v->text, v->len);
	case VALUE_NODE:
		return json_copy(b, v->node);
	case VALUE_LIST:
		return write_list(b, v);
	case VALUE_ABSENT:
	case VALUE_NULL:
		break;
	}
	buf_add(b, "null", 4);
	return JSON_FINE;
}

/* An integer of 64 bits, as most are. */
static int
as_integer(const struct value *v, long long *n)
{
	char text[24], *end;

	if (v->len >= sizeof(text))
		return 0;
	memcpy(text, v->text, v->len);
	text[v->len] = '\0';
	errno = 0;
	*n = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' && v->len > 0;
}

static double
as_double(const struct value *v)
{
	char text[512];
	size_t len = v->len < sizeof(text) ? v->len : sizeof(text) - 1;

	memcpy(text, v->text, len);
	text[len] = '\0';
	return strtod(text, NULL);
}

int
value_compare_numbers(const struct value *a, const struct value *b)
{
	long long m, n;
	double x, y;

	if (a->len == b->len && memcmp(a->text, b->text, a->len) == 0)
		return 0;
	if (as_integer(a, &m) && as_integer(b, &n))
		return m < n ? -1 : m > n;
	x = as_double(a);
	y = as_double(b);
	return x < y ? -1 : x > y;
}

int
value_equal(const struct value *a, const struct value *b)
{
	if (a->kind != b->kind)
		return 0;
	switch (a->kind) {
	case VALUE_NULL:
		return 1;
	case VALUE_BOOL:
		return a->truth == b->truth;
	case VALUE_NUMBER:
		return value_compare_numbers(a, b) == 0;
	case VALUE_STRING:
		return a->len == b->len &&
		       memcmp(a->text, b->text, a->len) == 0;
	default:
		return 0;
	}
}

long
value_count(const struct value *v)
{
	if (v->kind == VALUE_LIST)
		return (long)v->len;
	if (v->kind == VALUE_NODE && yyjson_is_arr(v->node))
		return (long)unsafe_yyjson_get_len(v->node);
	return -1;
}

struct value
value_item(const struct value *v, long i, struct arena *a)
{
	if (v->kind == VALUE_LIST)
		return v->items[i];
	return value_of(yyjson_arr_get(v->node, (size_t)i), a);
}

const char *
value_kind_name(const struct value *v)
{
	switch (v->kind) {
	case VALUE_ABSENT:
		return "nothing";
	case VALUE_NULL:
		return "null";
	case VALUE_BOOL:
		return "a boolean";
	case VALUE_NUMBER:
		return "a number";
	case VALUE_STRING:
		return "a string";
	case VALUE_NODE:
		return yyjson_is_arr(v->node) ? "an array" : "an object";
	case VALUE_LIST:
		return "a list";
	case VALUE_JSON:
		break;
	}
	return "a table";
}
