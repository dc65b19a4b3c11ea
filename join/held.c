/*
 * held.c - `join held`: what only a human can decide, worst first.
 *
 * Reads what the last merge left; decide.c writes the answers.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "log.h"
#include "msg.h"
#include "opt.h"
#include "report.h"

#define MEMBERS 5 /* that a row shows */

/* Several that say the same of the same object. */
static void
print_members(
    const char *db, const struct conflict *list, size_t n, struct buf *line)
{
	conflict_head(list, n, line);
	report_text(line);
	for (size_t i = 0; i < n && i < MEMBERS; i++) {
		buf_str(line, "          ");
		conflict_member(&list[i], line);
		report_text(line);
	}
	if (n <= MEMBERS)
		return;
	buf_fmt(line, "          and %zu more: ", n - MEMBERS);
	/* Of those that match nobody there is no one to explain. */
	if (strcmp(list->why, "unmatched") == 0)
		buf_fmt(line, "idmesh join held --db %s --json", db);
	else
		buf_fmt(
		    line, "idmesh join explain --db %s %s", db, list->object);
	report_text(line);
}

static void
print_text(
    const char *db, const struct conflict *list, size_t n, const char *last)
{
	struct buf line = { 0 };

	if (last == NULL || strcmp(last, list->why) != 0)
		report_print("%s%s\n", last != NULL ? "\n" : "", list->why);
	buf_str(&line, list->held ? "  held  " : "        ");
	if (n > 1) {
		print_members(db, list, n, &line);
	} else {
		conflict_text(list, &line);
		report_text(&line);
	}
	buf_str(&line, "        ");
	conflict_way_out(list, db, &line);
	if (line.len > 8) {
		if (n > 1)
			buf_str(&line, "; each of the others likewise");
		report_text(&line);
	}
	if (n > MEMBERS && list->place != NULL &&
	    strcmp(list->why, "ambiguous") == 0)
		report_print("        or, when it is nobody's own: add it to "
			     "`except` of the key (%s)\n",
		    list->place);
	buf_free(&line);
}

static void
print_json(const struct conflict *c)
{
	struct buf line = { 0 }, members = { 0 };

	/* The first member has no comma before it. */
	conflict_json(c, &members);
	buf_char(&line, '{');
	buf_str(&line, members.data + 1);
	buf_char(&line, '}');
	report_line(&line);
	buf_free(&members);
	buf_free(&line);
}

static void
print_conflicts(const char *db, int json, const struct conflict *list, size_t n,
    bool stopped)
{
	const char *last = stopped ? "stopped" : NULL;
	size_t to;

	for (size_t i = 0; i < n; i = to) {
		to = i + 1;
		while (!json && to < n && conflict_same(&list[i], &list[to]))
			to++;
		if (json)
			print_json(&list[i]);
		else
			print_text(db, &list[i], to - i, last);
		last = list[i].why;
	}
}

/* A guard has stopped a whole merge: nothing is worse. */
static size_t
print_plans(struct store *s, const char *db, int json)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT p.hash, t.name, p.at, json_extract(p.summary, '$.why'),"
	    " p.summary FROM plan p JOIN type t ON t.pk = p.type"
	    " WHERE p.state = 'stopped' ORDER BY p.pk",
	    "");
	struct buf line = { 0 };
	size_t n = 0;

	while (store_row(s, st)) {
		if (json) {
			buf_str(&line, "{\"why\":\"stopped\"");
			msg_str(&line, "plan", store_text(st, 0));
			msg_str(&line, MSG_TYPE, store_text(st, 1));
			msg_str(&line, MSG_AT, store_text(st, 2));
			msg_raw(&line, "summary", store_text(st, 4),
			    strlen(store_text(st, 4)));
			buf_char(&line, '}');
		} else {
			buf_fmt(&line,
			    "%splan %s of %s\n        %s\n"
			    "        idmesh join plan --db %s %s  # whom it "
			    "touches; if that is right:\n"
			    "        idmesh join approve --db %s %s",
			    n == 0 ? "stopped\n  " : "  ", store_text(st, 0),
			    store_text(st, 1), store_text(st, 3), db,
			    store_text(st, 0), db, store_text(st, 0));
		}
		report_line(&line);
		n++;
	}
	buf_free(&line);
	return n;
}

/* Runs whose leavers a guard holds back. */
static size_t
print_runs(struct store *s, const char *db, int json, size_t before)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT s.name || '/' || r.number, t.name, c.why FROM checkpoint c"
	    " JOIN run r ON r.pk = c.run JOIN source s ON s.pk = r.source"
	    " JOIN stream t ON t.pk = c.stream WHERE c.phase = 'held'"
	    " ORDER BY c.pk",
	    "");
	struct buf line = { 0 };
	size_t n = 0;

	while (store_row(s, st)) {
		if (json) {
			buf_str(&line, "{\"why\":\"stopped\"");
			msg_str(&line, MSG_RUN, store_text(st, 0));
			msg_str(&line, MSG_TYPE, store_text(st, 1));
			msg_str(&line, "summary", store_text(st, 2));
			buf_char(&line, '}');
			report_line(&line);
		} else {
			buf_fmt(&line,
			    "%srun %s of %s\n        %s\n"
			    "        idmesh join plan --db %s %s  # whom it "
			    "touches; if that is right:\n"
			    "        idmesh join approve --db %s %s",
			    n + before == 0 ? "stopped\n  " : "  ",
			    store_text(st, 0), store_text(st, 1),
			    store_text(st, 2), db, store_text(st, 0), db,
			    store_text(st, 0));
			report_text(&line);
		}
		n++;
	}
	buf_free(&line);
	return n;
}

static void
print_summary(struct store *s, size_t conflicts)
{
	sqlite3_stmt *st = store_ask(s, "SELECT count(*) FROM held", "");
	int64_t held = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	if (conflicts == 0 && held == 0)
		report_print("nothing is held, and nothing is to be decided\n");
	else if (held > 0)
		report_print(
		    "\n%lld object%s held, in no person until somebody "
		    "decides or the data is mended\n",
		    (long long)held, held == 1 ? " is" : "s are");
}

int
held_main(int argc, char **argv)
{
	const char *db = NULL, *dir = NULL;
	int json = 0, rc;
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &db, "FILE", "join's database", 0, 0 },
		{ "rules", 0, OPT_TEXT, &dir, "DIR",
		    "folder of the rules ($IDMESH_RULES)", 0, 0 },
		{ "json", 0, OPT_FLAG, &json, NULL, "one JSON object a line", 0,
		    0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh join held",
		.synopsis = "idmesh join held --db FILE [--rules DIR] [--json]",
		.about = "What the merge could not decide, worst first, and "
			 "what to type about it.",
		.options = options,
		.see = "Manual: idmesh-join(1)",
	};
	struct join j = { 0 };
	struct conflict *list;
	size_t n, plans;

	opt_parse(&use, &argc, argv);
	if (db == NULL)
		opt_wrong(&use, "--db is missing");
	j.rules_dir = rules_of(db, dir);
	if (join_load_rules(&j) != 0)
		return EXIT_USAGE;
	rc = store_open(&j.store, db, STORE_READ);
	if (rc == EXIT_DONE) {
		plans = print_plans(j.store, db, json);
		plans += print_runs(j.store, db, json, plans);
		n = conflict_load(j.store, j.rules, 0, &list);
		print_conflicts(db, json, list, n, plans > 0);
		if (!json)
			print_summary(j.store, n + plans);
		conflict_free(list, n);
		rc = report_close(j.store);
	}
	rules_free(j.rules);
	return rc;
}
