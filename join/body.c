/*
 * body.c - mesh objects as JSON, read from the store when they are sent.
 *
 * outbox.c and `join dump` call it.  A mesh object that is gone by now is a
 * delete, whatever its change-log row said.  Where a join rule merges, the body
 * was made by merge_body.c; else it is what its only contributor has.
 */

#include "outbox.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "mem.h"

/* A name by its primary key, remembered. */
static const char *
name_of(struct store *s, struct names *names, const char *sql, int64_t pk)
{
	size_t at = (size_t)pk;
	sqlite3_stmt *st;

	if (at >= names->n) {
		names->of = xrealloc(names->of, (at + 1) * sizeof(*names->of));
		while (names->n <= at)
			names->of[names->n++] = NULL;
	}
	if (names->of[at] == NULL) {
		st = store_ask(s, sql, "i", pk);
		if (store_row(s, st))
			names->of[at] = xstrdup(store_text(st, 0));
		store_end(st);
	}
	return names->of[at] != NULL ? names->of[at] : "";
}

static const char *
type_name(struct store *s, int64_t pk)
{
	return name_of(s, &s->types, "SELECT name FROM type WHERE pk = ?", pk);
}

/* The source that a stream belongs to. */
static const char *
source_name(struct store *s, int64_t stream)
{
	return name_of(s, &s->sources,
	    "SELECT s.name FROM stream t JOIN source s ON s.pk = t.source"
	    " WHERE t.pk = ?",
	    stream);
}

/* The columns of an object, and where they are. */
#define BODY                                                              \
	"SELECT m.pk, m.type, m.id, coalesce(o.gone, m.state), o.stream," \
	" o.id, coalesce(a.text, b.text), b.contributors, m.leave_at"
#define CONTRIBUTOR                              \
	" LEFT JOIN object o ON o.pk = m.object" \
	" LEFT JOIN attrs a ON a.pk = o.pk"      \
	" LEFT JOIN body b ON b.mesh = m.pk"

/* A person whom no source knows any more, as long as its grace lasts. */
static void
put_state(sqlite3_stmt *st, struct buf *out)
{
	char at[CLOCK_TEXT];

	if (sqlite3_column_type(st, 8) == SQLITE_NULL)
		return;
	msg_str(out, MSG_STATE, store_text(st, 3));
	clock_rfc3339(sqlite3_column_int64(st, 8), at);
	msg_str(out, MSG_LEAVE_AT, at);
}

static void
put(struct store *s, sqlite3_stmt *st, struct buf *out)
{
	const char *source, *merged = store_text(st, 7);

	buf_str(out, ",\"" MSG_OBJECT "\":");
	buf_add(out, sqlite3_column_text(st, 6),
	    (size_t)sqlite3_column_bytes(st, 6));
	if (merged != NULL) {
		msg_raw(out, MSG_CONTRIBUTORS, merged, strlen(merged));
		put_state(st, out);
		return;
	}
	source = source_name(s, sqlite3_column_int64(st, 4));
	buf_str(out, ",\"" MSG_CONTRIBUTORS "\":[");
	/* Two JSON strings without the quotes between them. */
	buf_json(out, source, strlen(source));
	out->data[out->len - 1] = '/';
	size_t at = out->len;
	buf_json(out, store_text(st, 5), (size_t)sqlite3_column_bytes(st, 5));
	memmove(out->data + at, out->data + at + 1, out->len - at);
	out->len--;
	buf_char(out, ']');
}

static void
head(struct store *s, sqlite3_stmt *st, struct buf *out)
{
	buf_str(out, "\"" MSG_TYPE "\":");
	buf_json_str(out, type_name(s, sqlite3_column_int64(st, 1)));
	msg_str(out, MSG_ID, store_text(st, 2));
}

static void
row(struct store *s, sqlite3_stmt *st, const char *changed, struct buf *out)
{
	bool gone = sqlite3_column_type(st, 6) == SQLITE_NULL;

	buf_str(out, gone ? "{\"" MSG_OP "\":\"" MSG_DELETE "\","
			  : "{\"" MSG_OP "\":\"" MSG_PUT "\",");
	head(s, st, out);
	if (gone) {
		msg_str(out, MSG_REASON, store_text(st, 3));
	} else {
		put(s, st, out);
		if (changed != NULL)
			msg_raw(out, MSG_CHANGED, changed, strlen(changed));
	}
	buf_char(out, '}');
}

int64_t
body_changes(struct store *s, int64_t number, size_t n, size_t bytes_max,
    struct buf *out)
{
	sqlite3_stmt *st = store_ask(s,
	    BODY ", c.changed, c.number FROM change c"
		 " JOIN mesh m ON m.pk = c.mesh" CONTRIBUTOR
		 " WHERE c.number > ? ORDER BY c.number LIMIT ?",
	    "ii", number, (int64_t)n);
	bool first = true;

	while (out->len < bytes_max && store_row(s, st)) {
		if (!first)
			buf_char(out, ',');
		first = false;
		row(s, st, store_text(st, 9), out);
		number = sqlite3_column_int64(st, 10);
	}
	store_end(st);
	return number;
}

void
body_object(struct store *s, int64_t mesh, struct buf *out)
{
	sqlite3_stmt *st = store_ask(
	    s, BODY " FROM mesh m" CONTRIBUTOR " WHERE m.pk = ?", "i", mesh);

	if (store_row(s, st)) {
		buf_char(out, '{');
		head(s, st, out);
		put(s, st, out);
		buf_char(out, '}');
	}
	store_end(st);
}

int
body_page(
    struct store *s, int64_t *pk, size_t n, size_t bytes_max, struct buf *out)
{
	sqlite3_stmt *st = store_ask(s,
	    BODY " FROM mesh m" CONTRIBUTOR
		 " WHERE m.pk > ? AND (a.pk IS NOT NULL OR b.mesh IS NOT NULL)"
		 " ORDER BY m.pk LIMIT ?",
	    "ii", *pk, (int64_t)n);
	int rows = 0;

	while (out->len < bytes_max && store_row(s, st)) {
		if (rows++ > 0)
			buf_char(out, ',');
		row(s, st, NULL, out);
		*pk = sqlite3_column_int64(st, 0);
	}
	store_end(st);
	return rows;
}
