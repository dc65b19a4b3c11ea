#ifndef IDMESH_RULES_LEX_H
#define IDMESH_RULES_LEX_H

/*
 * rules_lex.h - the tokens of a Lua file.
 *
 * layer 2.  For rules_source.c only; the grammar of tokens is section 3.1 of
 * the Lua 5.4 manual.
 */

#include <stddef.h>

#include "value.h"

enum lex_kind {
	LEX_END,
	LEX_NAME, /* keywords too */
	LEX_NUMBER,
	LEX_STRING, /* text is what the string means, in the arena */
	LEX_SYMBOL, /* one character, or `..`, `::` and the like cut in two */
	LEX_BROKEN, /* not Lua */
};

struct lex_token {
	enum lex_kind kind;
	const char *text;
	size_t len;
	int line;
};

struct lex {
	const char *p, *end; /* borrowed */
	int line;
	struct arena *arena; /* borrowed */
};

struct lex_token lex_next(struct lex *x);

#endif
