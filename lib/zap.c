/*
 * zap.c - the door-keeper of CURVE sockets: whose key may come in.
 *
 * A thread of its own, because libzmq holds up a handshake until it has the
 * answer and the program may be busy with a page.  Owns its socket; touches
 * nothing of the rest of the process but the log.
 */

#include "zap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "log.h"
#include "mem.h"
#include "peers.h"

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define FRAME_MAX 256
#define STRANGERS 32 /* keys that are named in the log; then no more */

/* The frames of a request, in their order; text, but for the key. */
enum frame { VERSION, REQUEST, DOMAIN, ADDRESS, IDENTITY, MECHANISM, KEY };
#define FRAMES (KEY + 1)

struct request {
	char frames[FRAMES][FRAME_MAX]; /* each with a NUL */
	size_t len[FRAMES];
};

struct zap {
	void *socket; /* owned by the thread */
	char *peers; /* owned */
	pthread_t thread;
	char strangers[STRANGERS][CURVE_TEXT];
	size_t n_strangers;
};

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
			whole = i == KEY;
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

/* Once for each key: whoever knocks for ever must not fill the log. */
static void
note_stranger(struct zap *z, const struct request *r, const char *key)
{
	for (size_t i = 0; i < z->n_strangers; i++)
		if (strcmp(z->strangers[i], key) == 0)
			return;
	if (z->n_strangers == STRANGERS)
		return;
	memcpy(z->strangers[z->n_strangers++], key, CURVE_TEXT);
	log_warn("%s was turned away: no file in %s/{%s} holds its public key "
		 "%s%s",
	    r->frames[ADDRESS], z->peers, r->frames[DOMAIN], key,
	    z->n_strangers == STRANGERS ? "; further keys are not named" : "");
}

static int
answer(struct zap *z, const struct request *r)
{
	char key[CURVE_TEXT], user[PEERS_USER];

	curve_text((const uint8_t *)r->frames[KEY], key);
	if (peers_who(z->peers, r->frames[DOMAIN], key, user))
		return reply(z->socket, r, "200", "OK", user);
	note_stranger(z, r, key);
	return reply(z->socket, r, "400", "unknown key", "");
}

static void *
run(void *arg)
{
	struct zap *z = arg;

	for (;;) {
		struct request r = { 0 };
		int n = read_request(z->socket, &r);

		if (n == 0)
			n = reply(z->socket, &r, "500", "no CURVE", "") == 0;
		else if (n > 0)
			n = answer(z, &r) == 0;
		if (n <= 0)
			break;
	}
	zmq_close(z->socket);
	return NULL;
}

struct zap *
zap_new(void *context, const char *peers)
{
	struct zap *z = xcalloc(1, sizeof(*z));
	sigset_t all, old;
	int rc;

	z->peers = xstrdup(peers);
	z->socket = zmq_socket(context, ZMQ_REP);
	if (z->socket == NULL || zmq_bind(z->socket, ZAP_ENDPOINT) != 0)
		die(EXIT_TEMPORARY, "ZeroMQ: %s", zmq_strerror(errno));
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
	free(z->peers);
	free(z);
}
