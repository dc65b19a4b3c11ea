#ifndef IDMESH_RULES_TERM_H
#define IDMESH_RULES_TERM_H

/*
 * rules_term.h - what the Lua of a rules folder said, as plain C data.
 *
 * layer 2.  lua_nouns.c turns each `map "okta.User" { ... }` into one
 * statement; rules_source.c gives its keys their order and lines back, which
 * Lua tables do not keep; rules_compile.c makes a plan of it.  Everything
 * lives in one arena and dies with the load.
 */

#include <stddef.h>

#include "value.h"

enum term_kind {
	TERM_NULL, /* the rules' `null` */
	TERM_BOOL,
	TERM_NUMBER, /* text: as JSON writes it */
	TERM_STRING,
	TERM_TABLE,
	TERM_FUNCTION,
	TERM_CALL, /* of a combinator: trim "profile.email" */
	TERM_OTHER, /* text: the Lua type that has no place in rules */
};

struct term_entry {
	const char *key; /* NULL: positional */
	int line;
	struct term *value;
};

struct term {
	enum term_kind kind;
	int line; /* where it was made, 0 unknown */
	const char *file; /* "rules/okta.lua" */
	int truth;
	const char *text; /* string, number, combinator or type */
	size_t len;
	int function; /* number in the Lua host */
	size_t n; /* entries, or arguments of a call */
	struct term_entry *entries; /* positional first, then by name */
};

/* `map "okta.User" {...}`: noun map, name okta.User; guard has no name. */
struct statement {
	const char *noun;
	const char *name; /* NULL for guard */
	const char *file;
	int line;
	struct term *body;
};

/* Everything one load has said so far, and what was wrong with it. */
struct load {
	struct arena arena;
	struct buf *errors; /* borrowed; one line each */
	size_t faults;
	struct statement *statements; /* owned */
	size_t n, cap;
};

void load_free(struct load *l);
struct statement *load_statement(struct load *l);
/* Adds "file:line: text"; file may be NULL. */
void load_error(struct load *l, const char *file, int line, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));
/* A copy in the arena, NUL-terminated. */
char *load_copy(struct load *l, const char *s, size_t len);
struct term *load_term(
    struct load *l, enum term_kind kind, const char *file, int line);

/* The value under a name, or NULL. */
const struct term_entry *term_find(const struct term *table, const char *key);
/* "a table", "the string "x"": how a message calls it. */
const char *term_kind_name(const struct term *t);

#endif
