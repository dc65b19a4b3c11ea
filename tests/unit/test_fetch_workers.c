/*
 * test_fetch_workers.c - who gets the next page, and who still has the last.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "fetch/workers.c"

static const struct bus_peer here = { 1, "a" }, there = { 1, "b" };

static int64_t
hear(struct workers *w, const char *who, int64_t credit, int64_t n, int64_t ms)
{
	return workers_heard(w, who, &here, credit, n, ms);
}

static void
credit_counts_what_is_on_its_way(void **state)
{
	struct workers *w = workers_new();
	struct worker *k;

	(void)state;
	assert_null(workers_pick(w));
	hear(w, "one", 2, 0, 0);
	k = workers_pick(w);
	workers_sent(k, 0);
	assert_ptr_equal(workers_pick(w), k);
	workers_sent(k, 0);
	assert_null(workers_pick(w));
	hear(w, "two", 2, 0, 0);
	assert_ptr_not_equal(workers_pick(w), k);
	hear(w, "one", 2, 2, 10);
	assert_non_null(workers_pick(w));
	workers_free(w);
}

static void
a_new_connection_has_lost_what_the_old_one_held(void **state)
{
	struct workers *w = workers_new();
	int64_t id;

	(void)state;
	hear(w, "one", 2, 0, 0);
	id = workers_first(w)->id;
	assert_int_equal(workers_heard(w, "one", &there, 2, 0, 5), id);
	assert_int_not_equal(workers_first(w)->id, id);
	workers_free(w);
}

static void
who_is_at_a_page_is_left_in_peace(void **state)
{
	struct workers *w = workers_new();
	struct worker *k;

	(void)state;
	hear(w, "one", 2, 0, 0);
	k = workers_first(w);
	workers_sent(k, 0);
	workers_sent(k, 0);
	assert_true(workers_at(w, k->id, 1));
	hear(w, "one", 1, 1, 5000);
	assert_true(workers_at(w, k->id, 1));
	hear(w, "one", 2, 1, 9000);
	assert_false(workers_at(w, k->id, 1));
	assert_true(workers_at(w, k->id, 2));
	hear(w, "one", 0, 2, 9500); /* holds its answer back */
	assert_false(workers_at(w, k->id, 2));
	assert_false(workers_at(w, k->id + 1, 2)); /* nobody */
	workers_free(w);
}

static void
what_was_lost_on_the_way_is_noticed(void **state)
{
	struct workers *w = workers_new();
	struct worker *k;

	(void)state;
	hear(w, "one", 2, 0, 0);
	k = workers_first(w);
	workers_sent(k, 0);
	workers_sent(k, 0);
	assert_int_equal(hear(w, "one", 2, 1, 4000), 0); /* between two */
	assert_int_equal(hear(w, "one", 2, 2, 8000), 0);
	workers_sent(k, 9000);
	assert_int_equal(hear(w, "one", 2, 2, 9500), 0); /* under way */
	assert_int_equal(hear(w, "one", 2, 2, 11000), k->id);
	assert_int_equal(left(k), 2);
	workers_free(w);
}

static void
pages_from_before_give_no_credit(void **state)
{
	struct workers *w = workers_new();

	(void)state;
	hear(w, "one", 2, 7, 0);
	hear(w, "one", 2, 9, 100); /* two that an earlier fetch had sent */
	assert_int_equal(left(workers_first(w)), 2);
	workers_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(credit_counts_what_is_on_its_way),
		cmocka_unit_test(
		    a_new_connection_has_lost_what_the_old_one_held),
		cmocka_unit_test(who_is_at_a_page_is_left_in_peace),
		cmocka_unit_test(what_was_lost_on_the_way_is_noticed),
		cmocka_unit_test(pages_from_before_give_no_credit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
