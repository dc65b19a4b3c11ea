/*
 * mem.c - allocation that never returns NULL.
 *
 * Used by every program.  Owns nothing; failure is one line and exit 111.
 */

#include "mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define PAGE_BYTES (128 << 10) /* a page is mostly larger */
#define HEAP_BYTES (4 << 20) /* free, at its end: what comes and goes */

/*
 * Left alone, glibc raises the size that gets its own mapping to that of the
 * largest block ever freed.  Pages are then cut out of one heap, which keeps
 * the holes between them: it grows the longer the program runs and the fuller
 * the window was once, whatever is in use now.
 */
void
mem_open(void)
{
	mallopt(M_MMAP_THRESHOLD, PAGE_BYTES);
	mallopt(M_TRIM_THRESHOLD, HEAP_BYTES);
}

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
