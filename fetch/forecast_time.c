/*
 * forecast_time.c - lets the calls of a run go against the limits, on paper.
 *
 * Called when forecast_count.c has made calls of everything.  Plays what the
 * budget and the line of calls do: so many calls of a bucket in a window, the
 * first one of each alone, so many at once in all, lists before what hangs
 * below them.  Pure.
 */

#include <stdlib.h>
#include <string.h>

#include "forecast.h"
#include "mem.h"

/* Calls that leave one after the other, or many at once. */
struct work {
	struct forecast_item *item;
	int64_t calls; /* not sent yet */
	int parallel;
	int out;
	const struct work *after; /* or NULL */
};

/* One call that is out. */
struct slot {
	int64_t ends_ms;
	struct work *work;
	bool alone;
};

struct window {
	int64_t left, ends_ms;
	bool open; /* one was */
	bool fresh; /* nothing was sent in it */
	bool alone; /* its first call is out */
};

struct play {
	struct forecast_run *run;
	struct work *works; /* owned; in the order in which they leave */
	size_t n_works;
	struct slot *slots; /* owned */
	int n_slots, max;
	struct window windows[FORECAST_BUCKETS];
	int64_t now;
};

/* May a call of this bucket leave now?  Opens a window where one may be. */
static bool
allows(struct play *p, size_t bucket)
{
	const struct forecast_bucket *b = &p->run->buckets[bucket];
	struct window *w = &p->windows[bucket];

	if (b->usable == 0)
		return true;
	if (!w->open || p->now >= w->ends_ms) {
		if (w->alone)
			return false;
		*w = (struct window){ .left = b->usable,
			.ends_ms = p->now + b->window_ms,
			.open = true,
			.fresh = true };
	}
	return w->left > 0 && !w->alone;
}

static void
launch(struct play *p, struct work *w)
{
	struct window *win = &p->windows[w->item->bucket];
	struct slot *s = &p->slots[p->n_slots++];

	*s = (struct slot){ .work = w,
		.ends_ms = p->now + w->item->latency_ms,
		.alone = win->fresh };
	win->alone = win->fresh;
	win->fresh = false;
	win->left--;
	w->calls--;
	w->out++;
	p->run->buckets[w->item->bucket].calls++;
}

static bool
finished(const struct work *w)
{
	return w == NULL || (w->calls == 0 && w->out == 0);
}

static bool
wants(const struct work *w)
{
	return w->calls > 0 && w->out < w->parallel && finished(w->after);
}

static void
send_all(struct play *p)
{
	for (size_t i = 0; i < p->n_works; i++) {
		struct work *w = &p->works[i];

		while (p->n_slots < p->max && wants(w) &&
		       allows(p, w->item->bucket))
			launch(p, w);
	}
}

/* When something happens next; -1 when nothing ever will. */
static int64_t
next_event(const struct play *p)
{
	int64_t at = -1;

	for (int i = 0; i < p->n_slots; i++)
		if (at < 0 || p->slots[i].ends_ms < at)
			at = p->slots[i].ends_ms;
	for (size_t i = 0; i < p->n_works && p->n_slots < p->max; i++) {
		const struct window *w = &p->windows[p->works[i].item->bucket];

		if (wants(&p->works[i]) && w->open && w->ends_ms > p->now &&
		    (at < 0 || w->ends_ms < at))
			at = w->ends_ms;
	}
	return at;
}

static void
land_all(struct play *p)
{
	for (int i = p->n_slots - 1; i >= 0; i--) {
		struct slot *s = &p->slots[i];
		struct forecast_item *it = s->work->item;

		if (s->ends_ms > p->now)
			continue;
		s->work->out--;
		if (s->alone)
			p->windows[it->bucket].alone = false;
		it->ms = p->now;
		p->run->buckets[it->bucket].ms = p->now;
		*s = p->slots[--p->n_slots];
	}
}

static struct work *
find_lists(struct play *p, const struct forecast_item *it)
{
	for (size_t i = 0; i < p->n_works; i++) {
		const struct forecast_item *other = p->works[i].item;

		if (other == it)
			return &p->works[i];
		if (other->stream->source == it->stream->source &&
		    other->stream->entity->parent == NULL &&
		    it->stream->entity->parent != NULL &&
		    strcmp(other->stream->entity->name,
			it->stream->entity->parent) == 0 &&
		    it->lists == 0)
			return &p->works[i];
	}
	return NULL;
}

/* Lists first, then what hangs below them: the order of schedule_rank(). */
static void
line_up(struct play *p, int in_flight_max)
{
	struct forecast_run *run = p->run;

	p->works = xcalloc(2 * run->n + 1, sizeof(*p->works));
	for (size_t i = 0; i < run->n; i++) {
		struct forecast_item *it = &run->items[i];
		bool below = it->stream->entity->parent != NULL;
		int64_t lists = below ? it->lists : it->calls;

		if (lists > 0)
			p->works[p->n_works++] = (struct work){
				.item = it, .calls = lists, .parallel = 1
			};
	}
	for (size_t i = 0; i < run->n; i++) {
		struct forecast_item *it = &run->items[i];

		if (it->stream->entity->parent == NULL ||
		    it->calls <= it->lists)
			continue;
		p->works[p->n_works] = (struct work){ .item = it,
			.calls = it->calls - it->lists,
			.parallel = in_flight_max,
			.after = find_lists(p, it) };
		p->n_works++;
	}
}

void
forecast_time(struct forecast_run *run, int in_flight_max)
{
	struct play p = { .run = run, .max = in_flight_max };

	p.slots = xcalloc((size_t)in_flight_max, sizeof(*p.slots));
	line_up(&p, in_flight_max);
	for (size_t i = 0; i < run->n_buckets; i++) {
		const struct forecast_bucket *b = &run->buckets[i];

		if (run->now && b->ends_ms > 0)
			p.windows[i] = (struct window){ .left = b->left,
				.ends_ms = b->ends_ms,
				.open = true };
	}
	for (;;) {
		int64_t at;

		send_all(&p);
		at = next_event(&p);
		if (at < 0)
			break;
		p.now = at;
		land_all(&p);
	}
	run->ms = p.now;
	free(p.works);
	free(p.slots);
}
