#ifndef IDMESH_RULES_IMPL_H
#define IDMESH_RULES_IMPL_H

/*
 * rules_impl.h - what the files of rules.h share.
 *
 * layer 3.  Private to rules*.c: rules_load.c reads the folder,
 * rules_compile.c and rules_scope.c make the plan, rules_check.c and
 * policy_compile.c what join runs, rules_record.c maps records,
 * rules_describe.c tells others about it.
 */

#include "lua_host.h"
#include "plan.h"
#include "policy.h"
#include "predicate.h"
#include "rules.h"
#include "rules_term.h"

#define RULES_TESTS_MAX 64 /* of one predicate table */

/* One test of one attribute. */
struct rules_item {
	int attr; /* of the map, or -1: the node is asked itself */
	const struct plan_node *node;
	struct test test;
};

/* One alternative: all of its items hold, or its function says so. */
struct rules_predicate {
	const struct plan_node *function; /* or NULL */
	const struct rules_item *items;
	size_t n;
};

/* Alternatives of keep, drop or deleted: any of them. */
struct rules_any {
	const struct rules_predicate *of;
	size_t n;
	int given;
};

struct rules_scope {
	struct filter *search; /* owned; or NULL */
	struct rules_any keep, drop, deleted;
};

struct rules_attr {
	const char *name;
	const struct plan_node *node;
	const char *file;
	int line;
	int quiet;
	int is_id; /* ExternalId = "id" */

	/* Of the present record. */
	struct value value;
	const char *at, *message; /* why it failed, in the arena */
};

/* What the inner loop needs of an attribute, close together. */
struct rules_step {
	const char *key; /* ,"name": and JSON_KEY_PAD bytes more */
	unsigned key_len;
	int slot; /* of a path, -1: computed */
	int quiet;
};

struct rules_map {
	const char *name, *type; /* "okta.User", "User" */
	char *connector;
	const char *file;
	int line;
	struct plan plan;
	struct rules_attr *attrs; /* in the load's arena */
	struct rules_step *steps; /* one an attribute, same order */
	signed char *states; /* 0 not asked, 1 value, -1 failed */
	int id_attr; /* ExternalId = "id", or -1 */
	size_t n;
	int scoped; /* a scope statement was seen */
	struct rules_scope scope;
};

/* A mesh type: the union of its maps. */
struct rules_type {
	const char *name;
	const char **attrs; /* owned array */
	size_t n;
};

struct rules {
	struct load load; /* owns names, nodes, attributes */
	struct lua_host *host; /* owned */
	char version[17];
	size_t files;
	struct rules_map *maps; /* owned */
	size_t n;
	struct rules_type *types; /* owned */
	size_t ntypes;
	struct rules_guard guard;
	struct policy *policies; /* in the load's arena */
	size_t npolicies;
	struct paths *values; /* owned; of a flow's function, or NULL */
	const char **owners; /* owned array: whose the functions are */
	int nowners;

	/* The present page. */
	struct rules_map *map;
	struct rules_page page;
	int key_slots[8];
	size_t nkeys;
	int external_slot, removed_slot; /* -1: none */
	int keep_slots[8]; /* of page.keep */
	size_t nkeeps;
	struct buf kept; /* what of them the present record has not */
	struct buf id, hashed, errors;
	int no_memory; /* a function ran into the cap */
};

/* rules_load.c: the statements of *_test.lua, not compiled; NULL as ever. */
struct rules *rules_load_tests(const char *dir, struct buf *errors);

/* rules_compile.c: statements into maps; mistakes into the load. */
void rules_compile(struct rules *r);
struct rules_map *rules_map_find(struct rules *r, const char *name);
/* Says that `word` is unknown, and what it may have been. */
void rules_unknown(struct load *l, const char *file, int line, const char *what,
    const char *word, const char *const *names, size_t n);
/* The same of a mesh type that no map makes. */
void rules_unknown_type(
    struct rules *r, const char *file, int line, const char *word);
/* The node of a value; NULL after an error.  `owner` names a function. */
const struct plan_node *rules_node(struct rules *r, struct rules_map *m,
    const struct term *t, int line, const char *owner);
/* A literal: string, number, boolean, null; -1 when it is none. */
int rules_literal(const struct term *t, struct value *out);
/* The attribute's number, or -1. */
int rules_attr_find(const struct rules_map *m, const char *name);

/* rules_streams.c: refuses a map that is nearly for a stream of fetch's; its
 * statement then has the name that was meant, for what the others say of it. */
void rules_check_stream(struct rules *r, struct statement *st);

/* rules_scope.c */
void rules_scope_compile(struct rules *r, const struct statement *st);
/* The scope of a map without `deleted`. */
void rules_scope_default(struct rules *r, struct rules_map *m);
/* 1 any alternative holds, 0 none, -1 cannot be told (why). */
int rules_any_match(
    struct rules *r, const struct rules_any *any, struct why *why);
/* 1 in scope, 0 out, -1 cannot be told. */
int rules_scope_match(struct rules *r, yyjson_val *record, struct why *why);

/* rules_check.c: shapes of join, flow, life, guard. */
void rules_check(struct rules *r, const struct statement *st);
/* rules_flow.c: keys of a flow that need another, and its template. */
void rules_check_pairs(
    struct rules *r, const struct statement *st, const struct term_entry *flow);
void rules_check_template(struct rules *r, const struct statement *st,
    const struct rules_type *type, const struct term_entry *e);
/* policy_compile.c: the same statements, when nothing was wrong. */
void policy_compile(struct rules *r);

/* rules_record.c: an attribute's value, asked once a record. */
int rules_attr_value(struct rules *r, size_t i, struct why *why);
int rules_call(void *ctx, int function, struct value *out, struct why *why);

#endif
