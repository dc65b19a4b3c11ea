/*
 * explain_decided.c - what operators decided about a person's objects.
 *
 * explain.c and explain_json.c call it.  A decision that joined two of the
 * objects stands beside the link that it made; here are those that keep others
 * away, or that had no effect.
 */

#include <string.h>

#include "explain.h"
#include "msg.h"
#include "report.h"

static bool
is_part(const struct person *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++) {
		size_t len = strlen(p->of[i].source);

		if (strncmp(p->of[i].source, name, len) == 0 &&
		    name[len] == '/' &&
		    strcmp(p->of[i].id, name + len + 1) == 0)
			return true;
	}
	return false;
}

/* Is it said already, or does it speak of others? */
static bool
is_other(const struct person *p, sqlite3_stmt *st)
{
	const char *b = store_text(st, 3);
	bool has_a = is_part(p, store_text(st, 2));

	if (b == NULL)
		return !has_a;
	return strcmp(store_text(st, 1), "join") == 0
		   ? has_a == is_part(p, b)
		   : !has_a && !is_part(p, b);
}

static sqlite3_stmt *
ask(struct store *s, const struct person *p)
{
	return store_ask(s,
	    "SELECT pk, verb, a, b, who, why, at FROM decision"
	    " WHERE type = ? AND undone_at IS NULL ORDER BY pk",
	    "i", p->type_pk);
}

void
explain_decided(struct store *s, const struct person *p)
{
	sqlite3_stmt *st = ask(s, p);

	while (store_row(s, st)) {
		const char *b = store_text(st, 3), *why = store_text(st, 5);

		if (is_other(p, st))
			continue;
		report_print("  decision %s by %s: %s %s%s%s",
		    store_text(st, 0), store_text(st, 4), store_text(st, 1),
		    store_text(st, 2), b != NULL ? " " : "",
		    b != NULL ? b : "");
		report_print(why != NULL ? ": %s\n" : "\n", why);
	}
}

void
explain_decided_json(struct store *s, const struct person *p, struct buf *out)
{
	static const char *const names[] = { "verb", "a", "b", "who", "why",
		"at" };
	sqlite3_stmt *st = ask(s, p);
	bool first = true;

	buf_str(out, ",\"decisions\":[");
	while (store_row(s, st)) {
		if (is_other(p, st))
			continue;
		buf_fmt(out, "%s{\"number\":%s", first ? "" : ",",
		    store_text(st, 0));
		for (int i = 0; i < 6; i++)
			msg_str(out, names[i], store_text(st, i + 1));
		buf_char(out, '}');
		first = false;
	}
	buf_char(out, ']');
}
