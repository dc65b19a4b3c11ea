/*
 * test_sink.c - what the sink makes of the change log, with a target that
 * only writes down how it is called.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sink/apply.c"
#include "sink/position.c"

static struct buf calls; /* one letter or word a call */

static enum exit_code
fake_begin(void *h, struct why *why)
{
	(void)h;
	(void)why;
	buf_str(&calls, "(");
	return EXIT_DONE;
}

static enum exit_code
fake_schema(void *h, yyjson_val *types, struct why *why)
{
	(void)h;
	(void)types;
	(void)why;
	buf_str(&calls, "S");
	return EXIT_DONE;
}

static enum exit_code
fake_change(void *h, const struct change *c, int *hit, struct why *why)
{
	(void)h;
	(void)why;
	buf_fmt(&calls, "%s%s@", c->put ? "+" : "-", c->id);
	position_write(&calls, c->at);
	*hit = strcmp(c->id, "nobody") != 0;
	return EXIT_DONE;
}

static enum exit_code
fake_rebuild(void *h, struct why *why)
{
	(void)h;
	(void)why;
	buf_str(&calls, "R");
	return EXIT_DONE;
}

static enum exit_code
fake_sweep(void *h, const struct position *at, int64_t *gone, struct why *why)
{
	(void)h;
	(void)why;
	(void)at;
	*gone = 3;
	buf_str(&calls, "W");
	return EXIT_DONE;
}

static enum exit_code
fake_commit(void *h, const struct position *at, struct why *why)
{
	(void)h;
	(void)why;
	buf_str(&calls, ")");
	position_write(&calls, at);
	return EXIT_DONE;
}

static const struct target fake = {
	.name = "fake",
	.begin = fake_begin,
	.schema = fake_schema,
	.change = fake_change,
	.rebuild = fake_rebuild,
	.sweep = fake_sweep,
	.commit = fake_commit,
};

const struct target *
sink_target(const char *text, const char **place, struct why *why)
{
	(void)why;
	*place = text;
	return &fake;
}

static struct sink
sink_at(int64_t number)
{
	struct sink s = { .target = &fake,
		.name = "fake:x",
		.messages_max = 2,
		.bytes_max = 1000 };

	s.at.number = number;
	if (number >= 0)
		snprintf(s.at.store, sizeof(s.at.store), "st");
	s.durable = s.at;
	buf_clear(&calls);
	return s;
}

static enum exit_code
take_text(struct sink *s, const char *text, struct why *why)
{
	enum exit_code code;
	struct msg m;

	assert_int_equal(msg_read(&m, text, strlen(text), why), 0);
	code = sink_take(s, &m, 1000, why);
	msg_free(&m);
	return code;
}

/* A change message of the store st, with a put of p<seq>. */
static enum exit_code
take_put(
    struct sink *s, int64_t run, int64_t first, int64_t seq, struct why *why)
{
	struct buf b = { 0 };
	enum exit_code code;

	buf_fmt(&b,
	    "{\"v\":1,\"kind\":\"change\",\"source\":\"st\",\"stream\":"
	    "\"mesh\",\"run\":%d,\"epoch\":1,\"first\":%d,\"seq\":%d,"
	    "\"changes\":[{\"op\":\"put\",\"type\":\"User\",\"id\":\"p%d\","
	    "\"object\":{}}]}",
	    (int)run, (int)first, (int)seq, (int)seq);
	code = take_text(s, b.data, why);
	buf_free(&b);
	return code;
}

static enum exit_code
take_rebuilt(
    struct sink *s, int64_t run, int64_t seq, const char *rest, struct why *why)
{
	struct buf b = { 0 };
	enum exit_code code;

	buf_fmt(&b,
	    "{\"v\":1,\"kind\":\"end\",\"source\":\"st\",\"stream\":\"mesh\","
	    "\"run\":%d,\"epoch\":1,\"seq\":%d,%s}",
	    (int)run, (int)seq, rest);
	code = take_text(s, b.data, why);
	buf_free(&b);
	return code;
}

static void
cursor_text_and_back(void **state)
{
	struct position at = { .number = SINK_NOWHERE };
	struct buf b = { 0 };

	(void)state;
	position_write(&b, &at);
	assert_string_equal(b.data, "-");
	assert_int_equal(position_read("a:b:42", &at), 0);
	assert_string_equal(at.store, "a:b");
	assert_int_equal(at.number, 42);
	assert_int_equal(position_read("a:0", &at), 0);
	assert_int_equal(position_read("-", &at), -1);
	assert_int_equal(position_read("a:", &at), -1);
	assert_int_equal(position_read(":1", &at), -1);
	assert_int_equal(position_read("a:-1", &at), -1);
	assert_int_equal(position_read("a:1x", &at), -1);
	assert_int_equal(position_read("a:99999999999999999999", &at), -1);
	buf_free(&b);
}

static void
changes_go_on_where_the_target_is(void **state)
{
	struct sink s = sink_at(10);
	struct why why;

	(void)state;
	assert_int_equal(take_put(&s, 0, 11, 13, &why), EXIT_DONE);
	assert_int_equal(s.at.number, 13);
	assert_int_equal(s.durable.number, 10);
	assert_int_equal(sink_commit(&s, &why), EXIT_DONE);
	assert_int_equal(s.durable.number, 13);
	assert_string_equal(calls.data, "(+p13@st:13)st:13");
}

static void
the_cursor_moves_with_the_last_change_of_a_message(void **state)
{
	struct sink s = sink_at(4);
	struct why why;

	(void)state;
	assert_int_equal(
	    take_text(&s,
		"{\"v\":1,\"kind\":\"change\",\"source\":\"st\","
		"\"stream\":\"mesh\",\"run\":0,\"epoch\":1,\"first\":5,"
		"\"seq\":7,\"changes\":["
		"{\"op\":\"put\",\"type\":\"User\",\"id\":\"a\",\"object\":{}},"
		"{\"op\":\"delete\",\"type\":\"User\",\"id\":\"nobody\"}]}",
		&why),
	    EXIT_DONE);
	assert_string_equal(calls.data, "(+a@st:4-nobody@st:7");
	assert_int_equal(s.counts.puts, 1);
	assert_int_equal(s.counts.deletes, 0);
	assert_int_equal(s.counts.unknown, 1);
	/* What is told at the end is what was committed. */
	assert_int_equal(s.committed.puts, 0);
	assert_int_equal(sink_commit(&s, &why), EXIT_DONE);
	assert_int_equal(s.committed.puts, 1);
	assert_int_equal(s.committed.unknown, 1);
}

static void
what_is_in_already_is_not_applied_again(void **state)
{
	struct sink s = sink_at(10);
	struct why why;

	(void)state;
	assert_int_equal(take_put(&s, 0, 9, 10, &why), EXIT_DONE);
	assert_int_equal(s.repeated, 1);
	assert_string_equal(calls.data, "(");
	/* A message that overlaps brings later states: it is taken. */
	assert_int_equal(take_put(&s, 0, 10, 12, &why), EXIT_DONE);
	assert_int_equal(s.at.number, 12);
}

static void
a_missing_number_stops(void **state)
{
	struct sink s = sink_at(10);
	struct why why;

	(void)state;
	/* At once: the caller gave no --after. */
	assert_int_equal(take_put(&s, 0, 12, 12, &why), EXIT_USAGE);
	assert_non_null(strstr(why.text, "--after"));
	s = sink_at(10);
	assert_int_equal(take_put(&s, 0, 11, 11, &why), EXIT_DONE);
	assert_int_equal(take_put(&s, 0, 14, 14, &why), EXIT_TEMPORARY);
	assert_non_null(strstr(why.text, "12 to 13"));
}

static void
an_empty_target_takes_only_a_whole_log(void **state)
{
	struct sink s = sink_at(SINK_NOWHERE);
	struct why why;

	(void)state;
	assert_int_equal(take_put(&s, 0, 5, 5, &why), EXIT_USAGE);
	assert_non_null(strstr(why.text, "sink cursor fake:x"));
	s = sink_at(SINK_NOWHERE);
	assert_int_equal(take_put(&s, 0, 1, 2, &why), EXIT_DONE);
	/* What an interrupted rebuild left behind goes first. */
	assert_string_equal(calls.data, "(RW+p2@st:2");
	s = sink_at(SINK_ANYWHERE);
	assert_int_equal(take_put(&s, 0, 5, 5, &why), EXIT_DONE);
	assert_string_equal(calls.data, "(+p5@st:5");
}

static void
another_store_or_a_shorter_log_is_refused(void **state)
{
	struct sink s = sink_at(10);
	struct why why;

	(void)state;
	assert_int_equal(sink_welcome(&s, "st", 10, &why), EXIT_DONE);
	assert_int_equal(sink_welcome(&s, "other", 99, &why), EXIT_USAGE);
	assert_non_null(strstr(why.text, "other"));
	assert_int_equal(sink_welcome(&s, "st", 9, &why), EXIT_USAGE);
	assert_non_null(strstr(why.text, "restored"));
	assert_int_equal(take_text(&s,
			     "{\"v\":1,\"kind\":\"schema\",\"source\":"
			     "\"other\",\"types\":[]}",
			     &why),
	    EXIT_USAGE);
	assert_string_equal(calls.data, "");
	s = sink_at(SINK_NOWHERE);
	assert_int_equal(sink_welcome(&s, "any", 0, &why), EXIT_DONE);
}

static void
a_rebuild_counts_only_with_its_end(void **state)
{
	struct sink s = sink_at(10);
	struct why why;

	(void)state;
	assert_int_equal(take_put(&s, 7, 1, 1, &why), EXIT_DONE);
	assert_int_equal(take_put(&s, 7, 2, 2, &why), EXIT_DONE);
	assert_int_equal(s.at.number, 10);
	/* It begins again as another run: nothing of the first counts. */
	assert_int_equal(take_put(&s, 8, 1, 1, &why), EXIT_DONE);
	assert_int_equal(take_rebuilt(&s, 8, 2,
			     "\"complete\":true,\"cursor\":\"st:50\"", &why),
	    EXIT_DONE);
	assert_string_equal(calls.data, "(R+p1@st:10+p2@st:10R+p1@st:10W");
	assert_int_equal(s.at.number, 50);
	assert_int_equal(s.counts.deletes, 3);
	assert_int_equal(take_put(&s, 0, 51, 51, &why), EXIT_DONE);
	assert_int_equal(s.at.number, 51);
}

static void
a_rebuild_with_a_hole_or_no_cursor_is_refused(void **state)
{
	struct sink s = sink_at(SINK_NOWHERE);
	struct why why;

	(void)state;
	assert_int_equal(take_put(&s, 7, 2, 2, &why), EXIT_TEMPORARY);
	s = sink_at(SINK_NOWHERE);
	assert_int_equal(take_put(&s, 7, 1, 1, &why), EXIT_DONE);
	assert_int_equal(take_put(&s, 7, 3, 3, &why), EXIT_TEMPORARY);
	s = sink_at(SINK_NOWHERE);
	assert_int_equal(take_put(&s, 7, 1, 1, &why), EXIT_DONE);
	assert_int_equal(take_rebuilt(&s, 7, 3,
			     "\"complete\":true,\"cursor\":\"st:5\"", &why),
	    EXIT_TEMPORARY);
	s = sink_at(SINK_NOWHERE);
	assert_int_equal(take_put(&s, 7, 1, 1, &why), EXIT_DONE);
	assert_int_equal(take_rebuilt(&s, 7, 2,
			     "\"complete\":true,\"cursor\":\"xx:5\"", &why),
	    EXIT_TEMPORARY);
	assert_int_equal(s.at.number, SINK_NOWHERE);
}

static void
an_incomplete_rebuild_deletes_nothing(void **state)
{
	struct sink s = sink_at(10);
	struct why why;

	(void)state;
	assert_int_equal(take_put(&s, 7, 1, 1, &why), EXIT_DONE);
	assert_int_equal(
	    take_rebuilt(&s, 7, 2, "\"complete\":false", &why), EXIT_DONE);
	assert_null(strchr(calls.data, 'W'));
	assert_int_equal(s.at.number, 10);
	assert_int_equal(s.run, 0);
}

static void
an_empty_mesh_is_an_end_alone(void **state)
{
	struct sink s = sink_at(SINK_NOWHERE);
	struct why why;

	(void)state;
	assert_int_equal(take_rebuilt(&s, 7, 1,
			     "\"complete\":true,\"cursor\":\"st:0\"", &why),
	    EXIT_DONE);
	assert_string_equal(calls.data, "(RW");
	assert_int_equal(s.at.number, 0);
	assert_int_equal(take_put(&s, 0, 1, 1, &why), EXIT_DONE);
}

static void
a_batch_is_due_when_it_is_full_or_old(void **state)
{
	struct sink s = sink_at(10);
	struct why why;

	(void)state;
	assert_int_equal(sink_due(&s), -1);
	assert_int_equal(take_put(&s, 0, 11, 11, &why), EXIT_DONE);
	assert_int_equal(sink_due(&s), 1000 + SINK_BATCH_MS);
	assert_int_equal(take_put(&s, 0, 12, 12, &why), EXIT_DONE);
	assert_int_equal(sink_due(&s), 1000);
	assert_int_equal(sink_commit(&s, &why), EXIT_DONE);
	assert_int_equal(sink_due(&s), -1);
}

static void
stages_in_the_wrong_order_are_told_apart(void **state)
{
	struct sink s = sink_at(10);
	struct why why;

	(void)state;
	assert_int_equal(take_text(&s,
			     "{\"v\":1,\"kind\":\"page\",\"source\":\"o:c\","
			     "\"stream\":\"User\",\"seq\":1,\"records\":[]}",
			     &why),
	    EXIT_USAGE);
	assert_non_null(strstr(why.text, "idmesh transform"));
	assert_int_equal(take_text(&s,
			     "{\"v\":1,\"kind\":\"change\",\"source\":\"st\","
			     "\"stream\":\"mesh\",\"seq\":11,\"changes\":["
			     "{\"op\":\"put\",\"type\":\"User\",\"id\":\"a\"}"
			     "]}",
			     &why),
	    EXIT_TEMPORARY);
	assert_non_null(strstr(why.text, "change 11"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cursor_text_and_back),
		cmocka_unit_test(changes_go_on_where_the_target_is),
		cmocka_unit_test(
		    the_cursor_moves_with_the_last_change_of_a_message),
		cmocka_unit_test(what_is_in_already_is_not_applied_again),
		cmocka_unit_test(a_missing_number_stops),
		cmocka_unit_test(an_empty_target_takes_only_a_whole_log),
		cmocka_unit_test(another_store_or_a_shorter_log_is_refused),
		cmocka_unit_test(a_rebuild_counts_only_with_its_end),
		cmocka_unit_test(a_rebuild_with_a_hole_or_no_cursor_is_refused),
		cmocka_unit_test(an_incomplete_rebuild_deletes_nothing),
		cmocka_unit_test(an_empty_mesh_is_an_end_alone),
		cmocka_unit_test(a_batch_is_due_when_it_is_full_or_old),
		cmocka_unit_test(stages_in_the_wrong_order_are_told_apart),
	};
	int rc;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	buf_free(&calls);
	return rc;
}
