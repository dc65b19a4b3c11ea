/*
 * test_wire.c - messages, lines and buffers: what every byte between two
 * programs passes through.  The line buffer is shrunk so that every test
 * crosses its edges.
 */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LINES_CHUNK ((size_t)4)
#include "lib/lines.c"

#include "clock.h"
#include "json.h"
#include "log.h"

static void
room_holds_one_document_after_the_other(void **state)
{
	struct json_room room = { 0 };
	yyjson_doc *one, *two;
	char *was;

	(void)state;
	one = json_read(&room, "[1,2]", 5, NULL);
	was = room.bytes;
	assert_true((char *)one >= was && (char *)one < was + room.cap);
	/* While it lives the next one is elsewhere. */
	two = json_read(&room, "[3]", 3, NULL);
	assert_false((char *)two >= was && (char *)two < was + room.cap);
	assert_int_equal(yyjson_arr_size(yyjson_doc_get_root(one)), 2);
	json_done(&room, two);
	assert_true(room.taken);
	json_done(&room, one);
	assert_false(room.taken);
	assert_null(json_read(&room, "[3", 2, NULL));
	one = json_read(&room, "[3]", 3, NULL);
	assert_ptr_equal(room.bytes, was);
	assert_true((char *)one >= was && (char *)one < was + room.cap);
	json_done(&room, one);
	json_room_free(&room);
}

static void
room_of_an_extraordinary_page_is_not_kept(void **state)
{
	static char text[2 << 20];
	struct json_room room = { 0 };
	yyjson_doc *doc;

	(void)state;
	memset(text, ' ', sizeof(text));
	text[0] = '[';
	text[sizeof(text) - 1] = ']';
	doc = json_read(&room, text, sizeof(text), NULL);
	assert_non_null(doc);
	assert_true(room.taken);
	json_done(&room, doc);
	assert_null(room.bytes);
	/* And it serves as before. */
	doc = json_read(&room, "[3]", 3, NULL);
	assert_true(room.taken);
	json_done(&room, doc);
	json_room_free(&room);
}

static void
message_reads_what_was_written(void **state)
{
	struct buf b = { 0 };
	struct why why;
	struct msg m;

	(void)state;
	msg_open(&b, MSG_PAGE);
	msg_address(&b, "okta:contoso", "User", 3, 2);
	msg_int(&b, MSG_SEQ, 41);
	msg_bool(&b, MSG_LAST, true);
	msg_raw(&b, MSG_RECORDS, "[{\"n\":9007199254740993}]", 24);
	msg_close(&b);
	assert_int_equal(msg_read(&m, b.data, b.len, &why), 0);
	assert_int_equal(m.kind, MSG_PAGE);
	assert_string_equal(m.source, "okta:contoso");
	assert_int_equal(m.run, 3);
	assert_int_equal(m.epoch, 2);
	assert_int_equal(m.seq, 41);
	assert_true(m.last);
	assert_int_equal(
	    json_int(json_get(yyjson_arr_get(m.records, 0), "n"), 0),
	    9007199254740993);
	msg_free(&m);
	buf_free(&b);
}

static void
message_refuses_what_is_none(void **state)
{
	static const char *const wrong[] = {
		"",
		"[]",
		"{\"v\":1",
		"{\"v\":2,\"kind\":\"beat\"}",
		"{\"v\":1,\"kind\":\"surprise\"}",
		"{\"v\":1,\"kind\":\"page\",\"records\":[]}",
		"{\"v\":1,\"kind\":\"ready\",\"instance\":5}",
		"{\"v\":1,\"kind\":\"beat\",\"credit\":1.5}",
		"{\"v\":1,\"kind\":\"beat\",\"credit\":-1}",
		"{\"v\":1,\"kind\":\"beat\",\"source\":\"a\\u0000b\"}",
		"{\"v\":1,\"kind\":\"beat\",\"records\":{}}",
	};
	struct why why;
	struct msg m;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		why.text[0] = '\0';
		assert_int_equal(
		    msg_read(&m, wrong[i], strlen(wrong[i]), &why), -1);
		assert_true(why.text[0] != '\0');
		assert_null(m.doc);
	}
}

static void
message_of_others_is_called_one(void **state)
{
	static const char *const texts[] = { "{\"id\":\"00u1\"}",
		"{\"v\":\"1\",\"kind\":\"beat\"}", "7" };
	struct why why;
	struct msg m;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(
		    msg_read(&m, texts[i], strlen(texts[i]), &why), -1);
		assert_non_null(strstr(why.text, "not a message of idmesh"));
	}
}

static void
message_ignores_unknown_keys_and_null(void **state)
{
	const char *text = "{\"v\":1,\"kind\":\"beat\",\"new\":{\"a\":1},"
			   "\"instance\":null,\"credit\":2}";
	struct why why;
	struct msg m;

	(void)state;
	assert_int_equal(msg_read(&m, text, strlen(text), &why), 0);
	assert_null(m.instance);
	assert_int_equal(m.credit, 2);
	msg_free(&m);
}

static void
lines_tail_of_a_cut_one_is_none(void **state)
{
	struct lines *l;
	char *line;
	size_t len;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	l = lines_new_max(p[0], 4);
	assert_int_equal(lines_write(p[1], "12345", 5), 0);
	assert_int_equal(lines_next(l, &line, &len), LINES_LONG);
	assert_int_equal(lines_write(p[1], "6\n", 2), 0);
	l->end += (size_t)read(p[0], l->data + l->end, 2);
	assert_false(lines_ready(l));
	assert_int_equal(lines_write(p[1], "one\n", 4), 0);
	l->end += (size_t)read(p[0], l->data + l->end, 4);
	assert_true(lines_ready(l));
	assert_int_equal(lines_next(l, &line, &len), LINES_ONE);
	assert_string_equal(line, "one");
	lines_free(l);
	close(p[0]);
	close(p[1]);
}

static void
lines_come_whole_or_not_at_all(void **state)
{
	int p[2];
	size_t len;
	char *line;
	struct lines *l;

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(lines_write(p[1], "one\n\nthree 3\nhal", 16), 0);
	close(p[1]);
	l = lines_new(p[0]);
	assert_int_equal(lines_next(l, &line, &len), LINES_ONE);
	assert_string_equal(line, "one");
	assert_int_equal(lines_next(l, &line, &len), LINES_ONE);
	assert_int_equal(len, 0);
	assert_int_equal(lines_next(l, &line, &len), LINES_ONE);
	assert_string_equal(line, "three 3");
	assert_int_equal(lines_next(l, &line, &len), LINES_TORN);
	lines_free(l);
	close(p[0]);
}

/* What nobody ends is cut, and what is behind it is a line again. */
static void
a_line_is_bounded(void **state)
{
	static const struct {
		enum lines_result r;
		const char *text;
	} want[] = { { LINES_ONE, "12345678" }, { LINES_LONG, "abcdefgh" },
		{ LINES_ONE, "next" }, { LINES_LONG, "ABCDEFGH" },
		{ LINES_ONE, "" }, { LINES_WAIT, NULL } };
	static const char text[] = "12345678\nabcdefghi\nnext\nABCDEFGHI";
	struct lines *l;
	size_t len, at = 0;
	char *line;
	int p[2];

	(void)state;
	/* However it comes: in pieces of n bytes. */
	for (size_t n = 1; n < sizeof(text); n++) {
		assert_int_equal(pipe2(p, O_NONBLOCK), 0);
		l = lines_new_max(p[0], 8);
		at = 0;
		for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
			enum lines_result r = lines_next(l, &line, &len);

			while (r == LINES_WAIT && at < sizeof(text) - 1) {
				size_t left = sizeof(text) - 1 - at;

				left = left < n ? left : n;
				lines_write(p[1], text + at, left);
				at += left;
				if (at == sizeof(text) - 1)
					lines_write(p[1], "J\n\nhalf", 7);
				r = lines_next(l, &line, &len);
			}
			assert_int_equal(r, want[i].r);
			if (want[i].text == NULL)
				continue;
			assert_string_equal(line, want[i].text);
			assert_int_equal(len, strlen(line));
		}
		assert_true(lines_rest(l, &line, &len));
		assert_string_equal(line, "half");
		assert_false(lines_rest(l, &line, &len));
		assert_int_equal(lines_next(l, &line, &len), LINES_WAIT);
		lines_free(l);
		close(p[0]);
		close(p[1]);
	}
}

static void
dates_cross_both_ways(void **state)
{
	char text[CLOCK_TEXT];
	int64_t ms, http;

	(void)state;
	assert_int_equal(
	    clock_parse_rfc3339("2026-04-22T08:15:30.250Z", 24, &ms), 0);
	clock_rfc3339(ms, text);
	assert_string_equal(text, "2026-04-22T08:15:30.250Z");
	assert_int_equal(
	    clock_parse_rfc3339("2026-04-22T10:15:30+02:00", 25, &http), 0);
	assert_int_equal(ms - 250, http);
	assert_int_equal(
	    clock_parse_http("Wed, 22 Apr 2026 08:15:30 GMT", &http), 0);
	assert_int_equal(ms - 250, http);
	assert_int_equal(clock_parse_http("yesterday", &http), -1);
	assert_int_equal(
	    clock_parse_rfc3339("2026-13-22T08:15:30Z", 20, &ms), -1);
	assert_int_equal(clock_parse_rfc3339("2026-04-22\0"
					     "08:15:30Z",
			     20, &ms),
	    -1);
}

static void
a_log_line_is_one_line_and_plain(void **state)
{
	char text[128] = "";
	int p[2], kept = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	log_error("Ann\n\x1b[2J\r\x7f\xc3\xa9");
	log_error_lines("one\n\ntwo");
	assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	close(p[1]);
	assert_true(read(p[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "idmesh: error: Ann  [2J  \xc3\xa9\n"
				  "idmesh: error: one\nidmesh: error: two\n");
	close(p[0]);
	close(kept);
}

static void
json_text_is_escaped(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_json(&b, "a\"b\\c\n\x01\xc3\xa9", 9);
	assert_string_equal(b.data, "\"a\\\"b\\\\c\\n\\u0001\xc3\xa9\"");
	buf_free(&b);
}

static void
nearest_name_is_near(void **state)
{
	const char *const names[] = { "PageSize", "OrgDomain" };

	(void)state;
	assert_string_equal(why_nearest("PageSiz", names, 2), "PageSize");
	assert_string_equal(why_nearest("orgdomain", names, 2), "OrgDomain");
	assert_null(why_nearest("Colour", names, 2));
}

static void
a_swap_is_one_mistake(void **state)
{
	(void)state;
	assert_int_equal(why_distance("okta", "okta"), 0);
	assert_int_equal(why_distance("okat", "okta"), 1);
	assert_int_equal(why_distance("etnra", "entra"), 1);
	assert_int_equal(why_distance("Usr", "user"), 1);
	assert_int_equal(why_distance("data", "okta"), 2);
	assert_int_equal(why_distance("", "okta"), 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_holds_one_document_after_the_other),
		cmocka_unit_test(room_of_an_extraordinary_page_is_not_kept),
		cmocka_unit_test(message_reads_what_was_written),
		cmocka_unit_test(message_refuses_what_is_none),
		cmocka_unit_test(message_of_others_is_called_one),
		cmocka_unit_test(message_ignores_unknown_keys_and_null),
		cmocka_unit_test(lines_tail_of_a_cut_one_is_none),
		cmocka_unit_test(lines_come_whole_or_not_at_all),
		cmocka_unit_test(a_line_is_bounded),
		cmocka_unit_test(dates_cross_both_ways),
		cmocka_unit_test(a_log_line_is_one_line_and_plain),
		cmocka_unit_test(json_text_is_escaped),
		cmocka_unit_test(nearest_name_is_near),
		cmocka_unit_test(a_swap_is_one_mistake),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
