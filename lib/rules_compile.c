/*
 * rules_compile.c - the statements of the rules become a plan.
 *
 * Between the Lua that has run and the records that will come: every map gets
 * its paths, nodes and attributes, in the order of the file.  All mistakes
 * are collected, with their line and the nearest known name.
 */

#include "rules_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

#define NAME_MAX_LEN 128
#define ARGS_MAX 64 /* of one combinator */
#define LIST_MAX 8 /* known names that a message lists */

struct rules_map *
rules_map_find(struct rules *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->maps[i].name, name) == 0)
			return &r->maps[i];
	}
	return NULL;
}

int
rules_attr_find(const struct rules_map *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strcmp(m->attrs[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

void
rules_unknown(struct load *l, const char *file, int line, const char *what,
    const char *word, const char *const *names, size_t n)
{
	const char *near = why_nearest(word, names, n);
	struct buf list = { 0 };

	for (size_t i = 0; i < n && n <= LIST_MAX; i++)
		buf_fmt(&list, "%s%s", i == 0 ? "; known: " : ", ", names[i]);
	if (near != NULL)
		load_error(l, file, line,
		    "unknown %s \"%.100s\": did you mean \"%s\"?", what, word,
		    near);
	else
		load_error(l, file, line, "unknown %s \"%.100s\"%s", what, word,
		    list.len > 0 ? list.data : "");
	buf_free(&list);
}

void
rules_unknown_type(
    struct rules *r, const char *file, int line, const char *word)
{
	const char **names = xcalloc(r->ntypes + 1, sizeof(*names));

	for (size_t i = 0; i < r->ntypes; i++)
		names[i] = r->types[i].name;
	rules_unknown(&r->load, file, line, "type", word, names, r->ntypes);
	free(names);
}

int
rules_literal(const struct term *t, struct value *out)
{
	*out = (struct value){ .text = t->text, .len = t->len };
	switch (t->kind) {
	case TERM_STRING:
		out->kind = VALUE_STRING;
		return 0;
	case TERM_NUMBER:
		out->kind = VALUE_NUMBER;
		return 0;
	case TERM_BOOL:
		out->kind = VALUE_BOOL;
		out->truth = t->truth;
		return 0;
	case TERM_NULL:
		out->kind = VALUE_NULL;
		return 0;
	default:
		return -1;
	}
}

static struct plan_node *
new_node(struct rules *r, enum plan_op op, const char *file, int line)
{
	struct plan_node *n = arena_take(&r->load.arena, sizeof(*n));

	*n = (struct plan_node){
		.op = op, .slot = -1, .function = -1, .file = file, .line = line
	};
	return n;
}

static const struct plan_node *
path_node(struct rules *r, struct rules_map *m, const struct term *t, int line)
{
	struct plan_node *n = new_node(r, PLAN_PATH, m->file, line);
	struct why why;

	if (strlen(t->text) != t->len) {
		load_error(&r->load, m->file, line, "a path with U+0000");
		return NULL;
	}
	n->path = t->text;
	n->slot = paths_add(m->plan.paths, t->text, &why);
	if (n->slot < 0) {
		load_error(&r->load, m->file, line, "%s", why.text);
		return NULL;
	}
	return n;
}

static const struct plan_node *
function_node(struct rules *r, const struct term *t, const char *owner)
{
	struct plan_node *n = new_node(r, PLAN_LUA, t->file, t->line);

	n->function = t->function;
	if (t->function < r->nowners)
		r->owners[t->function] = owner;
	return n;
}

/* Values and literals that a combinator takes. */
struct arity {
	size_t values_min, values_max, literals_min, literals_max;
	const char *form;
};

static const struct arity arities[] = {
	[PLAN_TRIM] = { 1, 1, 0, 0, "trim \"profile.email\"" },
	[PLAN_UPPER] = { 1, 1, 0, 0, "upper \"profile.employeeNumber\"" },
	[PLAN_LOWER] = { 1, 1, 0, 0, "lower \"profile.email\"" },
	[PLAN_CASEFOLD] = { 1, 1, 0, 0, "casefold \"profile.lastName\"" },
	[PLAN_DIGITS] = { 1, 1, 0, 0, "digits \"profile.mobilePhone\"" },
	[PLAN_BOOL] = { 1, 1, 0, 0, "bool \"profile.contractor\"" },
	[PLAN_INT] = { 1, 1, 0, 0, "int \"profile.floor\"" },
	[PLAN_DATE] = { 1, 1, 0, 0, "date \"profile.hireDate\"" },
	[PLAN_FIRST] = { 1, ARGS_MAX, 0, 0, "first(\"a\", \"b\")" },
	[PLAN_LIST] = { 1, ARGS_MAX, 0, 0, "list(\"a\", \"b\")" },
	[PLAN_HEAD] = { 1, 1, 0, 0, "head \"otherMails\"" },
	[PLAN_CONCAT] = { 1, 1, 1, 1, "concat(\"objectClass\", \",\")" },
	[PLAN_IS] = { 1, 1, 1, ARGS_MAX, "is(\"status\", \"ACTIVE\")" },
	[PLAN_CONST] = { 0, 0, 1, 1, "const(\"User\")" },
};

static int
add_literals(
    struct rules *r, struct plan_node *n, const struct term *t, size_t first)
{
	struct value *v =
	    arena_take(&r->load.arena, (t->n - first + 1) * sizeof(*v));

	n->literal = v;
	n->literals = t->n - first;
	for (size_t i = first; i < t->n; i++) {
		if (rules_literal(t->entries[i].value, v) < 0 ||
		    (n->op == PLAN_CONCAT && v->kind != VALUE_STRING)) {
			load_error(&r->load, t->file, t->line,
			    "%s: %s is no %s; write %s", t->text,
			    term_kind_name(t->entries[i].value),
			    n->op == PLAN_CONCAT ? "separator" : "literal",
			    arities[n->op].form);
			return -1;
		}
		v++;
	}
	return 0;
}

static const struct plan_node *
call_node(struct rules *r, struct rules_map *m, const struct term *t,
    const char *owner)
{
	enum plan_op op = (enum plan_op)t->function;
	const struct arity *a = &arities[op];
	struct plan_node *n = new_node(r, op, t->file, t->line);
	size_t values = a->literals_max > 0 ? a->values_max : t->n;

	if (t->n < a->values_min + a->literals_min ||
	    t->n > a->values_max + a->literals_max || t->n > ARGS_MAX) {
		load_error(&r->load, t->file, t->line,
		    "%s takes another number of arguments; write %s", t->text,
		    a->form);
		return NULL;
	}
	n->n = values;
	n->args = arena_take(&r->load.arena, (values + 1) * sizeof(*n->args));
	for (size_t i = 0; i < values; i++) {
		n->args[i] =
		    rules_node(r, m, t->entries[i].value, t->line, owner);
		if (n->args[i] == NULL)
			return NULL;
	}
	return add_literals(r, n, t, values) < 0 ? NULL : n;
}

const struct plan_node *
rules_node(struct rules *r, struct rules_map *m, const struct term *t, int line,
    const char *owner)
{
	struct load *l = &r->load;

	switch (t->kind) {
	case TERM_STRING:
		return path_node(r, m, t, line);
	case TERM_FUNCTION:
		return function_node(r, t, owner);
	case TERM_CALL:
		return call_node(r, m, t, owner);
	case TERM_TABLE:
		load_error(l, m->file, line,
		    "%s: a table is no value; use first(\"a\", \"b\") for the "
		    "first that is there, list(\"a\", \"b\") for all",
		    owner);
		return NULL;
	case TERM_NUMBER:
	case TERM_BOOL:
	case TERM_NULL:
		load_error(l, m->file, line,
		    "%s: a literal is written const(...)", owner);
		return NULL;
	case TERM_OTHER:
		break;
	}
	load_error(l, m->file, line,
	    "%s: %s is no value; a path, a combinator "
	    "or a function is",
	    owner, t->text);
	return NULL;
}

/* Can the name be a column and a JSON key, and is it not one of ours? */
static int
check_name(
    struct rules *r, const struct rules_map *m, const struct term_entry *e)
{
	static const char *const reserved[] = { "meshId", "meshState",
		"leaveAt" };
	struct load *l = &r->load;

	if (e->key == NULL) {
		load_error(l, m->file, e->line,
		    "map takes name = value; a value stands here without name");
		return -1;
	}
	if (e->key[0] == '\0' || strlen(e->key) > NAME_MAX_LEN) {
		load_error(l, m->file, e->line,
		    "an attribute's name has 1 to %d bytes", NAME_MAX_LEN);
		return -1;
	}
	for (const char *p = e->key; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f) {
			load_error(l, m->file, e->line,
			    "an attribute's name has no control characters");
			return -1;
		}
	}
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (strcasecmp(e->key, reserved[i]) == 0) {
			load_error(l, m->file, e->line,
			    "\"%s\" is idmesh's own column; choose another "
			    "name",
			    e->key);
			return -1;
		}
	}
	return 0;
}

static void
add_attr(struct rules *r, struct rules_map *m, const struct term_entry *e)
{
	struct rules_attr *a = &m->attrs[m->n];
	char *owner;

	if (check_name(r, m, e) < 0)
		return;
	owner = xasprintf("%s.%s", m->name, e->key);
	*a = (struct rules_attr){
		.name = e->key, .file = m->file, .line = e->line
	};
	a->node = rules_node(
	    r, m, e->value, e->line, load_copy(&r->load, owner, strlen(owner)));
	free(owner);
	if (a->node == NULL)
		return;
	a->is_id = strcmp(a->name, "ExternalId") == 0 &&
		   a->node->op == PLAN_PATH && strcmp(a->node->path, "id") == 0;
	m->n++;
}

/* "okta.User": a connector and a type. */
static int
check_map_name(struct rules *r, const struct statement *st)
{
	static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	const char *dot = strchr(st->name, '.');

	if (dot != NULL && dot > st->name &&
	    strspn(st->name, lower) == (size_t)(dot - st->name) &&
	    dot[1] >= 'A' && dot[1] <= 'Z' && strlen(st->name) <= 64 &&
	    strcspn(dot + 1, ". \"\\\n") == strlen(dot + 1))
		return 0;
	load_error(&r->load, st->file, st->line,
	    "%s \"%.64s\": a connector and a type are needed, such as "
	    "\"okta.User\"",
	    st->noun, st->name);
	return -1;
}

static void
compile_map(struct rules *r, struct statement *st)
{
	struct rules_map *m, *twin;
	size_t dot;

	if (check_map_name(r, st) < 0)
		return;
	rules_check_stream(r, st);
	dot = strcspn(st->name, ".");
	twin = rules_map_find(r, st->name);
	if (twin != NULL) {
		load_error(&r->load, st->file, st->line,
		    "map \"%s\" is given twice; the first one is at %s:%d",
		    st->name, twin->file, twin->line);
		return;
	}
	r->maps = xrealloc(r->maps, (r->n + 1) * sizeof(*r->maps));
	m = &r->maps[r->n++];
	*m = (struct rules_map){ .name = st->name,
		.type = st->name + dot + 1,
		.connector = load_copy(&r->load, st->name, dot),
		.file = st->file,
		.line = st->line };
	m->plan.paths = paths_new();
	m->plan.call = rules_call;
	m->plan.ctx = r;
	m->attrs =
	    arena_take(&r->load.arena, (st->body->n + 1) * sizeof(*m->attrs));
	for (size_t i = 0; i < st->body->n; i++)
		add_attr(r, m, &st->body->entries[i]);
	if (st->body->n == 0)
		load_error(&r->load, st->file, st->line,
		    "map \"%s\" maps nothing", st->name);
}

static struct rules_type *
type_of(struct rules *r, const char *name)
{
	for (size_t i = 0; i < r->ntypes; i++) {
		if (strcmp(r->types[i].name, name) == 0)
			return &r->types[i];
	}
	r->types = xrealloc(r->types, (r->ntypes + 1) * sizeof(*r->types));
	r->types[r->ntypes] = (struct rules_type){ .name = name };
	return &r->types[r->ntypes++];
}

/* Columns of a database do not tell "email" from "Email". */
static void
add_to_type(struct rules *r, struct rules_type *t, const struct rules_map *m,
    const struct rules_attr *a)
{
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->attrs[i], a->name) == 0)
			return;
		if (strcasecmp(t->attrs[i], a->name) == 0) {
			load_error(&r->load, m->file, a->line,
			    "\"%s\" and \"%s\" differ only by case: both are "
			    "attributes of %s",
			    a->name, t->attrs[i], t->name);
			return;
		}
	}
	t->attrs = xrealloc(t->attrs, (t->n + 1) * sizeof(*t->attrs));
	t->attrs[t->n++] = a->name;
}

static void
collect_types(struct rules *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct rules_type *t = type_of(r, r->maps[i].type);

		for (size_t j = 0; j < r->maps[i].n; j++)
			add_to_type(r, t, &r->maps[i], &r->maps[i].attrs[j]);
	}
}

/* quiet "User" { "lastLogin" } */
static void
compile_quiet(struct rules *r, const struct statement *st)
{
	size_t at = 0;

	while (at < r->ntypes && strcmp(r->types[at].name, st->name) != 0)
		at++;
	if (at == r->ntypes) {
		rules_unknown_type(r, st->file, st->line, st->name);
		return;
	}
	for (size_t i = 0; i < st->body->n; i++) {
		const struct term_entry *e = &st->body->entries[i];
		int found = 0;

		if (e->key != NULL || e->value->kind != TERM_STRING) {
			load_error(&r->load, st->file, e->line,
			    "quiet takes names: quiet \"%s\" { \"lastLogin\" }",
			    st->name);
			continue;
		}
		for (size_t j = 0; j < r->n; j++) {
			int a =
			    strcmp(r->maps[j].type, st->name) != 0
				? -1
				: rules_attr_find(&r->maps[j], e->value->text);

			if (a >= 0)
				found = r->maps[j].attrs[a].quiet = 1;
		}
		if (!found)
			rules_unknown(&r->load, st->file, e->line, "attribute",
			    e->value->text, r->types[at].attrs, r->types[at].n);
	}
}

/* The attributes as the inner loop wants them. */
static void
lay_out(struct rules *r, struct rules_map *m)
{
	struct arena *arena = &r->load.arena;
	struct buf key = { 0 };

	m->steps = arena_take(arena, (m->n + 1) * sizeof(*m->steps));
	m->states = arena_take(arena, m->n + 1);
	m->id_attr = -1;
	for (size_t i = 0; i < m->n; i++) {
		const struct rules_attr *a = &m->attrs[i];
		struct rules_step *step = &m->steps[i];
		int path = a->node->op == PLAN_PATH;

		buf_clear(&key);
		buf_char(&key, ',');
		buf_json(&key, a->name, strlen(a->name));
		buf_char(&key, ':');
		step->key_len = (unsigned)key.len;
		buf_add(&key, "                ", JSON_KEY_PAD);
		step->key = load_copy(&r->load, key.data, key.len);
		step->slot = path ? a->node->slot : -1;
		step->quiet = a->quiet;
		if (a->is_id)
			m->id_attr = (int)i;
	}
	buf_free(&key);
}

void
rules_compile(struct rules *r)
{
	r->nowners = lua_host_functions(r->host);
	r->owners = xcalloc((size_t)r->nowners + 1, sizeof(*r->owners));
	for (size_t i = 0; i < r->load.n; i++) {
		if (strcmp(r->load.statements[i].noun, "map") == 0)
			compile_map(r, &r->load.statements[i]);
	}
	collect_types(r);
	for (size_t i = 0; i < r->load.n; i++) {
		const struct statement *st = &r->load.statements[i];

		if (strcmp(st->noun, "test") == 0)
			load_error(&r->load, st->file, st->line,
			    "tests stand in files named *_test.lua");
		else if (strcmp(st->noun, "scope") == 0)
			rules_scope_compile(r, st);
		else if (strcmp(st->noun, "quiet") == 0)
			compile_quiet(r, st);
		else if (strcmp(st->noun, "map") != 0)
			rules_check(r, st);
	}
	if (r->load.faults == 0)
		policy_compile(r);
	for (size_t i = 0; i < r->n; i++) {
		rules_scope_default(r, &r->maps[i]);
		lay_out(r, &r->maps[i]);
	}
	if (r->n == 0 && r->load.faults == 0)
		load_error(&r->load, NULL, 0, "the rules hold no map");
}
