/*
 * rules_describe.c - what the rules tell others about themselves.
 *
 * `transform describe` prints the scope for fetch, `transform check` the
 * counts and the Lua functions, join asks for types, attributes and the
 * guard.  scope.c reads what rules_describe() writes.
 */

#include <string.h>

#include "rules_impl.h"

#define READS_MAX 512 /* paths of one map; with more, all may be read */

const char *
rules_version(const struct rules *r)
{
	return r->version;
}

const char *
rules_type(const struct rules *r, size_t i)
{
	return i < r->ntypes ? r->types[i].name : NULL;
}

const char *
rules_attribute(const struct rules *r, const char *type, size_t i)
{
	for (size_t t = 0; t < r->ntypes; t++) {
		if (strcmp(r->types[t].name, type) == 0)
			return i < r->types[t].n ? r->types[t].attrs[i] : NULL;
	}
	return NULL;
}

int
rules_quiet(const struct rules *r, const char *type, const char *attribute)
{
	for (size_t i = 0; i < r->n; i++) {
		int attr = strcmp(r->maps[i].type, type) != 0
			       ? -1
			       : rules_attr_find(&r->maps[i], attribute);

		if (attr >= 0)
			return r->maps[i].attrs[attr].quiet;
	}
	return 0;
}

struct rules_guard
rules_guard_leave(const struct rules *r)
{
	return r->guard;
}

static int
has_lua(const struct plan_node *n)
{
	if (n->op == PLAN_LUA)
		return 1;
	for (size_t i = 0; i < n->n; i++) {
		if (has_lua(n->args[i]))
			return 1;
	}
	return 0;
}

static size_t
count_compiled(const struct rules_any *any)
{
	size_t n = 0;

	for (size_t i = 0; i < any->n; i++)
		n += any->of[i].function == NULL ? any->of[i].n : 0;
	return n;
}

void
rules_count(const struct rules *r, struct rules_count *count)
{
	*count = (struct rules_count){ .files = r->files };
	for (int i = 0; i < r->nowners; i++)
		count->lua += r->owners[i] != NULL;
	for (size_t i = 0; i < r->n; i++) {
		const struct rules_map *m = &r->maps[i];

		for (size_t j = 0; j < m->n; j++)
			count->compiled += !has_lua(m->attrs[j].node);
		count->compiled += count_compiled(&m->scope.keep) +
				   count_compiled(&m->scope.drop) +
				   count_compiled(&m->scope.deleted);
	}
}

void
rules_list_lua(const struct rules *r, struct buf *out)
{
	for (int i = 0; i < r->nowners; i++) {
		const char *file;
		int line;

		if (r->owners[i] == NULL)
			continue;
		lua_host_place(r->host, i, &file, &line);
		buf_fmt(out, "%s %s:%d\n", r->owners[i], file, line);
	}
}

/* -1 when there is no such map or attribute. */
int
rules_place(const struct rules *r, const char *map, const char *attribute,
    struct rules_place *place)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct rules_map *m = &r->maps[i];
		const struct rules_attr *a;
		int at = strcmp(m->name, map) == 0
			     ? rules_attr_find(m, attribute)
			     : -1;

		if (at < 0)
			continue;
		a = &m->attrs[at];
		*place = (struct rules_place){ .file = a->file,
			.line = a->line,
			.path = a->node->op == PLAN_PATH ? a->node->path : NULL,
			.lua = has_lua(a->node) };
		return 0;
	}
	return -1;
}

/* Can the raw record alone answer?  Paths that a page may change cannot. */
static int
is_raw_item(const struct rules_map *m, const struct rules_item *item)
{
	if (item->node->op != PLAN_PATH || item->node->path[0] == '$')
		return 0;
	return item->attr < 0 || !m->attrs[item->attr].is_id;
}

static int
is_raw(const struct rules_map *m, const struct rules_predicate *p)
{
	if (p->function != NULL)
		return 0;
	for (size_t i = 0; i < p->n; i++) {
		if (!is_raw_item(m, &p->items[i]))
			return 0;
	}
	return 1;
}

static int
all_raw(const struct rules_map *m, const struct rules_any *any)
{
	for (size_t i = 0; i < any->n; i++) {
		if (!is_raw(m, &any->of[i]))
			return 0;
	}
	return 1;
}

/* ["profile.name","prefix",["IM-"]] */
static void
describe_item(const struct rules_item *item, struct buf *out)
{
	buf_char(out, '[');
	buf_json_str(out, item->node->path);
	buf_char(out, ',');
	buf_json_str(out, test_name(item->test.op));
	buf_str(out, ",[");
	for (size_t i = 0; i < item->test.n; i++) {
		if (i > 0)
			buf_char(out, ',');
		value_write(out, &item->test.values[i]);
	}
	buf_str(out, "]]");
}

static void
describe_any(const struct rules_map *m, const struct rules_any *any,
    const char *key, struct buf *out)
{
	size_t written = 0;

	for (size_t i = 0; i < any->n; i++) {
		const struct rules_predicate *p = &any->of[i];

		if (!is_raw(m, p))
			continue;
		if (written++ == 0)
			buf_fmt(out, ",\"%s\":[[", key);
		else
			buf_str(out, ",[");
		for (size_t j = 0; j < p->n; j++) {
			if (j > 0)
				buf_char(out, ',');
			describe_item(&p->items[j], out);
		}
		buf_char(out, ']');
	}
	if (written > 0)
		buf_char(out, ']');
}

/* What a map's nodes read of the raw record. */
struct reads {
	const char *paths[READS_MAX]; /* borrowed */
	size_t n;
	int functions;
};

static void
add_reads(struct reads *r, const struct plan_node *n)
{
	if (n == NULL)
		return;
	r->functions |= n->op == PLAN_LUA;
	for (size_t i = 0; i < n->n; i++)
		add_reads(r, n->args[i]);
	if (n->op != PLAN_PATH || n->path[0] == '$')
		return;
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->paths[i], n->path) == 0)
			return;
	if (r->n < READS_MAX)
		r->paths[r->n++] = n->path;
}

static void
add_reads_of(struct reads *r, const struct rules_any *any)
{
	for (size_t i = 0; i < any->n; i++) {
		const struct rules_predicate *p = &any->of[i];

		add_reads(r, p->function);
		for (size_t j = 0; j < p->n; j++)
			add_reads(r, p->items[j].node);
	}
}

/* "okta.User":{"paths":["id","profile.login"],"functions":true} */
static void
describe_reads(const struct rules_map *m, struct buf *out)
{
	struct reads r = { .n = 0 };

	for (size_t i = 0; i < m->n; i++)
		add_reads(&r, m->attrs[i].node);
	add_reads_of(&r, &m->scope.keep);
	add_reads_of(&r, &m->scope.drop);
	add_reads_of(&r, &m->scope.deleted);
	buf_json_str(out, m->name);
	buf_str(out, ":{\"paths\":[");
	for (size_t i = 0; i < r.n; i++) {
		if (i > 0)
			buf_char(out, ',');
		buf_json_str(out, r.paths[i]);
	}
	buf_char(out, ']');
	if (r.functions || r.n == READS_MAX)
		buf_str(out, ",\"functions\":true");
	buf_char(out, '}');
}

/*
 * Of drop each alternative stands alone, so those that need more than the
 * record are left out; of keep one that is left out would lose records, so it
 * is all of them or none.
 */
static void
describe_map(const struct rules_map *m, struct buf *out)
{
	const struct rules_scope *s = &m->scope;
	size_t start;

	buf_json_str(out, m->name);
	buf_str(out, ":{");
	start = out->len;
	if (s->search != NULL) {
		buf_str(out, ",\"search\":");
		buf_json_str(out, filter_text(s->search));
	}
	if (s->keep.given && all_raw(m, &s->keep))
		describe_any(m, &s->keep, "keep", out);
	describe_any(m, &s->drop, "drop", out);
	if (out->len > start) {
		memmove(out->data + start, out->data + start + 1,
		    out->len - start - 1);
		out->len--;
	}
	buf_char(out, '}');
}

void
rules_describe(const struct rules *r, struct buf *out)
{
	buf_fmt(out, "{\"v\":1,\"rules\":\"%s\",\"reads\":{", r->version);
	for (size_t i = 0; i < r->n; i++) {
		if (i > 0)
			buf_char(out, ',');
		describe_reads(&r->maps[i], out);
	}
	buf_str(out, "},\"types\":{");
	for (size_t i = 0; i < r->n; i++) {
		if (i > 0)
			buf_char(out, ',');
		describe_map(&r->maps[i], out);
	}
	buf_str(out, "}}");
}
