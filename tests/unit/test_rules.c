/*
 * test_rules.c - a folder of rules, and what it tells transform, join, fetch.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "mem.h"
#include "rules.h"
#include "scope.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char dir[] = "/tmp/idmesh-rules.XXXXXX";

static void
put_file(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	free(path);
}

static void
remove_file(const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);

	unlink(path);
	free(path);
}

static struct rules *
must_load(const char *folder)
{
	struct buf errors = { 0 };
	struct rules *r = rules_load(folder, &errors);

	if (r == NULL)
		fail_msg("%s", errors.data);
	buf_free(&errors);
	return r;
}

/* The errors of a load that must fail; the caller frees them. */
static char *
must_fail(const char *folder)
{
	struct buf errors = { 0 };

	assert_null(rules_load(folder, &errors));
	assert_true(errors.len > 0);
	assert_int_equal(errors.data[errors.len - 1], '\n');
	return buf_take(&errors);
}

static void
test_folder(void **state)
{
	struct rules_count count;
	struct rules *r;
	char version[17];
	(void)state;

	put_file("b.lua", "map \"okta.Group\" { name = \"profile.name\" }");
	put_file("a.lua", "map \"okta.User\" { z = \"z\", a = \"a\" }");
	put_file("a_test.lua", "this is no Lua");
	put_file(".c.lua", "nor this");
	put_file("c.txt", "nor this");
	r = must_load(dir);
	rules_count(r, &count);
	assert_int_equal(count.files, 2);
	assert_int_equal(strlen(rules_version(r)), 16);
	assert_string_equal(rules_type(r, 0), "User");
	assert_string_equal(rules_type(r, 1), "Group");
	assert_null(rules_type(r, 2));
	assert_string_equal(rules_attribute(r, "User", 0), "z");
	assert_string_equal(rules_attribute(r, "User", 1), "a");
	assert_null(rules_attribute(r, "User", 2));
	assert_null(rules_attribute(r, "Device", 0));
	snprintf(version, sizeof(version), "%s", rules_version(r));
	rules_free(r);

	r = must_load(dir);
	assert_string_equal(rules_version(r), version);
	rules_free(r);
	put_file("b.lua", "map \"okta.Group\" { name = \"profile.name\" } ");
	r = must_load(dir);
	assert_string_not_equal(rules_version(r), version);
	rules_free(r);
	remove_file("a.lua");
	remove_file("b.lua");
}

static void
test_bad_folders(void **state)
{
	char *errors;
	(void)state;

	errors = must_fail("/nonexistent/rules");
	assert_non_null(strstr(errors, "/nonexistent/rules: No such file"));
	free(errors);
	errors = must_fail(dir);
	assert_non_null(strstr(errors, "holds no *.lua file"));
	free(errors);
	/* All files, all mistakes, and the good ones do not help. */
	put_file("a.lua", "map \"okta.User\" { a = 1, b = 2 }");
	put_file("b.lua", "map \"okta.Group\" { a = \"a\" } x()");
	put_file("c.lua", "map \"okta.GroupMember\" { id = \"id\" }");
	errors = must_fail(dir);
	assert_non_null(strstr(errors, "/a.lua:1: okta.User.a:"));
	assert_non_null(strstr(errors, "/a.lua:1: okta.User.b:"));
	assert_non_null(strstr(errors, "/b.lua:1: unknown name x"));
	free(errors);
	remove_file("a.lua");
	remove_file("b.lua");
	remove_file("c.lua");
}

static void
test_what_join_asks(void **state)
{
	struct rules_guard guard;
	struct buf out = { 0 };
	struct rules_count count;
	struct rules *r;
	(void)state;

	put_file("a.lua",
	    "map \"okta.User\" { email = \"profile.email\", lastLogin = "
	    "\"lastLogin\",\n"
	    "  userType = function(u) return 1 end }\n"
	    "map \"entra.User\" { email = \"mail\", upn = "
	    "\"userPrincipalName\" }\n"
	    "quiet \"User\" { \"lastLogin\" }\n"
	    "scope \"okta.User\" { drop = function(u) return false end }\n"
	    "guard { leave = { max = 7, percent = 2.5 } }");
	r = must_load(dir);
	assert_string_equal(rules_attribute(r, "User", 0), "email");
	assert_string_equal(rules_attribute(r, "User", 2), "userType");
	assert_string_equal(rules_attribute(r, "User", 3), "upn");
	assert_null(rules_attribute(r, "User", 4));
	assert_int_equal(rules_quiet(r, "User", "lastLogin"), 1);
	assert_int_equal(rules_quiet(r, "User", "email"), 0);
	assert_int_equal(rules_quiet(r, "User", "none"), 0);
	guard = rules_guard_leave(r);
	assert_int_equal(guard.max, 7);
	assert_true(guard.percent > 2.4 && guard.percent < 2.6);
	assert_int_equal(guard.of_at_least, 50);
	rules_count(r, &count);
	assert_int_equal(count.lua, 2);
	assert_int_equal(count.compiled, 5);
	rules_list_lua(r, &out);
	assert_non_null(strstr(out.data, "okta.User.userType "));
	assert_non_null(strstr(out.data, "/a.lua:2\n"));
	assert_non_null(strstr(out.data, "okta.User.drop "));
	buf_free(&out);
	rules_free(r);
	remove_file("a.lua");
}

static void
test_the_guard_by_default(void **state)
{
	struct rules *r = must_load("rules");
	struct rules_guard guard = rules_guard_leave(r);
	(void)state;

	assert_int_equal(guard.max, 500);
	assert_true(guard.percent > 4.9 && guard.percent < 5.1);
	assert_int_equal(guard.of_at_least, 50);
	rules_free(r);
}

static int
begin(struct rules *r, const char *stream, const char *key,
    const char *external, yyjson_doc **doc, struct buf *errors)
{
	struct rules_page page = { .connector = "okta",
		.source = "okta:x",
		.stream = stream,
		.external_id = external };

	*doc = key == NULL ? NULL : yyjson_read(key, strlen(key), 0);
	page.key = yyjson_doc_get_root(*doc);
	return rules_page_begin(r, &page, errors);
}

static void
test_pages_that_cannot_be(void **state)
{
	static const struct {
		const char *stream, *key, *external, *want;
	} bad[] = {
		{ "Device", NULL, NULL,
		    "no map \"okta.Device\"; they have entra.User" },
		{ "User", "[]", NULL, "no list of paths" },
		{ "User", "{}", NULL, "no list of paths" },
		{ "User", "[1]", NULL, "holds no path" },
		{ "User", "[\"a..b\"]", NULL, "is no path" },
		{ "User",
		    "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\","
		    "\"9\"]",
		    NULL, "no list of paths" },
		{ "User", NULL, "$x", "only $context" },
	};
	struct rules *r = must_load("rules");
	(void)state;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf errors = { 0 };
		yyjson_doc *doc;

		assert_int_equal(begin(r, bad[i].stream, bad[i].key,
				     bad[i].external, &doc, &errors),
		    -1);
		if (strstr(errors.data, bad[i].want) == NULL)
			fail_msg("%s, want %s", errors.data, bad[i].want);
		yyjson_doc_free(doc);
		buf_free(&errors);
	}
	rules_free(r);
}

/* New rules are loaded beside the old ones, between two pages. */
static void
test_two_at_once(void **state)
{
	struct buf out = { 0 }, errors = { 0 };
	struct rules *old, *new;
	struct why why;
	yyjson_doc *doc = yyjson_read("{\"id\":\"1\"}", 10, 0), *none;
	const char *id;
	(void)state;

	put_file("a.lua", "map \"okta.User\" { a = function() return 1 end }");
	old = must_load(dir);
	assert_int_equal(begin(old, "User", NULL, NULL, &none, &errors), 0);
	put_file("a.lua", "map \"okta.User\" { a = function() return 2 end }");
	new = must_load(dir);
	assert_int_equal(
	    rules_record(old, yyjson_doc_get_root(doc), &out, &why, &id),
	    RULES_PUT);
	assert_string_equal(id, "1");
	rules_page_end(old);
	rules_free(old);
	assert_int_equal(begin(new, "User", NULL, NULL, &none, &errors), 0);
	rules_record(new, yyjson_doc_get_root(doc), &out, &why, &id);
	rules_page_end(new);
	assert_non_null(strstr(out.data, "{\"a\":1}"));
	assert_non_null(strstr(out.data, "{\"a\":2}"));
	rules_free(new);
	yyjson_doc_free(doc);
	buf_free(&out);
	buf_free(&errors);
	remove_file("a.lua");
}

/* A record that is rejected is named, so that it counts as seen. */
static void
test_rejects_are_named(void **state)
{
	static const struct {
		const char *json, *id;
	} cases[] = {
		{ "{\"id\":\"7\",\"status\":1,\"status\":2}", "7" },
		{ "{\"id\":\"7\",\"profile\":{\"city\":\"\\u0000\"}}", "7" },
		{ "{\"status\":1,\"status\":2,\"id\":\"7\"}", NULL },
		{ "{\"profile\":{}}", NULL },
		{ "7", NULL },
	};
	struct rules *r = must_load("rules");
	struct buf out = { 0 }, errors = { 0 };
	yyjson_doc *none;
	(void)state;

	buf_str(&out, "before");
	assert_int_equal(begin(r, "User", NULL, NULL, &none, &errors), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		yyjson_doc *doc = yyjson_read(cases[i].json,
		    strlen(cases[i].json), YYJSON_READ_NUMBER_AS_RAW);
		struct why why = { 0 };
		const char *id = "x";

		assert_int_equal(
		    rules_record(r, yyjson_doc_get_root(doc), &out, &why, &id),
		    RULES_BAD);
		assert_true(why.code[0] != '\0' && why.text[0] != '\0');
		assert_string_equal(out.data, "before");
		if (cases[i].id == NULL)
			assert_null(id);
		else
			assert_string_equal(id, cases[i].id);
		yyjson_doc_free(doc);
	}
	rules_page_end(r);
	rules_free(r);
	buf_free(&out);
	buf_free(&errors);
}

static struct scope *
scope_of(const char *text)
{
	struct buf json = { 0 };
	struct scope *s;
	struct rules *r;
	struct why why;

	put_file("a.lua", text);
	r = must_load(dir);
	rules_describe(r, &json);
	s = scope_parse(json.data, json.len, &why);
	if (s == NULL)
		fail_msg("%s: %s", why.text, json.data);
	assert_non_null(strstr(json.data, rules_version(r)));
	rules_free(r);
	buf_free(&json);
	return s;
}

static void
test_scope_for_fetch(void **state)
{
	static const struct {
		const char *json;
		int in;
	} groups[] = {
		{ "{\"type\":\"OKTA_GROUP\",\"profile\":{\"name\":\"IM-a\"}}",
		    1 },
		{ "{\"type\":\"OKTA_GROUP\",\"profile\":{\"name\":\"x\"}}", 0 },
		{ "{\"type\":\"BUILT_IN\",\"profile\":{\"name\":\"IM-a\"}}",
		    0 },
		{ "{\"type\":\"OKTA_GROUP\",\"profile\":{\"name\":\"IM-old\"}}",
		    0 },
		{ "{\"type\":\"OKTA_GROUP\",\"profile\":{\"name\":\"IM-f\"}}",
		    1 },
		{ "{}", 0 },
		{ "{\"profile\":[]}", 0 },
	};
	struct scope *s = scope_of(
	    "map \"okta.User\" { status = \"status\" }\n"
	    "map \"okta.Group\" { name = \"profile.name\", type = \"type\" }\n"
	    "scope \"okta.User\" { search = [[status eq \"ACTIVE\"]] }\n"
	    "scope \"okta.Group\" { keep = { name = { prefix = \"IM-\" } },\n"
	    "  drop = { { type = \"BUILT_IN\" }, { name = { suffix = \"old\" } "
	    "},\n"
	    "    function(g) return g.profile.name == \"IM-f\" end } }");
	(void)state;

	assert_string_equal(
	    scope_search(s, "okta.User"), "status eq \"ACTIVE\"");
	assert_null(scope_search(s, "okta.Group"));
	assert_null(scope_search(s, "okta.Device"));
	for (size_t i = 0; i < COUNT(groups); i++) {
		yyjson_doc *doc =
		    yyjson_read(groups[i].json, strlen(groups[i].json), 0);

		if (scope_match(s, "okta.Group", yyjson_doc_get_root(doc)) !=
		    groups[i].in)
			fail_msg("%s", groups[i].json);
		assert_int_equal(
		    scope_match(s, "okta.Device", yyjson_doc_get_root(doc)), 1);
		yyjson_doc_free(doc);
	}
	scope_free(s);
	remove_file("a.lua");
}

/* What fetch leaves out, transform leaves out too. */
static void
test_fetch_never_knows_more(void **state)
{
	static const char text[] =
	    "map \"okta.Group\" { n = \"p.n\", t = \"t\", c = int \"c\", l = "
	    "lower \"p.n\" }\n"
	    "scope \"okta.Group\" {\n"
	    "  keep = { { n = { contains = { \"a\", \"b\" } } }, { t = { ne = "
	    "\"x\" } }, { n = { gt = \"c\" }, t = { present = false } } },\n"
	    "  drop = { { c = { gt = 5 } }, { t = \"y\", n = { like = \"?b*\" "
	    "} }, { l = \"aa\" }, function(g) return g.z == 1 end } }";
	struct scope *s = scope_of(text);
	struct rules *r = must_load(dir);
	struct buf out = { 0 }, errors = { 0 };
	unsigned seed = 1, left_out = 0;
	yyjson_doc *none;
	(void)state;

	assert_int_equal(begin(r, "Group", NULL, NULL, &none, &errors), 0);
	for (int i = 0; i < 3000; i++) {
		static const char *const n[] = { "\"a\"", "\"b\"", "\"ab\"",
			"\"bb\"", "\"d\"", "null", "1", "[\"b\",\"q\"]" };
		static const char *const t[] = { "\"x\"", "\"y\"", "null",
			"\"\"", "[]", "[\"x\"]", "true" };
		char json[128];
		enum rules_result result;
		struct why why;
		yyjson_doc *doc;
		int in;

		seed = seed * 1664525u + 1013904223u;
		snprintf(json, sizeof(json),
		    "{\"id\":\"1\",\"p\":{\"n\":%s},\"t\":%s,\"c\":%u,\"z\":%"
		    "u}",
		    n[seed >> 8 & 7], t[(seed >> 12) % 7], seed >> 16 & 7,
		    seed >> 20 & 1);
		doc =
		    yyjson_read(json, strlen(json), YYJSON_READ_NUMBER_AS_RAW);
		in = scope_match(s, "okta.Group", yyjson_doc_get_root(doc));
		buf_clear(&out);
		result =
		    rules_record(r, yyjson_doc_get_root(doc), &out, &why, NULL);
		if (!in && result != RULES_OUT_OF_SCOPE)
			fail_msg("fetch leaves out %s", json);
		left_out += !in;
		yyjson_doc_free(doc);
	}
	assert_true(left_out > 100);
	rules_page_end(r);
	rules_free(r);
	scope_free(s);
	buf_free(&out);
	buf_free(&errors);
	remove_file("a.lua");
}

static void
test_scope_files_that_are_none(void **state)
{
	static const char *const bad[] = { "", "{", "[]", "{}", "{\"v\":2}",
		"{\"v\":1}", "{\"v\":1,\"rules\":\"x\"}",
		"{\"v\":1,\"rules\":\"x\",\"types\":[]}",
		"{\"v\":1,\"rules\":\"x\",\"types\":{\"t\":1}}",
		"{\"v\":1,\"rules\":\"x\",\"types\":{\"t\":{\"search\":1}}}",
		"{\"v\":1,\"rules\":\"x\",\"types\":{\"t\":{\"keep\":[]}}}",
		"{\"v\":1,\"rules\":\"x\",\"types\":{\"t\":{\"keep\":[[]]}}}",
		"{\"v\":1,\"rules\":\"x\",\"types\":{\"t\":{\"drop\":[[1]]}}}",
		"{\"v\":1,\"rules\":\"x\",\"types\":{\"t\":{\"drop\":[[[\"a\","
		"\"was\",[1]]]]}}}",
		"{\"v\":1,\"rules\":\"x\",\"types\":{\"t\":{\"drop\":[[[\"a\","
		"\"is\",[]]]]}}}",
		"{\"v\":1,\"rules\":\"x\",\"types\":{\"t\":{\"drop\":[[[\"\","
		"\"is\",[1]]]]}}}" };
	(void)state;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct why why = { 0 };

		if (scope_parse(bad[i], strlen(bad[i]), &why) != NULL)
			fail_msg("taken: %s", bad[i]);
		assert_string_equal(why.code, "E_SCOPE");
		assert_true(why.text[0] != '\0');
	}
	scope_free(NULL);
	rules_free(NULL);
}

/* A test whose values cannot be compared says nothing for certain. */
static void
test_scope_that_cannot_tell(void **state)
{
	static const char text[] =
	    "{\"v\":1,\"rules\":\"x\",\"types\":{\"okta.Group\":{\"keep\":[[["
	    "\"a\","
	    "\"prefix\",[1]]]],\"drop\":[[[\"a\",\"lt\",[1,2]]]]}}}";
	struct why why;
	struct scope *s = scope_parse(text, strlen(text), &why);
	yyjson_doc *doc = yyjson_read("{\"a\":\"x\"}", 9, 0);
	(void)state;

	assert_non_null(s);
	assert_int_equal(
	    scope_match(s, "okta.Group", yyjson_doc_get_root(doc)), 1);
	yyjson_doc_free(doc);
	scope_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_folders),
		cmocka_unit_test(test_folder),
		cmocka_unit_test(test_what_join_asks),
		cmocka_unit_test(test_the_guard_by_default),
		cmocka_unit_test(test_pages_that_cannot_be),
		cmocka_unit_test(test_two_at_once),
		cmocka_unit_test(test_rejects_are_named),
		cmocka_unit_test(test_scope_for_fetch),
		cmocka_unit_test(test_fetch_never_knows_more),
		cmocka_unit_test(test_scope_files_that_are_none),
		cmocka_unit_test(test_scope_that_cannot_tell),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	log_open("test_rules");
	if (mkdtemp(dir) == NULL)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_file("a_test.lua");
	remove_file(".c.lua");
	remove_file("c.txt");
	rmdir(dir);
	return failed;
}
