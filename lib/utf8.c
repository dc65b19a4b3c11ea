/*
 * utf8.c - is it UTF-8, and the few things rules do to text.
 *
 * Called by the plan's combinators and by the Lua host for every string that
 * comes back from a rule.
 */

#include "utf8.h"

#include <string.h>

/* Bytes of the sequence that begins at s, 0 when it is none. */
static size_t
sequence(const unsigned char *s, size_t len)
{
	size_t n = 0;
	unsigned char low = 0x80, high = 0xbf;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	if (n == 0 || n > len)
		return 0;
	/* Overlong forms, surrogates, beyond U+10FFFF: Unicode table 3-7. */
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

int
utf8_valid(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;

	for (size_t i = 0; i < len;) {
		size_t n = sequence(p + i, len - i);

		if (n == 0)
			return 0;
		i += n;
	}
	return 1;
}

uint32_t
utf8_next(const char *s, size_t len, size_t *used)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = sequence(p, len);
	uint32_t c = p[0];

	*used = n == 0 ? 1 : n;
	if (n < 2)
		return c;
	c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3fu);
	return c;
}

void
utf8_add(struct buf *b, uint32_t c)
{
	char t[4];
	size_t n = 1;

	if (c < 0x80) {
		t[0] = (char)c;
	} else if (c < 0x800) {
		t[0] = (char)(0xc0 | c >> 6);
		n = 2;
	} else if (c < 0x10000) {
		t[0] = (char)(0xe0 | c >> 12);
		n = 3;
	} else {
		t[0] = (char)(0xf0 | c >> 18);
		n = 4;
	}
	for (size_t i = 1; i < n; i++)
		t[i] = (char)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
	buf_add(b, t, n);
}

void
utf8_clean(char *s)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < len;) {
		size_t n = sequence((const unsigned char *)s + i, len - i);

		if (n == 0)
			s[i] = '?';
		else if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			s[i] = ' ';
		i += n == 0 ? 1 : n;
	}
}

void
utf8_case(struct buf *b, const char *s, size_t len, enum utf8_case to)
{
	size_t used;

	for (size_t i = 0; i < len; i += used) {
		uint32_t c = utf8_next(s + i, len - i, &used);

		if (to == UTF8_FOLD && (c == 0xdf || c == 0x1e9e))
			buf_add(b, "ss", 2);
		else if (to == UTF8_FOLD)
			utf8_add(b, utf8_lower(utf8_upper(c)));
		else
			utf8_add(b,
			    to == UTF8_UPPER ? utf8_upper(c) : utf8_lower(c));
	}
}

/* The property White_Space of Unicode. */
static int
is_space(uint32_t c)
{
	return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xa0 ||
	       c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
	       c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Where the last code point of s begins. */
static size_t
last(const char *s, size_t len)
{
	size_t i = len - 1;

	while (i > 0 && len - i < 4 && ((unsigned char)s[i] & 0xc0) == 0x80)
		i--;
	return i;
}

void
utf8_trim(const char **s, size_t *len)
{
	size_t used, at;

	while (*len > 0 && is_space(utf8_next(*s, *len, &used))) {
		*s += used;
		*len -= used;
	}
	while (*len > 0) {
		at = last(*s, *len);
		if (!is_space(utf8_next(*s + at, *len - at, &used)))
			break;
		*len = at;
	}
}

int
utf8_width(const char *s, int columns)
{
	for (; *s != '\0'; s++)
		columns += ((unsigned char)*s & 0xc0) == 0x80;
	return columns;
}
