/*
 * forecast_rounds.c - what to ask the org, round after round.
 *
 * The first page of each listing of users is read, for listings tell no
 * totals; the groups are all listed, for their members are calls of their
 * own and the group Everyone knows how many users there are.  A later round
 * asks what only then is known to be needed.  When nothing is left, the
 * answers are counted and timed.  Source: okta-api 1.3, 10.2.
 */

#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "forecast.h"
#include "mem.h"
#include "schedule.h"

#define ME "/api/v1/users/me"
#define EVER "1970-01-01T00:00:00.000Z"
#define WINDOW_MS 60000 /* okta-api 3.6 */

static void
round_first(struct forecast_facts *facts)
{
	const struct forecast *f = facts->forecast;

	for (size_t i = 0; i < f->n_runs; i++)
		for (size_t k = 0; k < f->runs[i].n; k++) {
			const struct forecast_item *it = &f->runs[i].items[k];

			if (it->facts != facts || it->done)
				continue;
			if (it->stream->entity->filtered)
				forecast_ask_users(it, facts);
			else
				forecast_ask_other(it, facts);
		}
	forecast_ask_groups(facts);
}

/* A refused expression means everybody; and who counts those? */
static void
round_everyone(struct forecast_facts *facts)
{
	const struct forecast_pass *plain = &facts->passes[PASS_PLAIN];
	bool count = plain->more;

	if (facts->passes[PASS_SCOPE].refused ||
	    facts->passes[PASS_DELTA].refused) {
		forecast_ask_everybody(facts);
		count = true;
	}
	if (count && forecast_everyone(facts) < 0)
		forecast_ask_everyone(facts);
}

static void
round_details(struct forecast_facts *facts)
{
	struct forecast_pass *p = facts->passes;
	const struct filter *filter = facts->source->filter;

	if (p[PASS_PLAIN].more && forecast_everyone(facts) < 0) {
		forecast_guess(facts, NULL, "created", EVER, &facts->users);
	} else if (p[PASS_PLAIN].more && p[PASS_GONE].more) {
		forecast_ask_keeps(facts);
	}
	if (p[PASS_SCOPE].more)
		forecast_guess(facts, filter_text(filter), "created", EVER,
		    &p[PASS_SCOPE].total);
	if (p[PASS_DELTA].more)
		forecast_guess(facts, NULL, "lastUpdated", p[PASS_DELTA].since,
		    &p[PASS_DELTA].total);
	forecast_sample_members(facts);
}

/* Who is deprovisioned and not in Everyone is counted by nobody. */
static void
round_gone(struct forecast_facts *facts)
{
	struct forecast_pass *gone = &facts->passes[PASS_GONE];

	forecast_guess_more(facts->forecast);
	if (gone->more &&
	    (!facts->passes[PASS_PLAIN].more || !facts->keeps_gone))
		forecast_guess(facts, facts->source->streams[0].entity->second,
		    "created", EVER, &gone->total);
}

static void
round_rest(struct forecast_facts *facts)
{
	forecast_guess_more(facts->forecast);
}

static bool
knows_window(const struct forecast *f)
{
	bool limited = false;

	for (size_t i = 0; i < f->n_windows; i++) {
		if (f->windows[i].length_ms > 0)
			return true;
		limited |= f->windows[i].limit > 0;
	}
	return !limited;
}

static void
on_me(void *arg, const struct call_result *r)
{
	(void)arg;
	(void)r;
}

/* A window that others opened does not tell its length; ask elsewhere. */
static void
round_window(struct forecast_facts *facts)
{
	struct forecast *f = facts->forecast;

	round_details(facts);
	if (facts == f->facts && !knows_window(f))
		forecast_ask(f, facts->source, xstrdup(ME), ME, on_me, NULL);
}

static const struct forecast_window *
window_of(const struct forecast *f, const char *name)
{
	for (size_t i = 0; i < f->n_windows; i++)
		if (strcmp(f->windows[i].name, name) == 0)
			return &f->windows[i];
	return NULL;
}

static int64_t
window_length(const struct forecast *f, const struct forecast_window *w)
{
	if (w->length_ms > 0)
		return w->length_ms;
	for (size_t i = 0; i < f->n_windows; i++)
		if (f->windows[i].length_ms > 0)
			return f->windows[i].length_ms;
	return WINDOW_MS;
}

static void
fill_bucket(const struct forecast *f, struct forecast_bucket *b)
{
	const struct forecast_window *w = window_of(f, b->name);
	const struct budget_limits limits = fetch_limits(f->fetch);
	int64_t now = clock_ms(), left;

	b->limit = w != NULL ? w->limit : -1;
	if (b->limit < 0)
		return;
	b->usable =
	    (int64_t)(limits.share * (double)b->limit + 1e-6) - limits.reserve;
	if (b->usable < 1)
		b->usable = 1;
	b->window_ms = window_length(f, w);
	left = w->remaining - limits.reserve;
	if (left > b->usable - w->ours)
		left = b->usable - w->ours;
	b->left = left > 0 ? left : 0;
	b->ends_ms = w->reset_s * 1000 - schedule_now(f->fetch, now);
	if (b->ends_ms < 0)
		b->ends_ms = 0;
}

static size_t
add_bucket(
    const struct forecast *f, struct forecast_run *run, const char *pattern)
{
	struct budget *b = f->fetch->budget;
	const char *name = budget_bucket(b, budget_class(b, "GET", pattern));
	struct forecast_bucket *k;

	for (size_t i = 0; i < run->n_buckets; i++)
		if (strcmp(run->buckets[i].name, name) == 0)
			return i;
	if (run->n_buckets == FORECAST_BUCKETS)
		return 0;
	k = &run->buckets[run->n_buckets];
	k->name = xstrdup(name);
	fill_bucket(f, k);
	return run->n_buckets++;
}

static void
finish_run(const struct forecast *f, struct forecast_run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		struct forecast_item *it = &run->items[i];

		it->bucket = add_bucket(f, run, it->stream->entity->list);
		forecast_count(it, run);
		run->calls += it->calls;
		run->low += it->low;
		if (it->high < 0)
			run->high = -1;
		else if (run->high >= 0)
			run->high += it->high;
	}
	forecast_time(run, f->fetch->in_flight_max);
}

void
forecast_round(struct forecast *f)
{
	static void (*const rounds[])(struct forecast_facts *) = { round_first,
		round_everyone, round_window, round_gone, round_rest };
	const int n = (int)(sizeof(rounds) / sizeof(rounds[0]));

	while (f->pending == 0 && f->phase < n) {
		for (size_t i = 0; i < f->fetch->n_sources; i++)
			rounds[f->phase](&f->facts[i]);
		f->phase++;
	}
	if (f->pending > 0)
		return;
	forecast_guess_end(f);
	for (size_t i = 0; i < f->n_runs; i++)
		finish_run(f, &f->runs[i]);
	f->done(f);
}
