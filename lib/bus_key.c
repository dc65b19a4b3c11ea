/*
 * bus_key.c - keys for the sockets of bus.c: CURVE on every tcp:// endpoint
 * once there is a key.
 *
 * A socket that binds asks zap.c who may come in; one that connects takes the
 * key of its peer from the same folder.  libzmq gives up for ever when a
 * handshake is refused, but a key may be added while we run: the monitor of a
 * connect tells, and it is done again.
 */

#include "bus_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "peers.h"
#include "secret.h"

#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93 /* known to libzmq before its header */
#endif

#define DEAD_MS 1000 /* libzmq would have tried again by itself by then */
#define ROLES_MAX 64
#define FAILURES 3 /* before it is worth a word */
#define RECONNECT_MS 250

void
bus_set_int(void *socket, int option, int value)
{
	/* Fails only for options that this libzmq does not have. */
	(void)zmq_setsockopt(socket, option, &value, sizeof(value));
}

int
bus_keys(struct bus *b, const char *key, const char *peers, struct why *why)
{
	if (key == NULL && peers == NULL)
		return 0;
	if (key == NULL || peers == NULL)
		return why_set(why, CODE_ENDPOINT, NULL,
		    "--key and --peers go together: the one says who we are, "
		    "the other whom we know");
	if (curve_read(key, &b->pair, why) < 0 ||
	    peers_count(peers, "", why) < 0)
		return -1;
	b->key = xstrdup(key);
	b->peers = xstrdup(peers);
	return 0;
}

/* "fetch,transform" */
static void
join_roles(const struct bus_client *clients, char roles[ROLES_MAX])
{
	size_t at = 0;

	roles[0] = '\0';
	for (const struct bus_client *c = clients; c->role != NULL; c++) {
		size_t len = strlen(c->role);

		if (at + len + 2 > ROLES_MAX)
			return;
		if (at > 0)
			roles[at++] = ',';
		memcpy(roles + at, c->role, len + 1);
		at += len;
	}
}

/* -1 for what this libzmq does not do. */
static int
set_key(struct bus_socket *s, int option, const char *key, struct why *why)
{
	if (zmq_setsockopt(s->socket, option, key, CURVE_TEXT - 1) == 0)
		return 0;
	return why_set(why, CODE_ENDPOINT, s->endpoint,
	    "%s: this libzmq takes no CURVE keys: %s", s->endpoint,
	    zmq_strerror(errno));
}

static int
serve_key(struct bus_socket *s, const char *endpoint, struct why *why)
{
	struct bus *b = s->bus;
	char roles[ROLES_MAX];
	int n;

	if (s->clients == NULL)
		return why_set(why, CODE_ENDPOINT, endpoint,
		    "%s: nobody has a role here; bind it without keys",
		    endpoint);
	join_roles(s->clients, roles);
	n = peers_count(b->peers, roles, why);
	if (n < 0)
		return -1;
	if (n == 0)
		log_warn("%s: nobody may connect yet: %s holds no key of %s",
		    endpoint, b->peers, roles);
	bus_set_int(s->socket, ZMQ_CURVE_SERVER, 1);
	bus_set_int(s->socket, ZMQ_ZAP_ENFORCE_DOMAIN, 1);
	/* Without a domain libzmq would ask nobody who may come in. */
	if (zmq_setsockopt(s->socket, ZMQ_ZAP_DOMAIN, roles, strlen(roles)) !=
	    0)
		return why_set(why, CODE_ENDPOINT, endpoint,
		    "%s: cannot ask for keys: %s", endpoint,
		    zmq_strerror(errno));
	return set_key(
	    s, ZMQ_CURVE_SECRETKEY, secret_value(b->pair.secret_key), why);
}

int
bus_key_bind(struct bus_socket *s, const char *endpoint, struct why *why)
{
	struct bus *b = s->bus;

	if (b->key != NULL && serve_key(s, endpoint, why) < 0)
		return -1;
	/* One door-keeper a context is all that libzmq knows. */
	if (b->zap == NULL)
		b->zap = zap_new(b->context, s->socket, endpoint, b->peers);
	return 0;
}

static void
open_monitor(struct bus_socket *s)
{
	static unsigned count;
	char *name = xasprintf("inproc://idmesh-connect-%u", ++count);

	s->monitor = zmq_socket(s->bus->context, ZMQ_PAIR);
	if (s->monitor == NULL ||
	    zmq_socket_monitor(s->socket, name, ZMQ_EVENT_ALL) != 0 ||
	    zmq_connect(s->monitor, name) != 0) {
		log_warn("%s is not watched (%s): a refused key will not be "
			 "told, and one that is put right is seen only when "
			 "this program is started again",
		    s->endpoint, zmq_strerror(errno));
		bus_key_close(s);
		s->monitor = NULL;
	}
	free(name);
}

int
bus_key_connect(struct bus_socket *s, const char *role, struct why *why)
{
	struct bus *b = s->bus;
	char theirs[CURVE_TEXT];

	open_monitor(s);
	if (b->key == NULL)
		return 0;
	/* libzmq starts anew at this pause after each refusal. */
	bus_set_int(s->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
	if (role == NULL)
		return why_set(why, CODE_ENDPOINT, s->endpoint,
		    "%s: nobody has a role there; connect without keys",
		    s->endpoint);
	if (peers_key(b->peers, role, s->endpoint, theirs, why) < 0 ||
	    set_key(s, ZMQ_CURVE_SERVERKEY, theirs, why) < 0 ||
	    set_key(s, ZMQ_CURVE_PUBLICKEY, b->pair.public_key, why) < 0)
		return -1;
	return set_key(
	    s, ZMQ_CURVE_SECRETKEY, secret_value(b->pair.secret_key), why);
}

static void
tell(struct bus_socket *s, int known)
{
	const struct bus *b = s->bus;

	/* One that fails may have been cut. */
	if (s->told || (!known && ++s->failures < FAILURES))
		return;
	s->told = 1;
	if (b->key == NULL)
		log_warn("%s: who listens there is no idmesh of this release, "
			 "or wants a key; see --key",
		    s->endpoint);
	else if (known)
		log_warn("%s turns our key away; copy %s" CURVE_PUBLIC
			 " into the folder of its peers (ours is %s)",
		    s->endpoint, b->key, b->pair.public_key);
	else
		log_warn("%s: who listens there has not the key that %s holds "
			 "for it, or is no idmesh",
		    s->endpoint, b->peers);
}

static void
hear(struct bus_socket *s, uint16_t event)
{
	switch (event) {
	case ZMQ_EVENT_DISCONNECTED:
		s->dead_ms = clock_ms();
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
	case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
	case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		tell(s, event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
		break;
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		s->told = s->failures = 0;
		s->dead_ms = 0;
		break;
	default:
		s->dead_ms = 0;
		break;
	}
}

void
bus_watch(struct bus_socket *s)
{
	uint16_t event;
	int32_t value;

	if (s->monitor == NULL)
		return;
	while (zap_event(s->monitor, &event, &value) > 0)
		hear(s, event);
	if (s->dead_ms == 0 || clock_ms() - s->dead_ms < DEAD_MS)
		return;
	s->dead_ms = 0;
	(void)zmq_disconnect(s->socket, s->endpoint);
	if (zmq_connect(s->socket, s->endpoint) != 0)
		log_warn("cannot connect %s again: %s", s->endpoint,
		    zmq_strerror(errno));
}

void
bus_key_close(struct bus_socket *s)
{
	if (s->monitor != NULL)
		zmq_close(s->monitor);
}
