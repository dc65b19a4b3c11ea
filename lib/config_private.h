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

/* The table for a file; the root is NULL when it could not be read. */
typedef const struct option *config_choose(yyjson_val *root);

/*
 * Fills *out by the table that is chosen, which *table then is.  0, or -1
 * with at least one line in errors and *out filled in part: the caller frees
 * it in both cases.
 */
int config_read_any(const char *path, config_choose *choose, void *out,
    const struct option **table, struct buf *errors);

/* Frees every field of the table and empties it. */
void config_clear(const struct option *table, void *out);

/* For checks: is the value one of n names? */
int config_choice(
    const char *value, const char *const *names, size_t n, struct why *why);

/* config_source.c: judges that more than one connector needs. */
int config_check_connector(const char *value, struct why *why);
int config_check_name(const char *value, struct why *why);
int config_check_base_url(const char *value, struct why *why);

/* config_entra.c: the table for the AuthJson.Mode, and what follows from it. */
const struct option *config_entra(yyjson_val *root);
void config_entra_complete(struct config_source *c);

#endif
