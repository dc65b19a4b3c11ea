/*
 * rules_record.c - one record of a page, mapped.
 *
 * transform's inner loop: raw record in, one line of the answer out.  Most
 * attributes are plain paths and are copied from the record's text; what is
 * computed is asked once, by a predicate or by the answer.
 */

#include "rules_impl.h"

#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "json.h"
#include "msg.h"
#include "utf8.h"

#define HASH_DIGITS 32
#define KEYS_MAX 8

int
rules_call(void *ctx, int function, struct value *out, struct why *why)
{
	struct rules *r = ctx;
	enum lua_outcome outcome;

	outcome =
	    lua_host_call(r->host, function, &r->map->plan.arena, out, why);
	if (outcome == LUA_HOST_MEMORY)
		r->no_memory = 1;
	return outcome == LUA_HOST_OK ? 0 : -1;
}

/* Where a page's own path is; it stays known to the plan. */
static int
page_path(struct rules *r, const char *path, struct buf *errors)
{
	struct why why;
	int slot = paths_find(r->map->plan.paths, path);

	if (slot < 0)
		slot = paths_add(r->map->plan.paths, path, &why);
	if (slot < 0)
		buf_fmt(errors, "the page's key: %s\n", why.text);
	return slot;
}

static int
page_key(struct rules *r, struct buf *errors)
{
	yyjson_val *item;
	size_t i, n;

	r->nkeys = 0;
	if (r->page.key == NULL) {
		r->key_slots[r->nkeys++] = page_path(r, "id", errors);
		return 0;
	}
	n = yyjson_arr_size(r->page.key);
	if (n == 0 || n > KEYS_MAX) {
		buf_str(errors, "the page's key is no list of paths\n");
		return -1;
	}
	for (i = 0; i < n; i++) {
		int slot = -1;

		item = yyjson_arr_get(r->page.key, i);
		if (yyjson_is_str(item))
			slot = page_path(r, yyjson_get_str(item), errors);
		else
			buf_str(errors, "the page's key holds no path\n");
		if (slot < 0)
			return -1;
		r->key_slots[r->nkeys++] = slot;
	}
	return 0;
}

static int
page_keep(struct rules *r, struct buf *errors)
{
	yyjson_val *item;
	size_t i, n;

	r->nkeeps = 0;
	if (yyjson_arr_size(r->page.keep) > KEYS_MAX) {
		buf_str(errors, "the page keeps too many paths\n");
		return -1;
	}
	yyjson_arr_foreach(r->page.keep, i, n, item)
	{
		int slot = yyjson_is_str(item)
			       ? page_path(r, yyjson_get_str(item), errors)
			       : -1;

		if (slot < 0)
			return -1;
		r->keep_slots[r->nkeeps++] = slot;
	}
	return 0;
}

static int
no_map(struct rules *r, const struct rules_page *page, struct buf *errors)
{
	buf_fmt(errors, "the rules have no map \"%s.%s\"; they have",
	    page->connector, page->stream);
	for (size_t i = 0; i < r->n; i++)
		buf_fmt(errors, " %s", r->maps[i].name);
	buf_char(errors, '\n');
	return -1;
}

int
rules_page_begin(
    struct rules *r, const struct rules_page *page, struct buf *errors)
{
	char name[160];
	struct why why;

	snprintf(name, sizeof(name), "%s.%s", page->connector, page->stream);
	r->map = rules_map_find(r, name);
	if (r->map == NULL)
		return no_map(r, page, errors);
	r->page = *page;
	r->external_slot = r->removed_slot = -1;
	if (page_key(r, errors) < 0)
		return -1;
	if (page->removed != NULL) {
		r->removed_slot = page_path(r, page->removed, errors);
		if (r->removed_slot < 0)
			return -1;
	}
	if (page_keep(r, errors) < 0)
		return -1;
	if (page->external_id != NULL && strcmp(page->external_id, "id") != 0)
		r->external_slot = page_path(r, page->external_id, errors);
	if (page->external_id != NULL && strcmp(page->external_id, "id") != 0 &&
	    r->external_slot < 0)
		return -1;
	if (paths_context(r->map->plan.paths, page->context, &why) < 0) {
		buf_fmt(errors, "the page's context: %s\n", why.text);
		return -1;
	}
	lua_host_page_begin(r->host, page->at);
	lua_host_tick(r->host, page->tick, page->tick_arg);
	return 0;
}

void
rules_page_end(struct rules *r)
{
	lua_host_page_end(r->host);
	r->map = NULL;
}

/* The connector key: the values of the key's paths, joined by colons. */
static int
make_id(struct rules *r, struct why *why)
{
	yyjson_val *const *values = paths_values(r->map->plan.paths);

	buf_clear(&r->id);
	for (size_t i = 0; i < r->nkeys; i++) {
		yyjson_val *v = values[r->key_slots[i]];
		size_t len = v == NULL ? 0 : unsafe_yyjson_get_len(v);

		if (i > 0)
			buf_char(&r->id, ':');
		if (yyjson_is_int(v)) {
			buf_int(&r->id, yyjson_get_sint(v));
			continue;
		}
		if ((!yyjson_is_str(v) && !yyjson_is_raw(v)) || len == 0)
			return why_set(why, "E_ID", NULL,
			    "the record has no id: a string is needed at "
			    "every path of the key");
		if (memchr(v->uni.str, 0, len) != NULL)
			return why_set(why, "E_UTF8", NULL, "the id: %s",
			    json_fault_text(JSON_NUL));
		buf_add(&r->id, v->uni.str, len);
	}
	return 0;
}

static void
keep_failure(struct rules *r, size_t i, struct why *why)
{
	struct rules_attr *a = &r->map->attrs[i];
	struct arena *arena = &r->map->plan.arena;
	size_t at = strlen(why->at) + 1, text = strlen(why->text) + 1;
	char *copy = arena_take(arena, at + text);

	utf8_clean(why->text);

	memcpy(copy, why->at, at);
	memcpy(copy + at, why->text, text);
	a->at = copy;
	a->message = copy + at;
	r->map->states[i] = -1;
}

/* Where a path's value is; ExternalIdAttribute may have moved it. */
static int
slot_of(const struct rules *r, size_t i)
{
	if ((int)i == r->map->id_attr && r->external_slot >= 0)
		return r->external_slot;
	return r->map->steps[i].slot;
}

int
rules_attr_value(struct rules *r, size_t i, struct why *why)
{
	struct rules_attr *a = &r->map->attrs[i];
	struct plan *plan = &r->map->plan;
	int slot = slot_of(r, i);

	if (r->map->states[i] > 0)
		return 0;
	if (r->map->states[i] < 0)
		return why_set(why, "E_RULE", a->at, "%s", a->message);
	if (slot >= 0) {
		a->value =
		    value_of(paths_values(plan->paths)[slot], &plan->arena);
	} else if (plan_eval(plan, a->node, &a->value, why) < 0) {
		keep_failure(r, i, why);
		return -1;
	}
	r->map->states[i] = 1;
	return 0;
}

static int
fault_why(const struct rules_attr *a, enum json_fault fault, struct why *why)
{
	char at[sizeof(why->at)];

	snprintf(at, sizeof(at), "%s:%d", a->file, a->line);
	return why_set(why, fault == JSON_DEPTH ? "E_DEPTH" : "E_UTF8", at,
	    "%s: %s", a->name, json_fault_text(fault));
}

/* The attribute stays out; its name with a mark goes into the hash. */
static void
add_failure(struct rules *r, size_t i)
{
	const struct rules_attr *a = &r->map->attrs[i];
	const struct rules_step *step = &r->map->steps[i];

	if (!a->quiet) {
		buf_add(&r->hashed, step->key, step->key_len);
		buf_char(&r->hashed, '!');
	}
	buf_str(&r->errors, r->errors.len == 0 ? ",\"" MSG_ERRORS "\":{" : ",");
	buf_json_str(&r->errors, a->name);
	buf_str(&r->errors, ":{\"" MSG_AT "\":");
	buf_json_str(&r->errors, a->at);
	msg_str(&r->errors, MSG_MESSAGE, a->message);
	buf_char(&r->errors, '}');
}

/* Copies what came since *done into the hashed text. */
static void
hash_until(struct rules *r, const struct buf *out, size_t *done)
{
	buf_add(&r->hashed, out->data + *done, out->len - *done);
	*done = out->len;
}

/* Appends ,"name":value of a computed attribute; absent ones are left out. */
static enum json_fault
add_computed(
    struct rules *r, size_t i, struct buf *out, size_t *done, struct why *why)
{
	struct rules_attr *a = &r->map->attrs[i];

	if (rules_attr_value(r, i, why) < 0) {
		if (strcmp(why->code, "E_UTF8") == 0)
			return JSON_UTF8;
		hash_until(r, out, done);
		add_failure(r, i);
		return JSON_FINE;
	}
	if (a->value.kind == VALUE_ABSENT)
		return JSON_FINE;
	buf_add(out, r->map->steps[i].key, r->map->steps[i].key_len);
	return value_write(out, &a->value);
}

/* Is the path, or something below it, part of the value? */
static int
uses(const struct plan_node *n, const char *path, size_t len)
{
	if (n->op == PLAN_PATH)
		return strncmp(n->path, path, len) == 0 &&
		       (n->path[len] == '.' || n->path[len] == '\0');
	for (size_t i = 0; i < n->n; i++)
		if (uses(n->args[i], path, len))
			return 1;
	return 0;
}

/* Does the attribute hang on what the record does not say? */
static int
is_kept(struct rules *r, size_t i)
{
	yyjson_val *const *values = paths_values(r->map->plan.paths);

	for (size_t k = 0; k < r->nkeeps; k++) {
		yyjson_val *path = yyjson_arr_get(r->page.keep, k);

		if (values[r->keep_slots[k]] != NULL ||
		    !uses(r->map->attrs[i].node, yyjson_get_str(path),
			yyjson_get_len(path)))
			continue;
		return 1;
	}
	return 0;
}

/* It stays out as well; not the same as one that the record has not. */
static void
add_kept(struct rules *r, size_t i)
{
	const struct rules_attr *a = &r->map->attrs[i];
	const struct rules_step *step = &r->map->steps[i];

	if (!a->quiet) {
		buf_add(&r->hashed, step->key, step->key_len);
		buf_char(&r->hashed, '?');
	}
	buf_str(&r->kept, r->kept.len == 0 ? ",\"" MSG_KEPT "\":[" : ",");
	buf_json_str(&r->kept, a->name);
}

/* What is quiet is written, but cut out of the hashed text. */
static int
add_attrs(struct rules *r, struct buf *out, struct why *why)
{
	struct rules_map *m = r->map;
	yyjson_val *const *values = paths_values(m->plan.paths), *v;
	enum json_fault fault = JSON_FINE;
	size_t done = out->len;

	for (size_t i = 0; i < m->n; i++) {
		const struct rules_step *step = &m->steps[i];
		int slot = slot_of(r, i);

		if (r->nkeeps > 0 && is_kept(r, i)) {
			hash_until(r, out, &done);
			add_kept(r, i);
			continue;
		}
		if (step->quiet)
			hash_until(r, out, &done);
		if (slot < 0)
			fault = add_computed(r, i, out, &done, why);
		v = slot < 0 ? NULL : values[slot];
		if (v != NULL)
			fault =
			    json_copy_member(out, step->key, step->key_len, v);
		if (step->quiet)
			done = out->len;
		if (r->no_memory)
			return -1;
		if (fault != JSON_FINE)
			return fault_why(&m->attrs[i], fault, why);
	}
	hash_until(r, out, &done);
	return 0;
}

/* XXH3-128 as 32 hex digits, most significant first. */
static void
put_hash(char *to, const struct buf *text)
{
	static const char hex[] = "0123456789abcdef";
	XXH128_hash_t hash =
	    XXH3_128bits(text->len > 0 ? text->data : "", text->len);
	uint64_t half = hash.low64;

	for (int i = HASH_DIGITS - 1; i >= 0; i--) {
		if (i == HASH_DIGITS / 2 - 1)
			half = hash.high64;
		to[i] = hex[half & 15];
		half >>= 4;
	}
}

/* Makes room at `at` for a member that stands before the attributes. */
static void
insert(struct buf *out, size_t at, struct buf *member, const char *end)
{
	size_t len;

	if (member->len == 0)
		return;
	buf_str(member, end);
	len = member->len;
	buf_reserve(out, len);
	memmove(out->data + at + len, out->data + at, out->len - at);
	memcpy(out->data + at, member->data, len);
	out->len += len;
	out->data[out->len] = '\0';
}

static int
put(struct rules *r, struct buf *out, struct why *why)
{
	static const char head[] =
	    ",\"" MSG_OP "\":\"" MSG_PUT "\",\"" MSG_HASH
	    "\":\"00000000000000000000000000000000\",\"" MSG_ATTRS "\":";
	const size_t open = strlen(",\"" MSG_ATTRS "\":");
	size_t first;

	r->hashed.len = r->errors.len = r->kept.len = 0;
	buf_reserve(out, sizeof(head));
	memcpy(out->data + out->len, head, sizeof(head));
	out->len += sizeof(head) - 1;
	first = out->len;
	if (add_attrs(r, out, why) < 0)
		return -1;
	put_hash(out->data + first - open - 1 - HASH_DIGITS, &r->hashed);
	if (out->len == first)
		buf_char(out, '{');
	else
		out->data[first] = '{';
	buf_add(out, "}}", 2);
	insert(out, first - open, &r->kept, "]");
	insert(out, first - open, &r->errors, "}");
	return 0;
}

static void
leave(struct buf *out, const char *op, const char *reason)
{
	msg_str(out, MSG_OP, op);
	msg_str(out, MSG_REASON, reason);
	msg_close(out);
}

/*
 * The server says that it is gone.  Entra's "changed" is a soft delete, which
 * may be taken back; "deleted" is for good.
 */
static int
removed(struct rules *r, struct buf *out)
{
	yyjson_val *why;

	if (r->removed_slot < 0)
		return 0;
	why = paths_values(r->map->plan.paths)[r->removed_slot];
	if (why == NULL || yyjson_is_null(why))
		return 0;
	if (yyjson_is_obj(why))
		why = json_get(why, "reason");
	leave(out, MSG_DELETE,
	    yyjson_equals_str(why, "changed") ? "restorable" : "removed");
	return 1;
}

/* Deleted first, then scope: someone who is gone is no leaver of the scope. */
static enum rules_result
judge(struct rules *r, yyjson_val *record, struct buf *out, struct why *why)
{
	int deleted, in_scope;

	if (removed(r, out))
		return RULES_DELETE;
	deleted = rules_any_match(r, &r->map->scope.deleted, why);
	if (deleted < 0)
		return RULES_BAD;
	if (deleted) {
		leave(out, MSG_DELETE, "deprovisioned");
		return RULES_DELETE;
	}
	in_scope = rules_scope_match(r, record, why);
	if (in_scope < 0)
		return RULES_BAD;
	if (!in_scope) {
		leave(out, MSG_OUT_OF_SCOPE, "scope");
		return RULES_OUT_OF_SCOPE;
	}
	return put(r, out, why) < 0 ? RULES_BAD : RULES_PUT;
}

/* One path that is a string needs no second look. */
static enum json_fault
write_id(struct rules *r, struct buf *out)
{
	static const char open[] = "{\"" MSG_ID "\":\0                ";
	yyjson_val *v = paths_values(r->map->plan.paths)[r->key_slots[0]];

	if (r->nkeys == 1 && yyjson_is_str(v))
		return json_copy_member(out, open, strlen(open), v);
	buf_str(out, open);
	return json_copy_string(out, r->id.data, r->id.len);
}

static enum rules_result
map_record(
    struct rules *r, yyjson_val *record, struct buf *out, struct why *why)
{
	struct rules_map *m = r->map;

	arena_reset(&m->plan.arena);
	memset(m->states, 0, m->n);
	r->no_memory = 0;
	if (r->nowners > 0)
		lua_host_record(r->host, record, m->plan.paths);
	if (write_id(r, out) != JSON_FINE) {
		why_set(why, "E_UTF8", NULL, "the id is not UTF-8");
		return RULES_BAD;
	}
	return judge(r, record, out, why);
}

/* Maps; once more in a fresh state when the functions' memory was used up. */
static enum rules_result
map_twice(struct rules *r, yyjson_val *record, struct buf *out, struct why *why)
{
	size_t start = out->len;
	enum rules_result result = map_record(r, record, out, why);

	if (r->no_memory) {
		out->len = start;
		if (lua_host_restart(r->host) == 0)
			result = map_record(r, record, out, why);
	}
	if (!r->no_memory)
		return result;
	why_set(why, "E_MEMORY", why->at,
	    "its rules take more memory than they may");
	return RULES_BAD;
}

enum rules_result
rules_record(struct rules *r, yyjson_val *record, struct buf *out,
    struct why *why, const char **id)
{
	size_t start = out->len;
	enum rules_result result = RULES_BAD;
	struct why no_id;
	int resolved;

	if (id != NULL)
		*id = NULL;
	if (!yyjson_is_obj(record)) {
		why_set(why, "E_TYPE", NULL, "the record is no JSON object");
		return RULES_BAD;
	}
	resolved = paths_resolve(r->map->plan.paths, record, why);
	/* A rejected record is named too, if it can be. */
	if (make_id(r, resolved == 0 ? why : &no_id) < 0)
		return RULES_BAD;
	if (id != NULL)
		*id = r->id.data;
	if (resolved == 0)
		result = map_twice(r, record, out, why);
	if (result == RULES_BAD) {
		utf8_clean(why->text);
		out->len = start;
		if (out->data != NULL)
			out->data[start] = '\0';
	}
	return result;
}
