#ifndef ORGSIM_LIST_H
#define ORGSIM_LIST_H

/*
 * list.h - one page of a listing: parameters, cursor, links.
 *
 * okta_users.c and okta_groups.c say what can be listed, list.c does the
 * paging.  A cursor names the last object given, by its id (and sort key),
 * not a position: it holds whatever is created or deleted meanwhile.
 */

#include "expr.h"
#include "sim.h"

/* An array of objects in id order that can be listed and searched. */
struct collection {
	const char *prefix; /* of the cursor; the id follows */
	size_t (*count)(const struct org *org);
	const char *(*id)(const struct org *org, size_t i);
	/* Index of the first object whose id is not below `id`. */
	size_t (*from)(const struct org *org, const char *id);
	/* Left out of this listing, whatever the expression says? */
	bool (*hidden)(const struct org *org, size_t i, bool plain);
	expr_get *get; /* on a struct item */
	void (*put)(struct call *c, size_t i, struct buf *out);
};

/* What expr_get works on; doc is parsed when an attribute needs it. */
struct item {
	const struct org *org;
	size_t i;
	yyjson_doc *doc;
};

struct page {
	size_t limit;
	const char *after; /* the cursor as sent; NULL: first page */
	struct expr *expr; /* owned; NULL: all */
	bool plain; /* neither filter nor search */
	bool search;
	const char *sort_by; /* NULL: by id */
	bool descending;
};

/* Reads `limit`; false when it is no number above 0 (answered). */
bool list_limit(struct call *c, size_t fallback, size_t max, size_t *limit);

/* Answers with one page and its links. */
void list_page(
    struct call *c, const struct collection *set, const struct page *page);

/* Sets self, and next when `cursor` is not NULL. */
void list_links(struct call *c, size_t limit, const char *cursor);

/*
 * The id inside a cursor of this prefix.  False when it is none; then the
 * answer says so.  The noise that faults put behind a cursor is ignored.
 */
bool list_cursor(struct call *c, const char *prefix, bool search,
    const char *cursor, char id[ORG_ID + 1]);

/*
 * The cursor to put in next, faults applied: *cursor is the right one or
 * NULL, `empty` is set when the page has to go out without its rows.
 * Writes into text (of size CURSOR_TEXT) where it changes something.
 */
#define CURSOR_TEXT 256
void list_fault(struct call *c, const char *first, const char **cursor,
    bool *empty, char text[CURSOR_TEXT]);

#endif
