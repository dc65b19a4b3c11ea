/*
 * rules_flow.c - what the parts of one attribute's flow need of each other.
 *
 * Called by rules_check.c: what would load and change nothing is refused.
 */

#include "rules_impl.h"

#include <string.h>

void
rules_check_pairs(
    struct rules *r, const struct statement *st, const struct term_entry *flow)
{
	static const char *const pairs[][2] = { { "backup", "own" },
		{ "norm", "union" }, { "clock", "newest" } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct term_entry *e =
		    term_find(flow->value, pairs[i][0]);

		if (e != NULL && term_find(flow->value, pairs[i][1]) == NULL)
			load_error(&r->load, st->file, e->line,
			    "flow: %s is of no use without %s", pairs[i][0],
			    pairs[i][1]);
	}
}

static int
has_attribute(const struct rules_type *type, const char *name)
{
	for (size_t i = 0; i < type->n; i++) {
		if (strcmp(type->attrs[i], name) == 0)
			return 1;
	}
	return 0;
}

/* "{firstName} {lastName}": what stands in braces is an attribute. */
void
rules_check_template(struct rules *r, const struct statement *st,
    const struct rules_type *type, const struct term_entry *e)
{
	const char *p = strchr(e->value->text, '{'), *end, *name;

	for (; p != NULL; p = strchr(end, '{')) {
		end = strchr(p, '}');
		if (end == NULL) {
			load_error(&r->load, st->file, e->line,
			    "flow: default: \"{\" without \"}\"");
			return;
		}
		name = load_copy(&r->load, p + 1, (size_t)(end - p) - 1);
		if (!has_attribute(type, name))
			rules_unknown(&r->load, st->file, e->line, "attribute",
			    name, type->attrs, type->n);
	}
}
