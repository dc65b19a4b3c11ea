#ifndef IDMESH_WAITING_H
#define IDMESH_WAITING_H

/*
 * waiting.h - says that a peer is not there.
 *
 * layer 1.  A program that starts before its neighbour, or outlives it, waits
 * in silence otherwise: fetch and transform for join, join for its sinks.
 */

#include <stdbool.h>
#include <stdint.h>

#define WAITING_FIRST_MS 3000 /* before it is said */
#define WAITING_AGAIN_MS 30000

/* One peer; all zero at the start. */
struct waiting {
	int64_t since_ms; /* when it was first missed, 0: it is there */
	int64_t said_ms; /* 0: not said */
};

/*
 * Called on every tick: logs "waiting for WHOM at ENDPOINT" when `absent`
 * lasts, and once that it is there again.
 */
void waiting_tick(struct waiting *w, bool absent, int64_t now_ms,
    const char *whom, const char *endpoint);

#endif
