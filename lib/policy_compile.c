/*
 * policy_compile.c - join, flow, life and guard become a policy.
 *
 * The second half of their compiler: rules_check.c has refused what cannot be
 * meant, so this only reads.  Runs once a load; everything lives in the load's
 * arena.
 */

#include "rules_impl.h"

#include <stdlib.h>
#include <string.h>

#define LOOKUPS_MAX 16

/* The type that is compiled. */
struct make {
	struct rules *r;
	struct policy *p;
	struct policy_source *sources;
	struct policy_key *keys; /* with room for the lookups */
	const char **names;
	struct policy_flow *flows;
};

static void *
take(struct make *m, size_t n, size_t size)
{
	void *at = arena_take(&m->r->load.arena, (n + 1) * size);

	memset(at, 0, (n + 1) * size);
	return at;
}

static const struct statement *
statement_of(const struct rules *r, const char *noun, const char *name)
{
	for (size_t i = 0; i < r->load.n; i++) {
		const struct statement *st = &r->load.statements[i];

		if (strcmp(st->noun, noun) == 0 &&
		    (name == NULL || strcmp(st->name, name) == 0))
			return st;
	}
	return NULL;
}

static bool
says(const struct term *table, const char *key, const char *word)
{
	const struct term_entry *e = term_find(table, key);

	return e != NULL && e->value->kind == TERM_STRING &&
	       strcmp(e->value->text, word) == 0;
}

static enum policy_norm
norm_of(const char *word)
{
	int n = POLICY_TRIM;

	while (strcmp(policy_norm_name(n), word) != 0)
		n++;
	return n;
}

static struct policy_norms
norms_of(struct make *m, const struct term *table)
{
	const struct term_entry *e = term_find(table, "norm");
	size_t n = e == NULL                      ? 0
		   : e->value->kind == TERM_TABLE ? e->value->n
						  : 1;
	enum policy_norm *of = take(m, n, sizeof(*of));

	for (size_t i = 0; i < n; i++) {
		const struct term *t = e->value->kind == TERM_TABLE
					   ? e->value->entries[i].value
					   : e->value;

		of[i] = norm_of(t->text);
	}
	return (struct policy_norms){ of, n };
}

static void
compile_sources(struct make *m, const struct term *body)
{
	const struct term_entry *e = term_find(body, "sources");
	const struct term_entry *unmatched = term_find(body, "unmatched");

	if (e->value->n > POLICY_SOURCES_MAX)
		load_error(&m->r->load, m->p->file, e->line,
		    "join \"%s\": more than %d sources", m->p->type,
		    POLICY_SOURCES_MAX);
	m->sources = take(m, e->value->n, sizeof(*m->sources));
	for (size_t i = 0; i < e->value->n; i++) {
		const char *name = e->value->entries[i].value->text;

		m->sources[i] = (struct policy_source){ .name = name };
		if (unmatched != NULL)
			m->sources[i].hold =
			    says(unmatched->value, name, "hold");
	}
	m->p->sources = m->sources;
	m->p->nsources = e->value->n;
}

/* What an exception looks like behind the norms. */
static const char *
except_of(struct make *m, const struct policy_key *k, const struct term *t)
{
	struct buf b = { 0 };
	const char *text;

	policy_normalise(&b, &k->norms, t->text, t->len);
	text = load_copy(&m->r->load, b.len > 0 ? b.data : "", b.len);
	buf_free(&b);
	return text;
}

static void
compile_except(struct make *m, struct policy_key *k, const struct term_entry *e)
{
	const char **except;

	if (e == NULL)
		return;
	except = take(m, e->value->n, sizeof(*except));
	for (size_t i = 0; i < e->value->n; i++)
		except[i] = except_of(m, k, e->value->entries[i].value);
	k->except = except;
	k->nexcept = e->value->n;
}

static void
compile_key(struct make *m, struct policy_key *k, const struct term_entry *from)
{
	const struct term *t = from->value;
	const struct term_entry *propose = term_find(t, "propose");
	const char **attrs = take(m, t->n, sizeof(*attrs));
	struct buf label = { 0 };

	for (size_t i = 0; i < t->n && t->entries[i].key == NULL; i++) {
		attrs[k->nattrs++] = t->entries[i].value->text;
		if (i > 0)
			buf_char(&label, '+');
		buf_str(&label, t->entries[i].value->text);
	}
	k->attrs = attrs;
	k->label = load_copy(&m->r->load, label.data, label.len);
	buf_free(&label);
	k->norms = norms_of(m, t);
	k->propose = propose != NULL && propose->value->truth;
	k->line = from->line;
	compile_except(m, k, term_find(t, "except"));
}

static void
compile_keys(struct make *m, const struct statement *st)
{
	for (size_t i = 0; i < st->body->n; i++) {
		if (st->body->entries[i].key != NULL)
			continue;
		if (m->p->nkeys == POLICY_KEYS_MAX) {
			load_error(&m->r->load, st->file,
			    st->body->entries[i].line,
			    "join \"%s\": more than %d keys", st->name,
			    POLICY_KEYS_MAX);
			return;
		}
		m->keys[m->p->nkeys].file = st->file;
		compile_key(m, &m->keys[m->p->nkeys++], &st->body->entries[i]);
	}
}

/* The number of a spelling; the check has counted them. */
static unsigned char
name_number(struct make *m, const char *name)
{
	size_t n = m->p->nnames;

	for (size_t i = 0; i < n; i++)
		if (strcmp(m->names[i], name) == 0)
			return (unsigned char)i;
	if (n == POLICY_NAMES_MAX)
		load_error(&m->r->load, m->p->file, m->p->line,
		    "%s: the flows name more than %d sources", m->p->type,
		    POLICY_NAMES_MAX);
	if (n >= POLICY_NAMES_MAX)
		return 0;
	m->names[m->p->nnames++] = name;
	return (unsigned char)n;
}

static void
set_names(struct make *m, struct policy_flow *f, const struct term *list)
{
	unsigned char *names = take(m, list->n, 1);

	for (size_t i = 0; i < list->n; i++) {
		const struct term_entry *e = &list->entries[i];

		if (e->key == NULL && e->value->kind == TERM_STRING)
			names[f->n++] = name_number(m, e->value->text);
	}
	f->names = names;
}

static void
set_clocks(struct make *m, struct policy_flow *f, const struct term *list,
    const struct term_entry *clock)
{
	const char **clocks = take(m, list->n, sizeof(*clocks));

	for (size_t i = 0; i < list->n; i++)
		clocks[i] =
		    term_find(clock->value, list->entries[i].value->text)
			->value->text;
	f->clocks = clocks;
}

static void
set_own(struct make *m, struct policy_flow *f, const struct term *t)
{
	unsigned char *names = take(m, 2, 1);
	const struct term_entry *backup = term_find(t, "backup");

	names[f->n++] = name_number(m, term_find(t, "own")->value->text);
	if (backup != NULL)
		names[f->n++] = name_number(m, backup->value->text);
	f->names = names;
	f->how = POLICY_OWN;
}

/* All sources of the join, in their order. */
static void
set_all_sources(struct make *m, struct policy_flow *f)
{
	unsigned char *names = take(m, m->p->nsources, 1);

	for (size_t i = 0; i < m->p->nsources; i++)
		names[f->n++] = name_number(m, m->sources[i].name);
	f->names = names;
}

static void
set_how(struct make *m, struct policy_flow *f, const struct term *t)
{
	static const struct {
		const char *word;
		enum policy_how how;
	} hows[] = { { "all", POLICY_ALL }, { "any", POLICY_ANY },
		{ "union", POLICY_UNION }, { "newest", POLICY_NEWEST } };

	for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
		const struct term_entry *e = term_find(t, hows[i].word);

		if (e == NULL)
			continue;
		f->how = hows[i].how;
		set_names(m, f, e->value);
		if (f->how == POLICY_NEWEST)
			set_clocks(m, f, e->value, term_find(t, "clock"));
		return;
	}
	if (term_find(t, "own") != NULL)
		set_own(m, f, t);
	else
		set_names(m, f, t);
	if (f->n == 0)
		set_all_sources(m, f);
}

static void
set_function(struct make *m, struct policy_flow *f, const struct term *t)
{
	struct buf owner = { 0 };

	buf_fmt(&owner, "flow %s.%s", m->p->type, f->attr);
	f->function = t->function;
	if (t->function < m->r->nowners)
		m->r->owners[t->function] =
		    load_copy(&m->r->load, owner.data, owner.len);
	buf_free(&owner);
}

static void
set_last(struct make *m, struct policy_flow *f, const struct term *t)
{
	const struct term_entry *e = term_find(t, "default");

	if (e != NULL && e->value->kind == TERM_STRING)
		f->text = e->value->text;
	else if (e != NULL)
		set_function(m, f, e->value);
	for (size_t i = 0; i < t->n; i++)
		if (t->entries[i].key == NULL &&
		    t->entries[i].value->kind == TERM_FUNCTION)
			set_function(m, f, t->entries[i].value);
}

static void
set_by(struct make *m, struct policy_flow *f, const struct term_entry *e)
{
	const char **by;

	if (e == NULL)
		return;
	by = take(m, e->value->n, sizeof(*by));
	for (size_t i = 0; i < e->value->n; i++)
		by[i] = e->value->entries[i].value->text;
	f->by = by;
	f->nby = e->value->n;
	f->lookups = take(m, f->nby, sizeof(*f->lookups));
}

static void
compile_flow(struct make *m, struct policy_flow *f, const struct term_entry *e)
{
	const struct term *t = e->value;
	const struct term_entry *ref;

	f->line = e->line;
	if (t->kind == TERM_FUNCTION) {
		set_function(m, f, t);
		return;
	}
	set_how(m, f, t);
	set_last(m, f, t);
	f->norms = norms_of(m, t);
	ref = term_find(t, "ref");
	if (ref == NULL)
		return;
	m->p->has_ref = true;
	f->ref = ref->value->text;
	if (ref->value->kind != TERM_TABLE)
		return;
	f->ref = ref->value->entries[0].value->text;
	set_by(m, f, term_find(ref->value, "by"));
}

static void
set_key(struct make *m, struct policy_flow *f)
{
	struct buf key = { 0 };

	buf_char(&key, ',');
	buf_json(&key, f->attr, strlen(f->attr));
	buf_char(&key, ':');
	f->key_len = key.len;
	buf_add(&key, "                ", JSON_KEY_PAD);
	f->key = load_copy(&m->r->load, key.data, key.len);
	buf_free(&key);
}

static void
compile_flows(struct make *m, const struct rules_type *type)
{
	const struct statement *st = statement_of(m->r, "flow", m->p->type);
	const struct term_entry *star = NULL, *e;

	m->flows = take(m, type->n, sizeof(*m->flows));
	m->names = take(m, POLICY_NAMES_MAX, sizeof(*m->names));
	if (st != NULL)
		star = term_find(st->body, "*");
	for (size_t i = 0; i < type->n; i++) {
		struct policy_flow *f = &m->flows[i];

		*f = (struct policy_flow){ .attr = type->attrs[i],
			.function = -1,
			.file = st != NULL ? st->file : m->p->file,
			.line = m->p->line };
		f->quiet = rules_quiet(m->r, m->p->type, f->attr) != 0;
		set_key(m, f);
		e = st != NULL ? term_find(st->body, f->attr) : NULL;
		if (e != NULL || star != NULL)
			compile_flow(m, f, e != NULL ? e : star);
		else
			set_all_sources(m, f);
	}
	m->p->flows = m->flows;
	m->p->nflows = type->n;
	m->p->names = m->names;
}

static int64_t
duration_ms(const char *text)
{
	static const char units[] = "smhd";
	static const int64_t ms[] = { 1000, 60000, 3600000, 86400000 };
	char *end;
	int64_t n = strtoll(text, &end, 10);

	return n * ms[strchr(units, *end) - units];
}

static void
compile_life(struct make *m)
{
	const struct statement *st = statement_of(m->r, "life", m->p->type);
	const struct term_entry *grace, *back;

	if (st == NULL)
		return;
	m->p->any = says(st->body, "gone", "any");
	grace = term_find(st->body, "grace");
	if (grace != NULL)
		m->p->grace_ms = duration_ms(grace->value->text);
	back = term_find(st->body, "back");
	if (back == NULL)
		return;
	if (says(back->value, "same_key", "revive"))
		m->p->same_key = POLICY_REVIVE;
	else if (says(back->value, "same_key", "new"))
		m->p->same_key = POLICY_NEW;
}

static void
set_number(const struct term *table, const char *key, double *out)
{
	const struct term_entry *e = term_find(table, key);

	if (e != NULL)
		*out = strtod(e->value->text, NULL);
}

static struct policy_limit
limit_of(struct make *m, const char *name, struct policy_limit limit)
{
	const struct statement *st = statement_of(m->r, "guard", NULL);
	const struct term_entry *e, *list;
	double max = (double)limit.max, least = (double)limit.of_at_least;
	const char **attrs;

	e = st != NULL ? term_find(st->body, name) : NULL;
	if (e == NULL)
		return limit;
	set_number(e->value, "max", &max);
	set_number(e->value, "percent", &limit.percent);
	set_number(e->value, "of_at_least", &least);
	limit.max = (int64_t)max;
	limit.of_at_least = (int64_t)least;
	limit.file = st->file;
	limit.line = e->line;
	list = term_find(e->value, "attributes");
	if (list == NULL)
		return limit;
	attrs = take(m, list->value->n, sizeof(*attrs));
	for (size_t i = 0; i < list->value->n; i++)
		attrs[i] = list->value->entries[i].value->text;
	limit.attrs = attrs;
	limit.nattrs = list->value->n;
	return limit;
}

static void
compile_guard(struct make *m)
{
	static const struct policy_limit leave = {
		.max = 500, .percent = 5, .of_at_least = 50
	};
	static const struct policy_limit none = {
		.max = -1, .percent = -1, .of_at_least = 50
	};

	m->p->leave = limit_of(m, "leave", leave);
	m->p->unjoin = limit_of(m, "unjoin", none);
	m->p->change = limit_of(m, "change", none);
}

/* Where nothing is merged these would count nothing. */
static void
check_brakes(struct rules *r)
{
	static const char *const of_merges[] = { "unjoin", "change" };
	const struct statement *st = statement_of(r, "guard", NULL);

	for (size_t i = 0; st != NULL && r->npolicies == 0 && i < 2; i++) {
		const struct term_entry *e = term_find(st->body, of_merges[i]);

		if (e != NULL)
			load_error(&r->load, st->file, e->line,
			    "guard: %s holds merges, and no type has a join; "
			    "join \"User\" { sources = { \"okta\" } } merges "
			    "one source alone",
			    of_merges[i]);
	}
}

static void
compile_type(struct rules *r, struct policy *p, const struct statement *st)
{
	struct make m = { .r = r, .p = p };
	size_t type = 0;

	while (strcmp(r->types[type].name, st->name) != 0)
		type++;
	*p = (struct policy){
		.type = r->types[type].name, .file = st->file, .line = st->line
	};
	m.keys = take(&m, st->body->n + LOOKUPS_MAX, sizeof(*m.keys));
	p->keys = m.keys;
	compile_sources(&m, st->body);
	compile_keys(&m, st);
	p->strict = says(st->body, "changed", "strict");
	compile_flows(&m, &r->types[type]);
	compile_life(&m);
	compile_guard(&m);
}

/* The key that finds objects by an attribute that joins nothing itself. */
static int
lookup_key(struct make *m, struct policy *to, const char *attr,
    const struct policy_flow *f)
{
	static const enum policy_norm norms[] = { POLICY_TRIM, POLICY_LOWER };
	size_t n = to->nkeys + to->nlookups;
	struct policy_key *k = &to->keys[n];
	const char **attrs;

	for (size_t i = to->nkeys; i < n; i++)
		if (strcmp(to->keys[i].attrs[0], attr) == 0)
			return (int)i;
	if (to->nlookups == LOOKUPS_MAX) {
		load_error(&m->r->load, f->file, f->line,
		    "flow: more than %d attributes find a %s", LOOKUPS_MAX,
		    to->type);
		return 0;
	}
	attrs = take(m, 1, sizeof(*attrs));
	attrs[0] = attr;
	*k = (struct policy_key){ .label = attr,
		.attrs = attrs,
		.nattrs = 1,
		.norms = { norms, 2 },
		.lookup = true,
		.file = f->file,
		.line = f->line };
	to->nlookups++;
	return (int)n;
}

/* References by attribute become keys of the type that they mean. */
static void
link_refs(struct rules *r, const struct policy *p)
{
	struct make m = { .r = r };

	for (size_t i = 0; i < p->nflows; i++) {
		const struct policy_flow *f = &p->flows[i];
		size_t to = 0;

		while (f->ref != NULL && to < r->npolicies &&
		       strcmp(r->policies[to].type, f->ref) != 0)
			to++;
		if (f->ref == NULL)
			continue;
		if (to == r->npolicies)
			load_error(&r->load, f->file, f->line,
			    "flow: ref needs a join \"%s\"", f->ref);
		for (size_t k = 0; to < r->npolicies && k < f->nby; k++)
			f->lookups[k] =
			    lookup_key(&m, &r->policies[to], f->by[k], f);
	}
}

void
policy_compile(struct rules *r)
{
	struct policy none = { 0 };
	struct make m = { .r = r, .p = &none };

	compile_guard(&m);
	r->guard = (struct rules_guard){ .max = none.leave.max,
		.percent = none.leave.percent,
		.of_at_least = none.leave.of_at_least };
	r->policies = take(&m, r->load.n, sizeof(*r->policies));
	for (size_t i = 0; i < r->load.n; i++)
		if (strcmp(r->load.statements[i].noun, "join") == 0)
			compile_type(r, &r->policies[r->npolicies++],
			    &r->load.statements[i]);
	for (size_t i = 0; i < r->npolicies; i++)
		link_refs(r, &r->policies[i]);
	check_brakes(r);
}

const struct policy *
rules_policy(const struct rules *r, const char *type)
{
	for (size_t i = 0; r != NULL && i < r->npolicies; i++)
		if (strcmp(r->policies[i].type, type) == 0)
			return &r->policies[i];
	return NULL;
}
