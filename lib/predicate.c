/*
 * predicate.c - one test of one value, as keep and drop spell it.
 *
 * Called by rules_scope.c on mapped values and by scope.c on raw ones.
 */

#include "predicate.h"

#include <string.h>

static const char *const names[] = {
	[TEST_IS] = "is",
	[TEST_NE] = "ne",
	[TEST_PREFIX] = "prefix",
	[TEST_SUFFIX] = "suffix",
	[TEST_CONTAINS] = "contains",
	[TEST_LIKE] = "like",
	[TEST_PRESENT] = "present",
	[TEST_LT] = "lt",
	[TEST_GT] = "gt",
};

#define TESTS (sizeof(names) / sizeof(names[0]))

const char *
test_name(enum test_op op)
{
	return (size_t)op < TESTS ? names[op] : NULL;
}

int
test_of(const char *name)
{
	for (size_t i = 0; i < TESTS; i++) {
		if (strcmp(names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

static int
is_scalar(const struct value *v)
{
	return v->kind == VALUE_STRING || v->kind == VALUE_NUMBER ||
	       v->kind == VALUE_BOOL || v->kind == VALUE_NULL;
}

const char *
test_fault(const struct test *t)
{
	if (t->n == 0)
		return "needs a value";
	for (size_t i = 0; i < t->n; i++) {
		const struct value *v = &t->values[i];

		if (!is_scalar(v))
			return "takes strings, numbers, true, false or null";
		if (t->op >= TEST_PREFIX && t->op <= TEST_LIKE &&
		    v->kind != VALUE_STRING)
			return "takes a string or a list of strings";
	}
	if (t->op == TEST_PRESENT &&
	    (t->n != 1 || t->values[0].kind != VALUE_BOOL))
		return "takes true or false";
	if ((t->op == TEST_LT || t->op == TEST_GT) &&
	    (t->n != 1 || t->values[0].kind == VALUE_BOOL ||
		t->values[0].kind == VALUE_NULL))
		return "takes one string or number";
	return NULL;
}

static int
begins(const struct value *v, const struct value *with)
{
	return v->len >= with->len &&
	       memcmp(v->text, with->text, with->len) == 0;
}

static int
ends(const struct value *v, const struct value *with)
{
	return v->len >= with->len &&
	       memcmp(v->text + v->len - with->len, with->text, with->len) == 0;
}

/* Goes back to the last star only, so the time is len * pattern at most. */
static int
like(const struct value *v, const struct value *pattern)
{
	size_t i = 0, j = 0, star = (size_t)-1, from = 0;

	while (i < v->len) {
		if (j < pattern->len && pattern->text[j] == '*') {
			star = j++;
			from = i;
		} else if (j < pattern->len &&
			   (pattern->text[j] == '?' ||
			       pattern->text[j] == v->text[i])) {
			i++;
			j++;
		} else if (star != (size_t)-1) {
			j = star + 1;
			i = ++from;
		} else {
			return 0;
		}
	}
	while (j < pattern->len && pattern->text[j] == '*')
		j++;
	return j == pattern->len;
}

static int
compare(const struct value *a, const struct value *b, int *result)
{
	size_t len = a->len < b->len ? a->len : b->len;

	if (a->kind != b->kind)
		return -1;
	if (a->kind == VALUE_NUMBER) {
		*result = value_compare_numbers(a, b);
		return 0;
	}
	if (a->kind != VALUE_STRING)
		return -1;
	*result = len > 0 ? memcmp(a->text, b->text, len) : 0;
	if (*result == 0)
		*result = (a->len > b->len) - (a->len < b->len);
	return 0;
}

static int
match_one(enum test_op op, const struct value *v, const struct value *want)
{
	int order;

	switch (op) {
	case TEST_IS:
	case TEST_NE:
		return value_equal(v, want);
	case TEST_PREFIX:
		return v->kind == VALUE_STRING && begins(v, want);
	case TEST_SUFFIX:
		return v->kind == VALUE_STRING && ends(v, want);
	case TEST_CONTAINS:
		return v->kind == VALUE_STRING &&
		       memmem(v->text, v->len, want->text, want->len) != NULL;
	case TEST_LIKE:
		return v->kind == VALUE_STRING && like(v, want);
	case TEST_LT:
		return compare(v, want, &order) == 0 && order < 0;
	case TEST_GT:
		return compare(v, want, &order) == 0 && order > 0;
	case TEST_PRESENT:
		break;
	}
	return 0;
}

static int
match_any(const struct test *t, const struct value *v)
{
	for (size_t i = 0; i < t->n; i++) {
		if (match_one(t->op, v, &t->values[i]))
			return 1;
	}
	return 0;
}

int
test_match(const struct test *t, const struct value *v, struct arena *a)
{
	long count = value_count(v);
	int matched = 0;

	if (t->op == TEST_PRESENT) {
		int present = v->kind != VALUE_ABSENT &&
			      v->kind != VALUE_NULL &&
			      !(v->kind == VALUE_STRING && v->len == 0);

		return present == t->values[0].truth;
	}
	if (count < 0)
		matched = match_any(t, v);
	for (long i = 0; i < count && !matched; i++) {
		struct value item = value_item(v, i, a);

		matched = match_any(t, &item);
	}
	return t->op == TEST_NE ? !matched : matched;
}
