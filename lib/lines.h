#ifndef IDMESH_LINES_H
#define IDMESH_LINES_H

/*
 * lines.h - newline-delimited messages on a descriptor.
 *
 * layer 2.  The pipe form of the transport: stdin and stdout of every stage,
 * and the socket pairs between `transform -j` and its children.
 */

#include <stddef.h>

#include "buf.h"

struct lines; /* a reader */

enum lines_result {
	LINES_ONE, /* a line is there */
	LINES_WAIT, /* non-blocking descriptor: nothing whole yet */
	LINES_END, /* end of file at a line's end */
	LINES_TORN, /* end of file in the middle of a line; it is dropped */
	LINES_LONG, /* the beginning of one over the limit; the rest is skipped
		     */
	LINES_ERROR, /* errno says what */
};

/* Reads from fd, which stays the caller's; a line is at most MSG_MAX bytes. */
struct lines *lines_new(int fd);
/* The same with lines of at most max bytes. */
struct lines *lines_new_max(int fd, size_t max);
void lines_free(struct lines *l);

/*
 * The next line without its newline, NUL-terminated, borrowed until the next
 * call.  Blocks when fd does.
 */
enum lines_result lines_next(struct lines *l, char **line, size_t *len);

/*
 * What has come of a line that will have no end, for its writer is gone; as
 * lines_next() gives one, which begins anew then.  0: nothing.
 */
int lines_rest(struct lines *l, char **line, size_t *len);

/* Is a whole line buffered, so that lines_next() will not read? */
int lines_ready(const struct lines *l);

/*
 * Writes all bytes, waiting where fd is full; -1 with errno (EPIPE when the
 * reader is gone: programs ignore SIGPIPE).
 */
int lines_write(int fd, const char *bytes, size_t len);

/* Asks for a 1 MiB pipe buffer where fd is a pipe; five times the speed. */
void lines_widen(int fd);

#endif
