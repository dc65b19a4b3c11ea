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
#include "notify.h"
#include "out.h"

/* `timeout` and others send SIGTERM twice at once: that is one wish. */
#define AGAIN_MS 1000
#define TICK_MS (RUN_BACKOFF_MS / 2)
#define FULL_AGAIN 8 /* of --full-every, before another try */

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

/* Nobody waits for the end of this one: a merge and sinks take what they need,
 * and join itself gives up on a sink that does not go on. */
static bool
finishes(const struct child *c)
{
	return c->role == ROLE_JOIN && c->run->terminated_ms == 0;
}

static void
ask_to_end(struct run *r, enum role role)
{
	int64_t now = clock_ms();

	for (size_t i = 0; i < r->n; i++) {
		struct child *c = &r->children[i];

		if (c->role != role)
			continue;
		/* A join that died while it finished has more to do. */
		if (!finishes(c))
			c->due_ms = 0;
		if (c->pid > 0 && c->term_ms == 0) {
			c->term_ms = now;
			child_signal(c, finishes(c) ? SIGUSR1 : SIGTERM);
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
	if (r->phase != PHASE_STOP) {
		r->stop_ms = clock_ms();
		notify_stopping();
	}
	r->phase = PHASE_STOP;
	stop_on(r);
}

/*
 * What join remembers decides, for a full round may have failed, or missed a
 * source that was out.  One is not made in every round all the same.
 */
static const char *
mode_now(struct run *r)
{
	int64_t age, tried, again_ms = r->full_every_ms / FULL_AGAIN;

	if (r->full_every_ms == 0 ||
	    (r->full_ms >= 0 && clock_ms() - r->full_ms < again_ms))
		return r->options->mode;
	age = summary_full_age(r, &tried);
	if ((age >= 0 && age < r->full_every_ms) ||
	    (tried >= 0 && tried < again_ms))
		return r->options->mode;
	return MSG_FULL;
}

static void
begin_round(struct run *r)
{
	const char *mode = mode_now(r);

	r->phase = PHASE_ROUND;
	r->left_out = false;
	r->round_ms = clock_ms();
	if (strcmp(mode, MSG_FULL) == 0)
		r->full_ms = r->round_ms;
	set_mode(r, mode);
	show_round(r);
	for (size_t i = 0; i < r->n; i++) {
		struct child *c = &r->children[i];

		if (!c->away)
			c->restarts = 0;
		c->ready = false;
		if (c->role == ROLE_FETCH)
			child_start(c);
	}
}

static void
end_round(struct run *r)
{
	int last = r->every_ms == 0 || r->terminated_ms != 0 ||
		   (r->code == EXIT_USAGE && !r->left_out);

	for (size_t i = 0; i < r->n; i++)
		if (r->children[i].away)
			graver(r, EXIT_TEMPORARY);
	show_ready(r);
	/* The others have last words; the result comes after them. */
	r->untold = last;
	if (last) {
		begin_stop(r);
		return;
	}
	summary_print(r);
	r->phase = PHASE_IDLE;
	r->next_ms = r->round_ms + r->every_ms;
	if (r->next_ms < clock_ms())
		r->next_ms = clock_ms();
	r->code = EXIT_DONE;
}

/* "sink sqlite:mesh.db was killed by signal 9 (Killed)" */
static void
put_end(const struct child *c, struct buf *out)
{
	buf_str(out, role_name(c->role));
	if (c->target != NULL)
		buf_fmt(out, " %s", c->target);
	else if (c->role == ROLE_FETCH) {
		buf_str(out, " of ");
		out_names(c, out);
	}
	if (c->code > 128)
		buf_fmt(out, " was killed by signal %d (%s)", c->code - 128,
		    strsignal(c->code - 128));
	else
		buf_fmt(out, " ended with %d", c->code);
}

static void
put_last_words(const struct child *c, struct buf *out)
{
	if (c->last_words != NULL)
		buf_fmt(out, "; its last words: \"%s\"", c->last_words);
}

static void
restart_later(struct child *c)
{
	struct buf text = { 0 };
	int64_t wait = RUN_BACKOFF_MS;

	for (int i = 0; i < c->restarts && wait < RUN_BACKOFF_MAX_MS; i++)
		wait *= 2;
	if (wait > RUN_BACKOFF_MAX_MS)
		wait = RUN_BACKOFF_MAX_MS;
	c->restarts++;
	c->run->restarts++;
	c->due_ms = clock_ms() + wait;
	put_end(c, &text);
	log_warn("%s; starting it again in %lld ms (%d of %lld)", text.data,
	    (long long)wait, c->restarts, (long long)c->run->options->restarts);
	buf_free(&text);
}

/* The set ends without this one; what the round did is said all the same. */
static void
give_up(struct run *r, int code)
{
	graver(r, code);
	r->untold |= r->phase == PHASE_ROUND;
	begin_stop(r);
}

/* Is it a fetch beside others, which read sources of their own? */
static bool
is_one_of_several(const struct run *r, const struct child *c)
{
	for (size_t i = 0; i < r->n; i++)
		if (c->role == ROLE_FETCH && &r->children[i] != c &&
		    r->children[i].role == ROLE_FETCH)
			return true;
	return false;
}

/* Each round says for how long already. */
static void
leave_out(struct run *r, struct child *c)
{
	const char *next = r->every_ms > 0 ? "it is tried again in each round"
					   : "then run again";
	struct buf text = { 0 };

	r->left_out = true;
	graver(r, EXIT_USAGE);
	out_goes(c);
	put_end(c, &text);
	put_last_words(c, &text);
	if (c->out_rounds > 1) {
		buf_str(&text, "; it is ");
		out_text(c, &text);
		log_error("%s: mend that, %s", text.data, next);
	} else {
		log_error("%s; trying again would not help, so its source "
			  "stays out of this round and the others go on: mend "
			  "that, %s",
		    text.data, next);
	}
	buf_free(&text);
}

/* Nobody can help but a person. */
static void
refused(struct run *r, struct child *c)
{
	struct buf text = { 0 };

	if (is_one_of_several(r, c)) {
		leave_out(r, c);
		return;
	}
	put_end(c, &text);
	put_last_words(c, &text);
	log_error("%s; trying again would not help, so everything stops: mend "
		  "that, then start again",
	    text.data);
	buf_free(&text);
	give_up(r, EXIT_USAGE);
}

/*
 * What keeps ending.  A schedule outlives a target that is away, whose
 * changes wait in join's log, and a round that could not be fetched.
 */
static void
exhausted(struct run *r, struct child *c)
{
	int64_t pause = r->every_ms < RUN_AWAY_MS ? r->every_ms : RUN_AWAY_MS;
	bool goes_on = r->every_ms > 0 && r->phase != PHASE_STOP &&
		       (c->role == ROLE_SINK || c->role == ROLE_FETCH);
	struct buf text = { 0 };

	put_end(c, &text);
	buf_fmt(&text, " and was started %d times", c->restarts + 1);
	put_last_words(c, &text);
	if (!goes_on) {
		log_error("%s; giving up: mend that and run again; what was "
			  "committed stays, and the next run goes on from it",
		    text.data);
		give_up(r, EXIT_TEMPORARY);
	} else if (c->role == ROLE_SINK) {
		if (!c->away)
			log_error("%s; the schedule goes on without it, its "
				  "changes wait, and it is tried each %lld s",
			    text.data, (long long)pause / 1000);
		c->away = true;
		c->due_ms = clock_ms() + pause;
	} else {
		out_goes(c);
		buf_str(&text, "; its source is ");
		out_text(c, &text);
		log_error("%s; the schedule goes on", text.data);
		graver(r, EXIT_TEMPORARY);
	}
	buf_free(&text);
}

/* Is one that died while the set is stopped still needed? */
static bool
is_needed(const struct child *c)
{
	if (finishes(c))
		return c->code > 128;
	return c->role == ROLE_SINK && c->term_ms == 0 && c->code != EXIT_USAGE;
}

/* SIGTERM may come before a program listens, and has nothing to lose. */
static bool
ended_well(const struct child *c)
{
	return c->role == ROLE_FETCH || c->code <= EXIT_PARTLY ||
	       (c->code == 128 + SIGTERM && c->term_ms != 0 && !finishes(c));
}

static void
ended_at_stop(struct run *r, struct child *c)
{
	bool asked = c->term_ms != 0;
	struct buf text = { 0 };

	if (ended_well(c)) {
		if (c->code == EXIT_PARTLY)
			graver(r, c->code);
		stop_on(r);
	} else if (is_needed(c) && c->restarts < r->options->restarts) {
		restart_later(c);
	} else if (!asked && c->code != EXIT_USAGE) {
		exhausted(r, c);
	} else {
		graver(r, c->code == EXIT_USAGE ? EXIT_USAGE : EXIT_TEMPORARY);
		put_end(c, &text);
		put_last_words(c, &text);
		if (c->code != 128 + SIGKILL)
			log_error("%s", text.data);
		stop_on(r);
	}
	buf_free(&text);
}

/* A program ended by itself. */
static void
ended(struct run *r, struct child *c)
{
	if (r->phase == PHASE_STOP || c->term_ms != 0) {
		ended_at_stop(r, c);
		return;
	}
	if (c->role == ROLE_FETCH &&
	    (c->code == EXIT_DONE || c->code == EXIT_PARTLY)) {
		c->ready = true;
		graver(r, c->code);
		out_comes_back(c);
	} else if (c->code == EXIT_USAGE) {
		refused(r, c);
		if (!r->left_out)
			return;
	} else if (c->restarts >= r->options->restarts) {
		exhausted(r, c);
	} else {
		restart_later(c);
	}
	if (r->phase == PHASE_ROUND && running(r, ROLE_FETCH) == 0)
		end_round(r);
}

/* Wrong rules stay out everywhere, or transform and join would differ. */
static void
reload(struct run *r)
{
	notify_reloading();
	show_make_way();
	if (set_scope(r) != EXIT_DONE) {
		log_error("the new rules are wrong, see above; the set goes on "
			  "with the rules that it has");
	} else {
		log_info("the rules are loaded again");
		for (size_t i = 0; i < r->n; i++)
			if (r->children[i].role == ROLE_JOIN ||
			    r->children[i].role == ROLE_TRANSFORM)
				child_signal(&r->children[i], SIGHUP);
	}
	if (r->announced)
		notify_ready();
}

static void
kill_all(struct run *r, const char *why)
{
	for (size_t i = 0; i < r->n; i++) {
		struct child *c = &r->children[i];

		c->due_ms = 0;
		if (c->pid == 0)
			continue;
		log_error("%s%s%s %s; killing it: what was on its way comes "
			  "with the next run",
		    role_name(c->role), c->target != NULL ? " " : "",
		    c->target != NULL ? c->target : "", why);
		child_signal(c, SIGKILL);
		c->term_ms = clock_ms();
		graver(r, EXIT_TEMPORARY);
	}
}

static void
terminate(struct run *r)
{
	int64_t now = clock_ms();

	if (r->terminated_ms != 0) {
		if (now - r->terminated_ms >= AGAIN_MS)
			kill_all(r, "is not waited for, as asked");
		return;
	}
	log_info("stopping: finishing what is on its way");
	r->terminated_ms = now;
	/* A schedule goes on in the next start; one run did not end. */
	if (r->phase == PHASE_ROUND && r->every_ms == 0)
		graver(r, EXIT_TEMPORARY);
	r->untold |= r->phase == PHASE_ROUND;
	/* What was to finish is to stop now. */
	for (size_t i = 0; i < r->n; i++)
		if (r->children[i].role == ROLE_JOIN)
			r->children[i].term_ms = 0;
	begin_stop(r);
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
		if (r->phase != PHASE_STOP)
			reload(r);
		break;
	case SIGUSR1:
		show_make_way();
		show_now(r);
		break;
	case SIGTERM:
	case SIGINT:
		terminate(r);
		break;
	default:
		break;
	}
}

/* One that hangs must leave time for those behind it. */
static void
check_stop(struct run *r, int64_t now)
{
	if (r->terminated_ms != 0 &&
	    now - r->terminated_ms > r->stop_within_ms) {
		kill_all(r, "does not end in time");
		r->terminated_ms = now;
	}
	for (size_t i = 0; i < r->n; i++) {
		struct child *c = &r->children[i];

		if (c->pid == 0 || c->term_ms == 0 || finishes(c) ||
		    now - c->term_ms <= r->stop_within_ms / 2)
			continue;
		log_error("%s does not end; killing it", role_name(c->role));
		child_signal(c, SIGKILL);
		graver(r, EXIT_TEMPORARY);
		c->term_ms = now;
	}
}

/* A sink that stands is back. */
static void
check_away(struct child *c, int64_t now)
{
	if (!c->away || c->pid == 0 || now - c->started_ms < RUN_BACK_MS)
		return;
	c->away = false;
	c->restarts = 0;
	log_info("sink %s is back", c->target);
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
		check_away(c, now);
	}
	if (r->phase == PHASE_STOP) {
		check_stop(r, now);
		stop_on(r);
	}
	if (r->phase == PHASE_IDLE && now >= r->next_ms)
		begin_round(r);
	show_tick(r);
	loop_timer_at(r->tick, clock_ms() + TICK_MS);
}

void
supervise_open(struct run *r)
{
	r->loop = loop_new();
	loop_signals(r->loop, on_signal, r);
}

int
supervise(struct run *r)
{
	show_open(r);
	words_open(r);
	r->tick = loop_timer(r->loop, clock_ms() + TICK_MS, on_tick, r);
	for (size_t i = 0; i < r->n; i++)
		if (r->children[i].role != ROLE_FETCH)
			child_start(&r->children[i]);
	begin_round(r);
	loop_run(r->loop);
	words_close(r);
	/* Join may not have had its database before; and this is the end. */
	if (r->untold)
		summary_print(r);
	show_close(r);
	return r->code;
}
