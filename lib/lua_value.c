/*
 * lua_value.c - what a function of the rules returned, as a value.
 *
 * The way back of lua_json.c: scalars are copied into the record's arena,
 * tables become JSON text with sorted keys, and what has no exact JSON form
 * is an error that says so.
 */

#include "lua_api.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_TEXT_MAX (1 << 20) /* JSON that a function may return */

static struct value
copy_text(struct arena *arena, enum value_kind kind, const char *s, size_t len)
{
	struct value v = { .kind = kind, .len = len };
	char *copy = arena_take(arena, len + 1);

	if (len > 0)
		memcpy(copy, s, len);
	copy[len] = '\0';
	v.text = copy;
	return v;
}

/* The shortest of three precisions that reads back as the same number. */
static int
real_text(lua_State *L, double d, char *text, size_t cap)
{
	int len = 0;

	if (!isfinite(d))
		return luaL_error(L, "%s is no number that JSON has",
		    isnan(d) ? "nan" : "inf");
	for (int precision = 15; precision <= 17; precision++) {
		len = snprintf(text, cap, "%.*g", precision, d);
		if (strtod(text, NULL) == d)
			break;
	}
	if (strpbrk(text, ".e") == NULL)
		len += snprintf(text + len, cap - (size_t)len, ".0");
	return len;
}

static int
number_text(lua_State *L, int at, char *text, size_t cap)
{
	if (lua_isinteger(L, at))
		return snprintf(text, cap, LUA_INTEGER_FMT,
		    (LUAI_UACINT)lua_tointeger(L, at));
	return real_text(L, lua_tonumber(L, at), text, cap);
}

static void
check(lua_State *L, enum json_fault fault)
{
	if (fault == JSON_FINE)
		return;
	lua_api_host(L)->fault = fault;
	luaL_error(L, "%s", json_fault_text(fault));
}

static void write_any(lua_State *L, int at, int depth);

static void
write_array(lua_State *L, int at, lua_Integer n, int depth)
{
	struct buf *b = &lua_api_host(L)->text;

	buf_char(b, '[');
	for (lua_Integer i = 1; i <= n; i++) {
		if (i > 1)
			buf_char(b, ',');
		lua_rawgeti(L, at, i);
		write_any(L, lua_gettop(L), depth + 1);
		lua_pop(L, 1);
	}
	buf_char(b, ']');
}

static void
write_object(
    lua_State *L, int at, const struct lua_sorted *keys, size_t n, int depth)
{
	struct buf *b = &lua_api_host(L)->text;

	buf_char(b, '{');
	for (size_t i = 0; i < n; i++) {
		if (keys[i].text == NULL)
			luaL_error(L,
			    "a table with holes, or with numbers and names, is "
			    "neither array nor object");
		if (i > 0)
			buf_char(b, ',');
		check(L, json_copy_string(b, keys[i].text, keys[i].len));
		buf_char(b, ':');
		lua_pushlstring(L, keys[i].text, keys[i].len);
		lua_rawget(L, at);
		write_any(L, lua_gettop(L), depth + 1);
		lua_pop(L, 1);
	}
	buf_char(b, '}');
}

static void
write_table(lua_State *L, int at, int depth)
{
	struct lua_sorted *keys;
	enum lua_mark mark;
	size_t n;
	int sequence = 1;

	luaL_checkstack(L, 8, "a table nested too deep");
	lua_freeze_unwrap(L, at);
	at = lua_gettop(L);
	mark = lua_json_mark(L, at);
	keys = lua_json_sort(L, at, &n);
	for (size_t i = 0; i < n; i++)
		sequence &=
		    keys[i].is_integer && keys[i].integer == (lua_Integer)i + 1;
	if (mark == LUA_MARK_NONE && n == 0)
		luaL_error(L,
		    "an empty table is neither array nor object: write "
		    "array{} or object{}");
	if (mark == LUA_MARK_ARRAY && !sequence)
		luaL_error(L, "an array with a hole or a name in it");
	if (mark == LUA_MARK_ARRAY || (mark == LUA_MARK_NONE && sequence))
		write_array(L, at, (lua_Integer)n, depth);
	else
		write_object(L, at, keys, n, depth);
	lua_pop(L, 2);
}

static void
write_userdata(lua_State *L, int at)
{
	struct buf *b = &lua_api_host(L)->text;
	yyjson_val *node = lua_json_node(L, at);
	const char *digits;
	size_t len;

	digits = node == NULL ? lua_json_digits(L, at, &len) : NULL;
	if (node != NULL)
		check(L, json_copy(b, node));
	else if (digits != NULL)
		buf_add(b, digits, len);
	else if (lua_json_is_null(L, at))
		buf_str(b, "null");
	else
		luaL_error(L, "a combinator makes rules, not values");
}

static void
write_any(lua_State *L, int at, int depth)
{
	struct buf *b = &lua_api_host(L)->text;
	char text[64];
	const char *s;
	size_t len;

	if (depth > JSON_DEPTH_MAX || b->len > TABLE_TEXT_MAX)
		luaL_error(L, "a table too deep or too large to return");
	switch (lua_type(L, at)) {
	case LUA_TBOOLEAN:
		buf_str(b, lua_toboolean(L, at) ? "true" : "false");
		break;
	case LUA_TNUMBER:
		buf_add(
		    b, text, (size_t)number_text(L, at, text, sizeof(text)));
		break;
	case LUA_TSTRING:
		s = lua_tolstring(L, at, &len);
		check(L, json_copy_string(b, s, len));
		break;
	case LUA_TTABLE:
		write_table(L, at, depth);
		break;
	case LUA_TUSERDATA:
		write_userdata(L, at);
		break;
	default:
		luaL_error(L, "a %s is no value of JSON", luaL_typename(L, at));
	}
}

static void
userdata_value(lua_State *L, int at, struct arena *arena, struct value *out)
{
	size_t len;
	const char *digits = lua_json_digits(L, at, &len);
	yyjson_val *node = lua_json_node(L, at);

	if (lua_json_is_null(L, at))
		*out = (struct value){ .kind = VALUE_NULL };
	else if (digits != NULL)
		*out = copy_text(arena, VALUE_NUMBER, digits, len);
	else if (node != NULL)
		*out = (struct value){ .kind = VALUE_NODE, .node = node };
	else
		luaL_error(L, "a combinator makes rules, not values");
}

void
lua_json_value(lua_State *L, int at, struct arena *arena, struct value *out)
{
	struct buf *b = &lua_api_host(L)->text;
	char text[64];
	const char *s;
	size_t len;

	at = lua_absindex(L, at);
	*out = (struct value){ .kind = VALUE_ABSENT };
	switch (lua_type(L, at)) {
	case LUA_TNIL:
		return;
	case LUA_TBOOLEAN:
		out->kind = VALUE_BOOL;
		out->truth = lua_toboolean(L, at);
		return;
	case LUA_TSTRING:
		s = lua_tolstring(L, at, &len);
		*out = copy_text(arena, VALUE_STRING, s, len);
		return;
	case LUA_TNUMBER:
		len = (size_t)number_text(L, at, text, sizeof(text));
		*out = copy_text(arena, VALUE_NUMBER, text, len);
		return;
	case LUA_TUSERDATA:
		userdata_value(L, at, arena, out);
		return;
	default:
		buf_clear(b);
		write_any(L, at, 0);
		*out = copy_text(arena, VALUE_JSON, b->data, b->len);
	}
}
