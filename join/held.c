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

static void
print_text(const char *db, const struct conflict *c, const char *last)
{
	struct buf line = { 0 };

	if (last == NULL || strcmp(last, c->why) != 0)
		report_print("%s%s\n", last != NULL ? "\n" : "", c->why);
	buf_str(&line, c->held ? "  held  " : "        ");
	conflict_text(c, &line);
	report_text(&line);
	buf_str(&line, "        ");
	conflict_way_out(c, db, &line);
	if (line.len > 8)
		report_text(&line);
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
			    "        idmesh join approve --db %s %s",
			    n + before == 0 ? "stopped\n  " : "  ",
			    store_text(st, 0), store_text(st, 1),
			    store_text(st, 2), db, store_text(st, 0));
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
		for (size_t i = 0; i < n; i++) {
			if (json)
				print_json(&list[i]);
			else
				print_text(db, &list[i],
				    i > 0       ? list[i - 1].why
				    : plans > 0 ? "stopped"
						: NULL);
		}
		if (!json)
			print_summary(j.store, n + plans);
		conflict_free(list, n);
		rc = report_close(j.store);
	}
	rules_free(j.rules);
	return rc;
}
