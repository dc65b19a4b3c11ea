/*
 * project.c - the mesh objects of types without a join rule, and the change
 * log.
 *
 * apply.c and leave.c call it for every object that is new, changed or gone.
 * Without a join rule each object of the connector space is its own mesh
 * object: the mesh row names its only contributor and the body is read from
 * there when it is sent (outbox.c).  Types with a join rule are merge.h's;
 * ids and the change log are the same for both.
 *
 * A mesh id is a UUID of version 8 (RFC 9562 5.8): the XXH3-128 of namespace,
 * source, type and connector id, so that it survives a lost database.
 */

#include "join.h"

#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "clock.h"

/* Never to be changed: every mesh id there is depends on it. */
#define MESH_NAMESPACE "idmesh/mesh/1"
#define CHANGE_KEEP_MS ((int64_t)7 * 24 * 3600 * 1000)

void
mesh_id(const char *source, const char *type, const char *id,
    char out[MESH_ID_LEN + 1])
{
	static const char hex[] = "0123456789abcdef";
	XXH128_canonical_t hash;
	struct buf name = { 0 };
	size_t at = 0;

	/* With their NULs, so that no two names run together. */
	buf_add(&name, MESH_NAMESPACE, sizeof(MESH_NAMESPACE));
	buf_add(&name, source, strlen(source) + 1);
	buf_add(&name, type, strlen(type) + 1);
	buf_add(&name, id, strlen(id) + 1);
	XXH128_canonicalFromHash(&hash, XXH3_128bits(name.data, name.len));
	buf_free(&name);
	hash.digest[6] = (hash.digest[6] & 0x0f) | 0x80;
	hash.digest[8] = (hash.digest[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		out[at++] = hex[hash.digest[i] >> 4];
		out[at++] = hex[hash.digest[i] & 15];
	}
	out[at] = '\0';
}

/* The mesh row of a new object, which is about to be inserted as `object`. */
int64_t
project_add(
    struct store *s, const struct flow *f, const char *id, int64_t object)
{
	char name[MESH_ID_LEN + 1];

	mesh_id(f->source, f->stream, id, name);
	store_do(s, "INSERT INTO mesh(type, id, object) VALUES(?, ?, ?)", "isi",
	    f->type_pk, name, (size_t)MESH_ID_LEN, object);
	return sqlite3_last_insert_rowid(s->db);
}

void
change_add(struct store *s, int64_t mesh, const char *op, const char *changed)
{
	if (s->newest < s->taken)
		s->newest = s->taken;
	store_do(s,
	    "INSERT INTO change(number, mesh, op, changed, at)"
	    " VALUES(?, ?, ?, ?, ?)",
	    "iitti", ++s->newest, mesh, op, changed, clock_wall_ms());
}

/* The last number up to `end` behind which nothing old lies. */
static int64_t
old_until(struct store *s, int64_t end, int64_t before_ms)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT number FROM change WHERE number <= ? AND at >= ?"
	    " ORDER BY number LIMIT 1",
	    "ii", end, before_ms);

	if (store_row(s, st))
		end = sqlite3_column_int64(st, 0) - 1;
	store_end(st);
	return end;
}

/* Drops what is a week old and has been acknowledged by who is connected. */
int64_t
change_prune(struct store *s, int64_t acked, int64_t most)
{
	int64_t before = clock_wall_ms() - CHANGE_KEEP_MS, end, dropped;

	end = s->oldest + most - 1;
	end = old_until(s, end < acked ? end : acked, before);
	dropped = store_do(s, "DELETE FROM change WHERE number <= ?", "i", end);
	if (dropped > 0)
		s->oldest = end + 1;
	return dropped;
}
