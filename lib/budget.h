#ifndef IDMESH_BUDGET_H
#define IDMESH_BUDGET_H

/*
 * budget.h - how many requests may go out now, and when the next one may.
 *
 * layer 1.  The heart of fetch: one budget a tenant.  Pure: no clock, no
 * socket, no log; the caller passes monotonic milliseconds and events in, so
 * that thousands of invented worlds can test it.  Source: okta-api 3, DESIGN 4.
 *
 * A request goes through four calls:
 *
 *     class = budget_class(b, "GET", "/api/v1/groups/{id}/users");
 *     if (budget_reserve(b, class, now, &slot, &wake) == BUDGET_GO)
 *             send it;
 *     ... the answer is in, or was lost:
 *     budget_settle(b, slot, now, &answer);
 */

#include <stddef.h>
#include <stdint.h>

struct budget;

struct budget_limits {
	double share; /* of the observed limit we use, 0.8; (0, 1] */
	int reserve; /* requests of each window left untouched, 0 */
	int in_flight_max; /* requests at once, 8; 1..300 */
	uint64_t seed; /* of the jitter */
	int units; /* resource units of 10 s (entra 1.4); 0: not counted */
};

/* Must a caller wait, and for what? */
enum budget_verdict {
	BUDGET_GO, /* a slot is taken: send now */
	BUDGET_WAIT, /* the bucket is closed until *wake_ms */
	BUDGET_FLIGHT, /* too many in flight: ask again when one settles */
};

/* What came back; absent numbers are -1. */
struct budget_answer {
	int status; /* HTTP status, 0 when no answer came */
	int64_t limit; /* X-Rate-Limit-Limit */
	int64_t remaining; /* X-Rate-Limit-Remaining */
	int64_t reset_s; /* X-Rate-Limit-Reset, epoch seconds */
	int64_t date_ms; /* Date of the same answer, epoch ms */
	int64_t retry_after_ms; /* Retry-After made relative, whatever form */
};

/* What a 429 was, after budget_settle(). */
enum budget_outcome {
	BUDGET_OK, /* not a 429 */
	BUDGET_LIMITED, /* the bucket: closed until its reset */
	BUDGET_CONCURRENCY, /* limit 0, remaining 0: the window in flight shrank
			     */
};

/* For progress, metrics and the summary: one row a bucket. */
struct budget_row {
	const char *name; /* borrowed */
	int64_t limit; /* last observed, -1 unknown */
	int64_t remaining; /* as we believe it now */
	int64_t opens_ms; /* closed until then (monotonic), 0 open */
	int64_t calls; /* requests settled */
	int64_t limited; /* 429s of this bucket */
	int64_t concurrency; /* 429s with 0/0 on this bucket's requests */
	int64_t waited_ms; /* time in which it was closed and wanted */
	int64_t foreign; /* requests/min by others in the last whole window */
};

struct budget *budget_new(const struct budget_limits *limits);
void budget_free(struct budget *b);

/*
 * The request class of a method and path template (ids as {id}); adding an
 * unseen one starts it alone and careful.  The number stays valid for the
 * budget's life.
 */
int budget_class(struct budget *b, const char *method, const char *path);

/* Name of the bucket that the class is charged to now; borrowed. */
const char *budget_bucket(const struct budget *b, int class);

/*
 * Takes a slot for one request of the class.  On BUDGET_WAIT *wake_ms is the
 * monotonic time at which asking again may succeed; on BUDGET_FLIGHT it is a
 * time after which asking again is useful even if nothing settles.
 */
enum budget_verdict budget_reserve(
    struct budget *b, int class, int64_t now_ms, int *slot, int64_t *wake_ms);

/* Gives a reserved slot back unused (the request never left). */
void budget_cancel(struct budget *b, int slot, int64_t now_ms);

/*
 * Before budget_settle(), where units are counted: what the request cost, and
 * how many percent of the limit are used; -1 for what the answer does not say.
 */
void budget_spent(
    struct budget *b, int slot, int64_t now_ms, int64_t units, int64_t percent);

/* The answer of the slot's request, or its loss (status 0, all -1). */
enum budget_outcome budget_settle(struct budget *b, int slot, int64_t now_ms,
    const struct budget_answer *answer);

/* Server time minus local monotonic time, ms; 0 until a Date was seen. */
int64_t budget_server_offset(const struct budget *b);

size_t budget_rows(
    const struct budget *b, int64_t now_ms, struct budget_row *rows, size_t n);
int budget_in_flight(const struct budget *b);
/* Requests at once that AIMD allows now. */
int budget_window(const struct budget *b);

#endif
