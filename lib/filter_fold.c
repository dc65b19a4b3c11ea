/*
 * filter_fold.c - texts without case, for the values of `search`.
 *
 * filter_parse.c folds the literals once, filter_match.c the record's values
 * while it compares.  The table is ours and not the C library's, so that the
 * answer does not depend on the locale of a host.  Pure.
 */

#include "filter_private.h"

#include <string.h>

int32_t
filter_decode(const char *s, size_t len, size_t *size)
{
	const unsigned char *p = (const unsigned char *)s;
	static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	int32_t c;
	size_t n;

	*size = 1;
	if (p[0] < 0x80)
		return p[0];
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
	if (n == 0 || p[0] > 0xf4 || n > len)
		return -1;
	c = p[0] & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return -1;
	*size = n;
	return c;
}

static size_t
encode(int32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	out[0] = (char)(0xe0 | c >> 12);
	out[1] = (char)(0x80 | (c >> 6 & 0x3f));
	out[2] = (char)(0x80 | (c & 0x3f));
	return 3;
}

/*
 * Ranges of capitals.  step 1: each is a capital, `add` away from its small
 * letter; step 2: capitals and small letters take turns.
 */
static const struct range {
	int32_t from, to, step, add;
} ranges[] = {
	{ 0xc0, 0xd6, 1, 32 },
	{ 0xd8, 0xde, 1, 32 },
	{ 0x100, 0x12e, 2, 1 },
	{ 0x132, 0x136, 2, 1 },
	{ 0x139, 0x147, 2, 1 },
	{ 0x14a, 0x176, 2, 1 },
	{ 0x178, 0x178, 1, 0xff - 0x178 },
	{ 0x179, 0x17d, 2, 1 },
	{ 0x17f, 0x17f, 1, 's' - 0x17f },
	{ 0x1cd, 0x1db, 2, 1 },
	{ 0x1de, 0x1ee, 2, 1 },
	{ 0x1f8, 0x21e, 2, 1 },
	{ 0x222, 0x232, 2, 1 },
	{ 0x386, 0x386, 1, 38 },
	{ 0x388, 0x38a, 1, 37 },
	{ 0x38c, 0x38c, 1, 64 },
	{ 0x38e, 0x38f, 1, 63 },
	{ 0x391, 0x3a1, 1, 32 },
	{ 0x3a3, 0x3ab, 1, 32 },
	{ 0x3c2, 0x3c2, 1, 1 },
	{ 0x400, 0x40f, 1, 80 },
	{ 0x410, 0x42f, 1, 32 },
	{ 0x460, 0x480, 2, 1 },
	{ 0x48a, 0x4be, 2, 1 },
	{ 0x4d0, 0x52e, 2, 1 },
	{ 0x1e00, 0x1e94, 2, 1 },
	{ 0x1e9e, 0x1e9e, 1, 0xdf - 0x1e9e },
	{ 0x1ea0, 0x1efe, 2, 1 },
};

static int32_t
small(int32_t c)
{
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const struct range *r = &ranges[i];

		if (c < r->from)
			break;
		if (c <= r->to && (c - r->from) % r->step == 0)
			return c + r->add;
	}
	return c;
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
		if (c < 0 || c > 0xffff) {
			memmove(out + n, s + i, size);
			n += size;
			continue;
		}
		n += encode(small(c), out + n);
	}
	return n;
}
