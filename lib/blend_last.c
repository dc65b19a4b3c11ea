/*
 * blend_last.c - where no source has a value: templates and functions.
 *
 * A function gets the values by the sources' names and runs in the sandbox of
 * the rules.  One that fails costs its attribute: the mesh keeps what it had.
 */

#include "blend_private.h"

#include <string.h>

#include "json.h"
#include "rules_impl.h"
#include "utf8.h"

/* Appends the text of an attribute, nothing for one that has none. */
static void
add_word(struct buf *b, yyjson_val *v)
{
	if (yyjson_is_str(v))
		buf_add(b, yyjson_get_str(v), yyjson_get_len(v));
	else if (yyjson_is_raw(v))
		buf_add(b, yyjson_get_raw(v), yyjson_get_len(v));
}

bool
blend_template(struct blend_work *w, const struct policy_flow *f,
    yyjson_val *object, struct blend_choice *c)
{
	const char *p = f->text, *text;
	size_t words = 0, len;

	buf_clear(&w->words);
	while (*p != '\0') {
		const char *end = *p == '{' ? strchr(p, '}') : NULL;
		size_t before = w->words.len;

		if (end == NULL) {
			buf_char(&w->words, *p++);
			continue;
		}
		add_word(&w->words,
		    yyjson_obj_getn(object, p + 1, (size_t)(end - p) - 1));
		words += w->words.len > before;
		p = end + 1;
	}
	text = w->words.len > 0 ? w->words.data : "";
	len = w->words.len;
	utf8_trim(&text, &len);
	if (len == 0 || (words == 0 && strchr(f->text, '{') != NULL))
		return false;
	buf_clear(&w->text);
	buf_json(&w->text, text, len);
	c->text = w->text.data;
	c->len = w->text.len;
	c->winner = BLEND_DEFAULT;
	return true;
}

/* {"okta:contoso": value, ...}; the first of a connector by its name too. */
static void
write_values(struct blend_work *w, struct buf *b)
{
	buf_char(b, '{');
	for (size_t i = 0; i < w->n; i++) {
		const char *source = w->in->parts[i].source;
		size_t connector = strcspn(source, ":");
		bool first = true;

		if (w->values[i] == NULL)
			continue;
		for (size_t j = 0; j < i; j++)
			first &= w->values[j] == NULL ||
				 strncmp(w->in->parts[j].source, source,
				     connector + 1) != 0;
		if (b->len > 1)
			buf_char(b, ',');
		buf_json(b, source, strlen(source));
		buf_char(b, ':');
		json_write(b, w->values[i]);
		if (!first || source[connector] == '\0')
			continue;
		buf_char(b, ',');
		buf_json(b, source, connector);
		buf_char(b, ':');
		json_write(b, w->values[i]);
	}
	buf_char(b, '}');
}

static enum lua_outcome
call(struct blend_work *w, const struct policy_flow *f, yyjson_val *values,
    struct arena *arena, struct value *v)
{
	struct rules *r = w->in->rules;

	if (r->values == NULL)
		r->values = paths_new();
	if (paths_resolve(r->values, values, w->why) != 0)
		return LUA_HOST_FAILED;
	lua_host_record(r->host, values, r->values);
	return lua_host_call(r->host, f->function, arena, v, w->why);
}

static enum lua_outcome
call_twice(struct blend_work *w, const struct policy_flow *f,
    yyjson_val *values, struct arena *arena, struct value *v)
{
	enum lua_outcome is = call(w, f, values, arena, v);

	if (is == LUA_HOST_MEMORY && lua_host_restart(w->in->rules->host) == 0)
		is = call(w, f, values, arena, v);
	return is;
}

static void
keep_old(
    struct blend_work *w, const struct policy_flow *f, struct blend_choice *c)
{
	w->failed++;
	c->value = json_get(w->in->old, f->attr);
	c->winner = BLEND_KEPT;
	if (c->value == NULL)
		return;
	/* As the mesh has it: a reference in it is a mesh id already. */
	buf_clear(&w->text);
	json_write(&w->text, c->value);
	c->text = w->text.data;
	c->len = w->text.len;
}

void
blend_function(
    struct blend_work *w, const struct policy_flow *f, struct blend_choice *c)
{
	struct buf text = { 0 };
	struct arena arena = { 0 };
	struct value v = { 0 };
	yyjson_doc *doc;

	write_values(w, &text);
	doc = yyjson_read_opts(
	    text.data, text.len, YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);
	buf_clear(&w->text);
	if (call_twice(w, f, yyjson_doc_get_root(doc), &arena, &v) !=
		LUA_HOST_OK ||
	    (v.kind != VALUE_ABSENT &&
		value_write(&w->text, &v) != JSON_FINE)) {
		keep_old(w, f, c);
	} else if (v.kind != VALUE_ABSENT) {
		c->text = w->text.data;
		c->len = w->text.len;
		c->winner = BLEND_LUA;
	}
	yyjson_doc_free(doc);
	arena_free(&arena);
	buf_free(&text);
}

void
blend_begin(struct rules *r, const char *now)
{
	if (r != NULL)
		lua_host_page_begin(r->host, now);
}

void
blend_end(struct rules *r)
{
	if (r != NULL)
		lua_host_page_end(r->host);
}
