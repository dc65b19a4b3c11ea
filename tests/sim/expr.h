#ifndef ORGSIM_EXPR_H
#define ORGSIM_EXPR_H

/*
 * expr.h - filter and search expressions as the server understands them.
 *
 * list.c parses the query parameter against the table of its endpoint and
 * asks about every object.  Written apart from lib/filter, so that the two
 * can disagree in a test.  Grammar and operator tables: okta's core API
 * reference; what is refused is refused as the recorded server does.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

enum expr_op {
	EXPR_EQ = 1,
	EXPR_GT = 2,
	EXPR_GE = 4,
	EXPR_LT = 8,
	EXPR_LE = 16,
	EXPR_SW = 32,
	EXPR_CO = 64,
	EXPR_PR = 128,
	EXPR_NE = 256, /* words that are known and always refused */
	EXPR_EW = 512,
};
#define EXPR_ORDER (EXPR_GT | EXPR_GE | EXPR_LT | EXPR_LE)

/* One attribute an endpoint lets one ask about; "profile.*" is a prefix. */
struct expr_attr {
	const char *name;
	unsigned ops;
	bool date; /* compared as an instant; the literal has to be one */
};

struct expr_table {
	const struct expr_attr *attrs;
	size_t n;
	bool fold; /* values compare without regard to case */
};

/* What an object holds under a name. */
struct expr_value {
	enum { EXPR_NONE, EXPR_TEXT, EXPR_DATE, EXPR_JSON } kind;
	const char *text; /* EXPR_TEXT: borrowed from the object */
	int64_t ms; /* EXPR_DATE */
	yyjson_val *json; /* EXPR_JSON: borrowed from the object */
};

/* Reads one attribute of the object behind ctx. */
typedef void expr_get(void *ctx, const char *name, struct expr_value *out);

enum expr_error {
	EXPR_OK,
	EXPR_SYNTAX, /* no expression */
	EXPR_REFUSED, /* one that this endpoint does not take */
};

struct expr;

/* NULL and *error when it is refused; the caller frees the result. */
struct expr *expr_parse(
    const char *text, const struct expr_table *table, enum expr_error *error);
void expr_free(struct expr *e);
bool expr_match(const struct expr *e, expr_get *get, void *ctx);

/* <0, 0, >0; without regard to case when `fold`.  For sortBy, too. */
int expr_compare(
    const char *a, size_t alen, const char *b, size_t blen, bool fold);

#endif
