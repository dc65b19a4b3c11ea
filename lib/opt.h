#ifndef IDMESH_OPT_H
#define IDMESH_OPT_H

/*
 * opt.h - a command line into variables, by a table.
 *
 * layer 1.  Every program and subcommand declares its options as a table, so
 * that --help, the man page check and the parser cannot disagree.  Wrong use
 * is one line with the nearest known option and exit 100.
 */

#include <stddef.h>
#include <stdint.h>

enum opt_type {
	OPT_FLAG, /* target: int *, set to 1 */
	OPT_TEXT, /* target: const char **, borrowed from argv */
	OPT_INT, /* target: int64_t *, checked against min and max */
	OPT_LIST, /* target: struct opt_list *, may be given again */
};

struct opt_list {
	const char **items; /* owned array of borrowed strings */
	size_t n;
};

struct opt {
	const char *name; /* long name without dashes; NULL ends the table */
	char letter; /* short form, 0 for none */
	enum opt_type type;
	void *target;
	const char *arg; /* name of the value in --help, NULL for a flag */
	const char *help; /* one line */
	int64_t min, max; /* of OPT_INT */
};

/* What a program is called and how; all borrowed. */
struct opt_use {
	const char *name; /* "idmesh fetch" */
	const char *synopsis; /* lines behind "usage: ", "\n" between them */
	const char *about; /* a sentence or two */
	const struct opt *options;
	const char *see; /* last lines of --help, may be NULL */
	size_t args_min, args_max;
};

/*
 * Parses argv[1..].  --help and --version print to stdout and exit 0; wrong
 * use exits 100.  Operands are left in order in argv[1..*argc-1]; "-" is an
 * operand and "--" ends the options.
 */
void opt_parse(const struct opt_use *use, int *argc, char **argv);

/* One line about wrong use, a pointer to --help, exit 100. */
_Noreturn void opt_wrong(const struct opt_use *use, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
