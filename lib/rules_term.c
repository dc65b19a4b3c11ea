/*
 * rules_term.c - what the Lua of a rules folder said, as plain C data.
 *
 * Filled by lua_nouns.c, read by the compiler; owns the statements and, in
 * its arena, everything they point to.
 */

#include "rules_term.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define FAULTS_MAX 50 /* shown; the rest is only counted */

void
load_free(struct load *l)
{
	arena_free(&l->arena);
	free(l->statements);
	l->statements = NULL;
	l->n = l->cap = 0;
}

struct statement *
load_statement(struct load *l)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 16 : l->cap * 2;
		l->statements =
		    xrealloc(l->statements, l->cap * sizeof(*l->statements));
	}
	l->statements[l->n] = (struct statement){ 0 };
	return &l->statements[l->n++];
}

void
load_error(struct load *l, const char *file, int line, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (l->faults++ >= FAULTS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p != '\0'; p++) {
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	}
	if (file != NULL && line > 0)
		buf_fmt(l->errors, "%s:%d: ", file, line);
	else if (file != NULL)
		buf_fmt(l->errors, "%s: ", file);
	buf_str(l->errors, text);
	buf_char(l->errors, '\n');
}

char *
load_copy(struct load *l, const char *s, size_t len)
{
	char *p = arena_take(&l->arena, len + 1);

	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

struct term *
load_term(struct load *l, enum term_kind kind, const char *file, int line)
{
	struct term *t = arena_take(&l->arena, sizeof(*t));

	*t = (struct term){ .kind = kind, .file = file, .line = line };
	return t;
}

const struct term_entry *
term_find(const struct term *table, const char *key)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct term_entry *e = &table->entries[i];

		if (e->key != NULL && strcmp(e->key, key) == 0)
			return e;
	}
	return NULL;
}

const char *
term_kind_name(const struct term *t)
{
	switch (t->kind) {
	case TERM_NULL:
		return "null";
	case TERM_BOOL:
		return t->truth ? "true" : "false";
	case TERM_NUMBER:
		return "a number";
	case TERM_STRING:
		return "a string";
	case TERM_TABLE:
		return "a table";
	case TERM_FUNCTION:
		return "a function";
	case TERM_CALL:
	case TERM_OTHER:
		break;
	}
	return t->text;
}
