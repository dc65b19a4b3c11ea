/*
 * summary.c - what people see at the end of fetch.
 *
 * Beside the flow: what each stream became, and what it cost.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "clock.h"
#include "fetch.h"

#define ROWS 32

static const char *
outcome(const struct stream *s)
{
	if (s->done)
		return "was complete already";
	if (s->skipped)
		return "SKIPPED, the token may not read it";
	if (s->complete)
		return "complete";
	return s->ended ? "INCOMPLETE" : "unfinished";
}

static const char *
plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

static void
print_stream(const struct source *s, const struct stream *t)
{
	char restarts[64] = "";

	if (!t->wanted)
		return;
	if (t->restarts > 0)
		snprintf(restarts, sizeof(restarts), ", %lld restart%s",
		    (long long)t->restarts, plural(t->restarts));
	log_info("%s: %s: %s, %s: %lld record%s in %lld page%s, "
		 "%lld call%s%s",
	    s->name, t->entity->name, outcome(t),
	    t->mode == MODE_DELTA ? "delta" : "full", (long long)t->n,
	    plural(t->n), (long long)t->pages, plural(t->pages),
	    (long long)t->calls, plural(t->calls), restarts);
}

static void
print_bucket(const struct budget_row *r)
{
	char limit[32] = "no limit seen";

	if (r->limit >= 0)
		snprintf(
		    limit, sizeof(limit), "limit %lld", (long long)r->limit);
	log_info("bucket %s: %lld call%s, %s, %lld x 429, %lld x too many at "
		 "once, waited %.1f s",
	    r->name, (long long)r->calls, plural(r->calls), limit,
	    (long long)r->limited, (long long)r->concurrency,
	    (double)r->waited_ms / 1000);
	if (r->foreign > 0)
		log_info("%lld requests/min by others on %s",
		    (long long)r->foreign, r->name);
}

void
summary_print(struct fetch *f)
{
	struct budget_row rows[ROWS];
	size_t n, warnings = 0;

	if (f->opt.quiet)
		return;
	for (size_t i = 0; i < f->n_sources; i++) {
		const struct source *s = &f->sources[i];

		for (size_t k = 0; k < s->n_streams; k++) {
			print_stream(s, &s->streams[k]);
			warnings += s->streams[k].n_warnings;
		}
	}
	n = budget_rows(f->budget, clock_ms(), rows, ROWS);
	for (size_t i = 0; i < n && i < ROWS; i++)
		if (rows[i].calls > 0)
			print_bucket(&rows[i]);
	log_info("%.1f s, %lld retries, %zu warnings",
	    (double)(clock_ms() - f->started_ms) / 1000, (long long)f->retries,
	    warnings);
}
