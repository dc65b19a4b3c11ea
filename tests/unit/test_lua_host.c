/*
 * test_lua_host.c - rules that run for ever, eat memory, or try to get out.
 *
 * Every script that ever stopped a host of rules is here, with what must
 * become of it.  The limits are shrunk: 3 MiB and 250 ms.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmocka.h>

#define RULES_MEMORY ((size_t)3 << 20)
#define RULES_PAGE_MS 250
#include "lib/rules_load.c"

#include "clock.h"
#include "log.h"
#include "lua_api.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ANN "{\"id\":\"1\",\"a\":\"ann\"}"

static char tmp[] = "/tmp/idmesh-lua.XXXXXX";

static void
write_rules(const char *text, size_t len)
{
	char *file = xasprintf("%s/rules.lua", tmp);
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	free(file);
}

static struct rules *
load_text(const char *text, struct buf *errors)
{
	write_rules(text, strlen(text));
	return rules_load(tmp, errors);
}

static struct rules *
must_load(const char *text)
{
	struct buf errors = { 0 };
	struct rules *r = load_text(text, &errors);

	if (r == NULL)
		fail_msg("%s", errors.data);
	buf_free(&errors);
	return r;
}

static void
begin(struct rules *r)
{
	struct rules_page page = { .connector = "okta",
		.source = "okta:x",
		.stream = "User",
		.at = "2026-04-22T08:15:30.000Z" };
	struct buf errors = { 0 };

	if (rules_page_begin(r, &page, &errors) < 0)
		fail_msg("%s", errors.data);
	buf_free(&errors);
}

/* One record; out holds its line, or "bad: CODE text". */
static enum rules_result
map(struct rules *r, const char *json, struct buf *out)
{
	yyjson_doc *doc =
	    yyjson_read(json, strlen(json), YYJSON_READ_NUMBER_AS_RAW);
	struct why why = { 0 };
	enum rules_result result;

	buf_clear(out);
	result = rules_record(r, yyjson_doc_get_root(doc), out, &why, NULL);
	if (result == RULES_BAD)
		buf_fmt(out, "bad: %s %s", why.code, why.text);
	yyjson_doc_free(doc);
	return result;
}

static void
must_contain(const char *script, const char *got, const char *want)
{
	if (strstr(got, want) == NULL)
		fail_msg("%s\n  got  %s\n  want %s", script, got, want);
}

/* A function's body, and a part of what must come out. */
static const struct {
	const char *body, *want;
} traps[] = {
	{ "while true do end", "stopped: rules had more than 250 ms" },
	{ "while true do local t = {} end", "stopped" },
	{ "for i = 1, math.huge do local s = 'x' .. i end", "stopped" },
	{ "goto again ::again:: goto again", "stopped" },
	{ "while true do pcall(function() while true do end end) end",
	    "rules have no pcall" },
	{ "coroutine.wrap(function() while true do end end)()",
	    "rules have no coroutine" },
	{ "setmetatable({}, { __gc = function() while true do end end })",
	    "rules have no setmetatable" },
	{ "local t = {} while true do t[#t + 1] = { 1, 2, 3 } end",
	    "bad: E_MEMORY" },
	{ "local s = 'x' while true do s = s .. s end", "bad: E_MEMORY" },
	{ "return string.rep('x', 1e9)", "string.rep would make more than" },
	{ "return ('x'):rep(1e5, ('y'):rep(1e5))", "string.rep would make" },
	{ "return ('x'):rep(-1)", "\"a\":\"\"" },
	{ "return ('x'):rep(math.mininteger)", "\"a\":\"\"" },
	{ "local t = {} for i = 1, 100 do t[i] = ('x'):rep(1e6) end "
	  "return table.concat(t)",
	    "bad: E_MEMORY" },
	{ "return string.find(('a'):rep(40), ('a-'):rep(12) .. 'b')",
	    "the pattern has 12 of" },
	{ "return string.find(('a'):rep(40), ('a?'):rep(40) .. 'b')",
	    "could take too long" },
	{ "return string.find(('a'):rep(4000), 'a*a*a*b')",
	    "could take too long" },
	{ "return string.find(('a'):rep(4000), ('%b()'):rep(5))",
	    "the pattern has 5 of" },
	{ "return string.find(('a'):rep(5000), 'b')",
	    "too long for a pattern" },
	{ "return string.find('a', ('x'):rep(300))", "more than 256 bytes" },
	{ "return string.find(('a'):rep(70000), 'b', 1, true)", "to search" },
	{ "return string.find(('a'):rep(60000) .. 'b', 'b', 1, true)",
	    "\"a\":60001" },
	{ "return ('x [a*b*c*d*e*] y'):match('[*abcde*+-]+')", "\"a\":\"a*b" },
	{ "return ('x%y'):match('%%+')", "\"a\":\"%\"" },
	{ "return ('a]b'):match('[]b]+')", "\"a\":\"]b\"" },
	{ "return ('key = value'):match('^(%w+)%s*=%s*(%w+)$')",
	    "\"a\":\"key\"" },
	{ "local n = 0 for w in ('a b c'):gmatch('%a') do n = n + 1 end "
	  "return n",
	    "\"a\":3" },
	{ "return (('hello'):gsub('l+', { ll = 'LL' }))", "\"a\":\"heLLo\"" },
	{ "local function f(s) return (s:gsub('.', f)) end return f('x')",
	    "C stack overflow" },
	{ "local function f() return 1 + f() end return f()", "bad: E_MEMORY" },
	{ "return string.format('%99999999d', 1)", "invalid conversion" },
	{ "return string.format('%5.1f|%s|%q', 1.25, true, 'x')",
	    "  1.2|true|" },
	{ "local t = {} for i = 1, 20000 do t[i] = i end table.sort(t)",
	    "at most 10000 items" },
	{ "local t = { 3, 1, 2 } table.sort(t) return table.concat(t, '')",
	    "\"a\":\"123\"" },
	{ "table.sort({ 3, 2, 1, 5, 4 }, function() while true do end end)",
	    "stopped" },
	{ "return (u.a:gsub('.', function() while true do end end))",
	    "stopped" },
	{ "return table.unpack({}, 1, 1e8)", "too many results" },
	{ "return select('#', table.unpack({}, 1, 100))", "\"a\":100" },
	{ "table.insert({}, 1e9, 1)", "position out of bounds" },
	{ "local t = {} t[1] = t return t", "too deep or too large" },
	{ "local t = {} for i = 1, 2000 do t = { t } end return t",
	    "too deep or too large" },
	{ "local t = array{} for i = 1, 12 do t[i] = ('x'):rep(1e5) end "
	  "return t",
	    "too deep or too large" },
	{ "return tostring(now) .. tostring(null)",
	    "2026-04-22T08:15:30.000Znull" },
	{ "return math.floor(1e15) // 1", "\"a\":1000000000000000" },
	{ "local _ = string.x.y", "attempt to index a nil value" },
	{ "return utf8.char(233)", "\"a\":\"\xc3\xa9\"" },
	{ "return u.a.b.c", "attempt to index a nil value" },
	{ "return -u", "attempt to perform arithmetic on a record value" },
	{ "return u < u", "attempt to compare two record values" },
	{ "return u()", "attempt to call a record value" },
	{ "error(u)", "an error that is no text" },
	{ "error()", "an error that is no text" },
	{ "error('a\\nb')", "\"a b\"" },
	{ "error('\\xff')", "\"message\":\"?\"" },
};

static void
run_trap(const char *body, const char *want)
{
	char *text = xasprintf(
	    "map \"okta.User\" { b = \"a\", a = function(u) %s end }", body);
	int64_t start = clock_ms();
	struct buf out = { 0 }, errors = { 0 };
	struct rules *r = load_text(text, &errors);

	if (r == NULL) {
		must_contain(body, errors.data, want);
	} else {
		begin(r);
		map(r, ANN, &out);
		rules_page_end(r);
		must_contain(body, out.data, want);
		/* The next page is not touched by it. */
		begin(r);
		map(r, "{\"id\":\"2\",\"a\":null}", &out);
		rules_page_end(r);
	}
	/* Generous: machines are busy, sanitizers slow. */
	assert_true(clock_ms() - start < 20000);
	rules_free(r);
	buf_free(&out);
	buf_free(&errors);
	free(text);
}

static void
test_traps(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(traps); i++)
		run_trap(traps[i].body, traps[i].want);
}

/* The worst that the check of patterns lets through stays bearable. */
static void
test_pattern_worst(void **state)
{
	static const char *const bodies[] = {
		"return string.find(('a'):rep(255), '^a*a*a*a*b')",
		"return string.find(('a'):rep(110), 'a*a*a*a*b')",
		"return string.find(('a'):rep(4096), '^a-a-b')",
		"return string.find(('a'):rep(4096), 'a*b')",
		"return string.find(('a'):rep(20), ('a?'):rep(14) .. 'b')",
		"return (string.gsub(('a'):rep(4096), 'a-b', ''))",
		"return string.find(('('):rep(4096), '%b()')",
	};
	(void)state;

	for (size_t i = 0; i < COUNT(bodies); i++) {
		int64_t start = clock_ms();

		run_trap(bodies[i], "");
		assert_true(clock_ms() - start < 5000);
	}
}

static void
test_deadline_is_for_a_page(void **state)
{
	struct rules *r = must_load(
	    "map \"okta.User\" {\n"
	    "  slow = function(u) if u.slow then while true do end end "
	    "return 1 end,\n"
	    "  fast = function(u) return 2 end,\n"
	    "}");
	struct buf out = { 0 };
	(void)state;

	begin(r);
	map(r, "{\"id\":\"1\"}", &out);
	must_contain("", out.data, "\"attrs\":{\"slow\":1,\"fast\":2}");
	map(r, "{\"id\":\"2\",\"slow\":true}", &out);
	must_contain("", out.data, "rules.lua:2\",\"message\":\"stopped");
	must_contain("", out.data, "\"attrs\":{\"fast\":2}");
	map(r, "{\"id\":\"3\"}", &out);
	must_contain("", out.data, "not run: rules took too long");
	must_contain("", out.data, "\"attrs\":{\"fast\":2}");
	rules_page_end(r);
	begin(r);
	map(r, "{\"id\":\"3\"}", &out);
	must_contain("", out.data, "\"attrs\":{\"slow\":1,\"fast\":2}");
	rules_page_end(r);
	rules_free(r);
	buf_free(&out);
}

static void
count(void *arg)
{
	(*(int *)arg)++;
}

/* A worker says that it lives while rules keep it from everything else. */
static void
test_tick_while_functions_run(void **state)
{
	struct rules *r = must_load(
	    "local function f() while true do end end\n"
	    "map \"okta.User\" { a = function() f() end, b = function() f() "
	    "end, c = function() f() end, d = \"a\" }");
	int ticks = 0;
	struct rules_page page = { .connector = "okta",
		.source = "okta:x",
		.stream = "User",
		.tick = count,
		.tick_arg = &ticks };
	struct buf out = { 0 };
	(void)state;

	assert_int_equal(rules_page_begin(r, &page, &out), 0);
	/* Three deadlines are longer than the time between two ticks. */
	map(r, ANN, &out);
	assert_in_range(ticks, 1, 1000);
	/* The deadlines came all the same. */
	must_contain("", out.data, "\"a\":{\"at\"");
	must_contain("", out.data, "\"c\":{\"at\"");
	must_contain("", out.data, "\"attrs\":{\"d\":\"ann\"}");
	rules_page_end(r);
	ticks = 0;
	begin(r);
	map(r, ANN, &out);
	rules_page_end(r);
	assert_int_equal(ticks, 0);
	rules_free(r);
	buf_free(&out);
}

static void
test_three_strikes(void **state)
{
	struct rules *r = must_load(
	    "local function f() while true do end end\n"
	    "map \"okta.User\" { a = function() f() end, b = function() f() "
	    "end, c = function() f() end, d = function() return 1 end }");
	struct buf out = { 0 };
	struct timespec before, after;
	(void)state;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	begin(r);
	map(r, "{\"id\":\"1\"}", &out);
	must_contain("", out.data, "\"d\":{\"at\"");
	for (int i = 0; i < 200; i++)
		map(r, "{\"id\":\"2\"}", &out);
	must_contain("", out.data, "\"d\":{\"at\"");
	rules_page_end(r);
	/* Three deadlines of 2 s of processor time, not two hundred. */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true(after.tv_sec - before.tv_sec < 60);
	rules_free(r);
	buf_free(&out);
}

static void
test_deadline_in_a_predicate(void **state)
{
	struct rules *r = must_load(
	    "map \"okta.User\" { a = \"a\" } scope \"okta.User\" { drop = "
	    "function(u) while u.a do end return false end }");
	struct buf out = { 0 };
	(void)state;

	begin(r);
	assert_int_equal(map(r, ANN, &out), RULES_BAD);
	must_contain("", out.data, "bad: E_RULE stopped");
	rules_page_end(r);
	rules_free(r);
	buf_free(&out);
}

/* A fresh state after the cap was hit: the next record is well. */
static void
test_memory_comes_back(void **state)
{
	struct rules *r = must_load(
	    "local names = { x = \"y\" }\n"
	    "map \"okta.User\" { a = function(u) local t = {} while u.eat do "
	    "t[#t + 1] = { u.id } end return names.x end, b = \"id\" }");
	struct buf out = { 0 };
	(void)state;

	begin(r);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
		    map(r, "{\"id\":\"1\",\"eat\":true}", &out), RULES_BAD);
		must_contain("", out.data, "bad: E_MEMORY");
		assert_int_equal(map(r, "{\"id\":\"2\"}", &out), RULES_PUT);
		must_contain("", out.data, "\"attrs\":{\"a\":\"y\"");
	}
	rules_page_end(r);
	rules_free(r);
	buf_free(&out);
}

/* Garbage of many pages does not add up. */
static void
test_memory_is_flat(void **state)
{
	struct rules *r = must_load(
	    "map \"okta.User\" { a = function(u) return (u.a .. u.id):rep(20) "
	    "end }");
	struct buf out = { 0 };
	(void)state;

	for (int page = 0; page < 200; page++) {
		begin(r);
		for (int i = 0; i < 100; i++) {
			char json[64];

			snprintf(json, sizeof(json),
			    "{\"id\":\"%d\",\"a\":\"%d\"}", i, page);
			assert_int_equal(map(r, json, &out), RULES_PUT);
		}
		rules_page_end(r);
	}
	assert_true(r->host->used < (1 << 20));
	rules_free(r);
	buf_free(&out);
}

/* A library function that does not come back ends the process with 111. */
static void
test_stuck_in_c(void **state)
{
	struct rules *r =
	    must_load("map \"okta.User\" { a = function() return 1 end }");
	int status;
	pid_t pid;
	(void)state;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		fclose(stderr);
		begin(r);
		r->host->in_call = 1;
		raise(SIGRTMIN + 6);
		raise(SIGRTMIN + 6);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 111);
	rules_free(r);
}

/* The timer is the forked worker's own. */
static void
test_deadline_after_fork(void **state)
{
	struct rules *r = must_load(
	    "map \"okta.User\" { a = function() while true do end end }");
	struct buf out = { 0 };
	int status;
	pid_t pid;
	(void)state;

	begin(r);
	rules_page_end(r);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		begin(r);
		map(r, ANN, &out);
		_exit(strstr(out.data, "stopped") != NULL ? 7 : 8);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	rules_free(r);
}

static void
test_load_limits(void **state)
{
	static const struct {
		const char *text, *want;
	} bad[] = {
		{ "while true do end", "rules.lua:1: stopped" },
		{ "local t = {} while true do t[#t + 1] = { 1 } end",
		    "takes more memory than rules may" },
		{ "local t = {} for i = 1, 3000 do t[i] = \"x\" end "
		  "map \"okta.User\" (t)",
		    "too large or too deep" },
		{ "local t = {} t.t = t map \"okta.User\" (t)",
		    "too large or too deep" },
		{ "map \"okta.User\" { [1.5] = \"a\" }", "a key of a rules" },
		{ "map \"okta.User\" { [true] = \"a\" }", "a key of a rules" },
		{ "map \"okta.User\" { [\"a\\0b\"] = \"a\" }", "U+0000" },
		{ "map \"okta.User\" { a = \"a\\0b\" }", "U+0000" },
		{ "local t = { x = 1 } for i = 1, 20 do t = { t } end "
		  "map \"okta.User\" { a = function() return t end }",
		    "nested more than 16 deep" },
		{ "map \"okta.User\" { [\"\\xff\"] = \"a\" }", "not UTF-8" },
		{ "map \"okta.User\" { a = const \"\\xff\" }", "not UTF-8" },
		{ "\xff\xfe", "is not UTF-8" },
		{ "error({})", "an error that is no text" },
		{ "", "hold no map" },
	};
	(void)state;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf errors = { 0 };
		struct rules *r = load_text(bad[i].text, &errors);

		if (r != NULL)
			fail_msg("loads: %s", bad[i].text);
		must_contain(bad[i].text, errors.data, bad[i].want);
		buf_free(&errors);
	}
}

static void
test_no_bytecode(void **state)
{
	struct buf errors = { 0 }, code = { 0 };
	struct load l = { .errors = &errors };
	struct lua_limits limits = { RULES_MEMORY, RULES_PAGE_MS };
	struct lua_host *h = lua_host_new(&limits);
	(void)state;

	buf_str(&code, LUA_SIGNATURE "T\0\0\0");
	assert_int_equal(
	    lua_host_load(h, &l, "x.lua", code.data, code.len), -1);
	must_contain("", errors.data, "attempt to load a binary chunk");
	lua_host_free(h);
	load_free(&l);
	buf_free(&errors);
	buf_free(&code);
}

/* The same bytes from two states, whose hash seeds differ. */
static void
test_pure(void **state)
{
	static const char text[] =
	    "local n = 0\n"
	    "map \"okta.User\" { a = function(u) n = n + 1 local s = '' for k, "
	    "v in pairs(u) do s = s .. k end return s .. n end, b = "
	    "function(u) "
	    "return { z = 1, y = { b = 1, a = u }, x = { u.id } } end }";
	struct rules *r = must_load(text), *q = must_load(text);
	struct buf one = { 0 }, two = { 0 };
	(void)state;

	begin(r);
	begin(q);
	for (int i = 0; i < 50; i++) {
		char json[96];

		snprintf(json, sizeof(json),
		    "{\"id\":\"%d\",\"k%d\":1,\"a\":[%d,\"x\"]}", i, i % 7, i);
		map(r, json, &one);
		if (i % 3 == 0)
			map(q, "{\"id\":\"other\",\"zz\":1}", &two);
		map(q, json, &two);
		assert_string_equal(one.data, two.data);
	}
	rules_page_end(r);
	rules_page_end(q);
	rules_free(r);
	rules_free(q);
	buf_free(&one);
	buf_free(&two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traps),
		cmocka_unit_test(test_pattern_worst),
		cmocka_unit_test(test_deadline_is_for_a_page),
		cmocka_unit_test(test_tick_while_functions_run),
		cmocka_unit_test(test_three_strikes),
		cmocka_unit_test(test_deadline_in_a_predicate),
		cmocka_unit_test(test_memory_comes_back),
		cmocka_unit_test(test_memory_is_flat),
		cmocka_unit_test(test_stuck_in_c),
		cmocka_unit_test(test_deadline_after_fork),
		cmocka_unit_test(test_load_limits),
		cmocka_unit_test(test_no_bytecode),
		cmocka_unit_test(test_pure),
	};
	char *file;
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	log_open("test_lua_host");
	log_level(LOG_ERROR);
	if (mkdtemp(tmp) == NULL)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	file = xasprintf("%s/rules.lua", tmp);
	unlink(file);
	rmdir(tmp);
	free(file);
	return failed;
}
