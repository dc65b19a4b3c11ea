#ifndef IDMESH_FETCH_REPORT_H
#define IDMESH_FETCH_REPORT_H

/*
 * report.h - sums over a request log, for each endpoint.
 *
 * report.c reads the log into them, report_table.c prints them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

#define REPORT_ENDPOINTS 128
/* Longer latencies count as this; no request of fetch may take so long. */
#define REPORT_LATENCY_MS 131072

/* One method and path template. */
struct endpoint {
	char *method, *path; /* owned */
	int64_t calls; /* tries, each a request that was sent */
	int64_t ok; /* 2xx */
	int64_t limited; /* 429 of a bucket */
	int64_t concurrency; /* 429 because of too many at once */
	int64_t errors; /* everything else, no answer included */
	int64_t waited_ms; /* of all calls, added up */
	int64_t answered; /* calls in the histogram */
	uint32_t *latency; /* owned; how many answers took so many ms */
	size_t latency_len;
};

struct report {
	struct endpoint endpoints[REPORT_ENDPOINTS];
	size_t n;
	struct endpoint rest; /* what found no room */
	int64_t files, lines, ignored; /* lines that are no request */
	char from[CLOCK_TEXT], to[CLOCK_TEXT]; /* first and last time */
};

/* Prints to standard output; sorts the endpoints. */
void report_print(struct report *r, bool json);
/* Frees what an endpoint owns. */
void endpoint_clear(struct endpoint *e);
/* Latency that `percent` of the answers did not exceed, ms; -1 without any. */
int64_t endpoint_percentile(const struct endpoint *e, int percent);

#endif
