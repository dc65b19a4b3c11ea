/*
 * json.c - small helpers over yyjson that every stage needs.
 *
 * Messages, states and database columns are read and written with it.
 * Owns nothing.
 */

#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

yyjson_val *
json_get(yyjson_val *o, const char *name)
{
	return yyjson_obj_get(o, name);
}

const char *
json_text(yyjson_val *o, const char *name)
{
	return yyjson_get_str(yyjson_obj_get(o, name));
}

int64_t
json_int(yyjson_val *v, int64_t fallback)
{
	char *end;
	long long n;

	if (yyjson_is_int(v))
		return yyjson_get_sint(v);
	if (!yyjson_is_raw(v))
		return fallback;
	errno = 0;
	n = strtoll(yyjson_get_raw(v), &end, 10);
	if (errno != 0 || end != yyjson_get_raw(v) + yyjson_get_len(v))
		return fallback;
	return n;
}

bool
json_true(yyjson_val *o, const char *name)
{
	return yyjson_is_true(yyjson_obj_get(o, name));
}

yyjson_val *
json_path(yyjson_val *o, const char *path)
{
	while (o != NULL) {
		size_t len = strcspn(path, ".");

		o = yyjson_obj_getn(o, path, len);
		if (path[len] == '\0')
			return o;
		path += len + 1;
	}
	return NULL;
}

void
json_write(struct buf *b, yyjson_val *v)
{
	size_t len;
	char *text = yyjson_val_write(v, YYJSON_WRITE_NOFLAG, &len);

	if (text == NULL)
		die(EXIT_TEMPORARY, "out of memory");
	buf_add(b, text, len);
	free(text);
}
