/*
 * carry.c - carries messages from one process to another, to be timed.
 *
 * `carry WHERE N BYTES [KEYS]` sends N messages of so many bytes as the stages
 * do: WHERE is `pipe`, lines into a pipe, or an endpoint, frames of which at
 * most 32 are not acknowledged; for tcp:// port * is any.  KEYS is a folder
 * with the pairs a and b and the folder peers of both.  Prints one JSON object:
 * seconds, and CPU seconds of both sides.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zmq.h>

#include "bus.h"
#include "clock.h"
#include "lines.h"
#include "log.h"
#include "loop.h"
#include "mem.h"

#define WINDOW 32
#define ENDPOINT_MAX 256

struct job {
	const char *where, *keys;
	long n;
	size_t bytes;
	char *message; /* owned; as many bytes, no newline in it */
};

/* One side of an endpoint. */
struct side {
	struct bus_socket *socket;
	struct loop *loop;
	const struct job *job;
	long sent, done;
};

static struct bus *
open_bus(const struct job *j, const char *own)
{
	struct bus *bus = bus_new();
	char key[ENDPOINT_MAX], peers[ENDPOINT_MAX];
	struct why why;

	if (j->keys == NULL)
		return bus;
	snprintf(key, sizeof(key), "%s/%s", j->keys, own);
	snprintf(peers, sizeof(peers), "%s/peers", j->keys);
	if (bus_keys(bus, key, peers, &why) < 0)
		die(EXIT_USAGE, "%s", why.text);
	return bus;
}

/*
 * Acknowledges each message.  A last, short one says that all was heard:
 * ZeroMQ drops what a peer has not read when we hang up.
 */
static void
on_message(void *arg, short events)
{
	struct side *s = arg;
	struct bus_peer from;
	const char *bytes;
	size_t len;

	(void)events;
	while (bus_recv(s->socket, &from, &bytes, &len) == 1) {
		if (len == 1 && s->done == s->job->n) {
			loop_stop(s->loop);
			return;
		}
		if (len != s->job->bytes)
			die(EXIT_TEMPORARY, "a message of %zu bytes", len);
		s->done++;
		if (bus_send(s->socket, &from, "ack", 3) < 0)
			die(EXIT_TEMPORARY, "cannot acknowledge");
	}
}

/* Binds, tells where on `fd`, and takes everything. */
static void
receive_bus(const struct job *j, int fd)
{
	static const struct bus_client clients[] = {
		{ "transform", UINT32_MAX }, { NULL, 0 }
	};
	struct bus *bus = open_bus(j, "a");
	struct side s = { .loop = loop_new(), .job = j };
	char endpoint[ENDPOINT_MAX];
	size_t len = sizeof(endpoint);
	struct why why;

	s.socket = bus_bind_for(bus, j->where, clients, &why);
	if (s.socket == NULL)
		die(EXIT_TEMPORARY, "%s", why.text);
	if (zmq_getsockopt(
		bus_raw(s.socket), ZMQ_LAST_ENDPOINT, endpoint, &len) < 0 ||
	    write(fd, endpoint, len) != (ssize_t)len)
		die(EXIT_TEMPORARY, "cannot tell where");
	close(fd);
	loop_socket(s.loop, bus_raw(s.socket), on_message, &s);
	loop_run(s.loop);
	bus_close(s.socket);
	bus_free(bus);
	loop_free(s.loop);
}

static void
send_more(struct side *s)
{
	while (s->sent < s->job->n && s->sent - s->done < WINDOW) {
		if (bus_send(s->socket, NULL, s->job->message, s->job->bytes) <
		    0)
			return;
		s->sent++;
	}
}

static void
on_ack(void *arg, short events)
{
	struct side *s = arg;
	const char *bytes;
	size_t len;

	(void)events;
	while (bus_recv(s->socket, NULL, &bytes, &len) == 1)
		s->done++;
	send_more(s);
	if (s->done == s->job->n)
		loop_stop(s->loop);
}

static void
send_bus(const struct job *j, int fd)
{
	struct bus *bus = open_bus(j, "b");
	struct side s = { .loop = loop_new(), .job = j };
	char endpoint[ENDPOINT_MAX] = "";
	char local[ENDPOINT_MAX + 16];
	struct why why;

	if (read(fd, endpoint, sizeof(endpoint) - 1) <= 0)
		die(EXIT_TEMPORARY, "nobody listens");
	/* libzmq tells an IPv4 address in the form of IPv6. */
	snprintf(local, sizeof(local), "%s", endpoint);
	if (strncmp(endpoint, "tcp://", 6) == 0)
		snprintf(local, sizeof(local), "tcp://127.0.0.1%s",
		    strrchr(endpoint, ':'));
	s.socket = bus_connect_to(bus, local, "join", &why);
	if (s.socket == NULL)
		die(EXIT_TEMPORARY, "%s", why.text);
	loop_socket(s.loop, bus_raw(s.socket), on_ack, &s);
	/* Until the connection is made the first ones do not get away. */
	while (s.done == 0) {
		send_more(&s);
		loop_once(s.loop, 5);
	}
	loop_run(s.loop);
	if (bus_send(s.socket, NULL, ".", 1) < 0)
		die(EXIT_TEMPORARY, "cannot say the last word");
	bus_close(s.socket);
	bus_free(bus);
	loop_free(s.loop);
}

static void
receive_pipe(const struct job *j, int fd)
{
	struct lines *l = lines_new(fd);
	char *line;
	size_t len;

	for (long i = 0; i < j->n; i++)
		if (lines_next(l, &line, &len) != LINES_ONE || len != j->bytes)
			die(EXIT_TEMPORARY, "line %ld is not whole", i + 1);
	lines_free(l);
}

static void
send_pipe(const struct job *j, int fd)
{
	lines_widen(fd);
	j->message[j->bytes] = '\n';
	for (long i = 0; i < j->n; i++)
		if (lines_write(fd, j->message, j->bytes + 1) < 0)
			die(EXIT_TEMPORARY, "pipe: %s", strerror(errno));
}

static double
cpu(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* The other side is a child: a context of ZeroMQ does not survive fork. */
static int
carry(const struct job *j)
{
	int p[2], status, is_pipe = strcmp(j->where, "pipe") == 0;
	int64_t start = clock_ms();
	pid_t pid;

	if (pipe(p) < 0)
		die(EXIT_TEMPORARY, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die(EXIT_TEMPORARY, "fork: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(p[is_pipe]);
		if (is_pipe)
			receive_pipe(j, p[0]);
		else
			receive_bus(j, p[1]);
		exit(EXIT_DONE);
	}
	close(p[!is_pipe]);
	if (is_pipe)
		send_pipe(j, p[1]);
	else
		send_bus(j, p[0]);
	close(p[is_pipe]);
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return EXIT_TEMPORARY;
	printf("{\"seconds\":%.3f,\"cpu\":%.3f}\n",
	    (double)(clock_ms() - start) / 1000,
	    cpu(RUSAGE_SELF) + cpu(RUSAGE_CHILDREN));
	return EXIT_DONE;
}

int
main(int argc, char *argv[])
{
	struct job j = { 0 };
	int code;

	log_open("carry");
	if (argc != 4 && argc != 5)
		die(EXIT_USAGE, "usage: carry WHERE N BYTES [KEYS]");
	j.where = argv[1];
	j.n = strtol(argv[2], NULL, 10);
	j.bytes = (size_t)strtol(argv[3], NULL, 10);
	j.keys = argv[4];
	j.message = xmalloc(j.bytes + 1);
	memset(j.message, 'x', j.bytes);
	code = carry(&j);
	free(j.message);
	return code;
}
