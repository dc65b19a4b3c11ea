/*
 * plan_run.c - whom the runs would let go that the guard holds back.
 *
 * plan.c calls it for `join plan`: what `join approve RUN` would delete, with
 * the person behind each object and the sources that still know them.  The
 * rows are printed as they are read.
 */

#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "find.h"
#include "mem.h"
#include "msg.h"
#include "report.h"
#include "sweep.h"

/* A stream of a run that is held. */
struct run_held {
	char name[300], type[64]; /* "okta:contoso/12" */
	char *why; /* owned */
	int64_t checkpoint;
};

/* Marked objects, and those that a full listing did not have; as sweep.c has
 * it, without those that it spares. */
#define MARKED                                                  \
	" FROM checkpoint c JOIN run r ON r.pk = c.run"         \
	" JOIN leaving l ON l.generation = r.generation"        \
	" JOIN object o ON o.pk = l.pk AND o.stream = c.stream" \
	" WHERE c.pk = "
#define MISSING                                                            \
	" FROM checkpoint c JOIN run r ON r.pk = c.run"                    \
	" JOIN object o ON o.stream = c.stream JOIN seen n ON n.pk = o.pk" \
	" LEFT JOIN attrs a ON a.pk = o.pk"                                \
	" WHERE c.mode = 'full' AND c.unsure = 0"                          \
	" AND n.generation < r.generation AND NOT EXISTS"                  \
	" (SELECT 1 FROM leaving l WHERE l.pk = o.pk"                      \
	" AND l.generation IN (0, r.generation))"                          \
	" AND " SWEEP_SPARED("c.watermark") " = 0 AND c.pk = "
#define LEAVERS MARKED "?1"
#define ABSENT MISSING "?1"

static int64_t
count(struct store *s, const struct run_held *run)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT (SELECT count(*)" LEAVERS ") + (SELECT count(*)" ABSENT ")",
	    "i", run->checkpoint);
	int64_t n = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return n;
}

/* Living objects of the same person in other sources, "" without any. */
static void
add_others(struct store *s, int64_t object, struct buf *out)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT s.name || '/' || o.id FROM link k JOIN link l"
	    " ON l.mesh = k.mesh AND l.object <> k.object"
	    " JOIN object o ON o.pk = l.object JOIN stream t"
	    " ON t.pk = o.stream JOIN source s ON s.pk = t.source"
	    " WHERE k.object = ? AND k.mesh <> 0 AND o.gone IS NULL"
	    " ORDER BY s.name, o.id",
	    "i", object);
	const char *before = "";

	while (store_row(s, st)) {
		buf_fmt(out, "%s%s", before, store_text(st, 0));
		before = ", ";
	}
}

/* One object that would go. */
struct leaver {
	struct buf name, object, others, because;
	const char *reason; /* borrowed */
	int64_t mesh;
};

static int64_t
mesh_of(struct store *s, int64_t object)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT coalesce((SELECT mesh FROM link WHERE object = ?1),"
	    " (SELECT mesh FROM object WHERE pk = ?1), 0)",
	    "i", object);
	int64_t mesh = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return mesh;
}

static void
load(struct store *s, sqlite3_stmt *row, struct leaver *l)
{
	int64_t object = sqlite3_column_int64(row, 0);

	buf_clear(&l->name);
	buf_clear(&l->object);
	buf_clear(&l->others);
	buf_clear(&l->because);
	l->reason = store_text(row, 1);
	l->mesh = mesh_of(s, object);
	if (l->mesh != 0)
		find_mesh_name(s, l->mesh, &l->name);
	if (l->name.len == 0)
		find_object_name(s, object, &l->name);
	find_name(s, object, &l->object);
	add_others(s, object, &l->others);
	buf_fmt(&l->because, "%s leaves (%s)", l->object.data, l->reason);
	if (l->others.len > 0)
		buf_fmt(&l->because, ", %s stays", l->others.data);
}

static void
print_text(struct store *s, const struct leaver *l, struct buf *line)
{
	const char *id = merge_mesh_id(s, l->mesh);

	buf_str(line, "  ");
	if (l->name.len > 0)
		buf_fmt(line, "%s  ", l->name.data);
	if (id != NULL)
		buf_fmt(line, "%s: ", id);
	buf_str(line, l->because.data);
	report_text(line);
}

static void
print_json(struct store *s, const struct run_held *run, const struct leaver *l,
    struct buf *line)
{
	buf_str(line, "{\"what\":\"leave\"");
	msg_str(line, MSG_RUN, run->name);
	msg_str(line, MSG_TYPE, run->type);
	msg_str(line, MSG_ID, merge_mesh_id(s, l->mesh));
	msg_str(line, "name", l->name.len > 0 ? l->name.data : NULL);
	msg_str(line, MSG_OBJECT, l->object.data);
	msg_str(line, MSG_REASON, l->reason);
	msg_str(line, "because", l->because.data);
	buf_char(line, '}');
	report_line(line);
}

static void
show_rows(struct store *s, const struct run_held *run, int64_t limit, bool json)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT o.pk, l.reason" LEAVERS
	    " UNION ALL SELECT o.pk, 'absent'" ABSENT " LIMIT ?2",
	    "ii", run->checkpoint, limit);
	struct leaver l = { .reason = NULL };
	struct buf line = { 0 };

	while (store_row(s, st)) {
		load(s, st, &l);
		if (json)
			print_json(s, run, &l, &line);
		else
			print_text(s, &l, &line);
	}
	buf_free(&l.name);
	buf_free(&l.object);
	buf_free(&l.others);
	buf_free(&l.because);
	buf_free(&line);
}

static void
show_run(
    struct store *s, const struct run_held *run, const struct plan_show *show)
{
	int64_t n = count(s, run), limit = show->all ? -1 : PLAN_SHOWN;

	if (show->json) {
		show_rows(s, run, -1, true);
		return;
	}
	report_print("run %s of %s\n  %s\n\n%lld object%s would leave\n",
	    run->name, run->type, run->why != NULL ? run->why : "held",
	    (long long)n, n == 1 ? "" : "s");
	show_rows(s, run, limit, false);
	if (limit >= 0 && n > limit)
		report_print("  and %lld more: idmesh join plan --db %s --all "
			     "%s\n",
		    (long long)(n - limit), show->db, run->name);
	plan_way_out(show->db, run->name);
}

/* "okta:contoso/12", or "12" where that is enough; NULL: all. */
static size_t
read_runs(struct store *s, const char *name, struct run_held **list)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT s.name || '/' || r.number, t.name, c.why, c.pk"
	    " FROM checkpoint c JOIN run r ON r.pk = c.run"
	    " JOIN source s ON s.pk = r.source JOIN stream t"
	    " ON t.pk = c.stream WHERE c.phase = 'held' AND (?1 IS NULL"
	    " OR ?1 = r.number OR ?1 = s.name || '/' || r.number)"
	    " ORDER BY c.pk",
	    "t", name);
	size_t n = 0;

	*list = NULL;
	while (store_row(s, st)) {
		struct run_held *r;

		*list = xrealloc(*list, (n + 1) * sizeof(**list));
		r = &(*list)[n++];
		snprintf(r->name, sizeof(r->name), "%s", store_text(st, 0));
		snprintf(r->type, sizeof(r->type), "%s", store_text(st, 1));
		r->why = store_text_dup(st, 2);
		r->checkpoint = sqlite3_column_int64(st, 3);
	}
	return n;
}

size_t
plan_runs(
    struct store *s, const char *name, const struct plan_show *show, bool first)
{
	struct run_held *list;
	size_t n = read_runs(s, name, &list);

	for (size_t i = 0; i < n; i++) {
		if (!show->json && (i > 0 || !first))
			report_print("\n");
		show_run(s, &list[i], show);
		free(list[i].why);
	}
	free(list);
	return n;
}

bool
plan_run_of(struct store *s, int64_t object, char *name, size_t len)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT s.name || '/' || h.number FROM object x JOIN checkpoint k"
	    " ON k.stream = x.stream AND k.phase = 'held'"
	    " JOIN run h ON h.pk = k.run JOIN source s ON s.pk = h.source"
	    " WHERE x.pk = ?1 AND x.gone IS NULL AND (EXISTS (SELECT 1" MARKED
	    "k.pk AND o.pk = ?1) OR EXISTS (SELECT 1" MISSING
	    "k.pk AND o.pk = ?1)) ORDER BY k.pk LIMIT 1",
	    "i", object);
	bool is = store_row(s, st);

	if (is)
		snprintf(name, len, "%s", store_text(st, 0));
	store_end(st);
	return is;
}
