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
#include "merge.h"
#include "raw.h"

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
	raw_gone(s, o->pk);
	if (o->mesh != 0)
		change_add(s, o->mesh, MSG_DELETE, NULL);
	else
		merge_gone(s, o->pk);
	store_do(s,
	    "INSERT OR REPLACE INTO tombstone(pk, number, at)"
	    " VALUES(?, ?, ?)",
	    "iii", o->pk, s->newest, clock_wall_ms());
	f->counts.gone++;
	f->alive--;
}

/* Beside the mark of an older run that is held: each may be approved. */
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
	    "DELETE FROM leaving WHERE generation > 0 AND (pk, generation) IN"
	    " (SELECT l.pk, l.generation FROM leaving l"
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
	/* What came and went is no listing: it is seen as of the run. */
	if (m->partial)
		return;
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
unlisted(struct store *s, int64_t container, int64_t after, struct object *out)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT o.pk, o.mesh FROM container c"
	    " JOIN object o ON o.container = c.pk JOIN seen n ON n.pk = o.pk"
	    " WHERE c.pk = ? AND n.generation < c.listing AND c.unsure = 0"
	    " AND o.pk > ? ORDER BY o.pk",
	    "ii", container, after);
	size_t n = 0;

	while (n < LEAVE_CHUNK && store_row(s, st)) {
		out[n].pk = sqlite3_column_int64(st, 0);
		out[n++].mesh = sqlite3_column_int64(st, 1);
	}
	store_end(st);
	return n;
}

/*
 * Where the group says that it has more members than were listed, those that
 * were not are only marked, and the guard of the stream's end decides.
 */
static void
replace(struct store *s, struct flow *f, int64_t container, bool doubt)
{
	struct object gone[LEAVE_CHUNK];
	enum wait wait = edge_wait(s, f);
	int64_t after = 0;
	size_t n;

	do {
		n = unlisted(s, container, after, gone);
		for (size_t i = 0; i < n; i++) {
			after = gone[i].pk;
			if (doubt)
				leaving_mark(s, f, after, "removed");
			else
				edge_leave(s, f, wait, &gone[i], "removed");
		}
	} while (n == LEAVE_CHUNK);
}

/* Behind a page of the group: on the last one the set is replaced. */
void
container_close(struct store *s, struct flow *f, const struct msg *m,
    int64_t container, bool unsure)
{
	if (unsure)
		store_do(s, "UPDATE container SET unsure = 1 WHERE pk = ?", "i",
		    container);
	if (!m->last)
		return;
	replace(s, f, container, json_get(m->context, MSG_USERS_COUNT) != NULL);
	/* Rejects of members that the group has no more. */
	f->dead -= store_do(s,
	    "UPDATE reject SET resolved = ?, how = 'gone' WHERE stream = ?"
	    " AND container = ? AND resolved IS NULL AND generation <"
	    " (SELECT listing FROM container WHERE pk = ? AND unsure = 0)",
	    "iiii", clock_wall_ms(), f->stream_pk, container, container);
	store_do(s, "UPDATE container SET listing = NULL WHERE pk = ?", "i",
	    container);
}

/* What a page must say for its record to be mapped again. */
static void
reject_header(const struct msg *m, struct buf *out)
{
	buf_str(out, "{\"" MSG_V "\":1");
	msg_str(out, MSG_AT, m->at);
	msg_val(out, MSG_FILTER, m->filter);
	msg_val(out, MSG_KEY, m->key);
	msg_str(out, MSG_EXTERNAL_ID, m->external_id);
	msg_str(out, MSG_REMOVED, m->removed);
	msg_val(out, MSG_CONTEXT, m->context);
	buf_char(out, '}');
}

static bool
reject_open(struct store *s, const struct flow *f, const char *id)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT 1 FROM reject WHERE stream = ? AND id = ?"
	    " AND resolved IS NULL",
	    "it", f->stream_pk, id);
	bool is = store_row(s, st);

	store_end(st);
	return is;
}

/* A letter that there is gets the newest reason; a resolved one begins anew. */
static void
reject_write(struct store *s, const struct flow *f, const struct reject *r,
    const char *id)
{
	struct buf raw = { 0 }, header = { 0 };
	char at[CLOCK_TEXT];

	clock_rfc3339(clock_wall_ms(), at);
	if (json_get(r->bad, MSG_RAW) != NULL)
		json_write(&raw, json_get(r->bad, MSG_RAW));
	reject_header(r->m, &header);
	store_do(s,
	    "INSERT INTO reject(stream, id, stage, code, place, message, raw,"
	    " rules, first_run, last_run, first_at, at, header, generation,"
	    " container) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10,"
	    " ?10, ?11, ?12, nullif(?13, 0)) ON CONFLICT(stream, id) DO UPDATE"
	    " SET first_run = iif(resolved IS NULL, first_run, ?9),"
	    " first_at = iif(resolved IS NULL, first_at, ?10),"
	    " tries = iif(resolved IS NULL, tries, 0), resolved = NULL,"
	    " how = NULL, stage = ?3, code = ?4, place = ?5, message = ?6,"
	    " raw = ?7, rules = ?8, last_run = ?9, at = ?10, header = ?11,"
	    " generation = ?12, container = nullif(?13, 0)",
	    "ittttttt"
	    "ittii",
	    f->stream_pk, id, r->stage, json_text(r->bad, MSG_CODE),
	    json_text(r->bad, MSG_AT), json_text(r->bad, MSG_MESSAGE), raw.data,
	    r->m->rules, f->run, at, header.data, r->generation, r->container);
	buf_free(&raw);
	buf_free(&header);
}

/*
 * Writes a dead letter.  Without an id it is kept under its place, and 0 is
 * returned: the object that it was cannot be marked as seen.
 */
int
reject_put(struct join *j, struct flow *f, const struct reject *r)
{
	char place[64];
	const char *id = r->id, *message = json_text(r->bad, MSG_MESSAGE);
	int known = id != NULL && id[0] != '\0';

	if (!known) {
		snprintf(place, sizeof(place), "page %lld record %lld",
		    (long long)r->m->seq,
		    (long long)json_int(json_get(r->bad, MSG_INDEX), 0));
		id = place;
	}
	f->dead += !reject_open(j->store, f, id);
	reject_write(j->store, f, r, id);
	f->counts.rejects++;
	j->dead = true;
	log_debug("%s %s %s: %s", f->source, f->stream, id,
	    message != NULL ? message : "");
	return known;
}

void
reject_resolve(struct store *s, struct flow *f, const char *id, size_t len,
    const char *how)
{
	f->dead -= store_do(s,
	    "UPDATE reject SET resolved = ?, how = ?, raw = NULL, header = NULL"
	    " WHERE stream = ? AND id = ? AND resolved IS NULL",
	    "itis", clock_wall_ms(), how, f->stream_pk, id, len);
}
