/*
 * test_sink_seen.c - the set of ids of a first import, small enough to fill.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define SEEN_SLOTS ((size_t)4)
#define SEEN_SLOTS_MAX ((size_t)64)
#include "sink/seen.c"

static void
new_ids_are_new_once(void **state)
{
	struct seen *s = seen_new();
	char id[16];

	(void)state;
	/* Past several doublings: none is forgotten on the way. */
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "u%d", i);
		assert_false(seen_has(s, id));
		assert_true(seen_add(s, id));
	}
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "u%d", i);
		assert_true(seen_has(s, id));
		assert_false(seen_add(s, id));
	}
	assert_false(seen_has(s, "u40"));
	seen_free(s);
}

static void
a_full_set_says_perhaps(void **state)
{
	struct seen *s = seen_new();
	char id[16];
	int taken = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "u%d", i);
		taken += seen_add(s, id);
	}
	assert_int_equal(taken, 48);
	assert_int_equal(s->mask, 63);
	seen_free(s);
	seen_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_ids_are_new_once),
		cmocka_unit_test(a_full_set_says_perhaps),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
