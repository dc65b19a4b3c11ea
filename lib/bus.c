/*
 * bus.c - the ZeroMQ form of the transport.
 *
 * ROUTER binds, DEALER connects, one frame a message.  Every option is set
 * here, with its reason; see message(5), TRANSPORT.  Owns the context, the
 * sockets and the lock files of ipc endpoints.
 */

#include "bus_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "log.h"
#include "mem.h"
#include "msg.h"
#include "tally.h"

#define QUEUE_FRAMES 64 /* above every credit and window: never reached */
#define RECONNECT_MS 20 /* the first pause, doubled each time */
#define RECONNECT_MAX_MS 2000
#define HEARTBEAT_MS 2000
#define HEARTBEAT_LOST_MS 6000
#define HANDSHAKE_MS 5000
/*
 * libzmq cuts off who sends more than this.  It is above MSG_MAX, so that a
 * message that is somewhat too large is dropped with the name of its sender
 * instead, and CURVE has room for its own bytes.
 */
#define FRAME_MAX (2 * (int64_t)MSG_MAX)

struct bus *
bus_new(void)
{
	struct bus *b = xcalloc(1, sizeof(*b));

	b->context = zmq_ctx_new();
	if (b->context == NULL)
		die(EXIT_TEMPORARY, "ZeroMQ: %s", zmq_strerror(errno));
	zmq_ctx_set(b->context, ZMQ_BLOCKY, 0);
	zmq_ctx_set(b->context, ZMQ_IPV6, 1);
	tally_open();
	return b;
}

void
bus_free(struct bus *b)
{
	if (b == NULL)
		return;
	zmq_ctx_term(b->context);
	zap_free(b->zap);
	curve_forget(&b->pair);
	free(b->key);
	free(b->peers);
	free(b);
}

int
bus_is_tcp(const char *endpoint)
{
	return strncmp(endpoint, "tcp://", 6) == 0;
}

/* They count for the next bind or connect. */
static void
set_tcp(struct bus_socket *s, int tcp)
{
	int beat = tcp ? HEARTBEAT_MS : 0, lost = tcp ? HEARTBEAT_LOST_MS : 0;

	/* A connection that was cut without a word is found out. */
	bus_set_int(s->socket, ZMQ_HEARTBEAT_IVL, beat);
	bus_set_int(s->socket, ZMQ_HEARTBEAT_TIMEOUT, lost);
	bus_set_int(s->socket, ZMQ_HEARTBEAT_TTL, lost);
	bus_set_int(s->socket, ZMQ_CONNECT_TIMEOUT, tcp ? HANDSHAKE_MS : 0);
	bus_set_int(s->socket, ZMQ_TCP_KEEPALIVE, tcp ? 1 : -1);
}

static void
set_options(struct bus_socket *s)
{
	int64_t max = FRAME_MAX;

	bus_set_int(s->socket, ZMQ_SNDHWM, QUEUE_FRAMES);
	bus_set_int(s->socket, ZMQ_RCVHWM, QUEUE_FRAMES);
	bus_set_int(s->socket, ZMQ_LINGER, HEARTBEAT_MS);
	bus_set_int(s->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
	bus_set_int(s->socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
	bus_set_int(s->socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
	zmq_setsockopt(s->socket, ZMQ_MAXMSGSIZE, &max, sizeof(max));
	if (s->router)
		/* An unroutable frame is an error, not a silent drop. */
		bus_set_int(s->socket, ZMQ_ROUTER_MANDATORY, 1);
	else
		/* No queue to a peer that is not there. */
		bus_set_int(s->socket, ZMQ_IMMEDIATE, 1);
}

static struct bus_socket *
open_socket(struct bus *b, const char *endpoint, int type, struct why *why)
{
	struct bus_socket *s;
	void *socket = zmq_socket(b->context, type);

	if (socket == NULL) {
		why_set(
		    why, "E_BUS", endpoint, "ZeroMQ: %s", zmq_strerror(errno));
		return NULL;
	}
	s = xcalloc(1, sizeof(*s));
	s->bus = b;
	s->socket = socket;
	s->endpoint = xstrdup(endpoint);
	s->lock_fd = -1;
	s->router = type == ZMQ_ROUTER;
	set_options(s);
	return s;
}

/* The folder of an ipc path, made if it is missing, for this user alone. */
static int
make_folder(const char *path, struct why *why)
{
	char *folder = folder_of(path);
	int rc = 0;

	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		rc = why_set(why, "E_BUS", path, "cannot make folder %s: %s",
		    folder, strerror(errno));
	free(folder);
	return rc;
}

/*
 * A second bind on an ipc path succeeds and steals it (libzmq unlinks the
 * path first), so the path is held by a lock beside it.
 */
static int
lock_path(struct bus_socket *s, const char *path, struct why *why)
{
	char *lock;

	if (*path == '@')
		return 0;
	if (make_folder(path, why) < 0)
		return -1;
	lock = xasprintf("%s.lock", path);
	s->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(lock);
	if (s->lock_fd < 0)
		return why_set(why, "E_BUS", path, "cannot lock %s.lock: %s",
		    path, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return why_set(why, "E_BUS", path,
		    "%s is held by another process; stop it or use another "
		    "endpoint",
		    path);
	return 0;
}

/*
 * A name that begins with 127. may be anybody's, an address may not; what is
 * before a ; is only where a connection comes from.
 */
static int
is_loopback(const char *host)
{
	size_t address = strspn(host, "0123456789.");

	if (strchr(host, ';') != NULL)
		return 0;
	return (strncmp(host, "127.", 4) == 0 && host[address] == ':') ||
	       strncmp(host, "[::1]:", 6) == 0 ||
	       strncmp(host, "localhost:", 10) == 0;
}

static int
check_endpoint(
    const struct bus_socket *s, const char *endpoint, struct why *why)
{
	if (strncmp(endpoint, "ipc://", 6) == 0)
		return 0;
	if (!bus_is_tcp(endpoint))
		return why_set(why, CODE_ENDPOINT, endpoint,
		    "\"%s\" is no endpoint; use ipc:///path, "
		    "tcp://127.0.0.1:port or tcp://host:port with keys",
		    endpoint);
	if (s->bus->key == NULL && !is_loopback(endpoint + 6))
		return why_set(why, CODE_ENDPOINT, endpoint,
		    "%s is not on this machine alone and needs keys: make one "
		    "with 'idmesh keygen' and give --key and --peers; "
		    "message(5), BETWEEN HOSTS, shows how",
		    endpoint);
	return 0;
}

static int
bind_one(struct bus_socket *s, const char *endpoint, struct why *why)
{
	mode_t mask;
	int rc;

	if (check_endpoint(s, endpoint, why) < 0)
		return -1;
	set_tcp(s, bus_is_tcp(endpoint));
	if (bus_is_tcp(endpoint) ? bus_key_bind(s, endpoint, why) < 0
				 : lock_path(s, endpoint + 6, why) < 0)
		return -1;
	mask = umask(0077);
	rc = zmq_bind(s->socket, endpoint);
	umask(mask);
	if (rc == 0)
		return 0;
	return why_set(why, "E_BUS", endpoint, "cannot bind %s: %s", endpoint,
	    zmq_strerror(errno));
}

struct bus_socket *
bus_bind_for(struct bus *b, const char *endpoint,
    const struct bus_client *clients, struct why *why)
{
	struct bus_socket *s = open_socket(b, endpoint, ZMQ_ROUTER, why);

	if (s == NULL)
		return NULL;
	s->clients = clients;
	if (bind_one(s, endpoint, why) == 0)
		return s;
	bus_close(s);
	return NULL;
}

struct bus_socket *
bus_bind(struct bus *b, const char *endpoint, struct why *why)
{
	return bus_bind_for(b, endpoint, NULL, why);
}

int
bus_bind_too(struct bus_socket *s, const char *endpoint, struct why *why)
{
	if (!bus_is_tcp(endpoint))
		return why_set(why, CODE_ENDPOINT, endpoint,
		    "\"%s\": only the first endpoint may be another than "
		    "tcp://",
		    endpoint);
	return bind_one(s, endpoint, why);
}

struct bus_socket *
bus_connect_to(
    struct bus *b, const char *endpoint, const char *role, struct why *why)
{
	struct bus_socket *s = open_socket(b, endpoint, ZMQ_DEALER, why);

	if (s == NULL)
		return NULL;
	set_tcp(s, bus_is_tcp(endpoint));
	if (check_endpoint(s, endpoint, why) < 0 ||
	    (bus_is_tcp(endpoint) && bus_key_connect(s, role, why) < 0))
		goto fail;
	if (zmq_connect(s->socket, endpoint) == 0)
		return s;
	why_set(why, "E_BUS", endpoint, "cannot connect %s: %s", endpoint,
	    zmq_strerror(errno));
fail:
	bus_close(s);
	return NULL;
}

struct bus_socket *
bus_connect(struct bus *b, const char *endpoint, struct why *why)
{
	return bus_connect_to(b, endpoint, NULL, why);
}

void
bus_close(struct bus_socket *s)
{
	if (s == NULL)
		return;
	bus_done(s);
	bus_drop_report(s);
	bus_key_close(s);
	zmq_close(s->socket);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->endpoint);
	free(s);
}

void *
bus_raw(struct bus_socket *s)
{
	return s->socket;
}

enum exit_code
bus_code(const struct why *why)
{
	return strcmp(why->code, "E_BUS") == 0 ? EXIT_TEMPORARY : EXIT_USAGE;
}

const char *
bus_endpoint(const struct bus_socket *s)
{
	return s->endpoint;
}

int
bus_send(struct bus_socket *s, const struct bus_peer *to, const char *bytes,
    size_t len)
{
	int rc;

	if (to != NULL) {
		do {
			rc = zmq_send(s->socket, to->id, to->len,
			    ZMQ_SNDMORE | ZMQ_DONTWAIT);
		} while (rc < 0 && errno == EINTR);
		if (rc < 0)
			return -1;
	}
	do {
		rc = zmq_send(s->socket, bytes, len, ZMQ_DONTWAIT);
	} while (rc < 0 && errno == EINTR);
	return rc < 0 ? -1 : 0;
}

void
bus_done(struct bus_socket *s)
{
	if (s->has_frame)
		zmq_msg_close(&s->frame);
	s->has_frame = 0;
}

/* One part into s->frame; 0 when nothing is there. */
static int
receive(struct bus_socket *s)
{
	int rc;

	bus_done(s);
	zmq_msg_init(&s->frame);
	s->has_frame = 1;
	do {
		rc = zmq_msg_recv(&s->frame, s->socket, ZMQ_DONTWAIT);
	} while (rc < 0 && errno == EINTR);
	return rc >= 0;
}

/* The identity part of a ROUTER; 0 when nothing is there. */
static int
receive_peer(struct bus_socket *s, struct bus_peer *from)
{
	if (!receive(s))
		return 0;
	if (from != NULL) {
		size_t len = zmq_msg_size(&s->frame);

		from->len = (uint8_t)(len <= BUS_PEER_MAX ? len : 0);
		memcpy(from->id, zmq_msg_data(&s->frame), from->len);
	}
	return 1;
}

int
bus_recv(struct bus_socket *s, struct bus_peer *from, const char **bytes,
    size_t *len)
{
	for (;;) {
		int whole = 1;
		struct why why;

		if (s->router &&
		    (!receive_peer(s, from) || !zmq_msg_more(&s->frame)))
			return 0;
		if (!receive(s))
			return 0;
		while (zmq_msg_more(&s->frame)) {
			whole = 0;
			if (!receive(s))
				return 0;
		}
		if (whole) {
			*bytes = zmq_msg_data(&s->frame);
			*len = zmq_msg_size(&s->frame);
			return 1;
		}
		why_set(&why, "E_MESSAGE", NULL,
		    "it has several parts; a message is one frame");
		bus_drop(s, &why);
	}
}

const char *
bus_instance(void)
{
	static char instance[128];
	static pid_t of;
	char host[64] = "localhost";
	uint32_t r = 0;

	if (of == getpid())
		return instance;
	of = getpid();
	gethostname(host, sizeof(host) - 1);
	if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
		die(EXIT_TEMPORARY, "no random bytes from the kernel");
	snprintf(instance, sizeof(instance), "%s:%d:%08x", host, (int)of, r);
	return instance;
}
