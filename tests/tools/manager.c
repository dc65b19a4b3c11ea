/*
 * manager.c - plays the service manager that a program notifies.
 *
 * `manager SOCKET` listens on a path, or on an abstract name that begins with
 * @, and prints each datagram as one line, fields apart by |, until SIGTERM.
 */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
listen_at(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || len >= sizeof(a.sun_path))
		return -1;
	memcpy(a.sun_path, name, len);
	if (name[0] == '@')
		a.sun_path[0] = '\0';
	else
		(void)unlink(name);
	if (bind(fd, (const struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -1;
	return fd;
}

int
main(int argc, char *argv[])
{
	char text[4096];
	ssize_t n;
	int fd;

	if (argc != 2) {
		fputs("usage: manager SOCKET\n", stderr);
		return 100;
	}
	fd = listen_at(argv[1]);
	if (fd < 0) {
		fprintf(stderr, "manager: %s: %s\n", argv[1], strerror(errno));
		return 111;
	}
	puts("listening");
	fflush(stdout);
	for (;;) {
		n = recv(fd, text, sizeof(text) - 1, 0);
		if (n < 0)
			return 111;
		text[n] = '\0';
		for (char *p = text; *p != '\0'; p++)
			if (*p == '\n')
				*p = '|';
		puts(text);
		fflush(stdout);
	}
}
