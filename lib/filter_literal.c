/*
 * filter_literal.c - the values of an expression: strings, numbers, booleans.
 *
 * Called by filter_parse.c behind an operator.  A string is unescaped, checked
 * for what Okta does not take, and folded once for `search`.
 */

#include "filter_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

/* Four hex digits at s, or -1. */
static int32_t
hex4(const char *s, size_t len)
{
	int32_t v = 0;

	if (len < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *d =
		    s[i] != '\0'
			? strchr(digits, s[i] >= 'A' ? s[i] | 32 : s[i])
			: NULL;

		if (d == NULL)
			return -1;
		v = v * 16 + (int32_t)(d - digits);
	}
	return v;
}

/* A BMP code point as UTF-8. */
static void
add_utf8(struct buf *b, int32_t c)
{
	if (c < 0x80) {
		buf_char(b, (char)c);
	} else if (c < 0x800) {
		buf_char(b, (char)(0xc0 | c >> 6));
		buf_char(b, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_char(b, (char)(0xe0 | c >> 12));
		buf_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_char(b, (char)(0x80 | (c & 0x3f)));
	}
}

/* The escape at `at`; *size receives its bytes. */
static int
escape(struct parse *p, size_t at, size_t end, struct buf *b, size_t *size)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	struct spot spot = { at, end - at < 2 ? end - at : 2 };
	char c = p->text[at + 1];
	const char *known = c != '\0' ? strchr(from, c) : NULL;
	int32_t code;

	*size = 2;
	if (known != NULL) {
		buf_char(b, to[known - from]);
		return 0;
	}
	if (c != 'u')
		return filter_fail(p, spot,
		    "no such escape; a backslash is written \\\\, "
		    "a quote \\\"");
	code = hex4(p->text + at + 2, end - at - 2);
	spot.len = end - at < 6 ? end - at : 6;
	if (code < 0)
		return filter_fail(p, spot,
		    "four hex digits belong behind \\u, as in \\u00e9");
	if (code >= 0xd800 && code <= 0xdfff)
		return filter_fail(p, spot,
		    "Okta takes no characters beyond U+FFFF in a value");
	if (code == 0)
		return filter_fail(p, spot, "U+0000 is in no Okta value");
	add_utf8(b, code);
	*size = 6;
	return 0;
}

/* One plain character of a string. */
static int
plain(struct parse *p, size_t at, size_t end, struct buf *b, size_t *size)
{
	int32_t c = filter_decode(p->text + at, end - at, size);
	struct spot spot = { at, *size };

	if (c < 0)
		return filter_fail(p, spot, "this is not UTF-8");
	if (c < 32)
		return filter_fail(p, spot,
		    "a control character; write it as \\n, \\t or \\u%04x",
		    (unsigned int)c);
	if (c > 0xffff)
		return filter_fail(p, spot,
		    "Okta takes no characters beyond U+FFFF in a value");
	buf_add(b, p->text + at, *size);
	return 0;
}

static int
string(struct parse *p, struct value *v, struct spot spot)
{
	size_t end = spot.at + spot.len - 1, size = 1;
	struct buf b = { 0 };
	int closed, r = 0;

	filter_string_len(p, spot.at, &closed);
	if (!closed)
		return filter_fail(p, spot, "the closing quote is missing");
	buf_reserve(&b, spot.len);
	for (size_t i = spot.at + 1; i < end && r == 0; i += size)
		r = p->text[i] == '\\' ? escape(p, i, end, &b, &size)
				       : plain(p, i, end, &b, &size);
	if (r != 0) {
		buf_free(&b);
		return -1;
	}
	v->kind = VALUE_TEXT;
	v->len = b.len;
	v->text = buf_take(&b);
	v->folded = xmalloc(v->len + 1);
	v->folded_len = filter_fold(v->text, v->len, v->folded);
	return 0;
}

static int
number(struct value *v, const char *word)
{
	const char *end = yyjson_read_number(word, &v->number, 0, NULL, NULL);

	if (end == NULL || *end != '\0')
		return -1;
	v->kind = VALUE_NUMBER;
	return 0;
}

/* A value without double quotes that is neither number nor boolean. */
static int
bare_word(struct parse *p, struct spot spot, const char *word)
{
	size_t len = strlen(word);

	if (strcasecmp(word, "null") == 0)
		return filter_fail(p, spot,
		    "Okta compares with no null; pr asks whether an attribute "
		    "has a value");
	if (strcasecmp(word, "true") == 0 || strcasecmp(word, "false") == 0)
		return filter_fail(p, spot, "write true or false in small");
	if (word[0] == '\'' && len > 1)
		return filter_fail(p, spot,
		    "a text stands in double quotes: \"%.*s\"",
		    (int)(len < 40 ? len : 40) - 2, word + 1);
	return filter_fail(
	    p, spot, "a text stands in double quotes: \"%.40s\"", word);
}

int
filter_literal(struct parse *p, struct node *n, struct spot *spot)
{
	char *word;
	int r = 0;

	*spot = filter_peek(p);
	if (spot->len == 0 || strchr("()", p->text[spot->at]) != NULL)
		return filter_fail(
		    p, *spot, "a value is missing, as in \"ACTIVE\"");
	if (filter_need_space(p, *spot, "the value") != 0)
		return -1;
	p->at = spot->at + spot->len;
	if (p->text[spot->at] == '"')
		return string(p, &n->value, *spot);
	word = xstrndup(p->text + spot->at, spot->len);
	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) {
		n->value.kind = VALUE_BOOL;
		n->value.truth = word[0] == 't';
	} else if (number(&n->value, word) != 0) {
		r = bare_word(p, *spot, word);
	}
	free(word);
	return r;
}
