/*
 * test_transform.c - what rules cannot be made to do in a test: kill the
 * process that maps a record, or outgrow a message.
 *
 * transform's own files run on rules that are played here: a record says in
 * "do" what happens to it.
 */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "msg.h"
#undef MSG_MAX
#define MSG_MAX ((size_t)256 << 10)

#include "transform/map.c"
#include "transform/reject.c"
#include "transform/failure.c"
#include "transform/isolate.c"
#include "transform/reload.c"
#include "transform/pipe.c"
#include "transform/fork.c"
#include "transform/child.c"
#include "transform/crew.c"
#include "transform/dispatch.c"

#define GROWN 200000

/* --- the rules that are played */
struct rules {
	const struct filter *filter; /* of the last page */
	enum filter_route route;
};

struct rules *
rules_load(const char *dir, struct buf *errors)
{
	(void)dir;
	(void)errors;
	return xcalloc(1, sizeof(struct rules));
}

void
rules_free(struct rules *r)
{
	free(r);
}

const char *
rules_version(const struct rules *r)
{
	(void)r;
	return "0123456789abcdef";
}

int
rules_page_begin(
    struct rules *r, const struct rules_page *page, struct buf *errors)
{
	(void)errors;
	if (strcmp(page->stream, "Doom") == 0)
		raise(SIGKILL);
	r->filter = page->filter;
	r->route = page->route;
	return 0;
}

enum rules_result
rules_record(struct rules *r, yyjson_val *record, struct buf *out,
    struct why *why, const char **id)
{
	const char *what = json_text(record, "do");

	(void)r;
	*id = json_text(record, "id");
	if (strcmp(what, "die") == 0)
		raise(SIGKILL);
	if (strcmp(what, "leave") == 0)
		_exit(EXIT_TEMPORARY);
	if (strcmp(what, "bad") == 0) {
		why_set(why, "E_RULE", "rules/x.lua:3", "no good");
		return RULES_BAD;
	}
	buf_fmt(out, "{\"id\":\"%s\",\"op\":\"put\",\"attrs\":{\"x\":\"", *id);
	for (int i = 0; strcmp(what, "grow") == 0 && i < GROWN; i++)
		buf_char(out, 'x');
	buf_str(out, "\"}}");
	return RULES_PUT;
}

void
rules_page_end(struct rules *r)
{
	(void)r;
}

/* --- pages, and what became of them */

/* A page; `what` is a blank separated list of deeds, one for each record. */
static void
page_text(struct buf *b, const char *stream, int64_t seq, const char *what)
{
	int i = 0;

	msg_open(b, MSG_PAGE);
	msg_address(b, "okta:contoso", stream, 1, 1);
	msg_int(b, MSG_SEQ, seq);
	buf_str(b, ",\"records\":[");
	while (*what != '\0') {
		int len = (int)strcspn(what, " ");

		buf_fmt(b, "%s{\"id\":\"u%d\",\"do\":\"%.*s\"}",
		    i > 0 ? "," : "", i, len, what);
		what += len + (what[len] == ' ');
		i++;
	}
	buf_char(b, ']');
	msg_close(b);
}

/* The answer to one page, read again. */
static void
map(struct mapper *m, const char *what, int isolated, struct msg *answer)
{
	struct buf page = { 0 }, out = { 0 };
	struct why why;

	page_text(&page, "User", 1, what);
	assert_int_equal(
	    mapper_line(m, page.data, page.len, isolated, &out, &why),
	    EXIT_DONE);
	assert_true(out.len <= MSG_MAX);
	assert_int_equal(msg_read(answer, out.data, out.len, &why), 0);
	assert_int_equal(answer->kind, MSG_MAPPED);
	assert_int_equal(
	    yyjson_arr_size(answer->records) + yyjson_arr_size(answer->bad),
	    answer->n);
	buf_free(&page);
	buf_free(&out);
}

/* "1:E_RULE 3:E_SIZE" of bad. */
static const char *
bad_text(const struct msg *m)
{
	static char text[256];
	yyjson_val *v;
	size_t i, n, len = 0;

	text[0] = '\0';
	yyjson_arr_foreach(m->bad, i, n, v) len +=
	    (size_t)snprintf(text + len, sizeof(text) - len, "%s%lld:%s%s",
		i > 0 ? " " : "", (long long)json_int(json_get(v, "index"), -1),
		json_text(v, "code"), json_get(v, "raw") != NULL ? "" : "-");
	return text;
}

static void
bad_records_stand_before_the_others(void **state)
{
	struct mapper m;
	struct msg answer;

	(void)state;
	assert_int_equal(mapper_open(&m, "x"), 0);
	map(&m, "put bad put bad", 0, &answer);
	assert_string_equal(bad_text(&answer), "1:E_RULE 3:E_RULE");
	assert_int_equal(yyjson_arr_size(answer.records), 2);
	assert_string_equal(
	    json_text(yyjson_arr_get(answer.bad, 0), "at"), "rules/x.lua:3");
	assert_string_equal(
	    json_text(yyjson_arr_get(answer.records, 1), "id"), "u2");
	msg_free(&answer);
	map(&m, "bad", 0, &answer);
	assert_string_equal(bad_text(&answer), "0:E_RULE");
	msg_free(&answer);
	map(&m, "", 0, &answer);
	assert_int_equal(answer.n, 0);
	msg_free(&answer);
	assert_int_equal(m.rejects.n, 3);
	assert_int_equal(m.records, 5);
	mapper_close(&m);
}

/* Two that grow are over a message; neither has its share of it. */
static void
a_page_that_outgrows_a_message_loses_its_giants(void **state)
{
	struct mapper m;
	struct msg answer;

	(void)state;
	assert_int_equal(mapper_open(&m, "x"), 0);
	map(&m, "put grow bad grow put", 0, &answer);
	assert_string_equal(bad_text(&answer), "1:E_SIZE- 2:E_RULE- 3:E_SIZE-");
	assert_int_equal(yyjson_arr_size(answer.records), 2);
	msg_free(&answer);
	assert_int_equal(m.rejects.n, 3);
	/* One alone fits and is kept. */
	map(&m, "put grow", 0, &answer);
	assert_string_equal(bad_text(&answer), "");
	msg_free(&answer);
	mapper_close(&m);
}

static void
isolation_costs_the_record_that_kills(void **state)
{
	struct mapper m;
	struct msg answer;

	(void)state;
	assert_int_equal(mapper_open(&m, "x"), 0);
	map(&m, "put die bad leave grow", 1, &answer);
	assert_string_equal(
	    bad_text(&answer), "1:E_POISON 2:E_RULE 3:E_POISON");
	assert_int_equal(yyjson_arr_size(answer.records), 2);
	assert_non_null(strstr(
	    json_text(yyjson_arr_get(answer.bad, 0), "message"), "signal 9"));
	assert_non_null(strstr(
	    json_text(yyjson_arr_get(answer.bad, 2), "message"), "status 111"));
	assert_string_equal(
	    json_text(yyjson_arr_get(answer.bad, 2), "id"), "u3");
	msg_free(&answer);
	mapper_close(&m);
}

/* A member of `name` with as many x as fill `len` bytes. */
static void
long_text(struct buf *b, const char *name, size_t len)
{
	char *text = xmalloc(len + 1);

	memset(text, 'x', len);
	text[len] = '\0';
	msg_str(b, name, text);
	free(text);
}

/* An id that is cut off is the id of another record. */
static void
isolation_keeps_a_long_id(void **state)
{
	struct buf page = { 0 }, out = { 0 };
	struct mapper m;
	struct msg answer;
	struct why why;

	(void)state;
	assert_int_equal(mapper_open(&m, "x"), 0);
	msg_open(&page, MSG_PAGE);
	msg_address(&page, "okta:contoso", "User", 1, 1);
	msg_int(&page, MSG_SEQ, 1);
	buf_str(&page, ",\"records\":[{\"do\":\"bad\"");
	long_text(&page, "id", 3000);
	buf_str(&page, "}]}");
	assert_int_equal(
	    mapper_line(&m, page.data, page.len, 1, &out, &why), EXIT_DONE);
	assert_int_equal(msg_read(&answer, out.data, out.len, &why), 0);
	assert_int_equal(
	    strlen(json_text(yyjson_arr_get(answer.bad, 0), MSG_ID)), 3000);
	msg_free(&answer);
	buf_free(&page);
	buf_free(&out);
	mapper_close(&m);
}

static void
a_header_that_is_too_large_is_no_page(void **state)
{
	struct buf page = { 0 }, out = { 0 };
	struct mapper m;
	struct why why;

	(void)state;
	assert_int_equal(mapper_open(&m, "x"), 0);
	msg_open(&page, MSG_PAGE);
	msg_address(&page, "okta:contoso", "User", 1, 1);
	msg_int(&page, MSG_SEQ, 1);
	buf_str(&page, ",\"" MSG_STATE "\":{\"n\":1");
	long_text(&page, "next", MSG_MAX);
	buf_str(&page, "},\"" MSG_RECORDS "\":[]}");
	assert_int_equal(mapper_line(&m, page.data, page.len, 0, &out, &why),
	    EXIT_TEMPORARY);
	assert_string_equal(why.code, "E_SIZE");
	assert_int_equal(out.len, 0);
	buf_free(&page);
	buf_free(&out);
	mapper_close(&m);
}

static struct why nothing;

static const struct filter *
filter_of(struct mapper *m, int i, const char *route)
{
	struct buf page = { 0 }, out = { 0 };

	msg_open(&page, MSG_PAGE);
	msg_address(&page, "okta:contoso", "User", 1, 1);
	msg_int(&page, MSG_SEQ, 1);
	buf_fmt(&page,
	    ",\"filter\":{\"text\":\"id eq \\\"%d\\\"\",\"route\":\"%s\"}"
	    ",\"records\":[]}",
	    i, route);
	assert_int_equal(
	    mapper_line(m, page.data, page.len, 0, &out, &nothing), EXIT_DONE);
	buf_free(&page);
	buf_free(&out);
	return m->rules->filter;
}

static void
filters_are_parsed_once(void **state)
{
	const struct filter *first;
	struct mapper m;

	(void)state;
	assert_int_equal(mapper_open(&m, "x"), 0);
	first = filter_of(&m, 0, "filter");
	assert_string_equal(filter_text(first), "id eq \"0\"");
	assert_int_equal(m.rules->route, FILTER_BY_FILTER);
	assert_ptr_equal(filter_of(&m, 0, "search"), first);
	assert_int_equal(m.rules->route, FILTER_BY_SEARCH);
	/* More than are kept: each is right, and the first one comes back. */
	for (int i = 1; i < 3 * TRANSFORM_FILTERS; i++) {
		char text[32];

		snprintf(text, sizeof(text), "id eq \"%d\"", i);
		assert_string_equal(
		    filter_text(filter_of(&m, i, "filter")), text);
	}
	assert_string_equal(
	    filter_text(filter_of(&m, 0, "filter")), "id eq \"0\"");
	mapper_close(&m);
}

/* --- the dispatcher, in a process with stdin and stdout of its own */

static int
memory_file(const struct buf *text)
{
	int fd = memfd_create("test", 0);

	assert_true(fd >= 0);
	if (text != NULL) {
		assert_int_equal(lines_write(fd, text->data, text->len), 0);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	}
	return fd;
}

/* Exit code of a dispatcher with n children; stdout to a file. */
static int
dispatch(const struct buf *in, size_t n, int out)
{
	int fd = memory_file(in), status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct mapper m;

		log_level(LOG_ERROR);
		if (dup2(fd, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
			_exit(99);
		(void)mapper_open(&m, "x");
		_exit((int)dispatch_run(&m, n));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	close(fd);
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	return WEXITSTATUS(status);
}

/* Another process may have set it on the pipe that both have. */
static void
a_stdin_that_does_not_wait_is_waited_for(void **state)
{
	struct buf in = { 0 };
	int out = memory_file(NULL), p[2], status = 0;
	pid_t pid;

	(void)state;
	page_text(&in, "User", 1, "put put");
	buf_char(&in, '\n');
	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct mapper m;

		if (dup2(p[0], STDIN_FILENO) < 0 ||
		    dup2(out, STDOUT_FILENO) < 0)
			_exit(99);
		close(p[1]);
		(void)mapper_open(&m, "x");
		_exit((int)pipe_run(&m));
	}
	close(p[0]);
	assert_int_equal(lines_write(p[1], in.data, 20), 0);
	/* It has ended by then, or it waits. */
	assert_int_equal(poll(NULL, 0, 50), 0);
	assert_int_equal(lines_write(p[1], in.data + 20, in.len - 20), 0);
	close(p[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_DONE);
	assert_true(lseek(out, 0, SEEK_END) > 0);
	close(out);
	buf_free(&in);
}

static void
pages_come_back_once_though_processes_die(void **state)
{
	struct buf in = { 0 };
	int out = memory_file(NULL), seen[21] = { 0 };
	struct lines *lines;
	struct msg answer;
	char *line;
	size_t len;

	(void)state;
	for (int i = 1; i <= 20; i++) {
		page_text(&in, "User", i,
		    i == 7 || i == 8 ? "put die put" : "put put");
		buf_char(&in, '\n');
	}
	assert_int_equal(dispatch(&in, 3, out), EXIT_PARTLY);
	lines = lines_new(out);
	while (lines_next(lines, &line, &len) == LINES_ONE) {
		assert_int_equal(msg_read(&answer, line, len, &nothing), 0);
		assert_in_range(answer.seq, 1, 20);
		seen[answer.seq]++;
		assert_string_equal(bad_text(&answer),
		    answer.seq == 7 || answer.seq == 8 ? "1:E_POISON" : "");
		assert_int_equal(yyjson_arr_size(answer.records), 2);
		msg_free(&answer);
	}
	for (int i = 1; i <= 20; i++)
		assert_int_equal(seen[i], 1);
	lines_free(lines);
	close(out);
	buf_free(&in);
}

static void
a_page_that_always_kills_ends_it(void **state)
{
	struct buf in = { 0 };
	int out = memory_file(NULL);

	(void)state;
	page_text(&in, "Doom", 1, "put");
	buf_char(&in, '\n');
	assert_int_equal(dispatch(&in, 2, out), EXIT_TEMPORARY);
	assert_int_equal(lseek(out, 0, SEEK_END), 0);
	close(out);
	buf_free(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_records_stand_before_the_others),
		cmocka_unit_test(
		    a_page_that_outgrows_a_message_loses_its_giants),
		cmocka_unit_test(isolation_costs_the_record_that_kills),
		cmocka_unit_test(isolation_keeps_a_long_id),
		cmocka_unit_test(a_header_that_is_too_large_is_no_page),
		cmocka_unit_test(filters_are_parsed_once),
		cmocka_unit_test(a_stdin_that_does_not_wait_is_waited_for),
		cmocka_unit_test(pages_come_back_once_though_processes_die),
		cmocka_unit_test(a_page_that_always_kills_ends_it),
	};

	log_level(LOG_ERROR);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("transform", tests, NULL, NULL);
}
