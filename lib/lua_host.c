/*
 * lua_host.c - the sandbox in which the rules of an operator run.
 *
 * Between the compiled plan and Lua: rules_load.c loads files through it, the
 * plan calls functions through it.  Owns the state, its memory account and
 * the timer; no Lua error leaves this file.
 */

#include "lua_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

#define STRIKES_MAX 3 /* functions stopped on one page; then all rest */
#define GARBAGE (512 << 10) /* bytes that may wait for a collection */
#define GRACE_S 1 /* processor seconds a C function may go on for */
#define DEADLINE_SIGNAL (SIGRTMIN + 6)
#define BEAT_SIGNAL (SIGRTMIN + 7)
#define BEAT_NS 500000000

/* Keys of the registry: any address will do. */
static const char key_functions, key_env;

/* The host whose page runs; for the signal handler. */
static struct lua_host *volatile armed;

/* lua_Alloc: osize is a type tag when ptr is NULL. */
static void *
counted(void *ud, void *ptr, size_t osize, size_t nsize)
{
	struct lua_host *h = ud;
	size_t old = ptr == NULL ? 0 : osize;
	void *p;

	if (nsize == 0) {
		h->used -= old;
		free(ptr);
		return NULL;
	}
	if (nsize > old && h->used - old + nsize > h->limits.memory)
		return NULL;
	p = realloc(ptr, nsize);
	if (p != NULL)
		h->used = h->used - old + nsize;
	return p;
}

static void
stop(lua_State *L, lua_Debug *ar)
{
	const int ms = (int)lua_api_host(L)->limits.page_ms;

	if (lua_getinfo(L, "Sl", ar) != 0 && ar->currentline > 0)
		lua_pushfstring(L, "%s:%d: ", ar->short_src, ar->currentline);
	else
		lua_pushliteral(L, "");
	luaL_error(L, "%sstopped: rules had more than %d ms of processor time",
	    lua_tostring(L, -1), ms);
}

static void
on_deadline(int sig)
{
	static const char text[] =
	    "idmesh: error: rules are stuck in a library function; "
	    "the process ends, the page is handed out again\n";
	struct lua_host *h = armed;

	(void)sig;
	if (h == NULL)
		return;
	if (h->fired && h->in_call) {
		if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
			_exit(EXIT_TEMPORARY);
		_exit(EXIT_TEMPORARY);
	}
	h->fired = 1;
	if (h->in_call)
		lua_sethook(h->L, stop,
		    LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT,
		    1);
}

/* Processor time of this thread: a loaded machine stops no rule. */
static void
make_timer(struct lua_host *h)
{
	struct sigaction sa = { .sa_handler = on_deadline,
		.sa_flags = SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = DEADLINE_SIGNAL };

	if (h->has_timer && h->timer_pid == getpid())
		return;
	sigemptyset(&sa.sa_mask);
	sigaction(DEADLINE_SIGNAL, &sa, NULL);
	h->has_timer =
	    timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &h->timer) == 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &h->timer) == 0;
	h->timer_pid = getpid();
}

static void
set_timer(struct lua_host *h, int64_t ms)
{
	struct itimerspec spec = { .it_value = { .tv_sec = ms / 1000,
				       .tv_nsec = ms % 1000 * 1000000 } };

	if (ms > 0)
		spec.it_interval.tv_sec = GRACE_S;
	if (h->has_timer)
		timer_settime(h->timer, 0, &spec, NULL);
}

static void
arm(struct lua_host *h)
{
	make_timer(h);
	h->fired = 0;
	armed = h;
	set_timer(h, h->limits.page_ms);
}

static void
disarm(struct lua_host *h)
{
	set_timer(h, 0);
	armed = NULL;
	h->fired = 0;
	lua_sethook(h->L, NULL, 0, 0);
}

/* The hook goes at once: with one in force Lua is several times slower. */
static void
breathe(lua_State *L, lua_Debug *ar)
{
	struct lua_host *h = lua_api_host(L);

	(void)ar;
	lua_sethook(L, NULL, 0, 0);
	/* The deadline may have come just before. */
	if (h->fired)
		lua_sethook(L, stop, LUA_MASKCALL | LUA_MASKCOUNT, 1);
	if (h->tick != NULL)
		h->tick(h->tick_arg);
}

static void
on_beat(int sig)
{
	struct lua_host *h = armed;

	(void)sig;
	if (h != NULL && h->in_call && !h->fired)
		lua_sethook(h->L, breathe, LUA_MASKCALL | LUA_MASKCOUNT, 1);
}

/* Time that passes for others: they wait for a word of us. */
static void
make_beat(struct lua_host *h)
{
	struct sigaction sa = { .sa_handler = on_beat, .sa_flags = SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = BEAT_SIGNAL };

	sigemptyset(&sa.sa_mask);
	sigaction(BEAT_SIGNAL, &sa, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &h->beat) == 0)
		h->beat_pid = getpid();
}

void
lua_host_tick(struct lua_host *h, void (*tick)(void *arg), void *arg)
{
	struct timespec pause = { .tv_nsec = tick != NULL ? BEAT_NS : 0 };
	struct itimerspec spec = { .it_value = pause, .it_interval = pause };

	if (h->functions == 0 || (tick == NULL && h->tick == NULL))
		return;
	h->tick = tick;
	h->tick_arg = arg;
	if (h->beat_pid != getpid())
		make_beat(h);
	if (h->beat_pid == getpid())
		timer_settime(h->beat, 0, &spec, NULL);
}

/* Calls what lies on the stack, with the deadline's hook in force. */
static int
guarded(struct lua_host *h, int nargs, int nresults)
{
	int status;

	h->in_call = 1;
	if (h->fired)
		lua_sethook(h->L, stop, LUA_MASKCALL | LUA_MASKCOUNT, 1);
	status = lua_pcall(h->L, nargs, nresults, 0);
	h->in_call = 0;
	return status;
}

/* The same for a C function, below its arguments. */
static int protected(
    struct lua_host *h, lua_CFunction f, int nargs, int nresults)
{
	lua_pushcfunction(h->L, f);
	lua_insert(h->L, -nargs - 1);
	return guarded(h, nargs, nresults);
}

static int
open_state(lua_State *L)
{
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &key_functions);
	lua_json_open(L);
	lua_box_open(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &key_env);
	return 0;
}

static int
new_state(struct lua_host *h)
{
	h->used = 0;
	h->L = lua_newstate(counted, h);
	if (h->L == NULL)
		return -1;
	*(struct lua_host **)lua_getextraspace(h->L) = h;
	h->functions = 0;
	h->rooted = 0;
	if (protected(h, open_state, 0, 0) != LUA_OK)
		return -1;
	/* Garbage waits for the end of a page; the cap still collects. */
	lua_gc(h->L, LUA_GCSTOP);
	lua_gc(h->L, LUA_GCCOLLECT);
	h->live = h->used;
	return 0;
}

struct lua_host *
lua_host_new(const struct lua_limits *limits)
{
	struct lua_host *h = xcalloc(1, sizeof(*h));

	h->limits = *limits;
	if (new_state(h) < 0)
		die(EXIT_TEMPORARY,
		    "%zu bytes are too few to start Lua in; raise the limit",
		    limits->memory);
	return h;
}

void
lua_host_free(struct lua_host *h)
{
	if (h == NULL)
		return;
	if (armed == h)
		disarm(h);
	if (h->has_timer && h->timer_pid == getpid())
		timer_delete(h->timer);
	if (h->beat_pid == getpid())
		timer_delete(h->beat);
	lua_close(h->L);
	for (size_t i = 0; i < h->nfiles; i++) {
		free(h->files[i].name);
		free(h->files[i].text);
	}
	free(h->files);
	free(h->places);
	buf_free(&h->text);
	free(h);
}

/* Compiles and runs the last file. */
static int
run_file(lua_State *L)
{
	struct lua_host *h = lua_api_host(L);
	const struct lua_file *f = &h->files[h->nfiles - 1];
	const char *chunk = lua_pushfstring(L, "@%s", f->name);

	if (luaL_loadbufferx(L, f->text, f->len, chunk, "t") != LUA_OK)
		return lua_error(L);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &key_env);
	lua_setupvalue(L, -2, 1);
	lua_call(L, 0, 0);
	return 0;
}

/* The error on top of the stack as text; pops nothing. */
static const char *
error_text(lua_State *L)
{
	if (lua_type(L, -1) == LUA_TSTRING)
		return lua_tostring(L, -1);
	return "an error that is no text was raised";
}

static int
run_last(struct lua_host *h, struct load *l)
{
	int status;

	h->load = l;
	arm(h);
	status = protected(h, run_file, 0, 0);
	disarm(h);
	if (status == LUA_OK)
		return 0;
	if (status == LUA_ERRMEM)
		load_error(l, h->files[h->nfiles - 1].name, 0,
		    "takes more memory than rules may (%zu bytes)",
		    h->limits.memory);
	else
		load_error(l, NULL, 0, "%s", error_text(h->L));
	lua_settop(h->L, 0);
	return -1;
}

int
lua_host_load(struct lua_host *h, struct load *l, const char *file,
    const char *text, size_t len)
{
	struct lua_file *f;

	h->files = xrealloc(h->files, (h->nfiles + 1) * sizeof(*h->files));
	f = &h->files[h->nfiles++];
	f->name = xstrdup(file);
	f->text = xmalloc(len + 1);
	memcpy(f->text, text, len);
	f->text[len] = '\0';
	f->len = len;
	return run_last(h, l);
}

static int
freeze_all(lua_State *L)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &key_functions);
	lua_api_host(L)->cells = lua_freeze(L, -1);
	return 0;
}

int
lua_host_seal(struct lua_host *h)
{
	struct load *l = h->load;
	int status = protected(h, freeze_all, 0, 0);

	if (status != LUA_OK && l != NULL)
		load_error(l, NULL, 0, "%s", error_text(h->L));
	lua_settop(h->L, 0);
	h->load = NULL;
	return status == LUA_OK ? 0 : -1;
}

int
lua_host_functions(const struct lua_host *h)
{
	return h->functions;
}

void
lua_host_place(
    const struct lua_host *h, int function, const char **file, int *line)
{
	*file = h->places[function].file;
	*line = h->places[function].line;
}

/* Takes the function at the top of the stack; its number is the answer. */
int
lua_host_keep(lua_State *L)
{
	struct lua_host *h = lua_api_host(L);
	struct lua_place *place;
	lua_Debug ar;

	lua_pushvalue(L, -1);
	lua_getinfo(L, ">S", &ar);
	h->places = xrealloc(
	    h->places, (size_t)(h->functions + 1) * sizeof(*h->places));
	place = &h->places[h->functions];
	*place = (struct lua_place){ .file = "", .line = ar.linedefined };
	for (size_t i = 0; i < h->nfiles; i++) {
		if (strcmp(ar.source + 1, h->files[i].name) == 0)
			place->file = h->files[i].name;
	}
	lua_rawgetp(L, LUA_REGISTRYINDEX, &key_functions);
	lua_insert(L, -2);
	lua_rawseti(L, -2, h->functions + 1);
	lua_pop(L, 1);
	return h->functions++;
}

int
lua_host_restart(struct lua_host *h)
{
	struct buf errors = { 0 };
	struct load l = { .errors = &errors };
	int functions = h->functions, running = armed == h, bad = 0;
	size_t nfiles = h->nfiles;

	disarm(h);
	lua_close(h->L);
	if (new_state(h) < 0)
		die(EXIT_TEMPORARY, "no memory for a new Lua state");
	for (h->nfiles = 1; !bad && h->nfiles <= nfiles; h->nfiles++)
		bad = run_last(h, &l) < 0;
	h->nfiles = nfiles;
	if (lua_host_seal(h) < 0)
		bad = 1;
	load_free(&l);
	buf_free(&errors);
	if (running)
		arm(h);
	return bad || h->functions != functions ? -1 : 0;
}

static int
set_now(lua_State *L)
{
	lua_box_now(L, lua_api_host(L)->now);
	return 0;
}

void
lua_host_page_begin(struct lua_host *h, const char *now)
{
	if (h->functions == 0)
		return;
	snprintf(h->now, sizeof(h->now), "%s", now != NULL ? now : "");
	for (int i = 0; i < h->functions; i++)
		h->places[i].off = 0;
	h->strikes = h->logged = 0;
	if (protected(h, set_now, 0, 0) != LUA_OK)
		lua_settop(h->L, 0);
	arm(h);
}

void
lua_host_page_end(struct lua_host *h)
{
	if (h->functions == 0)
		return;
	lua_host_tick(h, NULL, NULL);
	disarm(h);
	h->record = NULL;
	h->generation++;
	h->rooted = 0;
	lua_settop(h->L, 0);
	if (h->used < h->live + GARBAGE)
		return;
	lua_gc(h->L, LUA_GCCOLLECT);
	h->live = h->used;
}

void
lua_host_record(struct lua_host *h, yyjson_val *record, struct paths *paths)
{
	h->record = record;
	h->paths = paths;
	h->generation++;
	h->rooted = 0;
}

/* Between calls the stack holds the functions and the record's proxy. */
static int
push_ground(lua_State *L)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &key_functions);
	lua_json_push_record(L);
	return 2;
}

/* Upvalue-free: what the function left is handed over as an argument. */
static int
convert_result(lua_State *L)
{
	struct lua_host *h = lua_api_host(L);

	lua_json_value(L, 1, h->arena, h->out);
	return 0;
}

/*
 * The function itself, then its value.  Nothing between the protected calls
 * allocates in Lua, so nothing there can raise.
 */
static int
call_function(struct lua_host *h)
{
	lua_State *L = h->L;
	int status;

	if (!h->rooted) {
		lua_settop(L, 0);
		status = protected(h, push_ground, 0, 2);
		if (status != LUA_OK)
			return status;
		h->rooted = 1;
	}
	lua_settop(L, 2);
	if (h->cells > 0)
		lua_freeze_restore(L);
	lua_rawgeti(L, 1, h->function + 1);
	lua_pushvalue(L, 2);
	status = guarded(h, 1, 1);
	if (status != LUA_OK)
		return status;
	switch (lua_type(L, -1)) {
	case LUA_TNIL:
	case LUA_TBOOLEAN:
	case LUA_TSTRING:
		lua_json_value(L, -1, h->arena, h->out);
		return LUA_OK;
	default:
		return protected(h, convert_result, 1, 0);
	}
}

/* "rules/okta.lua:41: text" is cut in two; else the function's place. */
static void
explain(struct lua_host *h, const char *text, struct why *why)
{
	const struct lua_place *place = &h->places[h->function];
	char at[sizeof(why->at)];

	snprintf(at, sizeof(at), "%s:%d", place->file, place->line);
	for (size_t i = 0; i < h->nfiles; i++) {
		size_t len = strlen(h->files[i].name), digits;

		if (strncmp(text, h->files[i].name, len) != 0 ||
		    text[len] != ':')
			continue;
		digits = strspn(text + len + 1, "0123456789");
		if (digits == 0 || strncmp(text + len + 1 + digits, ": ", 2))
			continue;
		snprintf(at, sizeof(at), "%.*s", (int)(len + 1 + digits), text);
		text += len + 1 + digits + 2;
		break;
	}
	why_set(
	    why, h->fault == JSON_FINE ? "E_RULE" : "E_UTF8", at, "%s", text);
}

/* The deadline came: this function rests for the page, others go on. */
static void
strike(struct lua_host *h)
{
	h->places[h->function].off = 1;
	h->strikes++;
	lua_sethook(h->L, NULL, 0, 0);
	arm(h);
}

enum lua_outcome
lua_host_call(struct lua_host *h, int function, struct arena *arena,
    struct value *out, struct why *why)
{
	int status;

	h->function = function;
	h->arena = arena;
	h->out = out;
	h->fault = JSON_FINE;
	if (h->places[function].off || h->strikes >= STRIKES_MAX) {
		explain(h, "not run: rules took too long on this page", why);
		return LUA_HOST_FAILED;
	}
	status = call_function(h);
	if (status == LUA_OK && !h->fired)
		return LUA_HOST_OK;
	if (h->fired)
		strike(h);
	if (status == LUA_OK)
		return LUA_HOST_OK;
	if (status == LUA_ERRMEM) {
		explain(h, "takes more memory than rules may", why);
		return LUA_HOST_MEMORY;
	}
	explain(h, error_text(h->L), why);
	return LUA_HOST_FAILED;
}
