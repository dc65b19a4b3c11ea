#ifndef IDMESH_RUN_H
#define IDMESH_RUN_H

/*
 * run.h - what the files of `idmesh run` share.
 *
 * run starts a set of programs from one configuration, restarts what dies,
 * begins a round of fetches once or on a schedule and stops everything in
 * the order of the flow.  It carries no data itself.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "config.h"
#include "loop.h"
#include "progress.h"

#define RUN_RESTARTS 10 /* a round, of one program, before giving up */
#define RUN_BACKOFF_MS 200 /* before the first restart, then doubled */
#define RUN_BACKOFF_MAX_MS 5000
#define RUN_AWAY_MS 60000 /* at most, between tries of a sink that is away */
#define RUN_BACK_MS 10000 /* after which such a sink is back */
#define RUN_STOP_MS 30000 /* from SIGTERM to the end of everything */
#define RUN_EVENT_FD 3 /* of fetch, for its progress */

/* In the order in which they are started; they are stopped in the reverse. */
enum role { ROLE_SINK, ROLE_JOIN, ROLE_TRANSFORM, ROLE_FETCH, ROLES };

/* Where a child writes lines; both ends are ours, so that it never ends. */
struct hearing {
	int read_fd, write_fd;
	struct lines *lines; /* owned */
};

/* One program of the set. */
struct child {
	enum role role;
	const char *target; /* of a sink; borrowed */
	char **argv; /* owned, NULL-terminated */
	size_t argc;
	pid_t pid; /* 0: not running */
	int code; /* exit code of its last end, 128 + n for a signal */
	int restarts; /* in this round */
	int64_t started_ms, due_ms; /* due: when to start it again, 0: not */
	int64_t term_ms; /* when it was asked to end, 0: not */
	bool away; /* a sink of a schedule that keeps ending */
	char **sources; /* owned, n_sources of them: what a fetch reads */
	size_t n_sources;
	int out_rounds; /* in which its sources were not read, on end */
	int64_t out_since_ms; /* wall time of the first of them */
	char *out_why; /* owned; its last words in the last one, or NULL */
	bool ready; /* fetch knows where every source stands */
	struct hearing words, events; /* stderr; progress of fetch */
	char *last_words; /* owned; its last error since it began, or NULL */
	bool is_error; /* last_words is one */
	struct run *run; /* borrowed */
};

struct run_options {
	const char *mode, *every, *full_every, *stop_within;
	int64_t workers, restarts;
	int json, quiet;
};

enum phase { PHASE_ROUND, PHASE_IDLE, PHASE_STOP };

struct run {
	const struct run_options *options;
	struct config_run config;
	char *runtime; /* owned: 0700 folder of the sockets and the scope */
	int runtime_fd; /* its lock */
	struct child *children; /* owned */
	size_t n;
	struct loop *loop;
	struct loop_timer *tick;
	enum phase phase;
	int code; /* exit code so far: the gravest */
	bool untold; /* the last round has no summary yet */
	bool left_out; /* a source is out of this round, the others go on */
	int64_t terminated_ms; /* when SIGTERM or SIGINT came, 0 */
	int restarts;
	int64_t every_ms, full_every_ms; /* 0: once */
	int64_t stop_within_ms;
	int64_t stop_ms; /* when stopping began, 0 */
	int64_t round_ms, next_ms; /* monotonic */
	int64_t full_ms; /* monotonic, when one was last made full; -1: never */
	int lock_fd; /* of the state file */
	struct progress *progress; /* owned */
	bool moving, announced; /* lines on a terminal; READY was said */
	int64_t line_ms, status_ms, alive_ms; /* when each is due */
};

/* runtime.c: the private folder. -1 after one log line. */
int runtime_make(struct run *r);
void runtime_remove(struct run *r);

/* targets.c: is everything written by one program only? -1 likewise. */
int targets_check(const struct config_run *c, struct buf *errors);

/* set.c: which programs, with which arguments. -1 after one log line. */
int set_build(struct run *r);
void set_free(struct run *r);
/* Gives the fetches of the next round their mode. */
void set_mode(struct run *r, const char *mode);
/* The rules' scope, for fetch; the exit code of who reads the rules. */
int set_scope(struct run *r);

/* child.c: starting, ending and reaping. */
const char *role_name(enum role role);
void child_start(struct child *c);
void child_signal(struct child *c, int signal);
/* Reaps one ended child, or returns NULL. */
struct child *child_reap(struct run *r);
/* Runs a program to its end and keeps its stdout; its exit code. */
int child_capture(char *const argv[], struct buf *out, bool silent);
/* Path of a program of this release; the caller frees it. */
char *child_program(const char *name);

/* words.c: what the programs say on stderr, and fetch as events. */
void words_open(struct run *r);
void words_close(struct run *r);
/* Takes in what an ended child has still said. */
void words_drain(struct child *c);
void words_forget(struct child *c);

/* show.c: progress for people and for the service manager. */
void show_open(struct run *r);
void show_close(struct run *r);
void show_round(struct run *r); /* another one begins */
void show_make_way(void);
/* Says READY, once, when everything stands; a quick round has no tick. */
void show_ready(struct run *r);
void show_tick(struct run *r);
void show_now(const struct run *r);
bool show_any_ready(const struct run *r);

/* supervise.c: the state machine; supervise() returns the exit code. */
void supervise_open(struct run *r);
int supervise(struct run *r);

/* summary.c: what a round did, for people or as one line of JSON. */
void summary_print(struct run *r);
/* ms since the last complete full run began, and one was asked for; or -1. */
int64_t summary_full_age(struct run *r, int64_t *tried_ms);

#endif
