/*
 * check.c - `transform check` and `transform describe`.
 *
 * Beside the flow: the first tells the operator whether the rules are right,
 * the second tells fetch which records the rules want.  Neither reads a page.
 */

#include "transform.h"

#include <stdio.h>
#include <stdlib.h>

const char *
rules_dir(const char *option)
{
	const char *env = getenv("IDMESH_RULES");

	if (option != NULL)
		return option;
	return env != NULL && env[0] != '\0' ? env : IDMESH_RULES_DIR;
}

#define SEE "Manual: idmesh-transform(1), rules(7)"
static const char *dir_option;

/* Both have only this one. */
static const struct opt options[] = {
	{ "rules", 'r', OPT_TEXT, &dir_option, "DIR",
	    "folder of the rules ($IDMESH_RULES)", 0, 0 },
	{ 0 },
};

static int
print(const struct buf *text)
{
	if (fwrite(text->data, 1, text->len, stdout) == text->len &&
	    fflush(stdout) == 0)
		return EXIT_DONE;
	log_error("cannot write to stdout");
	return EXIT_TEMPORARY;
}

int
check_main(int argc, char **argv)
{
	static const struct opt_use use = {
		.name = "idmesh transform check",
		.synopsis = "idmesh transform check [--rules DIR]",
		.about = "Loads and compiles the rules and says what was "
			 "found;\nevery mistake with its file and line.",
		.options = options,
		.see = SEE,
	};
	const char *dir;
	struct rules_count count;
	struct buf text = { 0 };
	struct mapper m;
	int code;

	opt_parse(&use, &argc, argv);
	dir = rules_dir(dir_option);
	if (mapper_open(&m, dir) < 0)
		return EXIT_USAGE;
	rules_count(m.rules, &count);
	buf_fmt(&text,
	    "%s: rules %s, %zu file%s\n"
	    "%zu attributes and predicates are compiled, %zu are Lua\n",
	    dir, rules_version(m.rules), count.files,
	    count.files == 1 ? "" : "s", count.compiled, count.lua);
	rules_list_lua(m.rules, &text);
	code = print(&text);
	buf_free(&text);
	mapper_close(&m);
	return code;
}

int
describe_main(int argc, char **argv)
{
	static const struct opt_use use = {
		.name = "idmesh transform describe",
		.synopsis = "idmesh transform describe [--rules DIR]",
		.about = "Prints the rules' scope as one line of JSON, for "
			 "`idmesh fetch --scope`.",
		.options = options,
		.see = SEE,
	};
	const char *dir;
	struct buf text = { 0 };
	struct mapper m;
	int code;

	opt_parse(&use, &argc, argv);
	dir = rules_dir(dir_option);
	if (mapper_open(&m, dir) < 0)
		return EXIT_USAGE;
	rules_describe(m.rules, &text);
	if (text.len == 0 || text.data[text.len - 1] != '\n')
		buf_char(&text, '\n');
	code = print(&text);
	buf_free(&text);
	mapper_close(&m);
	return code;
}
