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
};

/* Runs until SIGTERM; returns the exit code. */
int join_service(struct join *j, const struct join_ends *e);

#endif
