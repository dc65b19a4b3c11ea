/*
 * filter_parse.c - from the text of an expression to its tree.
 *
 * Called by filter.c.  Recursive descent over the grammar in config(5),
 * SELECTING USERS; every refusal names the column, quotes the token and says
 * what works.  Each comparison is handed to filter_attr.c, which knows what
 * Okta takes.
 */

#include "filter_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

#define QUOTE_MAX 48 /* bytes of a token that a message repeats */

static struct node *chain(struct parse *p, enum node_kind kind);

void
filter_node_free(struct node *n)
{
	struct node *next;

	for (; n != NULL; n = next) {
		next = n->next;
		filter_node_free(n->first);
		free(n->path);
		free(n->value.text);
		free(n->value.folded);
		free(n);
	}
}

/* Characters before `at`, counted from 1. */
static size_t
column(const struct parse *p, size_t at)
{
	size_t n = 1;

	for (size_t i = 0; i < at; i++)
		n += ((unsigned char)p->text[i] & 0xc0) != 0x80;
	return n;
}

/* The token for a message: short, whole characters, nothing unprintable. */
static void
quote(const struct parse *p, struct spot spot, char out[QUOTE_MAX + 8])
{
	size_t n = 0, size;

	if (spot.len == 0) {
		memcpy(out, "the end", sizeof("the end"));
		return;
	}
	out[n++] = '\'';
	for (size_t i = 0; i < spot.len; i += size) {
		const char *s = p->text + spot.at + i;
		int32_t c = filter_decode(s, spot.len - i, &size);

		if (n + size > QUOTE_MAX) {
			memcpy(out + n, "...", 3);
			n += 3;
			break;
		}
		if (c < 32 || c == 127)
			out[n++] = '?';
		else {
			memcpy(out + n, s, size);
			n += size;
		}
	}
	out[n++] = '\'';
	out[n] = '\0';
}

int
filter_fail(struct parse *p, struct spot spot, const char *fmt, ...)
{
	char token[QUOTE_MAX + 8], text[sizeof(p->why->text)];
	va_list ap;

	quote(p, spot, token);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return why_set(p->why, FILTER_CODE, NULL, "column %zu: %s: %s",
	    column(p, spot.at), token, text);
}

static int
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
skip(struct parse *p)
{
	while (p->at < p->len && is_space(p->text[p->at]))
		p->at++;
}

size_t
filter_string_len(const struct parse *p, size_t at, int *closed)
{
	size_t i = at + 1;

	while (i < p->len && p->text[i] != '"')
		i += p->text[i] == '\\' && i + 1 < p->len ? 2 : 1;
	*closed = i < p->len;
	return (*closed ? i + 1 : p->len) - at;
}

/* The next token, without consuming it. */
struct spot
filter_peek(struct parse *p)
{
	struct spot spot;
	size_t i;
	int closed;

	skip(p);
	spot.at = i = p->at;
	if (i < p->len && p->text[i] == '"')
		i += filter_string_len(p, i, &closed);
	else if (i < p->len && strchr("()", p->text[i]) != NULL)
		i++;
	else
		while (i < p->len && !is_space(p->text[i]) &&
		       p->text[i] != '\0' && strchr("()\"", p->text[i]) == NULL)
			i++;
	/* A NUL is a token of its own. */
	spot.len = i == spot.at && i < p->len ? 1 : i - spot.at;
	return spot;
}

/* Is the token this word, in whatever case? */
static int
is_word(const struct parse *p, struct spot spot, const char *word)
{
	return spot.len == strlen(word) &&
	       strncasecmp(p->text + spot.at, word, spot.len) == 0;
}

/* Words of two tokens must not touch; ( and ) may touch their inside. */
int
filter_need_space(struct parse *p, struct spot spot, const char *before)
{
	if (spot.at > 0 && !is_space(p->text[spot.at - 1]))
		return filter_fail(
		    p, spot, "a space is missing before %s", before);
	return 0;
}

/* Letters, digits, _ and -, each name beginning with a letter. */
static int
path_ok(const char *s)
{
	int begins = 1;

	for (; *s != '\0'; s++) {
		int letter =
		    (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z');

		if (begins && !letter)
			return 0;
		if (!letter && *s != '_' && *s != '-' && *s != '.' &&
		    (*s < '0' || *s > '9'))
			return 0;
		begins = *s == '.';
	}
	return !begins;
}

static int
path(struct parse *p, struct node *n, struct spot *spot)
{
	*spot = filter_peek(p);
	if (spot->len == 0)
		return filter_fail(p, *spot,
		    "an attribute is missing, as in status eq \"ACTIVE\"");
	n->path = xstrndup(p->text + spot->at, spot->len);
	if (is_word(p, *spot, "and") || is_word(p, *spot, "or"))
		return filter_fail(p, *spot,
		    "a comparison is missing before it, as in "
		    "status eq \"ACTIVE\"");
	if (strchr(n->path, '[') != NULL)
		return filter_fail(p, *spot,
		    "Okta takes no [ ] here; name the attribute itself, as in "
		    "profile.NAME eq \"value\"");
	if (!path_ok(n->path))
		return filter_fail(p, *spot,
		    "this is no attribute; write one like status or "
		    "profile.login, then an operator, then a value");
	p->at = spot->at + spot->len;
	return filter_judge_path(p, n->path, *spot);
}

/* The ways people write what Okta writes otherwise. */
static const struct {
	const char *word, *right;
} habits[] = {
	{ "=", "eq" },
	{ "==", "eq" },
	{ "===", "eq" },
	{ "equals", "eq" },
	{ "is", "eq" },
	{ "<", "lt" },
	{ ">", "gt" },
	{ "<=", "le" },
	{ ">=", "ge" },
	{ "startsWith", "sw" },
	{ "contains", "co" },
	{ "like", "co" },
	{ "in", "eq, with or between the values" },
	{ "exists", "pr" },
	{ "present", "pr" },
	{ "ew", "sw, for a beginning; Okta cannot ask for an end" },
	{ "endsWith", "sw, for a beginning; Okta cannot ask for an end" },
};

static int
unknown_operator(struct parse *p, struct spot spot)
{
	for (size_t i = 0; i < sizeof(habits) / sizeof(habits[0]); i++)
		if (is_word(p, spot, habits[i].word))
			return filter_fail(
			    p, spot, "Okta writes this as %s", habits[i].right);
	if (spot.len == 0 || strchr("()\"", p->text[spot.at]) != NULL)
		return filter_fail(p, spot,
		    "an operator is missing: eq gt ge lt le sw co or pr");
	return filter_fail(
	    p, spot, "this is no operator; Okta has eq gt ge lt le sw co pr");
}

/* Okta has no `ne`: says how to ask for the same. */
static int
refuse_ne(struct parse *p, struct node *n, struct spot spot)
{
	struct spot v;
	char text[QUOTE_MAX + 8];

	p->at = spot.at + spot.len;
	v = filter_peek(p);
	if (is_word(p, v, "true") || is_word(p, v, "false"))
		return filter_fail(p, spot,
		    "Okta has no ne here; write %.80s eq %s", n->path,
		    is_word(p, v, "true") ? "false" : "true");
	if (v.len == 0 || v.len > QUOTE_MAX)
		snprintf(text, sizeof(text), "\"X\"");
	else
		snprintf(
		    text, sizeof(text), "%.*s", (int)v.len, p->text + v.at);
	return filter_fail(p, spot,
	    "Okta has no ne here; write (%.80s lt %s or %.80s gt %s)", n->path,
	    text, n->path, text);
}

static int
operator(struct parse *p, struct node *n, struct spot *spot)
{
	static const char *const words[OP_COUNT] = { "eq", "gt", "ge", "lt",
		"le", "sw", "co", "pr" };

	*spot = filter_peek(p);
	if (is_word(p, *spot, "ne") || is_word(p, *spot, "!=") ||
	    is_word(p, *spot, "<>"))
		return refuse_ne(p, n, *spot);
	for (int i = 0; i < OP_COUNT; i++) {
		if (!is_word(p, *spot, words[i]))
			continue;
		n->op = (enum op)i;
		p->at = spot->at + spot->len;
		return 0;
	}
	return unknown_operator(p, *spot);
}

static struct node *
comparison(struct parse *p)
{
	struct node *n = xcalloc(1, sizeof(*n));
	struct compare_spots spots = { 0 };

	n->kind = NODE_COMPARE;
	if (path(p, n, &spots.path) != 0 || operator(p, n, &spots.op) != 0)
		goto out;
	if (n->op != OP_PR && filter_literal(p, n, &spots.value) != 0)
		goto out;
	if (filter_judge(p, n, &spots) != 0)
		goto out;
	return n;
out:
	filter_node_free(n);
	return NULL;
}

/* What stands where and, or, ) or the end belongs. */
static void
unexpected(struct parse *p, struct spot spot)
{
	const char *want =
	    p->depth > 0 ? "and, or, or )" : "and, or, or the end";

	if (is_word(p, spot, "&&") || is_word(p, spot, "||"))
		filter_fail(p, spot, "Okta writes this as %s",
		    is_word(p, spot, "&&") ? "and" : "or");
	else if (spot.len == 0)
		filter_fail(p, spot, "a ) is missing");
	else if (p->text[spot.at] == ')')
		filter_fail(p, spot, "there is no ( that belongs to it");
	else if (spot.at > 0 && p->text[spot.at - 1] == '"')
		filter_fail(p, spot,
		    "%s belongs here; a quote inside a value is written \\\"",
		    want);
	else
		filter_fail(p, spot, "%s belongs here", want);
}

static struct node *
parentheses(struct parse *p, struct spot spot)
{
	struct node *n;

	if (++p->depth > FILTER_DEPTH_MAX) {
		filter_fail(p, spot, "more than %d ( within each other",
		    FILTER_DEPTH_MAX);
		return NULL;
	}
	p->at = spot.at + 1;
	n = chain(p, NODE_OR);
	if (n == NULL)
		return NULL;
	spot = filter_peek(p);
	if (spot.len != 1 || p->text[spot.at] != ')') {
		unexpected(p, spot);
		filter_node_free(n);
		return NULL;
	}
	p->at = spot.at + 1;
	p->depth--;
	return n;
}

static struct node *
term(struct parse *p)
{
	struct spot spot = filter_peek(p);

	if (spot.len == 1 && p->text[spot.at] == '(')
		return parentheses(p, spot);
	if (is_word(p, spot, "not") ||
	    (spot.len > 0 && p->text[spot.at] == '!')) {
		filter_fail(p, spot,
		    "Okta has no not here; turn the comparison round, as in "
		    "(status lt \"ACTIVE\" or status gt \"ACTIVE\")");
		return NULL;
	}
	return comparison(p);
}

/* Consumes the joining word when it is the next token; -1 on a fault. */
static int
joined(struct parse *p, const char *word)
{
	struct spot spot = filter_peek(p);

	if (!is_word(p, spot, word))
		return 0;
	if (filter_need_space(p, spot, word) != 0)
		return -1;
	p->at = spot.at + spot.len;
	if (p->at < p->len && !is_space(p->text[p->at])) {
		struct spot next = filter_peek(p);

		return filter_need_space(p, next, "it");
	}
	return 1;
}

/* One part of a level: an and-chain of an or, a term of an and. */
static struct node *
part(struct parse *p, enum node_kind kind)
{
	return kind == NODE_OR ? chain(p, NODE_AND) : term(p);
}

/* One level of the grammar: `and` binds tighter than `or`. */
static struct node *
chain(struct parse *p, enum node_kind kind)
{
	const char *word = kind == NODE_OR ? "or" : "and";
	struct node *first = part(p, kind), *last = first, *group;
	int more;

	if (first == NULL)
		return NULL;
	for (more = joined(p, word); more > 0; more = joined(p, word)) {
		last->next = part(p, kind);
		last = last->next;
		if (last == NULL)
			break;
	}
	if (more != 0) {
		filter_node_free(first);
		return NULL;
	}
	if (first->next == NULL)
		return first;
	group = xcalloc(1, sizeof(*group));
	group->kind = kind;
	group->first = first;
	return group;
}

struct node *
filter_tree(struct parse *p)
{
	struct spot spot = filter_peek(p);
	struct node *n;

	if (spot.len == 0) {
		why_set(p->why, FILTER_CODE, NULL,
		    "the expression is empty; leave it out, or write one "
		    "like status eq \"ACTIVE\"");
		return NULL;
	}
	n = chain(p, NODE_OR);
	if (n == NULL)
		return NULL;
	spot = filter_peek(p);
	if (spot.len != 0) {
		unexpected(p, spot);
		filter_node_free(n);
		return NULL;
	}
	return n;
}
