/*
 * position.c - a place in the change log of a store, as text.
 *
 * Printed by `sink cursor` and told to join; read from the end of a rebuild
 * and by targets that keep it as text.  Pure.
 */

#include "sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
position_write(struct buf *b, const struct position *at)
{
	if (at->number < 0)
		buf_char(b, '-');
	else
		buf_fmt(b, "%s:%lld", at->store, (long long)at->number);
}

int
position_read(const char *text, struct position *at)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;
	char *end;
	long long n;

	if (len == 0 || len >= sizeof(at->store) || colon[1] < '0' ||
	    colon[1] > '9')
		return -1;
	errno = 0;
	n = strtoll(colon + 1, &end, 10);
	if (errno != 0 || *end != '\0')
		return -1;
	memcpy(at->store, text, len);
	at->store[len] = '\0';
	at->number = n;
	return 0;
}
