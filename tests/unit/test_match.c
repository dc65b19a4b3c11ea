/*
 * test_match.c - who is the same person: the situations that operators meet.
 */

#include "match_world.h"

static enum match_why
held(const struct world *w, size_t i)
{
	return w->out.places[i].person < 0 ? w->out.places[i].held : MATCH_FINE;
}

static void
test_strongest_key_first(void **state)
{
	struct world w;
	size_t a, b, c;

	(void)state;
	begin(&w);
	a = add(&w, OKTA, "a", "E7", "ann@x", NULL);
	b = add(&w, ENTRA, "b", "E7", "ann@y", NULL);
	c = add(&w, ENTRA, "c", NULL, "ann@x", NULL);
	run(&w);
	assert_true(together(&w, a, b));
	assert_int_equal(w.out.places[b].evidence, NUMBER);
	assert_string_equal(w.out.places[b].value, "E7");
	/* Complete at the number, so nobody is left to meet by e-mail. */
	assert_int_equal(held(&w, c), MATCH_FINE);
	assert_int_equal(w.out.npersons, 2);
	match_free(&w.out);
}

static void
test_recycled_email(void **state)
{
	struct world w;
	size_t a, b;

	(void)state;
	begin(&w);
	a = add(&w, OKTA, "a", "E8", "bob@x", NULL);
	b = add(&w, ENTRA, "b", "E9", "bob@x", NULL);
	run(&w);
	assert_int_equal(held(&w, a), MATCH_FINE);
	assert_int_equal(held(&w, b), MATCH_CONTRADICTED);
	assert_int_equal(w.out.nconflicts, 1);
	assert_int_equal(w.out.conflicts[0].against, NUMBER);
	assert_int_equal(w.out.conflicts[0].key, EMAIL);
	assert_int_equal(w.out.conflicts[0].a, a);
	assert_int_equal(w.out.conflicts[0].b, b);
	match_free(&w.out);
}

static void
test_ambiguous_never_falls_through(void **state)
{
	struct world w;
	size_t a, b, c;

	(void)state;
	begin(&w);
	a = add(&w, OKTA, "a", "E7", "ann@x", NULL);
	b = add(&w, ENTRA, "b", "E7", "ann@x", NULL);
	c = add(&w, ENTRA, "c", "E7", "other@x", NULL);
	run(&w);
	assert_int_equal(held(&w, a), MATCH_FINE);
	assert_int_equal(held(&w, b), MATCH_AMBIGUOUS);
	assert_int_equal(held(&w, c), MATCH_AMBIGUOUS);
	decide(&w, MATCH_NEVER, a, c);
	run(&w);
	assert_true(together(&w, a, b));
	assert_int_equal(held(&w, c), MATCH_FINE);
	w.nd = 0;
	decide(&w, MATCH_JOIN, c, a);
	run(&w);
	assert_true(together(&w, a, c));
	assert_int_equal(w.out.places[c].evidence, MATCH_DECIDED);
	w.nd = 0;
	decide(&w, MATCH_ALONE, c, 0);
	run(&w);
	assert_true(together(&w, a, b));
	assert_false(together(&w, a, c));
	assert_int_equal(held(&w, c), MATCH_FINE);
	match_free(&w.out);
}

static void
test_undone_decision_leaves_no_ground(void **state)
{
	struct world w;
	int64_t next = 0;
	size_t a, b, c;

	(void)state;
	begin(&w);
	a = add(&w, OKTA, "a", "E7", "ann@x", NULL);
	b = add(&w, ENTRA, "b", "E7", "ann@x", NULL);
	c = add(&w, ENTRA, "c", "E7", "other@x", NULL);
	decide(&w, MATCH_NEVER, a, c);
	run(&w);
	remember(&w, &next);
	w.nd = 0;
	/* With its memory c stays a person, without it is held, and nobody else
	 * gets its id. */
	run(&w);
	assert_int_equal(held(&w, c), MATCH_FINE);
	w.o[c].evidence = MATCH_UNDONE;
	run(&w);
	assert_true(together(&w, a, b));
	assert_int_equal(held(&w, c), MATCH_AMBIGUOUS);
	assert_int_equal(w.out.npersons, 1);
	assert_int_equal(w.out.persons[0].mesh, w.o[a].mesh);
	/* Where nothing holds it, it goes on as who it is. */
	w.o[c].nvalues = 0;
	run(&w);
	assert_int_equal(held(&w, c), MATCH_FINE);
	assert_int_equal(
	    w.out.persons[w.out.places[c].person].mesh, w.o[c].mesh);
	/* One that came into the person of another does not take their id. */
	w.o[c].mesh = w.o[a].mesh;
	run(&w);
	assert_int_equal(w.out.persons[w.out.places[c].person].mesh, 0);
	assert_int_equal(
	    w.out.persons[w.out.places[a].person].mesh, w.o[a].mesh);
	match_free(&w.out);
}

static void
test_undone_return_is_asked_again(void **state)
{
	struct world w;
	size_t a, b;

	(void)state;
	begin(&w);
	a = add(&w, OKTA, "a", "E7", NULL, NULL);
	b = add(&w, OKTA, "b", "E7", NULL, NULL);
	w.o[a].gone = true;
	w.o[a].mesh = w.o[b].mesh = 5;
	w.o[b].evidence = MATCH_UNDONE;
	w.rules.same_key = MATCH_ASK;
	run(&w);
	assert_int_equal(held(&w, b), MATCH_RETURNED);
	assert_int_equal(w.out.npersons, 0);
	w.rules.same_key = MATCH_NEW;
	run(&w);
	assert_int_equal(w.out.persons[w.out.places[b].person].mesh, 0);
	match_free(&w.out);
}

static void
test_marriage_keeps_the_link(void **state)
{
	struct world w;
	int64_t next = 0;
	size_t a, b;

	(void)state;
	begin(&w);
	a = add(&w, OKTA, "a", NULL, "ann@x", NULL);
	b = add(&w, ENTRA, "b", NULL, "ann@x", NULL);
	run(&w);
	remember(&w, &next);
	assert_true(together(&w, a, b));
	w.v[a][0].text = "ann.new@x";
	run(&w);
	assert_true(together(&w, a, b));
	assert_true(w.out.places[b].stale);
	w.rules.strict = true;
	run(&w);
	assert_false(together(&w, a, b));
	match_free(&w.out);
}

static void
test_stronger_key_unjoins(void **state)
{
	struct world w;
	int64_t next = 0, first;
	size_t a, b, c;

	(void)state;
	begin(&w);
	a = add(&w, OKTA, "a", "E1", "ann@x", NULL);
	b = add(&w, ENTRA, "b", NULL, "ann@x", NULL);
	run(&w);
	remember(&w, &next);
	first = w.o[a].mesh;
	c = add(&w, ENTRA, "c", "E1", NULL, NULL);
	run(&w);
	assert_true(together(&w, a, c));
	assert_false(together(&w, a, b));
	assert_int_equal(held(&w, b), MATCH_FINE);
	remember(&w, &next);
	assert_int_equal(w.o[a].mesh, first);
	assert_int_not_equal(w.o[b].mesh, first);
	match_free(&w.out);
}

static void
test_newcomer_does_not_break_a_person(void **state)
{
	struct world w;
	int64_t next = 0;
	size_t a, b, c;

	(void)state;
	begin(&w);
	a = add(&w, OKTA, "a", "E1", NULL, NULL);
	b = add(&w, ENTRA, "b", "E1", NULL, NULL);
	run(&w);
	remember(&w, &next);
	c = add(&w, ENTRA, "0", "E1", NULL, NULL);
	run(&w);
	assert_true(together(&w, a, b));
	assert_int_equal(held(&w, c), MATCH_AMBIGUOUS);
	match_free(&w.out);
}

static void
test_two_persons_become_one(void **state)
{
	struct world w;
	int64_t next = 0;
	size_t a, b;

	(void)state;
	begin(&w);
	b = add(&w, ENTRA, "b", "E1", NULL, NULL);
	run(&w);
	remember(&w, &next);
	a = add(&w, OKTA, "a", NULL, NULL, NULL);
	run(&w);
	remember(&w, &next);
	assert_int_equal(w.o[b].mesh, 1);
	assert_int_equal(w.o[a].mesh, 2);
	w.v[a][w.o[a].nvalues++] = (struct match_value){ NUMBER, "E1" };
	run(&w);
	assert_true(together(&w, a, b));
	/* The id of the one led by the higher-ranked source stays. */
	assert_int_equal(w.out.persons[0].mesh, 2);
	assert_int_equal(w.out.naliases, 1);
	assert_int_equal(w.out.aliases[0].mesh, 1);
	match_free(&w.out);
}

static void
test_proposals_only_propose(void **state)
{
	struct world w;
	size_t a, b;

	(void)state;
	begin(&w);
	a = add(&w, OKTA, "a", "E1", NULL, "li ann");
	b = add(&w, ENTRA, "b", NULL, NULL, "li ann");
	run(&w);
	assert_false(together(&w, a, b));
	assert_int_equal(held(&w, b), MATCH_FINE);
	assert_int_equal(w.out.nconflicts, 1);
	assert_int_equal(w.out.conflicts[0].why, MATCH_PROPOSED);
	match_free(&w.out);
}

static void
test_unmatched_waits(void **state)
{
	static const bool hold[2] = { false, true };
	struct world w;
	int64_t next = 0;
	size_t a, b;

	(void)state;
	begin(&w);
	w.rules.hold = hold;
	b = add(&w, ENTRA, "b", "E1", NULL, NULL);
	run(&w);
	assert_int_equal(held(&w, b), MATCH_UNMATCHED);
	a = add(&w, OKTA, "a", "E1", NULL, NULL);
	run(&w);
	remember(&w, &next);
	assert_true(together(&w, a, b));
	/* Its partner leaves: it goes on as the person that it is. */
	w.o[a].gone = true;
	run(&w);
	assert_int_equal(held(&w, b), MATCH_FINE);
	assert_int_equal(w.out.persons[0].mesh, 1);
	match_free(&w.out);
}

static void
test_back_with_a_new_id(void **state)
{
	struct world w;
	int64_t next = 0;
	size_t a, b;

	(void)state;
	begin(&w);
	a = add(&w, OKTA, "a", "E1", "ann@x", NULL);
	run(&w);
	remember(&w, &next);
	w.o[a].gone = true;
	b = add(&w, OKTA, "b", "E1", "ann@x", NULL);
	run(&w);
	assert_int_equal(held(&w, b), MATCH_RETURNED);
	assert_int_equal(w.out.conflicts[0].a, a);
	w.rules.same_key = MATCH_REVIVE;
	run(&w);
	assert_int_equal(w.out.persons[0].mesh, 1);
	w.rules.same_key = MATCH_NEW;
	run(&w);
	assert_int_equal(w.out.persons[0].mesh, 0);
	w.rules.same_key = MATCH_ASK;
	decide(&w, MATCH_JOIN, b, a);
	run(&w);
	assert_int_equal(w.out.persons[0].mesh, 1);
	w.nd = 0;
	decide(&w, MATCH_ALONE, b, 0);
	run(&w);
	assert_int_equal(held(&w, b), MATCH_FINE);
	assert_int_equal(w.out.persons[0].mesh, 0);
	/* A recycled e-mail is nobody's return. */
	w.nd = 0;
	w.v[b][0].text = "E2";
	run(&w);
	assert_int_equal(held(&w, b), MATCH_FINE);
	match_free(&w.out);
}

static void
test_undone_decision_splits(void **state)
{
	struct world w;
	int64_t next = 0;
	size_t a, b;

	(void)state;
	begin(&w);
	a = add(&w, OKTA, "a", "E1", NULL, NULL);
	b = add(&w, ENTRA, "b", "E2", NULL, NULL);
	decide(&w, MATCH_JOIN, a, b);
	run(&w);
	remember(&w, &next);
	assert_true(together(&w, a, b));
	w.nd = 0;
	run(&w);
	assert_false(together(&w, a, b));
	match_free(&w.out);
}

/* Of three, the one in the middle holds the others by different keys. */
static void
test_evidence_is_of_the_bridge(void **state)
{
	struct world w;
	int64_t next = 0;
	size_t a, b, c;

	(void)state;
	begin(&w);
	w.rules.nsources = 3;
	a = add(&w, OKTA, "a", NULL, "ann@x", NULL);
	b = add(&w, ENTRA, "b", "E1", NULL, NULL);
	c = add(&w, HR, "c", "E1", "ann@x", NULL);
	for (int i = 0; i < 3; i++) {
		run(&w);
		remember(&w, &next);
		assert_true(together(&w, a, b) && together(&w, b, c));
		assert_int_equal(w.out.places[a].evidence, MATCH_NONE);
		assert_int_equal(w.out.places[b].evidence, NUMBER);
		assert_int_equal(w.out.places[c].evidence, EMAIL);
		assert_false(w.out.places[b].stale);
		assert_false(w.out.places[c].stale);
	}
	match_free(&w.out);
}

/* The numbers that persons got say who came first, and nothing else. */
static void
test_links_in_order_of_rank(void **state)
{
	(void)state;
	for (int64_t first = 1; first <= 2; first++) {
		struct world w;
		size_t a, b, c, d;

		begin(&w);
		w.rules.nsources = 3;
		a = add(&w, OKTA, "a", "E7", NULL, NULL);
		b = add(&w, ENTRA, "b", NULL, NULL, NULL);
		c = add(&w, ENTRA, "c", NULL, NULL, NULL);
		d = add(&w, HR, "d", "E7", NULL, NULL);
		w.o[a].mesh = w.o[b].mesh = first;
		w.o[c].mesh = w.o[d].mesh = 3 - first;
		w.o[b].evidence = w.o[d].evidence = EMAIL;
		w.o[b].with = a;
		w.o[d].with = c;
		run(&w);
		assert_true(together(&w, a, d));
		assert_true(together(&w, a, b));
		assert_false(together(&w, a, c));
		match_free(&w.out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strongest_key_first),
		cmocka_unit_test(test_recycled_email),
		cmocka_unit_test(test_ambiguous_never_falls_through),
		cmocka_unit_test(test_marriage_keeps_the_link),
		cmocka_unit_test(test_stronger_key_unjoins),
		cmocka_unit_test(test_newcomer_does_not_break_a_person),
		cmocka_unit_test(test_two_persons_become_one),
		cmocka_unit_test(test_proposals_only_propose),
		cmocka_unit_test(test_unmatched_waits),
		cmocka_unit_test(test_back_with_a_new_id),
		cmocka_unit_test(test_undone_decision_splits),
		cmocka_unit_test(test_undone_decision_leaves_no_ground),
		cmocka_unit_test(test_undone_return_is_asked_again),
		cmocka_unit_test(test_evidence_is_of_the_bridge),
		cmocka_unit_test(test_links_in_order_of_rank),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
