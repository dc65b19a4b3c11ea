/*
 * test_folder.c - which folder a new file's name is made durable in.
 *
 * open() and fsync() are ours: what they were asked for is written down.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char opened[64];
static int open_error, sync_error, closed;

static int
fake_open(const char *path, int flags)
{
	assert_true((flags & O_DIRECTORY) != 0);
	snprintf(opened, sizeof(opened), "%s", path);
	errno = open_error;
	return open_error == 0 ? 7 : -1;
}

static int
fake_fsync(int fd)
{
	assert_int_equal(fd, 7);
	errno = sync_error;
	return sync_error == 0 ? 0 : -1;
}

static int
fake_close(int fd)
{
	assert_int_equal(fd, 7);
	closed++;
	errno = 0;
	return 0;
}

#define open fake_open
#define fsync fake_fsync
#define close fake_close
#include "lib/folder.c"

static void
the_folder_of_the_file(void **state)
{
	static const char *const of[][2] = { { "mesh.db", "." },
		{ "/mesh.db", "/" }, { "/var/lib/mesh.db", "/var/lib" },
		{ "a/b", "a" } };

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		assert_int_equal(folder_sync(of[i][0]), 0);
		assert_string_equal(opened, of[i][1]);
	}
	assert_int_equal(closed, 4);
}

static void
errors_are_told(void **state)
{
	(void)state;
	sync_error = EIO;
	assert_int_equal(folder_sync("x"), -1);
	assert_int_equal(errno, EIO);
	sync_error = EINVAL;
	assert_int_equal(folder_sync("x"), 0);
	open_error = EMFILE;
	assert_int_equal(folder_sync("x"), -1);
	assert_int_equal(errno, EMFILE);
	open_error = EACCES;
	assert_int_equal(folder_sync("x"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_folder_of_the_file),
		cmocka_unit_test(errors_are_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
