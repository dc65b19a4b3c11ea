/*
 * pipe.c - stdin to stdout in this process.
 *
 * Stage 2 in a shell pipe with one worker: pages are mapped, every other line
 * is passed on byte for byte, in order.  A line that fails ends the process:
 * fetch has the page still, and the run is begun again.
 */

#include "transform.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum exit_code
pipe_input_ended(enum lines_result result, int error)
{
	switch (result) {
	case LINES_END:
		return EXIT_DONE;
	case LINES_TORN:
		log_error("stdin ended in the middle of a line, which was not "
			  "processed: the stage before this one was stopped; "
			  "run it again");
		break;
	case LINES_LONG:
		log_error(
		    "a line on stdin is over the limit of %zu bytes", MSG_MAX);
		break;
	case LINES_ONE:
	case LINES_WAIT:
	case LINES_ERROR:
		log_error("cannot read stdin: %s", strerror(error));
		break;
	}
	return EXIT_TEMPORARY;
}

enum exit_code
pipe_output_failed(int error)
{
	if (error == EPIPE)
		log_error("the next stage is gone; see its own last line");
	else
		log_error("cannot write to stdout: %s", strerror(error));
	return EXIT_TEMPORARY;
}

/* The line and its newline, which the reader has overwritten by a NUL. */
static int
pass_on(char *line, size_t len)
{
	line[len] = '\n';
	return lines_write(STDOUT_FILENO, line, len + 1);
}

static enum exit_code
take(struct mapper *m, char *line, size_t len, struct buf *out)
{
	enum exit_code code = EXIT_DONE;
	struct why why;
	struct msg msg;
	int sent;

	buf_clear(out);
	if (msg_read_in(&msg, &m->room, line, len, &why) < 0) {
		log_error("bad message on stdin: %s", why.text);
		return msg_code(&why);
	}
	if (msg.kind == MSG_PAGE) {
		code = mapper_page(m, &msg, 0, out, &why);
		buf_char(out, '\n');
	}
	msg_free(&msg);
	if (code != EXIT_DONE) {
		log_error("%s", why.text);
		return code;
	}
	sent = out->len > 0 ? lines_write(STDOUT_FILENO, out->data, out->len)
			    : pass_on(line, len);
	return sent == 0 ? EXIT_DONE : pipe_output_failed(errno);
}

enum exit_code
pipe_run(struct mapper *m)
{
	struct lines *in = lines_new(STDIN_FILENO);
	struct buf out = { 0 };
	enum exit_code code = EXIT_DONE;
	struct pollfd ready = { .fd = STDIN_FILENO, .events = POLLIN };
	enum lines_result result;
	size_t len;
	char *line;

	lines_widen(STDIN_FILENO);
	lines_widen(STDOUT_FILENO);
	for (;;) {
		result = lines_next(in, &line, &len);
		if (result == LINES_WAIT) {
			/* Somebody has made stdin non-blocking. */
			(void)poll(&ready, 1, -1);
			continue;
		}
		if (result != LINES_ONE) {
			code = pipe_input_ended(result, errno);
			break;
		}
		reload_if_asked(m);
		if (len > 0)
			code = take(m, line, len, &out);
		if (code != EXIT_DONE)
			break;
	}
	mapper_report(m);
	if (code == EXIT_DONE && m->rejects.n > 0)
		code = EXIT_PARTLY;
	buf_free(&out);
	lines_free(in);
	return code;
}
