/*
 * out_pipe.c - messages as lines on standard output.
 *
 * The pipe is the back-pressure: a write waits until the next stage reads.
 * SIGTERM must end fetch in the middle of such a write too.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fetch.h"
#include "lines.h"
#include "mem.h"
#include "out.h"

static bool
room(const struct out *o, size_t coming)
{
	(void)o;
	(void)coming;
	return true;
}

static void
on_stop(int number)
{
	static const char text[] =
	    "idmesh-fetch: error: stopped by a signal; the run is "
	    "unfinished and can be resumed\n";

	(void)number;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_TEMPORARY);
	_exit(EXIT_TEMPORARY);
}

/* Lets SIGTERM and SIGINT through while a write may wait. */
static int
write_line(const struct buf *bytes)
{
	sigset_t set, old;
	int result;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_UNBLOCK, &set, &old);
	result = lines_write(STDOUT_FILENO, bytes->data, bytes->len);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return result;
}

static void
put(struct out *o, const struct stream *s, struct buf *bytes, bool end)
{
	(void)s;
	(void)end;
	if (o->fetch->failed)
		return;
	buf_char(bytes, '\n');
	if (write_line(bytes) == 0)
		return;
	if (errno == EPIPE)
		fetch_fail(o->fetch, EXIT_TEMPORARY,
		    "the next stage is gone; the run can be resumed");
	else
		fetch_fail(o->fetch, EXIT_TEMPORARY,
		    "cannot write to standard output: %s", strerror(errno));
}

static bool
drained(const struct out *o)
{
	(void)o;
	return true;
}

static void
pipe_free(struct out *o)
{
	free(o);
}

struct out *
out_pipe_new(struct fetch *f)
{
	static const struct out_kind kind = {
		.room = room,
		.put = put,
		.drained = drained,
		.free = pipe_free,
	};
	struct sigaction stop = { .sa_handler = on_stop };
	struct out *o = xcalloc(1, sizeof(*o));

	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	lines_widen(STDOUT_FILENO);
	o->kind = &kind;
	o->fetch = f;
	return o;
}
