/*
 * filter_match.c - does a raw API record satisfy an expression?
 *
 * rules_scope.c asks for every record that transform maps: this answer, not
 * the server's, is the truth about scope.  Semantics: config(5), SELECTING
 * USERS.  Pure; the record is only read.
 */

#include "filter_private.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"

#define FOLD_ROOM 256 /* values up to here are folded on the stack */

/* The value at "profile.login", or NULL when a step is missing. */
static yyjson_val *
at_path(yyjson_val *v, const char *path)
{
	const char *dot;

	for (; v != NULL; path = dot + 1) {
		dot = strchr(path, '.');
		if (dot == NULL)
			return yyjson_obj_get(v, path);
		v = yyjson_obj_getn(v, path, (size_t)(dot - path));
	}
	return NULL;
}

/* Does an order of -1, 0 or 1 satisfy the operator? */
static int
order_fits(enum op op, int order)
{
	switch (op) {
	case OP_EQ:
		return order == 0;
	case OP_GT:
		return order > 0;
	case OP_GE:
		return order >= 0;
	case OP_LT:
		return order < 0;
	case OP_LE:
		return order <= 0;
	default:
		return 0;
	}
}

static int
sign(int64_t n)
{
	return (n > 0) - (n < 0);
}

static int
compare_bytes(const char *a, size_t na, const char *b, size_t nb)
{
	int c = memcmp(a, b, na < nb ? na : nb);

	return c != 0 ? sign(c) : (na > nb) - (na < nb);
}

static int
bytes_fit(enum op op, const char *have, size_t n, const char *want, size_t len)
{
	if (op == OP_SW)
		return n >= len && memcmp(have, want, len) == 0;
	if (op == OP_CO)
		return memmem(have, n, want, len) != NULL;
	return order_fits(op, compare_bytes(have, n, want, len));
}

static int
text_fits(const struct node *n, enum filter_route route, yyjson_val *v)
{
	const struct value *want = &n->value;
	size_t len = yyjson_get_len(v);
	const char *s = yyjson_get_str(v);
	char room[FOLD_ROOM], *folded = room;
	int fits;

	if (s == NULL)
		return 0;
	if (route == FILTER_BY_FILTER)
		return bytes_fit(n->op, s, len, want->text, want->len);
	if (len > sizeof(room))
		folded = xmalloc(len);
	fits = bytes_fit(n->op, folded, filter_fold(s, len, folded),
	    want->folded, want->folded_len);
	if (folded != room)
		free(folded);
	return fits;
}

static int
date_fits(const struct node *n, yyjson_val *v)
{
	int64_t have, want = n->value.instant;

	if (!yyjson_is_str(v) || clock_parse_rfc3339(yyjson_get_str(v),
				     yyjson_get_len(v), &have) != 0)
		return 0;
	return order_fits(n->op, (have > want) - (have < want));
}

/* The order of two JSON numbers; integers stay exact where both are. */
static int
compare_numbers(yyjson_val *a, yyjson_val *b)
{
	double x, y;

	if (yyjson_is_int(a) && yyjson_is_int(b)) {
		int minus_a = yyjson_is_sint(a) && yyjson_get_sint(a) < 0;
		int minus_b = yyjson_is_sint(b) && yyjson_get_sint(b) < 0;
		uint64_t m = yyjson_get_uint(a), k = yyjson_get_uint(b);

		/* Of one sign, two's complement keeps the order. */
		return minus_a != minus_b ? minus_b - minus_a
					  : (m > k) - (m < k);
	}
	x = yyjson_get_num(a);
	y = yyjson_get_num(b);
	return (x > y) - (x < y);
}

static int
number_fits(const struct node *n, yyjson_val *v)
{
	yyjson_val want = n->value.number;

	return yyjson_is_num(v) && order_fits(n->op, compare_numbers(v, &want));
}

/* Present: neither null nor empty. */
static int
is_present(yyjson_val *v)
{
	if (yyjson_is_str(v))
		return yyjson_get_len(v) > 0;
	if (yyjson_is_ctn(v))
		return yyjson_get_len(v) > 0;
	return v != NULL && !yyjson_is_null(v);
}

static int
scalar_fits(const struct node *n, enum filter_route route, yyjson_val *v)
{
	if (n->op == OP_PR)
		return is_present(v);
	switch (n->value.kind) {
	case VALUE_TEXT:
		return text_fits(n, route, v);
	case VALUE_DATE:
		return date_fits(n, v);
	case VALUE_NUMBER:
		return number_fits(n, v);
	case VALUE_BOOL:
		return yyjson_is_bool(v) &&
		       yyjson_get_bool(v) == n->value.truth;
	case VALUE_NONE:
		break;
	}
	return 0;
}

static int
comparison_fits(const struct node *n, enum filter_route route, yyjson_val *v)
{
	yyjson_val *element;
	size_t i, max;

	v = at_path(v, n->path);
	if (!yyjson_is_arr(v))
		return scalar_fits(n, route, v);
	yyjson_arr_foreach(
	    v, i, max, element) if (scalar_fits(n, route, element)) return 1;
	return 0;
}

/* Depth is bounded by the parser, so recursion is. */
static int
node_fits(const struct node *n, enum filter_route route, yyjson_val *record)
{
	const struct node *part;

	if (n->kind == NODE_COMPARE)
		return comparison_fits(n, route, record);
	for (part = n->first; part != NULL; part = part->next)
		if (node_fits(part, route, record) == (n->kind == NODE_OR))
			return n->kind == NODE_OR;
	return n->kind == NODE_AND;
}

int
filter_match(
    const struct filter *f, enum filter_route route, yyjson_val *record)
{
	return node_fits(f->root, route, record);
}
