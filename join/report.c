/*
 * report.c - subcommands that only read: runs and dump.
 *
 * Tables for people, NDJSON for programs.  dead.c prints through it too.
 */

#include "join.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "opt.h"
#include "outbox.h"
#include "printed.h"
#include "report.h"

int
report_close(struct store *s)
{
	enum exit_code rc = s->failed ? EXIT_TEMPORARY : EXIT_DONE;

	store_close(s);
	return printed_end(rc);
}

void
report_line(struct buf *b)
{
	buf_char(b, '\n');
	fwrite(b->data, 1, b->len, stdout);
	buf_clear(b);
}

static void
write_clean(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		unsigned char next = i + 1 < len ? (unsigned char)s[i + 1] : 0;

		if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
			putchar(' ');
			i++;
		} else if (c == 0x1f) {
			fputs(", ", stdout);
		} else {
			putchar((c < ' ' && c != '\n') || c == 0x7f ? ' ' : c);
		}
	}
}

void
report_print(const char *fmt, ...)
{
	char *text;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	write_clean(text, (size_t)len);
	free(text);
}

void
report_text(struct buf *b)
{
	buf_char(b, '\n');
	write_clean(b->data, b->len);
	buf_clear(b);
}

/* The database from the arguments of a report that takes --db and --json. */
static int
open_report(int argc, char **argv, const struct opt_use *base, struct store **s,
    int *json)
{
	const char *db = NULL;
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &db, "FILE", "join's database", 0, 0 },
		{ "json", 0, OPT_FLAG, json, NULL, "one JSON object a line", 0,
		    0 },
		{ 0 },
	};
	struct opt_use use = *base;

	use.options = options;
	opt_parse(&use, &argc, argv);
	if (db == NULL)
		opt_wrong(&use, "--db is missing");
	return store_open(s, db, STORE_READ);
}

static const char *const count_names[] = { "pages", "records", "added",
	"changed", "same", "gone", "spared", "rejects", "errors" };

#define COUNTS                                                    \
	"c.pages, c.records, c.added, c.changed, c.same, c.gone," \
	" c.spared, c.rejects, c.errors"

static void
json_stream(sqlite3_stmt *st, struct buf *b)
{
	const char *warnings = store_text(st, 3);

	buf_json_str(b, store_text(st, 0));
	buf_str(b, ":{\"mode\":");
	buf_json_str(b, store_text(st, 1));
	buf_str(b, ",\"state\":");
	buf_json_str(b, store_text(st, 2));
	for (int i = 0; i < 9; i++) {
		msg_int(b, count_names[i], sqlite3_column_int64(st, 6 + i));
	}
	if (sqlite3_column_type(st, 15) != SQLITE_NULL)
		msg_bool(b, "certified", sqlite3_column_int(st, 15) != 0);
	msg_str(b, MSG_WATERMARK, store_text(st, 4));
	msg_str(b, MSG_WHY, store_text(st, 5));
	if (warnings != NULL)
		msg_raw(b, MSG_WARNINGS, warnings, strlen(warnings));
	buf_char(b, '}');
}

static void
json_streams(struct store *s, int64_t run, struct buf *b)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT t.name, c.mode, c.phase, c.warnings, c.watermark, c.why,"
	    " " COUNTS ", c.certified FROM checkpoint c"
	    " JOIN stream t ON t.pk = c.stream"
	    " WHERE c.run = ? ORDER BY c.pk",
	    "i", run);
	bool first = true;

	buf_str(b, ",\"" MSG_STREAMS "\":{");
	while (store_row(s, st)) {
		if (!first)
			buf_char(b, ',');
		first = false;
		json_stream(st, b);
	}
	buf_str(b, "}}");
}

/* With the newest run of a source: the plans that a guard holds by now. */
static void
json_stopped(struct store *s, int64_t run, struct buf *b)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT p.hash FROM plan p WHERE p.state = 'stopped'"
	    " AND NOT EXISTS (SELECT 1 FROM run a JOIN run b"
	    " ON b.source = a.source AND b.pk > a.pk WHERE a.pk = ?)"
	    " ORDER BY p.pk",
	    "i", run);
	const char *before = ",\"stopped\":[";

	while (store_row(s, st)) {
		buf_str(b, before);
		buf_json_str(b, store_text(st, 0));
		before = ",";
	}
	if (strcmp(before, ",") == 0)
		buf_char(b, ']');
}

/* With it too: what the source has that is not in the mesh, whoever left it. */
static void
json_left_out(struct store *s, int64_t run, struct buf *b)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT (SELECT count(*) FROM reject j JOIN stream t"
	    " ON t.pk = j.stream"
	    " WHERE t.source = r.source AND j.resolved IS NULL),"
	    " (SELECT count(*) FROM held h JOIN object o ON o.pk = h.object"
	    " JOIN stream t ON t.pk = o.stream WHERE t.source = r.source)"
	    " FROM run r WHERE r.pk = ? AND NOT EXISTS"
	    " (SELECT 1 FROM run n WHERE n.source = r.source AND n.pk > r.pk)",
	    "i", run);

	if (!store_row(s, st))
		return;
	msg_int(b, "dead", sqlite3_column_int64(st, 0));
	msg_int(b, "undecided", sqlite3_column_int64(st, 1));
	store_end(st);
}

/* A run that nobody is working on is not running, whatever its row says. */
static const char *
run_state_word(const char *state)
{
	return strcmp(state, "running") == 0 ? "incomplete" : state;
}

static void
json_runs(struct store *s)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT r.pk, s.name, r.number, r.asked, r.state, r.started,"
	    " r.ended FROM run r JOIN source s ON s.pk = r.source"
	    " ORDER BY r.pk",
	    "");
	struct buf b = { 0 };

	while (store_row(s, st)) {
		buf_str(&b, "{\"" MSG_SOURCE "\":");
		buf_json_str(&b, store_text(st, 1));
		msg_int(&b, MSG_RUN, sqlite3_column_int64(st, 2));
		msg_str(&b, "asked", store_text(st, 3));
		msg_str(&b, "state", run_state_word(store_text(st, 4)));
		msg_str(&b, "started", store_text(st, 5));
		msg_str(&b, "ended", store_text(st, 6));
		json_stopped(s, sqlite3_column_int64(st, 0), &b);
		json_left_out(s, sqlite3_column_int64(st, 0), &b);
		json_streams(s, sqlite3_column_int64(st, 0), &b);
		report_line(&b);
	}
	buf_free(&b);
}

static void
table_runs(struct store *s)
{
	static const char form[] =
	    "%-16s %4s %-20s %-10s %-12s %-5s %6s %8s %8s %8s %8s %6s %6s %6s";
	sqlite3_stmt *st = store_ask(s,
	    "SELECT s.name, r.number, r.started, c.phase, r.state, t.name,"
	    " c.mode, c.why, c.warnings, " COUNTS " FROM run r"
	    " JOIN source s ON s.pk = r.source"
	    " JOIN checkpoint c ON c.run = r.pk"
	    " JOIN stream t ON t.pk = c.stream ORDER BY r.pk, c.pk",
	    "");

	printf(form, "SOURCE", "RUN", "STARTED", "STATE", "STREAM", "MODE",
	    "PAGES", "RECORDS", "NEW", "CHANGED", "SAME", "GONE", "DEAD",
	    "FAILED");
	putchar('\n');
	while (store_row(s, st)) {
		const char *phase = store_text(st, 3), *why = store_text(st, 7),
			   *warnings = store_text(st, 8);
		char started[24];

		if (strcmp(phase, "reading") == 0)
			phase = "incomplete";
		snprintf(started, sizeof(started), "%.19sZ", store_text(st, 2));
		printf(form, store_text(st, 0), store_text(st, 1), started,
		    phase, store_text(st, 5), store_text(st, 6),
		    store_text(st, 9), store_text(st, 10), store_text(st, 11),
		    store_text(st, 12), store_text(st, 13), store_text(st, 14),
		    store_text(st, 16), store_text(st, 17));
		printf("%s%s%s%s\n", why != NULL ? "  " : "",
		    why != NULL ? why : "", warnings != NULL ? "  " : "",
		    warnings != NULL ? warnings : "");
	}
}

int
report_runs(int argc, char **argv)
{
	const struct opt_use use = {
		.name = "idmesh join runs",
		.synopsis = "idmesh join runs --db FILE [--json]",
		.about = "The history of runs, a line for each stream.",
	};
	struct store *s;
	int json = 0, rc = open_report(argc, argv, &use, &s, &json);

	if (rc != EXIT_DONE)
		return rc;
	if (json)
		json_runs(s);
	else
		table_runs(s);
	return report_close(s);
}

int
report_dump(int argc, char **argv)
{
	const struct opt_use use = {
		.name = "idmesh join dump",
		.synopsis = "idmesh join dump --db FILE",
		.about = "The mesh as NDJSON in a canonical order, to compare "
			 "databases.",
	};
	struct store *s;
	struct buf b = { 0 };
	int json = 0, rc = open_report(argc, argv, &use, &s, &json);
	sqlite3_stmt *st;

	if (rc != EXIT_DONE)
		return rc;
	st = store_ask(s,
	    "SELECT m.pk FROM mesh m JOIN type t ON t.pk = m.type"
	    " LEFT JOIN attrs a ON a.pk = m.object"
	    " LEFT JOIN body b ON b.mesh = m.pk"
	    " WHERE a.pk IS NOT NULL OR b.mesh IS NOT NULL"
	    " ORDER BY t.name, m.id",
	    "");
	while (store_row(s, st)) {
		body_object(s, sqlite3_column_int64(st, 0), &b);
		report_line(&b);
	}
	buf_free(&b);
	return report_close(s);
}
