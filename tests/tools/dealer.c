/*
 * dealer.c - a bridge for tests: lines on stdin become frames to an
 * endpoint, frames from there become lines on stdout.
 *
 * `dealer ENDPOINT` plays join towards a sink, or a worker towards fetch.
 * It ends behind the end of stdin, or when stdout is gone.
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "bus.h"
#include "lines.h"
#include "log.h"
#include "loop.h"

struct bridge {
	struct loop *loop;
	struct bus_socket *socket;
	struct lines *in;
};

/* A test's peer may still be starting: wait for it. */
static void
send_line(struct bridge *b, const char *line, size_t len)
{
	while (bus_send(b->socket, NULL, line, len) < 0) {
		if (errno != EAGAIN)
			die(EXIT_TEMPORARY, "cannot send");
		poll(NULL, 0, 10);
	}
}

static void
on_line(void *arg, short events)
{
	struct bridge *b = arg;
	char *line;
	size_t len;

	(void)events;
	do {
		if (lines_next(b->in, &line, &len) != LINES_ONE) {
			loop_stop(b->loop);
			return;
		}
		send_line(b, line, len);
	} while (lines_ready(b->in));
}

static void
on_frame(void *arg, short events)
{
	struct bridge *b = arg;
	const char *bytes;
	size_t len;

	(void)events;
	while (bus_recv(b->socket, NULL, &bytes, &len) == 1)
		if (lines_write(STDOUT_FILENO, bytes, len) < 0 ||
		    lines_write(STDOUT_FILENO, "\n", 1) < 0)
			loop_stop(b->loop);
}

int
main(int argc, char **argv)
{
	struct bridge b = { 0 };
	struct bus *bus = bus_new();
	struct why why;

	log_open("dealer");
	if (argc != 2)
		die(EXIT_USAGE, "usage: dealer ENDPOINT");
	b.socket = bus_connect(bus, argv[1], &why);
	if (b.socket == NULL)
		die(EXIT_USAGE, "%s", why.text);
	b.in = lines_new(STDIN_FILENO);
	b.loop = loop_new();
	loop_fd(b.loop, STDIN_FILENO, POLLIN, on_line, &b);
	loop_socket(b.loop, bus_raw(b.socket), on_frame, &b);
	loop_run(b.loop);
	lines_free(b.in);
	loop_free(b.loop);
	bus_close(b.socket);
	bus_free(bus);
	return EXIT_DONE;
}
