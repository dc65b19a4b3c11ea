#ifndef IDMESH_BUS_H
#define IDMESH_BUS_H

/*
 * bus.h - the ZeroMQ form of the transport: ROUTER that binds, DEALER that
 * connects, one frame a message.
 *
 * layer 2.  The only file besides loop.c that knows libzmq.  Committers bind,
 * producers and workers connect; a DEALER has exactly one peer.  Options and
 * their reasons: message(5), TRANSPORT.
 */

#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "why.h"

struct bus; /* one context a process */
struct bus_socket;

#define BUS_PEER_MAX 16

/* Who sent a frame to a ROUTER; copied by value. */
struct bus_peer {
	uint8_t len;
	uint8_t id[BUS_PEER_MAX];
};

struct bus *bus_new(void);
/* After all sockets are closed; frames sent may linger for 2 s. */
void bus_free(struct bus *b);

/*
 * ROUTER on an endpoint.  ipc://: the folder is made 0700 and the path is
 * held by a lock file, so that a second process cannot steal it.  tcp:// off
 * loopback is refused.  NULL with a reason.
 */
struct bus_socket *bus_bind(
    struct bus *b, const char *endpoint, struct why *why);
/* DEALER to an endpoint; the peer may come later. NULL with a reason. */
struct bus_socket *bus_connect(
    struct bus *b, const char *endpoint, struct why *why);
/* EXIT_USAGE where the reason is an endpoint that will never do. */
enum exit_code bus_code(const struct why *why);
void bus_close(struct bus_socket *s);
/* The libzmq socket, for loop_socket(). */
void *bus_raw(struct bus_socket *s);
const char *bus_endpoint(const struct bus_socket *s);

/*
 * Sends one frame without waiting; `to` is NULL on a DEALER.  0 when libzmq
 * took it, -1 with EAGAIN (full, or no peer yet) or EHOSTUNREACH (gone).
 * Taken is not delivered: only an ack counts.
 */
int bus_send(struct bus_socket *s, const struct bus_peer *to, const char *bytes,
    size_t len);

/*
 * Receives one frame without waiting.  1: *bytes (borrowed until the next
 * receive on s) and *from (may be NULL); 0: nothing there.  Multipart
 * frames are dropped and counted; who sends one over MSG_MAX is cut off.
 */
int bus_recv(struct bus_socket *s, struct bus_peer *from, const char **bytes,
    size_t *len);

/* "host:pid:random", the instance of this process; borrowed. */
const char *bus_instance(void);

#endif
