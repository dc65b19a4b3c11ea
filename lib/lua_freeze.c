/*
 * lua_freeze.c - what the functions of the rules can reach stays as it was.
 *
 * A file may have locals, and functions may read them; were they able to
 * write them, a record would depend on the ones before it.  Called when all
 * files have run: tables that functions reach are replaced by read-only views
 * of themselves, and the other locals are noted.  lua_freeze_restore() puts
 * those back before each call.
 */

#include "lua_api.h"

#include <string.h>

#define DEPTH_MAX 16 /* tables and functions in each other */

/* Registry: view -> table, table -> view, seen cells, noted cells. */
static const char key_views, key_tables, key_seen, key_cells, key_meta;

static int
no_set(lua_State *L)
{
	return luaL_error(L,
	    "%s cannot be set: rules keep nothing between records",
	    luaL_tolstring(L, 2, NULL));
}

static int
view_len(lua_State *L)
{
	lua_freeze_unwrap(L, 1);
	lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
	return 1;
}

static int
view_index(lua_State *L)
{
	lua_freeze_unwrap(L, 1);
	lua_pushvalue(L, 2);
	lua_rawget(L, -2);
	return 1;
}

int
lua_freeze_unwrap(lua_State *L, int at)
{
	at = lua_absindex(L, at);
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key_tables) == LUA_TTABLE) {
		lua_pushvalue(L, at);
		lua_rawget(L, -2);
		lua_remove(L, -2);
	}
	if (!lua_isnil(L, -1))
		return 1;
	lua_pop(L, 1);
	lua_pushvalue(L, at);
	return 0;
}

static void
push_meta(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "__index", view_index },
		{ "__newindex", no_set },
		{ "__len", view_len },
		{ NULL, NULL },
	};

	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key_meta) != LUA_TNIL)
		return;
	lua_pop(L, 1);
	luaL_newlib(L, methods);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &key_meta);
}

static void freeze(lua_State *L, int depth);

/* Pushes the registry's table of that key. */
static void
push_registry(lua_State *L, const char *key)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, key);
}

/* Replaces each value of the table at `at` by what freeze() makes of it. */
static void
freeze_fields(lua_State *L, int at, int depth)
{
	lua_pushnil(L);
	while (lua_next(L, at) != 0) {
		freeze(L, depth + 1);
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		/* Setting a field that is there does not disturb lua_next. */
		lua_rawset(L, at);
	}
}

static void
freeze_table(lua_State *L, int depth)
{
	int at = lua_gettop(L);

	push_registry(L, &key_tables);
	lua_pushvalue(L, at);
	if (lua_rawget(L, -2) != LUA_TNIL) { /* a view already */
		lua_settop(L, at);
		return;
	}
	lua_settop(L, at);
	push_registry(L, &key_views);
	lua_pushvalue(L, at);
	if (lua_rawget(L, -2) != LUA_TNIL) {
		lua_replace(L, at);
		lua_settop(L, at);
		return;
	}
	lua_settop(L, at);
	if (lua_getmetatable(L, at) && lua_json_mark(L, at) == LUA_MARK_NONE) {
		lua_settop(L, at); /* a library: it is read-only */
		return;
	}
	lua_settop(L, at);
	lua_newtable(L);
	push_meta(L);
	lua_setmetatable(L, -2);
	push_registry(L, &key_views);
	lua_pushvalue(L, at);
	lua_pushvalue(L, at + 1);
	lua_rawset(L, -3);
	push_registry(L, &key_tables);
	lua_pushvalue(L, at + 1);
	lua_pushvalue(L, at);
	lua_rawset(L, -3);
	lua_settop(L, at + 1);
	freeze_fields(L, at, depth);
	lua_settop(L, at + 1);
	lua_replace(L, at);
}

/* Notes cell number i of the function at `f`: its value is on the stack. */
static void
note_cell(lua_State *L, int f, int i)
{
	lua_Integer n;

	push_registry(L, &key_cells);
	n = (lua_Integer)lua_rawlen(L, -1);
	lua_pushvalue(L, f);
	lua_rawseti(L, -2, n + 1);
	lua_pushinteger(L, i);
	lua_rawseti(L, -2, n + 2);
	lua_pushvalue(L, -2);
	lua_rawseti(L, -2, n + 3);
	lua_pop(L, 1);
}

static void
freeze_function(lua_State *L, int depth)
{
	int f = lua_gettop(L);

	for (int i = 1;; i++) {
		const char *name = lua_getupvalue(L, f, i);
		void *cell;

		if (name == NULL)
			return;
		cell = lua_upvalueid(L, f, i);

		/* Read-only by itself, and no file may name it. */
		if (strcmp(name, "_ENV") == 0) {
			lua_settop(L, f);
			continue;
		}
		push_registry(L, &key_seen);
		if (lua_rawgetp(L, -1, cell) != LUA_TNIL) {
			lua_settop(L, f);
			continue;
		}
		lua_pop(L, 1);
		lua_pushboolean(L, 1);
		lua_rawsetp(L, -2, cell);
		lua_settop(L, f + 1);
		freeze(L, depth + 1);
		note_cell(L, f, i);
		lua_setupvalue(L, f, i);
		lua_settop(L, f);
	}
}

/* Replaces the value on top of the stack by one that cannot be changed. */
static void
freeze(lua_State *L, int depth)
{
	luaL_checkstack(L, 12, "too deep");
	if (depth > DEPTH_MAX)
		luaL_error(L,
		    "locals of the rules are nested more than %d deep",
		    DEPTH_MAX);
	if (lua_type(L, -1) == LUA_TTABLE)
		freeze_table(L, depth);
	else if (lua_type(L, -1) == LUA_TFUNCTION && !lua_iscfunction(L, -1))
		freeze_function(L, depth);
}

int
lua_freeze(lua_State *L, int functions)
{
	static const char *const keys[] = { &key_views, &key_tables, &key_seen,
		&key_cells };

	functions = lua_absindex(L, functions);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		lua_newtable(L);
		lua_rawsetp(L, LUA_REGISTRYINDEX, keys[i]);
	}
	for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, functions);
	     i++) {
		lua_rawgeti(L, functions, i);
		freeze(L, 0);
		lua_pop(L, 1);
	}
	push_registry(L, &key_cells);
	functions = (int)lua_rawlen(L, -1);
	lua_pop(L, 1);
	return functions / 3;
}

void
lua_freeze_restore(lua_State *L)
{
	int cells = lua_gettop(L) + 1;
	lua_Integer n;

	push_registry(L, &key_cells);
	n = (lua_Integer)lua_rawlen(L, cells);
	for (lua_Integer i = 1; i < n; i += 3) {
		int upvalue;

		lua_rawgeti(L, cells, i);
		lua_rawgeti(L, cells, i + 1);
		upvalue = (int)lua_tointeger(L, -1);
		lua_pop(L, 1);
		lua_rawgeti(L, cells, i + 2);
		lua_setupvalue(L, cells + 1, upvalue);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}
