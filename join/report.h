#ifndef IDMESH_JOIN_REPORT_H
#define IDMESH_JOIN_REPORT_H

/*
 * report.h - what the subcommands print through.
 */

#include "join.h"

/* One line to stdout; the buffer is empty then. */
void report_line(struct buf *b);
/* Closes the store; the exit code, also of all that was printed. */
int report_close(struct store *s);
/* dead.c: is the id one of those that were named, or was none? */
bool dead_named(const struct dead_filter *f, const char *id);

#endif
