/*
 * lua_pairs.c - pairs(), in the order of the keys.
 *
 * The order of Lua's own pairs() depends on a seed that differs from process
 * to process, and with it what a rule makes of a table.  Also called by
 * lua_value.c, which writes objects in the same order.
 */

#include "lua_api.h"

#include <stdlib.h>
#include <string.h>

static int
by_key(const void *one, const void *two)
{
	const struct lua_sorted *a = one, *b = two;
	size_t len = a->len < b->len ? a->len : b->len;
	int order;

	if (a->text == NULL || b->text == NULL) {
		if (a->text == NULL && b->text == NULL)
			return (a->number > b->number) -
			       (a->number < b->number);
		return a->text == NULL ? -1 : 1;
	}
	order = len > 0 ? memcmp(a->text, b->text, len) : 0;
	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

struct lua_sorted *
lua_json_sort(lua_State *L, int at, size_t *n)
{
	struct lua_sorted *keys;
	size_t count = 0;

	for (lua_pushnil(L); lua_next(L, at) != 0; lua_pop(L, 1))
		count++;
	keys = lua_newuserdatauv(L, (count + 1) * sizeof(*keys), 0);
	*n = 0;
	for (lua_pushnil(L); lua_next(L, at) != 0; lua_pop(L, 1)) {
		struct lua_sorted *k = &keys[(*n)++];

		*k = (struct lua_sorted){ 0 };
		if (lua_type(L, -2) == LUA_TSTRING) {
			k->text = lua_tolstring(L, -2, &k->len);
		} else if (lua_type(L, -2) == LUA_TNUMBER) {
			k->number = lua_tonumber(L, -2);
			k->is_integer = lua_isinteger(L, -2);
			k->integer = lua_tointeger(L, -2);
		} else {
			luaL_error(L, "a key that is a %s has no order",
			    luaL_typename(L, -2));
		}
	}
	qsort(keys, *n, sizeof(*keys), by_key);
	return keys;
}

static struct lua_sorted *
sort_object(lua_State *L, yyjson_val *v, size_t *n)
{
	yyjson_val *key, *item;
	struct lua_sorted *keys;
	size_t i, max;

	keys =
	    lua_newuserdatauv(L, (yyjson_obj_size(v) + 1) * sizeof(*keys), 0);
	*n = 0;
	yyjson_obj_foreach(v, i, max, key, item)
	{
		keys[*n] = (struct lua_sorted){ .text = yyjson_get_str(key),
			.len = yyjson_get_len(key) };
		(*n)++;
	}
	(void)item;
	qsort(keys, *n, sizeof(*keys), by_key);
	return keys;
}

/* Pushes a table of the n sorted keys. */
static void
push_keys(lua_State *L, const struct lua_sorted *keys, size_t n)
{
	lua_createtable(L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		if (keys[i].text != NULL)
			lua_pushlstring(L, keys[i].text, keys[i].len);
		else if (keys[i].is_integer)
			lua_pushinteger(L, keys[i].integer);
		else
			lua_pushnumber(L, keys[i].number);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

/* Upvalues: the keys, and how many were given out. */
static int
next_pair(lua_State *L)
{
	lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));

	for (;;) {
		lua_pushinteger(L, ++i);
		lua_replace(L, lua_upvalueindex(2));
		if (lua_rawgeti(L, lua_upvalueindex(1), i) == LUA_TNIL)
			return 1;
		lua_pushvalue(L, -1);
		lua_gettable(L, 1);
		if (!lua_isnil(L, -1))
			return 2;
		lua_pop(L, 2);
	}
}

static int
array_next(lua_State *L)
{
	lua_Integer i = lua_tointeger(L, 2) + 1;

	lua_pushinteger(L, i);
	return lua_geti(L, 1, i) == LUA_TNIL ? 1 : 2;
}

int
lua_json_pairs(lua_State *L)
{
	yyjson_val *v = lua_json_node(L, 1);
	struct lua_sorted *keys;
	size_t n;

	lua_settop(L, 1);
	if (yyjson_is_arr(v)) {
		lua_pushcfunction(L, array_next);
		lua_pushvalue(L, 1);
		lua_pushinteger(L, 0);
		return 3;
	}
	if (v != NULL) {
		keys = sort_object(L, v, &n);
	} else {
		luaL_checktype(L, 1, LUA_TTABLE);
		lua_freeze_unwrap(L, 1);
		keys = lua_json_sort(L, 2, &n);
	}
	push_keys(L, keys, n);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_pair, 2);
	lua_pushvalue(L, 1);
	return 2;
}
