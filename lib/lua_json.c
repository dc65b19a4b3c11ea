/*
 * lua_json.c - JSON values as Lua sees them, and back, without loss.
 *
 * A record enters Lua as one userdata; what a function does not touch is
 * never converted.  null is a value of its own, integers of 64 bits are Lua
 * integers, longer numbers are kept as their digits, arrays and objects stay
 * what they are.  The table of conversions is in rules(7).
 */

#include "lua_api.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define EXACT_DIGITS 17 /* of a real: more would be lost */
#define LOG_LINES 20 /* of log(), a page */

static const char key_proxy, key_number, key_null, key_null_value, key_array,
    key_object;

/* An array or object of the record; stale when another record is present. */
struct proxy {
	yyjson_val *v; /* borrowed */
	uint64_t generation;
	int slot; /* in the plan's paths, PATHS_RECORD or NO_SLOT */
};

#define NO_SLOT -3 /* in an array, or deeper than the plan looks */

/* A number that Lua cannot hold. */
struct digits {
	size_t len;
	char text[];
};

static void
set_metatable(lua_State *L, const char *key)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, key);
	lua_setmetatable(L, -2);
}

static int
has_metatable(lua_State *L, int at, const char *key)
{
	int same;

	if (!lua_getmetatable(L, at))
		return 0;
	lua_rawgetp(L, LUA_REGISTRYINDEX, key);
	same = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return same;
}

void
lua_json_push_null(lua_State *L)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &key_null_value);
}

int
lua_json_is_null(lua_State *L, int at)
{
	return lua_type(L, at) == LUA_TUSERDATA &&
	       has_metatable(L, at, &key_null);
}

static void
push_digits(lua_State *L, const char *text, size_t len)
{
	struct digits *d = lua_newuserdatauv(L, sizeof(*d) + len + 1, 0);

	d->len = len;
	memcpy(d->text, text, len);
	d->text[len] = '\0';
	set_metatable(L, &key_number);
}

/* The text is a JSON number, followed by something that is no digit. */
static void
push_number(lua_State *L, const char *text, size_t len)
{
	char copy[32], *end;
	size_t digits = 0;
	int real = memchr(text, '.', len) != NULL ||
		   memchr(text, 'e', len) != NULL ||
		   memchr(text, 'E', len) != NULL;
	long long n;

	for (size_t i = 0; i < len && text[i] != 'e' && text[i] != 'E'; i++)
		digits += text[i] >= '0' && text[i] <= '9';
	if (len >= sizeof(copy) || (real && digits > EXACT_DIGITS)) {
		push_digits(L, text, len);
		return;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	errno = 0;
	n = real ? 0 : strtoll(copy, &end, 10);
	if (real || strcmp(copy, "-0") == 0)
		lua_pushnumber(L, strtod(copy, NULL));
	else if (errno != 0)
		push_digits(L, text, len);
	else
		lua_pushinteger(L, n);
}

static void
push_parsed(lua_State *L, yyjson_val *v)
{
	if (yyjson_is_sint(v) ||
	    (yyjson_is_uint(v) && yyjson_get_uint(v) <= INT64_MAX)) {
		lua_pushinteger(L, yyjson_get_sint(v));
	} else if (yyjson_is_uint(v)) {
		char text[24];
		int len = snprintf(text, sizeof(text), "%llu",
		    (unsigned long long)yyjson_get_uint(v));

		push_digits(L, text, (size_t)len);
	} else {
		lua_pushnumber(L, yyjson_get_real(v));
	}
}

static void
push_proxy(lua_State *L, yyjson_val *v, int slot)
{
	struct proxy *p = lua_newuserdatauv(L, sizeof(*p), 0);

	p->v = v;
	p->generation = lua_api_host(L)->generation;
	p->slot = slot;
	set_metatable(L, &key_proxy);
}

void
lua_json_push_record(lua_State *L)
{
	push_proxy(L, lua_api_host(L)->record, PATHS_RECORD);
}

/* Pushes a value of the record: scalars as such, the rest as a proxy. */
static void
push_value(lua_State *L, yyjson_val *v, int slot)
{
	switch (v == NULL ? YYJSON_TYPE_NONE : unsafe_yyjson_get_type(v)) {
	case YYJSON_TYPE_STR:
		lua_pushlstring(L, v->uni.str, unsafe_yyjson_get_len(v));
		break;
	case YYJSON_TYPE_NULL:
		lua_json_push_null(L);
		break;
	case YYJSON_TYPE_BOOL:
		lua_pushboolean(L, yyjson_get_bool(v));
		break;
	case YYJSON_TYPE_RAW:
		push_number(L, v->uni.str, unsafe_yyjson_get_len(v));
		break;
	case YYJSON_TYPE_NUM:
		push_parsed(L, v);
		break;
	case YYJSON_TYPE_NONE:
		lua_pushnil(L);
		break;
	default:
		push_proxy(L, v, slot);
	}
}

/* The value behind a proxy of the present record. */
static yyjson_val *
proxied(lua_State *L, int at)
{
	struct proxy *p = lua_touserdata(L, at);

	if (p->generation != lua_api_host(L)->generation)
		luaL_error(L,
		    "a part of an earlier record: rules keep nothing between "
		    "records");
	return p->v;
}

static int
is_proxy(lua_State *L, int at)
{
	return lua_type(L, at) == LUA_TUSERDATA &&
	       has_metatable(L, at, &key_proxy);
}

/* The slot of a key: Lua keeps equal short strings at one address. */
static int
slot_of(struct lua_host *h, int parent, const char *key, size_t len)
{
	size_t at = ((uintptr_t)key >> 4) + (size_t)(parent + 1) * 7;
	struct lua_asked *a = &h->asked[at & (LUA_ASKED - 1)];

	if (a->key == key && a->parent == parent && a->slot >= 0 &&
	    paths_is(h->paths, a->slot, parent, key, len))
		return a->slot;
	*a = (struct lua_asked){ key, parent, -1 };
	a->slot = paths_soft(h->paths, parent, key, len);
	return a->slot;
}

/* An object of a slot is one proxy a record; the table of them is upvalue 1. */
static void
push_child(lua_State *L, yyjson_val *v, int slot)
{
	struct proxy *p;

	lua_rawgeti(L, lua_upvalueindex(1), slot + 1);
	p = lua_touserdata(L, -1);
	if (p != NULL && p->generation == lua_api_host(L)->generation)
		return;
	push_proxy(L, v, slot);
	lua_pushvalue(L, -1);
	lua_rawseti(L, lua_upvalueindex(1), slot + 1);
}

static int
proxy_index(lua_State *L)
{
	struct proxy *p = lua_touserdata(L, 1);
	struct lua_host *h = lua_api_host(L);
	yyjson_val *v = proxied(L, 1), *found = NULL;
	int slot = NO_SLOT;
	const char *key;
	lua_Integer i;
	size_t len;

	if (yyjson_is_obj(v) && lua_type(L, 2) == LUA_TSTRING) {
		key = lua_tolstring(L, 2, &len);
		if (p->slot != NO_SLOT)
			slot = slot_of(h, p->slot, key, len);
		found = slot >= 0 ? paths_values(h->paths)[slot]
				  : yyjson_obj_getn(v, key, len);
	} else if (yyjson_is_arr(v) && lua_isinteger(L, 2)) {
		i = lua_tointeger(L, 2);
		if (i >= 1 && (uint64_t)i <= yyjson_arr_size(v))
			found = yyjson_arr_get(v, (size_t)i - 1);
	}
	if (slot >= 0 && yyjson_is_ctn(found))
		push_child(L, found, slot);
	else
		push_value(L, found, NO_SLOT);
	return 1;
}

static int
proxy_newindex(lua_State *L)
{
	return luaL_error(L,
	    "the record is read-only: a function gives its value with return");
}

static int
proxy_len(lua_State *L)
{
	yyjson_val *v = proxied(L, 1);

	lua_pushinteger(L, (lua_Integer)unsafe_yyjson_get_len(v));
	return 1;
}

static int
proxy_eq(lua_State *L)
{
	lua_pushboolean(L,
	    is_proxy(L, 1) && is_proxy(L, 2) && proxied(L, 1) == proxied(L, 2));
	return 1;
}

static int
proxy_tostring(lua_State *L)
{
	lua_pushstring(L, yyjson_is_arr(proxied(L, 1)) ? "array" : "object");
	return 1;
}

static int
number_tostring(lua_State *L)
{
	const struct digits *d = lua_touserdata(L, 1);

	lua_pushlstring(L, d->text, d->len);
	return 1;
}

static int
number_eq(lua_State *L)
{
	const struct digits *a = lua_touserdata(L, 1), *b;

	b = lua_touserdata(L, 2);
	lua_pushboolean(L, has_metatable(L, 1, &key_number) &&
			       has_metatable(L, 2, &key_number) &&
			       a->len == b->len &&
			       memcmp(a->text, b->text, a->len) == 0);
	return 1;
}

static int
null_tostring(lua_State *L)
{
	lua_pushliteral(L, "null");
	return 1;
}

static const luaL_Reg proxy_methods[] = {
	{ "__index", proxy_index },
	{ "__newindex", proxy_newindex },
	{ "__len", proxy_len },
	{ "__eq", proxy_eq },
	{ "__tostring", proxy_tostring },
	{ NULL, NULL },
};

static const luaL_Reg number_methods[] = {
	{ "__tostring", number_tostring },
	{ "__eq", number_eq },
	{ NULL, NULL },
};

static const luaL_Reg null_methods[] = {
	{ "__tostring", null_tostring },
	{ NULL, NULL },
};

static const luaL_Reg no_methods[] = { { NULL, NULL } };

static void
new_metatable(
    lua_State *L, const char *key, const char *name, const luaL_Reg *methods)
{
	lua_newtable(L);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 1);
	lua_pushstring(L, name);
	lua_setfield(L, -2, "__name");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void
lua_json_open(lua_State *L)
{
	new_metatable(L, &key_proxy, "record", proxy_methods);
	new_metatable(L, &key_number, "long number", number_methods);
	new_metatable(L, &key_null, "null", null_methods);
	new_metatable(L, &key_array, "array", no_methods);
	new_metatable(L, &key_object, "object", no_methods);
	lua_newuserdatauv(L, 0, 0);
	set_metatable(L, &key_null);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &key_null_value);
}

yyjson_val *
lua_json_node(lua_State *L, int at)
{
	return is_proxy(L, at) ? proxied(L, at) : NULL;
}

const char *
lua_json_digits(lua_State *L, int at, size_t *len)
{
	const struct digits *d;

	if (lua_type(L, at) != LUA_TUSERDATA ||
	    !has_metatable(L, at, &key_number))
		return NULL;
	d = lua_touserdata(L, at);
	*len = d->len;
	return d->text;
}

enum lua_mark
lua_json_mark(lua_State *L, int at)
{
	if (has_metatable(L, at, &key_array))
		return LUA_MARK_ARRAY;
	return has_metatable(L, at, &key_object) ? LUA_MARK_OBJECT
						 : LUA_MARK_NONE;
}

static int
helper_isnull(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_pushboolean(L, lua_json_is_null(L, 1));
	return 1;
}

static int
mark(lua_State *L, const char *key)
{
	if (lua_isnoneornil(L, 1))
		lua_newtable(L);
	else
		luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	set_metatable(L, key);
	return 1;
}

static int
helper_array(lua_State *L)
{
	return mark(L, &key_array);
}

static int
helper_object(lua_State *L)
{
	return mark(L, &key_object);
}

/* log(...): to stderr with its place, a few lines a page. */
static int
helper_log(lua_State *L)
{
	struct lua_host *h = lua_api_host(L);
	char line[512];
	luaL_Buffer b;
	int n = lua_gettop(L);

	if (h->logged++ >= LOG_LINES)
		return 0;
	luaL_buffinit(L, &b);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&b, ' ');
		if (lua_type(L, i) == LUA_TTABLE ||
		    lua_type(L, i) == LUA_TFUNCTION)
			lua_pushstring(L, luaL_typename(L, i));
		else
			luaL_tolstring(L, i, NULL);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	snprintf(line, sizeof(line), "%s", lua_tostring(L, -1));
	for (char *p = line; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ')
			*p = ' ';
	}
	luaL_where(L, 1);
	log_info("%s%s", lua_tostring(L, -1), line);
	return 0;
}

const luaL_Reg lua_json_helpers[] = {
	{ "isnull", helper_isnull },
	{ "array", helper_array },
	{ "object", helper_object },
	{ "log", helper_log },
	{ NULL, NULL },
};
