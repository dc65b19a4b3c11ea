/*
 * rude.c - a peer that does not behave, for tests.
 *
 * rude ENDPOINT KEY PEERS ROLE WHAT...: connects where a ROLE listens, with a
 * key or "-" for none, and sends each of: `large` and `huge`, frames of 9 and
 * 24 MiB; `parts`, a message of two frames; `file:PATH`, the bytes of a file
 * as one frame; `wait`, nothing for as long as stdin is open.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus_private.h"
#include "log.h"
#include "mem.h"

#define MIB ((size_t)1 << 20)
#define FILE_ROOM (64 * 1024)

static void
send_frame(struct bus_socket *s, const char *bytes, size_t len, int flags)
{
	/* The peer may still be starting; a connect that failed is redone. */
	while (zmq_send(bus_raw(s), bytes, len, flags | ZMQ_DONTWAIT) < 0) {
		if (errno != EAGAIN)
			die(EXIT_TEMPORARY, "cannot send");
		bus_watch(s);
		poll(NULL, 0, 10);
	}
}

static void
send_blanks(struct bus_socket *s, size_t len)
{
	char *blanks = xmalloc(len);

	memset(blanks, ' ', len);
	send_frame(s, blanks, len, 0);
	free(blanks);
}

static void
send_file(struct bus_socket *s, const char *path)
{
	static char bytes[FILE_ROOM];
	size_t len;
	FILE *in = fopen(path, "r");

	if (in == NULL)
		die(EXIT_USAGE, "cannot read %s", path);
	len = fread(bytes, 1, sizeof(bytes), in);
	fclose(in);
	send_frame(s, bytes, len, 0);
}

static void
wait_for_end(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		continue;
}

static void
misbehave(struct bus_socket *s, const char *what)
{
	if (strcmp(what, "large") == 0) {
		send_blanks(s, 9 * MIB);
	} else if (strcmp(what, "huge") == 0) {
		send_blanks(s, 24 * MIB);
	} else if (strcmp(what, "parts") == 0) {
		send_frame(s, "{\"v\":1,", 7, ZMQ_SNDMORE);
		send_frame(s, "\"kind\":\"beat\"}", 14, 0);
	} else if (strncmp(what, "file:", 5) == 0) {
		send_file(s, what + 5);
	} else if (strcmp(what, "wait") == 0) {
		wait_for_end();
	} else {
		die(EXIT_USAGE, "there is no %s", what);
	}
}

int
main(int argc, char **argv)
{
	struct bus *bus = bus_new();
	int keys = argc > 2 && strcmp(argv[2], "-") != 0;
	struct bus_socket *s;
	struct why why;

	log_open("rude");
	if (argc < 6)
		die(EXIT_USAGE, "usage: rude ENDPOINT KEY PEERS ROLE WHAT...");
	if (keys && bus_keys(bus, argv[2], argv[3], &why) < 0)
		die(EXIT_USAGE, "%s", why.text);
	s = bus_connect_to(bus, argv[1], argv[4], &why);
	if (s == NULL)
		die(EXIT_USAGE, "%s", why.text);
	for (int i = 5; i < argc; i++)
		misbehave(s, argv[i]);
	/* Lingers until the frames are sent. */
	bus_close(s);
	bus_free(bus);
	return EXIT_DONE;
}
