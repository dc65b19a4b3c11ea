#ifndef IDMESH_BUDGET_PRIVATE_H
#define IDMESH_BUDGET_PRIVATE_H

/*
 * budget_private.h - what the budget_*.c files share.
 *
 * layer 1.  Five parts, each with its own state and its own file: the offset
 * of the server's clock (budget_offset.c), the limit on requests at once
 * (budget_flight.c), the counted buckets (budget_bucket.c), which request
 * is charged to which bucket (budget_class.c, budget_learn.c) and resource
 * units (budget_units.c).  budget.c puts
 * them behind the calls of budget.h.  "Local" is the caller's monotonic clock
 * in ms, "server" the epoch clock of the Date header in ms.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"

/*
 * Server minus local lies in [lo, hi].  A Date is cut to the second and was
 * written between sending and receiving, so each answer gives one such span.
 */
struct offset {
	bool known;
	int64_t lo;
	int64_t hi;
	int64_t at_ms; /* local time at which lo and hi held */
};

#define FLIGHT_RING 32
/* Buckets that may be told apart; a fetch uses five or so. */
#define APART_MAX 16

/* Requests at once, one limit a tenant (okta-api 3.4). */
struct flight {
	int max; /* never above this */
	int window; /* allowed now */
	int ssthresh; /* below it the window grows by one an answer */
	int ceiling; /* level last refused, 0 none */
	int now; /* in flight */
	int credit; /* answers since the window last grew */
	int streak; /* bursts of refusals without an answer between */
	int64_t shrunk_ms; /* of the last shrink; valid while ceiling > 0 */
	int64_t refused_ms; /* last refusal of all */
	int64_t hold_ms; /* nothing new before, 0 none */
	int64_t latency[FLIGHT_RING];
	size_t latencies; /* ever noted */
	int64_t median_ms;
	uint64_t seed;
};

/* One counter of the server, as far as its headers tell. */
struct bucket {
	char *name; /* owned */
	bool dead; /* merged into another */
	bool headerless; /* answers carry no counts: no limit known */
	int careful; /* answers still to be awaited one by one */
	int bare; /* good answers in a row without headers */
	int64_t blind; /* sent since the window ended, without a count */
	int64_t blind_ms; /* local time the first of them was over */

	int64_t limit; /* -1 unknown */
	int64_t remaining;
	int64_t reset_s; /* -1 unknown */
	int64_t seen_ms; /* local time this window was first seen */
	bool clocked; /* reset_s agrees with the server's clock */
	int64_t first_ms; /* local time our first answer of the window came */
	int64_t margin_ms;

	int64_t sent; /* ours charged to this window */
	int in_flight;
	int probes; /* in flight and to be awaited alone */

	int64_t held_ms; /* closed until then by an answer, 0 open */
	bool reprobe; /* go alone when held_ms is over */
	int strikes; /* 429s in a row */
	int64_t struck_ms; /* of the last one counted */

	int64_t foreign; /* by others since first_ms */
	int64_t foreign_base; /* by others before first_ms */
	int64_t foreign_last; /* in the last whole window, estimated */
	int64_t foreign_last_ms; /* from our first answer in it to its end */
	int64_t noted_ms; /* local time of the window's last count */
	int64_t length_ms; /* from first_ms to its end */
	int looks; /* in vain, whether they still do, one after another */

	int64_t told; /* answers that named this window's count */
	bool apart[APART_MAX]; /* buckets that are surely others */
	int twin; /* bucket that may be the same one, -1 none */
	int joint; /* observations that say so */
	int64_t twin_calls; /* its calls at the last observation */

	int64_t wanted_ms; /* closed and asked for since, -1 not */
	int64_t calls;
	int64_t limited;
	int64_t concurrency;
	int64_t waited_ms;
};

/* Resource units of a tenant (budget_units.c). */
struct units {
	double room; /* that ten seconds fill */
	double level; /* may be owed: below 0 */
	double pace; /* of the filling, at most 1 */
	int64_t at_ms; /* of the level; 0 before the first */
	int64_t slow_ms; /* the pace is kept down until then */
	uint64_t random;
};

/* A method and path template. */
struct class
{
	char *method; /* owned */
	char *path; /* owned */
	int bucket;
	int cost; /* units, as its last answer told */
	int64_t limit; /* of its last answer, -1 none */
	int64_t reset_s;
	uint64_t seen; /* number of that answer */
	int odd; /* answers that disagree with the bucket's others */
};

struct slot {
	bool used;
	bool probe;
	int class;
	int bucket;
	int cost; /* units that were taken */
	int64_t sent_ms;
	int64_t told[APART_MAX]; /* of each bucket when it was sent */
	int next_free;
};

struct budget {
	struct budget_limits limits;
	struct offset offset;
	struct flight flight;
	struct units units; /* when limits.units > 0 */
	struct bucket *buckets;
	size_t n_buckets;
	struct class *classes;
	size_t n_classes;
	struct slot *slots; /* limits.in_flight_max of them */
	int free_slot;
	uint64_t answers; /* numbered, to tell which came later */
};

/* budget_offset.c */
void offset_note(
    struct offset *o, int64_t sent_ms, int64_t now_ms, int64_t date_ms);
/* The latest local time at which the server's clock may show server_ms. */
int64_t offset_latest(const struct offset *o, int64_t server_ms);
/* The middle of the span, 0 while unknown. */
int64_t offset_middle(const struct offset *o);

/* budget_flight.c */
void flight_init(struct flight *f, int max, uint64_t seed);
/* May one more be sent? If not, *wake_ms is when to ask again at the latest. */
bool flight_allows(struct flight *f, int64_t now_ms, int64_t *wake_ms);
void flight_send(struct flight *f);
void flight_cancel(struct flight *f);
/* An answer, or a loss (ok false), of a request sent at sent_ms. */
void flight_settle(struct flight *f, int64_t sent_ms, int64_t now_ms, bool ok);
/* A 429 with limit 0 and remaining 0. */
void flight_refuse(struct flight *f, int64_t sent_ms, int64_t now_ms);
/* About one median latency from now. */
int64_t flight_soon(struct flight *f, int64_t now_ms);

/* budget_bucket.c */
void bucket_init(struct bucket *k, const char *name, bool unknown);
enum budget_verdict bucket_allows(const struct budget *b,
    const struct bucket *k, int64_t now_ms, int64_t *wake_ms);
void bucket_send(const struct budget *b, struct bucket *k, struct slot *slot,
    int64_t now_ms);
void bucket_cancel(struct bucket *k, const struct slot *slot);
void bucket_settle(const struct budget *b, struct bucket *k,
    const struct slot *slot, int64_t now_ms, const struct budget_answer *a);
/* Local time at which the window known to us is surely over. */
int64_t bucket_opens(const struct budget *b, const struct bucket *k);
bool bucket_counted(const struct budget_answer *a);

/* budget_foreign.c */
/* Before the first count of a window replaces the last window's; and after. */
void foreign_close(struct bucket *k);
void foreign_open(struct bucket *k, int64_t now_ms, int64_t opens_ms);
void foreign_note(struct bucket *k, int64_t now_ms);
/* Requests by others to be expected between our last count and until_ms. */
int64_t foreign_expected(const struct bucket *k, int64_t until_ms);
/* The same without the benefit of the doubt. */
int64_t foreign_feared(const struct bucket *k, int64_t until_ms);
/* What others took in the last whole window, as requests a minute. */
int64_t foreign_per_minute(const struct bucket *k);

/*
 * Requests out on buckets that may turn out to be this one (their lower
 * count goes into *remaining): until learned, they are charged here too.
 */
int learn_suspects(
    const struct budget *b, const struct bucket *k, int64_t *remaining);

/* budget_class.c: the bucket of the built-in table, NULL when unknown. */
const char *class_bucket(const char *method, const char *path);

/* budget_learn.c: called after bucket_settle() on a counted answer. */
void learn_answer(struct budget *b, const struct slot *slot, int64_t now_ms,
    const struct budget_answer *a);
/* Notes in a slot what every bucket had been told before it was sent. */
void learn_send(const struct budget *b, struct slot *slot);

/* budget_units.c */
int units_cost(const char *path);
void units_init(struct units *u, const struct budget_limits *limits);
/* May a request of that cost go? If not, *wake_ms is when to ask again. */
bool units_allow(struct units *u, int cost, int64_t now_ms, int64_t *wake_ms);
void units_take(struct units *u, int cost);
/* So much of the limit is used, in percent. */
void units_slow(struct units *u, int64_t percent, int64_t now_ms);
/* An answer is in: the next jitter is another one. */
void units_settle(struct units *u);
/* Evenly between 1 and the bound. */
int64_t units_jitter(const struct units *u, int64_t bound_ms);

/* budget.c */
int budget_add_bucket(struct budget *b, const char *name, bool unknown);

#endif
