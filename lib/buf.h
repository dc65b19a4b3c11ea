#ifndef IDMESH_BUF_H
#define IDMESH_BUF_H

/*
 * buf.h - a growable byte buffer, and JSON text written into one.
 *
 * layer 0.  Messages, answers and lines are built here.  The struct is
 * visible so that hot paths can write in place; `data` is owned by the buffer
 * and NUL-terminated after every call.
 */

#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* owned; NULL until the first write */
	size_t len;
	size_t cap;
};

/* Room for `more` bytes and a NUL behind the present ones. */
void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_fmt(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_int(struct buf *b, int64_t n);

/* A JSON string with its quotes; the bytes are UTF-8 already. */
void buf_json(struct buf *b, const char *s, size_t len);
/* The same for a C string; NULL becomes null. */
void buf_json_str(struct buf *b, const char *s);

/* Empties; keeps the memory. */
void buf_clear(struct buf *b);
/* Frees the memory; the buffer can be used again. */
void buf_free(struct buf *b);
/* Hands the bytes to the caller, who frees them; the buffer is empty then. */
char *buf_take(struct buf *b);

#endif
