/*
 * explain_groups.c - which groups a person is in, and by what path.
 *
 * explain.c calls it for any mesh object: in a group by one or more sources,
 * or through a group that is a member of another.  Of merged types the mesh
 * has the memberships, of others they are looked up in the sources.  Groups in
 * a circle are named once.
 */

#include "explain.h"

#include <stdlib.h>
#include <string.h>

#include "explain_path.h"
#include "mem.h"
#include "msg.h"
#include "report.h"
#include "utf8.h"

/* A membership outlives its last source as an edge, but not in the mesh. */
#define STANDS " EXISTS (SELECT 1 FROM body b WHERE b.mesh = e.mesh)"

/* Nearest first; a group is reached once by each of its members. */
#define PATHS                                                                  \
	"WITH RECURSIVE up(grp, via, depth) AS ("                              \
	" SELECT e.grp, 0, 0 FROM edge e WHERE e.member = ?1 AND" STANDS       \
	" UNION SELECT e.grp, up.grp, up.depth + 1 FROM up"                    \
	" JOIN edge e ON e.member = up.grp AND" STANDS " WHERE up.depth < 32)" \
	" SELECT grp, via, min(depth) FROM up"                                 \
	" WHERE grp <> ?1 GROUP BY grp ORDER BY 3, grp LIMIT 1000"

/* The living objects that a mesh object is made of. */
#define OWN                                                   \
	"SELECT pk FROM object WHERE gone IS NULL AND (pk IN" \
	" (SELECT object FROM link WHERE mesh = ?1) OR pk ="  \
	" (SELECT object FROM mesh WHERE pk = ?1))"

/*
 * The same among the objects of the sources, of types without a join rule.  A
 * membership's id is that of its group, a colon, and that of its member; Okta
 * does not nest groups.
 */
#define PLAIN                                                             \
	"WITH RECURSIVE own(pk) AS MATERIALIZED (" OWN "),"               \
	" up(pk, via, depth) AS (SELECT pk, 0, -1 FROM own"               \
	" UNION SELECT g.pk, iif(up.depth < 0, 0, up.pk), up.depth + 1"   \
	" FROM up JOIN object o ON o.pk = up.pk"                          \
	" JOIN stream t ON t.pk = o.stream"                               \
	" JOIN source s ON s.pk = t.source"                               \
	" JOIN stream gt ON gt.source = s.pk AND gt.name = 'Group'"       \
	" JOIN stream et ON et.source = s.pk AND et.name = 'GroupMember'" \
	" CROSS JOIN object g ON g.stream = gt.pk AND g.gone IS NULL"     \
	" CROSS JOIN object e ON e.stream = et.pk AND e.gone IS NULL"     \
	" AND e.id = g.id || ':' || o.id WHERE up.depth < 32"             \
	" AND (up.depth < 0 OR s.name NOT LIKE 'okta:%'))"                \
	" SELECT pk, via, min(depth) FROM up WHERE depth >= 0"            \
	" AND pk NOT IN own GROUP BY pk ORDER BY 3, pk LIMIT 1000"

struct membership {
	int64_t grp, via; /* via 0: directly */
};

struct memberships {
	int64_t person; /* mesh */
	bool plain; /* grp and via are objects, else of the mesh */
	struct membership *v; /* owned */
	size_t n;
};

/* What the sources say of one membership. */
struct paths {
	struct path *v; /* owned */
	size_t n;
};

static void
add_name(
    struct store *s, const struct memberships *m, int64_t grp, struct buf *out)
{
	sqlite3_stmt *st = store_ask(s,
	    m->plain ? "SELECT coalesce(json_extract(a.text, '$.name'), o.id)"
		       " FROM object o LEFT JOIN attrs a ON a.pk = o.pk"
		       " WHERE o.pk = ?"
		     : "SELECT coalesce(json_extract(b.text, '$.name'), m.id)"
		       " FROM mesh m LEFT JOIN body b ON b.mesh = m.pk"
		       " WHERE m.pk = ?",
	    "i", grp);

	if (!store_row(s, st))
		return;
	buf_str(out, store_text(st, 0));
	store_end(st);
}

/* Source, its ids of group and member, and what the group is. */
static sqlite3_stmt *
ask_paths(struct store *s, const struct memberships *m, int64_t grp)
{
	if (m->plain)
		return store_ask(s,
		    "SELECT s.pk, s.name, g.id, o.id,"
		    " json_extract(ga.text, '$.type'),"
		    " json_extract(ga.text, '$.objectClass')"
		    " FROM object g JOIN stream gt ON gt.pk = g.stream"
		    " JOIN source s ON s.pk = gt.source"
		    " JOIN stream et ON et.source = s.pk"
		    " AND et.name = 'GroupMember'"
		    " JOIN object o ON o.pk IN (" OWN ")"
		    " JOIN object e ON e.stream = et.pk AND e.gone IS NULL"
		    " AND e.id = g.id || ':' || o.id"
		    " JOIN stream ot ON ot.pk = o.stream AND ot.source = s.pk"
		    " LEFT JOIN attrs ga ON ga.pk = g.pk WHERE g.pk = ?2",
		    "ii", m->person, grp);
	return store_ask(s,
	    "SELECT s.pk, s.name, json_extract(a.text, '$.groupId'),"
	    " json_extract(a.text, '$.memberId'),"
	    " json_extract(ga.text, '$.type'),"
	    " json_extract(ga.text, '$.objectClass')"
	    " FROM edge e JOIN link l ON l.mesh = e.mesh"
	    " JOIN object o ON o.pk = l.object AND o.gone IS NULL"
	    " JOIN attrs a ON a.pk = o.pk JOIN stream t ON t.pk = o.stream"
	    " JOIN source s ON s.pk = t.source"
	    " LEFT JOIN stream gt ON gt.source = s.pk AND gt.name = 'Group'"
	    " LEFT JOIN object g ON g.stream = gt.pk"
	    " AND g.id = json_extract(a.text, '$.groupId')"
	    " LEFT JOIN attrs ga ON ga.pk = g.pk"
	    " WHERE e.member = ? AND e.grp = ? ORDER BY s.name, 3",
	    "ii", m->person, grp);
}

static void
paths_load(
    struct store *s, const struct memberships *m, int64_t grp, struct paths *p)
{
	sqlite3_stmt *st = ask_paths(s, m, grp);

	*p = (struct paths){ 0 };
	while (store_row(s, st)) {
		p->v = xrealloc(p->v, (p->n + 1) * sizeof(*p->v));
		p->v[p->n++] = (struct path){
			.source_pk = sqlite3_column_int64(st, 0),
			.source = store_text_dup(st, 1),
			.group = store_text_dup(st, 2),
			.member = store_text_dup(st, 3),
			.type = store_text_dup(st, 4),
			.classes = store_text_dup(st, 5),
		};
	}
	for (size_t i = 0; i < p->n; i++)
		path_judge(s, &p->v[i]);
}

static void
paths_free(struct paths *p)
{
	for (size_t i = 0; i < p->n; i++)
		path_free(&p->v[i]);
	free(p->v);
}

static void
paths_text(const struct paths *p, struct buf *out)
{
	for (size_t i = 0; i < p->n; i++) {
		buf_str(out, i > 0 ? "; " : "");
		path_text(&p->v[i], out);
	}
}

static void
load_by(struct store *s, struct memberships *m, const char *sql)
{
	sqlite3_stmt *st = store_ask(s, sql, "i", m->person);

	while (store_row(s, st)) {
		if ((m->n & (m->n - 1)) == 0)
			m->v = xrealloc(
			    m->v, (m->n > 0 ? 2 * m->n : 1) * sizeof(*m->v));
		m->v[m->n++] = (struct membership){
			sqlite3_column_int64(st, 0),
			sqlite3_column_int64(st, 1),
		};
	}
}

static void
load(struct store *s, int64_t person, struct memberships *m)
{
	*m = (struct memberships){ .person = person };
	load_by(s, m, PATHS);
	m->plain = m->n == 0;
	if (m->plain)
		load_by(s, m, PLAIN);
}

/* Is it one of the names between commas? */
static bool
is_listed(const struct buf *list, const char *name)
{
	size_t len = strlen(name);
	const char *at = list->len > 0 ? list->data : NULL;

	while (at != NULL) {
		if (strncmp(at, name, len) == 0 &&
		    (at[len] == '\0' || at[len] == ','))
			return true;
		at = strchr(at, ' ');
		if (at != NULL)
			at++;
	}
	return false;
}

/* Each source once whose rules would say more. */
static void
note_unknown(const struct paths *p, struct buf *sources)
{
	for (size_t i = 0; i < p->n; i++) {
		const char *name = p->v[i].source;

		if (p->v[i].how != PATH_UNKNOWN || is_listed(sources, name))
			continue;
		buf_str(sources, sources->len > 0 ? ", " : "");
		buf_str(sources, name);
	}
}

/* Appends what leads into the group, as text. */
static void
add_path(struct store *s, const struct memberships *m, size_t i,
    struct buf *out, struct buf *unknown)
{
	struct paths p;

	if (m->v[i].via != 0) {
		buf_str(out, "through ");
		add_name(s, m, m->v[i].via, out);
		return;
	}
	paths_load(s, m, m->v[i].grp, &p);
	paths_text(&p, out);
	note_unknown(&p, unknown);
	paths_free(&p);
}

void
explain_groups(struct store *s, int64_t person)
{
	struct buf name = { 0 }, path = { 0 }, unknown = { 0 };
	struct memberships m;

	load(s, person, &m);
	for (size_t i = 0; i < m.n; i++) {
		buf_clear(&name);
		buf_clear(&path);
		add_name(s, &m, m.v[i].grp, &name);
		add_path(s, &m, i, &path, &unknown);
		report_print("  in %-*s %s\n", utf8_width(name.data, 24),
		    name.data, path.data != NULL ? path.data : "");
	}
	if (unknown.len > 0)
		report_print("  the group rules of %s were never read: set "
			     "ImportGroupRules in the source file\n",
		    unknown.data);
	buf_free(&name);
	buf_free(&path);
	buf_free(&unknown);
	free(m.v);
}

static void
add_json(
    struct store *s, const struct memberships *m, size_t i, struct buf *out)
{
	struct buf text = { 0 };
	struct paths p;

	add_name(s, m, m->v[i].grp, &text);
	buf_str(out, "{\"name\":");
	buf_json_str(out, text.data);
	buf_clear(&text);
	if (m->v[i].via != 0) {
		add_name(s, m, m->v[i].via, &text);
		msg_str(out, "through", text.data);
	} else {
		paths_load(s, m, m->v[i].grp, &p);
		paths_text(&p, &text);
		msg_str(out, "by", text.data != NULL ? text.data : "");
		buf_str(out, ",\"paths\":[");
		for (size_t k = 0; k < p.n; k++) {
			buf_str(out, k > 0 ? "," : "");
			path_json(&p.v[k], out);
		}
		buf_char(out, ']');
		paths_free(&p);
	}
	buf_char(out, '}');
	buf_free(&text);
}

void
explain_groups_json(struct store *s, int64_t person, struct buf *out)
{
	struct memberships m;

	load(s, person, &m);
	buf_str(out, ",\"groups\":[");
	for (size_t i = 0; i < m.n; i++) {
		buf_str(out, i > 0 ? "," : "");
		add_json(s, &m, i, out);
	}
	buf_char(out, ']');
	free(m.v);
}
