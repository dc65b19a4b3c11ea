/*
 * expr_parse.c - the text of a filter or search into a tree.
 *
 * Recursive descent: or, and, term.  Stops at the first error, which is
 * either no expression at all or one that this endpoint does not take.
 */

#include "expr_node.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "mem.h"

#define DEPTH_MAX 50

struct parser {
	const char *at;
	const struct expr_table *table;
	enum expr_error error;
	int depth;
};

static struct expr *parse_or(struct parser *p);

static struct expr *
fail(struct parser *p, enum expr_error error)
{
	if (p->error == EXPR_OK)
		p->error = error;
	return NULL;
}

static void
skip_space(struct parser *p)
{
	while (*p->at == ' ')
		p->at++;
}

/* Length of the name at p: letters, digits, `_`, `-` and dots. */
static size_t
word_length(const char *s)
{
	size_t n = 0;

	if (!isalpha((unsigned char)*s))
		return 0;
	while (isalnum((unsigned char)s[n]) || (s[n] && strchr("_-.", s[n])))
		n++;
	return n;
}

/* Takes a word of the language, which may be written in any case. */
static bool
take_word(struct parser *p, const char *word)
{
	size_t len = strlen(word);

	skip_space(p);
	if (word_length(p->at) != len || strncasecmp(p->at, word, len) != 0)
		return false;
	p->at += len;
	return true;
}

static const struct expr_attr *
find_attr(const struct expr_table *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++) {
		const char *want = t->attrs[i].name;
		size_t len = strlen(want);

		if (strcmp(want, name) == 0)
			return &t->attrs[i];
		if (want[len - 1] == '*' && strncmp(want, name, len - 1) == 0 &&
		    name[len - 1] != '\0')
			return &t->attrs[i];
	}
	return NULL;
}

static enum expr_op
take_op(struct parser *p)
{
	static const struct {
		const char *word;
		enum expr_op op;
	} ops[] = { { "eq", EXPR_EQ }, { "gt", EXPR_GT }, { "ge", EXPR_GE },
		{ "lt", EXPR_LT }, { "le", EXPR_LE }, { "sw", EXPR_SW },
		{ "co", EXPR_CO }, { "pr", EXPR_PR }, { "ne", EXPR_NE },
		{ "ew", EXPR_EW } };

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (take_word(p, ops[i].word))
			return ops[i].op;
	return 0;
}

/* Length of the literal at s, 0 when there is none. */
static size_t
literal_length(const char *s)
{
	size_t n = 0;

	if (*s != '"')
		return strcspn(s, " ()");
	for (n = 1; s[n] != '"'; n++) {
		if (s[n] == '\\' && s[n + 1] != '\0')
			n++;
		if (s[n] == '\0')
			return 0;
	}
	return n + 1;
}

static int
take_literal(struct parser *p, struct expr *e)
{
	yyjson_val *v;
	size_t len;

	skip_space(p);
	len = literal_length(p->at);
	e->literal = yyjson_read(p->at, len, 0);
	v = yyjson_doc_get_root(e->literal);
	if (v == NULL ||
	    !(yyjson_is_str(v) || yyjson_is_num(v) || yyjson_is_bool(v)))
		return -1;
	p->at += len;
	return 0;
}

/* A literal may be JSON and still be wrong for its attribute. */
static bool
literal_fits(struct expr *e)
{
	yyjson_val *v = yyjson_doc_get_root(e->literal);
	const char *s = yyjson_get_str(v);
	size_t len = yyjson_get_len(v);

	if (s != NULL && strlen(s) != len)
		return false;
	if (e->op == EXPR_CO && (s == NULL || len < 3))
		return false;
	if (e->op == EXPR_SW && s == NULL)
		return false;
	if (e->date)
		return s != NULL && clock_parse_rfc3339(s, len, &e->ms) == 0;
	for (; s != NULL && *s != '\0'; s++)
		if ((unsigned char)*s >= 0xf0)
			return false; /* beyond the BMP */
	return true;
}

static struct expr *
parse_compare(struct parser *p)
{
	size_t len = word_length(p->at);
	const struct expr_attr *attr;
	struct expr *e;

	if (len == 0)
		return fail(p, EXPR_SYNTAX);
	e = xcalloc(1, sizeof(*e));
	e->kind = EXPR_TERM;
	e->fold = p->table->fold;
	e->name = xstrndup(p->at, len);
	p->at += len;
	attr = find_attr(p->table, e->name);
	e->date = attr != NULL && attr->date;
	e->op = take_op(p);
	if (e->op == 0)
		fail(p, EXPR_SYNTAX);
	else if (e->op != EXPR_PR && take_literal(p, e) < 0)
		fail(p, EXPR_SYNTAX);
	else if (attr == NULL || (attr->ops & e->op) == 0)
		fail(p, EXPR_REFUSED);
	else if (e->op != EXPR_PR && !literal_fits(e))
		fail(p, EXPR_REFUSED);
	if (p->error == EXPR_OK)
		return e;
	expr_free(e);
	return NULL;
}

static struct expr *
parse_term(struct parser *p)
{
	struct expr *e;

	skip_space(p);
	if (take_word(p, "not"))
		return fail(p, EXPR_REFUSED);
	if (*p->at != '(')
		return parse_compare(p);
	p->at++;
	if (++p->depth > DEPTH_MAX)
		return fail(p, EXPR_REFUSED);
	e = parse_or(p);
	p->depth--;
	skip_space(p);
	if (e == NULL)
		return NULL;
	if (*p->at != ')') {
		expr_free(e);
		return fail(p, EXPR_SYNTAX);
	}
	p->at++;
	return e;
}

/* left `word` right `word` ..., each side read by `next`. */
static struct expr *
parse_chain(struct parser *p, const char *word, int kind,
    struct expr *(*next)(struct parser *))
{
	struct expr *left = next(p);

	while (left != NULL && take_word(p, word)) {
		struct expr *both, *right = next(p);

		if (right == NULL) {
			expr_free(left);
			return NULL;
		}
		both = xcalloc(1, sizeof(*both));
		both->kind = kind == EXPR_AND ? EXPR_AND : EXPR_OR;
		both->left = left;
		both->right = right;
		left = both;
	}
	return left;
}

static struct expr *
parse_and(struct parser *p)
{
	return parse_chain(p, "and", EXPR_AND, parse_term);
}

static struct expr *
parse_or(struct parser *p)
{
	return parse_chain(p, "or", EXPR_OR, parse_and);
}

struct expr *
expr_parse(
    const char *text, const struct expr_table *table, enum expr_error *error)
{
	struct parser p = { .at = text, .table = table };
	struct expr *e = parse_or(&p);

	skip_space(&p);
	if (e != NULL && *p.at != '\0') {
		fail(&p, EXPR_SYNTAX);
		expr_free(e);
		e = NULL;
	}
	*error = p.error;
	return e;
}

void
expr_free(struct expr *e)
{
	if (e == NULL)
		return;
	expr_free(e->left);
	expr_free(e->right);
	free(e->name);
	yyjson_doc_free(e->literal);
	free(e);
}
