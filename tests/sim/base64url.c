/*
 * base64url.c - base64url without padding (RFC 4648 section 5).
 *
 * oauth*.c read and write tokens with it, graph_token.c the links.
 */

#include "graph.h"

#include <string.h>

static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			  "abcdefghijklmnopqrstuvwxyz0123456789-_";

void
base64url(const void *p, size_t len, struct buf *out)
{
	const unsigned char *s = p;
	uint32_t bits = 0;
	int n = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | s[i];
		for (n += 8; n >= 6; n -= 6)
			buf_char(out, set[bits >> (n - 6) & 63]);
	}
	if (n > 0)
		buf_char(out, set[bits << (6 - n) & 63]);
}

int
base64url_read(const char *s, size_t len, struct buf *out)
{
	uint32_t bits = 0;
	int n = 0;

	for (size_t i = 0; i < len; i++) {
		const char *at = s[i] != '\0' ? strchr(set, s[i]) : NULL;

		if (at == NULL)
			return -1;
		bits = bits << 6 | (uint32_t)(at - set);
		n += 6;
		if (n >= 8) {
			n -= 8;
			buf_char(out, (char)(bits >> n & 0xff));
		}
	}
	return 0;
}
