/*
 * rules_check.c - the shapes of join, flow, life and guard.
 *
 * The first half of their compiler: it refuses what cannot be meant, unknown
 * keys, sources and attributes with the nearest that is known, so that
 * policy_compile.c only reads what is right.
 */

#include "rules_impl.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* The statement that is looked at. */
struct look {
	struct rules *r;
	const struct statement *st;
	const struct rules_type *type; /* NULL: guard */
};

static const char *const norms[] = { "trim", "lower", "upper", "fold", "digits",
	"strip0", "smtp", "before(@)", NULL };
static const char *const sources[] = { "okta", "entra", NULL };

static size_t
count(const char *const *names)
{
	size_t n = 0;

	while (names[n] != NULL)
		n++;
	return n;
}

static int
among(const char *word, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (strcmp(word, *names) == 0)
			return 1;
	}
	return 0;
}

static void
say(const struct look *k, int line, const char *what, const char *text)
{
	load_error(&k->r->load, k->st->file, line, "%s: %s %s", k->st->noun,
	    what, text);
}

/* A word of a closed list. */
static void
check_word(const struct look *k, const struct term_entry *e, const char *what,
    const char *const *names)
{
	if (e->value->kind != TERM_STRING)
		say(k, e->line, what, "is a string");
	else if (!among(e->value->text, names))
		rules_unknown(&k->r->load, k->st->file, e->line, what,
		    e->value->text, names, count(names));
}

static void
check_attribute(const struct look *k, const char *name, int line)
{
	if (k->type == NULL)
		return;
	for (size_t i = 0; i < k->type->n; i++) {
		if (strcmp(k->type->attrs[i], name) == 0)
			return;
	}
	rules_unknown(&k->r->load, k->st->file, line, "attribute", name,
	    k->type->attrs, k->type->n);
}

/* "okta", or "okta:contoso" where an organisation has two. */
static void
check_source(const struct look *k, const struct term_entry *e)
{
	char connector[64];
	size_t len;

	if (e->value->kind != TERM_STRING) {
		say(k, e->line, "a source", "is a string");
		return;
	}
	len = strcspn(e->value->text, ":");
	if (len >= sizeof(connector))
		len = sizeof(connector) - 1;
	memcpy(connector, e->value->text, len);
	connector[len] = '\0';
	for (size_t i = 0; i < k->r->n; i++) {
		if (strcmp(k->r->maps[i].connector, connector) == 0)
			return;
	}
	if (!among(connector, sources))
		rules_unknown(&k->r->load, k->st->file, e->line, "source",
		    connector, sources, count(sources));
}

static int
is_table(const struct look *k, const struct term_entry *e, const char *what)
{
	if (e->value->kind == TERM_TABLE)
		return 1;
	say(k, e->line, what, "is a table");
	return 0;
}

static void
check_sources(
    const struct look *k, const struct term_entry *e, const char *what)
{
	if (!is_table(k, e, what))
		return;
	if (e->value->n == 0)
		say(k, e->line, what, "names no source");
	for (size_t i = 0; i < e->value->n; i++)
		check_source(k, &e->value->entries[i]);
}

static void
check_norm(const struct look *k, const struct term_entry *e)
{
	if (e->value->kind != TERM_TABLE) {
		check_word(k, e, "norm", norms);
		return;
	}
	for (size_t i = 0; i < e->value->n; i++)
		check_word(k, &e->value->entries[i], "norm", norms);
}

static void
check_strings(
    const struct look *k, const struct term_entry *e, const char *what)
{
	if (!is_table(k, e, what))
		return;
	for (size_t i = 0; i < e->value->n; i++) {
		if (e->value->entries[i].value->kind != TERM_STRING)
			say(k, e->line, what, "is a list of strings");
	}
}

static void
check_bool(const struct look *k, const struct term_entry *e, const char *what)
{
	if (e->value->kind != TERM_BOOL)
		say(k, e->line, what, "is true or false");
}

static void
unknown_key(
    const struct look *k, const struct term_entry *e, const char *const *known)
{
	rules_unknown(&k->r->load, k->st->file, e->line, "key", e->key, known,
	    count(known));
}

/* { "email", norm = "lower", except = { "info@" }, propose = true } */
static void
check_join_key(const struct look *k, const struct term_entry *entry)
{
	static const char *const known[] = { "norm", "except", "propose",
		NULL };
	size_t attributes = 0;

	if (!is_table(k, entry, "a key"))
		return;
	for (size_t i = 0; i < entry->value->n; i++) {
		const struct term_entry *e = &entry->value->entries[i];

		if (e->key == NULL && e->value->kind != TERM_STRING) {
			say(k, e->line, "a key", "is a list of attributes");
		} else if (e->key == NULL) {
			check_attribute(k, e->value->text, e->line);
			attributes++;
		} else if (strcmp(e->key, "norm") == 0) {
			check_norm(k, e);
		} else if (strcmp(e->key, "except") == 0) {
			check_strings(k, e, "except");
		} else if (strcmp(e->key, "propose") == 0) {
			check_bool(k, e, "propose");
		} else {
			unknown_key(k, e, known);
		}
	}
	if (attributes == 0)
		say(k, entry->line, "a key", "names no attribute");
}

/* unmatched = { okta = "project", entra = "hold" } */
static void
check_unmatched(const struct look *k, const struct term_entry *entry)
{
	static const char *const words[] = { "project", "hold", NULL };

	if (!is_table(k, entry, "unmatched"))
		return;
	for (size_t i = 0; i < entry->value->n; i++) {
		const struct term_entry *e = &entry->value->entries[i];
		struct term name = { .kind = TERM_STRING, .text = e->key };
		struct term_entry source = { .line = e->line, .value = &name };

		if (e->key == NULL)
			say(k, e->line, "unmatched", "is source = \"hold\"");
		else
			check_source(k, &source);
		check_word(k, e, "unmatched", words);
	}
}

static void
check_join(const struct look *k)
{
	static const char *const known[] = { "sources", "unmatched", "changed",
		NULL };
	static const char *const changed[] = { "keep", "strict", NULL };

	if (term_find(k->st->body, "sources") == NULL)
		say(k, k->st->line, "sources",
		    "= { \"okta\", ... } is missing");
	for (size_t i = 0; i < k->st->body->n; i++) {
		const struct term_entry *e = &k->st->body->entries[i];

		if (e->key == NULL)
			check_join_key(k, e);
		else if (strcmp(e->key, "sources") == 0)
			check_sources(k, e, "sources");
		else if (strcmp(e->key, "unmatched") == 0)
			check_unmatched(k, e);
		else if (strcmp(e->key, "changed") == 0)
			check_word(k, e, "changed", changed);
		else
			unknown_key(k, e, known);
	}
}

/* Does the mesh have a type of that name? */
static void
check_type(const struct look *k, const struct term_entry *e)
{
	if (e->value->kind != TERM_STRING) {
		say(k, e->line, "ref", "is the name of a type");
		return;
	}
	for (size_t i = 0; i < k->r->ntypes; i++) {
		if (strcmp(k->r->types[i].name, e->value->text) == 0)
			return;
	}
	rules_unknown_type(k->r, k->st->file, e->line, e->value->text);
}

/* ref = "User", or { "User", by = { "login", "email" } } */
static void
check_ref(const struct look *k, const struct term_entry *entry)
{
	size_t types = 0;

	if (entry->value->kind != TERM_TABLE) {
		check_type(k, entry);
		return;
	}
	for (size_t i = 0; i < entry->value->n; i++) {
		const struct term_entry *e = &entry->value->entries[i];

		if (e->key == NULL) {
			types++;
			check_type(k, e);
		} else if (strcmp(e->key, "by") == 0) {
			check_strings(k, e, "by");
		} else {
			static const char *const known[] = { "by", NULL };

			unknown_key(k, e, known);
		}
	}
	if (types != 1)
		say(k, entry->line, "ref", "names one type");
}

/* The newest of values that have no time would be the last that came. */
static void
check_newest(const struct look *k, const struct term_entry *entry)
{
	const struct term_entry *newest = term_find(entry->value, "newest");
	const struct term_entry *clock = term_find(entry->value, "clock");

	if (newest == NULL || newest->value->kind != TERM_TABLE)
		return;
	for (size_t i = 0; i < newest->value->n; i++) {
		const struct term *name = newest->value->entries[i].value;
		const struct term_entry *of = NULL;

		if (name->kind != TERM_STRING)
			continue;
		if (clock != NULL && clock->value->kind == TERM_TABLE)
			of = term_find(clock->value, name->text);
		if (of != NULL && of->value->kind == TERM_STRING) {
			check_attribute(k, of->value->text, of->line);
			continue;
		}
		load_error(&k->r->load, k->st->file, newest->line,
		    "flow: newest needs clock = { [\"%s\"] = \"lastUpdated\" "
		    "}, an attribute that says when %s changed the object%s; "
		    "without it the answer would depend on what arrived last",
		    name->text, name->text,
		    strncmp(name->text, "entra", 5) == 0
			? " (Graph tells no such time of a user)"
			: "");
	}
}

static void
check_default(const struct look *k, const struct term_entry *e)
{
	if (e->value->kind != TERM_STRING && e->value->kind != TERM_FUNCTION)
		say(k, e->line, "default",
		    "is a text such as \"{firstName} {lastName}\" or a "
		    "function");
	else if (e->value->kind == TERM_STRING)
		rules_check_template(k->r, k->st, k->type, e);
}

/* One key of a flow's table; the others say how, and exclude each other. */
static int
check_flow_key(const struct look *k, const struct term_entry *e)
{
	static const char *const known[] = { "own", "backup", "all", "any",
		"union", "newest", "clock", "norm", "default", "ref", NULL };
	static const char *const hows[] = { "all", "any", "union", "newest",
		NULL };

	if (among(e->key, hows)) {
		check_sources(k, e, e->key);
		return 1;
	}
	if (strcmp(e->key, "own") == 0) {
		check_source(k, e);
		return 1;
	}
	if (strcmp(e->key, "backup") == 0)
		check_source(k, e);
	else if (strcmp(e->key, "norm") == 0)
		check_norm(k, e);
	else if (strcmp(e->key, "default") == 0)
		check_default(k, e);
	else if (strcmp(e->key, "ref") == 0)
		check_ref(k, e);
	else if (strcmp(e->key, "clock") == 0)
		(void)is_table(k, e, "clock");
	else
		unknown_key(k, e, known);
	return 0;
}

/* One attribute's flow, a table. */
static void
check_flow_table(const struct look *k, const struct term_entry *entry)
{
	size_t first = 0;
	int hows = 0;

	for (size_t i = 0; i < entry->value->n; i++) {
		const struct term_entry *e = &entry->value->entries[i];

		if (e->key != NULL) {
			hows += check_flow_key(k, e);
		} else if (e->value->kind != TERM_FUNCTION) {
			check_source(k, e);
			first++;
		} else if (i + 1 < entry->value->n &&
			   entry->value->entries[i + 1].key == NULL) {
			say(k, e->line, "a function",
			    "is the last resort and stands last");
		}
	}
	if (hows + (first > 0) > 1)
		say(k, entry->line, entry->key,
		    "takes one of: a list of sources, own, all, any, union, "
		    "newest");
	rules_check_pairs(k->r, k->st, entry);
	check_newest(k, entry);
}

static void
check_flow(const struct look *k)
{
	for (size_t i = 0; i < k->st->body->n; i++) {
		const struct term_entry *e = &k->st->body->entries[i];

		if (e->key == NULL) {
			say(k, e->line, "an entry", "is attribute = { ... }");
			continue;
		}
		if (strcmp(e->key, "*") != 0)
			check_attribute(k, e->key, e->line);
		if (e->value->kind == TERM_TABLE && e->value->n > 0)
			check_flow_table(k, e);
		else if (e->value->kind != TERM_FUNCTION)
			say(k, e->line, e->key,
			    "takes a table of sources or a function");
	}
}

/* "7d", "12h", "30m", "45s" */
static int
is_duration(const struct term *t)
{
	size_t digits;

	if (t->kind != TERM_STRING)
		return 0;
	digits = strspn(t->text, "0123456789");
	return digits > 0 && digits < 7 && t->len == digits + 1 &&
	       strchr("smhd", t->text[digits]) != NULL;
}

static void
check_back(const struct look *k, const struct term_entry *entry)
{
	static const char *const known[] = { "same_id", "same_key", NULL };
	static const char *const words[] = { "revive", "ask", "new", NULL };
	static const char *const same[] = { "revive", NULL };

	if (!is_table(k, entry, "back"))
		return;
	for (size_t i = 0; i < entry->value->n; i++) {
		const struct term_entry *e = &entry->value->entries[i];

		if (e->key == NULL)
			say(k, e->line, "back", "is same_id = \"revive\"");
		else if (!among(e->key, known))
			unknown_key(k, e, known);
		else
			check_word(k, e, e->key,
			    strcmp(e->key, "same_id") == 0 ? same : words);
	}
}

static void
check_life(const struct look *k)
{
	static const char *const known[] = { "gone", "grace", "back", NULL };
	static const char *const gone[] = { "all", "any", NULL };

	for (size_t i = 0; i < k->st->body->n; i++) {
		const struct term_entry *e = &k->st->body->entries[i];

		if (e->key == NULL)
			say(k, e->line, "an entry", "is gone = \"all\"");
		else if (strcmp(e->key, "gone") == 0)
			check_word(k, e, "gone", gone);
		else if (strcmp(e->key, "back") == 0)
			check_back(k, e);
		else if (strcmp(e->key, "grace") != 0)
			unknown_key(k, e, known);
		else if (!is_duration(e->value))
			say(k, e->line, "grace", "is a time such as \"7d\"");
	}
}

static void
check_number(const struct look *k, const struct term_entry *e)
{
	double n = -1;

	if (e->value->kind == TERM_NUMBER)
		n = strtod(e->value->text, NULL);
	if (!(n >= 0 && n <= 1e15))
		say(k, e->line, e->key, "is a number, not negative");
}

/* A guard is for all types: one of them has the attribute. */
static void
check_mapped(const struct look *k, const char *attr, int line)
{
	const struct rules *r = k->r;
	const char **names;
	size_t n = 0, all = 0;

	for (size_t t = 0; t < r->ntypes; t++)
		all += r->types[t].n;
	names = xcalloc(all + 1, sizeof(*names));
	for (size_t t = 0; t < r->ntypes; t++)
		for (size_t i = 0; i < r->types[t].n; i++)
			names[n++] = r->types[t].attrs[i];
	names[n] = NULL;
	if (!among(attr, names))
		rules_unknown(&k->r->load, k->st->file, line, "attribute", attr,
		    names, n);
	free(names);
}

static void
check_guarded(const struct look *k, const struct term_entry *e)
{
	check_strings(k, e, "attributes");
	for (size_t i = 0; e->value->kind == TERM_TABLE && i < e->value->n;
	     i++) {
		const struct term_entry *item = &e->value->entries[i];

		if (item->value->kind == TERM_STRING)
			check_mapped(k, item->value->text, item->line);
	}
}

static void
check_limits(const struct look *k, const struct term_entry *entry)
{
	static const char *const known[] = { "max", "percent", "of_at_least",
		"attributes", NULL };

	if (!is_table(k, entry, entry->key))
		return;
	for (size_t i = 0; i < entry->value->n; i++) {
		const struct term_entry *e = &entry->value->entries[i];

		if (e->key == NULL)
			say(k, e->line, entry->key, "is max = 500 and so on");
		else if (strcmp(e->key, "attributes") == 0)
			check_guarded(k, e);
		else if (!among(e->key, known))
			unknown_key(k, e, known);
		else
			check_number(k, e);
	}
	if (strcmp(entry->key, "change") == 0 &&
	    term_find(entry->value, "attributes") == NULL)
		say(k, entry->line, "change",
		    "needs attributes = { ... }, whose changes it counts");
}

static void
check_guard(const struct look *k)
{
	static const char *const known[] = { "leave", "unjoin", "change",
		NULL };

	for (size_t i = 0; i < k->st->body->n; i++) {
		const struct term_entry *e = &k->st->body->entries[i];

		if (e->key == NULL)
			say(k, e->line, "an entry", "is leave = { ... }");
		else if (!among(e->key, known))
			unknown_key(k, e, known);
		else
			check_limits(k, e);
	}
}

/* The same noun for the same type must not stand twice. */
static int
is_first(const struct look *k)
{
	for (size_t i = 0; i < k->r->load.n; i++) {
		const struct statement *s = &k->r->load.statements[i];

		if (s == k->st)
			return 1;
		if (strcmp(s->noun, k->st->noun) != 0 ||
		    (s->name != NULL && strcmp(s->name, k->st->name) != 0))
			continue;
		load_error(&k->r->load, k->st->file, k->st->line,
		    "%s%s%s is given twice; the first one is at %s:%d",
		    k->st->noun, s->name != NULL ? " " : "",
		    s->name != NULL ? s->name : "", s->file, s->line);
		return 0;
	}
	return 1;
}

void
rules_check(struct rules *r, const struct statement *st)
{
	struct look k = { .r = r, .st = st };

	if (!is_first(&k))
		return;
	if (st->name == NULL) {
		check_guard(&k);
		return;
	}
	for (size_t i = 0; i < r->ntypes; i++) {
		if (strcmp(r->types[i].name, st->name) == 0)
			k.type = &r->types[i];
	}
	if (k.type == NULL)
		rules_unknown_type(r, st->file, st->line, st->name);
	else if (strcmp(st->noun, "join") == 0)
		check_join(&k);
	else if (strcmp(st->noun, "flow") == 0)
		check_flow(&k);
	else
		check_life(&k);
}
