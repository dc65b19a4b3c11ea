/*
 * expr_match.c - does an object satisfy an expression?
 *
 * Called for every object of a filtered listing.  Missing, null and the empty
 * array are not present; of an array any element may match.
 */

#include "expr_node.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

/* One character of UTF-8 in lower case; *s moves behind it. */
static wint_t
next_folded(const char **s, const char *end)
{
	static locale_t locale;
	const unsigned char *p = (const unsigned char *)*s;
	size_t left = (size_t)(end - *s), n = 1;
	wint_t c = p[0];

	if (c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	if (c >= 0xc0 && c < 0xe0 && left >= 2) {
		c = (c & 0x1f) << 6 | (p[1] & 0x3f);
		n = 2;
	} else if (c >= 0xe0 && c < 0xf0 && left >= 3) {
		c = (c & 0x0f) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3f);
		n = 3;
	}
	*s += n;
	if (n == 1)
		return c;
	if (locale == (locale_t)0)
		locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	return locale != (locale_t)0 ? towlower_l(c, locale) : c;
}

int
expr_compare(const char *a, size_t alen, const char *b, size_t blen, bool fold)
{
	const char *aend = a + alen, *bend = b + blen;
	int r;

	if (!fold) {
		r = memcmp(a, b, alen < blen ? alen : blen);
		return r != 0 ? r : (alen > blen) - (alen < blen);
	}
	while (a < aend && b < bend) {
		wint_t x = next_folded(&a, aend), y = next_folded(&b, bend);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return (a < aend) - (b < bend);
}

static bool
starts_with(const char *s, size_t len, const char *want, size_t wlen, bool fold)
{
	const char *end = s + len, *wend = want + wlen;

	if (!fold)
		return len >= wlen && memcmp(s, want, wlen) == 0;
	while (want < wend) {
		if (s >= end ||
		    next_folded(&s, end) != next_folded(&want, wend))
			return false;
	}
	return true;
}

static bool
contains(const char *s, size_t len, const char *want, size_t wlen, bool fold)
{
	for (size_t i = 0; i < len; i++)
		if (starts_with(s + i, len - i, want, wlen, fold))
			return true;
	return false;
}

/* Does the order of two values satisfy the operator? */
static bool
order_holds(enum expr_op op, int order)
{
	switch (op) {
	case EXPR_EQ:
		return order == 0;
	case EXPR_GT:
		return order > 0;
	case EXPR_GE:
		return order >= 0;
	case EXPR_LT:
		return order < 0;
	case EXPR_LE:
		return order <= 0;
	default:
		return false;
	}
}

static bool
match_text(const struct expr *e, const char *s, size_t len)
{
	yyjson_val *v = yyjson_doc_get_root(e->literal);
	const char *want = yyjson_get_str(v);
	size_t wlen = yyjson_get_len(v);

	if (want == NULL)
		return false;
	if (e->op == EXPR_SW)
		return starts_with(s, len, want, wlen, e->fold);
	if (e->op == EXPR_CO)
		return contains(s, len, want, wlen, e->fold);
	return order_holds(e->op, expr_compare(s, len, want, wlen, e->fold));
}

/* Whole numbers are compared as such: 2^53 + 1 is not 2^53. */
static int
compare_numbers(yyjson_val *a, yyjson_val *b)
{
	double x, y;

	if (yyjson_is_int(a) && yyjson_is_int(b)) {
		int64_t m = yyjson_get_sint(a), n = yyjson_get_sint(b);

		return (m > n) - (m < n);
	}
	x = yyjson_get_num(a);
	y = yyjson_get_num(b);
	return (x > y) - (x < y);
}

static bool
match_scalar(const struct expr *e, yyjson_val *v)
{
	yyjson_val *want = yyjson_doc_get_root(e->literal);

	if (yyjson_is_str(v))
		return match_text(e, yyjson_get_str(v), yyjson_get_len(v));
	if (yyjson_is_num(v) && yyjson_is_num(want))
		return order_holds(e->op, compare_numbers(v, want));
	if (yyjson_is_bool(v) && yyjson_is_bool(want))
		return e->op == EXPR_EQ &&
		       yyjson_get_bool(v) == yyjson_get_bool(want);
	return false;
}

static bool
match_json(const struct expr *e, yyjson_val *v)
{
	yyjson_val *item;
	size_t i, n;

	if (yyjson_is_null(v))
		return false;
	if (!yyjson_is_arr(v))
		return e->op == EXPR_PR || match_scalar(e, v);
	yyjson_arr_foreach(v, i, n,
	    item) if (e->op == EXPR_PR || match_scalar(e, item)) return true;
	return false;
}

static bool
match_term(const struct expr *e, expr_get *get, void *ctx)
{
	struct expr_value v = { 0 };

	get(ctx, e->name, &v);
	switch (v.kind) {
	case EXPR_TEXT:
		return e->op == EXPR_PR ||
		       match_text(e, v.text, strlen(v.text));
	case EXPR_DATE:
		return e->op == EXPR_PR ||
		       order_holds(e->op, (v.ms > e->ms) - (v.ms < e->ms));
	case EXPR_JSON:
		return match_json(e, v.json);
	default:
		return false;
	}
}

bool
expr_match(const struct expr *e, expr_get *get, void *ctx)
{
	if (e->kind == EXPR_AND)
		return expr_match(e->left, get, ctx) &&
		       expr_match(e->right, get, ctx);
	if (e->kind == EXPR_OR)
		return expr_match(e->left, get, ctx) ||
		       expr_match(e->right, get, ctx);
	return match_term(e, get, ctx);
}
