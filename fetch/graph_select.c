/*
 * graph_select.c - which properties a round asks Microsoft Graph for.
 *
 * The rules say what they use (`fetch --scope`); a function in them may use
 * anything, so a map with one gets the usual properties too.  Only what is
 * selected is tracked, so the fingerprint travels with the link to go on from.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "mem.h"
#include "scope.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define NAMES_MAX 256

struct names {
	char *v[NAMES_MAX]; /* owned */
	size_t n;
};

static bool
is_name(const char *s, size_t len)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	return len > 0 && strspn(s, chars) >= len;
}

/* The property that a path of the rules lies in. */
static void
add(struct names *names, const char *path)
{
	size_t len = strcspn(path, ".,");

	if (!is_name(path, len) || names->n == NAMES_MAX)
		return;
	for (size_t i = 0; i < names->n; i++)
		if (strlen(names->v[i]) == len &&
		    memcmp(names->v[i], path, len) == 0)
			return;
	names->v[names->n++] = xstrndup(path, len);
}

static void
add_list(struct names *names, const char *list)
{
	for (; list != NULL && *list != '\0';) {
		add(names, list);
		list += strcspn(list, ",");
		list += *list == ',';
	}
}

static int
by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static void
collect(struct names *names, const struct stream *s)
{
	const struct entity *e = s->entity;
	const struct scope *scope = s->source->fetch->scope;
	yyjson_val *paths = NULL, *path;
	size_t i, n;

	add_list(names, e->select);
	if (scope != NULL && e->usual != NULL)
		paths = scope_paths(scope, e->type);
	if (paths == NULL || scope_functions(scope, e->type))
		add_list(names, e->usual);
	yyjson_arr_foreach(paths, i, n, path)
	{
		add(names, yyjson_get_str(path));
	}
}

void
graph_select_make(struct graph_select *out, const struct stream *s)
{
	struct names names = { .n = 0 };
	struct buf text = { 0 };

	collect(&names, s);
	qsort(names.v, names.n, sizeof(names.v[0]), by_name);
	for (size_t i = 0; i < names.n; i++) {
		if (i > 0)
			buf_char(&text, ',');
		buf_str(&text, names.v[i]);
		free(names.v[i]);
	}
	snprintf(out->fingerprint, sizeof(out->fingerprint), "%016llx",
	    (unsigned long long)XXH3_64bits(text.data, text.len));
	out->text = buf_take(&text);
}

void
graph_select_free(struct graph_select *s)
{
	free(s->text);
	s->text = NULL;
}

void
graph_select_each(const struct graph_select *s,
    void (*name)(void *arg, const char *text, size_t len), void *arg)
{
	for (const char *p = s->text; *p != '\0'; p += *p == ',') {
		size_t len = strcspn(p, ",");

		name(arg, p, len);
		p += len;
	}
}

bool
graph_select_has(const struct graph_select *s, const char *name)
{
	size_t wanted = strlen(name);

	for (const char *p = s->text; *p != '\0'; p += *p == ',') {
		size_t len = strcspn(p, ",");

		if (len == wanted && memcmp(p, name, len) == 0)
			return true;
		p += len;
	}
	return false;
}
