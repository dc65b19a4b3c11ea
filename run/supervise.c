/*
 * supervise.c - the state machine of `idmesh run`.
 *
 * A round is: every fetch runs to its end while sinks, join and transforms
 * serve it.  What dies is started again with back-off and a limit; the
 * protocol between the programs makes that harmless.  At the end the set is
 * stopped in the order of the flow, so that nothing stays on its way.
 */

#include "run.h"

#include <signal.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "msg.h"

/* Wrong configuration explains what follows from it, so it stays. */
static void
graver(struct run *r, int code)
{
	if (r->code != EXIT_USAGE && code > r->code)
		r->code = code;
}

static int
running(const struct run *r, enum role role)
{
	int n = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->children[i].role == role &&
		    (r->children[i].pid > 0 || r->children[i].due_ms > 0))
			n++;
	return n;
}

static void
ask_to_end(struct run *r, enum role role)
{
	int64_t now = clock_ms();

	for (size_t i = 0; i < r->n; i++) {
		struct child *c = &r->children[i];

		if (c->role != role)
			continue;
		c->due_ms = 0;
		if (c->pid > 0 && c->term_ms == 0) {
			c->term_ms = now;
			child_signal(c, SIGTERM);
		}
	}
}

/* Stops role after role, each when the one before it has ended. */
static void
stop_on(struct run *r)
{
	for (int i = ROLES - 1; i >= 0; i--) {
		ask_to_end(r, (enum role)i);
		if (running(r, (enum role)i) > 0)
			return;
	}
	loop_stop(r->loop);
}

static void
begin_stop(struct run *r)
{
	r->phase = PHASE_STOP;
	stop_on(r);
}

static const char *
mode_now(const struct run *r)
{
	if (r->full_every_ms > 0 &&
	    (r->full_ms < 0 || clock_ms() - r->full_ms >= r->full_every_ms))
		return MSG_FULL;
	return r->options->mode;
}

static void
begin_round(struct run *r)
{
	const char *mode = mode_now(r);

	r->phase = PHASE_ROUND;
	r->round_ms = clock_ms();
	if (strcmp(mode, MSG_FULL) == 0)
		r->full_ms = r->round_ms;
	set_mode(r, mode);
	for (size_t i = 0; i < r->n; i++) {
		r->children[i].restarts = 0;
		if (r->children[i].role == ROLE_FETCH)
			child_start(&r->children[i]);
	}
}

static void
end_round(struct run *r)
{
	int last = r->every_ms == 0 || r->terminated || r->code >= EXIT_USAGE;

	/* What is durable is; the others end while join is asked for it. */
	if (last)
		begin_stop(r);
	summary_print(r);
	if (last)
		return;
	r->phase = PHASE_IDLE;
	r->next_ms = r->round_ms + r->every_ms;
	if (r->next_ms < clock_ms())
		r->next_ms = clock_ms();
	r->code = EXIT_DONE;
}

static void
restart_later(struct child *c)
{
	int64_t wait = RUN_BACKOFF_MS;

	for (int i = 0; i < c->restarts && wait < RUN_BACKOFF_MAX_MS; i++)
		wait *= 2;
	if (wait > RUN_BACKOFF_MAX_MS)
		wait = RUN_BACKOFF_MAX_MS;
	c->restarts++;
	c->run->restarts++;
	c->due_ms = clock_ms() + wait;
	log_warn("%s%s%s %s %d; starting it again in %lld ms (%d of %d)",
	    role_name(c->role), c->role == ROLE_SINK ? " " : "",
	    c->role == ROLE_SINK ? c->argv[1] : "",
	    c->code > 128 ? "was killed by signal" : "ended with",
	    c->code > 128 ? c->code - 128 : c->code, (long long)wait,
	    c->restarts, RUN_RESTARTS);
}

/* The set ends without this one; what the round did is said all the same. */
static void
give_up(struct run *r, int code)
{
	graver(r, code);
	r->untold = r->phase == PHASE_ROUND;
	begin_stop(r);
}

/* A program ended by itself. */
static void
ended(struct run *r, struct child *c)
{
	int done = c->role == ROLE_FETCH &&
		   (c->code == EXIT_DONE || c->code == EXIT_PARTLY);

	if (r->phase == PHASE_STOP || c->term_ms != 0) {
		if (c->code > EXIT_PARTLY && c->role != ROLE_FETCH)
			graver(r, c->code == EXIT_USAGE ? EXIT_USAGE
							: EXIT_TEMPORARY);
		stop_on(r);
		return;
	}
	if (done) {
		graver(r, c->code);
	} else if (c->code == EXIT_USAGE) {
		log_error("%s ended with 100, and trying again will not help: "
			  "its last line says why; stopping",
		    role_name(c->role));
		give_up(r, EXIT_USAGE);
		return;
	} else if (c->restarts >= RUN_RESTARTS) {
		log_error("%s keeps ending (%d); giving up", role_name(c->role),
		    c->code);
		give_up(r, EXIT_TEMPORARY);
		return;
	} else {
		restart_later(c);
	}
	if (r->phase == PHASE_ROUND && running(r, ROLE_FETCH) == 0)
		end_round(r);
}

static void
on_signal(void *arg, int signal)
{
	struct run *r = arg;
	struct child *c;

	switch (signal) {
	case SIGCHLD:
		for (c = child_reap(r); c != NULL; c = child_reap(r))
			ended(r, c);
		break;
	case SIGHUP:
		for (size_t i = 0; i < r->n; i++)
			if (r->children[i].role == ROLE_JOIN ||
			    r->children[i].role == ROLE_TRANSFORM)
				child_signal(&r->children[i], SIGHUP);
		break;
	default:
		if (!r->terminated)
			log_info("stopping: finishing what is on its way");
		r->terminated = 1;
		/* A schedule goes on in the next start; one run did not end. */
		if (r->phase == PHASE_ROUND && r->every_ms == 0)
			graver(r, EXIT_TEMPORARY);
		begin_stop(r);
	}
}

/* Due restarts, the next round, and programs that do not end. */
static void
on_tick(void *arg)
{
	struct run *r = arg;
	int64_t now = clock_ms();

	for (size_t i = 0; i < r->n; i++) {
		struct child *c = &r->children[i];

		if (c->due_ms > 0 && c->due_ms <= now)
			child_start(c);
		if (c->pid > 0 && c->term_ms > 0 &&
		    now - c->term_ms > RUN_STOP_MS) {
			log_error(
			    "%s does not end; killing it", role_name(c->role));
			child_signal(c, SIGKILL);
			c->term_ms = now;
		}
	}
	if (r->phase == PHASE_IDLE && now >= r->next_ms)
		begin_round(r);
	loop_timer_at(r->tick, clock_ms() + RUN_BACKOFF_MS / 2);
}

int
supervise(struct run *r)
{
	r->loop = loop_new();
	loop_signals(r->loop, on_signal, r);
	r->tick =
	    loop_timer(r->loop, clock_ms() + RUN_BACKOFF_MS / 2, on_tick, r);
	for (size_t i = 0; i < r->n; i++)
		if (r->children[i].role != ROLE_FETCH)
			child_start(&r->children[i]);
	begin_round(r);
	loop_run(r->loop);
	/* Join may not have had its database before. */
	if (r->untold)
		summary_print(r);
	loop_free(r->loop);
	return r->code;
}
