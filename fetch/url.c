/*
 * url.c - paths with queries: building them, and reading a little.
 *
 * stream_*.c build the first request of a listing, listing.c looks into the
 * links that the server gave.  Pure.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "call.h"
#include "mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

void
url_encode(struct buf *b, const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";

	for (; *s != '\0'; s++) {
		if (strchr(plain, *s) != NULL)
			buf_char(b, *s);
		else
			buf_fmt(b, "%%%02X", (unsigned char)*s);
	}
}

void
url_add(struct buf *path, const char *name, const char *value)
{
	bool first = memchr(path->data, '?', path->len) == NULL;

	buf_char(path, first ? '?' : '&');
	buf_str(path, name);
	buf_char(path, '=');
	url_encode(path, value);
}

/* The value of a parameter in place, or NULL; *len is its length. */
static const char *
parameter(const char *path, const char *name, size_t *len)
{
	const char *p = strchr(path, '?');
	size_t n = strlen(name);

	while (p != NULL) {
		p++;
		if (strncmp(p, name, n) == 0 && p[n] == '=') {
			*len = strcspn(p + n + 1, "&#");
			return p + n + 1;
		}
		p = strchr(p, '&');
	}
	return NULL;
}

int
url_limit(const char *path)
{
	size_t len;
	const char *p = parameter(path, "limit", &len);

	return p != NULL ? (int)strtol(p, NULL, 10) : 0;
}

char *
url_with_limit(const char *path, int limit)
{
	size_t len;
	const char *p = parameter(path, "limit", &len);

	if (p == NULL)
		return xstrdup(path);
	return xasprintf("%.*s%d%s", (int)(p - path), path, limit, p + len);
}

uint64_t
url_cursor(const char *path)
{
	size_t len;
	const char *p = parameter(path, "after", &len);

	if (p == NULL) {
		p = path;
		len = strlen(path);
	}
	return XXH3_64bits(p, len);
}

char *
url_fill(const char *pattern, const char *id)
{
	const char *at = strstr(pattern, "{id}");
	struct buf b = { 0 };

	if (at == NULL)
		return xstrdup(pattern);
	buf_add(&b, pattern, (size_t)(at - pattern));
	url_encode(&b, id);
	buf_str(&b, at + strlen("{id}"));
	return buf_take(&b);
}
