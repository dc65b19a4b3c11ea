/*
 * test_notify.c - what the service manager is told, and where.
 *
 * Plays the manager's end of the socket, with a path and an abstract name.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "notify.h"

/* A manager that listens on `name`, which is put into the environment. */
static int
manager(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, name, len);
	if (name[0] == '@')
		a.sun_path[0] = '\0';
	assert_int_equal(
	    bind(s, (struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	setenv("NOTIFY_SOCKET", name, 1);
	return s;
}

static const char *
heard(int s)
{
	static char text[1024];
	ssize_t n = recv(s, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
tell_everything(int s)
{
	long long usec = 0;

	notify_open();
	assert_null(getenv("NOTIFY_SOCKET"));
	notify_status("User %d", 7);
	assert_string_equal(heard(s), "STATUS=User 7");
	notify_status("User %d", 7);
	assert_string_equal(heard(s), "");
	notify_status("two\nlines");
	assert_string_equal(heard(s), "STATUS=two lines");
	notify_ready();
	assert_string_equal(heard(s), "READY=1");
	notify_reloading();
	assert_int_equal(
	    sscanf(heard(s), "RELOADING=1\nMONOTONIC_USEC=%lld", &usec), 1);
	assert_true(usec > 0);
	notify_stopping();
	assert_string_equal(heard(s), "STOPPING=1");
	notify_close();
	notify_ready();
	assert_string_equal(heard(s), "");
	close(s);
}

static void
test_path(void **state)
{
	char folder[] = "/tmp/idmesh-notify.XXXXXX", name[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(name, sizeof(name), "%s/socket", folder);
	tell_everything(manager(name));
	unlink(name);
	rmdir(folder);
}

static void
test_abstract(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@idmesh-notify-%d", (int)getpid());
	tell_everything(manager(name));
}

/* Nobody there, no name, no address: nothing happens. */
static void
test_nobody(void **state)
{
	static const char *const names[] = { "relative", "@", "",
		"/nobody/here", "vsock:2:1234" };

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_open();
	notify_ready();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		notify_open();
		notify_ready();
		notify_status("nobody hears this");
		notify_close();
		assert_int_equal(notify_watchdog_ms(), 0);
	}
}

/* What `pid` and `usec` of the environment make of the watchdog. */
static int64_t
watchdog(const char *usec, const char *pid)
{
	char name[64];
	int64_t ms;
	int s;

	snprintf(name, sizeof(name), "@idmesh-watchdog-%d", (int)getpid());
	s = manager(name);
	setenv("WATCHDOG_USEC", usec, 1);
	if (pid != NULL)
		setenv("WATCHDOG_PID", pid, 1);
	notify_open();
	ms = notify_watchdog_ms();
	assert_null(getenv("WATCHDOG_USEC"));
	notify_alive();
	assert_string_equal(heard(s), "WATCHDOG=1");
	notify_close();
	close(s);
	return ms;
}

static void
test_watchdog(void **state)
{
	char own[32];

	(void)state;
	snprintf(own, sizeof(own), "%d", (int)getpid());
	assert_int_equal(watchdog("30000000", NULL), 15000);
	assert_int_equal(watchdog("30000000", own), 15000);
	assert_int_equal(watchdog("30000000", "1"), 0);
	assert_int_equal(watchdog("-5", NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_abstract),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_watchdog),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
