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
/* One / at the end is the writer's. */
void config_cut_slash(char *url);

/* Rows of the table of a source that more than one connector has. */
#define SOURCE_AT(member) offsetof(struct config_source, member)
#define SOURCE_HEAD(kind_)                                             \
	{ .name = "connector",                                         \
		.kind = OPTION_TEXT,                                   \
		.offset = SOURCE_AT(connector),                        \
		.check = config_check_connector,                       \
		.form = "\"connector\": \"" kind_ "\"" },              \
	{                                                              \
		.name = "name", .kind = OPTION_TEXT,                   \
		.offset = SOURCE_AT(name), .check = config_check_name, \
		.form = "\"name\": \"contoso\""                        \
	}
#define SOURCE_ADDRESS(key, member)                                            \
	{                                                                      \
		.name = key, .kind = OPTION_TEXT, .offset = SOURCE_AT(member), \
		.initial = "null", .check = config_check_base_url,             \
		.form = "\"" key "\": \"http://127.0.0.1:8080\""               \
	}
#define SOURCE_IMPORT(key, member, initial_)                                   \
	{                                                                      \
		.name = key, .kind = OPTION_FLAG, .offset = SOURCE_AT(member), \
		.initial = initial_, .form = "\"" key "\": true"               \
	}
#define SOURCE_SHARE                                                     \
	{                                                                \
		.name = "RateLimitShare", .kind = OPTION_REAL,           \
		.offset = SOURCE_AT(rate_limit_share), .initial = "0.8", \
		.min = 0, .max = 1, .form = "\"RateLimitShare\": 0.8"    \
	}
#define SOURCE_IN_FLIGHT                                                      \
	{                                                                     \
		.name = "MaxInFlight", .kind = OPTION_INT,                    \
		.offset = SOURCE_AT(max_in_flight), .initial = "8", .min = 1, \
		.max = 300, .form = "\"MaxInFlight\": 8"                      \
	}

/* config_entra.c: the table for the AuthJson.Mode, and what follows from it. */
const struct option *config_entra(yyjson_val *root);
void config_entra_complete(struct config_source *c);

#endif
