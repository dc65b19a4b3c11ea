#ifndef IDMESH_RULES_H
#define IDMESH_RULES_H

/*
 * rules.h - the Lua rules of an operator, compiled once into a plan in C.
 *
 * layer 3.  transform maps every record with it; join asks it for the schema,
 * the guard and the quiet attributes.  Tables run in C over yyjson and never
 * enter Lua; a function in the rules is called in the sandbox of lua_host.h.
 * Language and semantics: rules(7).
 */

#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "buf.h"
#include "filter.h"

struct rules;

/* The option, else $IDMESH_RULES, else $IDMESH_RULES_DEFAULT, which the front
 * door sets, else where they were installed. */
const char *rules_dir(const char *option);

/*
 * Loads every *.lua of dir in name order (not *_test.lua) and compiles them.
 * NULL when anything is wrong; errors then holds one line each,
 * "rules/okta.lua:12: unknown ... did you mean ...".  Free with rules_free().
 */
struct rules *rules_load(const char *dir, struct buf *errors);
void rules_free(struct rules *r);

/* 16 hex digits over names and contents of the files. */
const char *rules_version(const struct rules *r);

/* How much is compiled and how much is Lua, for `transform check`. */
struct rules_count {
	size_t files, compiled, lua;
};
void rules_count(const struct rules *r, struct rules_count *count);
/* One line per Lua function: "okta.User.userType rules/okta.lua:41". */
void rules_list_lua(const struct rules *r, struct buf *out);

/* One line per map for what idmesh's own fetch does not read, and what it
 * does; nothing when there is none. */
void rules_list_foreign(const struct rules *r, struct buf *out);

/* Where an attribute of a map such as "okta.User" comes from. */
struct rules_place {
	const char *file;
	int line;
	const char *path; /* when it is a plain one, else NULL */
	int lua; /* a function has a part in it */
};
int rules_place(const struct rules *r, const char *map, const char *attribute,
    struct rules_place *place);

/* The scope as the JSON that `fetch --scope` takes; see scope.h. */
void rules_describe(const struct rules *r, struct buf *out);

/*
 * Mesh types in file order and, for each, attributes in map order; borrowed.
 * rules_attribute() is NULL behind the last one.
 */
const char *rules_type(const struct rules *r, size_t i);
const char *rules_attribute(const struct rules *r, const char *type, size_t i);
/* 1 when the attribute is left out of the change hash. */
int rules_quiet(const struct rules *r, const char *type, const char *attribute);

/* The brake on leavers: `guard { leave = {...} }` or 500, 5 %, 50. */
struct rules_guard {
	int64_t max;
	double percent;
	int64_t of_at_least;
};
struct rules_guard rules_guard_leave(const struct rules *r);

/* What a page header says and a rule may need. Everything is borrowed. */
struct rules_page {
	const char *connector; /* "okta" */
	const char *source; /* "okta:contoso" */
	const char *stream; /* "User" */
	const char *at; /* time of the response: the rules' `now` */
	const struct filter *filter; /* effective UserSearchFilter, or NULL */
	enum filter_route route; /* where fetch routed it */
	yyjson_val *context; /* object for $context.x, or NULL */
	yyjson_val *key; /* array of paths that make the id, or NULL */
	const char *external_id; /* path that ExternalId = "id" means instead */
	const char *removed; /* path that only a removed record has, or NULL */
	yyjson_val *keep; /* paths whose absence says nothing, or NULL */
	void (*tick)(void *arg); /* called while functions run, or NULL */
	void *tick_arg;
};

/*
 * Begins a page: looks up the map of connector.stream (-1 with one line in
 * errors when there is none) and arms the page's deadline.
 */
int rules_page_begin(
    struct rules *r, const struct rules_page *page, struct buf *errors);

/* What became of one record. */
enum rules_result {
	RULES_PUT,
	RULES_DELETE,
	RULES_OUT_OF_SCOPE,
	RULES_BAD, /* rejected: *why says why */
};

/*
 * Maps one raw record.  Appends {"id":..,"op":..,"hash":..,"attrs":{..}} to
 * out, for delete and out-of-scope with "reason" instead of hash and attrs,
 * and "errors":{attribute:{at,message}} where a function failed; on RULES_BAD
 * nothing is appended and why is filled.  `id` (may be NULL) receives the
 * connector key, borrowed until the next call.
 */
enum rules_result rules_record(struct rules *r, yyjson_val *record,
    struct buf *out, struct why *why, const char **id);

/* Disarms the deadline. */
void rules_page_end(struct rules *r);

#endif
