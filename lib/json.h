#ifndef IDMESH_JSON_H
#define IDMESH_JSON_H

/*
 * json.h - small helpers over yyjson that every stage needs.
 *
 * layer 1.  Values are borrowed from their document.  Documents of messages
 * are read with numbers as raw text, so numbers are read through here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "buf.h"

/* Member of an object, or NULL (also when o is NULL or no object). */
yyjson_val *json_get(yyjson_val *o, const char *name);
/* Member that is a string, or NULL. */
const char *json_text(yyjson_val *o, const char *name);
/* An integer in raw or typed form; `fallback` when it is none. */
int64_t json_int(yyjson_val *v, int64_t fallback);
bool json_true(yyjson_val *o, const char *name);
/* "profile.login": walks objects by dots; NULL when something is missing. */
yyjson_val *json_path(yyjson_val *o, const char *path);
/* Appends the value as compact JSON text, raw numbers as they are. */
void json_write(struct buf *b, yyjson_val *v);

/*
 * The memory of a document, kept for the next one: a program that reads one
 * page after the other asks the kernel once.  All zero at the start.
 */
struct json_room {
	char *bytes; /* owned */
	size_t cap;
	bool taken; /* its document is alive: the next has its own memory */
};

/*
 * Reads a document into the room, which may be NULL; numbers stay raw text.
 * NULL with *err when it is no JSON.  Freed by json_done() in the same room.
 */
yyjson_doc *json_read(
    struct json_room *room, const char *text, size_t len, yyjson_read_err *err);
void json_done(struct json_room *room, yyjson_doc *doc);
void json_room_free(struct json_room *room);

#endif
