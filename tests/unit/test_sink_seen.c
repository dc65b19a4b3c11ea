/*
 * test_sink_seen.c - the ids of a first import, in a filter small enough to
 * fill.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define SEEN_BITS ((uint64_t)4096)
#define SEEN_MAX 100
#include "sink/seen.c"

static void
new_ids_are_new_once(void **state)
{
	struct seen *s = seen_new();
	char id[16];

	(void)state;
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "u%d", i);
		assert_false(seen_has(s, 1, id));
		assert_true(seen_add(s, 1, id));
	}
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "u%d", i);
		assert_true(seen_has(s, 1, id));
		assert_false(seen_add(s, 1, id));
	}
	assert_false(seen_has(s, 1, "u40"));
	assert_false(seen_has(s, 2, "u1"));
	seen_free(s);
}

/* What is there is never called new, however full the filter is. */
static void
a_full_one_says_perhaps(void **state)
{
	struct seen *s = seen_new();
	char id[16];
	int taken = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "u%d", i);
		taken += seen_add(s, 1, id);
		assert_true(seen_has(s, 1, id));
	}
	assert_int_equal(taken, 100);
	seen_free(s);
	seen_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_ids_are_new_once),
		cmocka_unit_test(a_full_one_says_perhaps),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
