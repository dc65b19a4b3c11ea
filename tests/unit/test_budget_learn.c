/*
 * test_budget_learn.c - which requests share a bucket, at first and as the
 * headers show it; and what others on the same bucket take.
 */

#include "tests/unit/budget_world.h"

static struct budget *
start(void)
{
	struct budget_limits limits = { 1, 0, 8, 7, 0 };

	return budget_new(&limits);
}

/* okta-api 3.5: which requests are charged to one bucket. */
static void
built_in_buckets(void **state)
{
	static const struct {
		const char *method, *path, *bucket;
	} rows[] = {
		{ "GET", "/api/v1/users", "/api/v1/users" },
		{ "GET", "/api/v1/users/{id}", "/api/v1/users/{id:.+}" },
		{ "GET", "/api/v1/users/me", "/api/v1/users/me" },
		{ "PUT", "/api/v1/users/{id}", "/api/v1/users/{id}" },
		{ "GET", "/api/v1/users/{id}/groups", "/api/v1/users" },
		{ "GET", "/api/v1/groups/{id}/users", "/api/v1/groups" },
		{ "GET", "/api/v1/groups/rules", "/api/v1/groups" },
		{ "DELETE", "/api/v1/groups/{id}", "/api/v1/groups/{id}" },
		{ "GET", "/api/v1/apps/{id}", "/api/v1/apps/{id}" },
		{ "GET", "/api/v1/apps/{id}/users", "/api/v1/apps" },
		{ "GET", "/api/v1/devices/{id}/users",
		    "/api/v1/devices/{id}/users" },
		{ "GET", "/api/v1/devices/{id}", "/api/v1/devices" },
		{ "GET", "/api/v1/iam/roles", "/api/v1/iam" },
		{ "GET", "/api/v1/meta/schemas/user/default", "/api/v1" },
		{ "GET", "/api/v1/usersome", "/api/v1/usersome" },
		{ "POST", "/beta/x", "POST /beta/x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct budget *b = start();
		struct budget_row row;
		int class = budget_class(b, rows[i].method, rows[i].path);

		assert_int_equal(
		    budget_class(b, rows[i].method, rows[i].path), class);
		assert_int_equal(budget_rows(b, 0, &row, 1), 1);
		assert_string_equal(row.name, rows[i].bucket);
		budget_free(b);
	}
}

static size_t
buckets_of(const struct world *w)
{
	struct budget_row rows[BUCKETS + 1];

	return budget_rows(w->b, w->now_ms, rows, BUCKETS + 1);
}

/* Two classes on the counters named, for some windows. */
static void
two_classes(struct world *w, int first, int second, int64_t todo)
{
	w->buckets = 2;
	w->counter[0] = first;
	w->counter[1] = second;
	w->counters[1] = w->counters[0];
	w->todo[0] = todo;
	w->todo[1] = todo;
}

static void
one_counter_becomes_one_bucket(void **state)
{
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		calm(&w, seed, 60, 20000);
		two_classes(&w, 0, 0, 400);
		world_run(&w);
		if (buckets_of(&w) != 1)
			fail_world(&w, "still two buckets");
		if (w.counters[0].refused > 2)
			fail_world(&w, "refused although learned");
		world_end(&w);
	}
}

/* The same limit and, side by side, the same resets: still two. */
static void
two_counters_stay_two_buckets(void **state)
{
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		calm(&w, seed, 60, 20000);
		two_classes(&w, 0, 1, 400);
		if (seed > 100) /* someone else is on one of them */
			w.counters[1].theirs_ms = 1500;
		world_run(&w);
		if (buckets_of(&w) != 2)
			fail_world(&w, "no longer two buckets");
		world_end(&w);
	}
}

/* Looking alike must not cost one of them its requests. */
static void
two_small_counters_are_both_used_up(void **state)
{
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		calm(&w, seed, 10, 20000);
		two_classes(&w, 0, 1, 100);
		world_run(&w);
		if (w.counters[0].refused + w.counters[1].refused > 0)
			fail_world(&w, "a bucket refused");
		if (w.now_ms - w.start_ms > 10 * 20000 * 105 / 100)
			fail_world(&w, "one held the other up");
		world_end(&w);
	}
}

/* The table says one bucket, this tenant has two. */
static void
two_counters_become_two_buckets(void **state)
{
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		calm(&w, seed, 60, 20000);
		two_classes(&w, 0, 1, 300);
		w.counters[1].limit = w.counters[1].usual = 150;
		w.path[0] = "/api/v1/groups";
		w.path[1] = "/api/v1/groups/{id}/users";
		world_run(&w);
		if (buckets_of(&w) != 2)
			fail_world(&w, "still one bucket");
		world_end(&w);
	}
}

static void
others_are_left_their_part(void **state)
{
	struct world w;
	int64_t refused = 0, accepted = 0, theirs = 0, denied = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct budget_row row;
		int64_t pace;

		calm(&w, seed, 600, 60000);
		w.limits.share = 0.8;
		w.limits.in_flight_max = 4;
		w.latency_ms = 200;
		w.counters[0].on_demand = false;
		w.counters[0].theirs_ms = between(&w, 150, 1000);
		w.todo[0] = 1000000;
		world_begin(&w);
		while (w.now_ms < w.start_ms + 300000)
			step(&w);
		pace = 60000 / w.counters[0].theirs_ms;
		assert_int_equal(budget_rows(w.b, w.now_ms, &row, 1), 1);
		if (row.foreign < pace / 2 || row.foreign > pace * 3 / 2)
			fail_world(&w, "others are misreported");
		refused += w.counters[0].refused;
		accepted += w.counters[0].accepted;
		theirs += w.counters[0].theirs;
		denied += w.counters[0].denied;
		world_end(&w);
	}
	assert_true(refused * 5000 <= accepted);
	assert_true(denied * 20 <= theirs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(built_in_buckets),
		cmocka_unit_test(one_counter_becomes_one_bucket),
		cmocka_unit_test(two_counters_stay_two_buckets),
		cmocka_unit_test(two_small_counters_are_both_used_up),
		cmocka_unit_test(two_counters_become_two_buckets),
		cmocka_unit_test(others_are_left_their_part),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("budget_learn", tests, NULL, NULL);
}
