/*
 * raw.c - raw records beside the connector space.
 *
 * apply.c hands over every record, in the page's transaction.  One that is
 * what was kept, from a page that said the same, costs a look; any other is
 * packed and written, also where the rules make nothing of the difference
 * (a login, a count), for what is kept must give what a full run would.
 */

#include "raw.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "json.h"
#include "log.h"
#include "mem.h"

struct raw {
	struct raw_pack *pack; /* owned */
	struct buf page, text, packed, before;
	int64_t page_pk; /* of what `page` says */
	char *page_known; /* owned */
	bool told; /* that records come without */
};

/* The dictionary of no stream says that they are kept. */
static bool
is_kept(struct store *s)
{
	sqlite3_stmt *st =
	    store_ask(s, "SELECT 1 FROM raw_dict WHERE stream = 0", "");
	bool any = store_row(s, st) != 0;

	store_end(st);
	return any;
}

/* The tables of a database that keeps nothing any more. */
static int
empty(struct store *s)
{
	int64_t rows;

	if (!is_kept(s))
		return s->failed ? EXIT_TEMPORARY : EXIT_DONE;
	if (store_begin(s) != 0)
		return EXIT_TEMPORARY;
	rows = store_do(s, "DELETE FROM raw WHERE true", "");
	store_do(s, "DELETE FROM raw_page", "");
	store_do(s, "DELETE FROM raw_dict", "");
	if (store_commit(s) != 0)
		return EXIT_TEMPORARY;
	log_warn("%s: join was started without --keep-raw (keepRaw): the %lld "
		 "raw records that it had kept are deleted",
	    s->path, (long long)rows);
	return EXIT_DONE;
}

static int
mark(struct store *s)
{
	if (store_begin(s) != 0)
		return EXIT_TEMPORARY;
	store_do(s, "INSERT INTO raw_dict(stream, text) VALUES(0, '')", "");
	return store_commit(s) == 0 ? EXIT_DONE : EXIT_TEMPORARY;
}

int
raw_prepare(struct join *j, bool keep)
{
	if (!keep)
		return empty(j->store);
	if (!is_kept(j->store) && mark(j->store) != EXIT_DONE)
		return EXIT_TEMPORARY;
	j->raw = xcalloc(1, sizeof(*j->raw));
	j->raw->pack = raw_pack_new(j->store);
	return EXIT_DONE;
}

void
raw_follow(struct join *j)
{
	if (is_kept(j->store))
		(void)raw_prepare(j, true);
}

void
raw_free(struct raw *r)
{
	if (r == NULL)
		return;
	raw_pack_free(r->pack);
	buf_free(&r->page);
	buf_free(&r->text);
	buf_free(&r->packed);
	buf_free(&r->before);
	free(r->page_known);
	free(r);
}

/* What a page must say for its records to be mapped again, but its time. */
static void
page_text(const struct msg *m, bool partial, struct buf *out)
{
	buf_clear(out);
	buf_str(out, "{\"" MSG_V "\":1");
	msg_val(out, MSG_FILTER, m->filter);
	msg_val(out, MSG_KEY, m->key);
	msg_str(out, MSG_EXTERNAL_ID, m->external_id);
	msg_str(out, MSG_REMOVED, m->removed);
	if (partial)
		msg_val(out, MSG_KEEP, m->keep);
	msg_val(out, MSG_CONTEXT, m->context);
	buf_char(out, '}');
}

/* Its row; the one of the record before is remembered. */
static int64_t
page_row(struct raw *r, struct store *s)
{
	sqlite3_stmt *st;

	if (r->page_known != NULL && strcmp(r->page_known, r->page.data) == 0)
		return r->page_pk;
	store_do(s, "INSERT OR IGNORE INTO raw_page(text) VALUES(?)", "t",
	    r->page.data);
	st = store_ask(
	    s, "SELECT pk FROM raw_page WHERE text = ?", "t", r->page.data);
	if (store_row(s, st))
		r->page_pk = sqlite3_column_int64(st, 0);
	store_end(st);
	free(r->page_known);
	r->page_known = xstrdup(r->page.data);
	return r->page_pk;
}

/* A row that there is. */
struct row {
	int64_t pk, hash, seen; /* seen 0: an object is made of it */
};

static bool
find_row(struct store *s, int64_t stream, const char *id, struct row *row)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT pk, hash, ifnull(seen, 0) FROM raw"
	    " WHERE stream = ? AND id = ?",
	    "it", stream, id);
	bool is = store_row(s, st) != 0;

	*row = (struct row){ 0 };
	if (is)
		*row = (struct row){ sqlite3_column_int64(st, 0),
			sqlite3_column_int64(st, 1),
			sqlite3_column_int64(st, 2) };
	store_end(st);
	return is;
}

static yyjson_doc *
read_before(struct raw *r, struct store *s, int64_t pk)
{
	sqlite3_stmt *st =
	    store_ask(s, "SELECT dict, zstd FROM raw WHERE pk = ?", "i", pk);
	yyjson_doc *doc = NULL;
	const char *end;

	buf_clear(&r->before);
	if (store_row(s, st) &&
	    raw_unpack(r->pack, sqlite3_column_int64(st, 0),
		sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1),
		&r->before) == 0) {
		end = memchr(r->before.data, '\n', r->before.len);
		if (end != NULL)
			doc = yyjson_read(end + 1,
			    (size_t)(r->before.data + r->before.len - end - 1),
			    YYJSON_READ_NUMBER_AS_RAW);
	}
	store_end(st);
	return doc;
}

static bool
is_silent(const struct msg *m, const char *name, size_t len)
{
	yyjson_val *path;
	size_t i, n;

	yyjson_arr_foreach(m->keep, i, n, path)
	{
		if (yyjson_equals_strn(path, name, len))
			return true;
	}
	return false;
}

/*
 * Where a page says only what changed, its record is completed by what was
 * kept, so that it can stand for the object alone.
 */
static void
complete(
    const struct msg *m, yyjson_val *now, yyjson_val *before, struct buf *out)
{
	yyjson_val *key, *value;
	size_t i, n;

	buf_clear(out);
	json_write(out, now);
	out->len--;
	yyjson_obj_foreach(before, i, n, key, value)
	{
		const char *name = yyjson_get_str(key);
		size_t len = yyjson_get_len(key);

		if (!is_silent(m, name, len) ||
		    yyjson_obj_getn(now, name, len) != NULL)
			continue;
		if (out->len > 1)
			buf_char(out, ',');
		buf_json(out, name, len);
		buf_char(out, ':');
		json_write(out, value);
	}
	buf_char(out, '}');
}

/* The record as it is to be kept, in r->text; its page in r->page. */
static void
record_text(struct raw *r, struct store *s, const struct msg *m,
    yyjson_val *raw, const struct row *row, enum raw_fate fate)
{
	yyjson_doc *before = NULL;

	if (m->keep != NULL && row->pk != 0 && fate != RAW_ANEW &&
	    yyjson_is_obj(raw))
		before = read_before(r, s, row->pk);
	page_text(m, before == NULL, &r->page);
	buf_clear(&r->text);
	if (before != NULL)
		complete(m, raw, yyjson_doc_get_root(before), &r->text);
	else
		json_write(&r->text, raw);
	yyjson_doc_free(before);
}

static void
write_row(struct raw *r, struct store *s, const struct msg *m, int64_t stream,
    const char *id, int64_t page, int64_t hash, int64_t dict, int64_t seen)
{
	struct buf *all = &r->before;

	buf_clear(all);
	buf_str(all, m->at != NULL ? m->at : "");
	buf_char(all, '\n');
	buf_add(all, r->text.data, r->text.len);
	buf_clear(&r->packed);
	raw_pack(r->pack, dict, all, &r->packed);
	store_do(s,
	    "INSERT INTO raw(stream, id, page, hash, seen, dict, zstd)"
	    " VALUES(?, ?, ?, ?, nullif(?, 0), ?, ?)"
	    " ON CONFLICT(stream, id) DO UPDATE SET page = excluded.page,"
	    " hash = excluded.hash, seen = excluded.seen,"
	    " dict = excluded.dict, zstd = excluded.zstd",
	    "itiiiib", stream, id, page, hash, seen, dict, r->packed.data,
	    r->packed.len);
}

/* Nothing came: what was kept is not what the object is made of. */
static void
missing(struct raw *r, struct store *s, int64_t stream, const char *id)
{
	if (!r->told)
		log_warn("records come without their raw ones: start transform "
			 "with --keep-raw too");
	r->told = true;
	store_do(
	    s, "DELETE FROM raw WHERE stream = ? AND id = ?", "it", stream, id);
}

void
raw_put(struct join *j, const struct flow *f, const struct msg *m,
    yyjson_val *record, enum raw_fate fate)
{
	yyjson_val *raw = json_get(record, MSG_RAW);
	const char *id = json_text(record, MSG_ID);
	int64_t seen = fate == RAW_OUT ? f->generation : 0, hash, page;
	struct raw *r = j->raw;
	struct row row;

	if (r == NULL)
		return;
	if (raw == NULL) {
		missing(r, j->store, f->stream_pk, id);
		return;
	}
	find_row(j->store, f->stream_pk, id, &row);
	record_text(r, j->store, m, raw, &row, fate);
	page = page_row(r, j->store);
	hash = (int64_t)XXH3_64bits_withSeed(
	    r->text.data, r->text.len, (XXH64_hash_t)page);
	if (row.pk == 0 || row.hash != hash || fate == RAW_MADE ||
	    fate == RAW_ANEW)
		write_row(r, j->store, m, f->stream_pk, id, page, hash,
		    raw_pack_dict(r->pack, f->stream_pk, raw), seen);
	else if (row.seen != seen)
		store_do(j->store,
		    "UPDATE raw SET seen = nullif(?, 0) WHERE pk = ?", "ii",
		    seen, row.pk);
}

void
raw_gone(struct store *s, int64_t object)
{
	store_do(s,
	    "DELETE FROM raw WHERE pk IN (SELECT r.pk FROM object o"
	    " JOIN raw r ON r.stream = o.stream AND r.id = o.id"
	    " WHERE o.pk = ? AND r.seen IS NULL)",
	    "i", object);
}

void
raw_forget(struct join *j, const struct flow *f)
{
	if (j->raw == NULL)
		return;
	store_do(j->store,
	    "DELETE FROM raw WHERE stream = ?1 AND seen < ?2 AND NOT EXISTS"
	    " (SELECT 1 FROM object o WHERE o.stream = ?1 AND o.id = raw.id"
	    " AND o.gone IS NULL)",
	    "ii", f->stream_pk, f->generation);
	store_do(j->store,
	    "DELETE FROM raw_page WHERE NOT EXISTS"
	    " (SELECT 1 FROM raw r WHERE r.page = raw_page.pk)",
	    "");
	free(j->raw->page_known);
	j->raw->page_known = NULL;
}
