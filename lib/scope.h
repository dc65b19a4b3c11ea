#ifndef IDMESH_SCOPE_H
#define IDMESH_SCOPE_H

/*
 * scope.h - the rules' scope outside of the rules: what fetch may know of it.
 *
 * layer 2.  `idmesh transform describe` prints it (rules.c writes it), fetch
 * reads it with --scope: the search expression for the server, and predicates
 * over raw records by which fetch leaves groups out before their members cost
 * a call.  Predicates that need Lua or a computed value are not in it; they
 * are only checked by transform.  The JSON is described in rules(7).
 */

#include <stddef.h>

#include <yyjson.h>

#include "why.h"

struct scope;

/* NULL when the text is not what describe prints; why says where. */
struct scope *scope_parse(const char *json, size_t len, struct why *why);
void scope_free(struct scope *s);

/* The search expression of "okta.User", or NULL; borrowed. */
const char *scope_search(const struct scope *s, const char *type);
/* 0 when the predicates say for certain that the raw record is out. */
int scope_match(const struct scope *s, const char *type, yyjson_val *record);
/* Are records of that type told apart at all? */
int scope_tests(const struct scope *s, const char *type);
/*
 * Paths of raw records that the type's rules use, an array of strings, or
 * NULL; whether a Lua function among them may use others.
 */
yyjson_val *scope_paths(const struct scope *s, const char *type);
int scope_functions(const struct scope *s, const char *type);

#endif
