#ifndef IDMESH_LUA_HOST_H
#define IDMESH_LUA_HOST_H

/*
 * lua_host.h - the sandbox in which the rules of an operator run.
 *
 * layer 2.  Loads the files of a rules folder into statements, and calls
 * their functions on records.  What a rule may do is an allow list (rules(7));
 * memory, time and pattern matching are bounded, nothing in it can be changed
 * by a rule, and nothing in it depends on anything but the record.
 *
 * One state a process, one record at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "plan_path.h"
#include "rules_term.h"
#include "value.h"
#include "why.h"

struct lua_host;

struct lua_limits {
	size_t memory; /* bytes of the whole state, 64 MiB */
	int64_t page_ms; /* processor time of a page or a file, 2000 */
};

struct lua_host *lua_host_new(const struct lua_limits *limits);
void lua_host_free(struct lua_host *h);

/*
 * Runs a file: its statements go to l, its mistakes to l's errors (-1 then).
 * The text is kept for lua_host_restart().
 */
int lua_host_load(struct lua_host *h, struct load *l, const char *file,
    const char *text, size_t len);
/*
 * No statements after this; functions of the rules may be called, and what
 * they can reach does not change any more.  -1 with an error in the load.
 */
int lua_host_seal(struct lua_host *h);

/* Functions that the statements refer to, and where each begins. */
int lua_host_functions(const struct lua_host *h);
void lua_host_place(
    const struct lua_host *h, int function, const char **file, int *line);

/* `now` is the page's time; the deadline runs until lua_host_page_end(). */
void lua_host_page_begin(struct lua_host *h, const char *now);
void lua_host_page_end(struct lua_host *h);
/*
 * Until the page's end: called about twice a second while a function runs,
 * though not out of one of Lua's own in C; NULL for nobody.
 */
void lua_host_tick(struct lua_host *h, void (*tick)(void *arg), void *arg);
/*
 * The record that functions see from now on; those of others go stale.
 * paths has been resolved for it and learns what functions ask for.
 */
void lua_host_record(
    struct lua_host *h, yyjson_val *record, struct paths *paths);

enum lua_outcome {
	LUA_HOST_OK,
	LUA_HOST_FAILED, /* why says where and what */
	LUA_HOST_MEMORY, /* the cap is reached: restart, then once more */
};

/* Calls a function on the record; *out lives in the arena. */
enum lua_outcome lua_host_call(struct lua_host *h, int function,
    struct arena *arena, struct value *out, struct why *why);

/* A new state with the same files, after LUA_HOST_MEMORY; -1: impossible. */
int lua_host_restart(struct lua_host *h);

#endif
