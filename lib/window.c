/*
 * window.c - what a producer has sent and nobody has committed yet.
 *
 * fetch owns one for all its sources, join one for each sink.  A list in the
 * order of making; a window holds at most some dozens of messages, so every
 * search is a walk.
 */

#include "window.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define GAP_MS 2000
#define WAIT_MAX_MS 300000
#define LARGE_FIRST 16 /* part of all bytes, before one has come */
#define LARGE_FADES 8

struct window {
	struct window_page *head, **tail; /* owned, oldest first */
	size_t pages, bytes, pages_max, bytes_max;
	size_t large; /* bytes of a large message of late */
};

struct window *
window_new(size_t pages_max, size_t bytes_max)
{
	struct window *w = xcalloc(1, sizeof(*w));

	w->tail = &w->head;
	w->pages_max = pages_max;
	w->bytes_max = bytes_max;
	w->large = bytes_max / LARGE_FIRST;
	return w;
}

void
window_free(struct window *w)
{
	if (w == NULL)
		return;
	window_clear(w);
	free(w);
}

int
window_room_beside(const struct window *w, size_t coming)
{
	return w->pages + coming == 0 ||
	       (w->pages + coming < w->pages_max &&
		   w->bytes + coming * w->large < w->bytes_max);
}

int
window_room(const struct window *w)
{
	return window_room_beside(w, 0);
}

void
window_put(struct window *w, const char *source, const char *stream,
    int64_t seq, char *bytes, size_t len)
{
	struct window_page *p = xcalloc(1, sizeof(*p));

	*p = (struct window_page){ .source = source,
		.stream = stream,
		.seq = seq,
		/* What was reserved beyond it would be held, not counted. */
		.bytes = xrealloc(bytes, len),
		.len = len,
		.wait_ms = WINDOW_ACK_MS };
	*w->tail = p;
	w->tail = &p->next;
	w->pages++;
	w->bytes += len;
	/* Streams take turns: one small page says little of the next. */
	w->large -= w->large / LARGE_FADES;
	if (len > w->large)
		w->large = len;
}

struct window_page *
window_due(const struct window *w)
{
	struct window_page *p = w->head;

	while (p != NULL && p->worker != 0)
		p = p->next;
	return p;
}

void
window_sent(struct window_page *p, int64_t worker, int64_t now_ms)
{
	p->worker = worker;
	p->sent_ms = now_ms;
	p->tries++;
}

static int
belongs(const struct window_page *p, const char *source, const char *stream)
{
	return strcmp(p->stream, stream) == 0 && strcmp(p->source, source) == 0;
}

/* Takes the page at *at out of the list and frees it. */
static void
drop(struct window *w, struct window_page **at)
{
	struct window_page *p = *at;

	*at = p->next;
	if (w->tail == &p->next)
		w->tail = at;
	w->pages--;
	w->bytes -= p->len;
	free(p->bytes);
	free(p);
}

size_t
window_ack(
    struct window *w, const char *source, const char *stream, int64_t seq)
{
	struct window_page **at = &w->head;
	size_t n = 0;

	while (*at != NULL) {
		if ((*at)->seq <= seq && belongs(*at, source, stream)) {
			drop(w, at);
			n++;
		} else {
			at = &(*at)->next;
		}
	}
	return n;
}

struct window_page *
window_find(
    const struct window *w, const char *source, const char *stream, int64_t seq)
{
	struct window_page *p = w->head;

	/* In rising order, each covering what is behind the one before. */
	while (p != NULL && (p->seq < seq || !belongs(p, source, stream)))
		p = p->next;
	return p;
}

void
window_gap(struct window *w, const char *source, const char *stream,
    int64_t seq, int64_t now_ms)
{
	struct window_page *p = window_find(w, source, stream, seq);

	if (p != NULL && p->worker != 0 && now_ms - p->sent_ms >= GAP_MS)
		p->worker = 0;
}

void
window_orphans(struct window *w, int64_t worker)
{
	for (struct window_page *p = w->head; p != NULL; p = p->next)
		if (p->worker == worker)
			p->worker = 0;
}

void
window_again(struct window *w)
{
	for (struct window_page *p = w->head; p != NULL; p = p->next)
		p->worker = 0;
}

size_t
window_late(struct window *w, int64_t now_ms)
{
	size_t n = 0;

	for (struct window_page *p = w->head; p != NULL; p = p->next) {
		if (p->worker == 0 || now_ms - p->sent_ms < p->wait_ms)
			continue;
		p->worker = 0;
		n += p->wait_ms >= WINDOW_ACK_MS;
		if (p->wait_ms < WAIT_MAX_MS)
			p->wait_ms *= 2;
	}
	return n;
}

size_t
window_pages(const struct window *w)
{
	return w->pages;
}

void
window_clear(struct window *w)
{
	while (w->head != NULL)
		drop(w, &w->head);
}
