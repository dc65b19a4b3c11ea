/*
 * merge_keys.c - the database fits the rules, or is made to.
 *
 * join calls it when rules were loaded.  A key that means something else than
 * before gets new values, made of the stored attributes; under rules of
 * another version everything is merged again.  A type that gets its first join
 * rule keeps its mesh ids.
 */

#include "merge_private.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "log.h"
#include "mem.h"

static int64_t
type_row(struct store *s, const char *name, struct buf *rules)
{
	sqlite3_stmt *st;
	int64_t pk = 0;

	store_do(s, "INSERT OR IGNORE INTO type(name) VALUES(?)", "t", name);
	st = store_ask(
	    s, "SELECT pk, rules FROM type WHERE name = ?", "t", name);
	buf_clear(rules);
	if (store_row(s, st)) {
		pk = sqlite3_column_int64(st, 0);
		if (store_text(st, 1) != NULL)
			buf_str(rules, store_text(st, 1));
	}
	store_end(st);
	return pk;
}

/* Its only contributors become parts; ids and bodies stay. */
static void
convert(struct store *s, int64_t type, const char *name)
{
	store_do(s,
	    "INSERT OR IGNORE INTO link(object, mesh, key, run)"
	    " SELECT o.pk, o.mesh, -1, 0 FROM object o"
	    " JOIN stream t ON t.pk = o.stream"
	    " WHERE t.name = ? AND o.mesh <> 0",
	    "t", name);
	store_do(s,
	    "INSERT OR IGNORE INTO body(mesh, text, contributors)"
	    " SELECT o.mesh, a.text, json_array(s.name || '/' || o.id)"
	    " FROM object o JOIN attrs a ON a.pk = o.pk"
	    " JOIN stream t ON t.pk = o.stream JOIN source s ON s.pk = t.source"
	    " WHERE t.name = ? AND o.mesh <> 0",
	    "t", name);
	store_do(s,
	    "UPDATE mesh SET minter = object, nth = 0, object = NULL,"
	    " state = iif((SELECT o.gone FROM object o"
	    " WHERE o.pk = mesh.object) IS NULL, NULL, 'gone')"
	    " WHERE type = ? AND object IS NOT NULL",
	    "i", type);
	store_do(s,
	    "UPDATE object SET mesh = 0 WHERE mesh <> 0 AND stream IN"
	    " (SELECT pk FROM stream WHERE name = ?)",
	    "t", name);
	store_do(s,
	    "UPDATE type SET people = (SELECT count(*) FROM mesh m"
	    " WHERE m.type = type.pk AND m.state IS NULL) WHERE pk = ?",
	    "i", type);
}

static int64_t
find_keydef(struct store *s, int64_t type, const struct policy_key *k)
{
	char print[17];
	sqlite3_stmt *st;
	int64_t pk = 0;

	policy_key_print(k, print);
	st = store_ask(s, "SELECT pk FROM keydef WHERE type = ? AND print = ?",
	    "it", type, print);
	if (store_row(s, st))
		pk = sqlite3_column_int64(st, 0);
	store_end(st);
	return pk;
}

void
merge_type_keys(struct store *s, const struct policy *p, struct merge_type *t)
{
	sqlite3_stmt *st =
	    store_ask(s, "SELECT pk FROM type WHERE name = ?", "t", p->type);

	*t = (struct merge_type){ .policy = p };
	if (store_row(s, st))
		t->pk = sqlite3_column_int64(st, 0);
	store_end(st);
	t->nkeys = p->nkeys + p->nlookups;
	for (size_t k = 0; k < t->nkeys; k++)
		t->keys[k] = find_keydef(s, t->pk, &p->keys[k]);
}

void
merge_key_name(struct store *s, const struct rules *r, int64_t keydef,
    char **label, char **place)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT k.label, k.print, t.name FROM keydef k"
	    " JOIN type t ON t.pk = k.type WHERE k.pk = ?",
	    "i", keydef);
	const struct policy *p;
	char print[17];

	if (!store_row(s, st))
		return;
	*label = store_text_dup(st, 0);
	p = rules_policy(r, store_text(st, 2));
	for (size_t i = 0; p != NULL && place != NULL && i < p->nkeys; i++) {
		const struct policy_key *k = &p->keys[i];

		policy_key_print(k, print);
		if (*place == NULL && strcmp(print, store_text(st, 1)) == 0)
			*place = xasprintf("%s:%d", k->file, k->line);
	}
	store_end(st);
}

/* The keydef of a key; *fresh when nothing has values of it yet. */
static int64_t
keydef_row(
    struct store *s, int64_t type, const struct policy_key *k, bool *fresh)
{
	int64_t pk = find_keydef(s, type, k);
	char print[17];

	*fresh = pk == 0;
	if (pk != 0)
		return pk;
	policy_key_print(k, print);
	/* A link remembers the key that made it, also when that is gone. */
	store_do(s,
	    "INSERT INTO keydef(pk, type, print, label) SELECT 1 + max("
	    " ifnull((SELECT max(pk) FROM keydef), 0),"
	    " ifnull((SELECT max(key) FROM link), 0)), ?, ?, ?",
	    "itt", type, print, k->label);
	return sqlite3_last_insert_rowid(s->db);
}

static bool
is_kept(const struct merge_type *t, int64_t keydef)
{
	for (size_t k = 0; k < t->nkeys; k++)
		if (t->keys[k] == keydef)
			return true;
	return false;
}

/* Keys that the rules have no more. */
static void
drop_keys(struct store *s, const struct merge_type *t)
{
	sqlite3_stmt *st =
	    store_ask(s, "SELECT pk FROM keydef WHERE type = ?", "i", t->pk);
	int64_t old[MERGE_KEYS_MAX];
	size_t n = 0;

	while (store_row(s, st)) {
		int64_t pk = sqlite3_column_int64(st, 0);

		if (!is_kept(t, pk) && n < MERGE_KEYS_MAX)
			old[n++] = pk;
	}
	for (size_t i = 0; i < n; i++) {
		store_do(s, "DELETE FROM matchkey WHERE key = ?", "i", old[i]);
		store_do(s, "DELETE FROM keydef WHERE pk = ?", "i", old[i]);
	}
}

/* Values of the new keys, of every object that is there. */
static void
fill_keys(struct store *s, const struct merge_type *t, const bool *fresh)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT o.pk, a.text FROM object o JOIN attrs a ON a.pk = o.pk"
	    " JOIN stream t ON t.pk = o.stream WHERE t.name = ?"
	    " AND o.gone IS NULL",
	    "t", t->policy->type);

	while (store_row(s, st)) {
		yyjson_doc *doc = yyjson_read(store_text(st, 1),
		    (size_t)sqlite3_column_bytes(st, 1),
		    YYJSON_READ_NUMBER_AS_RAW);
		struct merge_news news = { .object =
					       sqlite3_column_int64(st, 0),
			.attrs = yyjson_doc_get_root(doc),
			.fresh = true };

		for (size_t k = 0; k < t->nkeys; k++)
			if (fresh[k])
				(void)merge_values_put(s, t, k, &news);
		yyjson_doc_free(doc);
	}
}

static void
fit_keys(struct store *s, struct merge_type *t)
{
	bool fresh[MERGE_KEYS_MAX], any = false;

	t->nkeys = t->policy->nkeys + t->policy->nlookups;
	for (size_t k = 0; k < t->nkeys; k++) {
		t->keys[k] =
		    keydef_row(s, t->pk, &t->policy->keys[k], &fresh[k]);
		any |= fresh[k];
	}
	drop_keys(s, t);
	if (any)
		fill_keys(s, t, fresh);
}

/* Under other rules everything may be different. */
static void
merge_again(struct store *s, int64_t type, const char *name, const char *rules)
{
	store_do(
	    s, "UPDATE type SET rules = ? WHERE pk = ?", "ti", rules, type);
	store_do(s,
	    "INSERT OR IGNORE INTO dirty(type, object)"
	    " SELECT ?, o.pk FROM object o JOIN stream t ON t.pk = o.stream"
	    " WHERE t.name = ? AND o.gone IS NULL",
	    "it", type, name);
	store_do(s,
	    "INSERT OR IGNORE INTO stale(grp, mesh) SELECT pk, pk FROM mesh"
	    " WHERE type = ? AND (state IS NULL OR state = 'leaving')",
	    "i", type);
	store_do(s,
	    "INSERT INTO merge(type, state) SELECT ?1, 'due' WHERE EXISTS"
	    " (SELECT 1 FROM dirty WHERE type = ?1)"
	    " ON CONFLICT(type) DO UPDATE SET state = 'due'",
	    "i", type);
}

static void
fit_type(struct join *j, struct merge_type *t, const char *name)
{
	struct buf rules = { 0 };
	const char *version = rules_version(j->rules);

	t->pk = type_row(j->store, name, &rules);
	if (rules.len == 0)
		convert(j->store, t->pk, name);
	if (t != &j->merge->edge)
		fit_keys(j->store, t);
	if (rules.len == 0 || strcmp(rules.data, version) != 0)
		merge_again(j->store, t->pk, name, version);
	buf_free(&rules);
}

int
merge_room(
    struct store *s, const char *source, const char *stream, struct why *why)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT count(*) FROM stream t JOIN source s ON s.pk = t.source"
	    " JOIN type y ON y.name = t.name AND y.rules IS NOT NULL"
	    " WHERE t.name = ?1 AND s.name <> ?2",
	    "tt", stream, source);
	int64_t others = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	if (others < MERGE_SOURCES_MAX)
		return EXIT_DONE;
	(void)why_set(why, "E_SOURCES", source,
	    "%s: %s is merged of %lld other sources already, and %d is the "
	    "most; give it a database of its own",
	    source, stream, (long long)others, MERGE_SOURCES_MAX);
	return EXIT_USAGE;
}

/* The same of a database that gets its first join rule. */
static int
check_room(struct join *j)
{
	sqlite3_stmt *st = store_ask(j->store,
	    "SELECT t.name, count(*), max(s.name) FROM stream t"
	    " JOIN source s ON s.pk = t.source GROUP BY t.name"
	    " HAVING count(*) > ?",
	    "i", (int64_t)MERGE_SOURCES_MAX);
	int rc = EXIT_DONE;

	while (store_row(j->store, st)) {
		const char *name = store_text(st, 0);

		if (merge_kind(j->rules, name) == MERGE_NOT)
			continue;
		log_error("%s has %lld sources, up to %s, and a join rule can "
			  "merge %d; leave its join rule out",
		    name, (long long)sqlite3_column_int64(st, 1),
		    store_text(st, 2), MERGE_SOURCES_MAX);
		rc = EXIT_USAGE;
	}
	return rc;
}

/* A mesh that was merged cannot be taken apart by forgetting how. */
static int
check_lost(struct join *j)
{
	sqlite3_stmt *st = store_ask(
	    j->store, "SELECT name FROM type WHERE rules IS NOT NULL", "");
	int rc = EXIT_DONE;

	while (store_row(j->store, st)) {
		const char *name = store_text(st, 0);

		if (merge_kind(j->rules, name) != MERGE_NOT)
			continue;
		log_error("%s was merged by a join rule, and these rules have "
			  "none; write join \"%s\" { sources = { ... } } "
			  "without keys to part it, or give join the rules "
			  "that it had",
		    name, strcmp(name, "GroupMember") == 0 ? "User" : name);
		rc = EXIT_USAGE;
	}
	return rc;
}

static void
collect_types(struct join *j)
{
	struct merge *m = j->merge;
	const char *name;

	for (size_t i = 0; (name = rules_type(j->rules, i)) != NULL; i++) {
		if (merge_kind(j->rules, name) != MERGE_JOINED)
			continue;
		m->types =
		    xrealloc(m->types, (m->ntypes + 1) * sizeof(*m->types));
		m->types[m->ntypes++] =
		    (struct merge_type){ .policy =
					     rules_policy(j->rules, name) };
	}
	m->edge.policy = rules_policy(j->rules, "Group");
	if (m->edge.policy == NULL)
		m->edge.policy = rules_policy(j->rules, "User");
}

int
merge_prepare(struct join *j)
{
	int rc;

	merge_free(j);
	j->merge = xcalloc(1, sizeof(*j->merge));
	if (j->rules == NULL)
		return EXIT_DONE;
	rc = check_lost(j);
	if (rc == EXIT_DONE)
		rc = check_room(j);
	collect_types(j);
	if (rc != EXIT_DONE || j->merge->ntypes == 0)
		return rc;
	if (store_begin(j->store) != 0)
		return EXIT_TEMPORARY;
	for (size_t i = 0; i < j->merge->ntypes; i++)
		fit_type(
		    j, &j->merge->types[i], j->merge->types[i].policy->type);
	if (merge_kind(j->rules, "GroupMember") == MERGE_EDGE)
		fit_type(j, &j->merge->edge, "GroupMember");
	return store_commit(j->store) == 0 ? EXIT_DONE : EXIT_TEMPORARY;
}
