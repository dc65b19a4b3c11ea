/*
 * bus.c - the ZeroMQ form of the transport.
 *
 * ROUTER binds, DEALER connects, one frame a message.  Every option is set
 * here, with its reason; see message(5), TRANSPORT.  Owns the context, the
 * sockets and the lock files of ipc endpoints.
 */

#include "bus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zmq.h>

#include "log.h"
#include "mem.h"
#include "msg.h"

#define QUEUE_FRAMES 64 /* above every credit and window: never reached */
#define RECONNECT_MS 20 /* the first pause, doubled each time */
#define RECONNECT_MAX_MS 2000
#define HEARTBEAT_MS 2000
#define HEARTBEAT_LOST_MS 6000
#define HANDSHAKE_MS 5000
#define CODE_ENDPOINT "E_ENDPOINT"

struct bus {
	void *context; /* owned */
};

struct bus_socket {
	void *socket; /* owned */
	char *endpoint; /* owned */
	int lock_fd; /* of an ipc bind, else -1 */
	int router;
	zmq_msg_t frame; /* the last one received */
	int has_frame;
	uint64_t dropped; /* frames that were no message */
};

struct bus *
bus_new(void)
{
	struct bus *b = xcalloc(1, sizeof(*b));

	b->context = zmq_ctx_new();
	if (b->context == NULL)
		die(EXIT_TEMPORARY, "ZeroMQ: %s", zmq_strerror(errno));
	zmq_ctx_set(b->context, ZMQ_BLOCKY, 0);
	zmq_ctx_set(b->context, ZMQ_IPV6, 1);
	return b;
}

void
bus_free(struct bus *b)
{
	if (b == NULL)
		return;
	zmq_ctx_term(b->context);
	free(b);
}

static void
set_int(void *socket, int option, int value)
{
	/* Fails only for options that this libzmq does not have. */
	(void)zmq_setsockopt(socket, option, &value, sizeof(value));
}

static void
set_options(struct bus_socket *s)
{
	int64_t max = (int64_t)MSG_MAX;
	int tcp = strncmp(s->endpoint, "tcp://", 6) == 0;

	set_int(s->socket, ZMQ_SNDHWM, QUEUE_FRAMES);
	set_int(s->socket, ZMQ_RCVHWM, QUEUE_FRAMES);
	set_int(s->socket, ZMQ_LINGER, HEARTBEAT_MS);
	set_int(s->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
	set_int(s->socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
	set_int(s->socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
	zmq_setsockopt(s->socket, ZMQ_MAXMSGSIZE, &max, sizeof(max));
	if (s->router)
		/* An unroutable frame is an error, not a silent drop. */
		set_int(s->socket, ZMQ_ROUTER_MANDATORY, 1);
	else
		/* No queue to a peer that is not there. */
		set_int(s->socket, ZMQ_IMMEDIATE, 1);
	if (!tcp)
		return;
	set_int(s->socket, ZMQ_CONNECT_TIMEOUT, HANDSHAKE_MS);
	set_int(s->socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
	set_int(s->socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_LOST_MS);
	set_int(s->socket, ZMQ_HEARTBEAT_TTL, HEARTBEAT_LOST_MS);
	set_int(s->socket, ZMQ_TCP_KEEPALIVE, 1);
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
	char *folder = xstrdup(path), *slash = strrchr(folder, '/');
	int rc = 0;

	if (slash != NULL && slash != folder) {
		*slash = '\0';
		if (mkdir(folder, 0700) < 0 && errno != EEXIST)
			rc = why_set(why, "E_BUS", path,
			    "cannot make folder %s: %s", folder,
			    strerror(errno));
	}
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
check_endpoint(struct bus_socket *s, int bind, struct why *why)
{
	const char *e = s->endpoint;

	if (strncmp(e, "ipc://", 6) == 0)
		return bind ? lock_path(s, e + 6, why) : 0;
	if (strncmp(e, "tcp://", 6) != 0)
		return why_set(why, CODE_ENDPOINT, e,
		    "\"%s\" is no endpoint; use ipc:///path or "
		    "tcp://127.0.0.1:port",
		    e);
	if (!is_loopback(e + 6))
		return why_set(why, CODE_ENDPOINT, e,
		    "tcp:// off loopback is not encrypted and is refused; "
		    "use ipc:// or a loopback address");
	return 0;
}

struct bus_socket *
bus_bind(struct bus *b, const char *endpoint, struct why *why)
{
	struct bus_socket *s = open_socket(b, endpoint, ZMQ_ROUTER, why);
	mode_t mask;
	int rc;

	if (s == NULL)
		return NULL;
	if (check_endpoint(s, 1, why) < 0)
		goto fail;
	mask = umask(0077);
	rc = zmq_bind(s->socket, endpoint);
	umask(mask);
	if (rc == 0)
		return s;
	why_set(why, "E_BUS", endpoint, "cannot bind %s: %s", endpoint,
	    zmq_strerror(errno));
fail:
	bus_close(s);
	return NULL;
}

struct bus_socket *
bus_connect(struct bus *b, const char *endpoint, struct why *why)
{
	struct bus_socket *s = open_socket(b, endpoint, ZMQ_DEALER, why);

	if (s == NULL)
		return NULL;
	why->text[0] = '\0';
	if (check_endpoint(s, 0, why) == 0 &&
	    zmq_connect(s->socket, endpoint) == 0)
		return s;
	if (why->text[0] == '\0')
		why_set(why, "E_BUS", endpoint, "cannot connect %s: %s",
		    endpoint, zmq_strerror(errno));
	bus_close(s);
	return NULL;
}

void
bus_close(struct bus_socket *s)
{
	if (s == NULL)
		return;
	if (s->has_frame)
		zmq_msg_close(&s->frame);
	if (s->dropped > 0)
		log_warn("%s: %llu frames were no messages and were dropped",
		    s->endpoint, (unsigned long long)s->dropped);
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
	return strcmp(why->code, CODE_ENDPOINT) == 0 ? EXIT_USAGE
						     : EXIT_TEMPORARY;
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

/* One part into s->frame; 0 when nothing is there. */
static int
receive(struct bus_socket *s)
{
	int rc;

	if (s->has_frame)
		zmq_msg_close(&s->frame);
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
		s->dropped++;
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
