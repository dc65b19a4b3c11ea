/*
 * notify.c - tells the service manager how it goes.
 *
 * Beside the flow: `idmesh run` calls it at its turning points.  Owns one
 * datagram socket.
 */

#include "notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 512

static int fd = -1;
static struct sockaddr_un address;
static socklen_t address_len;
static int64_t watchdog_ms;
static char status[TEXT_MAX];

/* "/run/x" or "@abstract"; -1 for what is neither. */
static int
set_address(const char *name)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 ||
	    len >= sizeof(address.sun_path))
		return -1;
	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	memcpy(address.sun_path, name, len);
	/* An abstract name has a NUL in front and none behind. */
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
				  (name[0] == '/'));
	return 0;
}

static void
read_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");

	watchdog_ms = 0;
	if (usec == NULL ||
	    (pid != NULL && strtoll(pid, NULL, 10) != (long long)getpid()))
		return;
	watchdog_ms = strtoll(usec, NULL, 10) / 1000 / 2;
	if (watchdog_ms < 0)
		watchdog_ms = 0;
}

void
notify_open(void)
{
	const char *name = getenv("NOTIFY_SOCKET");

	status[0] = '\0';
	if (name != NULL && set_address(name) == 0) {
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		read_watchdog();
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
notify_close(void)
{
	if (fd >= 0)
		close(fd);
	fd = -1;
	watchdog_ms = 0;
}

/* The manager's queue may be full: wait for it no longer than a moment. */
static void
send_text(const char *text)
{
	struct timeval bound = { .tv_usec = 200000 };

	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
	(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL,
	    (const struct sockaddr *)&address, address_len);
}

void
notify_ready(void)
{
	send_text("READY=1");
}

void
notify_status(const char *fmt, ...)
{
	static const char name[] = "STATUS=";
	char text[TEXT_MAX];
	va_list ap;

	memcpy(text, name, sizeof(name));
	va_start(ap, fmt);
	vsnprintf(
	    text + sizeof(name) - 1, sizeof(text) - sizeof(name), fmt, ap);
	va_end(ap);
	/* A second line would be another field. */
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	if (fd < 0 || strcmp(text, status) == 0)
		return;
	memcpy(status, text, sizeof(status));
	send_text(text);
}

void
notify_reloading(void)
{
	struct timespec now;
	char text[96];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	send_text(text);
}

void
notify_stopping(void)
{
	send_text("STOPPING=1");
}

int64_t
notify_watchdog_ms(void)
{
	return fd >= 0 ? watchdog_ms : 0;
}

void
notify_alive(void)
{
	send_text("WATCHDOG=1");
}
