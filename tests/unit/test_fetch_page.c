/*
 * test_fetch_page.c - pages without credentials and in parts; workers and
 * their credit.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fetch/page.c"
#include "fetch/workers.c"

static yyjson_doc *
read_text(const char *text)
{
	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text,
	    strlen(text), YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);

	assert_non_null(doc);
	return doc;
}

/* What is left of the text; NULL when nothing had to be taken out. */
static const struct row {
	const char *text, *clean;
} rows[] = {
	{ "[]", NULL },
	{ "[{\"id\":\"1\",\"profile\":{\"x\":1.0}}]", NULL },
	{ "[{\"id\":\"1\",\"credentials\":{\"password\":{}},"
	  "\"n\":6196155389404180123456789}]",
	    "[{\"id\":\"1\",\"n\":6196155389404180123456789}]" },
	{ "[{\"id\":\"1\"},{\"credentials\":null,\"id\":\"2\"}]",
	    "[{\"id\":\"1\"},{\"id\":\"2\"}]" },
	{ "[{\"_embedded\":{\"user\":{\"credentials\":{},\"a\":1.0}}}]",
	    "[{\"_embedded\":{\"user\":{\"a\":1.0}}}]" },
	{ "[{\"_embedded\":{\"users\":[{\"credentials\":{}},{\"b\":[]}]}}]",
	    "[{\"_embedded\":{\"users\":[{},{\"b\":[]}]}}]" },
	/* twice, and under another spelling */
	{ "[{\"credentials\":1,\"credentials\":2,\"a\":0}]", "[{\"a\":0}]" },
	{ "[{\"\\u0063redentials\":{},\"a\":0}]", "[{\"a\":0}]" },
	/* a person's own attribute is not the credentials object */
	{ "[{\"profile\":{\"credentials\":\"PhD\"}}]", NULL },
	{ "[{\"profile\":{\"title\":\"credentials\"}}]", NULL },
	{ "[\"credentials\",[{\"credentials\":1}],null]", NULL },
};

static void
test_credentials(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		yyjson_doc *doc = read_text(r->text);
		yyjson_val *root = yyjson_doc_get_root(doc);
		yyjson_mut_doc *clean;
		char *text;

		assert_int_equal(
		    page_has_credentials(root, r->text, strlen(r->text)),
		    r->clean != NULL);
		clean = page_without_credentials(root);
		text = yyjson_mut_write(clean, 0, NULL);
		assert_string_equal(
		    text, r->clean != NULL ? r->clean : r->text);
		free(text);
		yyjson_mut_doc_free(clean);
		yyjson_doc_free(doc);
	}
}

struct collected {
	struct buf all;
	size_t parts, records, lasts, longest;
};

static void
collect(void *arg, const char *text, size_t len, size_t n, bool last)
{
	struct collected *c = arg;
	yyjson_doc *doc = yyjson_read(text, len, 0);

	assert_non_null(doc);
	assert_int_equal(yyjson_arr_size(yyjson_doc_get_root(doc)), n);
	yyjson_doc_free(doc);
	buf_add(&c->all, text, len);
	c->parts++;
	c->records += n;
	c->lasts += last;
	if (len > c->longest)
		c->longest = len;
}

static void
test_split(void **state)
{
	static const char text[] = "[{\"a\":1},{\"b\":2},{\"c\":3},{\"d\":4}]";
	yyjson_doc *doc = read_text(text);
	yyjson_val *root = yyjson_doc_get_root(doc);

	(void)state;
	for (size_t max = 9; max < 60; max++) {
		struct collected c = { .parts = 0 };

		assert_int_equal(page_split(root, max, collect, &c), 0);
		assert_int_equal(c.records, 4);
		assert_int_equal(c.lasts, 1);
		assert_true(c.longest <= max);
		if (max == 9)
			assert_string_equal(c.all.data,
			    "[{\"a\":1}][{\"b\":2}][{\"c\":3}][{\"d\":4}]");
		if (max >= sizeof(text) - 1)
			assert_string_equal(c.all.data, text);
		buf_free(&c.all);
	}
	yyjson_doc_free(doc);
}

static void
test_split_ends(void **state)
{
	struct collected c = { .parts = 0 };
	yyjson_doc *doc = read_text("[]");

	(void)state;
	assert_int_equal(
	    page_split(yyjson_doc_get_root(doc), 10, collect, &c), 0);
	assert_string_equal(c.all.data, "[]");
	assert_int_equal(c.lasts, 1);
	yyjson_doc_free(doc);
	/* One record that no message can carry. */
	doc = read_text("[{\"a\":\"0123456789\"}]");
	assert_int_equal(
	    page_split(yyjson_doc_get_root(doc), 10, collect, &c), -1);
	yyjson_doc_free(doc);
	buf_free(&c.all);
}

static const struct bus_peer one = { 1, "1" }, two = { 1, "2" };

static void
test_credit(void **state)
{
	struct workers *w = workers_new();
	struct worker *a, *b;

	(void)state;
	assert_null(workers_pick(w));
	/* A beat alone gives no credit and makes no worker. */
	assert_int_equal(workers_heard(w, "a", &one, -1, 0, 0), 0);
	assert_null(workers_first(w));
	assert_int_equal(workers_heard(w, "a", &one, 2, 0, 0), 0);
	a = workers_pick(w);
	assert_non_null(a);
	assert_true(a->id > 1);
	a->sent++;
	a->sent++;
	assert_null(workers_pick(w));
	/* It says 2 again, but had seen only one of the two by then. */
	workers_heard(w, "a", &one, 2, 1, 10);
	assert_ptr_equal(workers_pick(w), a);
	a->sent++;
	assert_null(workers_pick(w));
	/* Who has more room is served first. */
	workers_heard(w, "a", &one, 1, 3, 20);
	workers_heard(w, "b", &two, 2, 7, 20);
	b = workers_pick(w);
	assert_string_equal(b->instance, "b");
	workers_free(w);
}

static void
test_lost_worker(void **state)
{
	struct workers *w = workers_new();
	int64_t first, second;

	(void)state;
	workers_heard(w, "a", &one, 2, 0, 0);
	first = workers_pick(w)->id;
	workers_pick(w)->sent = 2;
	/* A new connection: what was in the old one is lost. */
	assert_int_equal(workers_heard(w, "a", &two, 2, 5, 10), first);
	second = workers_pick(w)->id;
	assert_true(second != first);
	assert_int_equal(workers_pick(w)->sent, 5);
	/* Silence. */
	assert_int_equal(workers_silent(w, WORKER_SILENT_MS + 9), 0);
	assert_int_equal(workers_silent(w, WORKER_SILENT_MS + 10), second);
	assert_int_equal(workers_silent(w, WORKER_SILENT_MS + 10), 0);
	/* Leaving, and leaving twice. */
	workers_heard(w, "a", &two, 1, 0, 20);
	assert_true(workers_drop(w, "a") > second);
	assert_int_equal(workers_drop(w, "a"), 0);
	workers_free(w);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_split_ends),
		cmocka_unit_test(test_credit),
		cmocka_unit_test(test_lost_worker),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
