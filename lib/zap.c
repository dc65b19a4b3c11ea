/*
 * zap.c - the door-keeper of a tcp:// socket: whose key may come in.
 *
 * A thread of its own, because libzmq holds up a handshake until it has the
 * answer and the program may be busy with a page.  It also hears what becomes
 * of the connections: libzmq says of one that failed only that it is gone, so
 * each is remembered by its descriptor until it has shown a key.  Touches
 * nothing of the rest of the process but the log and two counters.
 */

#include "zap.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <zmq.h>

#include "log.h"
#include "mem.h"
#include "peers.h"
#include "tally.h"

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define MONITOR_ENDPOINT "inproc://idmesh-monitor"
#define FRAME_MAX 256
#define NAMED 32 /* strangers that are named in the log; then no more */
#define NAME_MAX_LEN 64 /* an address, or a key */

/* The frames of a request, in their order; text, but for the key. */
enum frame { VERSION, REQUEST, DOMAIN, ADDRESS, IDENTITY, MECHANISM, KEY };
#define FRAMES (KEY + 1)

struct request {
	char frames[FRAMES][FRAME_MAX]; /* each with a NUL */
	size_t len[FRAMES];
};

/* A connection that has not been judged yet. */
struct knock {
	struct knock *next;
	int fd;
	char address[NAME_MAX_LEN];
};

/* Who was named already: whoever knocks for ever must not fill the log. */
struct named {
	char names[NAMED][NAME_MAX_LEN];
	size_t n;
};

struct zap {
	void *socket, *monitor; /* owned by the thread; socket may be NULL */
	char *endpoint, *peers; /* owned */
	pthread_t thread;
	struct knock *knocks; /* owned, the oldest last */
	struct named keys, addresses;
	atomic_ullong refused, failed;
};

int
zap_event(void *monitor, uint16_t *event, int32_t *value)
{
	uint8_t head[6], address[FRAME_MAX];
	int n = zmq_recv(monitor, head, sizeof(head), ZMQ_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (zmq_recv(monitor, address, sizeof(address), 0) < 0)
		return -1;
	memcpy(event, head, sizeof(*event));
	memcpy(value, head + sizeof(*event), sizeof(*value));
	return *event == ZMQ_EVENT_MONITOR_STOPPED ? -1 : 1;
}

const char *
zap_address(const char *address)
{
	static const char mapped[] = "::ffff:";

	if (address != NULL &&
	    strncmp(address, mapped, sizeof(mapped) - 1) == 0)
		address += sizeof(mapped) - 1;
	return address;
}

/* 1: a request; 0: something else; -1: the context ends. */
static int
read_request(void *socket, struct request *r)
{
	int more = 1, n, whole = 1;
	size_t size = sizeof(more);

	for (size_t i = 0; more; i++) {
		char text[FRAME_MAX];

		do {
			n = zmq_recv(socket, text, sizeof(text) - 1, 0);
		} while (n < 0 && errno == EINTR);
		if (n < 0 ||
		    zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0)
			return -1;
		if (i >= FRAMES || n >= FRAME_MAX) {
			whole = 0;
			continue;
		}
		memcpy(r->frames[i], text, (size_t)n);
		r->frames[i][n] = '\0';
		r->len[i] = (size_t)n;
		if (!more)
			whole = whole && i == KEY;
	}
	return whole && strcmp(r->frames[MECHANISM], "CURVE") == 0 &&
	       r->len[KEY] == CURVE_BYTES;
}

static int
reply(void *socket, const struct request *r, const char *status,
    const char *text, const char *user)
{
	const char *parts[] = { "1.0", r->frames[REQUEST], status, text, user,
		"" };
	size_t n = sizeof(parts) / sizeof(parts[0]);

	for (size_t i = 0; i < n; i++) {
		size_t len = i == 1 ? r->len[REQUEST] : strlen(parts[i]);

		if (zmq_send(
			socket, parts[i], len, i + 1 < n ? ZMQ_SNDMORE : 0) < 0)
			return -1;
	}
	return 0;
}

/* 1 the first time; *last: names are full now. */
static int
is_new(struct named *known, const char *name, int *last)
{
	for (size_t i = 0; i < known->n; i++)
		if (strcmp(known->names[i], name) == 0)
			return 0;
	if (known->n == NAMED)
		return 0;
	snprintf(known->names[known->n++], NAME_MAX_LEN, "%s", name);
	*last = known->n == NAMED;
	return 1;
}

static const char *
rest(int last)
{
	return last ? "; further ones are only counted" : "";
}

static void
refuse(struct zap *z, const struct request *r, const char *key)
{
	int last;

	atomic_fetch_add(&z->refused, 1);
	tally_add(TALLY_REFUSED);
	if (is_new(&z->keys, key, &last))
		log_warn(
		    "%s: %s was turned away: no file in %s of %s holds its "
		    "public key %s%s",
		    z->endpoint, zap_address(r->frames[ADDRESS]), z->peers,
		    r->frames[DOMAIN], key, rest(last));
}

/* The oldest from this address, or with this descriptor, is judged now. */
static int
judge(struct zap *z, const char *address, int fd, struct knock *out)
{
	struct knock **found = NULL;

	for (struct knock **at = &z->knocks; *at != NULL; at = &(*at)->next)
		if (address == NULL ? fd < 0 || (*at)->fd == fd
				    : strcmp((*at)->address, address) == 0)
			found = at;
	if (found == NULL)
		return 0;
	*out = **found;
	free(*found);
	*found = out->next;
	return 1;
}

static void
accepted(struct zap *z, int fd)
{
	struct knock *k, old;
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer), size = sizeof(int);
	int domain = AF_UNSPEC;

	(void)judge(z, NULL, fd, &old);
	/* Whoever comes over ipc:// needs no key. */
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	    domain == AF_UNIX)
		return;
	k = xcalloc(1, sizeof(*k));
	k->fd = fd;
	if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0 ||
	    getnameinfo((struct sockaddr *)&peer, len, k->address,
		sizeof(k->address), NULL, 0, NI_NUMERICHOST) != 0)
		memcpy(k->address, "somebody", sizeof("somebody"));
	k->next = z->knocks;
	z->knocks = k;
}

static void
disconnected(struct zap *z, int fd)
{
	struct knock k;
	int last;

	if (!judge(z, NULL, fd, &k))
		return;
	atomic_fetch_add(&z->failed, 1);
	tally_add(TALLY_FAILED);
	if (is_new(&z->addresses, k.address, &last))
		log_warn("%s: a connection from %s came to nothing: it was "
			 "cut, or is no idmesh of this release%s%s",
		    z->endpoint, zap_address(k.address),
		    z->peers != NULL ? ", or has not our public key" : "",
		    rest(last));
}

static int
read_monitor(struct zap *z)
{
	uint16_t event = 0;
	int32_t value = 0;
	struct knock k;

	for (;;) {
		int n = zap_event(z->monitor, &event, &value);

		if (n <= 0)
			return n;
		if (event == ZMQ_EVENT_ACCEPTED)
			accepted(z, value);
		else if (event == ZMQ_EVENT_DISCONNECTED)
			disconnected(z, value);
		else if (z->peers == NULL)
			(void)judge(z, NULL, -1, &k); /* it has succeeded */
	}
}

static int
answer(struct zap *z)
{
	char key[CURVE_TEXT], user[PEERS_USER];
	struct request r = { 0 };
	int n = read_request(z->socket, &r);
	struct knock k;

	if (n < 0)
		return -1;
	if (n == 0)
		return reply(z->socket, &r, "500", "no CURVE", "");
	(void)judge(z, r.frames[ADDRESS], -1, &k);
	curve_text((const uint8_t *)r.frames[KEY], key);
	if (peers_who(z->peers, r.frames[DOMAIN], key, user))
		return reply(z->socket, &r, "200", "OK", user);
	refuse(z, &r, key);
	return reply(z->socket, &r, "400", "unknown key", "");
}

static void *
run(void *arg)
{
	struct zap *z = arg;
	zmq_pollitem_t items[2] = { { z->monitor, 0, ZMQ_POLLIN, 0 },
		{ z->socket, 0, ZMQ_POLLIN, 0 } };
	int n = z->socket != NULL ? 2 : 1, rc = 0;
	struct knock k;

	while (rc == 0) {
		rc = zmq_poll(items, n, -1);
		if (rc < 0) {
			rc = errno == EINTR ? 0 : -1;
			continue;
		}
		/* First who came, then who shows a key. */
		rc = items[0].revents != 0 ? read_monitor(z) : 0;
		if (rc == 0 && n > 1 && items[1].revents != 0)
			rc = answer(z);
	}
	zmq_close(z->monitor);
	if (z->socket != NULL)
		zmq_close(z->socket);
	while (judge(z, NULL, -1, &k))
		continue;
	return NULL;
}

static void *
open_monitor(void *context, void *socket)
{
	void *monitor = zmq_socket(context, ZMQ_PAIR);

	if (monitor != NULL &&
	    zmq_socket_monitor(socket, MONITOR_ENDPOINT,
		ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
		    ZMQ_EVENT_HANDSHAKE_SUCCEEDED) == 0 &&
	    zmq_connect(monitor, MONITOR_ENDPOINT) == 0)
		return monitor;
	die(EXIT_TEMPORARY, "ZeroMQ: %s", zmq_strerror(errno));
}

struct zap *
zap_new(void *context, void *socket, const char *endpoint, const char *peers)
{
	struct zap *z = xcalloc(1, sizeof(*z));
	sigset_t all, old;
	int rc;

	z->endpoint = xstrdup(endpoint);
	z->monitor = open_monitor(context, socket);
	if (peers != NULL) {
		z->peers = xstrdup(peers);
		z->socket = zmq_socket(context, ZMQ_REP);
		if (z->socket == NULL || zmq_bind(z->socket, ZAP_ENDPOINT) != 0)
			die(EXIT_TEMPORARY, "ZeroMQ: %s", zmq_strerror(errno));
	}
	/* Signals are for the loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&z->thread, NULL, run, z);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		die(EXIT_TEMPORARY, "cannot start a thread: %s", strerror(rc));
	return z;
}

void
zap_free(struct zap *z)
{
	if (z == NULL)
		return;
	pthread_join(z->thread, NULL);
	free(z->endpoint);
	free(z->peers);
	free(z);
}

const char *
zap_endpoint(const struct zap *z)
{
	return z->endpoint;
}

uint64_t
zap_refused(const struct zap *z)
{
	return z != NULL ? atomic_load(&z->refused) : 0;
}

uint64_t
zap_failed(const struct zap *z)
{
	return z != NULL ? atomic_load(&z->failed) : 0;
}
