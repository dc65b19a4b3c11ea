/*
 * check.c - `transform check` and `transform describe`.
 *
 * Beside the flow: the first tells the operator whether the rules are right,
 * the second tells fetch which records the rules want.  Neither reads a page.
 */

#include "transform.h"

#include <stdio.h>

#include "printed.h"

#define SEE "Manual: idmesh-transform(1), rules(7)"
static const char *dir_option;

/* Both have only this one. */
static const struct opt options[] = {
	{ "rules", 'r', OPT_TEXT, &dir_option, "DIR",
	    "folder of the rules ($IDMESH_RULES)", 0, 0 },
	{ 0 },
};

/* What either of them does: loads, writes, prints. */
static int
show(const struct opt_use *use, int argc, char **argv,
    void (*write)(const struct mapper *m, struct buf *out))
{
	struct buf text = { 0 };
	struct mapper m;

	opt_parse(use, &argc, argv);
	if (mapper_open(&m, rules_dir(dir_option)) < 0)
		return EXIT_USAGE;
	write(&m, &text);
	fwrite(text.data, 1, text.len, stdout);
	buf_free(&text);
	mapper_close(&m);
	return printed_end(EXIT_DONE);
}

static void
write_counts(const struct mapper *m, struct buf *out)
{
	struct rules_count count;

	rules_count(m->rules, &count);
	buf_fmt(out,
	    "%s: rules %s, %zu file%s\n"
	    "%zu attributes and predicates are compiled, %zu are Lua\n",
	    m->dir, rules_version(m->rules), count.files,
	    count.files == 1 ? "" : "s", count.compiled, count.lua);
	rules_list_lua(m->rules, out);
	rules_list_foreign(m->rules, out);
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

	return show(&use, argc, argv, write_counts);
}

static void
write_scope(const struct mapper *m, struct buf *out)
{
	rules_describe(m->rules, out);
	buf_char(out, '\n');
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

	return show(&use, argc, argv, write_scope);
}
