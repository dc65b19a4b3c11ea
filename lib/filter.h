#ifndef IDMESH_FILTER_H
#define IDMESH_FILTER_H

/*
 * filter.h - Okta's filter and search expressions: parse, route, evaluate.
 *
 * layer 1.  fetch parses UserSearchFilter and the rules' scope to know which
 * query parameter takes them; transform evaluates the same expression on the
 * raw record, which is the truth about scope.  Pure: no I/O.
 * Grammar and routing: config(5), SELECTING USERS.
 */

#include <stddef.h>

#include <yyjson.h>

#include "buf.h"
#include "why.h"

struct filter; /* one parsed expression; immutable */

/* Whose attribute and operator tables apply. */
enum filter_entity { FILTER_USER, FILTER_GROUP };

/*
 * Which query parameter takes the expression, and with it how it compares:
 * values of `filter` are case-sensitive, those of `search` are not.
 */
enum filter_route { FILTER_BY_FILTER, FILTER_BY_SEARCH };

/*
 * Parses text.  NULL when it is no expression, or when Okta would refuse it
 * on both endpoints (`ne`, `not`, `co` on an attribute without it, fewer
 * than three characters for co, a date that is none, characters outside the
 * BMP): why->text then quotes the offending token, its column (1-based) and
 * the form that works.  The caller frees the result.
 */
struct filter *filter_parse(
    const char *text, size_t len, enum filter_entity entity, struct why *why);
void filter_free(struct filter *f);

/* `filter` when every attribute and operator is allowed there. */
enum filter_route filter_route(const struct filter *f);

/* "filter" or "search", as the page header and Okta name it. */
const char *filter_route_name(enum filter_route route);

/* The expression as given; borrowed from f. */
const char *filter_text(const struct filter *f);

/*
 * Both must hold: "(a) and (b)".  Either may be NULL; NULL when both are.
 * Parses the combined text anew, so neither argument is consumed.
 */
struct filter *filter_and(const struct filter *a, const struct filter *b,
    enum filter_entity entity, struct why *why);

/*
 * Does the raw API record satisfy f under the semantics of `route`?
 * 1 or 0.  Missing and null never match, arrays match by any element, dates
 * compare as instants.
 */
int filter_match(
    const struct filter *f, enum filter_route route, yyjson_val *record);

#endif
