/*
 * explain_groups.c - which groups a person is in, and by what path.
 *
 * explain.c calls it for people and groups of merged types: directly by one or
 * more sources, or through a group that is a member of another.  Groups in a
 * circle are named once.
 */

#include "explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "msg.h"
#include "report.h"

/* Nearest first; a group is reached once by each of its members. */
#define PATHS                                                    \
	"WITH RECURSIVE up(grp, via, depth) AS ("                \
	" SELECT grp, 0, 0 FROM edge WHERE member = ?1"          \
	" UNION SELECT e.grp, up.grp, up.depth + 1 FROM up"      \
	" JOIN edge e ON e.member = up.grp WHERE up.depth < 32)" \
	" SELECT grp, via, min(depth) FROM up"                   \
	" WHERE grp <> ?1 GROUP BY grp ORDER BY 3, grp LIMIT 1000"

struct membership {
	int64_t grp, via; /* via 0: directly */
};

/* How the source's group gets its members, as far as it says so. */
static const char *
by_what(const char *type, const char *classes)
{
	if (type != NULL && strcmp(type, "APP_GROUP") == 0)
		return " by an app's import";
	if (type != NULL && strcmp(type, "BUILT_IN") == 0)
		return " built in";
	if (classes != NULL && strstr(classes, "DynamicMembership") != NULL)
		return " by the group's own rule";
	return "";
}

static void
add_name(struct store *s, int64_t mesh, struct buf *out)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT coalesce(json_extract(b.text, '$.name'), m.id)"
	    " FROM mesh m LEFT JOIN body b ON b.mesh = m.pk WHERE m.pk = ?",
	    "i", mesh);

	if (!store_row(s, st))
		return;
	buf_str(out, store_text(st, 0));
	store_end(st);
}

static void
add_sources(struct store *s, int64_t person, int64_t grp, struct buf *out)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT s.name, json_extract(a.text, '$.groupId'),"
	    " (SELECT json_extract(ga.text, '$.type') || '\n' ||"
	    " coalesce(json_extract(ga.text, '$.objectClass'), '')"
	    " FROM stream gt JOIN object g ON g.stream = gt.pk"
	    " AND g.id = json_extract(a.text, '$.groupId')"
	    " JOIN attrs ga ON ga.pk = g.pk"
	    " WHERE gt.source = s.pk AND gt.name = 'Group')"
	    " FROM edge e JOIN link l ON l.mesh = e.mesh"
	    " JOIN object o ON o.pk = l.object AND o.gone IS NULL"
	    " JOIN attrs a ON a.pk = o.pk JOIN stream t ON t.pk = o.stream"
	    " JOIN source s ON s.pk = t.source"
	    " WHERE e.member = ? AND e.grp = ? ORDER BY s.name, 2",
	    "ii", person, grp);
	bool first = true;

	while (store_row(s, st)) {
		const char *kind = store_text(st, 2);
		size_t len = kind != NULL ? strcspn(kind, "\n") : 0;
		char *type = kind != NULL ? xstrndup(kind, len) : NULL;

		buf_fmt(out, "%s%s/%s%s", first ? "" : ", ", store_text(st, 0),
		    store_text(st, 1) != NULL ? store_text(st, 1) : "",
		    by_what(type, kind != NULL ? kind + len : NULL));
		first = false;
		free(type);
	}
}

static size_t
load(struct store *s, int64_t person, struct membership **list)
{
	sqlite3_stmt *st = store_ask(s, PATHS, "i", person);
	size_t n = 0;

	*list = NULL;
	while (store_row(s, st)) {
		if ((n & (n - 1)) == 0)
			*list = xrealloc(
			    *list, (n > 0 ? 2 * n : 1) * sizeof(**list));
		(*list)[n++] = (struct membership){
			sqlite3_column_int64(st, 0),
			sqlite3_column_int64(st, 1),
		};
	}
	return n;
}

void
explain_groups(struct store *s, int64_t person)
{
	struct buf name = { 0 }, path = { 0 };
	struct membership *list;
	size_t n = load(s, person, &list);

	for (size_t i = 0; i < n; i++) {
		buf_clear(&name);
		buf_clear(&path);
		add_name(s, list[i].grp, &name);
		if (list[i].via != 0) {
			buf_str(&path, "through ");
			add_name(s, list[i].via, &path);
		} else {
			add_sources(s, person, list[i].grp, &path);
		}
		report_print("  in %-24s %s\n", name.data,
		    path.data != NULL ? path.data : "");
	}
	buf_free(&name);
	buf_free(&path);
	free(list);
}

void
explain_groups_json(struct store *s, int64_t person, struct buf *out)
{
	struct membership *list;
	struct buf text = { 0 };
	size_t n = load(s, person, &list);

	buf_str(out, ",\"groups\":[");
	for (size_t i = 0; i < n; i++) {
		buf_clear(&text);
		add_name(s, list[i].grp, &text);
		buf_str(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		buf_json_str(out, text.data);
		buf_clear(&text);
		if (list[i].via != 0)
			add_name(s, list[i].via, &text);
		else
			add_sources(s, person, list[i].grp, &text);
		msg_str(out, list[i].via != 0 ? "through" : "by",
		    text.data != NULL ? text.data : "");
		buf_char(out, '}');
	}
	buf_char(out, ']');
	buf_free(&text);
	free(list);
}
