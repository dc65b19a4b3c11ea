/*
 * test_fetch_stream.c - pages as messages: headers, parts, ends.
 *
 * Messages are made small, so that a page of a few records is split; the
 * transport is played by the test.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PAGE_MAX 64
#include "fetch/page.c"
#include "fetch/stream.c"

#define SEEN 16

static char *seen[SEEN];
static size_t n_seen;
static int failures;

static void
put(struct out *o, const struct stream *s, struct buf *bytes, bool is_end)
{
	(void)o;
	(void)is_end;
	assert_true(n_seen < SEEN);
	assert_int_equal(s->seq, (int64_t)n_seen + 1);
	seen[n_seen++] = buf_take(bytes);
}

static bool
drained(const struct out *o)
{
	(void)o;
	return true;
}

void
fetch_fail(struct fetch *f, enum exit_code code, const char *fmt, ...)
{
	(void)code;
	(void)fmt;
	f->failed = true;
	failures++;
}

void
calls_pump(struct calls *c)
{
	(void)c;
}

void
walk_start(struct stream *s)
{
	(void)s;
}

void
walk_free(struct walk *w)
{
	(void)w;
}

void
fan_start(struct stream *s)
{
	(void)s;
}

void
fan_free(struct fan *f)
{
	(void)f;
}

void
fan_pump(struct stream *s)
{
	(void)s;
}

static const struct entity user = {
	.name = "User", .config = "ImportUsers", .filtered = true
};
static const struct entity member = { .name = "GroupMember",
	.config = "ImportMemberships",
	.key = "[\"$context.groupId\",\"id\"]" };
static struct fetch fetch;
static struct source source;

static struct stream *
new_stream(const struct entity *e)
{
	static const struct out_kind kind = { .put = put, .drained = drained };
	static struct out out = { .kind = &kind };
	static char name[] = "okta:contoso", id[] = "login";
	static struct stream s;

	while (n_seen > 0)
		free(seen[--n_seen]);
	buf_free(&s.warnings);
	failures = 0;
	out.fetch = &fetch;
	fetch = (struct fetch){ .out = &out };
	source = (struct source){
		.fetch = &fetch, .name = name, .run = 4, .epoch = 2
	};
	source.config.external_id_attribute = id;
	source.config.path = id;
	s = (struct stream){ .source = &source, .entity = e, .first = 1 };
	snprintf(s.at, sizeof(s.at), "2026-04-22T08:15:30.000Z");
	snprintf(s.start, sizeof(s.start), "2026-04-22T08:04:59.000Z");
	return &s;
}

static void
put_text(struct stream *s, const char *text, struct page *p)
{
	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text,
	    strlen(text), YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);

	assert_non_null(doc);
	p->records = yyjson_doc_get_root(doc);
	p->text = text;
	p->len = strlen(text);
	stream_page(s, p);
	yyjson_doc_free(doc);
}

static struct msg
read_seen(size_t i)
{
	struct why why;
	struct msg m;

	assert_true(i < n_seen);
	assert_null(strchr(seen[i], '\n'));
	assert_int_equal(msg_read(&m, seen[i], strlen(seen[i]), &why), 0);
	return m;
}

static void
test_header(void **state)
{
	struct stream *s = new_stream(&user);
	struct page p = { .request = "req\"1", .state = "{\"next\":\"/a\"}" };
	struct why why;

	(void)state;
	source.filter =
	    filter_parse("status eq \"ACTIVE\"", 18, FILTER_USER, &why);
	put_text(s, "[{\"id\":\"1\",\"n\":1.0},\n {\"id\":\"2\"}]", &p);
	assert_string_equal(seen[0],
	    "{\"v\":1,\"kind\":\"page\",\"source\":\"okta:contoso\","
	    "\"stream\":\"User\",\"run\":4,\"epoch\":2,\"seq\":1,\"n\":2,"
	    "\"try\":1,\"isolate\":false,\"mode\":\"full\","
	    "\"at\":\"2026-04-22T08:15:30.000Z\",\"request\":\"req\\\"1\","
	    "\"filter\":{\"text\":\"status eq \\\"ACTIVE\\\"\","
	    "\"route\":\"filter\"},\"externalId\":\"profile.login\","
	    "\"state\":{\"next\":\"/a\"},"
	    "\"records\":[{\"id\":\"1\",\"n\":1.0},  {\"id\":\"2\"}]}");
	filter_free(source.filter);
	assert_int_equal(failures, 0);
}

static void
test_parts(void **state)
{
	struct stream *s = new_stream(&member);
	struct page p = { .context = "{\"groupId\":\"g\"}",
		.last = true,
		.state = "{\"group\":\"g\"}" };
	struct msg m;

	(void)state;
	put_text(s,
	    "[{\"id\":\"1\",\"x\":\"aaaaaaaaaaaaaaaaaaaa\"},"
	    "{\"id\":\"2\",\"x\":\"bbbbbbbbbbbbbbbbbbbb\"},{\"id\":\"3\"}]",
	    &p);
	assert_int_equal(n_seen, 2);
	m = read_seen(0);
	assert_int_equal(m.n, 1);
	assert_null(m.state);
	assert_false(m.last);
	assert_non_null(m.context);
	msg_free(&m);
	m = read_seen(1);
	assert_int_equal(m.n, 2);
	assert_non_null(m.state);
	assert_true(m.last);
	assert_int_equal(yyjson_arr_size(m.key), 2);
	msg_free(&m);
	assert_int_equal(s->pages, 2);
}

static void
test_too_large(void **state)
{
	struct stream *s = new_stream(&user);
	struct page p = { .state = "{}" };

	(void)state;
	put_text(s,
	    "[{\"id\":\"a record that alone is longer than any message of "
	    "this test may be\"}]",
	    &p);
	assert_int_equal(n_seen, 0);
	assert_int_equal(failures, 1);
}

static void
test_credentials(void **state)
{
	struct stream *s = new_stream(&user);
	struct page p = { .state = "{}" };

	(void)state;
	put_text(s, "[{\"id\":\"1\",\"credentials\":{\"p\":{}}}]", &p);
	assert_null(strstr(seen[0], "credentials"));
	assert_non_null(strstr(seen[0], "\"records\":[{\"id\":\"1\"}]"));
}

static void
test_complete(void **state)
{
	struct stream *s = new_stream(&user);
	struct msg m;

	(void)state;
	s->n = 12;
	s->mode = MODE_DELTA;
	stream_warn(s, "one %s", "\"thing\"");
	stream_done(s);
	m = read_seen(0);
	assert_int_equal(m.kind, MSG_END);
	assert_true(m.complete);
	assert_int_equal(m.n, 12);
	assert_string_equal(m.mode, "delta");
	/* Five minutes before the pass began, also across an hour. */
	assert_string_equal(
	    yyjson_get_str(m.watermark), "2026-04-22T07:59:59.000Z");
	assert_string_equal(
	    yyjson_get_str(yyjson_arr_get_first(m.warnings)), "one \"thing\"");
	assert_true(s->ended);
	msg_free(&m);
}

static void
test_incomplete(void **state)
{
	struct stream *s = new_stream(&user);
	struct why why;
	struct msg m;

	(void)state;
	why_set(&why, "E_CURSOR", "req7", "the cursor came again");
	stream_stopped(s, VERDICT_FAILED, &why);
	m = read_seen(0);
	assert_false(m.complete);
	assert_false(m.skipped);
	assert_null(m.watermark);
	assert_string_equal(m.why, "the cursor came again");
	msg_free(&m);
	/* An end is the last word. */
	stream_stopped(s, VERDICT_DENIED, &why);
	assert_int_equal(n_seen, 1);
}

static void
test_skipped(void **state)
{
	struct stream *s = new_stream(&user);
	struct why why;
	struct msg m;

	(void)state;
	why_set(&why, "E0000006", NULL, "may not");
	stream_stopped(s, VERDICT_DENIED, &why);
	m = read_seen(0);
	assert_true(m.skipped);
	assert_false(m.complete);
	assert_null(m.watermark);
	msg_free(&m);
	/* A dead token ends no stream: the whole run stops. */
	s = new_stream(&user);
	stream_stopped(s, VERDICT_TOKEN, &why);
	assert_int_equal(n_seen, 0);
	assert_int_equal(failures, 1);
}

static void
test_clock(void **state)
{
	struct stream *s = new_stream(&user);
	struct http_answer a = { .status = 429, .date_ms = 1000 };

	(void)state;
	s->start[0] = '\0';
	/* A refused try is no start. */
	stream_clock(s, &a);
	assert_string_equal(s->start, "");
	a.status = 200;
	a.date_ms = 2000;
	stream_clock(s, &a);
	a.date_ms = 3000;
	stream_clock(s, &a);
	assert_string_equal(s->start, "1970-01-01T00:00:02.000Z");
	assert_string_equal(s->at, "1970-01-01T00:00:03.000Z");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_incomplete),
		cmocka_unit_test(test_skipped),
		cmocka_unit_test(test_clock),
	};
	int result;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	log_level(LOG_ERROR);
	result = cmocka_run_group_tests(tests, NULL, NULL);
	new_stream(&user);
	return result;
}
