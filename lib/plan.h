#ifndef IDMESH_PLAN_H
#define IDMESH_PLAN_H

/*
 * plan.h - the compiled expressions of the rules.
 *
 * layer 2.  rules_compile.c builds nodes from the tables of an operator;
 * every record is run through them.  A node is a path, a literal, a
 * combinator over other nodes, or a Lua function, which the plan reaches
 * only through `call`.  The combinators' meaning is in rules(7).
 */

#include <stddef.h>

#include "plan_path.h"
#include "value.h"
#include "why.h"

enum plan_op {
	PLAN_TRIM, /* the first ones take one value, or each of an array */
	PLAN_UPPER,
	PLAN_LOWER,
	PLAN_CASEFOLD,
	PLAN_DIGITS,
	PLAN_BOOL,
	PLAN_INT,
	PLAN_DATE,
	PLAN_FIRST,
	PLAN_LIST,
	PLAN_HEAD,
	PLAN_CONCAT, /* one value and a separator */
	PLAN_IS, /* one value and literals */
	PLAN_CONST,
	PLAN_PATH,
	PLAN_LUA,
};

struct plan_node {
	enum plan_op op;
	int slot; /* of PLAN_PATH */
	int function; /* of PLAN_LUA */
	const char *path; /* of PLAN_PATH; owned by the rules */
	const char *file; /* borrowed */
	int line;
	size_t n;
	const struct plan_node **args;
	size_t literals;
	const struct value *literal; /* const, separator, members of is() */
};

struct plan {
	struct paths *paths; /* owned */
	struct arena arena; /* of the record */
	struct buf scratch;
	/*
	 * Runs Lua function number `function` on the present record: 0, or -1
	 * with why.  The value lives in the arena.
	 */
	int (*call)(
	    void *ctx, int function, struct value *out, struct why *why);
	void *ctx;
};

/* The name in the rules, such as "trim"; NULL behind the last combinator. */
const char *plan_op_name(enum plan_op op);

/*
 * The node's value for the record that paths_resolve() was given: 0, or -1
 * with why (E_RULE, at file:line) when a conversion or function fails.
 */
int plan_eval(struct plan *p, const struct plan_node *n, struct value *out,
    struct why *why);

#endif
