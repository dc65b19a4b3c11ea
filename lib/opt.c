/*
 * opt.c - a command line into variables, by a table.
 *
 * Called first by every main.c and subcommand.  Owns the arrays of OPT_LIST
 * for the life of the process.
 */

#include "opt.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "printed.h"
#include "why.h"

#define NAMES_MAX 64
#define LISTS_MAX 8 /* options of type OPT_LIST in a program */
#define HELP_COLUMN 26

void
opt_wrong(const struct opt_use *use, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", use->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry '%s --help'.\n", use->name);
	exit(EXIT_USAGE);
}

static void
print_option(const struct opt *o)
{
	char left[64];

	if (o->letter != 0)
		snprintf(left, sizeof(left), "-%c, --%s%s%s", o->letter,
		    o->name, o->arg != NULL ? " " : "",
		    o->arg != NULL ? o->arg : "");
	else
		snprintf(left, sizeof(left), "    --%s%s%s", o->name,
		    o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");
	if (strlen(left) > HELP_COLUMN - 2)
		printf("  %s\n  %*s%s\n", left, HELP_COLUMN, "", o->help);
	else
		printf("  %-*s%s\n", HELP_COLUMN, left, o->help);
}

static _Noreturn void
print_help(const struct opt_use *use)
{
	const char *line = use->synopsis, *end;
	const char *head = "usage:";

	for (; *line != '\0'; line = *end == '\0' ? end : end + 1) {
		end = strchrnul(line, '\n');
		printf("%-6s %.*s\n", head, (int)(end - line), line);
		head = "";
	}
	printf("\n%s\n\n", use->about);
	for (const struct opt *o = use->options; o->name != NULL; o++)
		print_option(o);
	printf("  %-*s%s\n  %-*s%s\n", HELP_COLUMN, "-h, --help",
	    "print this and exit", HELP_COLUMN, "    --version",
	    "print the version and exit");
	if (use->see != NULL)
		printf("\n%s\n", use->see);
	exit(printed_end(EXIT_DONE));
}

static const struct opt *
find_long(const struct opt_use *use, const char *name, size_t len)
{
	const char *names[NAMES_MAX], *near;
	char word[64];
	size_t n = 0;

	for (const struct opt *o = use->options; o->name != NULL; o++) {
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
		if (n < NAMES_MAX)
			names[n++] = o->name;
	}
	snprintf(word, sizeof(word), "%.*s", (int)len, name);
	near = why_nearest(word, names, n);
	if (near != NULL)
		opt_wrong(
		    use, "unknown option --%s; did you mean --%s?", word, near);
	opt_wrong(use, "unknown option --%s", word);
}

static const struct opt *
find_short(const struct opt_use *use, char letter)
{
	for (const struct opt *o = use->options; o->name != NULL; o++)
		if (o->letter == letter)
			return o;
	opt_wrong(use, "unknown option -%c", letter);
}

static void
set_int(const struct opt_use *use, const struct opt *o, const char *value)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || n < o->min ||
	    n > o->max)
		opt_wrong(use, "--%s: %s is not a number from %lld to %lld",
		    o->name, value, (long long)o->min, (long long)o->max);
	*(int64_t *)o->target = n;
}

/* Lists live as long as the process: what opt_parse() fills are options. */
static void
append(struct opt_list *list, const char *value)
{
	static const char **kept[LISTS_MAX];
	size_t i = 0;

	while (kept[i] != NULL && kept[i] != list->items)
		i++;
	assert(i < LISTS_MAX - 1);
	list->items =
	    xrealloc(list->items, (list->n + 1) * sizeof(*list->items));
	list->items[list->n++] = value;
	kept[i] = list->items;
}

static void
set(const struct opt_use *use, const struct opt *o, const char *value)
{
	switch (o->type) {
	case OPT_FLAG:
		*(int *)o->target = 1;
		break;
	case OPT_TEXT:
		*(const char **)o->target = value;
		break;
	case OPT_INT:
		set_int(use, o, value);
		break;
	case OPT_LIST:
		append(o->target, value);
		break;
	}
}

/* Takes argv[i] as an option; returns how many words it used. */
static int
take(const struct opt_use *use, char **argv, int argc, int i)
{
	const char *word = argv[i], *value = NULL;
	const struct opt *o;
	int used = 1;

	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		print_help(use);
	if (strcmp(word, "--version") == 0) {
		printf("%s %s\n", use->name, IDMESH_VERSION);
		exit(printed_end(EXIT_DONE));
	}
	if (word[1] == '-') {
		size_t len = strcspn(word + 2, "=");

		o = find_long(use, word + 2, len);
		if (word[2 + len] == '=')
			value = word + 2 + len + 1;
	} else {
		o = find_short(use, word[1]);
		if (word[2] != '\0')
			value = word + 2;
	}
	if (o->type == OPT_FLAG && value != NULL)
		opt_wrong(use, "--%s takes no value", o->name);
	if (o->type != OPT_FLAG && value == NULL) {
		if (i + 1 >= argc)
			opt_wrong(use, "--%s needs %s", o->name, o->arg);
		value = argv[i + 1];
		used = 2;
	}
	set(use, o, value);
	return used;
}

void
opt_parse(const struct opt_use *use, int *argc, char **argv)
{
	int out = 1, i = 1;
	size_t n;

	while (i < *argc) {
		if (strcmp(argv[i], "--") == 0) {
			for (i++; i < *argc; i++)
				argv[out++] = argv[i];
		} else if (argv[i][0] == '-' && argv[i][1] != '\0') {
			i += take(use, argv, *argc, i);
		} else {
			argv[out++] = argv[i++];
		}
	}
	*argc = out;
	n = (size_t)out - 1;
	if (n < use->args_min)
		opt_wrong(use, "%s",
		    n == 0 ? "an operand is missing" : "operands are missing");
	if (n > use->args_max)
		opt_wrong(
		    use, "unexpected operand %s", argv[use->args_max + 1]);
}
