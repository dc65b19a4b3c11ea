/*
 * find.c - what an operator calls a person, and who that is.
 *
 * explain.c and decide.c call it.  Exact names come first; values that people
 * know each other by are looked for in the keys of the join rules, and at last
 * in everything, which takes a moment in a large database.
 */

#include "find.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mem.h"

/* The mesh object that an object belongs to. */
#define MESH_OF \
	"coalesce((SELECT l.mesh FROM link l WHERE l.object = o.pk), o.mesh)"

struct finding {
	struct store *s;
	struct found *out;
	size_t n;
};

static void
add(struct finding *f, int64_t mesh, int64_t object)
{
	for (size_t i = 0; i < f->n; i++)
		if (mesh != 0 ? f->out[i].mesh == mesh
			      : f->out[i].object == object)
			return;
	if (f->n < FIND_MAX)
		f->out[f->n++] = (struct found){ mesh, object };
}

static void
add_rows(struct finding *f, sqlite3_stmt *st)
{
	while (store_row(f->s, st))
		add(f, sqlite3_column_int64(st, 0),
		    sqlite3_column_int64(st, 1));
}

/* Source and connector id: a source has no slash, an id may have. */
static int64_t
object_by_name(struct store *s, const char *name)
{
	const char *slash = strchr(name, '/');
	char *source;
	sqlite3_stmt *st;
	int64_t pk = 0;

	if (slash == NULL)
		return 0;
	source = xstrndup(name, (size_t)(slash - name));
	st = store_ask(s,
	    "SELECT o.pk FROM source s JOIN stream t ON t.source = s.pk"
	    " JOIN object o ON o.stream = t.pk WHERE s.name = ? AND o.id = ?"
	    " ORDER BY o.gone IS NOT NULL LIMIT 1",
	    "tt", source, slash + 1);
	if (store_row(s, st)) {
		pk = sqlite3_column_int64(st, 0);
		store_end(st);
	}
	free(source);
	return pk;
}

int64_t
find_object(struct store *s, const char *name)
{
	return object_by_name(s, name);
}

void
find_name(struct store *s, int64_t object, struct buf *out)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT s.name, o.id FROM object o JOIN stream t ON t.pk = o.stream"
	    " JOIN source s ON s.pk = t.source WHERE o.pk = ?",
	    "i", object);

	if (!store_row(s, st))
		return;
	buf_str(out, store_text(st, 0));
	buf_char(out, '/');
	buf_str(out, store_text(st, 1));
	store_end(st);
}

const char *
find_known_as(yyjson_val *attrs)
{
	static const char *const names[] = { "displayName", "name", "login",
		"email" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *text = json_text(attrs, names[i]);

		if (text != NULL && text[0] != '\0')
			return text;
	}
	return NULL;
}

/* Of the attributes in a row, whose statement is ended. */
static void
add_known_as(struct store *s, sqlite3_stmt *st, struct buf *out)
{
	const char *text = store_row(s, st) ? store_text(st, 0) : NULL, *name;
	yyjson_doc *doc =
	    text != NULL ? yyjson_read(text, strlen(text), 0) : NULL;

	name = find_known_as(yyjson_doc_get_root(doc));
	if (name != NULL)
		buf_str(out, name);
	yyjson_doc_free(doc);
	store_end(st);
}

void
find_mesh_name(struct store *s, int64_t mesh, struct buf *out)
{
	add_known_as(s,
	    store_ask(s, "SELECT text FROM body WHERE mesh = ?", "i", mesh),
	    out);
}

void
find_object_name(struct store *s, int64_t object, struct buf *out)
{
	/* Who left has no attributes; what the mesh had of them may stay. */
	add_known_as(s,
	    store_ask(s,
		"SELECT coalesce((SELECT text FROM attrs WHERE pk = ?1),"
		" (SELECT b.text FROM link l JOIN body b ON b.mesh = l.mesh"
		" WHERE l.object = ?1))",
		"i", object),
	    out);
}

void
find_called(struct store *s, int64_t object, struct buf *out)
{
	size_t start = out->len;

	find_object_name(s, object, out);
	if (out->len == start) {
		find_name(s, object, out);
		return;
	}
	buf_str(out, " (");
	find_name(s, object, out);
	buf_char(out, ')');
}

static void
by_id(struct finding *f, const char *name)
{
	int64_t object = object_by_name(f->s, name);

	if (object != 0)
		add_rows(f, store_ask(f->s,
				"SELECT " MESH_OF ", o.pk FROM object o"
				" WHERE o.pk = ?",
				"i", object));
	add_rows(f,
	    store_ask(f->s, "SELECT pk, 0 FROM mesh WHERE id = ?", "t", name));
	add_rows(f, store_ask(f->s, "SELECT mesh, 0 FROM alias WHERE id = ?",
			"t", name));
	if (f->n == 0)
		add_rows(
		    f, store_ask(f->s,
			   "SELECT " MESH_OF ", o.pk FROM stream t"
			   " JOIN object o ON o.stream = t.pk AND o.id = ?",
			   "t", name));
}

/* Keys are normalised; as written, and in either case, is near enough. */
static void
by_key(struct finding *f, const char *name, bool gone)
{
	add_rows(f, store_ask(f->s,
			"SELECT " MESH_OF ", o.pk FROM keydef k"
			" JOIN matchkey m ON m.key = k.pk"
			" AND m.value IN (?1, lower(?1), upper(?1))"
			" JOIN object o ON o.pk = m.object"
			" WHERE (o.gone IS NOT NULL) = ?2 ORDER BY o.pk",
			"ti", name, (int64_t)gone));
}

#define HAS(attribute)                                         \
	"json_extract(x.text, '$." attribute "') = ?1 COLLATE" \
	" NOCASE"
#define IS_CALLED                                                           \
	"(" HAS("login") " OR " HAS("email") " OR " HAS("name") " OR " HAS( \
	    "displayName") ")"

static void
by_value(struct finding *f, const char *name)
{
	add_rows(f, store_ask(f->s,
			"SELECT " MESH_OF ", o.pk FROM attrs x"
			" JOIN object o ON o.pk = x.pk"
			" WHERE " IS_CALLED " LIMIT 20",
			"t", name));
}

/* Who left has no attributes; what the mesh had of them may stay. */
static void
by_body(struct finding *f, const char *name)
{
	add_rows(
	    f, store_ask(f->s,
		   "SELECT m.pk, 0 FROM body x JOIN mesh m ON m.pk = x.mesh"
		   " WHERE m.state IS NOT NULL AND " IS_CALLED " LIMIT 20",
		   "t", name));
}

size_t
find(struct store *s, const char *name, struct found out[FIND_MAX])
{
	struct finding f = { .s = s, .out = out };

	by_id(&f, name);
	if (f.n > 0)
		return f.n;
	by_key(&f, name, false);
	if (f.n == 0)
		by_value(&f, name);
	/* Behind the living: an address may be somebody else's by now. */
	by_key(&f, name, true);
	if (f.n == 0)
		by_body(&f, name);
	return f.n;
}
