/*
 * forecast_run.c - the forecast before a run: may it begin, will it be in?
 *
 * Called by streams_start() through the schedule, before the first page.
 * --max-calls refuses a run that costs more; --finish-by says which streams
 * will be there by then.
 */

#include <stdio.h>

#include "clock.h"
#include "forecast.h"
#include "schedule.h"
#include "stream.h"

static const char *
sure_of(const struct forecast_run *run)
{
	enum sure worst = SURE_EXACT;

	for (size_t i = 0; i < run->n; i++)
		if (run->items[i].calls > 0 &&
		    run->items[i].records.sure > worst)
			worst = run->items[i].records.sure;
	return forecast_sure(worst);
}

/* "User 252, Group 10" */
static void
put_streams(const struct forecast_run *run, struct buf *b)
{
	for (size_t i = 0; i < run->n; i++)
		buf_fmt(b, "%s%s %lld", i > 0 ? ", " : "",
		    run->items[i].stream->entity->name,
		    (long long)run->items[i].calls);
}

/* Is the run within --max-calls?  Those for the forecast count too. */
static bool
affordable(struct fetch *f, const struct forecast_run *run)
{
	const struct schedule *s = f->schedule;
	int64_t calls = run->calls + s->sent;
	struct buf streams = { 0 };

	if (s->opt.max_calls == 0 || calls <= s->opt.max_calls)
		return true;
	put_streams(run, &streams);
	fetch_fail(f, EXIT_USAGE,
	    "%s: this run would cost %lld calls (%s; %s), and %lld went into "
	    "finding that out: more than --max-calls %lld, so nothing was "
	    "read.  Allow more, read fewer streams with --streams, or make it "
	    "a delta",
	    f->sources[0].name, (long long)run->calls, streams.data,
	    sure_of(run), (long long)s->sent, (long long)s->opt.max_calls);
	buf_free(&streams);
	return false;
}

static void
say_stream(const struct fetch *f, const struct forecast_item *it, int64_t now)
{
	const struct schedule *s = f->schedule;
	int64_t at = now + it->ms;
	char by[SPAN_TEXT], due[SPAN_TEXT], late[SCHEDULE_TEXT];

	if (s->opt.window != NULL)
		at = span_after(&s->span, now, it->ms);
	span_show(&s->due_zone, at, by);
	span_show(&s->due_zone, s->due_ms, due);
	if (at <= s->due_ms) {
		if (!f->opt.quiet)
			log_info("%s: %s will be in by %s, in time for %s (%s)",
			    it->stream->source->name, it->stream->entity->name,
			    by, due, forecast_sure(it->records.sure));
		return;
	}
	schedule_duration(at - s->due_ms, late);
	log_warn("%s: %s will NOT be in by %s but by %s, %s late (%s); begin "
		 "earlier, allow a larger RateLimitShare, or leave it out "
		 "with --streams",
	    it->stream->source->name, it->stream->entity->name, due, by, late,
	    forecast_sure(it->records.sure));
}

static void
on_forecast(struct forecast *forecast)
{
	struct fetch *f = forecast->fetch;
	struct schedule *s = f->schedule;
	const struct forecast_run *run = &forecast->runs[0];
	int64_t now = schedule_now(f, clock_ms());

	s->looking = false;
	if (!affordable(f, run))
		return;
	if (s->opt.max_calls > 0 && !f->opt.quiet)
		log_info("%s: this run costs about %lld calls (%s), of %lld "
			 "allowed",
		    f->sources[0].name, (long long)(run->calls + s->sent),
		    sure_of(run), (long long)s->opt.max_calls);
	for (size_t i = 0; s->due_ms != 0 && i < run->n; i++)
		if (!run->items[i].done)
			say_stream(f, &run->items[i], now);
	s->before = NULL;
	streams_start(f);
}

bool
forecast_before(struct fetch *f)
{
	struct schedule *s = f->schedule;
	struct forecast_run *run;

	for (size_t i = 0; i < f->n_sources; i++)
		if (!f->sources[i].positioned)
			return false;
	if (s->forecast != NULL)
		return false;
	s->looking = true;
	s->forecast = forecast_new(f, on_forecast);
	run = forecast_add(s->forecast, "run");
	run->now = true;
	forecast_round(s->forecast);
	return s->before == NULL;
}
