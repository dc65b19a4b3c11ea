/*
 * test_bus.c - which endpoints are taken, and what is said of the others.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus_private.h"
#include "mem.h"

static void
endpoints_off_this_machine_are_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"127.0.0.1:5555",
		"inproc://here",
		"tcp://10.0.0.1:5555",
		"tcp://*:5555",
		"tcp://127.example.com:5555",
		"tcp://127.0.0.1.example.com:5555",
		"tcp://localhost.example.com:5555",
		"tcp://[::1].example.com:5555",
		"tcp://127.0.0.1:0;10.0.0.1:5555",
	};
	struct bus *bus = bus_new();
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_null(bus_bind(bus, wrong[i], &why));
		assert_int_equal(bus_code(&why), EXIT_USAGE);
		assert_null(bus_connect(bus, wrong[i], &why));
		assert_int_equal(bus_code(&why), EXIT_USAGE);
	}
	bus_free(bus);
}

static void
endpoints_of_this_machine_are_taken(void **state)
{
	static const char *const right[] = {
		"tcp://127.0.0.1:5555",
		"tcp://127.1.2.3:5555",
		"tcp://[::1]:5555",
		"tcp://localhost:5555",
		"ipc:///nowhere/at/all",
	};
	struct bus *bus = bus_new();
	struct why why;

	(void)state;
	/* A peer may come later, so a connect tells no more than that. */
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		struct bus_socket *s = bus_connect(bus, right[i], &why);

		assert_non_null(s);
		assert_string_equal(bus_endpoint(s), right[i]);
		bus_close(s);
	}
	bus_free(bus);
}

static void
a_path_is_held_by_one(void **state)
{
	char folder[] = "/tmp/idmesh-bus.XXXXXX";
	struct bus *bus = bus_new();
	struct bus_socket *first, *second;
	struct why why;
	char *endpoint, *path;

	(void)state;
	assert_non_null(mkdtemp(folder));
	endpoint = xasprintf("ipc://%s/socket", folder);
	first = bus_bind(bus, endpoint, &why);
	assert_non_null(first);
	second = bus_bind(bus, endpoint, &why);
	assert_null(second);
	assert_int_equal(bus_code(&why), EXIT_TEMPORARY);
	bus_close(first);
	second = bus_bind(bus, endpoint, &why);
	assert_non_null(second);
	bus_close(second);
	bus_free(bus);
	path = endpoint + sizeof("ipc://") - 1;
	(void)unlink(path);
	path = xasprintf("%s.lock", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	free(path);
	free(endpoint);
}

/* The last of the sockets that a context may have is the connection's own. */
static void
an_unwatched_connection_is_told(void **state)
{
	static const char said[] = "tcp://127.0.0.1:5555 is not watched";
	struct bus *bus = bus_new();
	struct bus_socket *s;
	char text[512] = "";
	int p[2], kept = dup(STDERR_FILENO);
	struct why why;

	(void)state;
	assert_int_equal(zmq_ctx_set(bus->context, ZMQ_MAX_SOCKETS, 1), 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	s = bus_connect(bus, "tcp://127.0.0.1:5555", &why);
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(p[1]);
	assert_non_null(s);
	assert_true(read(p[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, said));
	close(p[0]);
	bus_close(s);
	bus_free(bus);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_off_this_machine_are_refused),
		cmocka_unit_test(endpoints_of_this_machine_are_taken),
		cmocka_unit_test(a_path_is_held_by_one),
		cmocka_unit_test(an_unwatched_connection_is_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
