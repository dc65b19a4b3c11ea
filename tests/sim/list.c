/*
 * list.c - one page of a listing: parameters, cursor, links.
 *
 * A page is filled by walking the collection from the cursor; one object is
 * looked for beyond it, because only then is there a `next`.
 */

#include "list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

bool
list_limit(struct call *c, size_t fallback, size_t max, size_t *limit)
{
	const char *s = call_query(c, "limit");
	size_t page_max = c->sim->opt.page_max;
	char *end;
	long n;

	*limit = fallback;
	if (s != NULL) {
		n = strtol(s, &end, 10);
		if (*s == '\0' || *end != '\0' || n < 1) {
			answer_error(c, 400, "E0000001",
			    "Api validation failed: limit",
			    "limit: The value has to be a number above 0.");
			return false;
		}
		*limit = (size_t)n < max ? (size_t)n : max;
	}
	if (page_max > 0 && *limit > page_max)
		*limit = page_max;
	return true;
}

bool
list_cursor(struct call *c, const char *prefix, bool search, const char *cursor,
    char id[ORG_ID + 1])
{
	size_t n = strlen(prefix);

	if (strncmp(cursor, prefix, n) == 0 &&
	    strcspn(cursor + n, "~") == ORG_ID &&
	    c->fault.kind != FAULT_BADCURSOR) {
		memcpy(id, cursor + n, ORG_ID);
		id[ORG_ID] = '\0';
		return true;
	}
	if (search)
		answer_error(c, 400, "E0000031", "Invalid search criteria.",
		    "Invalid cursor.");
	else
		answer_error(c, 400, "E0000029", "Invalid paging request.",
		    "Invalid cursor.");
	return false;
}

/* As a form writes it: what a browser would send, blanks as `+`. */
static void
put_escaped(struct buf *b, const char *s)
{
	static const char keep[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-._*";

	for (; *s != '\0'; s++) {
		if (strchr(keep, *s) != NULL)
			buf_char(b, *s);
		else if (*s == ' ')
			buf_char(b, '+');
		else
			buf_fmt(b, "%%%02X", (unsigned char)*s);
	}
}

/* Repeats the parameters of the request that are not about the position. */
static enum MHD_Result
put_parameter(
    void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct buf *b = cls;

	(void)kind;
	if (strcmp(key, "after") == 0 || strcmp(key, "limit") == 0 ||
	    value == NULL)
		return MHD_YES;
	buf_char(b, '&');
	put_escaped(b, key);
	buf_char(b, '=');
	put_escaped(b, value);
	return MHD_YES;
}

static void
put_link(struct call *c, struct buf *b, size_t limit, const char *after,
    const char *rel)
{
	buf_char(b, '<');
	answer_base(c, b);
	buf_fmt(b, "%s?", c->path);
	if (after != NULL) {
		buf_str(b, "after=");
		put_escaped(b, after);
		buf_char(b, '&');
	}
	buf_fmt(b, "limit=%zu", limit);
	MHD_get_connection_values(
	    c->conn, MHD_GET_ARGUMENT_KIND, put_parameter, b);
	buf_fmt(b, ">; rel=\"%s\"", rel);
}

void
list_links(struct call *c, size_t limit, const char *cursor)
{
	put_link(c, &c->answer.self, limit, call_query(c, "after"), "self");
	if (cursor != NULL)
		put_link(c, &c->answer.next, limit, cursor, "next");
}

void
list_fault(struct call *c, const char *first, const char **cursor, bool *empty,
    char text[CURSOR_TEXT])
{
	const char *here = call_query(c, "after");

	*empty = c->fault.kind == FAULT_EMPTYNEXT;
	if (here == NULL)
		here = first;
	if (c->fault.kind == FAULT_DUPCURSOR)
		*cursor = here;
	if (c->fault.kind == FAULT_EMPTYNEXT) {
		/* The same place under another name. */
		snprintf(text, CURSOR_TEXT, "%.*s~%u", (int)strcspn(here, "~"),
		    here, rng_below(&c->sim->rng, 1000000));
		*cursor = text;
	}
}

/* A hit, with the value it is sorted by. */
struct hit {
	size_t i;
	char *key; /* owned; NULL: the attribute is missing */
};

struct hits {
	struct hit *v; /* owned */
	size_t n, cap;
};

static bool
wanted(struct call *c, const struct collection *set, const struct page *page,
    size_t i)
{
	struct item item = { .org = &c->sim->org, .i = i };
	bool yes;

	if (set->hidden(item.org, i, page->plain))
		return false;
	if (page->expr == NULL)
		return true;
	yes = expr_match(page->expr, set->get, &item);
	yyjson_doc_free(item.doc);
	return yes;
}

/* Puts the rows of a page into the body; sets *cursor when there are more. */
static void
walk(struct call *c, const struct collection *set, const struct page *page,
    size_t i, char cursor[CURSOR_TEXT])
{
	const struct org *org = &c->sim->org;
	struct buf *b = &c->answer.body;
	size_t count = set->count(org), n = 0, last = 0;

	buf_char(b, '[');
	for (; i < count; i++) {
		if (!wanted(c, set, page, i))
			continue;
		if (n == page->limit) {
			snprintf(cursor, CURSOR_TEXT, "%s%s", set->prefix,
			    set->id(org, last));
			break;
		}
		if (n++ > 0)
			buf_char(b, ',');
		set->put(c, i, b);
		last = i;
	}
	buf_char(b, ']');
}

static char *
sort_key(
    struct call *c, const struct collection *set, const char *name, size_t i)
{
	struct item item = { .org = &c->sim->org, .i = i };
	struct expr_value v = { 0 };
	char *key = NULL;

	set->get(&item, name, &v);
	if (v.kind == EXPR_TEXT)
		key = xstrdup(v.text);
	else if (v.kind == EXPR_DATE)
		key = xasprintf("%020lld", (long long)v.ms);
	else if (v.kind == EXPR_JSON && yyjson_is_str(v.json))
		key = xstrdup(yyjson_get_str(v.json));
	else if (v.kind == EXPR_JSON && yyjson_is_num(v.json))
		key = xasprintf("%020.3f", yyjson_get_num(v.json));
	yyjson_doc_free(item.doc);
	return key;
}

/* By key without regard to case, then by id; what has none comes last. */
static int
by_key(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;
	int r = 0;

	if (x->key != NULL && y->key != NULL)
		r = expr_compare(
		    x->key, strlen(x->key), y->key, strlen(y->key), true);
	else
		r = (x->key == NULL) - (y->key == NULL);
	return r != 0 ? r : (x->i > y->i) - (x->i < y->i);
}

static int
by_key_down(const void *a, const void *b)
{
	return -by_key(a, b);
}

static void
collect(struct call *c, const struct collection *set, const struct page *page,
    struct hits *hits)
{
	size_t count = set->count(&c->sim->org);

	for (size_t i = 0; i < count; i++) {
		if (!wanted(c, set, page, i))
			continue;
		if (hits->n == hits->cap) {
			hits->cap = hits->cap ? hits->cap * 2 : 64;
			hits->v =
			    xrealloc(hits->v, hits->cap * sizeof(*hits->v));
		}
		hits->v[hits->n++] =
		    (struct hit){ i, sort_key(c, set, page->sort_by, i) };
	}
	if (hits->n > 0)
		qsort(hits->v, hits->n, sizeof(*hits->v),
		    page->descending ? by_key_down : by_key);
}

/* The place behind the object of that id; 0 when it is not there. */
static size_t
behind(const struct org *org, const struct collection *set,
    const struct hits *hits, const char *id)
{
	for (size_t k = 0; id != NULL && k < hits->n; k++)
		if (strcmp(set->id(org, hits->v[k].i), id) == 0)
			return k + 1;
	return 0;
}

/* Rows of a sorted page: they start behind the object of the cursor. */
static void
walk_sorted(struct call *c, const struct collection *set,
    const struct page *page, const char *last_id, char cursor[CURSOR_TEXT])
{
	const struct org *org = &c->sim->org;
	struct buf *b = &c->answer.body;
	struct hits hits = { 0 };
	size_t start, n = 0;

	collect(c, set, page, &hits);
	start = behind(org, set, &hits, last_id);
	buf_char(b, '[');
	for (; n < page->limit && start + n < hits.n; n++) {
		if (n > 0)
			buf_char(b, ',');
		set->put(c, hits.v[start + n].i, b);
	}
	buf_char(b, ']');
	if (n > 0 && start + n < hits.n)
		snprintf(cursor, CURSOR_TEXT, "%s%s", set->prefix,
		    set->id(org, hits.v[start + n - 1].i));
	for (size_t k = 0; k < hits.n; k++)
		free(hits.v[k].key);
	free(hits.v);
}

void
list_page(struct call *c, const struct collection *set, const struct page *page)
{
	const struct org *org = &c->sim->org;
	char id[ORG_ID + 1], first[CURSOR_TEXT], cursor[CURSOR_TEXT] = "";
	char text[CURSOR_TEXT];
	const char *next = NULL;
	size_t start = 0;
	bool empty;

	if (page->after != NULL) {
		if (!list_cursor(c, set->prefix, page->search, page->after, id))
			return;
		start = set->from(org, id);
		if (start < set->count(org) &&
		    strcmp(set->id(org, start), id) == 0)
			start++;
	}
	answer_ok(c);
	if (page->sort_by != NULL)
		walk_sorted(
		    c, set, page, page->after != NULL ? id : NULL, cursor);
	else
		walk(c, set, page, start, cursor);
	if (cursor[0] != '\0')
		next = cursor;
	/* A cursor in front of everything, for faults of the first page. */
	snprintf(
	    first, sizeof(first), "%s%s", set->prefix, "00000000000000000000");
	list_fault(c, first, &next, &empty, text);
	if (empty) {
		buf_clear(&c->answer.body);
		buf_str(&c->answer.body, "[]");
	}
	list_links(c, page->limit, next);
}
