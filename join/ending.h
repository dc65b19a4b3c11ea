#ifndef IDMESH_JOIN_ENDING_H
#define IDMESH_JOIN_ENDING_H

/*
 * ending.h - how long a service that was asked to end goes on.
 */

#include "link.h"

struct ending {
	int64_t since_ms; /* asked, or last gone on while it finishes; 0: no */
	int64_t drain_ms; /* for which sinks are waited for */
	bool finishing; /* until all is done */
	int64_t mark; /* grows with what is made and acknowledged */
};

enum ending_step { ENDING_ON, ENDING_BEGIN, ENDING_NOW };

/*
 * SIGTERM or SIGINT: what is on its way is to be written within drain_ms, a
 * second one ends at once.  SIGUSR1: everything is.  What to do about it.
 */
enum ending_step ending_ask(struct ending *e, int signal, int64_t now_ms);
/* To be asked often from then on: has it all, or its time? */
bool ending_due(struct ending *e, const struct join *j,
    struct link *const *links, size_t n, int64_t now_ms);
/* Says what is left; 111 if anything is, 1 for a stopped plan, 0. */
int ending_code(const struct join *j, struct link *const *links, size_t n);

#endif
