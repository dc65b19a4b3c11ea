/*
 * graph_filter.c - a modest $filter for Graph's listings.
 *
 * property eq literal, several of them joined by `and` or by `or`; `and`
 * binds closer.  graph_list.c parses one a request and asks it a row.
 */

#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define MAX_TERMS 60

struct filter {
	struct {
		size_t prop;
		char *want; /* owned; the JSON, a text without its quotes */
		size_t len;
		bool text, first; /* first of an and-group */
	} terms[MAX_TERMS];
	size_t n;
};

void
filter_free(struct filter *f)
{
	for (size_t i = 0; f != NULL && i < f->n; i++)
		free(f->terms[i].want);
	free(f);
}

static const char *
word(const char *s, const char *want)
{
	size_t len = strlen(want);

	s += strspn(s, " ");
	if (strncasecmp(s, want, len) != 0 || s[len] != ' ')
		return NULL;
	return s + len + 1;
}

/* 'it''s' becomes it's as JSON writes it. */
static const char *
read_text(const char *s, struct buf *out)
{
	struct buf plain = { 0 };

	for (s++; *s != '\0'; s++) {
		if (*s == '\'' && *++s != '\'')
			break;
		buf_char(&plain, *s);
	}
	buf_json(out, plain.data != NULL ? plain.data : "", plain.len);
	buf_free(&plain);
	return s;
}

static const char *
read_term(struct filter *f, int dir, const char *s)
{
	struct buf b = { 0 };
	size_t len;
	int prop;

	s += strspn(s, " ");
	len = strcspn(s, " ");
	prop = kind_prop(dir, s, len);
	s = word(s + len, "eq");
	if (prop < 0 || s == NULL)
		return NULL;
	s += strspn(s, " ");
	f->terms[f->n].prop = (size_t)prop;
	f->terms[f->n].text = *s == '\'';
	if (*s == '\'') {
		s = read_text(s, &b);
		b.len--; /* without its quotes */
		memmove(b.data, b.data + 1, --b.len);
	} else {
		len = strcspn(s, " ");
		buf_add(&b, s, len);
		s += len;
	}
	f->terms[f->n].len = b.len;
	f->terms[f->n].want = b.data != NULL ? buf_take(&b) : xstrdup("");
	return s;
}

struct filter *
filter_parse(int dir, const char *text)
{
	struct filter *f = xcalloc(1, sizeof(*f));
	const char *s = text;
	bool first = true;

	while (f->n < MAX_TERMS) {
		const char *next;

		f->terms[f->n].first = first;
		s = read_term(f, dir, s);
		if (s == NULL)
			break;
		f->n++;
		if (s[strspn(s, " ")] == '\0')
			return f;
		next = word(s, "or");
		first = next != NULL;
		s = first ? next : word(s, "and");
		if (s == NULL)
			break;
	}
	filter_free(f);
	return NULL;
}

static bool
hits(const struct filter *f, size_t i, const struct object *o)
{
	const char *s;
	size_t len;

	if (f->terms[i].text) {
		s = object_text(o, f->terms[i].prop, &len);
		return s != NULL && len == f->terms[i].len &&
		       strncasecmp(s, f->terms[i].want, len) == 0;
	}
	s = object_value(o, f->terms[i].prop, &len);
	if (len == 0) {
		s = "null";
		len = 4;
	}
	return len == f->terms[i].len && memcmp(s, f->terms[i].want, len) == 0;
}

bool
filter_hits(const struct filter *f, const struct object *o)
{
	bool group = false;

	for (size_t i = 0; i < f->n; i++) {
		if (f->terms[i].first && group)
			return true;
		group = (f->terms[i].first || group) && hits(f, i, o);
	}
	return group;
}
