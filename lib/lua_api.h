#ifndef IDMESH_LUA_API_H
#define IDMESH_LUA_API_H

/*
 * lua_api.h - what the files of the Lua host share.
 *
 * layer 2.  Private to lua_host.c (state, limits, calls), lua_box.c (what a
 * rule may name), lua_string.c (bounded text functions), lua_freeze.c (no
 * state), lua_nouns.c (the statements), lua_json.c (values in) and lua_value.c
 * (values out); nobody else includes lua.h.
 *
 * Every function here runs inside of lua_host.c's protected calls and may
 * raise; none of them holds memory that a raise would lose.
 */

#include <signal.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "lua_host.h"

struct lua_file {
	char *name, *text; /* owned */
	size_t len;
};

struct lua_place {
	const char *file; /* borrowed from the files */
	int line;
	int off; /* stopped by the deadline on this page */
};

#define LUA_ASKED 64 /* a power of two */

/* Which slot a key had; only a hint, paths_is() knows. */
struct lua_asked {
	const char *key;
	int parent, slot;
};

struct lua_host {
	lua_State *L; /* owned */
	struct lua_limits limits;
	size_t used, live; /* bytes of the state; of its last collection */
	struct lua_file *files; /* owned */
	size_t nfiles;
	struct lua_place *places; /* owned, one a function */
	int functions;
	struct load *load; /* borrowed; NULL when sealed */

	yyjson_val *record; /* borrowed */
	struct paths *paths; /* borrowed: of the record's map */
	struct lua_asked asked[LUA_ASKED];
	uint64_t generation; /* counts records: older proxies are stale */
	int cells; /* locals of files that functions could change */
	int rooted; /* the root proxy of this record is there */
	char now[64];

	timer_t timer;
	int has_timer, timer_pid; /* timers do not survive a fork */
	volatile sig_atomic_t in_call, fired;
	timer_t beat;
	int beat_pid; /* whose it is, 0: there is none */
	void (*tick)(void *arg); /* or NULL */
	void *tick_arg;
	int strikes; /* functions stopped on this page */
	int logged; /* lines of log() on this page */

	/* The present call, for the protected function. */
	int function;
	struct arena *arena;
	struct value *out;
	enum json_fault fault;
	struct buf text; /* owned; JSON of a table */
};

static inline struct lua_host *
lua_api_host(lua_State *L)
{
	return *(struct lua_host **)lua_getextraspace(L);
}

/* lua_host.c: takes the function on top of the stack, answers its number. */
int lua_host_keep(lua_State *L);

/* lua_box.c: builds the world of a rule; leaves its _ENV on the stack. */
void lua_box_open(lua_State *L);
/* Sets the rules' global `now`. */
void lua_box_now(lua_State *L, const char *now);

/*
 * lua_freeze.c: the functions in the table at that index keep no state; the
 * answer is how many locals lua_freeze_restore() puts back.
 */
int lua_freeze(lua_State *L, int functions);
/* Locals of the files are again what they were; allocates nothing. */
void lua_freeze_restore(lua_State *L);
/* Pushes the table behind a read-only view (1), or the value itself (0). */
int lua_freeze_unwrap(lua_State *L, int at);

/* lua_string.c: replaces functions of the string and table libraries. */
extern const luaL_Reg lua_string_bounded[];
extern const luaL_Reg lua_table_bounded[];

/* lua_nouns.c */
extern const luaL_Reg lua_nouns[];
extern const luaL_Reg lua_combinators[];

/* lua_json.c */
extern const luaL_Reg lua_json_helpers[];
void lua_json_open(lua_State *L);
void lua_json_push_null(lua_State *L);
int lua_json_is_null(lua_State *L, int at);
/* Pushes the record itself. */
void lua_json_push_record(lua_State *L);
/* The record's value behind a proxy, the text of a long number; or NULL. */
yyjson_val *lua_json_node(lua_State *L, int at);
const char *lua_json_digits(lua_State *L, int at, size_t *len);

/* What array{} and object{} said about a table. */
enum lua_mark { LUA_MARK_NONE, LUA_MARK_ARRAY, LUA_MARK_OBJECT };
enum lua_mark lua_json_mark(lua_State *L, int at);

/* A key of a table, for sorting. */
struct lua_sorted {
	const char *text; /* NULL: a number */
	size_t len;
	lua_Number number;
	lua_Integer integer;
	int is_integer;
};
/* lua_pairs.c: pushes a userdata with the sorted keys of the table at `at`. */
struct lua_sorted *lua_json_sort(lua_State *L, int at, size_t *n);

/* lua_value.c: the value at a stack index, copied into the arena; raises when
 * it is none. */
void lua_json_value(
    lua_State *L, int at, struct arena *arena, struct value *out);
/* pairs(), in the order of the keys. */
int lua_json_pairs(lua_State *L);

#endif
