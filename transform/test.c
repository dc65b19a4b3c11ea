/*
 * test.c - `transform test`: what the operator expects of the rules.
 *
 * Beside the flow: runs the *_test.lua that lie beside the rules, before
 * anything is fetched.  One line a test, in the form of TAP.
 */

#include "transform.h"

#include <stdio.h>
#include <string.h>

#include "printed.h"
#include "rules_tests.h"

static void
write_text(
    const struct rules_test *t, size_t number, int passed, struct buf *why)
{
	char *line = why->data;

	printf("%sok %zu - %s: %s (%s:%d)\n", passed ? "" : "not ", number,
	    t->map, t->name, t->file, t->line);
	while (!passed && line != NULL && *line != '\0') {
		size_t len = strcspn(line, "\n");

		printf("#   %.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

static void
write_json(const struct rules_test *t, int passed, const struct buf *why)
{
	struct buf line = { 0 };

	buf_str(&line, "{\"map\":");
	buf_json_str(&line, t->map);
	buf_str(&line, ",\"name\":");
	buf_json_str(&line, t->name);
	buf_str(&line, ",\"at\":");
	buf_char(&line, '"');
	buf_fmt(&line, "%s:%d\"", t->file, t->line);
	buf_fmt(&line, ",\"passed\":%s", passed ? "true" : "false");
	if (!passed) {
		buf_str(&line, ",\"why\":");
		buf_json_str(&line, why->data != NULL ? why->data : "");
	}
	buf_str(&line, "}\n");
	fwrite(line.data, 1, line.len, stdout);
	buf_free(&line);
}

static enum exit_code
run_tests(struct mapper *m, const struct rules_tests *tests, int json)
{
	const struct rules_test *t;
	struct buf why = { 0 };
	size_t n = 0, failed = 0;

	for (t = rules_tests_get(tests, 0); t != NULL;
	     t = rules_tests_get(tests, n)) {
		int passed;

		buf_clear(&why);
		passed = rules_test_run(m->rules, t, &why);
		n++;
		failed += !passed;
		if (json)
			write_json(t, passed, &why);
		else
			write_text(t, n, passed, &why);
	}
	buf_free(&why);
	if (!json)
		printf("1..%zu\n", n);
	return printed_end(failed > 0 ? EXIT_PARTLY : EXIT_DONE);
}

int
test_main(int argc, char **argv)
{
	const char *dir = NULL;
	int json = 0;
	const struct opt options[] = {
		{ "rules", 'r', OPT_TEXT, &dir, "DIR",
		    "folder of the rules ($IDMESH_RULES)", 0, 0 },
		{ "json", 0, OPT_FLAG, &json, NULL, "a line of JSON a test", 0,
		    0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh transform test",
		.synopsis = "idmesh transform test [--rules DIR] [--json]",
		.about = "Runs the *_test.lua beside the rules: given this "
			 "record, expect that one.",
		.options = options,
		.see = "Manual: idmesh-transform(1), rules(7)",
	};
	struct buf errors = { 0 };
	struct rules_tests *tests;
	enum exit_code code;
	struct mapper m;

	opt_parse(&use, &argc, argv);
	if (mapper_open(&m, rules_dir(dir)) < 0)
		return EXIT_USAGE;
	tests = rules_tests_load(m.dir, &errors);
	log_error_lines(errors.data);
	buf_free(&errors);
	code = tests != NULL ? run_tests(&m, tests, json) : EXIT_USAGE;
	rules_tests_free(tests);
	mapper_close(&m);
	return code;
}
