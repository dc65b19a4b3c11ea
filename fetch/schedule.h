#ifndef IDMESH_FETCH_SCHEDULE_H
#define IDMESH_FETCH_SCHEDULE_H

/*
 * schedule.h - when the requests of a run may leave, how many, which first.
 *
 * command.c makes one from the options; call.c asks before each request;
 * forecast_run.c looks ahead before the first page.  The members are visible
 * to these.  A fetch without one (fetch test) may do what it likes.
 */

#include <stdbool.h>
#include <stdint.h>

#include "span.h"
#include "why.h"

struct call_ask;
struct fetch;
struct forecast;

/* As on the command line; borrowed. */
struct schedule_options {
	const char *window, *finish_by; /* or NULL */
	int64_t max_calls; /* 0: any number */
};

struct schedule {
	struct schedule_options opt;
	struct span span; /* of opt.window */
	int64_t due_ms; /* server's time; 0 without opt.finish_by */
	struct zone due_zone;
	int64_t sent; /* requests so far, every try */
	int64_t shut_ms; /* since when (monotonic) it waits for span, 0 */
	int64_t shut_for_ms; /* how long it did, in all */
	/*
	 * Called before the first page; false: not yet, streams_start() will
	 * be called again.  NULL when nothing is to be known before.
	 */
	bool (*before)(struct fetch *f);
	bool looking; /* ahead: nothing is read yet */
	struct forecast *forecast; /* owned by forecast_run.c */
};

/* Reads the options; -1 with why, which begins with the option's name. */
int schedule_open(
    struct schedule *s, const struct schedule_options *o, struct why *why);
/*
 * 0 when a request may leave now, else the monotonic time to ask again.
 * Says once how long that will be.
 */
int64_t schedule_gate(struct fetch *f, int64_t now_ms);
/* Time (ms) in which the gate was closed and that is nobody's fault. */
int64_t schedule_shut(const struct fetch *f, int64_t now_ms);
/*
 * Is one more request more than was allowed?  The run ends then, as soon as
 * nothing is out and all that came is safe.
 */
bool schedule_spent(struct fetch *f, int in_flight);
/* Counts a request. */
void schedule_sent(struct fetch *f);
/* Calls of a lower rank leave first. */
int schedule_rank(const struct fetch *f, const struct call_ask *ask);
/* Milliseconds since the epoch, as the server tells them if it has. */
int64_t schedule_now(const struct fetch *f, int64_t now_ms);

/* "2 h 5 min", "41 s" */
#define SCHEDULE_TEXT 48
void schedule_duration(int64_t ms, char out[SCHEDULE_TEXT]);

#endif
