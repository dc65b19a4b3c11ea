/*
 * replay.c - kept raw records become the pages that fetch once sent.
 *
 * `join replay` prints them, so that transform and join can make the mesh
 * again without a call to any API; `join diff` feeds new rules with them.
 * Records that came in one page, or at one time and with one header, share a
 * page; those that are dead letters come last, for they came last.  Pages
 * without a run of their own: join begins one.
 */

#include "diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "opt.h"
#include "raw.h"
#include "report.h"

#define REPLAY_RECORDS 200
#define REPLAY_BYTES ((size_t)4 << 20)

struct line {
	int64_t stream;
	char *source, *name; /* owned */
};

enum phase { REPLAY_RAW, REPLAY_LETTERS, REPLAY_END };

struct replay {
	struct store *s;
	struct raw_pack *pack; /* owned */
	const char *mode;
	struct line *lines; /* owned */
	size_t n, at;
	enum phase phase;
	sqlite3_stmt *rows; /* of the phase; NULL: not asked yet */
	bool there; /* a row was read that is in no page yet */
	bool over; /* the last one was */
	int64_t seq, pages, records;
	int64_t page; /* of the rows that were read */
	struct buf text, time, list, header;
};

static void
read_lines(struct replay *r, const char *source, const char *stream)
{
	sqlite3_stmt *st = store_ask(r->s,
	    "SELECT t.pk, s.name, t.name FROM stream t"
	    " JOIN source s ON s.pk = t.source"
	    " WHERE ifnull(?1, s.name) = s.name AND ifnull(?2, t.name) = t.name"
	    " AND (EXISTS (SELECT 1 FROM raw r WHERE r.stream = t.pk)"
	    " OR EXISTS (SELECT 1 FROM reject x WHERE x.stream = t.pk"
	    " AND x.resolved IS NULL AND x.raw IS NOT NULL"
	    " AND x.stage <> 'join')) ORDER BY s.name, t.pk",
	    "tt", source, stream);

	while (store_row(r->s, st)) {
		r->lines = xrealloc(r->lines, (r->n + 1) * sizeof(*r->lines));
		r->lines[r->n++] = (struct line){ sqlite3_column_int64(st, 0),
			xstrdup(store_text(st, 1)),
			xstrdup(store_text(st, 2)) };
	}
}

struct replay *
replay_new(
    struct store *s, const char *mode, const char *source, const char *stream)
{
	struct replay *r = xcalloc(1, sizeof(*r));

	r->s = s;
	r->mode = mode;
	r->pack = raw_pack_new(s);
	read_lines(r, source, stream);
	return r;
}

void
replay_free(struct replay *r)
{
	if (r == NULL)
		return;
	store_end(r->rows);
	for (size_t i = 0; i < r->n; i++) {
		free(r->lines[i].source);
		free(r->lines[i].name);
	}
	free(r->lines);
	raw_pack_free(r->pack);
	buf_free(&r->text);
	buf_free(&r->time);
	buf_free(&r->list);
	buf_free(&r->header);
	free(r);
}

/* The next row of the phase in text (time, newline, record) and page. */
static bool
next_raw(struct replay *r)
{
	const struct line *l = &r->lines[r->at];

	if (r->rows == NULL)
		r->rows = store_ask(r->s,
		    "SELECT page, dict, zstd, id FROM raw INDEXED BY "
		    "raw_of_page"
		    " WHERE stream = ? ORDER BY page, pk",
		    "i", l->stream);
	for (;;) {
		if (r->over || !store_row(r->s, r->rows)) {
			r->over = true;
			return false;
		}
		buf_clear(&r->text);
		if (raw_unpack(r->pack, sqlite3_column_int64(r->rows, 1),
			sqlite3_column_blob(r->rows, 2),
			(size_t)sqlite3_column_bytes(r->rows, 2),
			&r->text) == 0 &&
		    memchr(r->text.data, '\n', r->text.len) != NULL)
			break;
		log_warn("%s %s %s: its raw record is damaged and left out",
		    l->source, l->name, store_text(r->rows, 3));
	}
	r->page = sqlite3_column_int64(r->rows, 0);
	return true;
}

static void
read_header(struct replay *r, int64_t page)
{
	sqlite3_stmt *st = store_ask(
	    r->s, "SELECT text FROM raw_page WHERE pk = ?", "i", page);

	buf_clear(&r->header);
	if (store_row(r->s, st))
		buf_str(&r->header, store_text(st, 0));
	store_end(st);
}

/* Its members but `v` with which it begins, like every message. */
static void
add_header(const struct buf *header, struct buf *out)
{
	static const char begin[] = "{\"" MSG_V "\":1";
	size_t skip = sizeof(begin) - 1;

	if (header->len > skip + 1)
		buf_add(out, header->data + skip, header->len - skip - 1);
}

static void
write_page(struct replay *r, const char *at, size_t n, struct buf *out)
{
	const struct line *l = &r->lines[r->at];

	msg_open(out, MSG_PAGE);
	msg_address(out, l->source, l->name, 0, 0);
	msg_int(out, MSG_SEQ, ++r->seq);
	msg_int(out, MSG_N, (int64_t)n);
	msg_str(out, MSG_MODE, r->mode);
	if (at != NULL && at[0] != '\0')
		msg_str(out, MSG_AT, at);
	add_header(&r->header, out);
	msg_raw(out, MSG_RECORDS, "[", 1);
	buf_add(out, r->list.data, r->list.len);
	buf_char(out, ']');
	msg_close(out);
	buf_char(out, '\n');
	r->pages++;
	r->records += (int64_t)n;
}

/* Is the row that was read of the page that is being filled? */
static bool
fits(const struct replay *r, int64_t page, size_t n)
{
	size_t time = r->time.len;

	return r->page == page && n < REPLAY_RECORDS &&
	       r->list.len + r->text.len < REPLAY_BYTES && r->text.len > time &&
	       r->text.data[time] == '\n' &&
	       memcmp(r->text.data, r->time.data, time) == 0;
}

/* A page of rows that belong together; false when there are no more. */
static bool
raw_page(struct replay *r, struct buf *out)
{
	int64_t page;
	size_t n = 0;

	if (!r->there && !next_raw(r))
		return false;
	page = r->page;
	buf_clear(&r->list);
	buf_clear(&r->time);
	buf_add(&r->time, r->text.data,
	    (size_t)((char *)memchr(r->text.data, '\n', r->text.len) -
		     r->text.data));
	do {
		if (n++ > 0)
			buf_char(&r->list, ',');
		buf_add(&r->list, r->text.data + r->time.len + 1,
		    r->text.len - r->time.len - 1);
		r->there = next_raw(r);
	} while (r->there && fits(r, page, n));
	read_header(r, page);
	write_page(r, r->time.data, n, out);
	return true;
}

static bool
letter_page(struct replay *r, struct buf *out)
{
	const char *header;

	if (r->rows == NULL)
		r->rows = store_ask(r->s,
		    "SELECT raw, header FROM reject WHERE stream = ?"
		    " AND resolved IS NULL AND raw IS NOT NULL"
		    " AND stage <> 'join' ORDER BY pk",
		    "i", r->lines[r->at].stream);
	if (!store_row(r->s, r->rows))
		return false;
	buf_clear(&r->list);
	buf_str(&r->list, store_text(r->rows, 0));
	buf_clear(&r->header);
	header = store_text(r->rows, 1);
	if (header != NULL)
		buf_str(&r->header, header);
	/* Its header has the time. */
	write_page(r, NULL, 1, out);
	return true;
}

static void
write_end(struct replay *r, struct buf *out)
{
	const struct line *l = &r->lines[r->at];

	msg_open(out, MSG_END);
	msg_address(out, l->source, l->name, 0, 0);
	msg_int(out, MSG_SEQ, ++r->seq);
	msg_int(out, MSG_N, r->records);
	msg_str(out, MSG_MODE, r->mode);
	if (r->time.len > 0)
		msg_str(out, MSG_AT, r->time.data);
	msg_bool(out, MSG_COMPLETE, true);
	msg_int(out, MSG_PAGES, r->pages);
	msg_close(out);
	buf_char(out, '\n');
}

static void
next_phase(struct replay *r)
{
	store_end(r->rows);
	r->rows = NULL;
	r->there = r->over = false;
	if (r->phase != REPLAY_END) {
		r->phase++;
		return;
	}
	r->phase = REPLAY_RAW;
	r->seq = r->pages = r->records = 0;
	r->at++;
}

int
replay_next(struct replay *r, struct buf *out)
{
	while (r->at < r->n && !r->s->failed) {
		bool wrote = false;

		switch (r->phase) {
		case REPLAY_RAW:
			wrote = raw_page(r, out);
			break;
		case REPLAY_LETTERS:
			wrote = letter_page(r, out);
			break;
		case REPLAY_END:
			write_end(r, out);
			next_phase(r);
			return 1;
		}
		if (wrote)
			return 1;
		next_phase(r);
	}
	return 0;
}

static int
print_all(struct store *s, const char *source, const char *stream)
{
	struct replay *r;
	struct buf out = { 0 };
	size_t n;

	store_do(s, "BEGIN", "");
	r = replay_new(s, MSG_FULL, source, stream);
	n = r->n;
	while (replay_next(r, &out) != 0) {
		if (fwrite(out.data, 1, out.len, stdout) != out.len)
			break;
		buf_clear(&out);
	}
	buf_free(&out);
	replay_free(r);
	store_do(s, "COMMIT", "");
	if (n > 0)
		return report_close(s);
	log_error("%s has no raw records: run with keepRaw (in a pipe "
		  "--keep-raw), in full once",
	    s->path);
	store_close(s);
	return EXIT_USAGE;
}

int
replay_main(int argc, char **argv)
{
	const char *db = NULL, *source = NULL, *stream = NULL;
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &db, "FILE", "join's database", 0, 0 },
		{ "source", 0, OPT_TEXT, &source, "SOURCE",
		    "only those of okta:contoso", 0, 0 },
		{ "stream", 0, OPT_TEXT, &stream, "STREAM",
		    "only those of User, Group, ...", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh join replay",
		.synopsis = "idmesh join replay --db FILE [--source SOURCE] "
			    "[--stream STREAM]",
		.about = "The raw records that --keep-raw kept, as the pages "
			 "that fetch would send.",
		.options = options,
		.see = "Manual: idmesh-join(1)",
	};
	struct store *s;
	int rc;

	opt_parse(&use, &argc, argv);
	if (db == NULL)
		opt_wrong(&use, "--db is missing");
	rc = store_open(&s, db, STORE_READ);
	return rc == EXIT_DONE ? print_all(s, source, stream) : rc;
}
