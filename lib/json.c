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
#include "mem.h"

#ifndef ROOM_LEAST
#define ROOM_LEAST ((size_t)64 << 10)
#endif
/*
 * Address space, of which a document touches about a tenth; one of a page
 * that is larger than any ordinary one is not kept.
 */
#ifndef ROOM_KEPT
#define ROOM_KEPT ((size_t)16 << 20)
#endif

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

void
json_room_free(struct json_room *room)
{
	free(room->bytes);
	*room = (struct json_room){ 0 };
}

/* At least as large as a document of so many bytes can become. */
static void
make_room(struct json_room *room, size_t need)
{
	size_t cap = ROOM_LEAST;

	if (need <= room->cap)
		return;
	while (cap < need)
		cap *= 2;
	json_room_free(room);
	room->bytes = xmalloc(cap);
	room->cap = cap;
}

yyjson_doc *
json_read(
    struct json_room *room, const char *text, size_t len, yyjson_read_err *err)
{
	/* Without INSITU yyjson only reads the bytes; its type is not const. */
	char *bytes = (char *)(uintptr_t)text;
	yyjson_read_flag raw = YYJSON_READ_NUMBER_AS_RAW;
	yyjson_alc alc;
	yyjson_doc *doc;

	if (room == NULL || room->taken)
		return yyjson_read_opts(bytes, len, raw, NULL, err);
	make_room(room, yyjson_read_max_memory_usage(len, raw));
	yyjson_alc_pool_init(&alc, room->bytes, room->cap);
	doc = yyjson_read_opts(bytes, len, raw, &alc, err);
	room->taken = doc != NULL;
	return doc;
}

static bool
lives_in(const struct json_room *room, const yyjson_doc *doc)
{
	uintptr_t at = (uintptr_t)doc, start = (uintptr_t)room->bytes;

	return room->taken && at >= start && at < start + room->cap;
}

void
json_done(struct json_room *room, yyjson_doc *doc)
{
	bool in = doc != NULL && room != NULL && lives_in(room, doc);

	yyjson_doc_free(doc);
	if (!in)
		return;
	room->taken = false;
	if (room->cap > ROOM_KEPT)
		json_room_free(room);
}
