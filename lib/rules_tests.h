#ifndef IDMESH_RULES_TESTS_H
#define IDMESH_RULES_TESTS_H

/*
 * rules_tests.h - what an operator expects of the rules, beside the rules.
 *
 * layer 3.  `transform test` loads every *_test.lua of the folder and puts
 * what is given through the rules; the form of a test is in rules(7).
 */

#include <stddef.h>

#include <yyjson.h>

#include "rules.h"

struct rules_tests;

struct rules_test {
	const char *map, *name; /* "okta.User", "temps are contractors" */
	const char *file;
	int line;
	yyjson_val *given; /* the raw record */
	yyjson_val *expect; /* attributes, or a word of rules_verdict() */
	yyjson_val *without; /* array of attributes, or NULL */
	yyjson_val *context; /* of the page, or NULL */
	const char *at; /* time of the page */
};

/* "put", "delete", "out-of-scope", "rejected" */
const char *rules_verdict(enum rules_result result);

/* NULL after a line in errors for each mistake; free with the next. */
struct rules_tests *rules_tests_load(const char *dir, struct buf *errors);
void rules_tests_free(struct rules_tests *t);

/* NULL behind the last one; borrowed. */
const struct rules_test *rules_tests_get(const struct rules_tests *t, size_t i);

/* 1 when all is as expected; else 0 and a line in out for each difference. */
int rules_test_run(
    struct rules *r, const struct rules_test *t, struct buf *out);

/*
 * Maps one record as if a page held nothing else, like rules_record(); used by
 * `transform try` too.  *map is "connector.Type"; context may be NULL.
 */
enum rules_result rules_try(struct rules *r, const char *map, const char *at,
    yyjson_val *record, yyjson_val *context, struct buf *out, struct why *why);

/* Appends what the map reads and the context of rules_try() did not have. */
void rules_try_absent(struct rules *r, const char *map, struct buf *out);

#endif
