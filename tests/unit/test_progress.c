/*
 * test_progress.c - rates, percentages, the moving lines, and the event.
 *
 * A pipe plays the terminal: what is drawn does not depend on it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "progress.h"

static struct progress_row
user(int64_t n)
{
	struct progress_row row = { .source = "okta:contoso",
		.stream = "User",
		.state = PROGRESS_READING,
		.n = n,
		.pages = (n + 199) / 200,
		.expected = 50000 };

	return row;
}

static const char *
text(const struct progress *p)
{
	static struct buf b;

	buf_free(&b);
	progress_text(p, &b);
	return b.data != NULL ? b.data : "";
}

static void
test_numbers(void **state)
{
	struct progress *p = progress_new();
	struct progress_row row = user(200);

	(void)state;
	assert_string_equal(text(p), "");
	progress_put(p, &row, 1000);
	assert_string_equal(
	    text(p), "okta:contoso User 200 of about 50,000 (0 %), 1 page");
	row = user(12400);
	progress_put(p, &row, 3000);
	assert_string_equal(text(p),
	    "okta:contoso User 12,400 of about 50,000 (24 %), 62 pages, "
	    "6,100/s");
	/* More than there were the last time is no more than all. */
	row = user(1234567);
	row.delta = true;
	row.pages = 1;
	row.state = PROGRESS_DONE;
	progress_put(p, &row, 3100);
	assert_string_equal(
	    text(p), "okta:contoso User 1,234,567 changed, 1 page, done");
	row.state = PROGRESS_SKIPPED;
	progress_put(p, &row, 3200);
	assert_string_equal(text(p), "okta:contoso User skipped");
	progress_clear(p);
	assert_string_equal(text(p), "");
	progress_free(p);
}

/* A stream that goes on at 12,000 has not read them in its first second. */
static void
test_rate(void **state)
{
	struct progress *p = progress_new();
	struct progress_row row = user(12000);

	(void)state;
	progress_put(p, &row, 0);
	row = user(12100);
	progress_put(p, &row, 1000);
	assert_non_null(strstr(text(p), ", 100/s"));
	row = user(12100);
	progress_put(p, &row, 2000);
	assert_non_null(strstr(text(p), ", 70/s"));
	row = user(5);
	progress_put(p, &row, 3000);
	assert_null(strstr(text(p), "/s"));
	progress_free(p);
}

static void
test_waiting(void **state)
{
	struct progress *p = progress_new();
	struct progress_row row = user(200);

	(void)state;
	setenv("TZ", "UTC", 1);
	row.until_ms = INT64_C(1776845729500);
	progress_put(p, &row, 0);
	assert_non_null(
	    strstr(text(p), ", waiting for the budget until 08:15:30"));
	row.hours = true;
	row.state = PROGRESS_IDLE;
	progress_put(p, &row, 0);
	assert_string_equal(text(p),
	    "okta:contoso User not begun, waiting for the hours until "
	    "08:15:30");
	progress_free(p);
}

/* What has been written into the pipe since the last call. */
static const char *
drawn(int fd)
{
	static char bytes[4096];
	ssize_t n = read(fd, bytes, sizeof(bytes) - 1);

	bytes[n > 0 ? n : 0] = '\0';
	return bytes;
}

static void
test_draw(void **state)
{
	struct progress *p = progress_new();
	struct progress_row row = user(200);
	const char *line;
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	assert_false(progress_can_draw(fd[1]));
	unsetenv("NO_COLOR");
	progress_put(p, &row, 0);
	progress_draw(p, fd[1]);
	assert_string_equal(drawn(fd[0]),
	    "okta:contoso User        200 of about 50,000 (0 %), 1 "
	    "page\033[K\n");
	memcpy(row.stream, "Group", 6);
	row.state = PROGRESS_DONE;
	memset(row.source, 'x', sizeof(row.source) - 1);
	progress_put(p, &row, 0);
	progress_draw(p, fd[1]);
	line = drawn(fd[0]);
	assert_memory_equal(line, "\033[1A\r", 5);
	line = strchr(line, '\n') + 1;
	assert_memory_equal(line, "\033[32mxxx", 8);
	/* 79 columns and no more, whatever the name. */
	assert_memory_equal(line + 5 + 79, "\033[0m\033[K\n", 8);
	setenv("NO_COLOR", "1", 1);
	progress_draw(p, fd[1]);
	assert_null(strstr(drawn(fd[0]), "\033[32m"));
	progress_clear(p);
	progress_draw(p, fd[1]);
	assert_string_equal(drawn(fd[0]), "\033[2A\r\033[J");
	progress_put(p, &row, 0);
	progress_draw(p, fd[1]);
	(void)drawn(fd[0]);
	progress_erase(p, fd[1]);
	assert_string_equal(drawn(fd[0]), "\033[1A\r\033[J");
	close(fd[0]);
	close(fd[1]);
	progress_free(p);
}

static void
test_event(void **state)
{
	struct progress *a = progress_new(), *b = progress_new();
	struct progress_row row = user(200);
	struct buf event = { 0 };
	bool ready = false;

	(void)state;
	row.until_ms = INT64_C(1776845729000);
	row.delta = true;
	progress_put(a, &row, 0);
	assert_int_equal(progress_write(a, true, 0, &event), 1);
	assert_int_equal(progress_read(b, event.data, event.len, 0, &ready), 0);
	assert_true(ready);
	assert_memory_equal(progress_row_at(b, 0), &row, sizeof(row));
	assert_null(progress_row_at(b, 1));
	assert_int_equal(progress_read(b, "{}", 2, 0, &ready), -1);
	assert_int_equal(progress_read(b, "nonsense", 8, 0, &ready), -1);
	buf_free(&event);
	progress_free(a);
	progress_free(b);
}

/* Many sources: each event is one that a pipe takes whole. */
static void
test_events(void **state)
{
	struct progress *a = progress_new(), *b = progress_new();
	struct progress_row row;
	struct buf event = { 0 };
	size_t at = 0, events = 0, most = 0;
	bool ready = false;

	(void)state;
	for (int i = 0; i < 100; i++) {
		/* A quote is two bytes in JSON, a control character six. */
		row = (struct progress_row){ .pages = i, .until_ms = 1000 };
		memset(row.source, i % 3 > 0 ? '"' : 1, i % 90 + 1);
		row.source[i % 90 + 1] = '\0';
		snprintf(row.stream, sizeof(row.stream), "%d", i);
		progress_put(a, &row, 0);
	}
	do {
		buf_clear(&event);
		at = progress_write(a, true, at, &event);
		if (event.len > most)
			most = event.len;
		assert_int_equal(
		    progress_read(b, event.data, event.len, 0, &ready), 0);
		events++;
	} while (progress_row_at(a, at) != NULL);
	assert_in_range(most, PROGRESS_EVENT / 2, PROGRESS_EVENT);
	assert_in_range(events, 2, 99);
	for (size_t i = 0; i < 100; i++)
		assert_memory_equal(
		    progress_row_at(a, i), progress_row_at(b, i), sizeof(row));
	assert_null(progress_row_at(b, 100));
	buf_free(&event);
	progress_free(a);
	progress_free(b);
}

static void
test_interval(void **state)
{
	(void)state;
	unsetenv("IDMESH_PROGRESS_MS");
	assert_int_equal(progress_line_ms(), 10000);
	setenv("IDMESH_PROGRESS_MS", "50", 1);
	assert_int_equal(progress_line_ms(), 50);
	setenv("IDMESH_PROGRESS_MS", "never", 1);
	assert_int_equal(progress_line_ms(), 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_draw),
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_interval),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
