/*
 * decide.c - `join decide`: what an operator says about who is who.
 *
 * A decision is a row, kept for ever with who and why, and undone by a mark.
 * It takes effect with the next merge: at once when no join is at work on the
 * database, else when that one's streams end.
 */

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "explain.h"
#include "join.h"
#include "log.h"
#include "mem.h"
#include "merge.h"
#include "msg.h"
#include "opt.h"
#include "report.h"
#include "standing.h"

struct deciding {
	const char *db, *who, *why;
	int64_t undo;
	int list, json;
	const char *verb, *a, *b; /* b NULL for alone */
	int64_t told; /* the decision that came of it */
	bool living; /* joins two that are there */
};

/* One object that a decision names. */
struct named {
	int64_t object, type, source;
	bool gone;
	const struct policy *policy; /* of its type, NULL: no join rule */
};

static const char *
whoami(void)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *pw;

	if (sudo != NULL && sudo[0] != '\0')
		return sudo;
	pw = getpwuid(getuid());
	return pw != NULL ? pw->pw_name : "somebody";
}

static int
look_up(struct join *j, const char *name, struct named *n)
{
	struct store *s = j->store;
	sqlite3_stmt *st;

	*n = (struct named){ .object = find_object(s, name) };
	st = store_ask(s,
	    "SELECT y.pk, t.source, o.gone IS NOT NULL, y.name FROM object o"
	    " JOIN stream t ON t.pk = o.stream JOIN type y ON y.name = t.name"
	    " WHERE o.pk = ?",
	    "i", n->object);
	if (n->object != 0 && store_row(s, st)) {
		n->type = sqlite3_column_int64(st, 0);
		n->source = sqlite3_column_int64(st, 1);
		n->gone = sqlite3_column_int(st, 2) != 0;
		n->policy = rules_policy(j->rules, store_text(st, 3));
		if (n->policy == NULL)
			log_error("%s is a %s, which no join rule is about: a "
				  "decision would have no effect",
			    name, store_text(st, 3));
		store_end(st);
		return n->policy != NULL ? 0 : -1;
	}
	if (!s->failed)
		log_error("there is no %s; an object is called source/id, such "
			  "as okta:contoso/00u1",
		    name);
	return -1;
}

/* The next merge of the type looks at the object. */
static void
mark(struct store *s, int64_t type, int64_t object)
{
	store_do(s, "INSERT OR IGNORE INTO dirty(type, object) VALUES(?, ?)",
	    "ii", type, object);
	merge_due(s, type, NULL);
}

/* One decision is undone; the next merge looks at whom it named. */
static void
take_back(struct store *s, const struct deciding *d, int64_t decision,
    const char *now)
{
	sqlite3_stmt *st = store_ask(
	    s, "SELECT a, b, type FROM decision WHERE pk = ?", "i", decision);
	char *names[2] = { NULL, NULL };
	int64_t objects[2], type = 0;
	size_t n = 0;

	if (store_row(s, st)) {
		names[0] = store_text_dup(st, 0);
		names[1] = store_text_dup(st, 1);
		type = sqlite3_column_int64(st, 2);
		store_end(st);
	}
	store_do(s,
	    "UPDATE decision SET undone_at = ?, undone_who = ? WHERE pk = ?",
	    "tti", now, d->who, decision);
	for (int i = 0; i < 2; i++) {
		int64_t object =
		    names[i] != NULL ? find_object(s, names[i]) : 0;

		if (object != 0)
			objects[n++] = object;
		else if (names[i] != NULL)
			log_info("%s is forgotten meanwhile", names[i]);
		free(names[i]);
	}
	for (size_t i = 0; i < n; i++)
		mark(s, type, objects[i]);
	standing_restore(s, decision, type, objects, n);
}

#define SOURCE_OF(name) "substr(" name ", 1, instr(" name ", '/'))"
#define ID_OF(name) "substr(" name ", instr(" name ", '/') + 1)"

/*
 * `join` of one of the two with a third object, which has the source of the
 * other and lives: one person would have two objects of that source.
 */
#define WITH_ANOTHER                                                        \
	"SELECT pk FROM (SELECT pk, iif(a IN (?1, ?2), b, a) AS third,"     \
	" iif(?1 IN (a, b), ?2, ?1) AS other FROM decision"                 \
	" WHERE undone_at IS NULL AND verb = 'join'"                        \
	" AND (a IN (?1, ?2) OR b IN (?1, ?2)))"                            \
	" WHERE third <> other AND " SOURCE_OF("third") " = " SOURCE_OF(    \
	    "other") " AND EXISTS (SELECT 1 FROM source s JOIN stream t"    \
		     " ON t.source = s.pk JOIN object o ON o.stream = t.pk" \
		     " AND o.id = " ID_OF(                                  \
			 "third") " AND o.gone IS NULL"                     \
				  " WHERE s.name || '/' = " SOURCE_OF(      \
				      "third") ")"                          \
					       " ORDER BY pk DESC LIMIT 1"

/* An older decision that says the contrary; `never` adds to an `alone`. */
static int64_t
next_contrary(struct store *s, const struct deciding *d)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT pk FROM decision"
	    " WHERE undone_at IS NULL AND (?1 = 'alone' OR verb <> ?1)"
	    " AND NOT (?1 = 'never' AND verb = 'alone')"
	    " AND ((a = ?2 AND coalesce(b, ?3) = ?3)"
	    " OR (a = ?3 AND coalesce(b, ?2) = ?2)"
	    " OR (?1 = 'alone' AND verb = 'join' AND ?2 IN (a, b)))"
	    " ORDER BY pk DESC LIMIT 1",
	    "ttt", d->verb, d->a, d->b != NULL ? d->b : d->a);
	int64_t pk = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	if (pk != 0 || !d->living)
		return pk;
	st = store_ask(s, WITH_ANOTHER, "tt", d->a, d->b);
	pk = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;
	store_end(st);
	return pk;
}

static void
tell_contrary(struct store *s, int64_t pk)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT verb, a, coalesce(' ' || b, ''), who, at FROM decision"
	    " WHERE pk = ?",
	    "i", pk);

	if (!store_row(s, st))
		return;
	log_info("takes back decision %lld: %s %s%s, by %s at %s",
	    (long long)pk, store_text(st, 0), store_text(st, 1),
	    store_text(st, 2), store_text(st, 3), store_text(st, 4));
	store_end(st);
}

/* They are undone by this one. */
static void
supersede(struct store *s, const struct deciding *d, const char *now)
{
	int64_t pk;

	for (pk = next_contrary(s, d); pk != 0 && !s->failed;
	     pk = next_contrary(s, d)) {
		tell_contrary(s, pk);
		take_back(s, d, pk, now);
	}
}

static bool
is_decided(struct store *s, struct deciding *d)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT pk, who, at FROM decision WHERE undone_at IS NULL"
	    " AND verb = ?1 AND ((a = ?2 AND coalesce(b, '') = ?3)"
	    " OR (a = ?3 AND b = ?2))",
	    "ttt", d->verb, d->a, d->b != NULL ? d->b : "");

	if (!store_row(s, st))
		return false;
	d->told = sqlite3_column_int64(st, 0);
	log_info("decision %s says so already, by %s at %s", store_text(st, 0),
	    store_text(st, 1), store_text(st, 2));
	store_end(st);
	return true;
}

/* In a transaction; EXIT_DONE when there is something new to merge. */
static int
write_decision(struct join *j, struct deciding *d)
{
	struct store *s = j->store;
	struct named a, b = { 0 };
	char now[CLOCK_TEXT];
	int64_t pk;

	if (look_up(j, d->a, &a) != 0 ||
	    (d->b != NULL && look_up(j, d->b, &b) != 0))
		return EXIT_USAGE;
	if (d->b != NULL && (a.type != b.type || a.object == b.object)) {
		log_error(
		    "%s and %s are not two objects of one type", d->a, d->b);
		return EXIT_USAGE;
	}
	if (strcmp(d->verb, "join") == 0 && a.source == b.source && !a.gone &&
	    !b.gone) {
		log_error("%s and %s are of one source, and a person has at "
			  "most one object of each",
		    d->a, d->b);
		return EXIT_USAGE;
	}
	if (is_decided(s, d))
		return EXIT_DONE;
	d->living = strcmp(d->verb, "join") == 0 && !a.gone && !b.gone;
	clock_rfc3339(clock_wall_ms(), now);
	supersede(s, d, now);
	store_do(s,
	    "INSERT INTO decision(type, verb, a, b, who, why, at)"
	    " VALUES(?, ?, ?, ?, ?, ?, ?)",
	    "itttttt", a.type, d->verb, d->a, d->b, d->who, d->why, now);
	pk = d->told = sqlite3_last_insert_rowid(s->db);
	s->generation++;
	standing_note(s, pk, a.object);
	if (d->b != NULL)
		standing_note(s, pk, b.object);
	log_info("decision %lld: %s %s%s%s", (long long)pk, d->verb, d->a,
	    d->b != NULL ? " " : "", d->b != NULL ? d->b : "");
	mark(s, a.type, a.object);
	if (d->b != NULL)
		mark(s, b.type, b.object);
	return EXIT_DONE;
}

static int
undo(struct store *s, struct deciding *d)
{
	sqlite3_stmt *st = store_ask(
	    s, "SELECT undone_at FROM decision WHERE pk = ?", "i", d->undo);
	bool found = store_row(s, st) != 0;
	const char *undone = found ? store_text(st, 0) : NULL;
	char now[CLOCK_TEXT];

	if (undone != NULL)
		log_error(
		    "decision %lld was undone at %s already; say it again "
		    "if it is to count",
		    (long long)d->undo, undone);
	else if (!found)
		log_error("there is no decision %lld to undo; see `idmesh join "
			  "decide --db %s --list`",
		    (long long)d->undo, d->db);
	store_end(st);
	if (!found || undone != NULL)
		return EXIT_USAGE;
	clock_rfc3339(clock_wall_ms(), now);
	/* What its merge makes is not what an older decision made. */
	s->generation++;
	take_back(s, d, d->undo, now);
	d->told = d->undo;
	log_info("decision %lld is undone", (long long)d->undo);
	return EXIT_DONE;
}

/* What is due is merged now, unless a join is at work and will do it. */
static int
take_effect(struct join *j)
{
	int64_t pid;
	int rc, left = 1;

	if (store_locked(j->store, &pid)) {
		log_info("process %lld is at work on %s; it takes effect when "
			 "a stream of the type ends",
		    (long long)pid, j->store->path);
		return EXIT_DONE;
	}
	rc = store_lock(j->store);
	if (rc == EXIT_DONE)
		rc = merge_prepare(j);
	j->may_merge = true;
	while (rc == EXIT_DONE && left > 0)
		left = merge_chunk(j);
	merge_free(j);
	if (rc == EXIT_DONE && left < 0)
		rc = EXIT_TEMPORARY;
	if (rc == EXIT_DONE && j->held) {
		log_info("it is kept, and counts with the merge that waits: "
			 "idmesh join plan --db %s",
		    j->store->path);
		rc = EXIT_PARTLY;
	}
	return rc;
}

static void
list_one(sqlite3_stmt *st, const struct deciding *d, struct buf *b)
{
	static const char *const names[] = { "number", "verb", "a", "b", "who",
		"why", "at", "undoneAt", "undoneWho" };

	if (d->json) {
		buf_fmt(b, "{\"number\":%s", store_text(st, 0));
		for (int i = 1; i < 9; i++)
			msg_str(b, names[i], store_text(st, i));
		buf_char(b, '}');
		report_line(b);
	} else {
		buf_fmt(b, "%4s  %-6s %s %s  %s %s%s%s", store_text(st, 0),
		    store_text(st, 1), store_text(st, 2),
		    store_text(st, 3) != NULL ? store_text(st, 3) : "",
		    store_text(st, 6), store_text(st, 4),
		    store_text(st, 5) != NULL ? ": " : "",
		    store_text(st, 5) != NULL ? store_text(st, 5) : "");
		if (store_text(st, 7) != NULL)
			buf_fmt(b, "  (undone %s by %s)", store_text(st, 7),
			    store_text(st, 8));
		report_text(b);
	}
}

/* One of them, or all (0). */
static void
list_some(struct store *s, const struct deciding *d, int64_t decision)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT pk, verb, a, b, who, why, at, undone_at, undone_who"
	    " FROM decision WHERE ?1 IN (0, pk) ORDER BY pk",
	    "i", decision);
	struct buf b = { 0 };

	while (store_row(s, st))
		list_one(st, d, &b);
	buf_free(&b);
}

static int
decide(struct deciding *d, struct join *j)
{
	int rc = store_open(&j->store, d->db, STORE_WRITE);

	if (rc != EXIT_DONE)
		return rc;
	if (store_begin(j->store) != 0)
		rc = EXIT_TEMPORARY;
	if (rc == EXIT_DONE)
		rc = d->undo != 0 ? undo(j->store, d) : write_decision(j, d);
	if (rc != EXIT_DONE)
		store_rollback(j->store);
	else if (store_commit(j->store) != 0)
		rc = EXIT_TEMPORARY;
	if (rc == EXIT_DONE && d->json)
		list_some(j->store, d, d->told);
	if (rc == EXIT_DONE)
		rc = take_effect(j);
	store_close(j->store);
	return rc;
}

static int
list(const struct deciding *d)
{
	struct store *s;
	int rc = store_open(&s, d->db, STORE_READ);

	if (rc != EXIT_DONE)
		return rc;
	list_some(s, d, 0);
	return report_close(s);
}

/* They are printed in lines of their own, which nobody is to forge. */
static void
check_text(const struct opt_use *use, const char *name, const char *text)
{
	for (const char *p = text; p != NULL && *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			opt_wrong(use,
			    "%s is one line of text, without control "
			    "characters",
			    name);
	/* C1 controls are two bytes of UTF-8. */
	for (const char *p = text; p != NULL && *p != '\0'; p++)
		if ((unsigned char)p[0] == 0xc2 &&
		    (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0)
			opt_wrong(use, "%s has a control character", name);
}

static void
check_words(
    const struct opt_use *use, int argc, char **argv, struct deciding *d)
{
	bool alone;

	if (d->list || d->undo != 0) {
		if (argc > 1 || (d->list && d->undo != 0))
			opt_wrong(use, "--list and --undo stand alone");
		return;
	}
	if (argc < 2)
		opt_wrong(use, "say join A B, never A B or alone A");
	d->verb = argv[1];
	alone = strcmp(d->verb, "alone") == 0;
	if (!alone && strcmp(d->verb, "join") != 0 &&
	    strcmp(d->verb, "never") != 0)
		opt_wrong(
		    use, "%s: say join A B, never A B or alone A", d->verb);
	if (argc != (alone ? 3 : 4))
		opt_wrong(use, "%s takes %s", d->verb,
		    alone ? "one object" : "two objects");
	d->a = argv[2];
	d->b = alone ? NULL : argv[3];
}

int
decide_main(int argc, char **argv)
{
	struct deciding d = { 0 };
	const char *dir = NULL;
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &d.db, "FILE", "join's database", 0, 0 },
		{ "rules", 0, OPT_TEXT, &dir, "DIR",
		    "folder of the rules ($IDMESH_RULES)", 0, 0 },
		{ "who", 0, OPT_TEXT, &d.who, "NAME",
		    "who decides (the user's name)", 0, 0 },
		{ "why", 0, OPT_TEXT, &d.why, "TEXT", "for those who ask later",
		    0, 0 },
		{ "list", 0, OPT_FLAG, &d.list, NULL, "all that was decided", 0,
		    0 },
		{ "undo", 0, OPT_INT, &d.undo, "N", "takes decision N back", 1,
		    INT64_MAX },
		{ "json", 0, OPT_FLAG, &d.json, NULL,
		    "a decision: one JSON object a line", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh join decide",
		.synopsis =
		    "idmesh join decide --db FILE join|never A B [--why TEXT]\n"
		    "idmesh join decide --db FILE alone A [--why TEXT]\n"
		    "idmesh join decide --db FILE --list | --undo N",
		.about = "Says who is one person and who is not; A and B are "
			 "source/id.",
		.options = options,
		.see = "Manual: idmesh-join(1)",
		.args_max = 3,
	};
	struct join j = { 0 };
	int rc;

	opt_parse(&use, &argc, argv);
	if (d.db == NULL)
		opt_wrong(&use, "--db is missing");
	check_words(&use, argc, argv, &d);
	check_text(&use, "--who", d.who);
	check_text(&use, "--why", d.why);
	if (d.who != NULL && d.who[strspn(d.who, " ")] == '\0')
		opt_wrong(&use, "--who is empty");
	if (d.list)
		return list(&d);
	if (d.who == NULL)
		d.who = whoami();
	j.rules_dir = rules_of(d.db, dir);
	if (join_load_rules(&j) != 0)
		return EXIT_USAGE;
	rc = decide(&d, &j);
	rules_free(j.rules);
	return rc;
}
