/*
 * lines.c - newline-delimited messages on a descriptor.
 *
 * The reader grows one buffer up to a line's limit and hands out lines in
 * place.  Owns the buffer; the descriptor is the caller's.
 */

#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "msg.h"

#ifndef LINES_CHUNK
#define LINES_CHUNK ((size_t)256 << 10)
#endif
#define PIPE_BYTES (1 << 20)

struct lines {
	int fd; /* borrowed */
	char *data; /* owned */
	size_t start, end, cap;
	size_t scanned; /* no newline between start and here */
	size_t max; /* bytes of a line */
	int skipping; /* up to the end of a line that is too long */
	int eof;
};

struct lines *
lines_new(int fd)
{
	return lines_new_max(fd, MSG_MAX);
}

struct lines *
lines_new_max(int fd, size_t max)
{
	struct lines *l = xcalloc(1, sizeof(*l));

	l->fd = fd;
	l->max = max;
	l->cap = LINES_CHUNK;
	l->data = xmalloc(l->cap);
	return l;
}

void
lines_free(struct lines *l)
{
	if (l == NULL)
		return;
	free(l->data);
	free(l);
}

/* Where the first whole line ends, or NULL. */
static char *
newline(struct lines *l)
{
	char *at = memchr(l->data + l->scanned, '\n', l->end - l->scanned);

	if (at == NULL)
		l->scanned = l->end;
	return at;
}

int
lines_ready(const struct lines *l)
{
	const char *from = l->data + l->start, *end = l->data + l->end;

	/* The tail of a line that was cut is no line. */
	if (l->skipping) {
		from = memchr(from, '\n', (size_t)(end - from));
		if (from++ == NULL)
			return 0;
	}
	return memchr(from, '\n', (size_t)(end - from)) != NULL;
}

/* Room for a chunk more; 0 when the line is over its limit. */
static int
make_room(struct lines *l)
{
	if (l->start > 0 && l->start == l->end) {
		l->start = l->end = l->scanned = 0;
	} else if (l->start > 0 && l->cap - l->end < LINES_CHUNK) {
		memmove(l->data, l->data + l->start, l->end - l->start);
		l->end -= l->start;
		l->scanned -= l->start;
		l->start = 0;
	}
	if (l->end - l->start > l->max)
		return 0;
	if (l->cap - l->end < LINES_CHUNK) {
		l->cap *= 2;
		l->data = xrealloc(l->data, l->cap);
	}
	return 1;
}

static void
drop_all(struct lines *l)
{
	l->start = l->end = l->scanned = 0;
}

/* A line so long, or the beginning of one that is too long. */
static enum lines_result
hand_out(struct lines *l, size_t found, char **line, size_t *len)
{
	*line = l->data + l->start;
	*len = found <= l->max ? found : l->max;
	(*line)[*len] = '\0';
	return found <= l->max ? LINES_ONE : LINES_LONG;
}

/* Its newline is still to come. */
static enum lines_result
cut(struct lines *l, char **line, size_t *len)
{
	enum lines_result r = hand_out(l, l->end - l->start, line, len);

	drop_all(l);
	l->skipping = 1;
	return r;
}

int
lines_rest(struct lines *l, char **line, size_t *len)
{
	int some = !l->skipping && l->end > l->start;

	if (some) {
		/* make_room() leaves a byte. */
		*line = l->data + l->start;
		*len = l->end - l->start;
		(*line)[*len] = '\0';
	}
	drop_all(l);
	l->skipping = 0;
	return some;
}

static enum lines_result
at_end(struct lines *l)
{
	return l->start == l->end ? LINES_END : LINES_TORN;
}

enum lines_result
lines_next(struct lines *l, char **line, size_t *len)
{
	enum lines_result r;

	for (;;) {
		char *stop = newline(l);
		ssize_t n;

		if (stop != NULL) {
			r = hand_out(
			    l, (size_t)(stop - l->data) - l->start, line, len);
			l->start = l->scanned = (size_t)(stop - l->data) + 1;
			if (!l->skipping)
				return r;
			l->skipping = 0;
			continue;
		}
		if (l->skipping)
			drop_all(l);
		if (l->eof)
			return at_end(l);
		if (!make_room(l))
			return cut(l, line, len);
		n = read(l->fd, l->data + l->end, l->cap - l->end - 1);
		if (n > 0)
			l->end += (size_t)n;
		else if (n == 0)
			l->eof = 1;
		else if (errno == EAGAIN)
			return LINES_WAIT;
		else if (errno != EINTR)
			return LINES_ERROR;
	}
}

int
lines_write(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			if (poll(&p, 1, -1) < 0 && errno != EINTR)
				return -1;
		} else if (errno != EINTR) {
			return -1;
		}
	}
	return 0;
}

void
lines_widen(int fd)
{
	/* Only a speed-up: it fails on what is no pipe. */
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
}
