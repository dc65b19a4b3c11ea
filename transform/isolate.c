/*
 * isolate.c - one record in a process of its own.
 *
 * A page that has killed or hung processes comes here record by record, so
 * that one bad record costs a dead letter and not the page.  The forked
 * process only computes: it never touches stdout or ZeroMQ and leaves by
 * _exit().  What it made comes back over a pipe.
 */

#include "transform.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "lines.h"
#include "mem.h"

#define RECORD_MS 60000 /* far above the rules' own deadline */
#define TICK_MS 250

/* What comes back before the id with its NUL and the mapped bytes. */
struct outcome {
	enum rules_result result;
	struct why why;
	size_t id_len; /* with the NUL; 0: it has none */
	size_t len;
};

static _Noreturn void
map_and_leave(
    struct mapper *m, const struct rules_page *page, yyjson_val *record, int fd)
{
	struct rules_page ours = *page;
	struct outcome o = { 0 };
	struct buf out = { 0 };
	const char *id = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ours.tick = NULL; /* the sockets are our parent's */
	rules_page_end(m->rules);
	if (rules_page_begin(m->rules, &ours, &out) < 0)
		_exit(EXIT_USAGE);
	buf_clear(&out);
	o.result = rules_record(m->rules, record, &out, &o.why, &id);
	o.len = o.result == RULES_BAD ? 0 : out.len;
	o.id_len = id != NULL ? strlen(id) + 1 : 0;
	if (lines_write(fd, (const char *)&o, sizeof(o)) < 0 ||
	    lines_write(fd, id, o.id_len) < 0 ||
	    lines_write(fd, out.data, o.len) < 0)
		_exit(EXIT_TEMPORARY);
	_exit(EXIT_DONE);
}

/* All that the process writes, until it closes; -1 when time is up. */
static int
collect(struct mapper *m, int fd, struct buf *answer)
{
	int64_t until = clock_ms() + RECORD_MS;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	for (;;) {
		int ready = poll(&p, 1, TICK_MS);

		if (ready == 0 && m->tick != NULL)
			m->tick(m->tick_arg);
		if (ready <= 0) {
			if (clock_ms() > until)
				return -1;
			continue;
		}
		buf_reserve(answer, 65536);
		n = read(fd, answer->data + answer->len, 65536);
		if (n == 0)
			return 0;
		if (n > 0)
			answer->len += (size_t)n;
		else if (errno != EINTR)
			return -1;
	}
}

static int
reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

static void
describe(char *text, size_t size, int hung, int status)
{
	if (hung)
		snprintf(text, size, "hangs");
	else if (WIFSIGNALED(status))
		snprintf(text, size, "ends the process by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "ends the process with status %d",
		    WEXITSTATUS(status));
}

/* The record's fate out of what came back. */
static enum rules_result
judge(const struct buf *answer, int hung, int status, struct buf *out,
    struct why *why, const char **id)
{
	static struct buf kept; /* the id */
	struct outcome o = { 0 };
	char how[96];

	if (answer->len >= sizeof(o))
		memcpy(&o, answer->data, sizeof(o));
	if (!hung && status == 0 && answer->len >= sizeof(o) &&
	    answer->len == sizeof(o) + o.id_len + o.len) {
		*why = o.why;
		buf_clear(&kept);
		buf_add(&kept, answer->data + sizeof(o), o.id_len);
		*id = o.id_len > 0 ? kept.data : NULL;
		buf_add(out, answer->data + sizeof(o) + o.id_len, o.len);
		return o.result;
	}
	describe(how, sizeof(how), hung, status);
	why_set(why, "E_POISON", NULL,
	    "mapping this record %s; its page was mapped record by record",
	    how);
	return RULES_BAD;
}

enum rules_result
isolate_record(struct mapper *m, const struct rules_page *page,
    yyjson_val *record, struct buf *out, struct why *why, const char **id)
{
	struct buf answer = { 0 };
	enum rules_result result;
	int fds[2], hung, status;
	pid_t pid;

	/* No process to be had is like no memory to be had: see mem.h. */
	if (pipe(fds) < 0)
		die(EXIT_TEMPORARY, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die(EXIT_TEMPORARY, "fork: %s", strerror(errno));
	if (pid == 0) {
		close(fds[0]);
		map_and_leave(m, page, record, fds[1]);
	}
	close(fds[1]);
	hung = collect(m, fds[0], &answer) < 0;
	close(fds[0]);
	if (hung)
		kill(pid, SIGKILL);
	status = reap(pid);
	result = judge(&answer, hung, status, out, why, id);
	if (*id == NULL && page->key == NULL)
		*id = yyjson_get_str(yyjson_obj_get(record, "id"));
	buf_free(&answer);
	return result;
}
