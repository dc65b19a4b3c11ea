/*
 * jobs.c - plays fetch and join towards transform services.
 *
 * `jobs JOBS COMMIT [late] < pages > records`: hands pages out by credit and
 * writes what comes back, ends when every page came back once.  A worker that
 * says bye or is silent for long loses its pages to others; a page that was
 * handed out three times is isolated.  With "late" nobody is at COMMIT until
 * a worker has said that it can take no more.  Lines on stderr tell of
 * instances that come ("ready"), leave ("bye") or die ("silent").
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "clock.h"
#include "lines.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "msg.h"

#define SILENT_MS 1800 /* below the deadline of a rule */
#define WORKERS_MAX 16

struct page {
	char *text; /* owned */
	size_t len;
	int64_t seq;
	int tries, done;
	int holder; /* index of a worker, or -1 */
};

struct worker {
	char instance[160];
	struct bus_peer peer;
	int64_t credit, seen, sent, heard_ms;
	int gone;
};

struct desk {
	struct loop *loop;
	struct bus *bus;
	struct bus_socket *jobs, *commit;
	const char *commit_at;
	struct loop_timer *timer;
	struct page *pages;
	size_t n, done;
	struct worker workers[WORKERS_MAX];
	int n_workers;
};

static void
isolate(struct page *p)
{
	static const char was[] = "\"isolate\":false";
	char *at = strstr(p->text, was);

	if (at == NULL)
		die(EXIT_USAGE, "a page without %s", was);
	memcpy(at, "\"isolate\":true ", sizeof(was) - 1);
}

static int
give(struct desk *d, struct page *p)
{
	for (int i = 0; i < d->n_workers; i++) {
		struct worker *w = &d->workers[i];

		if (w->gone || w->credit - (w->sent - w->seen) <= 0)
			continue;
		if (p->tries == 3)
			isolate(p);
		if (bus_send(d->jobs, &w->peer, p->text, p->len) < 0)
			continue;
		w->sent++;
		p->tries++;
		p->holder = i;
		return 1;
	}
	return 0;
}

static void
hand_out(struct desk *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (!d->pages[i].done && d->pages[i].holder < 0 &&
		    !give(d, &d->pages[i]))
			return;
}

static void on_commit(void *arg, short events);

static void
open_commit(struct desk *d)
{
	struct why why;

	d->commit = bus_bind(d->bus, d->commit_at, &why);
	if (d->commit == NULL)
		die(EXIT_TEMPORARY, "%s", why.text);
	loop_socket(d->loop, bus_raw(d->commit), on_commit, d);
}

static void
lose(struct desk *d, int i, const char *how)
{
	d->workers[i].gone = 1;
	fprintf(stderr, "%s %s\n", how, d->workers[i].instance);
	for (size_t p = 0; p < d->n; p++)
		if (d->pages[p].holder == i)
			d->pages[p].holder = -1;
}

static int
find_worker(struct desk *d, const struct msg *m, const struct bus_peer *from)
{
	struct worker *w;

	for (int i = 0; i < d->n_workers; i++)
		if (strcmp(d->workers[i].instance, m->instance) == 0)
			return i;
	if (d->n_workers == WORKERS_MAX)
		die(EXIT_TEMPORARY, "more workers than a test needs");
	w = &d->workers[d->n_workers];
	snprintf(w->instance, sizeof(w->instance), "%s", m->instance);
	w->peer = *from;
	w->seen = w->sent = m->n;
	fprintf(stderr, "ready %s\n", w->instance);
	return d->n_workers++;
}

static void
on_jobs(void *arg, short events)
{
	struct desk *d = arg;
	struct bus_peer from;
	const char *bytes;
	struct why why;
	struct msg m;
	size_t len;
	int i;

	(void)events;
	while (bus_recv(d->jobs, &from, &bytes, &len) == 1) {
		if (msg_read(&m, bytes, len, &why) < 0)
			die(EXIT_TEMPORARY, "%s", why.text);
		i = find_worker(d, &m, &from);
		d->workers[i].heard_ms = clock_ms();
		if (m.kind == MSG_BYE)
			lose(d, i, "bye");
		d->workers[i].credit = m.credit;
		d->workers[i].seen = m.n;
		if (d->commit == NULL && m.credit == 0 && m.kind == MSG_READY)
			open_commit(d);
		msg_free(&m);
	}
	hand_out(d);
}

static void
on_commit(void *arg, short events)
{
	struct desk *d = arg;
	const char *bytes;
	struct why why;
	struct msg m;
	size_t len;

	(void)events;
	while (bus_recv(d->commit, NULL, &bytes, &len) == 1) {
		if (msg_read(&m, bytes, len, &why) < 0)
			die(EXIT_TEMPORARY, "%s", why.text);
		for (size_t i = 0; i < d->n; i++) {
			if (d->pages[i].seq != m.seq || d->pages[i].done)
				continue;
			d->pages[i].done = 1;
			d->done++;
			if (lines_write(STDOUT_FILENO, bytes, len) < 0 ||
			    lines_write(STDOUT_FILENO, "\n", 1) < 0)
				die(EXIT_TEMPORARY, "cannot write");
		}
		msg_free(&m);
	}
	if (d->done == d->n)
		loop_stop(d->loop);
}

static void
on_timer(void *arg)
{
	struct desk *d = arg;

	for (int i = 0; i < d->n_workers; i++)
		if (!d->workers[i].gone &&
		    clock_ms() - d->workers[i].heard_ms > SILENT_MS)
			lose(d, i, "silent");
	hand_out(d);
	loop_timer_at(d->timer, clock_ms() + 50);
}

static void
read_pages(struct desk *d)
{
	struct lines *in = lines_new(STDIN_FILENO);
	struct why why;
	struct msg m;
	char *line;
	size_t len;

	while (lines_next(in, &line, &len) == LINES_ONE) {
		if (msg_read(&m, line, len, &why) < 0)
			die(EXIT_USAGE, "%s", why.text);
		d->pages = xrealloc(d->pages, (d->n + 1) * sizeof(*d->pages));
		d->pages[d->n++] =
		    (struct page){ xstrndup(line, len), len, m.seq, 0, 0, -1 };
		msg_free(&m);
	}
	lines_free(in);
}

int
main(int argc, char **argv)
{
	struct desk d = { .loop = loop_new(), .bus = bus_new() };
	struct why why;

	log_open("jobs");
	if (argc < 3)
		die(EXIT_USAGE, "jobs JOBS COMMIT [late] < pages");
	read_pages(&d);
	d.commit_at = argv[2];
	d.jobs = bus_bind(d.bus, argv[1], &why);
	if (d.jobs == NULL)
		die(EXIT_TEMPORARY, "%s", why.text);
	loop_socket(d.loop, bus_raw(d.jobs), on_jobs, &d);
	if (argc < 4)
		open_commit(&d);
	d.timer = loop_timer(d.loop, clock_ms(), on_timer, &d);
	loop_run(d.loop);
	bus_close(d.jobs);
	bus_close(d.commit);
	bus_free(d.bus);
	loop_free(d.loop);
	for (size_t i = 0; i < d.n; i++)
		free(d.pages[i].text);
	free(d.pages);
	return 0;
}
