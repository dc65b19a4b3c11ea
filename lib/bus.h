#ifndef IDMESH_BUS_H
#define IDMESH_BUS_H

/*
 * bus.h - the ZeroMQ form of the transport: ROUTER that binds, DEALER that
 * connects, one frame a message.
 *
 * layer 2.  Only bus*.c, zap.c, curve.c and loop.c know libzmq.  Committers
 * bind, producers and workers connect; a DEALER has exactly one peer.  Options
 * and their reasons: message(5), TRANSPORT.
 */

#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "msg.h"
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
 * CURVE keys for every tcp:// endpoint from now on: our own secret key, and
 * the folder of peers.h.  Both NULL: none, and tcp:// off loopback is
 * refused.  -1 with a reason.
 */
int bus_keys(
    struct bus *b, const char *key, const char *peers, struct why *why);

/* What a role may send to a socket that was bound for it. */
struct bus_client {
	const char *role; /* as a folder of peers; NULL ends a table */
	uint32_t kinds; /* BUS_KIND() of each */
};
#define BUS_KIND(kind) (UINT32_C(1) << (kind))

/*
 * ROUTER on an endpoint.  ipc://: the folder is made 0700 and the path is
 * held by a lock file, so that a second process cannot steal it.  `clients`
 * is borrowed for ever.  NULL with a reason.
 */
struct bus_socket *bus_bind_for(struct bus *b, const char *endpoint,
    const struct bus_client *clients, struct why *why);
/* The same for anybody who may send anything; it cannot have keys. */
struct bus_socket *bus_bind(
    struct bus *b, const char *endpoint, struct why *why);
/* One more tcp:// endpoint for a ROUTER; -1 with a reason. */
int bus_bind_too(struct bus_socket *s, const char *endpoint, struct why *why);

/*
 * DEALER to an endpoint where a `role` listens; the peer may come later.
 * NULL with a reason.
 */
struct bus_socket *bus_connect_to(
    struct bus *b, const char *endpoint, const char *role, struct why *why);
/* The same where nobody asks for keys. */
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

/* What was received last is not needed any more: its memory goes. */
void bus_done(struct bus_socket *s);

/*
 * Receives one message without waiting.  1: *m, which the caller frees, and
 * *from (may be NULL); 0: nothing there; -1: what was there is no message, or
 * not one that its sender may send: dropped, counted, and logged once for
 * each sender.
 */
int bus_message(struct bus_socket *s, struct bus_peer *from, struct msg *m);

/*
 * Hears how a connect fares: says why it is turned away, and does it again
 * when libzmq has given up.  To be called about each second.
 */
void bus_watch(struct bus_socket *s);

/* What came in and should not have. */
struct bus_counts {
	uint64_t dropped; /* frames that were no message, or not allowed */
	uint64_t refused; /* connections with an unknown key */
	uint64_t failed; /* connections that were none of ours */
};
struct bus_counts bus_counts(const struct bus_socket *s);

/* "host:pid:random", the instance of this process; borrowed. */
const char *bus_instance(void);

#endif
