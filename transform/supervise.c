/*
 * supervise.c - n workers, each a process, kept alive.
 *
 * Stage 2 as a service with -j N.  Forks before any ZeroMQ context exists,
 * because a context does not survive a fork; this process itself never has
 * one.  A worker that dies is started again after a pause that doubles; the
 * pages it held are handed out again by fetch.
 */

#include "transform.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "loop.h"

#define PAUSE_MS 200
#define PAUSE_MAX_MS 5000
#define HEALTHY_MS 10000 /* a worker that lived so long starts afresh */
#define STOP_MS 5000 /* to leave in, then they are killed */

/* The place of one worker. */
struct post {
	pid_t pid; /* 0: nobody */
	int leaving;
	int64_t begun_ms;
	int64_t pause_ms; /* before the next start */
	int64_t due_ms; /* of it, or -1 */
};

struct supervisor {
	struct mapper *m; /* borrowed; workers inherit its rules */
	const struct endpoints *e; /* borrowed */
	struct loop *loop;
	struct loop_timer *timer;
	struct post posts[TRANSFORM_CHILDREN];
	size_t wanted; /* the first ones are manned */
	int64_t stop_ms; /* when they are killed, 0 while it runs */
	enum exit_code code;
};

static _Noreturn void
become_worker(struct supervisor *s)
{
	enum exit_code code = worker_run(s->m, s->e);

	mapper_close(s->m);
	_exit((int)code);
}

static void
start(struct supervisor *s, struct post *p)
{
	pid_t pid = fork_child();

	if (pid == 0)
		become_worker(s);
	p->begun_ms = clock_ms();
	p->leaving = 0;
	p->pid = pid > 0 ? pid : 0;
	p->due_ms = pid > 0 ? -1 : p->begun_ms + PAUSE_MAX_MS;
}

/* Starts whom it is time for, and sets the timer for the next one. */
static void
man_posts(struct supervisor *s)
{
	int64_t now = clock_ms(), next = s->stop_ms > 0 ? s->stop_ms : -1;

	for (size_t i = 0; s->stop_ms == 0 && i < s->wanted; i++) {
		struct post *p = &s->posts[i];

		if (p->pid != 0)
			continue;
		if (p->due_ms <= now)
			start(s, p);
		if (p->due_ms >= 0 && (next < 0 || p->due_ms < next))
			next = p->due_ms;
	}
	loop_timer_at(s->timer, next);
}

static size_t
manned(const struct supervisor *s)
{
	size_t n = 0;

	for (size_t i = 0; i < TRANSFORM_CHILDREN; i++)
		n += s->posts[i].pid != 0;
	return n;
}

static void
signal_all(const struct supervisor *s, int signal)
{
	for (size_t i = 0; i < TRANSFORM_CHILDREN; i++)
		if (s->posts[i].pid != 0)
			kill(s->posts[i].pid, signal);
}

static void
stop(struct supervisor *s, enum exit_code code)
{
	if (s->stop_ms != 0) {
		signal_all(s, SIGKILL);
		return;
	}
	s->code = code;
	s->stop_ms = clock_ms() + STOP_MS;
	loop_timer_at(s->timer, s->stop_ms);
	signal_all(s, SIGTERM);
	if (manned(s) == 0)
		loop_stop(s->loop);
}

static void
on_timer(void *arg)
{
	struct supervisor *s = arg;

	if (s->stop_ms != 0)
		signal_all(s, SIGKILL);
	else
		man_posts(s);
}

/* A worker has ended: on purpose, for good, or to be started again. */
static void
vacant(struct supervisor *s, struct post *p, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	int64_t lived = clock_ms() - p->begun_ms;
	pid_t pid = p->pid;

	p->pid = 0;
	if (s->stop_ms != 0 || p->leaving)
		return;
	if (code == EXIT_USAGE) {
		stop(s, EXIT_USAGE);
		return;
	}
	if (p->pause_ms == 0 || lived >= HEALTHY_MS)
		p->pause_ms = PAUSE_MS;
	log_warn("worker %d ended (%s %d); it is started again in %.1f s",
	    (int)pid, code >= 0 ? "status" : "signal",
	    code >= 0 ? code : WTERMSIG(status), (double)p->pause_ms / 1000);
	p->due_ms = clock_ms() + p->pause_ms;
	p->pause_ms *= 2;
	if (p->pause_ms > PAUSE_MAX_MS)
		p->pause_ms = PAUSE_MAX_MS;
}

static void
reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0)
			break;
		for (size_t i = 0; i < TRANSFORM_CHILDREN; i++)
			if (s->posts[i].pid == pid)
				vacant(s, &s->posts[i], status);
	}
	if (s->stop_ms == 0)
		man_posts(s);
	else if (manned(s) == 0)
		loop_stop(s->loop);
}

static void
add_one(struct supervisor *s)
{
	if (s->wanted == TRANSFORM_CHILDREN)
		return;
	s->posts[s->wanted++].due_ms = 0;
	man_posts(s);
	log_info("%zu workers", s->wanted);
}

static void
remove_one(struct supervisor *s)
{
	struct post *p;

	if (s->wanted == 1)
		return;
	p = &s->posts[--s->wanted];
	p->leaving = 1;
	if (p->pid != 0)
		kill(p->pid, SIGTERM);
	log_info("%zu workers", s->wanted);
}

static void
on_signal(void *arg, int signal)
{
	struct supervisor *s = arg;

	if (signal == SIGCHLD)
		reap(s);
	else if (signal == SIGTERM || signal == SIGINT)
		stop(s, EXIT_DONE);
	else if (s->stop_ms != 0)
		return;
	else if (signal == SIGHUP && mapper_reload(s->m) == 0)
		signal_all(s, SIGHUP);
	else if (signal == SIGUSR1)
		add_one(s);
	else if (signal == SIGUSR2)
		remove_one(s);
}

enum exit_code
supervise_run(struct mapper *m, const struct endpoints *e, size_t n)
{
	struct supervisor s = { .m = m, .e = e, .wanted = n };

	s.loop = loop_new();
	s.timer = loop_timer(s.loop, -1, on_timer, &s);
	loop_signals(s.loop, on_signal, &s);
	man_posts(&s);
	loop_run(s.loop);
	loop_free(s.loop);
	return s.code;
}
