/*
 * lua_box.c - the world of a rule: what it may name, and nothing else.
 *
 * Called once for every new state.  The libraries are opened, the functions
 * on the lists below are copied out of them, and rules see those through
 * read-only tables; a name that is on no list is an error that says so.
 */

#include "lua_api.h"

#include <string.h>

static const char key_globals, key_names;

/* On no list: io os debug package coroutine, and what loads or raises code. */
static const char *const base_names[] = { "assert", "error", "ipairs", "select",
	"tonumber", "type", NULL };
static const char *const string_names[] = { "byte", "char", "len", "lower",
	"reverse", "sub", "upper", NULL };
static const char *const table_names[] = { "concat", "insert", "pack", "remove",
	"unpack", NULL };
static const char *const math_names[] = { "abs", "ceil", "exp", "floor", "fmod",
	"huge", "log", "max", "maxinteger", "min", "mininteger", "modf", "pi",
	"sqrt", "tointeger", "type", "ult", NULL };
static const char *const utf8_names[] = { "char", "charpattern", "codepoint",
	"codes", "len", "offset", NULL };

/* tostring() without addresses: they differ from run to run. */
static int
box_tostring(lua_State *L)
{
	luaL_checkany(L, 1);
	if (lua_type(L, 1) == LUA_TTABLE || lua_type(L, 1) == LUA_TFUNCTION)
		lua_pushstring(L, luaL_typename(L, 1));
	else
		luaL_tolstring(L, 1, NULL);
	return 1;
}

static const luaL_Reg own[] = {
	{ "tostring", box_tostring },
	{ "pairs", lua_json_pairs },
	{ NULL, NULL },
};

/* Names that Lua programmers expect and rules do not have. */
static const char *
why_missing(const char *name)
{
	static const char *const hints[][2] = {
		{ "pcall", "a rule that fails costs one attribute only" },
		{ "xpcall", "a rule that fails costs one attribute only" },
		{ "next", "use pairs, which goes in the order of the keys" },
		{ "print", "use log" },
		{ "require", "every file of the folder is loaded" },
		{ "os", "use now, the time of the page" },
	};
	static const char *const others[] = { "_G", "_VERSION",
		"collectgarbage", "coroutine", "debug", "dofile",
		"getmetatable", "io", "load", "loadfile", "package", "rawequal",
		"rawget", "rawlen", "rawset", "setmetatable" };

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		if (strcmp(name, hints[i][0]) == 0)
			return hints[i][1];
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(name, others[i]) == 0)
			return "rules(7) says what they have";
	}
	return NULL;
}

static const char *
nearest_global(lua_State *L, const char *name)
{
	const char *names[128];
	size_t n = 0;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &key_names);
	n = lua_rawlen(L, -1);
	if (n > sizeof(names) / sizeof(names[0]))
		n = sizeof(names) / sizeof(names[0]);
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (lua_Integer)i + 1);
		names[i] = lua_tostring(L, -1);
		lua_pop(L, 1); /* the list keeps it */
	}
	lua_pop(L, 1);
	return why_nearest(name, names, n);
}

static int
no_global(lua_State *L)
{
	const char *name = luaL_tolstring(L, 2, NULL), *hint, *near;

	hint = why_missing(name);
	if (hint != NULL)
		return luaL_error(L, "rules have no %s: %s", name, hint);
	near = nearest_global(L, name);
	if (near != NULL)
		return luaL_error(
		    L, "unknown name %s: did you mean %s?", name, near);
	return luaL_error(L, "unknown name %s", name);
}

static int
no_set_global(lua_State *L)
{
	return luaL_error(L,
	    "%s cannot be set: rules keep nothing between records; "
	    "write \"local\" before it",
	    luaL_tolstring(L, 2, NULL));
}

static int
no_set_field(lua_State *L)
{
	return luaL_error(L, "%s cannot be set: libraries are read-only",
	    luaL_tolstring(L, 2, NULL));
}

/* Replaces the table on the stack by a read-only view of it. */
static void
protect(lua_State *L, lua_CFunction no_set)
{
	lua_newtable(L);
	lua_createtable(L, 0, 3);
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, no_set);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_remove(L, -2);
}

/* Copies named fields of the table at -2 into the one at -1. */
static void
copy_names(lua_State *L, const char *const *names)
{
	for (; *names != NULL; names++) {
		lua_getfield(L, -2, *names);
		lua_setfield(L, -2, *names);
	}
}

/* A library as rules see it, into the globals at index `globals`. */
static void
add_library(lua_State *L, int globals, const char *name, lua_CFunction open,
    const char *const *names, const luaL_Reg *more)
{
	luaL_requiref(L, name, open, 0);
	lua_newtable(L);
	copy_names(L, names);
	for (; more != NULL && more->name != NULL; more++) {
		lua_getfield(L, -2, more->name);
		lua_pushcclosure(L, more->func, 1);
		lua_setfield(L, -2, more->name);
	}
	if (strcmp(name, LUA_STRLIBNAME) == 0) {
		/* s:upper() finds the same list. */
		lua_pushliteral(L, "");
		lua_getmetatable(L, -1);
		lua_pushvalue(L, -3);
		lua_setfield(L, -2, "__index");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
		lua_pop(L, 2);
	}
	protect(L, no_set_field);
	lua_setfield(L, globals, name);
	lua_pop(L, 1);
}

/* Remembers the names for "did you mean", always in the same order. */
static void
list_names(lua_State *L, int globals)
{
	struct lua_sorted *names;
	size_t n;

	names = lua_json_sort(L, globals, &n);
	lua_createtable(L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		lua_pushlstring(L, names[i].text, names[i].len);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_rawsetp(L, LUA_REGISTRYINDEX, &key_names);
	lua_pop(L, 1);
}

void
lua_box_open(lua_State *L)
{
	int globals;

	luaL_requiref(L, "_G", luaopen_base, 0);
	lua_newtable(L);
	globals = lua_gettop(L);
	copy_names(L, base_names);
	luaL_setfuncs(L, own, 0);
	luaL_setfuncs(L, lua_nouns, 0);
	luaL_setfuncs(L, lua_combinators, 0);
	luaL_setfuncs(L, lua_json_helpers, 0);
	lua_json_push_null(L);
	lua_setfield(L, globals, "null");
	lua_pushliteral(L, "");
	lua_setfield(L, globals, "now");
	add_library(L, globals, LUA_STRLIBNAME, luaopen_string, string_names,
	    lua_string_bounded);
	add_library(L, globals, LUA_TABLIBNAME, luaopen_table, table_names,
	    lua_table_bounded);
	add_library(
	    L, globals, LUA_MATHLIBNAME, luaopen_math, math_names, NULL);
	add_library(
	    L, globals, LUA_UTF8LIBNAME, luaopen_utf8, utf8_names, NULL);
	list_names(L, globals);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, no_global);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, globals);
	lua_pushvalue(L, globals);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &key_globals);
	protect(L, no_set_global);
	lua_remove(L, -2);
}

void
lua_box_now(lua_State *L, const char *now)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &key_globals);
	lua_pushstring(L, "now");
	lua_pushstring(L, now);
	lua_rawset(L, -3);
	lua_pop(L, 1);
}
