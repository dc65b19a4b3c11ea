#ifndef IDMESH_ZAP_H
#define IDMESH_ZAP_H

/*
 * zap.h - the door-keeper of CURVE sockets: whose key may come in.
 *
 * layer 1.  libzmq asks for each connection to a socket of the same context
 * that has a ZAP domain (rfc.zeromq.org/spec/27).  Our domains are the roles
 * that a socket takes, such as "fetch,transform"; who is let in gets its
 * ROLE/NAME as User-Id, which travels with each of its messages.
 */

struct zap;

/*
 * Starts a thread that answers by the folder of peers.h.  `context` is
 * libzmq's, `peers` is copied.  Dies when there is no thread to have.
 */
struct zap *zap_new(void *context, const char *peers);
/* After zmq_ctx_term() of its context, which ends the thread. */
void zap_free(struct zap *z);

#endif
