/*
 * test_plan.c - paths in one walk, values, tests of values, copied text.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEARN_MAX 6
#include "lib/plan_path.c"

#include "predicate.h"
#include "utf8.h"
#include "value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static unsigned seed = 7;

static unsigned
draw(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static yyjson_doc *
parse(const char *json)
{
	yyjson_doc *doc =
	    yyjson_read(json, strlen(json), YYJSON_READ_NUMBER_AS_RAW);

	if (doc == NULL)
		fail_msg("%s", json);
	return doc;
}

static void
test_path_names(void **state)
{
	struct paths *p = paths_new();
	struct why why;
	int city;
	(void)state;

	city = paths_add(p, "profile.city", &why);
	assert_true(city >= 0);
	assert_int_equal(paths_add(p, "profile.city", &why), city);
	assert_int_equal(paths_find(p, "profile.city"), city);
	assert_true(paths_find(p, "profile") >= 0);
	assert_int_equal(paths_find(p, "city"), -1);
	assert_int_equal(paths_add(p, "", &why), -1);
	assert_int_equal(paths_add(p, ".", &why), -1);
	assert_int_equal(paths_add(p, "a.", &why), -1);
	assert_int_equal(paths_add(p, "$context", &why), -1);
	assert_int_equal(paths_add(p, "$context.", &why), -1);
	assert_int_equal(paths_add(p, "$x", &why), -1);
	assert_true(paths_add(p, "$context.x", &why) >= 0);
	paths_free(p);
	paths_free(NULL);
}

/*
 * Whatever the order, the absent and the unknown keys, and however few keys
 * are remembered: the walk finds what yyjson_obj_get finds.
 */
static void
test_paths_find_what_is_there(void **state)
{
	static const char *const keys[] = { "a", "bb", "ccc", "dddd", "eeeee",
		"ffffffff", "ggggggggg", "hhhhhhhhhhhhhhhhh", "x1", "x2", "x3",
		"aa", "b", "dddx", "ffffffffg", "" };
	struct paths *p = paths_new();
	struct why why;
	int slots[8], deep[4];
	(void)state;

	for (int i = 0; i < 8; i++)
		slots[i] = paths_add(p, keys[i], &why);
	deep[0] = paths_add(p, "x1.a", &why);
	deep[1] = paths_add(p, "x1.bb.ccc", &why);
	deep[2] = paths_add(p, "x2.a", &why);
	deep[3] = paths_add(p, "x1.bb.a", &why);
	for (int round = 0; round < 2000; round++) {
		struct buf json = { 0 };
		size_t n = 0, shift = draw(16);
		yyjson_doc *doc;
		yyjson_val *root, *x1;

		buf_char(&json, '{');
		for (size_t i = 0; i < COUNT(keys); i++) {
			const char *key = keys[(i * 7 + shift) % COUNT(keys)];

			if (draw(3) == 0)
				continue;
			buf_fmt(&json, "%s\"%s\":", n++ > 0 ? "," : "", key);
			if (key[0] == 'x')
				buf_fmt(&json,
				    "{\"bb\":{\"a\":[],\"ccc\":%d},\"a\":%d}",
				    round, round);
			else
				buf_fmt(&json, "[{\"a\":1},%zu]", i);
		}
		buf_char(&json, '}');
		doc = parse(json.data);
		root = yyjson_doc_get_root(doc);
		assert_int_equal(paths_resolve(p, root, &why), 0);
		for (int i = 0; i < 8; i++)
			assert_ptr_equal(paths_values(p)[slots[i]],
			    yyjson_obj_get(root, keys[i]));
		x1 = yyjson_obj_get(root, "x1");
		assert_ptr_equal(
		    paths_values(p)[deep[0]], yyjson_obj_get(x1, "a"));
		assert_ptr_equal(paths_values(p)[deep[1]],
		    yyjson_obj_get(yyjson_obj_get(x1, "bb"), "ccc"));
		assert_ptr_equal(paths_values(p)[deep[2]],
		    yyjson_obj_get(yyjson_obj_get(root, "x2"), "a"));
		assert_ptr_equal(paths_values(p)[deep[3]],
		    yyjson_obj_get(yyjson_obj_get(x1, "bb"), "a"));
		yyjson_doc_free(doc);
		buf_free(&json);
	}
	paths_free(p);
}

static void
test_paths_twice(void **state)
{
	static const struct {
		const char *json;
		int result;
	} cases[] = {
		{ "{\"a\":1,\"b\":2}", 0 },
		{ "{\"a\":1,\"b\":2,\"a\":1}", -1 },
		{ "{\"x\":1,\"x\":2}", 0 },
		{ "{\"p\":{\"q\":1,\"q\":1}}", -1 },
		{ "{\"p\":{\"r\":1,\"r\":1}}", 0 },
		{ "{\"p\":{},\"p\":{}}", -1 },
		{ "{\"s\":{\"q\":1,\"q\":1}}", 0 },
	};
	struct paths *p = paths_new();
	struct why why;
	(void)state;

	paths_add(p, "a", &why);
	paths_add(p, "p.q", &why);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT(cases); i++) {
			yyjson_doc *doc = parse(cases[i].json);

			assert_int_equal(
			    paths_resolve(p, yyjson_doc_get_root(doc), &why),
			    cases[i].result);
			if (cases[i].result < 0)
				assert_string_equal(why.code, "E_DUPLICATE");
			yyjson_doc_free(doc);
		}
	}
	paths_free(p);
}

static void
test_soft_paths(void **state)
{
	struct paths *p = paths_new();
	yyjson_doc *doc = parse("{\"a\":{\"b\":1},\"c\":2,\"c\":3,\"d\":4}");
	yyjson_val *root = yyjson_doc_get_root(doc);
	char name[32];
	struct why why;
	int a, b, c, added = 0;
	(void)state;

	paths_add(p, "d", &why);
	assert_int_equal(paths_resolve(p, root, &why), 0);
	a = paths_soft(p, PATHS_RECORD, "a", 1);
	b = paths_soft(p, a, "b", 1);
	c = paths_soft(p, PATHS_RECORD, "c", 1);
	assert_true(a >= 0 && b >= 0 && c >= 0);
	assert_int_equal(paths_soft(p, PATHS_RECORD, "a", 1), a);
	assert_true(paths_is(p, b, a, "b", 1));
	assert_false(paths_is(p, b, PATHS_RECORD, "b", 1));
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(paths_values(p)[b],
		    yyjson_obj_get(yyjson_obj_get(root, "a"), "b"));
		/* The first of two, in this record and in the next. */
		assert_ptr_equal(paths_values(p)[c], yyjson_obj_get(root, "c"));
		assert_int_equal(paths_resolve(p, root, &why), 0);
	}
	/* As soon as the plan wants it, twice is too often. */
	assert_int_equal(paths_add(p, "c", &why), c);
	assert_int_equal(paths_resolve(p, root, &why), -1);
	assert_int_equal(paths_soft(p, PATHS_RECORD, "x.y", 3), -1);
	assert_int_equal(paths_soft(p, PATHS_RECORD, "$x", 2), -1);
	assert_int_equal(paths_soft(p, PATHS_RECORD, "", 0), -1);
	assert_int_equal(paths_soft(p, PATHS_RECORD, "a\0b", 3), -1);
	for (int i = 0; i < 1000; i++) {
		int len = snprintf(name, sizeof(name), "k%d", i);

		added += paths_soft(p, PATHS_RECORD, name, (size_t)len) >= 0;
	}
	assert_true(added > 100 && added <= 128);
	paths_free(p);
	yyjson_doc_free(doc);
}

/* A random value as minimal JSON text. */
static void
add_random(struct buf *b, int depth)
{
	static const char *const scalars[] = { "null", "true", "false", "0",
		"-0.0", "1e400", "12345678901234567890123", "\"\"", "\"a\"",
		"\"\xc3\xa9\"", "\"\xf0\x9f\x98\x80 \\\" \\\\ \\n \\u0001\"",
		"\"abcdefg\"", "\"abcdefgh\"", "\"abcdefghijklmnopqrstuvw\"" };
	unsigned n = draw(4);

	if (depth > 4 || draw(3) > 0) {
		buf_str(b, scalars[draw(COUNT(scalars))]);
		return;
	}
	if (draw(2)) {
		buf_char(b, '[');
		for (unsigned i = 0; i < n; i++) {
			buf_str(b, i > 0 ? "," : "");
			add_random(b, depth + 1);
		}
		buf_char(b, ']');
		return;
	}
	buf_char(b, '{');
	for (unsigned i = 0; i < n; i++) {
		buf_fmt(b, "%s\"k%u\":", i > 0 ? "," : "", i);
		add_random(b, depth + 1);
	}
	buf_char(b, '}');
}

static void
test_copy_is_exact(void **state)
{
	(void)state;
	for (int i = 0; i < 3000; i++) {
		struct buf json = { 0 }, out = { 0 }, member = { 0 };
		yyjson_doc *doc;

		add_random(&json, 0);
		doc = parse(json.data);
		assert_int_equal(
		    json_copy(&out, yyjson_doc_get_root(doc)), JSON_FINE);
		assert_string_equal(out.data, json.data);
		assert_int_equal(
		    json_copy_member(&member, ",\"key\":................", 7,
			yyjson_doc_get_root(doc)),
		    JSON_FINE);
		buf_char(&member, '\0');
		assert_memory_equal(member.data, ",\"key\":", 7);
		assert_string_equal(member.data + 7, json.data);
		yyjson_doc_free(doc);
		buf_free(&json);
		buf_free(&out);
		buf_free(&member);
	}
}

/* Every length around the word sizes, every kind of odd byte, every place. */
static void
test_copy_strings(void **state)
{
	static const unsigned char odd[] = { '"', '\\', 1, 31, 0x7f, 0x80, 0xff,
		0 };
	(void)state;

	for (size_t len = 0; len < 40; len++) {
		for (size_t at = 0; at <= len; at++) {
			size_t kind = (len + at) % sizeof(odd);
			struct buf fast = { 0 }, plain = { 0 };
			char text[64];
			enum json_fault fault;

			memset(text, 'x', sizeof(text));
			if (at < len)
				text[at] = (char)odd[kind];
			fault = json_copy_string(&fast, text, len);
			buf_json(&plain, text, len);
			if (at < len && odd[kind] == 0) {
				assert_int_equal(fault, JSON_NUL);
			} else if (at < len && odd[kind] >= 0x80) {
				assert_int_equal(fault, JSON_UTF8);
			} else {
				assert_int_equal(fault, JSON_FINE);
				assert_int_equal(fast.len, plain.len);
				assert_memory_equal(
				    fast.data, plain.data, plain.len);
			}
			buf_free(&fast);
			buf_free(&plain);
		}
	}
}

static void
test_utf8(void **state)
{
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf",
		"\xe0\x80\x80", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xc3", "\xe2\x82", "\xf0\x9f\x98", "a\xffz" };
	static const char *const good[] = { "", "a", "\x7f", "\xc2\x80",
		"\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	(void)state;

	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(utf8_valid(good[i], strlen(good[i])));
	for (uint32_t c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 97) {
		struct buf b = { 0 };
		size_t used;

		if (c >= 0xd800 && c < 0xe000)
			continue;
		utf8_add(&b, c);
		assert_true(utf8_valid(b.data, b.len));
		assert_int_equal(utf8_next(b.data, b.len, &used), c);
		assert_int_equal(used, b.len);
		/* Folding twice is folding once. */
		assert_int_equal(utf8_lower(utf8_upper(c)),
		    utf8_lower(utf8_upper(utf8_lower(utf8_upper(c)))));
		buf_free(&b);
	}
	assert_int_equal(utf8_width("Z\xc3\xbcrich", 10), 11);
	assert_int_equal(utf8_width("\xf0\x9f\x98\x80", 1), 4);
	assert_int_equal(utf8_width("", 3), 3);
}

static struct value
number(const char *text)
{
	return (struct value){
		.kind = VALUE_NUMBER, .text = text, .len = strlen(text)
	};
}

static void
test_numbers_compare(void **state)
{
	static const struct {
		const char *a, *b;
		int order;
	} cases[] = {
		{ "1", "1.0", 0 },
		{ "1", "2", -1 },
		{ "-1", "1", -1 },
		{ "10", "9", 1 },
		{ "9007199254740993", "9007199254740992", 1 },
		{ "1e3", "1000", 0 },
		{ "0.5", "1", -1 },
		{ "123456789012345678901234567890", "1", 1 },
		{ "-0", "0", 0 },
	};
	(void)state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct value a = number(cases[i].a), b = number(cases[i].b);

		assert_int_equal(value_compare_numbers(&a, &b), cases[i].order);
		assert_int_equal(
		    value_compare_numbers(&b, &a), -cases[i].order);
		assert_int_equal(value_equal(&a, &b), cases[i].order == 0);
	}
}

static void
test_like(void **state)
{
	static const struct {
		const char *text, *pattern;
		int match;
	} cases[] = {
		{ "abc", "abc", 1 },
		{ "abc", "a*", 1 },
		{ "abc", "*c", 1 },
		{ "abc", "a?c", 1 },
		{ "abc", "a?", 0 },
		{ "abc", "*b*", 1 },
		{ "abc", "*", 1 },
		{ "", "*", 1 },
		{ "", "", 1 },
		{ "", "?", 0 },
		{ "abc", "", 0 },
		{ "aXbXc", "a*X*c", 1 },
		{ "mississippi", "m*iss*ppi", 1 },
		{ "mississippi", "m*iss*ppix", 0 },
		{ "a*b", "a*b", 1 },
	};
	struct arena arena = { 0 };
	(void)state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct value v =
		    value_text(cases[i].text, strlen(cases[i].text));
		struct value want =
		    value_text(cases[i].pattern, strlen(cases[i].pattern));
		struct test t = { TEST_LIKE, 1, &want };

		if (test_match(&t, &v, &arena) != cases[i].match)
			fail_msg("%s like %s", cases[i].text, cases[i].pattern);
	}
	arena_free(&arena);
}

static void
test_arena(void **state)
{
	struct arena a = { 0 };
	char *one, *big;
	(void)state;

	for (int round = 0; round < 3; round++) {
		one = arena_take(&a, 10);
		memset(one, 'a', 10);
		big = arena_take(&a, 100000);
		memset(big, 'b', 100000);
		for (int i = 0; i < 5000; i++)
			memset(arena_take(&a, 33), i, 33);
		assert_int_equal(one[9], 'a');
		assert_int_equal(big[99999], 'b');
		arena_reset(&a);
	}
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_names),
		cmocka_unit_test(test_paths_find_what_is_there),
		cmocka_unit_test(test_paths_twice),
		cmocka_unit_test(test_soft_paths),
		cmocka_unit_test(test_copy_is_exact),
		cmocka_unit_test(test_copy_strings),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_numbers_compare),
		cmocka_unit_test(test_like),
		cmocka_unit_test(test_arena),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
