/*
 * buf.c - a growable byte buffer, and JSON text written into one.
 *
 * Used wherever bytes are put together: messages, SQL, log lines, answers.
 * Owns its memory; buf_take() is the one way out.
 */

#include "buf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#ifndef BUF_CHUNK
#define BUF_CHUNK 256
#endif

void
buf_reserve(struct buf *b, size_t more)
{
	size_t need = b->len + more + 1, cap = b->cap;

	if (need <= cap)
		return;
	if (cap == 0)
		cap = BUF_CHUNK;
	while (cap < need)
		cap *= 2;
	b->data = xrealloc(b->data, cap);
	b->cap = cap;
}

void
buf_add(struct buf *b, const void *p, size_t len)
{
	buf_reserve(b, len);
	if (len > 0)
		memcpy(b->data + b->len, p, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	size_t room;
	int n;

	buf_reserve(b, BUF_CHUNK);
	room = b->cap - b->len;
	va_start(ap, fmt);
	n = vsnprintf(b->data + b->len, room, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n >= room) {
		buf_reserve(b, (size_t)n);
		va_start(ap, fmt);
		n = vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->len += n > 0 ? (size_t)n : 0;
}

void
buf_int(struct buf *b, int64_t n)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRId64, n);

	buf_add(b, text, (size_t)len);
}

/* Writes one character that JSON does not take as it is. */
static void
escape(struct buf *b, unsigned char c)
{
	static const char *const names[32] = { ['\b'] = "\\b",
		['\t'] = "\\t",
		['\n'] = "\\n",
		['\f'] = "\\f",
		['\r'] = "\\r" };

	if (c == '"')
		buf_add(b, "\\\"", 2);
	else if (c == '\\')
		buf_add(b, "\\\\", 2);
	else if (c < 32 && names[c] != NULL)
		buf_add(b, names[c], 2);
	else
		buf_fmt(b, "\\u%04x", c);
}

void
buf_json(struct buf *b, const char *s, size_t len)
{
	size_t done = 0;

	buf_char(b, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 32 && c != '"' && c != '\\')
			continue;
		buf_add(b, s + done, i - done);
		escape(b, c);
		done = i + 1;
	}
	buf_add(b, s + done, len - done);
	buf_char(b, '"');
}

void
buf_json_str(struct buf *b, const char *s)
{
	if (s == NULL)
		buf_str(b, "null");
	else
		buf_json(b, s, strlen(s));
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

char *
buf_take(struct buf *b)
{
	char *data = b->data != NULL ? b->data : xstrdup("");

	*b = (struct buf){ 0 };
	return data;
}
