/*
 * rules_lex.c - the tokens of a Lua file.
 *
 * Text in, tokens out, one at a time; rules_source.c is the only caller.
 */

#include "rules_lex.h"

#include <string.h>

#include "utf8.h"

static int
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_';
}

static int
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The level of a long bracket at p ([[ is 0, [=[ is 1), -1 when none. */
static int
long_level(const char *p, const char *end)
{
	int level = 0;

	if (p == end || *p != '[')
		return -1;
	for (p++; p < end && *p == '='; p++)
		level++;
	return p < end && *p == '[' ? level : -1;
}

/* Skips a long bracket and sets *text to what it holds; -1: not closed. */
static int
long_text(struct lex *x, int level, const char **text, size_t *len)
{
	const char *start = x->p + level + 2;

	for (x->p = start; x->p < x->end; x->p++) {
		const char *q = x->p + 1;
		int n = 0;

		if (*x->p == '\n')
			x->line++;
		if (*x->p != ']')
			continue;
		for (; q < x->end && *q == '='; q++)
			n++;
		if (n != level || q == x->end || *q != ']')
			continue;
		*text = start;
		*len = (size_t)(x->p - start);
		x->p = q + 1;
		return 0;
	}
	return -1;
}

/* Skips white space and comments; -1 when a comment has no end. */
static int
skip(struct lex *x)
{
	const char *text;
	size_t len;
	int level;

	while (x->p < x->end) {
		if (*x->p == '\n')
			x->line++;
		if (strchr(" \t\r\n\v\f", *x->p) != NULL && *x->p != '\0') {
			x->p++;
			continue;
		}
		if (x->end - x->p < 2 || x->p[0] != '-' || x->p[1] != '-')
			return 0;
		x->p += 2;
		level = long_level(x->p, x->end);
		if (level >= 0 && long_text(x, level, &text, &len) < 0)
			return -1;
		if (level >= 0)
			continue;
		while (x->p < x->end && *x->p != '\n')
			x->p++;
	}
	return 0;
}

static int
hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Reads digits of the base, at most `max` of them. */
static unsigned
number(struct lex *x, unsigned base, int max)
{
	unsigned n = 0;

	for (; max > 0 && x->p < x->end; max--, x->p++) {
		int d = hex_digit(*x->p);

		if (d < 0 || (unsigned)d >= base)
			break;
		n = n * base + (unsigned)d;
	}
	return n;
}

/* An escape that is a number of some form; the lead-in is at x->p. */
static void
numeric_escape(struct lex *x, struct buf *out)
{
	char lead = *x->p;

	if (is_digit(lead)) {
		buf_char(out, (char)number(x, 10, 3));
		return;
	}
	x->p++;
	if (lead == 'x') {
		buf_char(out, (char)number(x, 16, 2));
		return;
	}
	if (x->p < x->end && *x->p == '{')
		x->p++;
	utf8_add(out, number(x, 16, 6));
	if (x->p < x->end && *x->p == '}')
		x->p++;
}

/* One escape; x->p stands behind the backslash. */
static void
escape(struct lex *x, struct buf *out)
{
	static const char letters[] = "abfnrtv\\\"'";
	static const char meaning[] = "\a\b\f\n\r\t\v\\\"'";
	const char *known = strchr(letters, *x->p);

	if (*x->p == '\0')
		return;
	if (known != NULL) {
		buf_char(out, meaning[known - letters]);
		x->p++;
	} else if (is_digit(*x->p) || *x->p == 'x' || *x->p == 'u') {
		numeric_escape(x, out);
	} else if (*x->p == '\n') {
		x->line++;
		buf_char(out, *x->p++);
	} else if (*x->p == 'z') {
		for (x->p++;
		     x->p < x->end && strchr(" \t\r\n", *x->p) && *x->p != '\0';
		     x->p++)
			x->line += *x->p == '\n';
	} else {
		buf_char(out, *x->p++);
	}
}

static void
quoted(struct lex *x, struct lex_token *t)
{
	struct buf out = { 0 };
	char quote = *x->p++, *copy;

	t->kind = LEX_BROKEN;
	while (x->p < x->end && *x->p != '\n' && *x->p != quote) {
		if (*x->p != '\\') {
			buf_char(&out, *x->p++);
			continue;
		}
		x->p++;
		if (x->p < x->end)
			escape(x, &out);
	}
	if (x->p < x->end && *x->p == quote) {
		x->p++;
		t->kind = LEX_STRING;
	}
	copy = arena_take(x->arena, out.len + 1);
	if (out.len > 0)
		memcpy(copy, out.data, out.len);
	copy[out.len] = '\0';
	t->text = copy;
	t->len = out.len;
	buf_free(&out);
}

static void
number_token(struct lex *x, struct lex_token *t)
{
	t->kind = LEX_NUMBER;
	for (; x->p < x->end && (is_word(*x->p) || *x->p == '.'); x->p++) {
		if (strchr("eEpP", *x->p) != NULL && x->p + 1 < x->end &&
		    (x->p[1] == '+' || x->p[1] == '-'))
			x->p++;
	}
	t->len = (size_t)(x->p - t->text);
}

struct lex_token
lex_next(struct lex *x)
{
	struct lex_token t = { .kind = LEX_BROKEN };
	int level;

	if (skip(x) < 0)
		return t;
	t.line = x->line;
	t.text = x->p;
	if (x->p == x->end) {
		t.kind = LEX_END;
		return t;
	}
	level = long_level(x->p, x->end);
	if (is_digit(*x->p) ||
	    (*x->p == '.' && x->end - x->p > 1 && is_digit(x->p[1]))) {
		number_token(x, &t);
	} else if (is_word(*x->p)) {
		t.kind = LEX_NAME;
		while (x->p < x->end && is_word(*x->p))
			x->p++;
		t.len = (size_t)(x->p - t.text);
	} else if (*x->p == '"' || *x->p == '\'') {
		quoted(x, &t);
	} else if (level >= 0) {
		if (long_text(x, level, &t.text, &t.len) == 0)
			t.kind = LEX_STRING;
		/* Lua leaves out a first newline. */
		if (t.kind == LEX_STRING && t.len > 0 && t.text[0] == '\n') {
			t.text++;
			t.len--;
		}
	} else {
		t.kind = LEX_SYMBOL;
		t.len = 1;
		x->p++;
	}
	return t;
}
