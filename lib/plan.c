/*
 * plan.c - the compiled expressions of the rules.
 *
 * Record in, values out; called for every attribute that is more than a
 * path, and by predicates.  Values live in the record or the plan's arena.
 */

#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "utf8.h"

static const char *const names[] = {
	[PLAN_TRIM] = "trim",
	[PLAN_UPPER] = "upper",
	[PLAN_LOWER] = "lower",
	[PLAN_CASEFOLD] = "casefold",
	[PLAN_DIGITS] = "digits",
	[PLAN_BOOL] = "bool",
	[PLAN_INT] = "int",
	[PLAN_DATE] = "date",
	[PLAN_FIRST] = "first",
	[PLAN_LIST] = "list",
	[PLAN_HEAD] = "head",
	[PLAN_CONCAT] = "concat",
	[PLAN_IS] = "is",
	[PLAN_CONST] = "const",
};

const char *
plan_op_name(enum plan_op op)
{
	return (size_t)op < sizeof(names) / sizeof(names[0]) ? names[op] : NULL;
}

static int
fail(const struct plan_node *n, struct why *why, const char *what,
    const struct value *v)
{
	char at[sizeof(why->at)];

	snprintf(at, sizeof(at), "%s:%d", n->file, n->line);
	if (v->kind == VALUE_STRING || v->kind == VALUE_NUMBER)
		return why_set(why, "E_RULE", at, "%s: \"%.*s\" %s",
		    names[n->op], v->len > 60 ? 60 : (int)v->len, v->text,
		    what);
	return why_set(why, "E_RULE", at, "%s: %s %s", names[n->op],
	    value_kind_name(v), what);
}

/* Moves what the scratch buffer holds into the arena. */
static struct value
keep(struct plan *p, enum value_kind kind)
{
	struct value v = { .kind = kind, .len = p->scratch.len };
	char *copy = arena_take(&p->arena, v.len + 1);

	if (v.len > 0)
		memcpy(copy, p->scratch.data, v.len);
	v.text = copy;
	buf_clear(&p->scratch);
	return v;
}

static void
change_case(struct plan *p, struct value *v, enum utf8_case to)
{
	buf_clear(&p->scratch);
	utf8_case(&p->scratch, v->text, v->len, to);
	*v = keep(p, VALUE_STRING);
}

static void
keep_digits(struct plan *p, struct value *v)
{
	buf_clear(&p->scratch);
	for (size_t i = 0; i < v->len; i++) {
		if (v->text[i] >= '0' && v->text[i] <= '9')
			buf_char(&p->scratch, v->text[i]);
	}
	*v = keep(p, VALUE_STRING);
}

static int
to_bool(const struct plan_node *n, struct value *v, struct why *why)
{
	static const char *const words[] = { "false", "true", "no", "yes", "0",
		"1" };

	if (v->kind == VALUE_BOOL)
		return 0;
	if (v->kind != VALUE_STRING && v->kind != VALUE_NUMBER)
		return fail(n, why, "is no boolean", v);
	for (int i = 0; i < 6; i++) {
		if (v->len == strlen(words[i]) &&
		    strncasecmp(v->text, words[i], v->len) == 0) {
			*v = (struct value){ .kind = VALUE_BOOL,
				.truth = i % 2 };
			return 0;
		}
	}
	return fail(n, why, "is none of true, false, yes, no, 1, 0", v);
}

/* "-0012" and 12.0 become -12 and 12; any number of digits is kept. */
static int
to_int(
    struct plan *p, const struct plan_node *n, struct value *v, struct why *why)
{
	const char *s = v->text;
	size_t len = v->len, digits = 0, rest;
	int minus = 0;

	if (v->kind != VALUE_STRING && v->kind != VALUE_NUMBER)
		return fail(n, why, "is no integer", v);
	utf8_trim(&s, &len);
	if (len > 0 && (*s == '-' || *s == '+')) {
		minus = *s == '-';
		s++;
		len--;
	}
	while (digits < len && s[digits] >= '0' && s[digits] <= '9')
		digits++;
	rest = digits;
	if (rest < len && s[rest] == '.' && rest + 1 < len)
		rest++;
	while (rest > digits && rest < len && s[rest] == '0')
		rest++;
	if (digits == 0 || rest != len || len > 300)
		return fail(n, why, "is no integer", v);
	for (; digits > 1 && *s == '0'; digits--)
		s++;
	buf_clear(&p->scratch);
	if (minus && !(digits == 1 && *s == '0'))
		buf_char(&p->scratch, '-');
	buf_add(&p->scratch, s, digits);
	*v = keep(p, VALUE_NUMBER);
	return 0;
}

static int
to_date(
    struct plan *p, const struct plan_node *n, struct value *v, struct why *why)
{
	char text[CLOCK_TEXT];
	int64_t ms;

	if (v->kind != VALUE_STRING)
		return fail(n, why, "is no date", v);
	buf_clear(&p->scratch);
	buf_add(&p->scratch, v->text, v->len);
	if (v->len == 10)
		buf_str(&p->scratch, "T00:00:00Z");
	if (clock_parse_rfc3339(p->scratch.data, p->scratch.len, &ms) < 0)
		return fail(n, why, "is no date of RFC 3339", v);
	clock_rfc3339(ms, text);
	buf_clear(&p->scratch);
	buf_str(&p->scratch, text);
	*v = keep(p, VALUE_STRING);
	return 0;
}

/* One scalar; null and absent never come here. */
static int
convert(
    struct plan *p, const struct plan_node *n, struct value *v, struct why *why)
{
	if (n->op == PLAN_BOOL)
		return to_bool(n, v, why);
	if (n->op == PLAN_INT)
		return to_int(p, n, v, why);
	if (n->op == PLAN_DATE)
		return to_date(p, n, v, why);
	if (v->kind != VALUE_STRING)
		return 0;
	if (!utf8_valid(v->text, v->len))
		return fail(n, why, "is not UTF-8", v);
	if (n->op == PLAN_TRIM)
		utf8_trim(&v->text, &v->len);
	else if (n->op == PLAN_UPPER)
		change_case(p, v, UTF8_UPPER);
	else if (n->op == PLAN_LOWER)
		change_case(p, v, UTF8_LOWER);
	else if (n->op == PLAN_CASEFOLD)
		change_case(p, v, UTF8_FOLD);
	else
		keep_digits(p, v);
	return 0;
}

static int
convert_any(
    struct plan *p, const struct plan_node *n, struct value *v, struct why *why)
{
	long count = value_count(v);
	struct value *items;

	if (v->kind == VALUE_ABSENT || v->kind == VALUE_NULL)
		return 0;
	if (count < 0)
		return convert(p, n, v, why);
	items = arena_take(&p->arena, (size_t)count * sizeof(*items));
	for (long i = 0; i < count; i++) {
		items[i] = value_item(v, i, &p->arena);
		if (items[i].kind == VALUE_NULL)
			continue;
		if (convert(p, n, &items[i], why) < 0)
			return -1;
	}
	*v = (struct value){
		.kind = VALUE_LIST, .items = items, .len = (size_t)count
	};
	return 0;
}

static int
is_empty(const struct value *v)
{
	return v->kind == VALUE_ABSENT || v->kind == VALUE_NULL ||
	       (v->kind == VALUE_STRING && v->len == 0);
}

/* The first that says something; else the first that is there at all. */
static int
eval_first(struct plan *p, const struct plan_node *n, struct value *out,
    struct why *why)
{
	struct value v, fallback = { .kind = VALUE_ABSENT };

	for (size_t i = 0; i < n->n; i++) {
		if (plan_eval(p, n->args[i], &v, why) < 0)
			return -1;
		if (!is_empty(&v)) {
			*out = v;
			return 0;
		}
		if (fallback.kind == VALUE_ABSENT)
			fallback = v;
	}
	*out = fallback;
	return 0;
}

/* Appends the items of an array, or the value itself. */
static void
gather(struct plan *p, struct buf *items, const struct value *v)
{
	long count = value_count(v);

	if (count < 0) {
		buf_add(items, v, sizeof(*v));
		return;
	}
	for (long i = 0; i < count; i++) {
		struct value item = value_item(v, i, &p->arena);

		if (item.kind != VALUE_NULL)
			buf_add(items, &item, sizeof(item));
	}
}

static int
eval_list(struct plan *p, const struct plan_node *n, struct value *out,
    struct why *why)
{
	struct buf items = { 0 };
	struct value v, *copy;
	int present = 0;

	for (size_t i = 0; i < n->n; i++) {
		if (plan_eval(p, n->args[i], &v, why) < 0) {
			buf_free(&items);
			return -1;
		}
		present |= v.kind != VALUE_ABSENT;
		if (v.kind != VALUE_ABSENT && v.kind != VALUE_NULL)
			gather(p, &items, &v);
	}
	*out = (struct value){ .kind = VALUE_ABSENT };
	if (present) {
		copy = arena_take(&p->arena, items.len);
		if (items.len > 0)
			memcpy(copy, items.data, items.len);
		out->kind = VALUE_LIST;
		out->items = copy;
		out->len = items.len / sizeof(v);
	}
	buf_free(&items);
	return 0;
}

/* The first item of an array, null of an empty one. */
static int
eval_head(struct plan *p, const struct plan_node *n, struct value *out,
    struct why *why)
{
	struct value v;
	long count;

	if (plan_eval(p, n->args[0], &v, why) < 0)
		return -1;
	*out = v;
	count = value_count(&v);
	if (v.kind == VALUE_ABSENT || v.kind == VALUE_NULL || count < 0)
		return 0;
	*out = (struct value){ .kind = VALUE_NULL };
	if (count > 0)
		*out = value_item(&v, 0, &p->arena);
	return 0;
}

static int
add_text(struct plan *p, const struct plan_node *n, const struct value *v,
    struct why *why)
{
	if (v->kind == VALUE_STRING || v->kind == VALUE_NUMBER)
		buf_add(&p->scratch, v->text, v->len);
	else if (v->kind == VALUE_BOOL)
		buf_str(&p->scratch, v->truth ? "true" : "false");
	else
		return fail(n, why, "cannot be part of a text", v);
	return 0;
}

static int
eval_concat(struct plan *p, const struct plan_node *n, struct value *out,
    struct why *why)
{
	const struct value *separator = &n->literal[0];
	struct value v;
	long count;

	if (plan_eval(p, n->args[0], &v, why) < 0)
		return -1;
	*out = v;
	if (v.kind == VALUE_ABSENT || v.kind == VALUE_NULL)
		return 0;
	count = value_count(&v);
	buf_clear(&p->scratch);
	if (count < 0 && add_text(p, n, &v, why) < 0)
		return -1;
	for (long i = 0; i < count; i++) {
		struct value item = value_item(&v, i, &p->arena);

		if (i > 0)
			buf_add(&p->scratch, separator->text, separator->len);
		if (item.kind != VALUE_NULL && add_text(p, n, &item, why) < 0)
			return -1;
	}
	*out = keep(p, VALUE_STRING);
	return 0;
}

static int
eval_is(struct plan *p, const struct plan_node *n, struct value *out,
    struct why *why)
{
	struct value v;

	if (plan_eval(p, n->args[0], &v, why) < 0)
		return -1;
	*out = (struct value){ .kind = VALUE_BOOL };
	for (size_t i = 0; i < n->literals && !out->truth; i++)
		out->truth = value_equal(&v, &n->literal[i]);
	return 0;
}

int
plan_eval(struct plan *p, const struct plan_node *n, struct value *out,
    struct why *why)
{
	switch (n->op) {
	case PLAN_PATH:
		*out = value_of(paths_values(p->paths)[n->slot], &p->arena);
		return 0;
	case PLAN_CONST:
		*out = n->literal[0];
		return 0;
	case PLAN_LUA:
		return p->call(p->ctx, n->function, out, why);
	case PLAN_FIRST:
		return eval_first(p, n, out, why);
	case PLAN_LIST:
		return eval_list(p, n, out, why);
	case PLAN_HEAD:
		return eval_head(p, n, out, why);
	case PLAN_CONCAT:
		return eval_concat(p, n, out, why);
	case PLAN_IS:
		return eval_is(p, n, out, why);
	default:
		if (plan_eval(p, n->args[0], out, why) < 0)
			return -1;
		return convert_any(p, n, out, why);
	}
}
