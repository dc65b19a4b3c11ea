#ifndef IDMESH_PREDICATE_H
#define IDMESH_PREDICATE_H

/*
 * predicate.h - one test of one value, as keep and drop spell it.
 *
 * layer 2.  transform tests attributes after mapping, fetch tests the same
 * values by their paths in the raw record; both must agree, so both call
 * test_match().  Meaning of each test: rules(7).  Pure.
 */

#include "value.h"

enum test_op {
	TEST_IS,
	TEST_NE,
	TEST_PREFIX,
	TEST_SUFFIX,
	TEST_CONTAINS,
	TEST_LIKE, /* * any run, ? one byte */
	TEST_PRESENT,
	TEST_LT,
	TEST_GT,
};

struct test {
	enum test_op op;
	size_t n;
	const struct value *values; /* borrowed; any of them */
};

/* The key in a predicate table, such as "prefix"; NULL behind the last. */
const char *test_name(enum test_op op);
/* The test of that name, or -1. */
int test_of(const char *name);
/* What the values of a test must be: 0 fine, else why it is not. */
const char *test_fault(const struct test *t);

/* Does v pass?  Of an array, any item must. */
int test_match(const struct test *t, const struct value *v, struct arena *a);

#endif
