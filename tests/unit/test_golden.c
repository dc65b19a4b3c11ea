/*
 * test_golden.c - rules, records and what exactly comes out.
 *
 * Reads tests/golden/NAME.test and the examples of rules/rules.7.  A group is
 * ended by an empty line; its lines are
 *
 *	# what it shows
 *	| a line of rules (none: the rules that ship)
 *	page: {"stream":"User", "context":{}, "key":[], "external":"",
 *	       "connector":"okta", "removed":"", "keep":[],
 *	       "filter":"", "route":"search"}		(what is given only)
 *	in: a raw record
 *	out: the line that must come
 *	bad: CODE place text
 *	load: a line of the loader's errors, in order
 *	describe: the scope as fetch gets it
 *
 * In the manual the rules are a literal block, the rest stands behind it in
 * comments: .\" in: {...}
 */

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "mem.h"
#include "rules.h"

#define LINES_MAX 400

struct group {
	char *name;
	struct buf rules;
	char *lines[LINES_MAX];
	size_t n;
};

static struct group *groups;
static size_t ngroups;

static char tmp[] = "/tmp/idmesh-golden.XXXXXX";

/* The page of a group, and what keeps its parts alive. */
struct scene {
	struct rules_page page;
	yyjson_doc *doc;
	struct filter *filter;
	struct rules *rules;
	struct buf errors, out;
	size_t error_at;
};

static struct rules *
load(const struct group *g, struct buf *errors)
{
	char *dir = xasprintf("%s/rules", tmp);
	char *file = xasprintf("%s/rules/okta.lua", tmp);
	struct rules *r;
	FILE *f;

	if (g->rules.len == 0) {
		r = rules_load("rules", errors);
	} else {
		f = fopen(file, "w");
		assert_non_null(f);
		fwrite(g->rules.data, 1, g->rules.len, f);
		assert_int_equal(fclose(f), 0);
		r = rules_load(dir, errors);
	}
	free(dir);
	free(file);
	return r;
}

static void
set_page(struct scene *s, const char *text)
{
	yyjson_val *root, *filter;
	struct why why;

	if (s->doc != NULL)
		rules_page_end(s->rules);
	yyjson_doc_free(s->doc);
	filter_free(s->filter);
	s->doc = yyjson_read(text, strlen(text), YYJSON_READ_NUMBER_AS_RAW);
	assert_non_null(s->doc);
	root = yyjson_doc_get_root(s->doc);
	s->page = (struct rules_page){ .connector = yyjson_get_str(
					   yyjson_obj_get(root, "connector")),
		.source = "okta:contoso",
		.stream = yyjson_get_str(yyjson_obj_get(root, "stream")),
		.at = "2026-04-22T08:15:30.000Z",
		.context = yyjson_obj_get(root, "context"),
		.key = yyjson_obj_get(root, "key"),
		.external_id = yyjson_get_str(yyjson_obj_get(root, "external")),
		.removed = yyjson_get_str(yyjson_obj_get(root, "removed")),
		.keep = yyjson_obj_get(root, "keep") };
	if (s->page.connector == NULL)
		s->page.connector = "okta";
	if (s->page.stream == NULL)
		s->page.stream = "User";
	filter = yyjson_obj_get(root, "filter");
	s->filter = NULL;
	if (filter != NULL) {
		s->filter = filter_parse(yyjson_get_str(filter),
		    yyjson_get_len(filter), FILTER_USER, &why);
		assert_non_null(s->filter);
		s->page.filter = s->filter;
		s->page.route = filter_route(s->filter);
	}
	if (yyjson_equals_str(yyjson_obj_get(root, "route"), "search"))
		s->page.route = FILTER_BY_SEARCH;
	if (rules_page_begin(s->rules, &s->page, &s->errors) < 0)
		fail_msg("%s", s->errors.data);
}

static void
run_record(struct scene *s, const char *json)
{
	yyjson_read_err err;
	char *text = xstrdup(json);
	yyjson_doc *doc;
	struct why why = { 0 };

	doc = yyjson_read_opts(
	    text, strlen(text), YYJSON_READ_NUMBER_AS_RAW, NULL, &err);
	if (doc == NULL)
		fail_msg("%s: %s", json, err.msg);
	buf_clear(&s->out);
	if (rules_record(s->rules, yyjson_doc_get_root(doc), &s->out, &why,
		NULL) == RULES_BAD)
		buf_fmt(&s->out, "bad: %s %s %s", why.code,
		    why.at[0] != '\0' ? why.at : "-", why.text);
	yyjson_doc_free(doc);
	free(text);
}

static void
expect(const char *got, const char *want)
{
	if (strcmp(got, want) != 0)
		fail_msg("\n  got  %s\n  want %s", got, want);
}

/* The next line of the loader's errors. */
static void
expect_error(struct scene *s, const char *want)
{
	char *line = s->errors.data + s->error_at;
	size_t len;

	if (s->error_at >= s->errors.len)
		fail_msg("\n  no more errors, want %s", want);
	len = strcspn(line, "\n");
	line[len] = '\0';
	s->error_at += len + 1;
	expect(line, want);
}

static void
run_line(struct scene *s, const char *line)
{
	const char *value = strchr(line, ':') + 1;

	value += *value == ' ';
	if (strncmp(line, "load:", 5) == 0) {
		assert_null(s->rules);
		expect_error(s, value);
		return;
	}
	if (s->rules == NULL)
		fail_msg("the rules do not load:\n%s", s->errors.data);
	if (strncmp(line, "page:", 5) == 0) {
		set_page(s, value);
	} else if (strncmp(line, "in:", 3) == 0) {
		if (s->doc == NULL)
			set_page(s, "{}");
		run_record(s, value);
	} else if (strncmp(line, "out:", 4) == 0) {
		expect(s->out.data, value);
	} else if (strncmp(line, "bad:", 4) == 0) {
		expect(s->out.data, line);
	} else if (strncmp(line, "describe:", 9) == 0) {
		char *types;

		buf_clear(&s->out);
		rules_describe(s->rules, &s->out);
		types = strstr(s->out.data, "\"types\":");
		assert_non_null(types);
		expect(types, value);
	} else {
		fail_msg("what is %s", line);
	}
}

static void
run_group(void **state)
{
	const struct group *g = *state;
	struct scene s = { 0 };

	if (g->n == 0)
		fail_msg("nothing is checked");
	s.rules = load(g, &s.errors);
	for (size_t i = 0; i < g->n; i++)
		run_line(&s, g->lines[i]);
	if (s.rules == NULL && s.error_at < s.errors.len)
		fail_msg("unexpected: %s", s.errors.data + s.error_at);
	rules_free(s.rules);
	yyjson_doc_free(s.doc);
	filter_free(s.filter);
	buf_free(&s.errors);
	buf_free(&s.out);
}

static struct group *
new_group(const char *file, int line)
{
	groups = xrealloc(groups, (ngroups + 1) * sizeof(*groups));
	groups[ngroups] = (struct group){ 0 };
	groups[ngroups].name = xasprintf("%s:%d", file, line);
	return &groups[ngroups++];
}

static void
add_line(struct group *g, const char *line)
{
	if (g->n == LINES_MAX)
		die(EXIT_USAGE, "%s: too many lines", g->name);
	g->lines[g->n++] = xstrdup(line);
}

static void
name_group(struct group *g, const char *text)
{
	char *name = xasprintf("%s %s", g->name, text);

	free(g->name);
	g->name = name;
}

static void
read_groups(const char *path)
{
	FILE *f = fopen(path, "r");
	struct group *g = NULL;
	char *line = NULL;
	size_t cap = 0;
	int number = 0, named = 0;

	if (f == NULL)
		die(EXIT_USAGE, "%s cannot be read", path);
	while (getline(&line, &cap, f) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		number++;
		if (line[0] == '\0') {
			g = NULL;
			continue;
		}
		if (g == NULL) {
			g = new_group(path, number);
			named = 0;
		}
		if (line[0] == '#' && !named++) {
			name_group(g, line + 2);
		} else if (line[0] == '|') {
			buf_str(
			    &g->rules, line[1] == ' ' ? line + 2 : line + 1);
			buf_char(&g->rules, '\n');
		} else if (line[0] != '#') {
			add_line(g, line);
		}
	}
	free(line);
	fclose(f);
}

/* "\e" is a backslash and "\&" nothing in the manual's source. */
static void
add_manual_line(struct buf *b, const char *line)
{
	for (; *line != '\0'; line++) {
		if (strncmp(line, "\\e", 2) == 0) {
			buf_char(b, '\\');
			line++;
		} else if (strncmp(line, "\\&", 2) == 0) {
			line++;
		} else {
			buf_char(b, *line);
		}
	}
	buf_char(b, '\n');
}

static void
read_manual(const char *path)
{
	FILE *f = fopen(path, "r");
	struct group *g = NULL;
	char *line = NULL;
	size_t cap = 0;
	int number = 0, literal = 0, tests = 0;

	if (f == NULL)
		die(EXIT_USAGE, "%s cannot be read", path);
	while (getline(&line, &cap, f) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		number++;
		/* Tests of rules are run by pipe/docs.sh. */
		if (strncmp(line, ".Sh ", 4) == 0)
			tests = strcmp(line, ".Sh TESTS") == 0;
		if (strncmp(line, ".Bd -literal", 12) == 0 && !tests) {
			g = new_group(path, number);
			literal = 1;
		} else if (strncmp(line, ".Ed", 3) == 0) {
			literal = 0;
		} else if (literal && g != NULL) {
			add_manual_line(&g->rules, line);
		} else if (strncmp(line, ".\\\" ", 4) == 0 && g != NULL) {
			add_line(g, line + 4);
		}
	}
	free(line);
	fclose(f);
}

static int
is_test(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return dot != NULL && strcmp(dot, ".test") == 0;
}

static void
read_folder(const char *dir)
{
	struct dirent **files;
	int n = scandir(dir, &files, is_test, alphasort);

	if (n <= 0)
		die(EXIT_USAGE, "%s holds no tests; run from the top", dir);
	for (int i = 0; i < n; i++) {
		char *path = xasprintf("%s/%s", dir, files[i]->d_name);

		read_groups(path);
		free(path);
		free(files[i]);
	}
	free(files);
}

static void
clean(void)
{
	char *dir = xasprintf("%s/rules", tmp);
	char *file = xasprintf("%s/rules/okta.lua", tmp);

	unlink(file);
	rmdir(dir);
	rmdir(tmp);
	free(dir);
	free(file);
	for (size_t i = 0; i < ngroups; i++) {
		for (size_t j = 0; j < groups[i].n; j++)
			free(groups[i].lines[j]);
		free(groups[i].name);
		buf_free(&groups[i].rules);
	}
	free(groups);
}

int
main(void)
{
	struct CMUnitTest *tests;
	char *dir;
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	log_open("test_golden");
	if (mkdtemp(tmp) == NULL)
		return 1;
	dir = xasprintf("%s/rules", tmp);
	if (mkdir(dir, 0700) < 0)
		return 1;
	free(dir);
	read_folder("tests/golden");
	read_manual("rules/rules.7");
	tests = xcalloc(ngroups, sizeof(*tests));
	for (size_t i = 0; i < ngroups; i++) {
		tests[i].name = groups[i].name;
		tests[i].test_func = run_group;
		tests[i].initial_state = &groups[i];
	}
	failed = _cmocka_run_group_tests("golden", tests, ngroups, NULL, NULL);
	free(tests);
	clean();
	return failed;
}
