#ifndef IDMESH_JOIN_LINK_H
#define IDMESH_JOIN_LINK_H

/*
 * link.h - one sink that a join service sends its changes to.
 *
 * Each has its own window and goes at its own pace; none waits for another.
 */

#include "bus.h"
#include "join.h"
#include "loop.h"

struct link;

/* What the service does when a sink says that another join took over. */
struct link_owner {
	struct join *join;
	struct loop *loop;
	void (*fenced)(void *arg, const char *endpoint, const char *why);
	void *arg;
};

/* Connects; NULL with a reason.  `owner` is borrowed for ever. */
struct link *link_open(const struct link_owner *owner, struct bus *bus,
    const char *endpoint, struct why *why);
void link_free(struct link *l);
/* Sends what there is and what the window takes. */
void link_pump(struct link *l);
/* Every 100 ms: hello, resending. */
void link_tick(struct link *l, int64_t now_ms);
/* The rules have changed. */
void link_schema(struct link *l);
/* Has it acknowledged everything? */
bool link_idle(const struct link *l);
/* Does it lack changes, at the end of the service?  Says so. */
bool link_behind(const struct link *l);
/* Grows with each word of the sink that it has come further. */
int64_t link_moves(const struct link *l);
/* Has it said where it stands? */
bool link_there(const struct link *l);
/* The last change it has, INT64_MAX when nobody is there. */
int64_t link_acked(const struct link *l);

#endif
