/*
 * schedule.c - when the requests of a run may leave, how many, which first.
 *
 * Between the line of calls (call.c) and the budget: hours of the day by the
 * server's clock, the most calls of a run, and the rank of a call.  Waiting
 * for the hours is no failure and no retry.
 */

#include "schedule.h"

#include <stdio.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "fetch.h"
#include "out.h"

/* The server's clock is known to a second, so keep off the edges. */
#define EDGE_MS 1000
/* The host may sleep or set its clock meanwhile: look again. */
#define LOOK_MS 60000

int
schedule_open(
    struct schedule *s, const struct schedule_options *o, struct why *why)
{
	struct why no;

	*s = (struct schedule){ .opt = *o };
	if (o->window != NULL && span_parse(&s->span, o->window, &no) < 0)
		return why_set(why, "E_TIME", NULL, "--window %s", no.text);
	if (o->finish_by != NULL && span_deadline(o->finish_by, clock_wall_ms(),
					&s->due_ms, &s->due_zone, &no) < 0)
		return why_set(why, "E_TIME", NULL, "--finish-by %s", no.text);
	return 0;
}

int64_t
schedule_now(const struct fetch *f, int64_t now_ms)
{
	int64_t offset = budget_server_offset(f->budget);

	return offset != 0 ? now_ms + offset : clock_wall_ms();
}

void
schedule_duration(int64_t ms, char out[SCHEDULE_TEXT])
{
	long long s = (ms + 500) / 1000;

	if (ms < 10000)
		snprintf(out, SCHEDULE_TEXT, "%.1f s", (double)ms / 1000);
	else if (s < 60)
		snprintf(out, SCHEDULE_TEXT, "%lld s", s);
	else if (s < 3600)
		snprintf(out, SCHEDULE_TEXT, "%lld min %lld s", s / 60, s % 60);
	else
		snprintf(out, SCHEDULE_TEXT, "%lld h %lld min", s / 3600,
		    s % 3600 / 60);
}

/* How long (ms) from server time at_ms on nothing may leave; 0: it may. */
static int64_t
closed_for(const struct span *span, int64_t at_ms)
{
	int64_t early = at_ms - EDGE_MS, late = at_ms + EDGE_MS;
	int64_t opens = span_opens(span, early);

	if (opens > early)
		return opens - early;
	opens = span_opens(span, late);
	return opens > late ? opens - late + 2 * EDGE_MS : 0;
}

static void
say_closed(const struct fetch *f, int64_t opens_ms, int64_t wait_ms)
{
	const struct schedule *s = f->schedule;
	char until[SPAN_TEXT], text[SCHEDULE_TEXT];

	span_show(&s->span.zone, opens_ms, until);
	schedule_duration(wait_ms, text);
	log_info("%s: it is not %s %s: waiting until %s, %s",
	    f->sources[0].name, s->opt.window,
	    budget_server_offset(f->budget) != 0 ? "by the server's clock"
						 : "by this host's clock",
	    until, text);
}

int64_t
schedule_gate(struct fetch *f, int64_t now_ms)
{
	struct schedule *s = f->schedule;
	int64_t at, wait;

	if (s == NULL || s->opt.window == NULL)
		return 0;
	at = schedule_now(f, now_ms);
	wait = closed_for(&s->span, at);
	if (wait == 0 && s->shut_ms != 0) {
		s->shut_for_ms += now_ms - s->shut_ms;
		s->shut_ms = 0;
		log_info("%s: it is %s: going on", f->sources[0].name,
		    s->opt.window);
	}
	if (wait == 0)
		return 0;
	if (s->shut_ms == 0) {
		s->shut_ms = now_ms;
		say_closed(f, at + wait - EDGE_MS, wait);
	}
	return now_ms + (wait < LOOK_MS ? wait : LOOK_MS);
}

int64_t
schedule_shut(const struct fetch *f, int64_t now_ms)
{
	const struct schedule *s = f->schedule;

	if (s == NULL)
		return 0;
	return s->shut_for_ms + (s->shut_ms != 0 ? now_ms - s->shut_ms : 0);
}

bool
schedule_spent(struct fetch *f, int in_flight)
{
	const struct schedule *s = f->schedule;

	if (s == NULL || s->opt.max_calls == 0 || s->sent < s->opt.max_calls)
		return false;
	if (in_flight > 0 || !f->out->kind->drained(f->out))
		return true;
	if (s->looking)
		fetch_fail(f, EXIT_USAGE,
		    "%s: --max-calls %lld: finding out what the run would cost "
		    "takes more calls than that; nothing was read",
		    f->sources[0].name, (long long)s->opt.max_calls);
	else
		fetch_fail(f, EXIT_TEMPORARY,
		    "%s: stopped after %lld calls, as --max-calls says; the "
		    "run is unfinished and can be resumed",
		    f->sources[0].name, (long long)s->sent);
	return true;
}

void
schedule_sent(struct fetch *f)
{
	if (f->schedule != NULL)
		f->schedule->sent++;
}

static int
place(const struct source *s, const struct entity *e)
{
	for (size_t i = 0; i < s->n_streams; i++)
		if (s->streams[i].entity == e)
			return (int)i;
	return 0;
}

/*
 * What is listed before it can be listed below: a list of parents comes
 * before what hangs below them.  With a deadline the most valuable stream
 * comes first, which is the order of the table in okta.c.
 */
int
schedule_rank(const struct fetch *f, const struct call_ask *ask)
{
	const struct stream *s = ask->stream;
	bool below = s != NULL && s->entity->parent != NULL &&
		     strcmp(ask->pattern, s->entity->list) == 0;

	if (s == NULL)
		return 0;
	if (f->schedule == NULL || f->schedule->due_ms == 0)
		return below;
	if (!below && s->entity->parent != NULL)
		s = source_stream(ask->source, s->entity->parent);
	return s != NULL ? place(ask->source, s->entity) : 0;
}
