/*
 * page.c - the records of one answer: without credentials, in parts.
 *
 * stream.c asks before a page leaves.  An ordinary page is spliced into its
 * message byte by byte; only one with credentials in it, or one that is too
 * large for a message, is written anew.  Pure.
 */

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "stream.h"

#define CREDENTIALS "credentials"
#define EMBEDDED "_embedded"

/* Anywhere below _embedded, or in the record itself. */
static bool
carries(yyjson_val *v, bool deep)
{
	yyjson_val *key, *child;
	size_t i, n;

	if (yyjson_is_arr(v) && deep) {
		yyjson_arr_foreach(v, i, n, child)
		{
			if (carries(child, true))
				return true;
		}
	}
	if (!yyjson_is_obj(v))
		return false;
	yyjson_obj_foreach(v, i, n, key, child)
	{
		if (yyjson_equals_str(key, CREDENTIALS))
			return true;
		if ((deep || yyjson_equals_str(key, EMBEDDED)) &&
		    carries(child, true))
			return true;
	}
	return false;
}

/* A name may be spelled with escapes: then there is a \u0. */
static bool
has_escapes(const char *text, size_t len)
{
	const char *end = text + len, *at = text;

	/* Backslashes are rare, and memchr() is much faster than memmem(). */
	for (;;) {
		at = memchr(at, '\\', (size_t)(end - at));
		if (at == NULL)
			return false;
		if (end - at >= 4 && memcmp(at, "\\u00", 4) == 0)
			return true;
		at++;
	}
}

bool
page_has_credentials(yyjson_val *records, const char *text, size_t len)
{
	yyjson_val *record;
	size_t i, n;

	if (memmem(text, len, CREDENTIALS, strlen(CREDENTIALS)) == NULL &&
	    !has_escapes(text, len))
		return false;
	yyjson_arr_foreach(records, i, n, record)
	{
		if (carries(record, false))
			return true;
	}
	return false;
}

static void
strip(yyjson_mut_val *v, bool deep)
{
	yyjson_mut_val *key, *child;
	size_t i, n;

	if (yyjson_mut_is_arr(v) && deep) {
		yyjson_mut_arr_foreach(v, i, n, child)
		{
			strip(child, true);
		}
	}
	if (!yyjson_mut_is_obj(v))
		return;
	yyjson_mut_obj_remove_key(v, CREDENTIALS);
	yyjson_mut_obj_foreach(v, i, n, key, child)
	{
		if (deep || yyjson_mut_equals_str(key, EMBEDDED))
			strip(child, true);
	}
}

yyjson_mut_doc *
page_without_credentials(yyjson_val *records)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root, *record;
	size_t i, n;

	if (doc == NULL)
		die(EXIT_TEMPORARY, "out of memory");
	root = yyjson_val_mut_copy(doc, records);
	yyjson_mut_arr_foreach(root, i, n, record)
	{
		strip(record, false);
	}
	yyjson_mut_doc_set_root(doc, root);
	return doc;
}

int
page_split(yyjson_val *records, size_t max, page_part *put, void *arg)
{
	struct buf part = { 0 }, one = { 0 };
	yyjson_val *record;
	size_t i, n, in_part = 0;
	int result = 0;

	yyjson_arr_foreach(records, i, n, record)
	{
		buf_clear(&one);
		json_write(&one, record);
		if (one.len + 2 > max) {
			result = -1;
			break;
		}
		if (in_part > 0 && part.len + one.len + 2 > max) {
			buf_char(&part, ']');
			put(arg, part.data, part.len, in_part, false);
			buf_clear(&part);
			in_part = 0;
		}
		buf_char(&part, in_part++ == 0 ? '[' : ',');
		buf_add(&part, one.data, one.len);
	}
	if (result == 0) {
		buf_str(&part, in_part == 0 ? "[]" : "]");
		put(arg, part.data, part.len, in_part, true);
	}
	buf_free(&part);
	buf_free(&one);
	return result;
}
