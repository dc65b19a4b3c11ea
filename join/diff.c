/*
 * diff.c - which attributes of an object differ from what is stored.
 *
 * apply.c asks when a record's hash is not the stored one.  The record's
 * attributes are written as JSON text; those that a rule failed on, or of
 * which the page said nothing, keep the value they had.  Pure but for its
 * buffers.
 */

#include "join.h"

#include <string.h>

#include "json.h"
#include "json_copy.h"

struct diff {
	struct rules *rules;
	const char *type;
	struct buf *changed; /* ["a","b" without its end */
	size_t loud; /* names in it that are not quiet */
};

static void
name_changed(struct diff *d, yyjson_val *key)
{
	const char *name = yyjson_get_str(key);

	buf_char(d->changed, d->changed->len == 0 ? '[' : ',');
	json_copy_string(d->changed, name, yyjson_get_len(key));
	if (d->rules == NULL || !rules_quiet(d->rules, d->type, name))
		d->loud++;
}

static void
compare(struct diff *d, yyjson_val *old, yyjson_val *new)
{
	yyjson_obj_iter there = yyjson_obj_iter_with(old);
	yyjson_val *key, *is;
	size_t i, n;

	yyjson_obj_foreach(new, i, n, key, is)
	{
		yyjson_val *was = yyjson_obj_iter_getn(
		    &there, yyjson_get_str(key), yyjson_get_len(key));

		if (was == NULL || !yyjson_equals(was, is))
			name_changed(d, key);
	}
}

/* Is it one that a failing rule leaves as is, or of which nothing was said? */
static bool
stays(yyjson_val *record, const char *name, size_t len)
{
	yyjson_val *kept;
	size_t i, n;

	if (yyjson_obj_getn(json_get(record, MSG_ERRORS), name, len) != NULL)
		return true;
	yyjson_arr_foreach(json_get(record, MSG_KEPT), i, n, kept)
	{
		if (yyjson_equals_strn(kept, name, len))
			return true;
	}
	return false;
}

static void
put_attr(struct buf *text, const char *name, size_t len, yyjson_val *value)
{
	if (text->len > 1)
		buf_char(text, ',');
	json_copy_string(text, name, len);
	buf_char(text, ':');
	json_copy(text, value);
}

/* Attributes of `from` that neither the rules nor `other` have. */
static void
put_rest(const struct diff *d, yyjson_val *from, yyjson_val *other,
    yyjson_val *record, struct buf *text)
{
	yyjson_val *key, *value;
	const char *known;
	size_t i, n;

	yyjson_obj_foreach(from, i, n, key, value)
	{
		const char *name = yyjson_get_str(key);
		size_t len = yyjson_get_len(key), at = 0;

		if (yyjson_obj_getn(other, name, len) != NULL ||
		    (other != NULL && !stays(record, name, len)))
			continue;
		do
			known = d->rules != NULL
				    ? rules_attribute(d->rules, d->type, at++)
				    : NULL;
		while (known != NULL && strcmp(known, name) != 0);
		if (known == NULL)
			put_attr(text, name, len, value);
	}
}

/* The attributes with those that stay, in the order that they always have. */
static void
put_all(
    const struct diff *d, yyjson_val *old, yyjson_val *record, struct buf *text)
{
	yyjson_val *new = json_get(record, MSG_ATTRS), *value;
	const char *name;

	buf_clear(text);
	buf_char(text, '{');
	for (size_t i = 0; d->rules != NULL; i++) {
		name = rules_attribute(d->rules, d->type, i);
		if (name == NULL)
			break;
		value = json_get(new, name);
		if (value == NULL && stays(record, name, strlen(name)))
			value = json_get(old, name);
		if (value != NULL)
			put_attr(text, name, strlen(name), value);
	}
	put_rest(d, new, NULL, record, text);
	put_rest(d, old, new, record, text);
	buf_char(text, '}');
}

/* Attributes that are gone, and those that stay as they were. */
static void
missing(struct diff *d, yyjson_val *old, yyjson_val *record, struct buf *text)
{
	yyjson_val *new = json_get(record, MSG_ATTRS), *key, *was;
	yyjson_obj_iter there = yyjson_obj_iter_with(new);
	bool some = false;
	size_t i, n;

	yyjson_obj_foreach(old, i, n, key, was)
	{
		const char *name = yyjson_get_str(key);
		size_t len = yyjson_get_len(key);

		if (yyjson_obj_iter_getn(&there, name, len) != NULL)
			continue;
		if (stays(record, name, len))
			some = true;
		else
			name_changed(d, key);
	}
	if (some)
		put_all(d, old, record, text);
}

size_t
diff_attrs(struct rules *r, const char *type, const char *old, size_t old_len,
    yyjson_val *record, struct buf *text, struct buf *changed)
{
	struct diff d = { .rules = r, .type = type, .changed = changed };
	yyjson_val *new = json_get(record, MSG_ATTRS), *was;
	yyjson_doc *doc;

	buf_clear(changed);
	doc = yyjson_read_opts((char *)(uintptr_t)old, old_len,
	    YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);
	was = yyjson_doc_get_root(doc);
	if (was != NULL) {
		compare(&d, was, new);
		missing(&d, was, record, text);
	}
	if (changed->len > 0)
		buf_char(changed, ']');
	yyjson_doc_free(doc);
	return was != NULL ? d.loud : 1;
}
