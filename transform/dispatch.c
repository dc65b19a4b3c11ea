/*
 * dispatch.c - stdin to stdout through several processes.
 *
 * Stage 2 in a shell pipe with -j N.  Reads lines, gives each page to the
 * idlest child of crew.c and writes what comes back; pages may overtake each
 * other, join sorts them by seq.  Every other line is passed on at once.
 * While all children are full, or one is far behind the others, stdin is left
 * alone: that is the backpressure.
 */

#include "dispatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lines.h"
#include "mem.h"
#include "window.h"

static void take_input(void *arg, short events);

void
dispatch_fail(struct dispatcher *d, enum exit_code code)
{
	if (d->code == EXIT_DONE)
		d->code = code;
	loop_stop(d->loop);
}

void
dispatch_write(struct dispatcher *d, char *line, size_t len)
{
	line[len] = '\n';
	if (lines_write(STDOUT_FILENO, line, len + 1) < 0)
		dispatch_fail(d, pipe_output_failed(errno));
}

static struct job *
job_new(struct dispatcher *d, const char *line, size_t len)
{
	struct job *job = d->spare;
	struct buf text = { 0 };

	if (job != NULL) {
		d->spare = job->next;
		text = job->line;
		buf_clear(&text);
	} else {
		job = xmalloc(sizeof(*job));
	}
	buf_add(&text, line, len);
	buf_char(&text, '\n');
	*job = (struct job){ .line = text, .nth = d->jobs++, .at = d->bytes };
	d->bytes += text.len;
	return job;
}

void
job_free(struct dispatcher *d, struct job *job)
{
	job->next = d->spare;
	d->spare = job;
}

/* Our own writer begins every page so; other writers cost a look at it. */
static int
is_page(const struct dispatcher *d, const char *line, size_t len)
{
	const struct buf *head = &d->page_head;

	return len > head->len && memcmp(line, head->data, head->len) == 0;
}

/* A page as a job; NULL for what was passed on or was no good. */
static struct job *
take_line(struct dispatcher *d, char *line, size_t len)
{
	enum msg_kind kind;
	struct why why;
	struct msg msg;

	if (is_page(d, line, len))
		return job_new(d, line, len);
	if (len == 0)
		return NULL;
	if (msg_read(&msg, line, len, &why) < 0) {
		log_error("bad message on stdin: %s", why.text);
		dispatch_fail(d, msg_code(&why));
		return NULL;
	}
	kind = msg.kind;
	msg_free(&msg);
	if (kind == MSG_PAGE)
		return job_new(d, line, len);
	dispatch_write(d, line, len);
	return NULL;
}

/* One line of stdin, which is there or on its way. */
static struct job *
read_job(struct dispatcher *d)
{
	char *line;
	size_t len;
	enum lines_result result = lines_next(d->in, &line, &len);

	if (result == LINES_ONE)
		return take_line(d, line, len);
	if (result == LINES_WAIT)
		return NULL;
	d->ended = 1;
	/* What was whole is finished first. */
	d->input_code = pipe_input_ended(result, errno);
	return NULL;
}

/* Join keeps what overtakes a page, so no more does than fetch would keep. */
static int
has_room(const struct dispatcher *d)
{
	const struct job *oldest = crew_oldest(d);

	return oldest == NULL ||
	       (d->jobs - oldest->nth <
		       WINDOW_PAGES + TRANSFORM_CREDIT * d->n &&
		   d->bytes - oldest->at < WINDOW_BYTES);
}

/* Waits for stdin only when a line of it could be taken. */
static void
watch_input(struct dispatcher *d, int wanted)
{
	if (wanted && d->input == NULL) {
		d->input =
		    loop_fd(d->loop, STDIN_FILENO, LOOP_IN, take_input, d);
	} else if (!wanted && d->input != NULL) {
		loop_remove(d->loop, d->input);
		d->input = NULL;
	}
}

void
dispatch_go_on(struct dispatcher *d)
{
	struct worker *w = crew_idle(d);

	while (w != NULL && d->code == EXIT_DONE) {
		struct job *job = d->again;

		if (job != NULL)
			d->again = job->next;
		else if (!d->ended && lines_ready(d->in) && has_room(d))
			job = read_job(d);
		else
			break;
		if (job != NULL)
			crew_give(w, job);
		w = crew_idle(d);
	}
	watch_input(d, w != NULL && !d->ended && has_room(d));
	if (d->ended && d->again == NULL && crew_jobs(d) == 0)
		dispatch_fail(d, d->input_code);
}

static void
take_input(void *arg, short events)
{
	struct dispatcher *d = arg;
	struct job *job = read_job(d);

	(void)events;
	if (job != NULL) {
		job->next = d->again;
		d->again = job;
	}
	dispatch_go_on(d);
}

/* SIGUSR1: one more, SIGUSR2: one fewer, SIGHUP: new rules, else the end. */
static void
on_signal(void *arg, int signal)
{
	struct dispatcher *d = arg;

	if (signal == SIGUSR1 && d->wanted < TRANSFORM_CHILDREN) {
		d->wanted++;
		if (crew_fill(d) < 0)
			dispatch_fail(d, EXIT_TEMPORARY);
	} else if (signal == SIGUSR2 && d->wanted > 1) {
		d->wanted--;
		crew_shrink(d);
	} else if (signal == SIGHUP) {
		if (mapper_reload(d->m) == 0)
			crew_signal(d, SIGHUP);
		return;
	} else if (signal == SIGTERM || signal == SIGINT) {
		log_error("stopped by a signal before the end of stdin");
		dispatch_fail(d, EXIT_TEMPORARY);
		return;
	} else {
		return;
	}
	log_info("%zu processes map", d->wanted);
	dispatch_go_on(d);
}

static void
report(struct dispatcher *d)
{
	failures_report(d->m->failures);
	log_counts(d->pages, d->records, d->rejected);
	if (d->code == EXIT_DONE && d->rejected > 0)
		d->code = EXIT_PARTLY;
}

static void
free_jobs(struct job *list)
{
	while (list != NULL) {
		struct job *next = list->next;

		buf_free(&list->line);
		free(list);
		list = next;
	}
}

enum exit_code
dispatch_run(struct mapper *m, size_t n)
{
	struct dispatcher d = { .m = m, .wanted = n };

	lines_widen(STDIN_FILENO);
	lines_widen(STDOUT_FILENO);
	msg_open(&d.page_head, MSG_PAGE);
	buf_char(&d.page_head, ',');
	d.loop = loop_new();
	d.in = lines_new(STDIN_FILENO);
	loop_signals(d.loop, on_signal, &d);
	if (crew_fill(&d) < 0)
		d.code = EXIT_TEMPORARY;
	watch_input(&d, 1);
	if (d.code == EXIT_DONE)
		loop_run(d.loop);
	crew_dismiss(&d);
	report(&d);
	free_jobs(d.again);
	free_jobs(d.spare);
	buf_free(&d.page_head);
	lines_free(d.in);
	loop_free(d.loop);
	return d.code;
}
