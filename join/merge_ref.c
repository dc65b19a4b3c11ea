/*
 * merge_ref.c - references between mesh objects, before and after both ends
 * are there.
 *
 * merge_body.c and merge_edge.c note what an object refers to, by stream and
 * id or by a key's value; when the object that is meant moves to another mesh
 * object, merge_commit.c has whoever refers to it made again.
 */

#include "merge_private.h"

#include <stdio.h>

int64_t
merge_ref_find(struct store *s, int64_t stream, const char *id, size_t len)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT iif(o.mesh <> 0, iif(o.gone IS NULL, o.mesh, 0),"
	    " (SELECT l.mesh FROM link l JOIN mesh m ON m.pk = l.mesh"
	    " WHERE l.object = o.pk AND (m.state IS NULL OR"
	    " m.state = 'leaving'))) FROM object o"
	    " WHERE o.stream = ? AND o.id = ?",
	    "is", stream, id, len);
	int64_t mesh = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return mesh;
}

/* All that have the value are one person, or it means nobody. */
static int64_t
find_value(struct store *s, int64_t keydef, const char *value, size_t len)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT min(l.mesh), max(l.mesh) FROM matchkey k"
	    " JOIN object o ON o.pk = k.object"
	    " JOIN link l ON l.object = k.object"
	    " WHERE k.key = ? AND k.value = ? AND o.gone IS NULL"
	    " AND l.mesh <> 0",
	    "is", keydef, value, len);
	int64_t mesh = 0;

	if (store_row(s, st) &&
	    sqlite3_column_int64(st, 0) == sqlite3_column_int64(st, 1))
		mesh = sqlite3_column_int64(st, 0);
	store_end(st);
	return mesh;
}

/* By the values of keys of the type that is meant: the first that somebody
 * has, and all are told to whoever refers. */
static int64_t
resolve_by(
    struct store *s, const struct merge_ref *r, const char *text, size_t len)
{
	struct buf value = { 0 };
	int64_t found = 0;

	for (size_t i = 0; i < r->flow->nby; i++) {
		int k = r->flow->lookups[i];
		int64_t keydef = r->to->keys[k];

		buf_clear(&value);
		policy_normalise(
		    &value, &r->to->policy->keys[k].norms, text, len);
		if (value.len == 0 || keydef == 0)
			continue;
		if (r->object != 0)
			merge_ref_add(
			    s, -keydef, value.data, value.len, r->object);
		if (found == 0)
			found = find_value(s, keydef, value.data, value.len);
	}
	buf_free(&value);
	return found;
}

int64_t
merge_ref_resolve(
    struct store *s, const struct merge_ref *r, const char *text, size_t len)
{
	int64_t stream = merge_sister(s, r->stream, r->flow->ref);
	int64_t mesh = 0, by = 0;

	if (stream != 0 && r->object != 0)
		merge_ref_add(s, stream, text, len, r->object);
	if (stream != 0)
		mesh = merge_ref_find(s, stream, text, len);
	if (mesh == 0 || r->object != 0)
		by = resolve_by(s, r, text, len);
	return mesh != 0 ? mesh : by;
}

const char *
merge_mesh_id(struct store *s, int64_t mesh)
{
	static char id[128];
	sqlite3_stmt *st =
	    store_ask(s, "SELECT id FROM mesh WHERE pk = ?", "i", mesh);
	bool found = mesh != 0 && store_row(s, st);

	if (found)
		snprintf(id, sizeof(id), "%s", store_text(st, 0));
	store_end(st);
	return found ? id : NULL;
}

int64_t
merge_sister(struct store *s, int64_t stream, const char *name)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT b.pk FROM stream a JOIN stream b ON b.source = a.source"
	    " WHERE a.pk = ? AND b.name = ?",
	    "it", stream, name);
	int64_t pk = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return pk;
}

void
merge_ref_add(
    struct store *s, int64_t stream, const char *id, size_t len, int64_t object)
{
	store_do(s,
	    "INSERT OR IGNORE INTO ref(stream, id, object) VALUES(?, ?, ?)",
	    "isi", stream, id, len, object);
}

void
merge_ref_clear(struct store *s, int64_t object)
{
	store_do(s, "DELETE FROM ref WHERE object = ?", "i", object);
}

void
merge_ref_valued(struct store *s, int64_t keydef, const char *value)
{
	store_do(s,
	    "INSERT OR IGNORE INTO stale(grp, mesh) SELECT l.mesh, l.mesh"
	    " FROM ref r JOIN link l ON l.object = r.object"
	    " WHERE r.stream = ? AND r.id = ? AND l.mesh <> 0",
	    "it", -keydef, value);
}

/* Bodies of persons; memberships as a whole. */
void
merge_ref_moved(struct store *s, int64_t object)
{
	store_do(s,
	    "INSERT OR IGNORE INTO stale(grp, mesh) SELECT l.mesh, l.mesh"
	    " FROM object o JOIN ref r ON r.stream = o.stream AND r.id = o.id"
	    " JOIN object x ON x.pk = r.object JOIN stream t ON t.pk = x.stream"
	    " JOIN link l ON l.object = r.object"
	    " WHERE o.pk = ? AND l.mesh <> 0 AND t.name <> 'GroupMember'",
	    "i", object);
	store_do(s,
	    "INSERT OR IGNORE INTO stale(grp, mesh) SELECT l.mesh, l.mesh"
	    " FROM matchkey k JOIN ref r ON r.stream = -k.key AND"
	    " r.id = k.value JOIN link l ON l.object = r.object"
	    " WHERE k.object = ? AND l.mesh <> 0",
	    "i", object);
	store_do(s,
	    "INSERT OR IGNORE INTO dirty(type, object) SELECT y.pk, r.object"
	    " FROM object o JOIN ref r ON r.stream = o.stream AND r.id = o.id"
	    " JOIN object x ON x.pk = r.object"
	    " JOIN stream t ON t.pk = x.stream JOIN type y ON y.name = t.name"
	    " WHERE o.pk = ? AND t.name = 'GroupMember'",
	    "i", object);
}

bool
merge_ref_any(struct store *s)
{
	sqlite3_stmt *st = store_ask(s, "SELECT 1 FROM ref LIMIT 1", "");
	bool any = store_row(s, st) != 0;

	store_end(st);
	return any;
}
