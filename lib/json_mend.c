/*
 * json_mend.c - text that is JSON but for characters that are no Unicode.
 *
 * fetch/call.c calls it for an answer that cannot be read, before it gives
 * the answer up.  Works in place on the caller's bytes.
 */

#include "json_mend.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define ESCAPE 6 /* bytes of \uXXXX */
#define CHARACTER_MAX 4 /* bytes of UTF-8 */

/* The code unit of an escape at text, or -1 when there is none. */
static int
unit(const char *text, size_t len)
{
	char hex[5];

	if (len < ESCAPE || text[0] != '\\' || text[1] != 'u')
		return -1;
	memcpy(hex, text + 2, 4);
	hex[4] = '\0';
	for (int i = 0; i < 4; i++)
		if (!isxdigit((unsigned char)hex[i]))
			return -1;
	return (int)strtol(hex, NULL, 16);
}

static int
is_high(int u)
{
	return u >= 0xd800 && u <= 0xdbff;
}

static int
is_low(int u)
{
	return u >= 0xdc00 && u <= 0xdfff;
}

/* What begins with a backslash; returns its length. */
static size_t
mend_escape(char *text, size_t len, size_t *mended)
{
	int u = unit(text, len);

	if (u < 0)
		return len > 1 ? 2 : 1;
	if (is_high(u) && is_low(unit(text + ESCAPE, len - ESCAPE)))
		return 2 * ESCAPE;
	if (is_high(u) || is_low(u)) {
		memcpy(text, "\\ufffd", ESCAPE);
		(*mended)++;
	}
	return ESCAPE;
}

/* Length of the character of UTF-8 at s, 0 when there is none. */
static size_t
character(const char *s, size_t len)
{
	for (size_t n = 1; n <= CHARACTER_MAX && n <= len; n++)
		if (utf8_valid(s, n))
			return n;
	return 0;
}

size_t
json_mend(char *text, size_t len)
{
	size_t mended = 0, i = 0;

	while (i < len) {
		size_t n;

		if (text[i] == '\\') {
			i += mend_escape(text + i, len - i, &mended);
			continue;
		}
		n = character(text + i, len - i);
		if (n == 0) {
			text[i] = '?';
			mended++;
			n = 1;
		}
		i += n;
	}
	return mended;
}
