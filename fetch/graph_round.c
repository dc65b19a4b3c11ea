/*
 * graph_round.c - a delta round: links followed until there is one for later.
 *
 * stream.c starts one for each stream of an Entra source.  Links are taken as
 * they come; only the host is not: the token goes to the configured origin
 * alone.  A round that begins without a link reads everything, and so does
 * one whose link is refused or was made for other properties.
 * Source: entra 1.2.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "json.h"
#include "link_header.h"
#include "mem.h"
#include "stream.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define RING 64 /* links that must not come again */
#define EMPTY_MAX 1000 /* pages in a row; Graph has long runs of them */
#define RESTARTS_MAX 3
#define NEXT "@odata.nextLink"
#define LATER "@odata.deltaLink"

struct round {
	struct stream *stream;
	struct graph_select select;
	char *link; /* owned: path and query that are asked for */
	struct call *call;
	uint64_t ring[RING];
	size_t n_ring;
	int empties, restarts;
	int64_t others; /* members that are left out */
	struct graph_seen *seen; /* owned; of a full round, or NULL */
};

static void on_result(void *arg, const struct call_result *r);

static void
ask(struct round *r)
{
	struct stream *s = r->stream;
	struct call_ask a = { .source = s->source,
		.stream = s,
		.path = r->link,
		.pattern = s->entity->list };

	r->ring[r->n_ring++ % RING] = XXH3_64bits(r->link, strlen(r->link));
	r->call = call_start(s->source->fetch->calls, &a, on_result, r);
}

static bool
seen(const struct round *r, const char *link)
{
	uint64_t hash = XXH3_64bits(link, strlen(link));
	size_t n = r->n_ring < RING ? r->n_ring : RING;

	for (size_t i = 0; i < n; i++)
		if (r->ring[i] == hash)
			return true;
	return false;
}

/* Everything, from the first page on. */
static void
begin_full(struct round *r)
{
	r->stream->mode = MODE_FULL;
	free(r->link);
	r->link =
	    xasprintf("%s?$select=%s", r->stream->entity->list, r->select.text);
	r->n_ring = 0;
	r->empties = 0;
	r->others = 0;
	graph_seen_free(r->seen);
	r->seen = graph_seen_new();
}

static void
finish(struct round *r)
{
	struct stream *s = r->stream;

	if (r->others > 0)
		stream_warn(s,
		    "%lld members are neither users nor groups (devices, "
		    "service principals, contacts) and were left out",
		    (long long)r->others);
	stream_done(s);
}

/* "0123456789abcdef /v1.0/users/delta?$deltatoken=..." */
static void
set_mark(struct round *r, const char *link)
{
	free(r->stream->mark);
	r->stream->mark = xasprintf("%s %s", r->select.fingerprint, link);
}

/* The link of a watermark that was made for the same properties, or NULL. */
static const char *
link_of(const struct round *r)
{
	const char *mark = r->stream->mark;
	size_t len = strlen(r->select.fingerprint);

	if (mark == NULL || strncmp(mark, r->select.fingerprint, len) != 0 ||
	    strncmp(mark + len, " /", 2) != 0)
		return NULL;
	return mark + len + 1;
}

/* Goes on where an earlier process of the run was; false: it cannot. */
static bool
resume(struct round *r)
{
	struct stream *s = r->stream;
	yyjson_val *state = yyjson_doc_get_root(s->resume);
	const char *select = json_text(state, "select");
	const char *round = json_text(state, "round");
	const char *next = json_text(state, "next");
	const char *later = json_text(state, "later");

	if (select == NULL || strcmp(select, r->select.fingerprint) != 0)
		return false;
	if (round != NULL)
		s->mode = strcmp(round, MSG_FULL) == 0 ? MODE_FULL : MODE_DELTA;
	r->others = json_int(json_get(state, "others"), 0);
	if (later != NULL)
		set_mark(r, later);
	else if (next != NULL && next[0] == '/')
		r->link = xstrdup(next);
	return later != NULL || r->link != NULL;
}

void
round_start(struct stream *s)
{
	struct round *r = xcalloc(1, sizeof(*r));
	const char *link;

	r->stream = s;
	s->round = r;
	graph_select_make(&r->select, s);
	if (s->resume != NULL && resume(r)) {
		if (r->link == NULL)
			finish(r);
		else
			ask(r);
		return;
	}
	if (s->resume != NULL)
		stream_restarted(s);
	link = s->mode == MODE_DELTA ? link_of(r) : NULL;
	if (link != NULL) {
		r->link = xstrdup(link);
	} else {
		if (s->mode == MODE_DELTA)
			log_info("%s: %s: the rules use other properties than "
				 "the last run tracked: reading everything",
			    s->source->name, s->entity->name);
		begin_full(r);
	}
	ask(r);
}

void
round_stop(struct stream *s)
{
	struct round *r = s->round;

	if (r == NULL)
		return;
	call_cancel(r->call);
	graph_select_free(&r->select);
	graph_seen_free(r->seen);
	free(r->link);
	free(r);
	s->round = NULL;
}

static void
put_state(
    const struct round *r, const char *name, const char *link, struct buf *b)
{
	const struct stream *s = r->stream;

	stream_state(s, s->n, b);
	msg_str(b, "round", s->mode == MODE_FULL ? MSG_FULL : MSG_DELTA);
	msg_str(b, "select", r->select.fingerprint);
	msg_int(b, "others", r->others);
	msg_str(b, name, link);
	buf_char(b, '}');
}

static void
hand_on(struct round *r, const struct call_result *result, yyjson_val *value,
    const char *name, const char *link)
{
	struct stream *s = r->stream;
	struct graph_counts counts = { 0 }, none = { 0 };
	struct graph_answer a = { .value = value,
		.request = result->answer->request_id };
	struct buf state = { 0 };

	if (s->entity->members)
		graph_count(value, &counts);
	else
		counts.records = (int64_t)yyjson_arr_size(value);
	s->n += counts.records;
	r->others += counts.others;
	put_state(r, name, link, &state);
	a.state = state.data;
	if (s->entity->members)
		graph_edges(s, &a, &none);
	else
		graph_objects(s, &r->select, r->seen, &a, &none);
	buf_free(&state);
}

static void
stop(struct round *r, enum verdict verdict, const struct why *why)
{
	stream_stopped(r->stream, verdict, why);
}

/* The path of nextLink or deltaLink; -1: there is none that can be used. */
static int
find_link(const struct call_result *result, const char **name, struct buf *path,
    struct why *why)
{
	yyjson_val *root = yyjson_doc_get_root(result->doc);
	const char *next = json_text(root, NEXT);
	const char *later = json_text(root, LATER);
	const char *link = next != NULL ? next : later;

	*name = next != NULL ? "next" : "later";
	if (link != NULL && link_path(link, strlen(link), path) > 0)
		return 0;
	return why_set(why, "E_LINK", result->answer->request_id,
	    link == NULL ? "the answer says neither where it goes on nor "
			   "where the next round begins"
			 : "the answer has a link that is no address");
}

static int
check_next(struct round *r, const char *link, size_t rows,
    const struct http_answer *a, struct why *why)
{
	if (seen(r, link))
		return why_set(why, "E_LINK", a->request_id,
		    "the server gave the link of an earlier page again; the "
		    "round would never end");
	r->empties = rows == 0 ? r->empties + 1 : 0;
	if (r->empties > EMPTY_MAX)
		return why_set(why, "E_LINK", a->request_id,
		    "%d empty pages in a row; the round would never end",
		    r->empties);
	return 0;
}

static void
on_page(struct round *r, const struct call_result *result)
{
	struct fetch *f = r->stream->source->fetch;
	yyjson_val *root = yyjson_doc_get_root(result->doc);
	yyjson_val *value = json_get(root, "value");
	const struct http_answer *a = result->answer;
	struct buf path = { 0 };
	const char *name;
	struct why why;

	if (!yyjson_is_arr(value)) {
		why_set(&why, "E_BODY", a->request_id,
		    "the answer has no array \"value\"");
		stop(r, VERDICT_FAILED, &why);
	} else if (find_link(result, &name, &path, &why) < 0 ||
		   (strcmp(name, "next") == 0 &&
		       check_next(r, path.data, yyjson_arr_size(value), a,
			   &why) < 0)) {
		stop(r, VERDICT_FAILED, &why);
	} else {
		hand_on(r, result, value, name, path.data);
		if (!f->failed && strcmp(name, "next") == 0) {
			free(r->link);
			r->link = xstrdup(path.data);
			ask(r);
		} else if (!f->failed) {
			set_mark(r, path.data);
			finish(r);
		}
	}
	buf_free(&path);
}

static void
restart(struct round *r, const struct why *why)
{
	struct stream *s = r->stream;

	if (++r->restarts > RESTARTS_MAX) {
		stop(r, VERDICT_FAILED, why);
		return;
	}
	log_warn("%s: %s: the link is refused (%s): reading everything",
	    s->source->name, s->entity->name, why->text);
	begin_full(r);
	stream_restarted(s);
	ask(r);
}

/* Which right is missing, is what an administrator has to know. */
static void
denied(struct round *r, const struct why *why)
{
	const struct entity *e = r->stream->entity;
	struct why named;

	why_set(&named, why->code, why->at,
	    "%s needs the application permission %s with an administrator's "
	    "consent: %.300s",
	    e->name, e->permission, why->text);
	stop(r, VERDICT_DENIED, &named);
}

static void
on_result(void *arg, const struct call_result *result)
{
	struct round *r = arg;

	r->call = NULL;
	if (result->answer != NULL)
		stream_clock(r->stream, result->answer);
	if (result->verdict == VERDICT_OK)
		on_page(r, result);
	else if (result->verdict == VERDICT_RESTART)
		restart(r, &result->why);
	else if (result->verdict == VERDICT_DENIED)
		denied(r, &result->why);
	else
		stop(r, result->verdict, &result->why);
}
