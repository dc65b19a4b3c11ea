/*
 * merge_edge.c - memberships between mesh objects.
 *
 * What several sources say of the same group and the same member is one
 * membership, <meshGroup>:<meshMember>, and both are its contributors.  As
 * long as an end is not known it waits under an id of its own, with null for
 * that end; merge_ref.c calls it back when the end arrives or moves.
 */

#include "merge_private.h"

#include <string.h>

#include "json.h"
#include "json_copy.h"

#define EDGE_CHUNK 2000

struct ends {
	int64_t grp, member; /* mesh, 0: not known */
};

/* What an attribute of the membership refers to. */
static int64_t
end_of(struct store *s, int64_t stream, const char *type, yyjson_val *id,
    int64_t object)
{
	int64_t sister = merge_sister(s, stream, type);
	const char *text = yyjson_get_str(id);

	if (sister == 0 || text == NULL)
		return 0;
	if (object != 0)
		merge_ref_add(s, sister, text, yyjson_get_len(id), object);
	return merge_ref_find(s, sister, text, yyjson_get_len(id));
}

static struct ends
find_ends(struct store *s, int64_t stream, yyjson_val *attrs, int64_t object)
{
	const char *type = json_text(attrs, "memberType");
	yyjson_val *member = json_get(attrs, "memberId");
	struct ends e;

	e.grp =
	    end_of(s, stream, "Group", json_get(attrs, MSG_GROUP_ID), object);
	e.member =
	    end_of(s, stream, type != NULL ? type : "User", member, object);
	if (e.member == 0 && type == NULL)
		e.member = end_of(s, stream, "Group", member, object);
	return e;
}

void
merge_edge_body(
    struct store *s, int64_t stream, yyjson_val *attrs, struct buf *out)
{
	struct ends e = find_ends(s, stream, attrs, 0);
	yyjson_val *key, *v;
	size_t i, n;

	yyjson_obj_foreach(attrs, i, n, key, v)
	{
		bool grp = yyjson_equals_str(key, MSG_GROUP_ID);
		bool member = yyjson_equals_str(key, "memberId");

		buf_char(out, i == 0 ? '{' : ',');
		json_copy(out, key);
		buf_char(out, ':');
		if (grp || member)
			buf_json_str(
			    out, merge_mesh_id(s, grp ? e.grp : e.member));
		else
			json_copy(out, v);
	}
	buf_str(out, n == 0 ? "{}" : "}");
}

static int64_t
add_mesh(struct store *s, int64_t type, const char *id, int64_t minter)
{
	store_do(s,
	    "INSERT INTO mesh(type, id, minter, nth)"
	    " VALUES(?1, ?2, nullif(?3, 0), iif(?3 = 0, NULL, 0))",
	    "iti", type, id, minter);
	return sqlite3_last_insert_rowid(s->db);
}

static int64_t
between(struct store *s, int64_t type, const struct ends *e)
{
	sqlite3_stmt *st =
	    store_ask(s, "SELECT mesh FROM edge WHERE grp = ? AND member = ?",
		"ii", e->grp, e->member);
	int64_t mesh = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;
	struct buf id = { 0 };
	const char *end;

	store_end(st);
	if (mesh != 0)
		return mesh;
	end = merge_mesh_id(s, e->grp);
	buf_str(&id, end != NULL ? end : "");
	buf_char(&id, ':');
	end = merge_mesh_id(s, e->member);
	buf_str(&id, end != NULL ? end : "");
	mesh = add_mesh(s, type, id.data, 0);
	buf_free(&id);
	store_do(s, "INSERT INTO edge(grp, member, mesh) VALUES(?, ?, ?)",
	    "iii", e->grp, e->member, mesh);
	return mesh;
}

/* Its own, until both ends are known. */
static int64_t
alone(struct store *s, const struct merge_type *t, int64_t object,
    int64_t stream, const char *id)
{
	sqlite3_stmt *st =
	    store_ask(s, "SELECT pk FROM mesh WHERE minter = ?", "i", object);
	int64_t mesh = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;
	size_t rank = merge_rank(t, stream);
	char name[MESH_ID_LEN + 1];

	store_end(st);
	if (mesh != 0)
		return mesh;
	mesh_id(rank < t->nsources ? t->sources[rank].name : "", "GroupMember",
	    id, name);
	return add_mesh(s, t->pk, name, object);
}

/* Nobody says any more that there is such a membership. */
static void
release(struct store *s, int64_t mesh)
{
	if (mesh == 0)
		return;
	store_do(s,
	    "UPDATE mesh SET state = 'gone' WHERE pk = ?1 AND NOT EXISTS"
	    " (SELECT 1 FROM link WHERE mesh = ?1)",
	    "i", mesh);
	merge_stale(s, mesh, mesh);
}

static int64_t
linked(struct store *s, int64_t object)
{
	sqlite3_stmt *st =
	    store_ask(s, "SELECT mesh FROM link WHERE object = ?", "i", object);
	int64_t mesh = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return mesh;
}

static void
move(struct store *s, int64_t object, int64_t from, int64_t to)
{
	if (to == 0)
		store_do(s, "DELETE FROM link WHERE object = ?", "i", object);
	else if (from != to)
		store_do(s,
		    "INSERT OR REPLACE INTO link(object, mesh, key, run)"
		    " VALUES(?, ?, -1, ?)",
		    "iii", object, to, s->generation);
	if (to != 0) {
		store_do(
		    s, "UPDATE mesh SET state = NULL WHERE pk = ?", "i", to);
		merge_stale(s, to, to);
	}
	if (from != to)
		release(s, from);
}

static void
settle(struct store *s, const struct merge_type *t, int64_t object)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT o.stream, o.id, a.text FROM object o"
	    " LEFT JOIN attrs a ON a.pk = o.pk WHERE o.pk = ?",
	    "i", object);
	int64_t stream = 0, to = 0;
	yyjson_doc *doc = NULL;
	struct buf id = { 0 };
	struct ends e;

	if (store_row(s, st)) {
		const char *text = store_text(st, 2);

		stream = sqlite3_column_int64(st, 0);
		buf_str(&id, store_text(st, 1));
		if (text != NULL)
			doc = yyjson_read(
			    text, strlen(text), YYJSON_READ_NUMBER_AS_RAW);
	}
	store_end(st);
	merge_ref_clear(s, object);
	if (doc != NULL) {
		e = find_ends(s, stream, yyjson_doc_get_root(doc), object);
		to = e.grp != 0 && e.member != 0
			 ? between(s, t->pk, &e)
			 : alone(s, t, object, stream, id.data);
	}
	move(s, object, linked(s, object), to);
	yyjson_doc_free(doc);
	buf_free(&id);
}

int
merge_edges(struct join *j, struct merge *m)
{
	int64_t list[EDGE_CHUNK];
	sqlite3_stmt *st = store_ask(j->store,
	    "SELECT object FROM dirty WHERE type = ? LIMIT ?", "ii", m->edge.pk,
	    (int64_t)EDGE_CHUNK);
	size_t n = 0;

	while (store_row(j->store, st))
		list[n++] = sqlite3_column_int64(st, 0);
	for (size_t i = 0; i < n; i++) {
		settle(j->store, &m->edge, list[i]);
		store_do(j->store,
		    "DELETE FROM dirty WHERE type = ? AND object = ?", "ii",
		    m->edge.pk, list[i]);
	}
	return n > 0;
}
