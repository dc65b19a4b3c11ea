#ifndef IDMESH_RUN_H
#define IDMESH_RUN_H

/*
 * run.h - what the files of `idmesh run` share.
 *
 * run starts a set of programs from one configuration, restarts what dies,
 * begins a round of fetches once or on a schedule and stops everything in
 * the order of the flow.  It carries no data itself.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "config.h"
#include "loop.h"

#define RUN_RESTARTS 10 /* a round, of one program, before giving up */
#define RUN_BACKOFF_MS 200 /* before the first restart, then doubled */
#define RUN_BACKOFF_MAX_MS 5000
#define RUN_STOP_MS 20000 /* for a program to end after SIGTERM */

/* In the order in which they are started; they are stopped in the reverse. */
enum role { ROLE_SINK, ROLE_JOIN, ROLE_TRANSFORM, ROLE_FETCH, ROLES };

/* One program of the set. */
struct child {
	enum role role;
	char **argv; /* owned, NULL-terminated */
	size_t argc;
	pid_t pid; /* 0: not running */
	int code; /* exit code of its last end, 128 + n for a signal */
	int restarts; /* in this round */
	int64_t due_ms; /* when to start it again, 0: not */
	int64_t term_ms; /* when it was asked to end, 0: not */
	struct run *run; /* borrowed */
};

struct run_options {
	const char *mode, *every, *full_every;
	int64_t workers;
	int json, quiet;
};

enum phase { PHASE_ROUND, PHASE_IDLE, PHASE_STOP };

struct run {
	const struct run_options *options;
	struct config_run config;
	const char *folder; /* of the programs */
	char *runtime; /* owned: 0700 folder of the sockets and the scope */
	struct child *children; /* owned */
	size_t n;
	struct loop *loop;
	struct loop_timer *tick;
	enum phase phase;
	int code; /* exit code so far: the gravest */
	int untold; /* the round that was given up has no summary yet */
	int terminated; /* SIGTERM or SIGINT came */
	int restarts;
	int64_t every_ms, full_every_ms; /* 0: once */
	int64_t round_ms, next_ms; /* monotonic */
	int64_t full_ms; /* monotonic time of the last full round, -1 none */
	int lock_fd;
};

/* set.c: which programs, with which arguments. -1 after one log line. */
int set_build(struct run *r);
void set_free(struct run *r);
/* Gives the fetches of the next round their mode. */
void set_mode(struct run *r, const char *mode);

/* child.c: starting, ending and reaping. */
const char *role_name(enum role role);
void child_start(struct child *c);
void child_signal(struct child *c, int signal);
/* Reaps one ended child, or returns NULL. */
struct child *child_reap(struct run *r);
/* Runs a program to its end and keeps its stdout; its exit code. */
int child_capture(char *const argv[], struct buf *out);
/* Path of a program of this release; the caller frees it. */
char *child_program(const struct run *r, const char *name);

/* supervise.c: the state machine; returns the exit code. */
int supervise(struct run *r);

/* summary.c: what a round did, for people or as one line of JSON. */
void summary_print(struct run *r);

#endif
