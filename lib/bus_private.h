#ifndef IDMESH_BUS_PRIVATE_H
#define IDMESH_BUS_PRIVATE_H

/*
 * bus_private.h - what bus*.c share, and nobody else.
 *
 * layer 2.  bus.c owns sockets and frames, bus_key.c what CURVE asks of
 * them, bus_drop.c counts and names what came in and should not have.
 */

#include <zmq.h>

#include "bus.h"
#include "curve.h"
#include "zap.h"

#define BUS_NAMED 32 /* senders that are named in the log; then no more */
#define CODE_ENDPOINT "E_ENDPOINT"

struct bus {
	void *context; /* owned */
	struct curve_pair pair; /* secret_key NULL: no keys */
	char *key, *peers; /* owned: where they are; NULL: no keys */
	struct zap *zap; /* owned; of the socket that is bound to tcp */
};

struct bus_socket {
	struct bus *bus; /* borrowed */
	void *socket; /* owned */
	char *endpoint; /* owned */
	int lock_fd; /* of an ipc bind, else -1 */
	int router;
	const struct bus_client *clients; /* borrowed; NULL: anybody */
	zmq_msg_t frame; /* the last one received */
	int has_frame;
	uint64_t dropped; /* frames that were no message */
	char *named[BUS_NAMED]; /* owned: senders of such, in the log */
	size_t n_named;
	void *monitor; /* owned; of a tcp connect, else NULL */
	int64_t dead_ms; /* since when libzmq has given up, 0: it has not */
	int failures; /* handshakes, one after the other */
	int told; /* that they fail */
};

int bus_is_tcp(const char *endpoint);

/* bus_key.c: sets an option; a libzmq without it goes on. */
void bus_set_int(void *socket, int option, int value);
/* Before a bind or connect: keys, or none; -1 with a reason. */
int bus_key_bind(struct bus_socket *s, const char *endpoint, struct why *why);
int bus_key_connect(struct bus_socket *s, const char *role, struct why *why);
void bus_key_close(struct bus_socket *s);

/* bus_drop.c: the last frame is not taken. */
void bus_drop(struct bus_socket *s, const struct why *why);
/* At the end of a socket. */
void bus_drop_report(struct bus_socket *s);

#endif
