#ifndef IDMESH_FETCH_FORECAST_H
#define IDMESH_FETCH_FORECAST_H

/*
 * forecast.h - what a run will cost: calls, and time within the limits.
 *
 * forecast_rounds.c asks the org a handful of questions, with the help of
 * _users, _groups and _guess; forecast_count.c makes calls of the answers,
 * forecast_time.c lets the calls run against the limits, forecast_print.c
 * shows it.  forecast.c is the command, forecast_run.c what --max-calls and
 * --finish-by make of it.
 * Source: okta-api 1.3, 2.1, 3, 10.2.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "clock.h"
#include "fetch.h"

/* How a number came about. */
enum sure {
	SURE_EXACT, /* all of it was listed */
	SURE_COUNTED, /* the org counts it, perhaps a little late */
	SURE_ESTIMATE, /* from some samples */
	SURE_AT_LEAST, /* there is more, nobody knows how much */
};

struct amount {
	int64_t n;
	enum sure sure;
};

struct forecast_group {
	char *id; /* owned */
	int64_t members; /* as the org says; -1 unknown */
	int64_t updated_ms, moved_ms; /* the group itself, its members */
	bool built_in;
	bool out; /* of scope: its members are not asked for */
};

enum pass_kind { PASS_PLAIN, PASS_GONE, PASS_SCOPE, PASS_DELTA, PASSES };

/* What it takes to list one kind of thing. */
struct forecast_pace {
	int64_t ms, rows; /* of a full page, and of one with few rows */
	int64_t few_ms, few_rows;
	int64_t page; /* rows of a full page, as the server has it */
};

/* A listing, of which the first page was read, or some. */
struct forecast_pass {
	struct forecast_facts *facts; /* that it is part of */
	bool asked, denied;
	bool refused; /* the expression was */
	bool more; /* there is another page */
	int pages, pages_max;
	int64_t rows; /* that were read */
	char id[64]; /* of one of its users */
	struct amount total; /* where there is more; n <= 0: not known */
	const char *since; /* of PASS_DELTA; borrowed */
	const char *list; /* path of the listing; borrowed */
	struct forecast_pace *pace; /* what its pages teach */
};

struct forecast_facts {
	struct forecast *forecast;
	const struct source *source;
	struct forecast_pass passes[PASSES];
	struct amount users; /* all, where only a guess tells; n -1 */
	int64_t everyone; /* members of Everyone, asked for alone; -1 */
	bool keeps_gone; /* Everyone holds the deprovisioned, too */
	struct forecast_group *groups; /* owned array */
	size_t n_groups, cap_groups;
	bool groups_denied, members_denied;
	bool scoped; /* some groups are out of scope */
	struct forecast_pace user, group, member;
	/* Of entities that are neither users, groups nor members: by stream. */
	struct forecast_pass others[STREAMS_MAX];
	struct forecast_pace other[STREAMS_MAX];
};

/* One stream of one run. */
struct forecast_item {
	const struct stream *stream;
	struct forecast_facts *facts; /* borrowed */
	enum mode mode;
	char since[CLOCK_TEXT]; /* of a delta */
	bool first_import, done;
	yyjson_doc *state; /* owned */
	yyjson_val *resume; /* of state: where it goes on, or NULL */
	/* Found by forecast_count.c: */
	int64_t calls, low, high; /* high -1: nobody knows */
	struct amount records;
	int64_t lists; /* calls that list parents before the others */
	int64_t latency_ms;
	bool denied;
	/* Found by forecast_time.c: */
	size_t bucket;
	int64_t ms; /* when it ends, from the start of the run */
};

struct forecast_bucket {
	char *name; /* owned */
	int64_t limit; /* as observed; -1 none seen */
	int64_t usable; /* of ours in a window; 0: any number */
	int64_t window_ms;
	int64_t left, ends_ms; /* of a window that is open already, or 0 */
	int64_t calls, ms; /* found: how many, and when the last one is in */
};

#define FORECAST_ITEMS 128 /* sources times streams */
#define FORECAST_BUCKETS 8

struct forecast_run {
	const char *name; /* "full", "delta", "run" */
	struct forecast_item items[FORECAST_ITEMS];
	size_t n;
	struct forecast_bucket buckets[FORECAST_BUCKETS];
	size_t n_buckets;
	bool now; /* begins at once, in windows that are open already */
	int64_t calls, low, high, ms; /* of all */
};

/* What the answers said about one bucket. */
struct forecast_window {
	char *name; /* owned */
	int64_t length_ms; /* of a window that we opened ourselves, or 0 */
	int64_t limit, remaining, reset_s;
	int64_t ours; /* calls in this window */
};

struct call_result;
struct forecast_guess;
struct question;

struct forecast {
	struct fetch *fetch;
	struct forecast_run runs[2];
	size_t n_runs;
	struct forecast_facts *facts; /* owned array: one a source */
	struct forecast_window windows[FORECAST_BUCKETS];
	size_t n_windows;
	struct forecast_guess *guesses; /* owned list */
	struct question *questions; /* owned list; those not answered */
	int asked, pending, phase;
	void (*done)(struct forecast *f);
};

/*
 * forecast_ask.c: new, runs and their items, then the first round.  What goes
 * wrong later is said by fetch_fail().
 */
struct forecast *forecast_new(struct fetch *f, void (*done)(struct forecast *));
/* Every wanted stream as it stands; the caller changes what differs. */
struct forecast_run *forecast_add(struct forecast *f, const char *name);
/* Asks the next round of questions, or counts and calls done. */
void forecast_round(struct forecast *f);
void forecast_free(struct forecast *f);

/*
 * forecast_count.c: pure.  The pass of an entity of which every run lists
 * everything, NULL for users, groups and members.
 */
struct forecast_pass *forecast_other(
    struct forecast_facts *facts, const struct stream *s);
void forecast_count(struct forecast_item *it, const struct forecast_run *run);
/* Are this item's parents what its parent's stream lists anyway? */
bool forecast_fed(
    const struct forecast_item *it, const struct forecast_run *run);
/* Is this group's member list asked for? */
bool forecast_lists(
    const struct forecast_item *it, const struct forecast_group *g);
/* Members of the group that holds every user, -1 where it is not seen. */
int64_t forecast_everyone(const struct forecast_facts *facts);

/* Rows between two instants, by order of time. */
struct forecast_sample {
	bool ok, more;
	int64_t from_ms, to_ms, rows;
};
/*
 * How many rows there are: s[0] is the first page, s[1] the last one, the
 * others lie between them, in order of time.
 */
struct amount forecast_estimate(const struct forecast_sample *s, size_t n);

/* forecast_time.c: fills the times of items, buckets and run. Pure. */
void forecast_time(struct forecast_run *run, int in_flight_max);

/*
 * forecast_guess.c: a number of users that nobody tells, by samples of those
 * that the expression (or NULL) lets through and whose attribute, a time, is
 * after `since`.  Strings but the expression are borrowed.  forecast_guess()
 * asks; forecast_guess_more() asks on where that is answered, and
 * forecast_guess_end() fills every *out.
 */
void forecast_guess(struct forecast_facts *facts, const char *expression,
    const char *attribute, const char *since, struct amount *out);
void forecast_guess_more(struct forecast *f);
void forecast_guess_end(struct forecast *f);
void forecast_guesses_free(struct forecast *f);

/* forecast_ask.c: one question; path is taken. */
typedef void forecast_answer(void *arg, const struct call_result *r);
void forecast_ask(struct forecast *f, const struct source *s, char *path,
    const char *pattern, forecast_answer *fn, void *arg);
/* Path of a list with a bound, and an expression where value is not NULL. */
char *forecast_path(
    const char *list, int64_t limit, const char *name, const char *value);
/* The expression with the time in place of @. */
char *forecast_expression(const char *expression, const char *since);
/* Path of the page behind this one, or NULL. */
char *forecast_next(const struct call_result *r);
/* Notes how long a page took and how many rows it had. */
void forecast_pace(
    struct forecast_pace *p, const struct call_result *r, bool more);

/* forecast_users.c: what the item needs; both parts of a list of everyone. */
void forecast_ask_users(
    const struct forecast_item *it, struct forecast_facts *facts);
void forecast_ask_everybody(struct forecast_facts *facts);
/* The whole listing of an entity of which nothing else is known. */
void forecast_ask_other(
    const struct forecast_item *it, struct forecast_facts *facts);

/* forecast_groups.c: what all items need, or the group Everyone alone. */
void forecast_ask_groups(struct forecast_facts *facts);
void forecast_ask_everyone(struct forecast_facts *facts);
/* Whether that group keeps those who are deprovisioned. */
void forecast_ask_keeps(struct forecast_facts *facts);
/* How long a list of members takes: the longest one, and a usual one. */
void forecast_sample_members(struct forecast_facts *facts);

/* forecast_print.c */
void forecast_print(const struct forecast *f, bool json);
const char *forecast_sure(enum sure sure);

/* forecast_run.c: the hook `before` of the schedule. */
bool forecast_before(struct fetch *f);

/*
 * command.c: what fetch and its forecast have in common.  Open reads what is
 * configured, connect takes the lock and the secrets; both exit when wrong.
 */
void fetch_check_streams(const struct opt_use *use, const char *list);
void fetch_open(struct fetch *f, int n, char **paths);
void fetch_connect(struct fetch *f);
void fetch_close(struct fetch *f);
struct budget_limits fetch_limits(const struct fetch *f);

int command_forecast(int argc, char *argv[]);

#endif
