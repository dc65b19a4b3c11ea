/*
 * admin.c - subcommands that change the database: begin, watermark, approve.
 *
 * Each is a short transaction, or a row of them, beside a join that may be
 * running; none of them takes the long lock.
 */

#include "join.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "mem.h"
#include "merge.h"
#include "opt.h"
#include "printed.h"
#include "report.h"
#include "run.h"
#include "sweep.h"

static int
print(struct buf *b)
{
	buf_char(b, '\n');
	fwrite(b->data, 1, b->len, stdout);
	return printed_end(EXIT_DONE);
}

/* "okta:contoso", as in the pages. */
static void
check_source(const struct opt_use *use, const char *source)
{
	const char *colon = strchr(source, ':');

	if (colon == NULL || colon == source || colon[1] == '\0' ||
	    strlen(source) > 200)
		opt_wrong(
		    use, "%s is no source; it looks like okta:contoso", source);
}

static int
begin(const char *db, const struct ask *ask)
{
	struct store *s;
	struct why why;
	struct buf out = { 0 };
	int64_t pid;
	int rc = store_open(&s, db, STORE_MAKE);

	if (rc != EXIT_DONE)
		return rc;
	if (store_claimed(s, ask->source, &pid)) {
		log_error("a run of %s is under way in %s (join, process %lld)",
		    ask->source, db, (long long)pid);
		store_close(s);
		return EXIT_TEMPORARY;
	}
	rc = store_begin(s) == 0 ? run_begin(s, ask, &why) : EXIT_TEMPORARY;
	if (rc == EXIT_USAGE)
		log_error("%s", why.text);
	if (rc == EXIT_DONE)
		run_state(s, ask->source, bus_instance(), &out);
	if (rc != EXIT_DONE)
		store_rollback(s);
	else if (store_commit(s) != 0)
		rc = EXIT_TEMPORARY;
	if (rc == EXIT_DONE)
		rc = print(&out);
	buf_free(&out);
	store_close(s);
	return rc;
}

int
admin_begin(int argc, char **argv)
{
	const char *db = NULL, *mode = MSG_AUTO, *streams = NULL;
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &db, "FILE", "join's database", 0, 0 },
		{ "mode", 0, OPT_TEXT, &mode, "MODE",
		    "auto (the default), full or delta", 0, 0 },
		{ "streams", 0, OPT_TEXT, &streams, "LIST",
		    "User,Group,GroupMember", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh join begin",
		.synopsis = "idmesh join begin --db FILE [--mode MODE] "
			    "[--streams LIST] SOURCE",
		.about = "Begins or resumes a run and prints the state that "
			 "fetch --resume reads.",
		.options = options,
		.args_min = 1,
		.args_max = 1,
	};
	struct ask ask = { 0 };
	char *list, *name, *rest;
	int rc;

	opt_parse(&use, &argc, argv);
	if (db == NULL)
		opt_wrong(&use, "--db is missing");
	if (!msg_is_mode(mode))
		opt_wrong(&use, "--mode is auto, full or delta, not %s", mode);
	check_source(&use, argv[1]);
	ask.source = argv[1];
	ask.mode = mode;
	list = rest =
	    xstrdup(streams != NULL ? streams : "User,Group,GroupMember");
	for (name = strsep(&rest, ","); name != NULL;
	     name = strsep(&rest, ",")) {
		if (name[0] == '\0' || ask.n == JOIN_STREAMS_MAX)
			opt_wrong(&use, "--streams %s is no list", streams);
		ask.streams[ask.n++] = name;
	}
	rc = begin(db, &ask);
	free(list);
	return rc;
}

/*
 * One of u, g and m: RFC 3339, null or absent; of a source that goes by links,
 * what was printed.
 */
static void
take_mark(const struct opt_use *use, yyjson_val *v, const char *name, bool link,
    char out[WATERMARK_MAX])
{
	const char *text = yyjson_get_str(v);
	int64_t ms;

	if (yyjson_is_null(v)) {
		out[0] = '\0';
		return;
	}
	if (text == NULL || yyjson_get_len(v) >= WATERMARK_MAX ||
	    (link && strstr(text, " /") == NULL) ||
	    (!link && clock_parse_rfc3339(text, yyjson_get_len(v), &ms) != 0))
		opt_wrong(use,
		    link ? "\"%s\" must be null or what was printed"
			 : "\"%s\" must be null or a time such as "
			   "2026-04-22T08:15:30.000Z",
		    name);
	if (watermark_is_future(text))
		opt_wrong(use,
		    "\"%s\" lies in the future; whatever changes before %s "
		    "would be lost",
		    name, text);
	snprintf(out, WATERMARK_MAX, "%s", text);
}

static void
take_marks(
    const struct opt_use *use, const char *json, bool link, struct marks *m)
{
	/* opt_wrong() ends the process above the document. */
	static yyjson_doc *doc;
	yyjson_val *root, *key, *v;
	size_t i, n;

	doc = yyjson_read(json, strlen(json), 0);
	root = yyjson_doc_get_root(doc);
	if (!yyjson_is_obj(root))
		opt_wrong(
		    use, "%s is not a JSON object like {\"u\":\"..\"}", json);
	yyjson_obj_foreach(root, i, n, key, v)
	{
		if (yyjson_equals_str(key, MSG_MARK_USERS))
			take_mark(use, v, MSG_MARK_USERS, link, m->user);
		else if (yyjson_equals_str(key, MSG_MARK_GROUPS))
			take_mark(use, v, MSG_MARK_GROUPS, link, m->group);
		else if (link && yyjson_equals_str(key, MSG_MARK_MEMBERS))
			take_mark(use, v, MSG_MARK_MEMBERS, link, m->member);
		else
			opt_wrong(use, "a watermark has u and g, not %s",
			    yyjson_get_str(key));
	}
	yyjson_doc_free(doc);
}

static int
watermark(const struct opt_use *use, const char *db, const char *source,
    const char *json)
{
	bool link = strncmp(source, "entra:", 6) == 0;
	struct marks m;
	struct buf out = { 0 };
	struct store *s;
	int rc = store_open(&s, db, json != NULL ? STORE_MAKE : STORE_READ);

	if (rc != EXIT_DONE)
		return rc;
	if (json != NULL && store_begin(s) != 0)
		rc = EXIT_TEMPORARY;
	watermark_read(s, source, &m);
	if (json != NULL && rc == EXIT_DONE) {
		take_marks(use, json, link, &m);
		watermark_write(s, source, &m);
		if (store_commit(s) != 0)
			rc = EXIT_TEMPORARY;
	}
	if (s->failed)
		rc = EXIT_TEMPORARY;
	if (rc == EXIT_DONE && json == NULL) {
		watermark_json(&out, &m);
		rc = print(&out);
	}
	buf_free(&out);
	store_close(s);
	return rc;
}

int
admin_watermark(int argc, char **argv)
{
	const char *db = NULL;
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &db, "FILE", "join's database", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh join watermark",
		.synopsis = "idmesh join watermark --db FILE SOURCE [JSON]",
		.about = "Prints since when a source's changes are read, or "
			 "sets it:\n{\"u\":\"2026-04-22T08:15:30.000Z\","
			 "\"g\":null}",
		.options = options,
		.args_min = 1,
		.args_max = 2,
	};

	opt_parse(&use, &argc, argv);
	if (db == NULL)
		opt_wrong(&use, "--db is missing");
	check_source(&use, argv[1]);
	return watermark(&use, db, argv[1], argc > 2 ? argv[2] : NULL);
}

static bool
is_source(struct store *s, const char *name)
{
	sqlite3_stmt *st =
	    store_ask(s, "SELECT 1 FROM source WHERE name = ?", "t", name);
	bool is = store_row(s, st);

	store_end(st);
	return is;
}

static void
tell_nothing(struct store *s, const char *source, int64_t run)
{
	if (source[0] != '\0' && !is_source(s, source))
		log_error("there is no source %s; a run is RUN or SOURCE/RUN, "
			  "as `idmesh join held --db %s` writes it",
		    source, s->path);
	else
		log_error("no run %lld%s%s holds anything back; see `idmesh "
			  "join held --db %s`",
		    (long long)run, source[0] != '\0' ? " of " : "", source,
		    s->path);
}

/*
 * Turns the held sweeps of a run into decided ones.  -1 when there is no such
 * run, or one of several sources.
 */
static int
release(struct store *s, const char *source, int64_t run)
{
	static const char sql[] = "SELECT count(DISTINCT r.pk) FROM run r"
				  " JOIN source s ON s.pk = r.source"
				  " JOIN checkpoint c ON c.run = r.pk"
				  " WHERE r.number = ?1 AND c.phase = 'held'"
				  " AND (?2 = '' OR s.name = ?2)";
	sqlite3_stmt *st = store_ask(s, sql, "it", run, source);
	int64_t n = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	if (n == 0 && !s->failed)
		tell_nothing(s, source, run);
	if (n > 1)
		log_error("several sources have a run %lld; say "
			  "okta:contoso/%lld",
		    (long long)run, (long long)run);
	if (n != 1)
		return -1;
	store_do(s,
	    "UPDATE checkpoint SET phase = 'sweeping',"
	    " why = 'was held and approved' || CASE WHEN why LIKE 'held: %'"
	    " THEN substr(why, 5, instr(why || ';', ';') - 5) ELSE '' END"
	    " WHERE phase = 'held'"
	    " AND run IN (SELECT r.pk FROM run r"
	    " JOIN source s ON s.pk = r.source"
	    " WHERE r.number = ?1 AND (?2 = '' OR s.name = ?2))",
	    "it", run, source);
	return 0;
}

static int
approve(const char *db, const char *source, int64_t run)
{
	struct join j = { 0 };
	int64_t before;
	int rc = store_open(&j.store, db, STORE_WRITE), left = 1;

	if (rc != EXIT_DONE)
		return rc;
	j.store->let_go = true;
	if (store_begin(j.store) != 0) {
		rc = EXIT_TEMPORARY;
	} else if (release(j.store, source, run) != 0) {
		store_rollback(j.store);
		rc = EXIT_USAGE;
	} else if (store_commit(j.store) != 0) {
		rc = EXIT_TEMPORARY;
	}
	/* Numbers that are taken are left out, not deleted objects. */
	before = j.store->newest;
	if (before < j.store->taken)
		before = j.store->taken;
	while (rc == EXIT_DONE && left > 0)
		left = sweep_chunk(&j);
	if (left < 0)
		rc = EXIT_TEMPORARY;
	if (rc == EXIT_DONE && j.store->newest > before)
		log_info("deleted %lld objects; the next join sends it on",
		    (long long)(j.store->newest - before));
	else if (rc == EXIT_DONE)
		log_info("they are let go; the next join merges what is left "
			 "of the mesh and sends it on");
	store_close(j.store);
	return rc;
}

/* A plan is named by its hash. */
static bool
is_plan(const char *word)
{
	return strlen(word) == 16 &&
	       strspn(word, "0123456789abcdef") == strlen(word);
}

static int
approve_plan(const char *db, const char *rules, const char *plan)
{
	struct join j = { .rules_dir = rules_of(db, rules) };
	int rc = EXIT_USAGE;

	if (join_load_rules(&j) == 0)
		rc = store_open(&j.store, db, STORE_WRITE);
	if (rc == EXIT_DONE)
		rc = merge_prepare(&j);
	if (rc == EXIT_DONE)
		rc = merge_approve(&j, plan);
	merge_free(&j);
	rules_free(j.rules);
	store_close(j.store);
	return rc;
}

int
admin_approve(int argc, char **argv)
{
	const char *db = NULL, *rules = NULL, *slash;
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &db, "FILE", "join's database", 0, 0 },
		{ "rules", 0, OPT_TEXT, &rules, "DIR",
		    "folder of the rules ($IDMESH_RULES), for a plan", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh join approve",
		.synopsis = "idmesh join approve --db FILE RUN\n"
			    "idmesh join approve --db FILE SOURCE/RUN\n"
			    "idmesh join approve --db FILE [--rules DIR] "
			    "PLAN",
		.about = "Lets the sweep of a run or the plan of a merge "
			 "proceed that the guard held back.\n"
			 "`idmesh join plan` says whom a plan touches.  One "
			 "that is wrong needs no\nanswer: mend the source or "
			 "the rule, and run again; nothing was done.",
		.options = options,
		.args_min = 1,
		.args_max = 1,
	};
	char *source, *end;
	int64_t run;
	int rc;

	opt_parse(&use, &argc, argv);
	if (db == NULL)
		opt_wrong(&use, "--db is missing");
	if (is_plan(argv[1]))
		return approve_plan(db, rules, argv[1]);
	slash = strrchr(argv[1], '/');
	run = strtoll(slash != NULL ? slash + 1 : argv[1], &end, 10);
	if (run <= 0 || *end != '\0')
		opt_wrong(&use,
		    "%s names neither a run (3, or okta:contoso/3) nor a plan "
		    "(16 digits of 0-9 and a-f); `idmesh join held --db %s` "
		    "lists what waits",
		    argv[1], db);
	source =
	    xstrndup(argv[1], slash != NULL ? (size_t)(slash - argv[1]) : 0);
	rc = approve(db, source, run);
	free(source);
	return rc;
}
