#ifndef IDMESH_CONFIG_PRIVATE_H
#define IDMESH_CONFIG_PRIVATE_H

/*
 * config_private.h - what config*.c share, and nobody else.
 *
 * layer 2.  config.c reads any file by a table of options; config_source.c
 * and config_run.c hold the two tables and the judges of their values.
 */

#include <stddef.h>

#include <yyjson.h>

#include "config.h"
#include "why.h"

#define CONFIG_CODE "E_CONFIG"

enum option_kind {
	OPTION_TEXT, /* char * */
	OPTION_FLAG, /* bool */
	OPTION_INT, /* int in min..max */
	OPTION_REAL, /* double in (min, max] */
	OPTION_LIST, /* struct config_list of texts, at least one */
	OPTION_OBJECT, /* another table, into the same struct */
};

/* One key of a file. */
struct option {
	const char *name;
	enum option_kind kind;
	size_t offset; /* of the field in the struct */
	/* Taken when the key is missing; NULL: must be there, "null": may be
	 * null, and is NULL when missing. */
	const char *initial;
	double min, max;
	/* Judges a text; -1 with why->text filled, which names no secret. */
	int (*check)(const char *value, struct why *why);
	const struct option *inside; /* of an object; ends with no name */
	const char *form; /* the right form, for messages */
};

/* A file being read, and the errors found so far. */
struct config_reader {
	const char *path; /* borrowed */
	const struct option *root; /* borrowed: the table of the whole file */
	struct buf text; /* as it was read, to count lines in */
	char *work; /* owned: the copy that the strings point into */
	yyjson_doc *doc; /* owned */
	struct buf *errors; /* borrowed */
	size_t faults;
};

/*
 * Fills *out by the table.  0, or -1 with at least one line in errors and
 * *out filled in part: the caller frees it in both cases.
 */
int config_read(const char *path, const struct option *table, void *out,
    struct buf *errors);

/* Frees every field of the table and empties it. */
void config_clear(const struct option *table, void *out);

/* For checks: is the value one of n names? */
int config_choice(
    const char *value, const char *const *names, size_t n, struct why *why);

#endif
