/*
 * mem.c - allocation that never returns NULL.
 *
 * Used by every program.  Owns nothing; failure is one line and exit 111.
 */

#include "mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static void *
checked(void *p)
{
	if (p == NULL)
		die(EXIT_TEMPORARY, "out of memory");
	return p;
}

void *
xmalloc(size_t len)
{
	return checked(malloc(len ? len : 1));
}

void *
xcalloc(size_t n, size_t len)
{
	return checked(calloc(n ? n : 1, len ? len : 1));
}

void *
xrealloc(void *p, size_t len)
{
	return checked(realloc(p, len ? len : 1));
}

char *
xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *
xstrndup(const char *s, size_t len)
{
	return checked(strndup(s, len));
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return checked(n < 0 ? NULL : s);
}
