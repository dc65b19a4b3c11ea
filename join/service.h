#ifndef IDMESH_JOIN_SERVICE_H
#define IDMESH_JOIN_SERVICE_H

/*
 * service.h - join between ZeroMQ sockets, and where they are.
 */

#include "join.h"
#include "opt.h"

struct join_ends {
	struct opt_list commit; /* where join listens */
	struct opt_list to; /* where sinks do */
	const char *key, *peers; /* CURVE, see bus.h; or NULL */
	int64_t drain_s; /* for which sinks are waited for at the end */
};

/* Runs until SIGTERM or SIGUSR1; returns the exit code. */
int join_service(struct join *j, const struct join_ends *e);

#endif
