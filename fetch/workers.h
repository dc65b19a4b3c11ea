#ifndef IDMESH_FETCH_WORKERS_H
#define IDMESH_FETCH_WORKERS_H

/*
 * workers.h - the transforms that take pages, and how many each can hold.
 *
 * out_bus.c tells what workers say and asks who gets the next page.  Credit
 * is absolute as of the pages a worker had received when it spoke; pages sent
 * since then are on their way.  Source: message(5), `ready`.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "opt.h"

#define WORKER_SILENT_MS 5000
#define WORKER_LOST_MS 2000 /* idle, and what was sent is not there */

struct workers;

struct worker {
	char *instance; /* owned */
	struct bus_peer peer;
	int64_t id; /* 2 and up: 1 is the committer */
	int64_t credit, seen, sent; /* as it said; as we count */
	int64_t credit_most; /* so much it has when it is idle */
	int64_t heard_ms, sent_ms;
	struct worker *next;
};

/* The socket that they connect to, at every endpoint; NULL with a reason. */
struct bus_socket *workers_bind(
    struct bus *b, const struct opt_list *endpoints, struct why *why);

struct workers *workers_new(void);
void workers_free(struct workers *w);
/*
 * A worker spoke; credit -1 when it said only that it lives.  Returns the id
 * under which it held pages that it has lost, by a new connection or on the
 * way, or 0.
 */
int64_t workers_heard(struct workers *w, const char *instance,
    const struct bus_peer *peer, int64_t credit, int64_t seen, int64_t now_ms);
/* Who has most room, or NULL. */
struct worker *workers_pick(struct workers *w);
/* A page was sent to it. */
void workers_sent(struct worker *k, int64_t now_ms);
/*
 * Is this worker still at the nth page that it was given?  One that holds its
 * answer back, because the committer does not take it, counts as done.
 */
bool workers_at(const struct workers *w, int64_t id, int64_t nth);
/* It left or cannot be reached; returns its id, 0 when it is unknown. */
int64_t workers_drop(struct workers *w, const char *instance);
/* One that has been silent too long is dropped; its id, 0 for none. */
int64_t workers_silent(struct workers *w, int64_t now_ms);
struct worker *workers_first(struct workers *w);

#endif
