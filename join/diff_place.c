/*
 * diff_place.c - which line of the new rules a difference comes from.
 *
 * diff_print.c asks for each attribute that it shows.  Where a contributor's
 * own attribute is another one than before it is the line of its map; where
 * all of them say what they said, the flow chose otherwise.
 */

#include "diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mem.h"
#include "policy.h"

/* The attributes of "okta:contoso/00u1" in one of the databases. */
static yyjson_doc *
attributes(struct store *s, const char *type, const char *contributor)
{
	const char *slash = strchr(contributor, '/');
	char *source = xstrndup(contributor, (size_t)(slash - contributor));
	sqlite3_stmt *st = store_ask(s,
	    "SELECT a.text FROM source s JOIN stream t ON t.source = s.pk"
	    " JOIN object o ON o.stream = t.pk JOIN attrs a ON a.pk = o.pk"
	    " WHERE s.name = ? AND t.name = ? AND o.id = ?",
	    "ttt", source, type, slash + 1);
	yyjson_doc *doc = NULL;

	if (store_row(s, st))
		doc = yyjson_read(store_text(st, 0),
		    (size_t)sqlite3_column_bytes(st, 0),
		    YYJSON_READ_NUMBER_AS_RAW);
	store_end(st);
	free(source);
	return doc;
}

static bool
says_another(const struct places *p, const char *type, const char *contributor,
    const char *attribute)
{
	yyjson_doc *old = attributes(p->old, type, contributor);
	yyjson_doc *new = attributes(p->new, type, contributor);
	yyjson_val *was = json_get(yyjson_doc_get_root(old), attribute);
	yyjson_val *is = json_get(yyjson_doc_get_root(new), attribute);
	bool another =
	    was == NULL || is == NULL ? was != is : !yyjson_equals(was, is);

	yyjson_doc_free(old);
	yyjson_doc_free(new);
	return another;
}

static bool
map_line(const struct places *p, const char *type, const char *contributor,
    const char *attribute, char *out, size_t len)
{
	struct rules_place place;
	char map[160];

	snprintf(map, sizeof(map), "%.*s.%.60s",
	    (int)strcspn(contributor, ":/"), contributor, type);
	if (rules_place(p->rules, map, attribute, &place) != 0)
		return false;
	snprintf(out, len, "%s:%d", place.file, place.line);
	return true;
}

static void
flow_line(const struct places *p, const char *type, const char *attribute,
    char *out, size_t len)
{
	const struct policy *policy = rules_policy(p->rules, type);

	for (size_t i = 0; policy != NULL && i < policy->nflows; i++) {
		const struct policy_flow *f = &policy->flows[i];

		if (strcmp(f->attr, attribute) == 0 && f->file != NULL)
			snprintf(out, len, "%s:%d", f->file, f->line);
	}
	if (out[0] == '\0' && policy != NULL && policy->file != NULL)
		snprintf(out, len, "%s:%d", policy->file, policy->line);
}

void
place_find(const struct places *p, const struct mesh_diff *d,
    const char *attribute, char *out, size_t len)
{
	yyjson_val *v;
	size_t i, n;

	out[0] = '\0';
	yyjson_arr_foreach(d->has, i, n, v)
	{
		const char *contributor = yyjson_get_str(v);

		if (contributor == NULL || strchr(contributor, '/') == NULL ||
		    !says_another(p, d->type, contributor, attribute))
			continue;
		if (map_line(p, d->type, contributor, attribute, out, len))
			return;
	}
	flow_line(p, d->type, attribute, out, len);
}
