/*
 * filter_fold.c - texts without case, for the values of `search`.
 *
 * filter_parse.c folds the literals once, filter_match.c the record's values
 * while it compares, by the tables of utf8_case.c.  Pure.
 */

#include "filter_private.h"

#include <string.h>

#include "utf8.h"

int32_t
filter_decode(const char *s, size_t len, size_t *size)
{
	uint32_t c = utf8_next(s, len, size);

	return *size == 1 && c >= 0x80 ? -1 : (int32_t)c;
}

static size_t
length(int32_t c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
}

static size_t
encode(int32_t c, char *out)
{
	size_t n = length(c);

	if (n == 1) {
		out[0] = (char)c;
	} else if (n == 2) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
	} else {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
	}
	return n;
}

/* Small, and one form for letters that are the same when capital. */
static int32_t
small(int32_t c)
{
	if (c == 0x17f)
		return 's';
	if (c == 0x3c2)
		return 0x3c3;
	return (int32_t)utf8_lower((uint32_t)c);
}

size_t
filter_fold(const char *s, size_t len, char *out)
{
	size_t n = 0, size;

	for (size_t i = 0; i < len; i += size) {
		int32_t c;

		size = 1;
		if ((unsigned char)s[i] < 0x80) {
			out[n++] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32
								     : s[i]);
			continue;
		}
		c = filter_decode(s + i, len - i, &size);
		/* What is beyond the BMP, or would be longer, stays. */
		if (c < 0 || c > 0xffff || length(small(c)) > size) {
			memmove(out + n, s + i, size);
			n += size;
			continue;
		}
		n += encode(small(c), out + n);
	}
	return n;
}
