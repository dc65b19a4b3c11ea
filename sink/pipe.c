/*
 * pipe.c - the sink behind a pipe: NDJSON on stdin, until end of file.
 *
 * Called by main.c.  Reads lines, gives them to apply.c, commits when a batch
 * is full or old.  Half a line at the end is never applied.
 */

#include "sink.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "lines.h"

/*
 * Nobody waits for an ack, and each commit writes every page of an index
 * that it touched: larger batches than in service.c are a third faster.
 */
#define BATCH_MESSAGES 100
#define BATCH_BYTES ((size_t)16 << 20)

/*
 * Waits for input until the time is up; 0 when it is.  Without a time it
 * waits for ever.
 */
static int
wait_input(int64_t until_ms)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	int64_t left = until_ms < 0 ? -1 : until_ms - clock_ms();

	if (until_ms >= 0 && left <= 0)
		return 0;
	return poll(&p, 1, (int)left) != 0;
}

/* Commits and settles at their times, until a line can be read. */
static enum exit_code
before_line(struct sink *s, const struct lines *in, struct why *why)
{
	enum exit_code code = EXIT_DONE;
	int64_t due;

	for (;;) {
		due = sink_due(s);
		if (due >= 0 && clock_ms() >= due)
			code = sink_commit(s, why);
		if (code != EXIT_DONE || lines_ready(in))
			return code;
		due = sink_due(s);
		if (due < 0 && s->unsettled)
			due = clock_ms() + SINK_QUIET_MS;
		if (wait_input(due))
			return EXIT_DONE;
		if (!s->batch)
			code = sink_settle(s, why);
		if (code != EXIT_DONE)
			return code;
	}
}

static enum exit_code
take_line(struct sink *s, const char *line, size_t len, struct why *why)
{
	enum exit_code code;
	struct msg m;

	if (msg_read(&m, line, len, why) < 0)
		return msg_code(why);
	code = sink_take(s, &m, clock_ms(), why);
	msg_free(&m);
	return code;
}

/* What was whole is committed; was it all? */
static enum exit_code
at_end(struct sink *s, enum lines_result result, struct why *why)
{
	int error = errno;
	enum exit_code code = sink_commit(s, why);

	if (code == EXIT_DONE)
		code = sink_settle(s, why);
	if (code != EXIT_DONE)
		return code;
	switch (result) {
	case LINES_TORN:
		return sink_fail(why, EXIT_TEMPORARY,
		    "stdin ended in the middle of a line; the line was not "
		    "applied: the stage before it was stopped, run it again");
	case LINES_LONG:
		return sink_fail(why, EXIT_TEMPORARY,
		    "a line on stdin is over the limit of %zu bytes", MSG_MAX);
	case LINES_ERROR:
		return sink_fail(why, EXIT_TEMPORARY, "cannot read stdin: %s",
		    strerror(error));
	default:
		break;
	}
	if (s->run != 0)
		return sink_fail(why, EXIT_TEMPORARY,
		    "the rebuild of %s did not come to its end; "
		    "run the stages again and it starts over",
		    s->name);
	/* Only a stale --after repeats; it must still reach our place. */
	if (s->repeated > 0)
		return sink_welcome(s, s->at.store, s->last, why);
	return EXIT_DONE;
}

enum exit_code
pipe_run(struct sink *s)
{
	struct lines *in = lines_new(STDIN_FILENO);
	enum lines_result result = LINES_ONE;
	enum exit_code code = EXIT_DONE;
	struct why why;

	s->messages_max = BATCH_MESSAGES;
	s->bytes_max = BATCH_BYTES;
	signal(SIGPIPE, SIG_IGN);
	lines_widen(STDIN_FILENO);
	while (code == EXIT_DONE) {
		char *line;
		size_t len;

		code = before_line(s, in, &why);
		if (code != EXIT_DONE)
			break;
		result = lines_next(in, &line, &len);
		if (result == LINES_WAIT)
			continue;
		if (result != LINES_ONE) {
			code = at_end(s, result, &why);
			break;
		}
		if (len > 0)
			code = take_line(s, line, len, &why);
	}
	if (code != EXIT_DONE) {
		s->target->rollback(s->h);
		log_error("%s", why.text);
	}
	sink_report(s);
	lines_free(in);
	return code;
}
