/*
 * diff_run.c - what changed between two runs of a source.
 *
 * diff_main.c calls it.  The change log says which mesh objects were put or
 * deleted under which number, and every run where the log stood when what it
 * brought was merged.  All rows of an object in between are folded into one
 * word.  The log knows names of attributes, no values.
 */

#include "diff.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "log.h"
#include "report.h"

struct span {
	struct store *s;
	int64_t source;
	int64_t first, last; /* numbers, both belong to it */
	bool json;
	int64_t added, changed, gone;
};

/* The source that is meant; 0 after a line. */
static int64_t
source_of(struct store *s, const char *name)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT pk FROM source WHERE ifnull(?1, name) = name ORDER BY pk",
	    "t", name);
	int64_t pk = 0;
	size_t n = 0;

	while (store_row(s, st)) {
		pk = sqlite3_column_int64(st, 0);
		n++;
	}
	if (n == 1 || s->failed)
		return pk;
	if (n == 0)
		log_error("%s has no source %s; see `idmesh join runs --db %s`",
		    s->path, name != NULL ? name : "", s->path);
	else
		log_error(
		    "%s has several sources: say which with --source", s->path);
	return 0;
}

static bool
has_run(struct store *s, int64_t source, int64_t number)
{
	sqlite3_stmt *st =
	    store_ask(s, "SELECT 1 FROM run WHERE source = ? AND number = ?",
		"ii", source, number);
	bool is = store_row(s, st) != 0;

	store_end(st);
	if (!is && !s->failed)
		log_error("there is no run %lld; see `idmesh join runs --db "
			  "%s`",
		    (long long)number, s->path);
	return is;
}

/* Where the log stood behind a run: -1 when nobody wrote it down. */
static int64_t
log_behind(struct store *s, int64_t source, int64_t number)
{
	/* Under way, or of an older idmesh: where the next one began. */
	sqlite3_stmt *st = store_ask(s,
	    "SELECT coalesce((SELECT until FROM run WHERE source = ?1"
	    " AND number = ?2), (SELECT ifnull(log, -1) FROM run"
	    " WHERE source = ?1 AND number > ?2 ORDER BY number LIMIT 1))",
	    "ii", source, number);
	int64_t n = s->newest;

	if (store_row(s, st) && sqlite3_column_type(st, 0) != SQLITE_NULL)
		n = sqlite3_column_int64(st, 0);
	store_end(st);
	return n;
}

/* Is the source one of those that the mesh object is or was made of? */
#define OF_SOURCE                                                           \
	" (EXISTS (SELECT 1 FROM mesh m JOIN object o ON o.pk = m.object"   \
	" JOIN stream t ON t.pk = o.stream"                                 \
	" WHERE m.pk = c.mesh AND t.source = ?3)"                           \
	" OR EXISTS (SELECT 1 FROM link l JOIN object o ON o.pk = l.object" \
	" JOIN stream t ON t.pk = o.stream"                                 \
	" WHERE l.mesh = c.mesh AND t.source = ?3))"

/* What the rows of one object come to. */
struct fold {
	int64_t mesh;
	bool before, after;
	struct buf names; /* ["a","b" of what changed */
};

static void
add_names(struct fold *f, const char *changed)
{
	yyjson_doc *doc =
	    changed != NULL ? yyjson_read(changed, strlen(changed), 0) : NULL;
	struct buf quoted = { 0 };
	yyjson_val *v;
	size_t i, n;

	yyjson_arr_foreach(yyjson_doc_get_root(doc), i, n, v)
	{
		buf_clear(&quoted);
		buf_json_str(&quoted, yyjson_get_str(v));
		if (f->names.len > 0 &&
		    strstr(f->names.data, quoted.data) != NULL)
			continue;
		buf_char(&f->names, f->names.len == 0 ? '[' : ',');
		buf_add(&f->names, quoted.data, quoted.len);
	}
	buf_free(&quoted);
	yyjson_doc_free(doc);
}

/* "  title, city" of ["title","city"]; names of attributes need no quotes. */
static void
add_plain(struct buf *b, const char *names)
{
	buf_str(b, "  ");
	for (; *names != '\0'; names++) {
		if (*names == ',')
			buf_str(b, ", ");
		else if (strchr("[]\"", *names) == NULL)
			buf_char(b, *names);
	}
}

static void
print_fold(struct span *x, struct fold *f)
{
	const char *word = "changed", *type = "", *id = "", *name = NULL;
	struct buf b = { 0 };
	sqlite3_stmt *st;

	if (f->mesh == 0 || (!f->before && !f->after))
		return; /* came and went */
	if (!f->before)
		word = "added";
	else if (!f->after)
		word = "gone";
	x->added += !f->before;
	x->gone += !f->after;
	x->changed += f->before && f->after;
	if (f->names.len > 0)
		buf_char(&f->names, ']');
	st = store_ask(x->s,
	    "SELECT t.name, m.id, coalesce(json_extract(b.text, "
	    "'$.displayName'),"
	    " json_extract(b.text, '$.name'), json_extract(b.text, '$.login'),"
	    " json_extract(a.text, '$.displayName'),"
	    " json_extract(a.text, '$.name'), json_extract(a.text, '$.login'))"
	    " FROM mesh m JOIN type t ON t.pk = m.type"
	    " LEFT JOIN body b ON b.mesh = m.pk"
	    " LEFT JOIN attrs a ON a.pk = m.object WHERE m.pk = ?",
	    "i", f->mesh);
	if (store_row(x->s, st)) {
		type = store_text(st, 0);
		id = store_text(st, 1);
		name = store_text(st, 2);
	}
	if (x->json) {
		buf_fmt(&b, "{\"difference\":\"%s\"", word);
		msg_str(&b, MSG_TYPE, type);
		msg_str(&b, MSG_ID, id);
		if (f->before && f->after && f->names.len > 0)
			msg_raw(&b, MSG_CHANGED, f->names.data, f->names.len);
		buf_char(&b, '}');
	} else {
		buf_fmt(&b, "%-8s %s %s%s%s", word, type,
		    name != NULL ? name : "", name != NULL ? "  " : "", id);
		if (f->before && f->after && f->names.len > 0)
			add_plain(&b, f->names.data);
	}
	store_end(st);
	report_line(&b);
	buf_free(&b);
}

static void
take_row(struct span *x, struct fold *f, sqlite3_stmt *st)
{
	int64_t mesh = sqlite3_column_int64(st, 0);
	bool put = strcmp(store_text(st, 1), MSG_PUT) == 0;
	const char *changed = store_text(st, 2);

	if (mesh != f->mesh) {
		print_fold(x, f);
		f->mesh = mesh;
		/* A put that names no attributes is of a new object. */
		f->before = !put || changed != NULL;
		buf_clear(&f->names);
	}
	f->after = put;
	add_names(f, changed);
}

static void
walk(struct span *x)
{
	struct fold f = { .mesh = 0 };
	sqlite3_stmt *st = store_ask(x->s,
	    "SELECT c.mesh, c.op, c.changed FROM change c"
	    " WHERE c.number BETWEEN ?1 AND ?2 AND" OF_SOURCE
	    " ORDER BY c.mesh, c.number",
	    "iii", x->first, x->last, x->source);

	while (store_row(x->s, st))
		take_row(x, &f, st);
	print_fold(x, &f);
	buf_free(&f.names);
}

/* Has the log rows of it no more? */
static bool
is_pruned(const struct span *x)
{
	if (x->first >= x->s->oldest || x->first > x->last)
		return false;
	log_warn("the change log has been cut: %lld of its %lld numbers "
		 "between the runs are kept no more",
	    (long long)((x->last < x->s->oldest ? x->last + 1 : x->s->oldest) -
			x->first),
	    (long long)(x->last - x->first + 1));
	return true;
}

int
diff_runs(
    struct store *s, const char *source, int64_t from, int64_t to, bool json)
{
	struct span x = { .s = s, .json = json };
	int64_t behind;

	store_do(s, "BEGIN", "");
	store_refresh(s);
	x.source = source_of(s, source);
	if (x.source == 0 || !has_run(s, x.source, from) ||
	    !has_run(s, x.source, to))
		return s->failed ? EXIT_TEMPORARY : EXIT_USAGE;
	behind = log_behind(s, x.source, from);
	x.first = behind + 1;
	x.last = log_behind(s, x.source, to);
	if (from >= to || behind < 0 || x.last < 0) {
		log_error(from >= to ? "the first run is not before the second"
				     : "these runs are of an older idmesh, "
				       "which did not write down what they "
				       "changed");
		return EXIT_USAGE;
	}
	walk(&x);
	if (!json)
		printf("%lld added, %lld changed, %lld gone\n",
		    (long long)x.added, (long long)x.changed,
		    (long long)x.gone);
	store_do(s, "COMMIT", "");
	return is_pruned(&x) ? EXIT_PARTLY : EXIT_DONE;
}
