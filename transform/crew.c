/*
 * crew.c - the children of a dispatcher: given jobs, heard, buried.
 *
 * Each has a socket pair of its own, written without waiting, so that parent
 * and child never wait for each other.  A child may die at any byte: half an
 * answer is dropped and its jobs go back to dispatch.c; the job that it was
 * at is isolated after the third death.  Owns the workers.
 */

#include "dispatch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lines.h"
#include "mem.h"

#define SOCKET_BYTES (1 << 20)
#define DEATHS_MAX 3 /* of one page, then it is isolated */
/* Deaths without an answer in between: more than any one page explains. */
#define BARREN_MAX 16

static void
watch(struct worker *w)
{
	short events = LOOP_IN;

	if (w->sent < w->n)
		events |= LOOP_OUT;
	loop_events(w->item, events);
}

/* Writes jobs as far as the socket takes them; -1 when the child is gone. */
static int
write_jobs(struct worker *w)
{
	while (w->sent < w->n) {
		const struct buf *line = &w->jobs[w->sent]->line;
		ssize_t n = send(w->fd, line->data + w->offset,
		    line->len - w->offset, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		w->offset += (size_t)n;
		if (w->offset == line->len) {
			w->sent++;
			w->offset = 0;
		}
	}
	return 0;
}

void
crew_give(struct worker *w, struct job *job)
{
	w->jobs[w->n++] = job;
	/* A child that is gone is noticed when it is read from. */
	(void)write_jobs(w);
	watch(w);
}

static void
finish_job(struct worker *w)
{
	struct dispatcher *d = w->d;

	job_free(d, w->jobs[0]);
	w->n--;
	w->sent--;
	memmove(w->jobs, w->jobs + 1, w->n * sizeof(struct job *));
	d->pages++;
	d->barren = 0;
}

static void
take_answer(struct worker *w, char *line, size_t len)
{
	struct dispatcher *d = w->d;
	char *end;

	switch (line[0]) {
	case '!':
		log_error("%s", strchrnul(line, ' ') + 1);
		dispatch_fail(d, (enum exit_code)strtol(line + 1, NULL, 10));
		break;
	case '+':
		d->records += strtoull(line + 1, &end, 10);
		d->rejected += strtoull(end, NULL, 10);
		break;
	default:
		if (w->sent == 0)
			break;
		finish_job(w);
		dispatch_write(d, line, len);
		break;
	}
}

/* "page 7 of okta:contoso User", for a log line. */
static void
name_job(const struct job *job, struct buf *out)
{
	struct why why;
	struct msg m;

	if (msg_read(&m, job->line.data, job->line.len - 1, &why) < 0) {
		buf_str(out, "a page");
		return;
	}
	buf_fmt(
	    out, "page %lld of %s %s", (long long)m.seq, m.source, m.stream);
	msg_free(&m);
}

/* The job at hand is to blame; a second one was only waiting. */
static void
blame(struct job *job, int status)
{
	struct buf name = { 0 };
	const char *next = "it is handed out again";

	job->deaths++;
	name_job(job, &name);
	if (job->deaths == DEATHS_MAX) {
		job->isolate = 1;
		buf_reserve(&job->line, 1);
		memmove(job->line.data + 1, job->line.data, job->line.len);
		job->line.data[0] = '!';
		job->line.len++;
		next = "its records are mapped one by one";
	}
	log_warn("a process died (%s %d) at %s; %s",
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
	    name.data, next);
	buf_free(&name);
}

static int
bury(struct worker *w)
{
	int status = 0;

	close(w->fd);
	kill(w->pid, SIGKILL);
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	lines_free(w->in);
	loop_remove(w->d->loop, w->item);
	return status;
}

static void
forget(struct dispatcher *d, const struct worker *w)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->workers[i] == w) {
			d->workers[i] = d->workers[--d->n];
			return;
		}
	}
}

/* The child's side is closed: it died, or it was let go. */
static void
gone(struct worker *w)
{
	struct dispatcher *d = w->d;
	int status = bury(w);

	if (w->n > 0)
		blame(w->jobs[0], status);
	while (w->n > 0) {
		struct job *job = w->jobs[--w->n];

		job->next = d->again;
		d->again = job;
	}
	if (!w->leaving && ++d->barren > BARREN_MAX) {
		log_error("%d processes died one after the other; the last "
			  "lines above may say why",
		    d->barren);
		dispatch_fail(d, EXIT_TEMPORARY);
	}
	forget(d, w);
	free(w);
	if (d->code == EXIT_DONE && crew_fill(d) < 0)
		dispatch_fail(d, EXIT_TEMPORARY);
}

static void
on_worker(void *arg, short events)
{
	struct worker *w = arg;
	struct dispatcher *d = w->d;
	enum lines_result result = LINES_WAIT;
	char *line;
	size_t len;

	if (events & LOOP_OUT)
		(void)write_jobs(w);
	if (events & ~LOOP_OUT) {
		do {
			result = lines_next(w->in, &line, &len);
			if (result == LINES_ONE && len > 0)
				take_answer(w, line, len);
		} while (result == LINES_ONE && d->code == EXIT_DONE);
	}
	if (d->code != EXIT_DONE)
		return;
	if (result != LINES_WAIT) {
		gone(w);
	} else {
		watch(w);
		if (w->leaving && w->n == 0)
			shutdown(w->fd, SHUT_WR);
	}
	dispatch_go_on(d);
}

/* In the child: only its own end stays open. */
static _Noreturn void
become_child(struct dispatcher *d, int own, int parents)
{
	close(parents);
	for (size_t i = 0; i < d->n; i++)
		close(d->workers[i]->fd);
	child_run(d->m, own);
}

static int
start(struct dispatcher *d)
{
	int fds[2], bytes = SOCKET_BYTES;
	struct worker *w;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		log_error("socketpair: %s", strerror(errno));
		return -1;
	}
	for (int i = 0; i < 2; i++)
		(void)setsockopt(
		    fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	pid = fork_child();
	if (pid == 0)
		become_child(d, fds[1], fds[0]);
	close(fds[1]);
	if (pid < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
		close(fds[0]);
		return -1;
	}
	w = xcalloc(1, sizeof(*w));
	w->d = d;
	w->pid = pid;
	w->fd = fds[0];
	w->in = lines_new(w->fd);
	w->item = loop_fd(d->loop, w->fd, LOOP_IN, on_worker, w);
	d->workers[d->n++] = w;
	return 0;
}

/* Workers that are to stay. */
static size_t
staying(const struct dispatcher *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += !d->workers[i]->leaving;
	return n;
}

int
crew_fill(struct dispatcher *d)
{
	while (staying(d) < d->wanted && d->n < TRANSFORM_CHILDREN)
		if (start(d) < 0)
			return -1;
	return 0;
}

void
crew_shrink(struct dispatcher *d)
{
	for (size_t i = 0; i < d->n && staying(d) > d->wanted; i++) {
		struct worker *w = d->workers[i];

		w->leaving = 1;
		if (w->n == 0)
			shutdown(w->fd, SHUT_WR);
	}
}

struct worker *
crew_idle(struct dispatcher *d)
{
	struct worker *best = NULL;

	for (size_t i = 0; i < d->n; i++) {
		struct worker *w = d->workers[i];

		if (!w->leaving && w->n < TRANSFORM_CREDIT &&
		    (best == NULL || w->n < best->n))
			best = w;
	}
	return best;
}

size_t
crew_jobs(const struct dispatcher *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += d->workers[i]->n;
	return n;
}

const struct job *
crew_oldest(const struct dispatcher *d)
{
	const struct job *oldest = NULL;

	for (size_t i = 0; i < d->n; i++) {
		const struct worker *w = d->workers[i];

		for (size_t k = 0; k < w->n; k++)
			if (oldest == NULL || w->jobs[k]->nth < oldest->nth)
				oldest = w->jobs[k];
	}
	return oldest;
}

void
crew_signal(struct dispatcher *d, int signal)
{
	for (size_t i = 0; i < d->n; i++)
		kill(d->workers[i]->pid, signal);
}

void
crew_dismiss(struct dispatcher *d)
{
	while (d->n > 0) {
		struct worker *w = d->workers[--d->n];

		(void)bury(w);
		while (w->n > 0)
			job_free(d, w->jobs[--w->n]);
		free(w);
	}
}
