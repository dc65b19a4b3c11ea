/*
 * dead.c - `idmesh join dead`: records that became none, and why.
 *
 * A table for people, NDJSON for programs; with --retry they are mapped again
 * by today's rules (retry.c).  Raw records hold personal data: the table
 * shows them only when it is asked to.
 */

#include "join.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "opt.h"
#include "report.h"

/* The columns of a letter, as both forms print them. */
enum column {
	SOURCE,
	STREAM,
	ID,
	STAGE,
	CODE,
	AT,
	MESSAGE,
	FIRST_RUN,
	LAST_RUN,
	FIRST_TIME,
	TIME,
	TRIES,
	RULES,
	RAW,
	COLUMNS
};

static const struct {
	const char *name;
	bool number;
} columns[COLUMNS] = {
	[SOURCE] = { MSG_SOURCE, false },
	[STREAM] = { MSG_STREAM, false },
	[ID] = { MSG_ID, false },
	[STAGE] = { "stage", false },
	[CODE] = { MSG_CODE, false },
	[AT] = { MSG_AT, false },
	[MESSAGE] = { MSG_MESSAGE, false },
	[FIRST_RUN] = { "firstRun", true },
	[LAST_RUN] = { "lastRun", true },
	[FIRST_TIME] = { "firstTime", false },
	[TIME] = { "time", false },
	[TRIES] = { "tries", true },
	[RULES] = { MSG_RULES, false },
	[RAW] = { MSG_RAW, false },
};

/* Of the ids that were named, or of all when none was. */
bool
dead_named(const struct dead_filter *f, const char *id)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->ids[i], id) == 0)
			return true;
	return f->n == 0;
}

static void
json_row(sqlite3_stmt *st, struct buf *b)
{
	for (int i = 0; i < COLUMNS; i++) {
		const char *text = store_text(st, i);

		buf_char(b, i == 0 ? '{' : ',');
		buf_json_str(b, columns[i].name);
		buf_char(b, ':');
		if (columns[i].number)
			buf_int(b, sqlite3_column_int64(st, i));
		else if (i == RAW)
			buf_str(b, text != NULL ? text : "null");
		else
			buf_json_str(b, text);
	}
	buf_char(b, '}');
	report_line(b);
}

static const char form[] = "%-16s %-12s %-24s %-10s %5s %5s %-21s %s%s%s\n";

static void
table_row(sqlite3_stmt *st, bool raw)
{
	const char *at = store_text(st, AT), *why = store_text(st, MESSAGE);
	const char *text = store_text(st, RAW), *first;
	char since[24];
	bool placed = at != NULL && at[0] != '\0';

	first = store_text(st, FIRST_TIME);
	snprintf(since, sizeof(since), "%.19sZ",
	    first != NULL ? first : store_text(st, TIME));
	report_print(form, store_text(st, SOURCE), store_text(st, STREAM),
	    store_text(st, ID), store_text(st, STAGE), store_text(st, LAST_RUN),
	    store_text(st, TRIES), since, placed ? at : "", placed ? ": " : "",
	    why != NULL ? why : "");
	if (raw)
		report_print("  %s\n", text != NULL ? text : "(not kept)");
}

static int
list(const struct dead_filter *f, bool json, bool raw)
{
	struct store *s;
	struct buf b = { 0 };
	sqlite3_stmt *st;
	int rc = store_open(&s, f->db, STORE_READ);

	if (rc != EXIT_DONE)
		return rc;
	st = store_ask(s,
	    "SELECT s.name, t.name, x.id, x.stage, x.code, x.place, x.message,"
	    " x.first_run, x.last_run, x.first_at, x.at, x.tries, x.rules,"
	    " x.raw FROM reject x"
	    " JOIN stream t ON t.pk = x.stream JOIN source s ON s.pk = t.source"
	    " WHERE x.resolved IS NULL AND ifnull(?1, s.name) = s.name"
	    " AND ifnull(?2, t.name) = t.name ORDER BY s.name, t.name, x.pk",
	    "tt", f->source, f->stream);
	if (!json)
		report_print(form, "SOURCE", "STREAM", "ID", "STAGE", "RUN",
		    "TRIES", "SINCE", "REASON", "", "");
	while (store_row(s, st)) {
		if (!dead_named(f, store_text(st, ID)))
			continue;
		if (json)
			json_row(st, &b);
		else
			table_row(st, raw);
	}
	buf_free(&b);
	return report_close(s);
}

int
dead_main(int argc, char **argv)
{
	struct dead_filter f = { 0 };
	int json = 0, raw = 0, retry = 0;
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &f.db, "FILE", "join's database", 0, 0 },
		{ "json", 0, OPT_FLAG, &json, NULL,
		    "one JSON object a line, with the raw record", 0, 0 },
		{ "raw", 0, OPT_FLAG, &raw, NULL,
		    "the raw records in the table too", 0, 0 },
		{ "source", 0, OPT_TEXT, &f.source, "SOURCE",
		    "only those of okta:contoso", 0, 0 },
		{ "stream", 0, OPT_TEXT, &f.stream, "STREAM",
		    "only those of User, Group, ...", 0, 0 },
		{ "retry", 0, OPT_FLAG, &retry, NULL,
		    "map them again and apply what comes right", 0, 0 },
		{ "rules", 0, OPT_TEXT, &f.rules, "DIR",
		    "folder of the rules ($IDMESH_RULES)", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh join dead",
		.synopsis = "idmesh join dead --db FILE [--json] [--raw] "
			    "[ID]...\n"
			    "idmesh join dead --retry --db FILE [--rules DIR] "
			    "[ID]...",
		.about = "Dead letters: what was rejected, at which stage and "
			 "why.\nAn object is tried again whenever it comes, "
			 "and with --retry now.",
		.options = options,
		.see = "Manual: idmesh-join(1)",
		.args_max = SIZE_MAX,
	};

	opt_parse(&use, &argc, argv);
	if (f.db == NULL)
		opt_wrong(&use, "--db is missing");
	if (f.rules != NULL && !retry)
		opt_wrong(&use, "--rules is for --retry");
	if (retry && (json || raw))
		opt_wrong(&use, "--retry does not print letters");
	f.ids = argv + 1;
	f.n = (size_t)argc - 1;
	f.rules = rules_of(f.db, f.rules);
	return retry ? dead_retry(&f) : list(&f, json != 0, raw != 0);
}
