#ifndef ORGSIM_EXPR_NODE_H
#define ORGSIM_EXPR_NODE_H

/*
 * expr_node.h - the tree between expr_parse.c and expr_match.c.
 *
 * Nobody else includes it.
 */

#include "expr.h"

struct expr {
	enum { EXPR_AND, EXPR_OR, EXPR_TERM } kind;
	struct expr *left, *right; /* owned; of AND and OR */
	bool fold;
	/* of a TERM */
	char *name; /* owned */
	enum expr_op op;
	bool date;
	int64_t ms; /* the literal as an instant */
	yyjson_doc *literal; /* owned; NULL for pr */
};

#endif
