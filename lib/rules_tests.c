/*
 * rules_tests.c - given this record, expect that one.
 *
 * Beside the flow: `transform test` and `transform try` put single records
 * through the same plan that pages go through.
 */

#include "rules_tests.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mem.h"
#include "msg.h"
#include "rules_impl.h"

#define TEST_TIME "2026-01-01T00:00:00.000Z"
/* How Graph says that an object left; no other source has such a member. */
#define REMOVED "@removed"
/* Who is in a group is told apart by both ids. */
#define MEMBER_KEY "[\"$context." MSG_GROUP_ID "\",\"id\"]"

struct rules_tests {
	struct rules *loaded; /* owned: the texts of the statements */
	struct rules_test *tests; /* owned */
	yyjson_doc **docs; /* owned, one a test */
	size_t n;
};

static const char *const verdicts[] = {
	[RULES_PUT] = "put",
	[RULES_DELETE] = "delete",
	[RULES_OUT_OF_SCOPE] = "out-of-scope",
	[RULES_BAD] = "rejected",
};

const char *
rules_verdict(enum rules_result result)
{
	return verdicts[result];
}

static int
is_verdict(const char *word)
{
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (strcmp(word, verdicts[i]) == 0)
			return 1;
	return 0;
}

static void
check_keys(struct load *l, const struct statement *st, yyjson_val *root)
{
	static const char *const known[] = { "name", "given", "expect",
		"without", "context", "at" };
	yyjson_val *key, *value;
	size_t i, n;

	yyjson_obj_foreach(root, i, n, key, value)
	{
		const char *word = yyjson_get_str(key);
		size_t k = 0;

		while (k < 6 && strcmp(known[k], word) != 0)
			k++;
		if (k == 6)
			rules_unknown(
			    l, st->file, st->line, "key", word, known, 6);
	}
}

static void
check_test(
    struct load *l, const struct statement *st, const struct rules_test *t)
{
	const char *word = yyjson_get_str(t->expect);

	if (!yyjson_is_obj(t->given))
		load_error(l, st->file, st->line,
		    "test: given = { ... } is the record to be mapped");
	if (word != NULL && !is_verdict(word))
		load_error(l, st->file, st->line,
		    "test: expect is a table of attributes, or \"put\", "
		    "\"delete\", \"out-of-scope\" or \"rejected\"");
	if (word == NULL && !yyjson_is_obj(t->expect) && t->without == NULL)
		load_error(l, st->file, st->line,
		    "test: expect = { attribute = value, ... } is missing");
	if (t->without != NULL && !yyjson_is_arr(t->without))
		load_error(l, st->file, st->line,
		    "test: without is a list of attributes");
}

static void
add_test(struct rules_tests *t, struct load *l, const struct statement *st)
{
	struct rules_test *test = &t->tests[t->n];
	yyjson_val *root;

	if (strcmp(st->noun, "test") != 0) {
		load_error(l, st->file, st->line,
		    "%s stands in a file of the rules; this one holds tests",
		    st->noun);
		return;
	}
	t->docs[t->n++] = yyjson_read(st->body->text, st->body->len, 0);
	root = yyjson_doc_get_root(t->docs[t->n - 1]);
	*test = (struct rules_test){ .map = st->name,
		.name = json_text(root, "name"),
		.file = st->file,
		.line = st->line,
		.given = json_get(root, "given"),
		.expect = json_get(root, "expect"),
		.without = json_get(root, "without"),
		.context = json_get(root, "context"),
		.at = json_text(root, "at") };
	if (test->name == NULL)
		test->name = "a test";
	if (test->at == NULL)
		test->at = TEST_TIME;
	check_keys(l, st, root);
	check_test(l, st, test);
}

struct rules_tests *
rules_tests_load(const char *dir, struct buf *errors)
{
	struct rules *loaded = rules_load_tests(dir, errors);
	struct rules_tests *t;
	struct load *l;

	if (loaded == NULL)
		return NULL;
	t = xcalloc(1, sizeof(*t));
	t->loaded = loaded;
	l = &loaded->load;
	l->errors = errors;
	t->tests = xcalloc(l->n + 1, sizeof(*t->tests));
	t->docs = xcalloc(l->n + 1, sizeof(yyjson_doc *));
	for (size_t i = 0; i < l->n; i++)
		add_test(t, l, &l->statements[i]);
	l->errors = NULL;
	if (l->faults > 0) {
		rules_tests_free(t);
		return NULL;
	}
	return t;
}

void
rules_tests_free(struct rules_tests *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		yyjson_doc_free(t->docs[i]);
	free(t->docs);
	free(t->tests);
	rules_free(t->loaded);
	free(t);
}

const struct rules_test *
rules_tests_get(const struct rules_tests *t, size_t i)
{
	return i < t->n ? &t->tests[i] : NULL;
}

static enum rules_result
no_connector(const char *map, struct why *why)
{
	why_set(why, "E_NO_MAP", map,
	    "\"%s\" is no map: write CONNECTOR.TYPE, as in okta.User", map);
	return RULES_BAD;
}

enum rules_result
rules_try(struct rules *r, const char *map, const char *at, yyjson_val *record,
    yyjson_val *context, struct buf *out, struct why *why)
{
	const char *dot = strchr(map, '.');
	struct rules_page page = { .at = at != NULL ? at : TEST_TIME,
		.context = context,
		.removed = REMOVED };
	enum rules_result result = RULES_BAD;
	struct buf errors = { 0 };
	yyjson_doc *key = NULL;
	char *connector, *source;

	if (dot == NULL)
		return no_connector(map, why);
	if (json_get(context, MSG_GROUP_ID) != NULL)
		key = yyjson_read(MEMBER_KEY, strlen(MEMBER_KEY), 0);
	connector = xstrndup(map, (size_t)(dot - map));
	source = xasprintf("%s:test", connector);
	page.connector = connector;
	page.source = source;
	page.stream = dot + 1;
	page.key = yyjson_doc_get_root(key);
	if (rules_page_begin(r, &page, &errors) < 0) {
		errors.data[strcspn(errors.data, "\n")] = '\0';
		why_set(why, "E_NO_MAP", map, "%s", errors.data);
	} else {
		result = rules_record(r, record, out, why, NULL);
		rules_page_end(r);
	}
	buf_free(&errors);
	yyjson_doc_free(key);
	free(connector);
	free(source);
	return result;
}

void
rules_try_absent(struct rules *r, const char *map, struct buf *out)
{
	const struct rules_map *m = rules_map_find(r, map);

	if (m != NULL)
		paths_absent(m->plan.paths, out);
}

static void
write_value(struct buf *out, yyjson_val *v)
{
	if (v != NULL)
		json_write(out, v);
	else
		buf_str(out, "nothing");
}

static void
differs(const struct rules *r, const struct rules_test *t, const char *name,
    yyjson_val *expected, yyjson_val *got, struct buf *out)
{
	struct rules_place place;

	buf_fmt(out, "%s: expected ", name);
	write_value(out, expected);
	buf_str(out, ", got ");
	write_value(out, got);
	if (rules_place(r, t->map, name, &place) == 0)
		buf_fmt(out, " (%s:%d)", place.file, place.line);
	buf_char(out, '\n');
}

/*
 * Is it misspelt?  Else who is expected to be without it always is.  What is
 * like no attribute may well be one that the map is never to have.
 */
static int
is_misspelt(struct rules *r, const struct rules_test *t, const char *name,
    struct buf *out)
{
	const struct rules_map *m = rules_map_find(r, t->map);
	const char **names, *near = NULL;

	if (m == NULL || rules_attr_find(m, name) >= 0)
		return 0;
	names = xcalloc(m->n + 1, sizeof(*names));
	for (size_t i = 0; i < m->n; i++)
		names[i] = m->attrs[i].name;
	near = why_nearest(name, names, m->n);
	free(names);
	if (near == NULL)
		return 0;
	buf_fmt(out, "%s: %s has no such attribute: did you mean %s?\n", name,
	    t->map, near);
	return 1;
}

static int
compare(struct rules *r, const struct rules_test *t, yyjson_val *attrs,
    struct buf *out)
{
	yyjson_val *key, *value, *got;
	size_t i, n;
	int same = 1;

	yyjson_obj_foreach(t->expect, i, n, key, value)
	{
		got = yyjson_obj_getn(
		    attrs, yyjson_get_str(key), yyjson_get_len(key));
		if (got != NULL && yyjson_equals(value, got))
			continue;
		if (!is_misspelt(r, t, yyjson_get_str(key), out))
			differs(r, t, yyjson_get_str(key), value, got, out);
		same = 0;
	}
	yyjson_arr_foreach(t->without, i, n, value)
	{
		const char *name = yyjson_get_str(value);

		if (name == NULL)
			continue;
		got = yyjson_obj_get(attrs, name);
		if (got != NULL)
			differs(r, t, name, NULL, got, out);
		if (got != NULL || is_misspelt(r, t, name, out))
			same = 0;
	}
	return same;
}

/* A function that failed left its attribute out: say why. */
static void
tell_errors(yyjson_val *errors, struct buf *out)
{
	yyjson_val *key, *value;
	size_t i, n;

	yyjson_obj_foreach(errors, i, n, key, value)
	    buf_fmt(out, "%s: %s: %s\n", yyjson_get_str(key),
		json_text(value, MSG_AT), json_text(value, MSG_MESSAGE));
}

int
rules_test_run(struct rules *r, const struct rules_test *t, struct buf *out)
{
	const char *want = yyjson_get_str(t->expect);
	struct buf text = { 0 };
	struct why why = { 0 };
	enum rules_result result =
	    rules_try(r, t->map, t->at, t->given, t->context, &text, &why);
	const char *got = rules_verdict(result);
	yyjson_doc *doc = yyjson_read(text.data, text.len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	int same;

	if (want == NULL)
		want = "put";
	same = strcmp(want, got) == 0;
	if (strcmp(why.code, "E_NO_MAP") == 0) {
		/* What is not there rejects nothing. */
		same = 0;
		buf_fmt(out, "%s\n", why.text);
	} else if (!same) {
		buf_fmt(out, "expected %s, got %s%s%s\n", want, got,
		    result == RULES_BAD ? ": " : "",
		    result == RULES_BAD ? why.text : "");
	} else if (result == RULES_PUT) {
		same = compare(r, t, json_get(root, MSG_ATTRS), out);
	}
	if (!same)
		tell_errors(json_get(root, MSG_ERRORS), out);
	yyjson_doc_free(doc);
	buf_free(&text);
	return same;
}
