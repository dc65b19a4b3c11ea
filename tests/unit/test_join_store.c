/*
 * test_join_store.c - join's own parts that no pipe shows well: mesh ids,
 * which attributes differ, the change log without a hole, an error of the
 * store that sticks.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CHANGES_MAX 3
#define CHANGES_BYTES ((size_t)300)
#include "join/body.c"
#include "join/diff.c"
#include "join/outbox.c"
#include "join/project.c"
#include "join/store.c"
#include "join/store_lock.c"
#include "join/store_migrate.c"
#include "join/store_schema.c"

static char folder[] = "/tmp/test_join_store.XXXXXX";

static char *
place(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

static struct store *
fresh(const char *name)
{
	char *path = place(name);
	struct store *s;

	assert_int_equal(store_open(&s, path, STORE_MAKE), EXIT_DONE);
	free(path);
	return s;
}

static void
mesh_ids_are_stable(void **state)
{
	char a[MESH_ID_LEN + 1], b[MESH_ID_LEN + 1];

	(void)state;
	/* Written down when it was made: it must never be another one. */
	mesh_id("okta:contoso", "User", "00u1", a);
	assert_string_equal(a, "cadabc73-68ac-89c9-85e4-865bb57377d6");
	assert_int_equal(a[14], '8');
	assert_non_null(strchr("89ab", a[19]));
	mesh_id("okta:contoso", "User", "00u2", b);
	assert_string_not_equal(a, b);
	mesh_id("okta:contosoU", "ser", "00u1", b);
	assert_string_not_equal(a, b);
	mesh_id("entra:contoso", "User", "00u1", b);
	assert_string_not_equal(a, b);
}

/* old and new attributes (and errors), what is stored, what has changed. */
static const struct {
	const char *old, *record, *text, *changed;
	size_t loud;
} diffs[] = {
	{ "{\"a\":1}", "{\"attrs\":{\"a\":1}}", "{\"a\":1}", "", 0 },
	{ "{\"a\":1}", "{\"attrs\":{\"a\":2}}", "{\"a\":2}", "[\"a\"]", 1 },
	{ "{\"a\":1}", "{\"attrs\":{\"a\":1,\"b\":null}}",
	    "{\"a\":1,\"b\":null}", "[\"b\"]", 1 },
	{ "{\"a\":1,\"b\":2}", "{\"attrs\":{\"a\":1}}", "{\"a\":1}", "[\"b\"]",
	    1 },
	{ "{\"a\":null}", "{\"attrs\":{}}", "{}", "[\"a\"]", 1 },
	{ "{\"a\":[1,{\"x\":2}]}", "{\"attrs\":{\"a\":[1,{\"x\":3}]}}",
	    "{\"a\":[1,{\"x\":3}]}", "[\"a\"]", 1 },
	{ "{\"a\":9007199254740993}", "{\"attrs\":{\"a\":9007199254740992}}",
	    "{\"a\":9007199254740992}", "[\"a\"]", 1 },
	{ "{\"b\":2,\"a\":1}", "{\"attrs\":{\"a\":1,\"b\":2}}",
	    "{\"a\":1,\"b\":2}", "", 0 },
	{ "{\"a\":1,\"b\":2}", "{\"attrs\":{\"a\":1},\"errors\":{\"b\":{}}}",
	    "{\"a\":1,\"b\":2}", "", 0 },
	{ "{\"b\":[1,2]}", "{\"attrs\":{},\"errors\":{\"b\":{}}}",
	    "{\"b\":[1,2]}", "", 0 },
	{ "{\"a\":1}", "{\"attrs\":{\"a\":2},\"errors\":{\"b\":{}}}",
	    "{\"a\":2}", "[\"a\"]", 1 },
	{ "{\"\\u00e9\\\"\":1}", "{\"attrs\":{}}", "{}", "[\"\xc3\xa9\\\"\"]",
	    1 },
};

static void
differences_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(diffs) / sizeof(*diffs); i++) {
		yyjson_doc *doc = yyjson_read(diffs[i].record,
		    strlen(diffs[i].record), YYJSON_READ_NUMBER_AS_RAW);
		yyjson_val *record = yyjson_doc_get_root(doc);
		struct buf text = { 0 }, changed = { 0 };
		size_t loud;

		json_copy(&text, json_get(record, "attrs"));
		loud = diff_attrs(NULL, "User", diffs[i].old,
		    strlen(diffs[i].old), record, &text, &changed);
		assert_int_equal(loud, diffs[i].loud);
		assert_string_equal(text.data, diffs[i].text);
		assert_string_equal(
		    changed.data != NULL ? changed.data : "", diffs[i].changed);
		buf_free(&text);
		buf_free(&changed);
		yyjson_doc_free(doc);
	}
}

static void
quiet_attributes_make_no_change(void **state)
{
	static const char rule[] =
	    "map \"okta.User\" { ExternalId = \"id\", lastLogin = "
	    "\"lastLogin\" }\nquiet \"User\" { \"lastLogin\" }\n";
	static const char record[] =
	    "{\"attrs\":{\"ExternalId\":\"1\",\"lastLogin\":\"b\"}}";
	static const char old[] = "{\"ExternalId\":\"1\",\"lastLogin\":\"a\"}";
	struct buf errors = { 0 }, text = { 0 }, changed = { 0 };
	char *dir = place("rules"), *file = place("rules/okta.lua");
	yyjson_doc *doc = yyjson_read(record, strlen(record), 0);
	struct rules *r;
	FILE *f;

	(void)state;
	assert_int_equal(mkdir(dir, 0700), 0);
	f = fopen(file, "w");
	assert_non_null(f);
	fputs(rule, f);
	assert_int_equal(fclose(f), 0);
	r = rules_load(dir, &errors);
	assert_non_null(r);
	buf_str(&text, "{}");
	assert_int_equal(diff_attrs(r, "User", old, strlen(old),
			     yyjson_doc_get_root(doc), &text, &changed),
	    0);
	assert_string_equal(changed.data, "[\"lastLogin\"]");
	rules_free(r);
	buf_free(&errors);
	buf_free(&text);
	buf_free(&changed);
	yyjson_doc_free(doc);
	unlink(file);
	rmdir(dir);
	free(dir);
	free(file);
}

/* n changes of one mesh object each; the first `old` are a month old. */
static void
add_changes(struct store *s, int n, int old)
{
	int64_t month = (int64_t)31 * 24 * 3600 * 1000;

	assert_int_equal(store_begin(s), 0);
	for (int i = 0; i < n; i++)
		change_add(s, i + 1, "put", NULL);
	store_do(s, "UPDATE change SET at = at - ? WHERE number <= ?", "ii",
	    month, (int64_t)old);
	assert_int_equal(store_commit(s), 0);
}

static int64_t
number(struct store *s, const char *sql)
{
	return pragma(s, sql);
}

/* In chunks of 4. */
static void
forget_changes(struct store *s, int64_t acked)
{
	assert_int_equal(store_begin(s), 0);
	while (change_prune(s, acked, 4) == 4)
		;
	assert_int_equal(store_commit(s), 0);
}

static void
pruning_leaves_no_hole(void **state)
{
	struct store *s = fresh("prune.db");

	(void)state;
	add_changes(s, 20, 15);
	forget_changes(s, 6);
	assert_int_equal(s->oldest, 7);
	forget_changes(s, 20);
	assert_int_equal(s->oldest, 16);
	assert_int_equal(number(s, "SELECT min(number) FROM change"), 16);
	assert_int_equal(number(s, "SELECT count(*) FROM change"), 5);
	/* A clock that was set back leaves the later rows. */
	store_do(s, "UPDATE change SET at = 0 WHERE number > 16", "");
	forget_changes(s, 20);
	assert_int_equal(s->oldest, 16);
	store_do(s, "UPDATE change SET at = 0", "");
	forget_changes(s, 20);
	assert_int_equal(s->oldest, 21);
	assert_int_equal(s->newest, 20);
	add_changes(s, 1, 0);
	assert_int_equal(number(s, "SELECT number FROM change"), 21);
	store_close(s);
}

static void
a_target_is_placed(void **state)
{
	struct store *s = fresh("place.db");
	int64_t at = -1;
	struct why why;
	char text[64];
	static const struct {
		const char *number;
		int place;
	} cases[] = {
		{ ":20", 0 },
		{ ":15", 0 },
		{ ":14", 1 },
		{ ":0", 1 },
		{ ":21", -1 },
		{ ":", 1 },
		{ ":x", -1 },
		{ ":-1", -1 },
		{ "", -1 },
	};

	(void)state;
	add_changes(s, 20, 15);
	forget_changes(s, 20);
	assert_int_equal(outbox_place(s, "-", &at, &why), 1);
	assert_int_equal(outbox_place(s, "feedfeedfeedfeed:3", &at, &why), -1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(text, sizeof(text), "%s%s", s->id, cases[i].number);
		assert_int_equal(
		    outbox_place(s, text, &at, &why), cases[i].place);
	}
	store_close(s);
}

/* Objects u1..un with their mesh rows and attributes. */
static void
add_objects(struct store *s, int n)
{
	assert_int_equal(store_begin(s), 0);
	store_do(s, "INSERT INTO source(name) VALUES('okta:\"x')", "");
	store_do(s, "INSERT INTO stream(source, name) VALUES(1, 'User')", "");
	store_do(s, "INSERT INTO type(name) VALUES('User')", "");
	for (int64_t i = 1; i <= n; i++) {
		store_do(s,
		    "INSERT INTO object(pk, stream, id, mesh, rules)"
		    " VALUES(?1, 1, 'u' || ?1, ?1, 1)",
		    "i", i);
		store_do(s,
		    "INSERT INTO mesh(pk, type, id, object) VALUES(?1, 1, 'm' "
		    "|| ?1, ?1)",
		    "i", i);
		store_do(s,
		    "INSERT INTO attrs VALUES(?1, '{\"n\":' || ?1 || '}')", "i",
		    i);
	}
	assert_int_equal(store_commit(s), 0);
}

static void
messages_cover_every_number(void **state)
{
	struct store *s = fresh("delta.db");
	struct buf out = { 0 };
	int64_t at = 0, next = 1, rows = 0;

	(void)state;
	add_objects(s, 10);
	add_changes(s, 10, 0);
	while (outbox_delta(s, 7, &at, &out)) {
		struct why why;
		struct msg m;

		assert_int_equal(msg_read(&m, out.data, out.len, &why), 0);
		assert_int_equal(m.first, next);
		assert_int_equal(m.seq, at);
		assert_int_equal(m.epoch, 7);
		assert_true(yyjson_arr_size(m.changes) <= CHANGES_MAX);
		rows += (int64_t)yyjson_arr_size(m.changes);
		next = m.seq + 1;
		msg_free(&m);
		buf_clear(&out);
	}
	assert_int_equal(next, 11);
	assert_int_equal(rows, 10);
	buf_free(&out);
	store_close(s);
}

static void
a_body_is_what_it_is_now(void **state)
{
	struct store *s = fresh("body.db");
	struct buf out = { 0 };
	int64_t at = 0;

	(void)state;
	add_objects(s, 2);
	add_changes(s, 2, 0);
	store_do(s, "UPDATE change SET changed = '[\"n\"]'", "");
	store_do(s, "UPDATE object SET gone = 'absent' WHERE pk = 2", "");
	store_do(s, "DELETE FROM attrs WHERE pk = 2", "");
	assert_int_equal(outbox_delta(s, 0, &at, &out), 1);
	assert_non_null(strstr(out.data,
	    "\"changes\":[{\"op\":\"put\",\"type\":\"User\",\"id\":\"m1\","
	    "\"object\":{\"n\":1},\"contributors\":[\"okta:\\\"x/u1\"],"
	    "\"changed\":[\"n\"]},"
	    "{\"op\":\"delete\",\"type\":\"User\",\"id\":\"m2\","
	    "\"reason\":\"absent\"}]}"));
	buf_free(&out);
	store_close(s);
}

static void
a_rebuild_is_whole(void **state)
{
	struct store *s = fresh("rebuild.db");
	struct rebuild r;
	struct buf out = { 0 };
	int64_t rows = 0, seq = 0;
	int more = 1;

	(void)state;
	add_objects(s, 10);
	add_changes(s, 10, 0);
	r = rebuild_new(s);
	assert_true(r.run > 0);
	while (more) {
		struct why why;
		struct msg m;

		more = outbox_rebuild(s, 1, &r, &out);
		assert_int_equal(msg_read(&m, out.data, out.len, &why), 0);
		assert_int_equal(m.seq, ++seq);
		assert_int_equal(m.run, r.run);
		rows += (int64_t)yyjson_arr_size(m.changes);
		if (!more)
			assert_string_equal(strchr(m.cursor, ':'), ":10");
		msg_free(&m);
		buf_clear(&out);
	}
	assert_int_equal(rows, 10);
	buf_free(&out);
	store_close(s);
}

static void
an_error_sticks(void **state)
{
	struct store *s = fresh("error.db");

	(void)state;
	assert_int_equal(store_begin(s), 0);
	change_add(s, 1, "put", NULL);
	store_do(s, "INSERT INTO change SELECT * FROM change", "");
	assert_true(s->failed);
	assert_int_equal(store_do(s, "DELETE FROM store", ""), 0);
	assert_null(store_ask(s, "SELECT 1", ""));
	assert_int_equal(store_commit(s), -1);
	store_close(s);
	s = fresh("error.db");
	assert_int_equal(s->newest, 0);
	assert_int_equal(number(s, "SELECT count(*) FROM change"), 0);
	store_close(s);
}

static void
one_join_a_database(void **state)
{
	struct store *a = fresh("lock.db"), *b = fresh("lock.db");
	int64_t pid = 0;

	(void)state;
	assert_int_equal(store_claimed(b, "okta:x", &pid), 0);
	assert_int_equal(store_lock(a), EXIT_DONE);
	assert_int_equal(store_claimed(b, "okta:x", &pid), 0);
	store_claim(a, "okta:x");
	assert_int_equal(store_claimed(b, "okta:x", &pid), 1);
	assert_int_equal(store_claimed(b, "okta:", &pid), 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(store_lock(b), EXIT_TEMPORARY);
	store_close(a);
	assert_int_equal(store_claimed(b, "okta:x", &pid), 0);
	assert_int_equal(store_lock(b), EXIT_DONE);
	store_close(b);
}

static int
make_folder(void **state)
{
	(void)state;
	log_level((enum log_level) - 1);
	return mkdtemp(folder) == NULL;
}

static int
remove_folder(void **state)
{
	static const char *const names[] = { "prune", "place", "delta", "body",
		"rebuild", "error", "lock" };
	static const char *const ends[] = { ".db", ".db-wal", ".db-shm",
		".db.lock" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		for (size_t k = 0; k < sizeof(ends) / sizeof(*ends); k++) {
			char *path =
			    xasprintf("%s/%s%s", folder, names[i], ends[k]);

			unlink(path);
			free(path);
		}
	}
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mesh_ids_are_stable),
		cmocka_unit_test(differences_are_named),
		cmocka_unit_test(quiet_attributes_make_no_change),
		cmocka_unit_test(pruning_leaves_no_hole),
		cmocka_unit_test(a_target_is_placed),
		cmocka_unit_test(messages_cover_every_number),
		cmocka_unit_test(a_body_is_what_it_is_now),
		cmocka_unit_test(a_rebuild_is_whole),
		cmocka_unit_test(an_error_sticks),
		cmocka_unit_test(one_join_a_database),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
