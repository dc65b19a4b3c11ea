/*
 * stream_list.c - an entity that is a listing: users, groups.
 *
 * A full run of users is two passes, since the plain list leaves the
 * deprovisioned out, or one by the operator's filter; a delta is one by time.
 * What comes is also fed to an entity that needs these records as parents.
 * The resume state names the pass and the next page.  Source: okta-api 2.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mem.h"
#include "stream.h"

#define PASSES_MAX 2
#define PASS_DONE "done"

struct pass {
	const char *name;
	char *path; /* owned; of its first page */
};

struct walk {
	struct stream *stream;
	struct pass passes[PASSES_MAX];
	size_t n_passes, at;
	struct listing *listing;
};

static const struct listing_events events;

void
walk_free(struct walk *w)
{
	if (w == NULL)
		return;
	listing_free(w->listing);
	for (size_t i = 0; i < w->n_passes; i++)
		free(w->passes[i].path);
	free(w);
}

static void
add_pass(struct walk *w, const char *name, const char *parameter,
    const char *expression)
{
	const struct stream *s = w->stream;
	const struct entity *e = s->entity;
	int limit = e->page_max;
	char text[16];
	struct buf path = { 0 };

	if (e->sized && s->source->config.page_size < limit)
		limit = s->source->config.page_size;
	snprintf(text, sizeof(text), "%d", limit);
	buf_str(&path, e->list);
	url_add(&path, "limit", text);
	if (e->query[0] != '\0') {
		buf_char(&path, '&');
		buf_str(&path, e->query);
	}
	if (expression != NULL)
		url_add(&path, parameter, expression);
	w->passes[w->n_passes++] =
	    (struct pass){ .name = name, .path = buf_take(&path) };
}

char *
stream_filter(const struct stream *s, const char *filter)
{
	struct buf text = { 0 };

	for (const char *p = filter; *p != '\0'; p++) {
		if (*p == '@')
			buf_str(&text, s->since);
		else
			buf_char(&text, *p);
	}
	return buf_take(&text);
}

static void
add_delta(struct walk *w)
{
	char *text = stream_filter(w->stream, w->stream->entity->delta);

	add_pass(w, "delta", "filter", text);
	free(text);
}

static void
add_everything(struct walk *w)
{
	const struct entity *e = w->stream->entity;

	add_pass(w, "plain", NULL, NULL);
	if (e->second != NULL)
		add_pass(w, "deprovisioned", "filter", e->second);
}

static const char *
scope_text(const struct stream *s)
{
	const struct filter *filter = s->source->filter;

	return s->entity->filtered && filter != NULL ? filter_text(filter)
						     : NULL;
}

static void
plan(struct walk *w, const char *resumed)
{
	const struct stream *s = w->stream;
	const char *scope = scope_text(s);

	/* A run that fell back to everything goes on with that. */
	if (resumed != NULL && (strcmp(resumed, "plain") == 0 ||
				   strcmp(resumed, "deprovisioned") == 0))
		add_everything(w);
	else if (s->mode == MODE_DELTA)
		add_delta(w);
	else if (scope != NULL)
		add_pass(w, "scope",
		    filter_route_name(filter_route(s->source->filter)), scope);
	else
		add_everything(w);
}

static struct stream *
eater(const struct stream *s)
{
	for (size_t i = 0; i < s->source->n_streams; i++) {
		struct stream *child = &s->source->streams[i];

		if (child->running && child->fan != NULL && fan_eats(child, s))
			return child;
	}
	return NULL;
}

static void
finish(struct walk *w)
{
	struct stream *s = w->stream, *child = eater(s);

	stream_done(s);
	if (child != NULL)
		fan_fed(child);
}

static void
open_pass(struct walk *w, const char *next)
{
	const struct pass *p = &w->passes[w->at];

	w->listing = listing_open(
	    w->stream, p->path, next, w->stream->entity->list, &events, w);
}

/* Where to go on behind a page. */
static void
put_state(const struct walk *w, const char *next, struct buf *b)
{
	const char *scope = scope_text(w->stream);
	size_t at = next == NULL ? w->at + 1 : w->at;

	stream_state(w->stream, w->stream->n, b);
	buf_str(b, ",\"pass\":");
	buf_json_str(b, at < w->n_passes ? w->passes[at].name : PASS_DONE);
	if (next != NULL) {
		buf_str(b, ",\"next\":");
		buf_json_str(b, next);
	}
	if (scope != NULL) {
		buf_str(b, ",\"filter\":");
		buf_json_str(b, scope);
	}
	buf_char(b, '}');
}

static void
on_page(
    void *arg, struct listing *l, const struct call_result *r, const char *next)
{
	struct walk *w = arg;
	struct stream *s = w->stream, *child = eater(s);
	struct page p = { .records = yyjson_doc_get_root(r->doc),
		.text = r->answer->body.data,
		.len = r->answer->body.len,
		.request = r->answer->request_id };
	struct buf state = { 0 };

	s->n += (int64_t)yyjson_arr_size(p.records);
	put_state(w, next, &state);
	p.state = state.data;
	stream_page(s, &p);
	buf_free(&state);
	if (child != NULL)
		fan_feed(child, p.records);
	if (next != NULL || s->source->fetch->failed)
		return;
	listing_free(l);
	w->listing = NULL;
	if (++w->at < w->n_passes)
		open_pass(w, NULL);
	else
		finish(w);
}

static void
on_restarted(void *arg, struct listing *l)
{
	struct walk *w = arg;

	(void)l;
	stream_restarted(w->stream);
}

/* The server refused the expression: everything is a superset of it. */
static void
fall_back(struct walk *w, const struct why *why)
{
	struct stream *s = w->stream;

	stream_warn(
	    s, "the filter is refused, reading everything: %s", why->text);
	for (size_t i = 0; i < w->n_passes; i++)
		free(w->passes[i].path);
	w->n_passes = w->at = 0;
	add_everything(w);
	stream_restarted(s);
	open_pass(w, NULL);
}

static void
on_stopped(
    void *arg, struct listing *l, enum verdict verdict, const struct why *why)
{
	struct walk *w = arg;
	struct stream *s = w->stream, *child = eater(s);
	bool everything = strcmp(w->passes[0].name, "plain") == 0;

	listing_free(l);
	w->listing = NULL;
	if (verdict == VERDICT_FILTER && !everything) {
		fall_back(w, why);
		return;
	}
	stream_stopped(s, verdict, why);
	if (child != NULL)
		fan_starved(child, verdict, why);
}

static const struct listing_events events = {
	.page = on_page,
	.restarted = on_restarted,
	.stopped = on_stopped,
};

/*
 * The page to go on with, NULL for the first of its pass.  A path that the
 * server never gave, or one of another filter, is not followed.
 */
static const char *
resume(struct walk *w, yyjson_val *state, const char *pass)
{
	const char *next = json_text(state, "next");
	const char *scope = scope_text(w->stream);
	const char *was = json_text(state, "filter");
	bool same = was == NULL ? scope == NULL
				: scope != NULL && strcmp(was, scope) == 0;

	for (w->at = 0; w->at < w->n_passes; w->at++)
		if (strcmp(w->passes[w->at].name, pass) == 0)
			break;
	if (strcmp(pass, PASS_DONE) == 0 && same)
		return NULL;
	if (w->at < w->n_passes && same && (next == NULL || next[0] == '/'))
		return next;
	log_warn("%s: %s: the filter has changed since the run began: the "
		 "listing starts over",
	    w->stream->source->name, w->stream->entity->name);
	w->at = 0;
	stream_restarted(w->stream);
	return NULL;
}

void
walk_start(struct stream *s)
{
	yyjson_val *state = yyjson_doc_get_root(s->resume);
	const char *pass = json_text(state, "pass"), *next = NULL;
	struct walk *w = xcalloc(1, sizeof(*w));

	w->stream = s;
	s->walk = w;
	plan(w, pass);
	if (pass != NULL)
		next = resume(w, state, pass);
	if (w->at < w->n_passes)
		open_pass(w, next);
	else
		finish(w);
}
