#ifndef IDMESH_MEM_H
#define IDMESH_MEM_H

/*
 * mem.h - allocation that never returns NULL.
 *
 * layer 0.  Every program; out of memory ends the process with 111, for each
 * process may die at any byte without loss.  A size that comes from outside
 * is bounded by the caller before it gets here.
 */

#include <stddef.h>

/*
 * For a program through which pages flow, before its first one: what is as
 * large as a page is its own mapping, and goes back when it is freed.
 */
void mem_open(void);

void *xmalloc(size_t len);
void *xcalloc(size_t n, size_t len);
void *xrealloc(void *p, size_t len);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t len);

/* A new string; the caller frees it. */
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
