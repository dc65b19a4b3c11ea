/*
 * listing.c - one listing of the API, page after page.
 *
 * stream_list.c and stream_fan.c open one for each pass or parent.  Follows
 * `next` wherever it leads on the same origin, starts over when a cursor is
 * refused, and ends with an error where a listing would never end by itself.
 * Source: okta-api 1.
 */

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "link_header.h"
#include "mem.h"
#include "stream.h"

#define RING 64 /* cursors that must not come again */
#define EMPTY_MAX 100 /* empty pages in a row */
#define RESTARTS_MAX 3
#define GOOD_PAGES 3 /* small pages before they grow again */

struct listing {
	struct stream *stream;
	char *first; /* owned; path of the first page */
	char *path; /* owned; path of the page that is asked for */
	const char *pattern;
	const struct listing_events *events;
	void *arg;
	struct call *call;
	uint64_t ring[RING];
	size_t n_ring;
	int empties, restarts, small;
};

static void on_result(void *arg, const struct call_result *r);

static void
ask(struct listing *l)
{
	struct call_ask a = { .source = l->stream->source,
		.stream = l->stream,
		.path = l->path,
		.pattern = l->pattern,
		.omits = l->stream->entity->omits,
		.array = true };

	l->ring[l->n_ring++ % RING] = url_cursor(l->path);
	l->call = call_start(l->stream->source->fetch->calls, &a, on_result, l);
}

struct listing *
listing_open(struct stream *s, const char *path, const char *next,
    const char *pattern, const struct listing_events *events, void *arg)
{
	struct listing *l = xcalloc(1, sizeof(*l));

	l->stream = s;
	l->first = xstrdup(path);
	l->path = xstrdup(next != NULL ? next : path);
	l->pattern = pattern;
	l->events = events;
	l->arg = arg;
	ask(l);
	return l;
}

void
listing_free(struct listing *l)
{
	if (l == NULL)
		return;
	call_cancel(l->call);
	free(l->first);
	free(l->path);
	free(l);
}

static bool
seen(const struct listing *l, const char *path)
{
	uint64_t cursor = url_cursor(path);
	size_t n = l->n_ring < RING ? l->n_ring : RING;

	for (size_t i = 0; i < n; i++)
		if (l->ring[i] == cursor)
			return true;
	return false;
}

/* Okta keeps the limit it was asked for in `next`: set what suits. */
static void
fit_limit(struct listing *l, const struct call_result *r)
{
	int wanted = url_limit(l->first), limit = r->limit;
	char *path;

	if (limit == 0 || wanted == 0 || limit >= wanted)
		return;
	if (++l->small % GOOD_PAGES == 0)
		limit = limit * 2 < wanted ? limit * 2 : wanted;
	path = url_with_limit(l->path, limit);
	free(l->path);
	l->path = path;
}

/* Is there a reason not to follow `next`? */
static int
check_next(struct listing *l, const struct call_result *r, const char *next,
    struct why *why)
{
	size_t rows = yyjson_arr_size(yyjson_doc_get_root(r->doc));

	if (seen(l, next))
		return why_set(why, "E_CURSOR", r->answer->request_id,
		    "the server gave the cursor of an earlier page again "
		    "(%.60s); the listing would never end",
		    l->pattern);
	l->empties = rows == 0 ? l->empties + 1 : 0;
	if (l->empties > EMPTY_MAX)
		return why_set(why, "E_CURSOR", r->answer->request_id,
		    "%d empty pages in a row (%.60s); the listing would "
		    "never end",
		    l->empties, l->pattern);
	return 0;
}

static void
on_page(struct listing *l, const struct call_result *r)
{
	struct fetch *f = l->stream->source->fetch;
	const struct http_answer *a = r->answer;
	struct buf next = { 0 };
	struct why why;
	int more = link_next(a->link.data, a->link.len, &next);

	if (more < 0) {
		why_set(&why, "E_LINK", a->request_id,
		    "the Link header of the answer cannot be read (%.60s)",
		    l->pattern);
		l->events->stopped(l->arg, l, VERDICT_FAILED, &why);
	} else if (more == 0) {
		l->events->page(l->arg, l, r, NULL);
	} else if (check_next(l, r, next.data, &why) < 0) {
		l->events->page(l->arg, l, r, next.data);
		if (!f->failed)
			l->events->stopped(l->arg, l, VERDICT_FAILED, &why);
	} else {
		free(l->path);
		l->path = xstrndup(next.data, next.len);
		fit_limit(l, r);
		l->events->page(l->arg, l, r, l->path);
		if (!f->failed)
			ask(l);
	}
	buf_free(&next);
}

static void
restart(struct listing *l, const struct why *why)
{
	struct why stop = *why;

	if (++l->restarts > RESTARTS_MAX || strcmp(l->path, l->first) == 0) {
		l->events->stopped(l->arg, l, VERDICT_FAILED, &stop);
		return;
	}
	log_warn("%s: %s: the cursor is refused (%s): the listing starts over",
	    l->stream->source->name, l->stream->entity->name, why->text);
	free(l->path);
	l->path = xstrdup(l->first);
	l->n_ring = 0;
	l->empties = 0;
	l->events->restarted(l->arg, l);
	ask(l);
}

static void
on_result(void *arg, const struct call_result *r)
{
	struct listing *l = arg;

	l->call = NULL;
	if (r->answer != NULL)
		stream_clock(l->stream, r->answer);
	if (r->verdict == VERDICT_OK)
		on_page(l, r);
	else if (r->verdict == VERDICT_RESTART)
		restart(l, &r->why);
	else
		l->events->stopped(l->arg, l, r->verdict, &r->why);
}
