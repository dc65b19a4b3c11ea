/*
 * rules_scope.c - who is in, who is out, who is gone.
 *
 * Compiles `scope` statements and judges records with them: the filter of
 * the page and the rules' search on the raw record, keep, drop and deleted on
 * the attributes after mapping.
 */

#include "rules_impl.h"

#include <stdio.h>
#include <string.h>

static const char *const scope_keys[] = { "search", "keep", "drop", "deleted" };

/* What is being compiled, for messages. */
struct part {
	struct rules *r;
	struct rules_map *m;
	const char *file, *what; /* "keep" */
	int line;
	struct rules_item *items; /* of the present alternative */
	size_t n;
};

static int
wrong(const struct part *p, const char *text)
{
	load_error(&p->r->load, p->file, p->line, "%s: %s", p->what, text);
	return -1;
}

/* Literal or list of literals -> values of a test. */
static int
set_values(struct part *p, struct test *t, const struct term *term)
{
	size_t n = term->kind == TERM_TABLE ? term->n : 1;
	struct value *v = arena_take(&p->r->load.arena, (n + 1) * sizeof(*v));

	t->values = v;
	t->n = n;
	for (size_t i = 0; i < n; i++) {
		const struct term *one = term;

		if (term->kind == TERM_TABLE && term->entries[i].key != NULL)
			return wrong(p, "a list and names are mixed");
		if (term->kind == TERM_TABLE)
			one = term->entries[i].value;
		if (one->kind == TERM_FUNCTION)
			return wrong(p,
			    "a function stands for the whole predicate: "
			    "function(u) return u.status == \"X\" end");
		if (rules_literal(one, &v[i]) < 0)
			return wrong(
			    p, "a value is a string, number, true or false");
	}
	return 0;
}

static int
add_item(struct part *p, int attr, enum test_op op, const struct term *values)
{
	struct rules_item *item = &p->items[p->n];
	const char *fault;

	if (p->n == RULES_TESTS_MAX)
		return wrong(p, "too many tests in one table");
	*item = (struct rules_item){ .attr = attr,
		.node = p->m->attrs[attr].node,
		.test = { .op = op } };
	if (set_values(p, &item->test, values) < 0)
		return -1;
	fault = test_fault(&item->test);
	if (fault != NULL) {
		load_error(&p->r->load, p->file, p->line, "%s: %s %s", p->what,
		    test_name(op), fault);
		return -1;
	}
	p->n++;
	return 0;
}

/* { prefix = "a", ne = "b" } */
static int
add_tests(struct part *p, int attr, const struct term *table)
{
	const char *names[16];
	size_t n = 0;

	while (test_name((enum test_op)n) != NULL) {
		names[n] = test_name((enum test_op)n);
		n++;
	}
	for (size_t i = 0; i < table->n; i++) {
		const struct term_entry *e = &table->entries[i];
		int op = e->key == NULL ? -1 : test_of(e->key);

		p->line = e->line;
		if (e->key == NULL)
			return wrong(p, "a list and names are mixed");
		if (op < 0) {
			rules_unknown(&p->r->load, p->file, e->line, "test",
			    e->key, names, n);
			return -1;
		}
		if (add_item(p, attr, (enum test_op)op, e->value) < 0)
			return -1;
	}
	return 0;
}

static int
attr_of(struct part *p, const struct term_entry *e)
{
	const char *names[512];
	size_t n = p->m->n < 512 ? p->m->n : 512;
	int attr = rules_attr_find(p->m, e->key);

	if (attr >= 0)
		return attr;
	for (size_t i = 0; i < n; i++)
		names[i] = p->m->attrs[i].name;
	rules_unknown(
	    &p->r->load, p->file, e->line, "attribute", e->key, names, n);
	return -1;
}

/* { status = "ACTIVE", login = { prefix = "svc-" } }: all must hold. */
static int
compile_table(
    struct part *p, const struct term *table, struct rules_predicate *out)
{
	p->items =
	    arena_take(&p->r->load.arena, RULES_TESTS_MAX * sizeof(*p->items));
	p->n = 0;
	for (size_t i = 0; i < table->n; i++) {
		const struct term_entry *e = &table->entries[i];
		const struct term *v = e->value;
		int attr, named;

		p->line = e->line;
		if (e->key == NULL)
			return wrong(p, "names and tables are mixed");
		attr = attr_of(p, e);
		if (attr < 0)
			return -1;
		named = v->kind == TERM_TABLE && v->n > 0 &&
			v->entries[v->n - 1].key != NULL;
		if ((named ? add_tests(p, attr, v)
			   : add_item(p, attr, TEST_IS, v)) < 0)
			return -1;
	}
	out->items = p->items;
	out->n = p->n;
	return 0;
}

static int
compile_one(struct part *p, const struct term *t, struct rules_predicate *out)
{
	char owner[160];
	int len;

	*out = (struct rules_predicate){ 0 };
	if (t->kind == TERM_TABLE && t->n > 0)
		return compile_table(p, t, out);
	if (t->kind != TERM_FUNCTION)
		return wrong(p,
		    "a table such as { status = \"ACTIVE\" } or a function "
		    "is needed");
	len = snprintf(owner, sizeof(owner), "%s.%s", p->m->name, p->what);
	out->function = rules_node(
	    p->r, p->m, t, p->line, load_copy(&p->r->load, owner, (size_t)len));
	return 0;
}

/* One alternative, or a list of them. */
static void
compile_any(struct part *p, const struct term *t, struct rules_any *any)
{
	int list =
	    t->kind == TERM_TABLE && t->n > 0 && t->entries[0].key == NULL;
	size_t n = list ? t->n : 1;
	struct rules_predicate *of =
	    arena_take(&p->r->load.arena, n * sizeof(*of));

	any->given = 1;
	any->of = of;
	for (size_t i = 0; i < n; i++) {
		const struct term *one = list ? t->entries[i].value : t;

		if (list)
			p->line = t->entries[i].line;
		if (list && t->entries[i].key != NULL)
			(void)wrong(p, "names and tables are mixed");
		else if (compile_one(p, one, &of[any->n]) == 0)
			any->n++;
	}
}

/* Only Okta's own grammar is known, and only these two lists take it. */
static void
compile_search(struct part *p, const struct term *t)
{
	struct rules_map *m = p->m;
	enum filter_entity entity = FILTER_USER;
	struct why why;

	if (t->kind != TERM_STRING) {
		(void)wrong(p, "an expression in a string is needed");
		return;
	}
	if (strcmp(m->type, "Group") == 0)
		entity = FILTER_GROUP;
	if (strcmp(m->connector, "okta") != 0 ||
	    (entity == FILTER_USER && strcmp(m->type, "User") != 0)) {
		(void)wrong(p,
		    "only okta.User and okta.Group can be searched; use "
		    "keep and drop");
		return;
	}
	m->scope.search = filter_parse(t->text, t->len, entity, &why);
	if (m->scope.search == NULL)
		(void)wrong(p, why.text);
}

static void
compile_key(struct part *p, const struct term_entry *e)
{
	struct rules_scope *s = &p->m->scope;
	size_t n = sizeof(scope_keys) / sizeof(scope_keys[0]);

	p->what = e->key;
	p->line = e->line;
	if (e->key == NULL) {
		load_error(&p->r->load, p->file, e->line,
		    "scope takes search, keep, drop and deleted");
	} else if (strcmp(e->key, "search") == 0) {
		compile_search(p, e->value);
	} else if (strcmp(e->key, "keep") == 0) {
		compile_any(p, e->value, &s->keep);
	} else if (strcmp(e->key, "drop") == 0) {
		compile_any(p, e->value, &s->drop);
	} else if (strcmp(e->key, "deleted") != 0) {
		rules_unknown(&p->r->load, p->file, e->line, "key", e->key,
		    scope_keys, n);
	} else if (e->value->kind == TERM_BOOL && !e->value->truth) {
		s->deleted.given = 1;
	} else {
		compile_any(p, e->value, &s->deleted);
	}
}

/* The statement that a second one of this name comes behind. */
static const struct statement *
first_scope(const struct rules *r, const char *name)
{
	const struct statement *s = r->load.statements;

	while (strcmp(s->noun, "scope") != 0 || strcmp(s->name, name) != 0)
		s++;
	return s;
}

void
rules_scope_compile(struct rules *r, const struct statement *st)
{
	struct part p = { .r = r, .file = st->file };
	const char *names[256];
	size_t n = 0;

	p.m = rules_map_find(r, st->name);
	if (p.m == NULL) {
		for (; n < r->n && n < 256; n++)
			names[n] = r->maps[n].name;
		rules_unknown(
		    &r->load, st->file, st->line, "map", st->name, names, n);
		return;
	}
	if (p.m->scoped) {
		const struct statement *first = first_scope(r, st->name);

		load_error(&r->load, st->file, st->line,
		    "scope \"%s\" is given twice; the first one is at %s:%d",
		    st->name, first->file, first->line);
		return;
	}
	p.m->scoped = 1;
	for (size_t i = 0; i < st->body->n; i++)
		compile_key(&p, &st->body->entries[i]);
}

/* A user that Okta deprovisioned is deleted, if no rule says otherwise. */
void
rules_scope_default(struct rules *r, struct rules_map *m)
{
	struct rules_predicate *of;
	struct rules_item *item;
	struct plan_node *node;
	struct value *value;
	struct why why;

	if (m->scope.deleted.given || strcmp(m->name, "okta.User") != 0)
		return;
	node = arena_take(&r->load.arena, sizeof(*node));
	value = arena_take(&r->load.arena, sizeof(*value));
	item = arena_take(&r->load.arena, sizeof(*item));
	of = arena_take(&r->load.arena, sizeof(*of));
	*node = (struct plan_node){
		.op = PLAN_PATH, .path = "status", .file = m->file
	};
	node->slot = paths_add(m->plan.paths, node->path, &why);
	*value = value_text("DEPROVISIONED", strlen("DEPROVISIONED"));
	*item = (struct rules_item){ .attr = -1,
		.node = node,
		.test = { .op = TEST_IS, .n = 1, .values = value } };
	*of = (struct rules_predicate){ .items = item, .n = 1 };
	m->scope.deleted = (struct rules_any){ of, 1, 1 };
}

static int
ask_function(struct rules *r, const struct plan_node *n, struct why *why)
{
	char at[sizeof(why->at)];
	struct value v;

	if (plan_eval(&r->map->plan, n, &v, why) < 0)
		return -1;
	if (v.kind == VALUE_BOOL)
		return v.truth;
	if (v.kind == VALUE_ABSENT)
		return 0;
	snprintf(at, sizeof(at), "%s:%d", n->file, n->line);
	return why_set(why, "E_RULE", at,
	    "a predicate returns true or false, not %s", value_kind_name(&v));
}

/* status == "ACTIVE", the most frequent test: 1, 0, or -1 for the long way. */
static int
match_word(struct rules *r, const struct rules_item *item)
{
	const struct value *want = &item->test.values[0];
	yyjson_val *v;

	if (item->test.op != TEST_IS || item->test.n != 1 ||
	    want->kind != VALUE_STRING || item->node->op != PLAN_PATH ||
	    (item->attr >= 0 && item->attr == r->map->id_attr))
		return -1;
	v = paths_values(r->map->plan.paths)[item->node->slot];
	if (v == NULL)
		return 0;
	if (!yyjson_is_str(v))
		return -1;
	return unsafe_yyjson_get_len(v) == want->len &&
	       memcmp(v->uni.str, want->text, want->len) == 0;
}

static int
match_item(struct rules *r, const struct rules_item *item, struct why *why)
{
	struct plan *plan = &r->map->plan;
	int word = match_word(r, item);
	struct value v;

	if (word >= 0)
		return word;
	if (item->attr < 0) {
		if (plan_eval(plan, item->node, &v, why) < 0)
			return -1;
	} else {
		if (rules_attr_value(r, (size_t)item->attr, why) < 0)
			return -1;
		v = r->map->attrs[item->attr].value;
	}
	return test_match(&item->test, &v, &plan->arena);
}

static int
match_one(struct rules *r, const struct rules_predicate *p, struct why *why)
{
	if (p->function != NULL)
		return ask_function(r, p->function, why);
	for (size_t i = 0; i < p->n; i++) {
		int matched = match_item(r, &p->items[i], why);

		if (matched != 1)
			return matched;
	}
	return 1;
}

int
rules_any_match(struct rules *r, const struct rules_any *any, struct why *why)
{
	int result = 0;

	for (size_t i = 0; i < any->n; i++) {
		int matched = match_one(r, &any->of[i], why);

		if (matched == 1)
			return 1;
		if (matched < 0)
			result = -1;
	}
	return result;
}

int
rules_scope_match(struct rules *r, yyjson_val *record, struct why *why)
{
	const struct rules_scope *s = &r->map->scope;
	const struct rules_page *page = &r->page;
	int kept = 1, dropped;

	if (page->filter != NULL &&
	    !filter_match(page->filter, page->route, record))
		return 0;
	/* Fetch ANDs both, so both compare as the endpoint does. */
	if (s->search != NULL &&
	    !filter_match(s->search,
		page->filter != NULL ? page->route : filter_route(s->search),
		record))
		return 0;
	if (s->keep.given)
		kept = rules_any_match(r, &s->keep, why);
	if (kept == 0)
		return 0;
	dropped = rules_any_match(r, &s->drop, why);
	if (dropped == 1)
		return 0;
	return kept < 0 || dropped < 0 ? -1 : 1;
}
