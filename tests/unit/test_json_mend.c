/*
 * test_json_mend.c - characters that are no Unicode, in JSON text.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "json_mend.h"

struct row {
	const char *before, *after;
	size_t mended;
};

static const struct row rows[] = {
	{ "[\"plain\"]", "[\"plain\"]", 0 },
	{ "[\"\\ud83d\\ude00\"]", "[\"\\ud83d\\ude00\"]", 0 },
	{ "[\"\\ud83d\"]", "[\"\\ufffd\"]", 1 },
	{ "[\"\\ude00\\ud83d\"]", "[\"\\ufffd\\ufffd\"]", 2 },
	{ "[\"\\ud83dx\\ude00\"]", "[\"\\ufffdx\\ufffd\"]", 2 },
	{ "[\"\\ud83d\\ud83d\\ude00\"]", "[\"\\ufffd\\ud83d\\ude00\"]", 1 },
	{ "[\"\\\\ud83d\"]", "[\"\\\\ud83d\"]", 0 }, /* an escaped backslash */
	{ "[\"\\u00e9\\n\\\"\"]", "[\"\\u00e9\\n\\\"\"]", 0 },
	{ "[\"\xc3\xa9\xf0\x9f\x98\x80\"]", "[\"\xc3\xa9\xf0\x9f\x98\x80\"]",
	    0 },
	{ "[\"\xe9t\xe9\"]", "[\"?t?\"]", 2 },
	{ "[\"\xed\xa0\x80\"]", "[\"???\"]", 3 }, /* a surrogate in UTF-8 */
	{ "[\"\xc0\xaf\"]", "[\"??\"]", 2 }, /* overlong */
	{ "[\"\xf0\x9f\"]", "[\"??\"]", 2 }, /* cut off */
};

static void
mends_what_no_reader_takes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = strdup(rows[i].before);
		yyjson_doc *doc;

		assert_int_equal(json_mend(text, strlen(text)), rows[i].mended);
		assert_string_equal(text, rows[i].after);
		doc = yyjson_read(text, strlen(text), 0);
		assert_non_null(doc);
		yyjson_doc_free(doc);
		free(text);
	}
}

static void
torn_text_stays_in_its_bounds(void **state)
{
	static const char torn[] = "[\"\\ud83d\\ude0";

	(void)state;
	for (size_t len = 0; len < sizeof(torn); len++) {
		char *text = malloc(len + 1);

		memcpy(text, torn, len);
		json_mend(text, len);
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mends_what_no_reader_takes),
		cmocka_unit_test(torn_text_stays_in_its_bounds),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
