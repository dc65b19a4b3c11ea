/*
 * progress.c - what people, or `idmesh run`, see while fetch reads.
 *
 * Beside the flow: a timer looks at the streams and the budget.  On a
 * terminal the lines move, elsewhere there is one now and then; with
 * --progress-fd the numbers go to who started us, and nothing is shown here.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "clock.h"
#include "fetch.h"
#include "progress.h"
#include "schedule.h"
#include "stream.h"

#define ROWS 32

enum show { SHOW_NOTHING, SHOW_MOVING, SHOW_LINES, SHOW_EVENTS };

static enum show show;
static struct progress *progress; /* owned */
static struct loop_timer *timer;
static int64_t line_ms; /* when the next line is due */

/* Wall time at which the stream's bucket opens; 0: it is open. */
static int64_t
opens(const struct stream *s, int64_t now_ms)
{
	struct budget_row rows[ROWS];
	struct budget *b = s->source->fetch->budget;
	size_t n;
	const char *name;

	/* Before its first call a class is not known, and is not made known. */
	if (s->calls == 0)
		return 0;
	name = budget_bucket(b, budget_class(b, "GET", s->entity->list));
	n = budget_rows(b, now_ms, rows, ROWS);
	for (size_t i = 0; i < n && i < ROWS; i++)
		if (strcmp(rows[i].name, name) == 0 &&
		    rows[i].opens_ms > now_ms)
			return clock_wall_ms() + rows[i].opens_ms - now_ms;
	return 0;
}

static enum progress_state
state_of(const struct stream *s)
{
	if (!s->ended)
		return s->running ? PROGRESS_READING : PROGRESS_IDLE;
	if (s->skipped)
		return PROGRESS_SKIPPED;
	return s->complete ? PROGRESS_DONE : PROGRESS_INCOMPLETE;
}

static void
put_wait(const struct stream *s, struct progress_row *row, int64_t now_ms)
{
	const struct fetch *f = s->source->fetch;
	int64_t at;

	if (s->ended)
		return;
	if (f->schedule != NULL && f->schedule->shut_ms != 0) {
		at = schedule_now(f, now_ms);
		row->hours = true;
		row->until_ms =
		    clock_wall_ms() + span_opens(&f->schedule->span, at) - at;
	} else if (s->running) {
		row->until_ms = opens(s, now_ms);
	}
}

static void
look(struct fetch *f, int64_t now_ms)
{
	for (size_t i = 0; i < f->n_sources; i++) {
		const struct source *source = &f->sources[i];

		for (size_t k = 0; k < source->n_streams; k++) {
			const struct stream *s = &source->streams[k];
			struct progress_row row = { .state = state_of(s),
				.delta = s->mode == MODE_DELTA,
				.n = s->n,
				.pages = s->pages };

			if (!s->wanted)
				continue;
			snprintf(
			    row.source, sizeof(row.source), "%s", source->name);
			snprintf(row.stream, sizeof(row.stream), "%s",
			    s->entity->name);
			if (!row.delta)
				row.expected = s->expected;
			if (s->fan != NULL && fan_expected(s) > 0)
				row.expected = fan_expected(s);
			put_wait(s, &row, now_ms);
			progress_put(progress, &row, now_ms);
		}
	}
}

static bool
all_positioned(const struct fetch *f)
{
	for (size_t i = 0; i < f->n_sources; i++)
		if (!f->sources[i].positioned)
			return false;
	return true;
}

static void
put_event(const struct fetch *f)
{
	struct buf b = { 0 };
	size_t at = 0;

	do {
		buf_clear(&b);
		at = progress_write(progress, all_positioned(f), at, &b);
		buf_char(&b, '\n');
		/* Who does not read an event must not hold us up. */
		if (write((int)f->opt.progress_fd, b.data, b.len) < 0 &&
		    errno != EAGAIN)
			show = SHOW_NOTHING;
	} while (progress_row_at(progress, at) != NULL);
	buf_free(&b);
}

static void
put_line(const struct fetch *f, int64_t now_ms)
{
	struct buf b = { 0 };

	if (now_ms < line_ms || !all_positioned(f))
		return;
	line_ms = now_ms + progress_line_ms();
	progress_text(progress, &b);
	log_info("%s", b.data != NULL ? b.data : "");
	buf_free(&b);
}

static void
on_tick(void *arg)
{
	struct fetch *f = arg;
	int64_t now_ms = clock_ms(), pause = PROGRESS_DRAW_MS;

	look(f, now_ms);
	switch (show) {
	case SHOW_NOTHING:
		return;
	case SHOW_MOVING:
		progress_draw(progress, STDERR_FILENO);
		break;
	case SHOW_LINES:
		put_line(f, now_ms);
		break;
	case SHOW_EVENTS:
		put_event(f);
		break;
	}
	if (show == SHOW_LINES && progress_line_ms() < pause)
		pause = progress_line_ms();
	loop_timer_at(timer, now_ms + pause);
}

/* A line of the log goes above the lines that move. */
static void
make_way(void)
{
	if (show == SHOW_MOVING)
		progress_erase(progress, STDERR_FILENO);
}

static enum show
choose(const struct fetch *f)
{
	if (f->opt.progress_fd > 0)
		return SHOW_EVENTS;
	if (f->opt.quiet)
		return SHOW_NOTHING;
	/* The lines of the request log would be drawn over. */
	if (progress_can_draw(STDERR_FILENO) && f->request_log != stderr)
		return SHOW_MOVING;
	return SHOW_LINES;
}

void
progress_start(struct fetch *f)
{
	int fd = (int)f->opt.progress_fd, flags;

	show = choose(f);
	if (show == SHOW_NOTHING)
		return;
	if (show == SHOW_EVENTS) {
		flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
			die(EXIT_USAGE, "--progress-fd %d: %s", fd,
			    strerror(errno));
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	progress = progress_new();
	log_before(make_way);
	line_ms = clock_ms() + progress_line_ms();
	timer = loop_timer(f->loop, clock_ms(), on_tick, f);
}

void
progress_end(struct fetch *f)
{
	if (show == SHOW_EVENTS) {
		look(f, clock_ms());
		put_event(f);
	}
	make_way();
	show = SHOW_NOTHING;
	progress_free(progress);
	progress = NULL;
}
