#ifndef IDMESH_ZAP_H
#define IDMESH_ZAP_H

/*
 * zap.h - the door-keeper of a tcp:// socket: whose key may come in.
 *
 * layer 1.  libzmq asks for each CURVE connection to a socket of the same
 * context that has a ZAP domain (rfc.zeromq.org/spec/27).  Our domains are
 * the roles that a socket takes, such as "fetch,transform"; who is let in
 * gets its ROLE/NAME as User-Id, which travels with each of its messages.
 */

#include <stdint.h>

struct zap;

/*
 * Starts a thread that answers by the folder of peers.h and counts the
 * connections to `socket` that come to nothing.  Call it before the socket
 * is bound, once a context; peers NULL: no keys, it only counts.  `context`
 * and `socket` are libzmq's, the strings are copied.  Dies when there is no
 * thread to have.
 */
struct zap *zap_new(
    void *context, void *socket, const char *endpoint, const char *peers);
/* After zmq_ctx_term() of its context, which ends the thread. */
void zap_free(struct zap *z);

/* As it was given; borrowed. */
const char *zap_endpoint(const struct zap *z);
/* Connections with a key that may not come in. */
uint64_t zap_refused(const struct zap *z);
/* Connections that did not get as far as showing a key. */
uint64_t zap_failed(const struct zap *z);

/* An address as people know it: 10.0.0.2, not ::ffff:10.0.0.2; may be NULL. */
const char *zap_address(const char *address);

/* One event of zmq_socket_monitor(); 0 when nothing is there, -1: closed. */
int zap_event(void *monitor, uint16_t *event, int32_t *value);

#endif
