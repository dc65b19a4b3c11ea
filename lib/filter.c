/*
 * filter.c - Okta's filter and search expressions: the whole expression.
 *
 * fetch parses the operator's expressions here to learn which query parameter
 * takes them; transform and join parse the same text from the page header and
 * ask filter_match() about every record.  The grammar is in filter_parse.c,
 * Okta's tables are in filter_attr.c.  A filter owns its text and its tree.
 */

#include "filter.h"

#include <stdlib.h>
#include <string.h>

#include "filter_private.h"
#include "mem.h"

struct filter *
filter_parse(
    const char *text, size_t len, enum filter_entity entity, struct why *why)
{
	struct parse p = { .text = text,
		.len = len,
		.entity = entity,
		.route = FILTER_BY_FILTER,
		.why = why };
	struct filter *f;
	struct node *root;

	if (len > FILTER_LEN_MAX) {
		why_set(why, FILTER_CODE, NULL,
		    "the expression has %zu bytes; at most %d are taken", len,
		    FILTER_LEN_MAX);
		return NULL;
	}
	root = filter_tree(&p);
	if (root == NULL)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->text = xstrndup(text, len);
	f->root = root;
	f->route = p.route;
	return f;
}

void
filter_free(struct filter *f)
{
	if (f == NULL)
		return;
	filter_node_free(f->root);
	free(f->text);
	free(f);
}

enum filter_route
filter_route(const struct filter *f)
{
	return f->route;
}

const char *
filter_route_name(enum filter_route route)
{
	return route == FILTER_BY_FILTER ? "filter" : "search";
}

const char *
filter_text(const struct filter *f)
{
	return f->text;
}

struct filter *
filter_and(const struct filter *a, const struct filter *b,
    enum filter_entity entity, struct why *why)
{
	struct buf text = { 0 };
	struct filter *f;

	if (a == NULL && b == NULL)
		return NULL;
	if (a != NULL && b != NULL)
		buf_fmt(&text, "(%s) and (%s)", a->text, b->text);
	else
		buf_str(&text, a != NULL ? a->text : b->text);
	f = filter_parse(text.data, text.len, entity, why);
	buf_free(&text);
	return f;
}
