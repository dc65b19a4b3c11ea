#ifndef IDMESH_JOIN_REPORT_H
#define IDMESH_JOIN_REPORT_H

/*
 * report.h - the subcommands, and what they print through.
 */

#include "join.h"

/* admin.c, report.c, dead.c and retry.c: the subcommands. */
int admin_begin(int argc, char **argv);
int admin_watermark(int argc, char **argv);
int admin_approve(int argc, char **argv);
int report_runs(int argc, char **argv);
int dead_main(int argc, char **argv);
int report_dump(int argc, char **argv);

/* dead.c and retry.c */
/* What the rows of `join dead` are chosen by; NULL: any. */
struct dead_filter {
	const char *db, *source, *stream, *rules;
	char **ids; /* n of them, none: any */
	size_t n;
};
int dead_retry(const struct dead_filter *f);

/* One line of JSON to stdout; the buffer is empty then. */
void report_line(struct buf *b);
/*
 * Text for people to stdout.  Names come from the sources: what would steer a
 * terminal is blank, and the parts of a key have a comma between them.
 */
void report_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same of a whole line; the buffer is empty then. */
void report_text(struct buf *b);
/* Closes the store; the exit code, also of all that was printed. */
int report_close(struct store *s);
/* dead.c: is the id one of those that were named, or was none? */
bool dead_named(const struct dead_filter *f, const char *id);

#endif
