/*
 * leave.c - objects that leave or are marked to, members that a group no longer
 * lists, and records that were rejected.
 *
 * apply.c and sweep.c call it inside their transaction.  A listing of a
 * group's members is a generation of its own: when its last page is in, the
 * members that were not in it leave in the same transaction.
 */

#include "join.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "leave.h"
#include "log.h"

#define LEAVE_CHUNK 512

int
object_find(struct store *s, int64_t stream_pk, const char *id, size_t len,
    struct object *o)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT pk, mesh, gone IS NULL, hash FROM object"
	    " WHERE stream = ? AND id = ?",
	    "is", stream_pk, id, len);

	if (!store_row(s, st))
		return 0;
	*o = (struct object){
		.pk = sqlite3_column_int64(st, 0),
		.mesh = sqlite3_column_int64(st, 1),
		.living = sqlite3_column_int(st, 2) != 0,
	};
	if (sqlite3_column_bytes(st, 3) == sizeof(o->hash))
		memcpy(o->hash, sqlite3_column_blob(st, 3), sizeof(o->hash));
	store_end(st);
	return 1;
}

void
object_leave(
    struct store *s, struct flow *f, const struct object *o, const char *why)
{
	store_do(s, "UPDATE object SET gone = ?, hash = NULL WHERE pk = ?",
	    "ti", why, o->pk);
	store_do(s, "DELETE FROM attrs WHERE pk = ?", "i", o->pk);
	store_do(s, "DELETE FROM seen WHERE pk = ?", "i", o->pk);
	store_do(s, "DELETE FROM leaving WHERE pk = ?", "i", o->pk);
	change_add(s, o->mesh, MSG_DELETE, NULL);
	f->counts.gone++;
	f->alive--;
}

/* The first mark stays: an older run that is held still owns it. */
void
leaving_mark(struct store *s, struct flow *f, int64_t pk, const char *why)
{
	store_do(s,
	    "INSERT OR IGNORE INTO leaving(pk, reason, generation)"
	    " VALUES(?, ?, ?)",
	    "iti", pk, why, f->generation);
	f->leaving = true;
}

void
leaving_clear(struct store *s, const struct flow *f, int64_t pk)
{
	if (f->leaving)
		store_do(s, "DELETE FROM leaving WHERE pk = ?", "i", pk);
}

void
leaving_forget(struct store *s, int64_t source)
{
	store_do(s,
	    "DELETE FROM leaving WHERE pk IN (SELECT l.pk FROM leaving l"
	    " JOIN object o ON o.pk = l.pk JOIN stream t ON t.pk = o.stream"
	    " WHERE t.source = ?1 AND (o.stream, l.generation) NOT IN"
	    " (SELECT c.stream, r.generation FROM run r"
	    " JOIN checkpoint c ON c.run = r.pk WHERE r.source = ?1"
	    " AND c.phase IN ('held', 'sweeping')))",
	    "i", source);
}

static int64_t
container_row(
    struct store *s, const struct flow *f, const char *id, int64_t *listing)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT pk, listing FROM container WHERE stream = ? AND id = ?",
	    "it", f->stream_pk, id);
	int64_t pk = 0;

	*listing = 0;
	if (store_row(s, st)) {
		pk = sqlite3_column_int64(st, 0);
		*listing = sqlite3_column_int64(st, 1);
	}
	store_end(st);
	if (pk != 0)
		return pk;
	store_do(s, "INSERT INTO container(stream, id) VALUES(?, ?)", "it",
	    f->stream_pk, id);
	return sqlite3_last_insert_rowid(s->db);
}

/* The group of a page of members and the generation of its listing. */
void
container_open(struct store *s, const struct flow *f, const struct msg *m,
    int64_t *container, int64_t *generation)
{
	const char *id = json_text(m->context, MSG_GROUP_ID);
	int64_t listing;

	if (id == NULL)
		return;
	*container = container_row(s, f, id, &listing);
	if (listing == 0) {
		listing = ++s->generation;
		store_do(s,
		    "UPDATE container SET listing = ?, unsure = 0"
		    " WHERE pk = ?",
		    "ii", listing, *container);
	}
	*generation = listing;
}

/* Members of the group that its listing did not have; at most LEAVE_CHUNK. */
static size_t
unlisted(struct store *s, int64_t container, struct object *out)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT o.pk, o.mesh FROM container c"
	    " JOIN object o ON o.container = c.pk JOIN seen n ON n.pk = o.pk"
	    " WHERE c.pk = ? AND n.generation < c.listing AND c.unsure = 0",
	    "i", container);
	size_t n = 0;

	while (n < LEAVE_CHUNK && store_row(s, st)) {
		out[n].pk = sqlite3_column_int64(st, 0);
		out[n++].mesh = sqlite3_column_int64(st, 1);
	}
	store_end(st);
	return n;
}

/* Behind a page of the group: on the last one the set is replaced. */
void
container_close(struct store *s, struct flow *f, const struct msg *m,
    int64_t container, bool unsure)
{
	struct object gone[LEAVE_CHUNK];
	size_t n;

	if (unsure)
		store_do(s, "UPDATE container SET unsure = 1 WHERE pk = ?", "i",
		    container);
	if (!m->last)
		return;
	do {
		n = unlisted(s, container, gone);
		for (size_t i = 0; i < n; i++)
			object_leave(s, f, &gone[i], "removed");
	} while (n == LEAVE_CHUNK);
	store_do(s, "UPDATE container SET listing = NULL WHERE pk = ?", "i",
	    container);
}

static void
reject_row(struct join *j, struct flow *f, const struct msg *m, yyjson_val *bad,
    const char *id, const char *stage)
{
	char at[CLOCK_TEXT];
	const char *code = json_text(bad, MSG_CODE), *place;
	const char *message = json_text(bad, MSG_MESSAGE);
	struct buf raw = { 0 };
	int64_t rows;

	clock_rfc3339(clock_wall_ms(), at);
	place = json_text(bad, MSG_AT);
	if (json_get(bad, MSG_RAW) != NULL)
		json_write(&raw, json_get(bad, MSG_RAW));
	rows = store_do(j->store,
	    "UPDATE reject SET stage = ?, code = ?, place = ?, message = ?,"
	    " raw = ?, rules = ?, last_run = ?, at = ?"
	    " WHERE stream = ? AND id = ?",
	    "ttttttitit", stage, code, place, message, raw.data, m->rules,
	    f->run, at, f->stream_pk, id);
	if (rows == 0) {
		store_do(j->store,
		    "INSERT INTO reject(stage, code, place, message, raw,"
		    " rules, first_run, last_run, at, stream, id)"
		    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		    "ttttttiitit", stage, code, place, message, raw.data,
		    m->rules, f->run, f->run, at, f->stream_pk, id);
		f->dead++;
	}
	buf_free(&raw);
}

/*
 * Writes a dead letter.  Without an id it is kept under its place, and 0 is
 * returned: the object that it was cannot be marked as seen.
 */
int
reject_put(struct join *j, struct flow *f, const struct msg *m, yyjson_val *bad,
    const char *id, const char *stage)
{
	char place[64];
	int known = id != NULL && id[0] != '\0';

	if (!known) {
		snprintf(place, sizeof(place), "page %lld record %lld",
		    (long long)m->seq,
		    (long long)json_int(json_get(bad, MSG_INDEX), 0));
		id = place;
	}
	reject_row(j, f, m, bad, id, stage);
	f->counts.rejects++;
	j->dead = true;
	log_debug("%s %s %s: %s", f->source, f->stream, id,
	    json_text(bad, MSG_MESSAGE) != NULL ? json_text(bad, MSG_MESSAGE)
						: "");
	return known;
}
