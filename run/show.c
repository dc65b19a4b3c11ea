/*
 * show.c - how far the round is, for people and for the service manager.
 *
 * words.c puts fetch's numbers into the progress; the tick of supervise.c
 * comes here.  A terminal gets lines that move, anything else one line now
 * and then, and systemd READY, STATUS and the signs of life it asks for.
 */

#include "run.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "notify.h"
#include "out.h"

#define STATUS_MS 1000

static struct run *drawing; /* whose lines may be on the terminal */

void
show_make_way(void)
{
	if (drawing != NULL)
		progress_erase(drawing->progress, STDERR_FILENO);
}

void
show_open(struct run *r)
{
	r->progress = progress_new();
	r->moving = !r->options->quiet && progress_can_draw(STDERR_FILENO);
	if (r->moving) {
		drawing = r;
		log_before(show_make_way);
	}
}

void
show_round(struct run *r)
{
	progress_clear(r->progress);
	r->line_ms = clock_ms() + (r->moving ? 0 : progress_line_ms());
}

void
show_close(struct run *r)
{
	show_make_way();
	drawing = NULL;
	progress_free(r->progress);
	r->progress = NULL;
}

/* One that is away or out for now must not keep the others from READY. */
static bool
stands(const struct child *c)
{
	if (c->role == ROLE_FETCH)
		return c->ready || c->out_rounds > 0;
	return c->pid > 0 || c->away;
}

/* Does every program stand, and know every fetch where it begins? */
static bool
all_stand(const struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!stands(&r->children[i]))
			return false;
	return true;
}

bool
show_any_ready(const struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->children[i].ready)
			return true;
	return false;
}

/* "15:04:05", so many ms from now on. */
static void
time_of_day(int64_t from_now_ms, char out[16])
{
	time_t at = (time_t)((clock_wall_ms() + from_now_ms) / 1000);
	struct tm tm;

	if (localtime_r(&at, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	strftime(out, 16, "%H:%M:%S", &tm);
}

static void
put_status(const struct run *r, struct buf *out)
{
	char next[16];

	if (r->phase == PHASE_STOP) {
		buf_str(out, "stopping: finishing what is on its way");
	} else if (r->phase == PHASE_IDLE) {
		time_of_day(r->next_ms - clock_ms(), next);
		buf_fmt(out, "idle; the next round begins at %s", next);
	} else {
		progress_text(r->progress, out);
		if (out->len == 0)
			buf_str(out, "starting");
	}
	for (size_t i = 0; i < r->n; i++)
		if (r->children[i].away)
			buf_fmt(out, "; %s is away", r->children[i].target);
	out_status(r, out);
}

void
show_now(const struct run *r)
{
	struct buf b = { 0 };

	put_status(r, &b);
	log_info("%s", b.data);
	buf_free(&b);
}

void
show_ready(struct run *r)
{
	if (r->announced || r->phase == PHASE_STOP || !all_stand(r))
		return;
	r->announced = true;
	r->status_ms = 0;
	notify_ready();
}

static void
tell_manager(struct run *r, int64_t now_ms)
{
	struct buf b = { 0 };

	if (notify_watchdog_ms() > 0 && now_ms >= r->alive_ms) {
		r->alive_ms = now_ms + notify_watchdog_ms();
		notify_alive();
	}
	show_ready(r);
	if (now_ms < r->status_ms)
		return;
	r->status_ms = now_ms + STATUS_MS;
	put_status(r, &b);
	notify_status("%s", b.data);
	buf_free(&b);
}

void
show_tick(struct run *r)
{
	int64_t now_ms = clock_ms();

	tell_manager(r, now_ms);
	if (r->phase != PHASE_ROUND || r->options->quiet)
		return;
	if (r->moving && now_ms < r->line_ms)
		return;
	if (r->moving) {
		r->line_ms = now_ms + PROGRESS_DRAW_MS;
		progress_draw(r->progress, STDERR_FILENO);
	} else if (now_ms >= r->line_ms &&
		   progress_row_at(r->progress, 0) != NULL) {
		r->line_ms = now_ms + progress_line_ms();
		show_now(r);
	}
}
