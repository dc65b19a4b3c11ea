/*
 * stream.c - pages get their number, and a stream its end.
 *
 * stream_list.c and stream_fan.c bring records here, out_*.c takes the
 * messages.  A number is given when the answer is in, so that a slow listing
 * never leaves a hole.
 */

#include "stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "connector.h"
#include "json.h"
#include "mem.h"
#include "out.h"
#include "schedule.h"

#ifndef PAGE_MAX
#define PAGE_MAX (MSG_MAX - ((size_t)64 << 10)) /* leaves room for a header */
#endif
#define OVERLAP_MS 300000 /* a watermark lies so long before the pass */

static const char *
mode_name(enum mode mode)
{
	return mode == MODE_DELTA ? MSG_DELTA : MSG_FULL;
}

void
stream_clock(struct stream *s, const struct http_answer *a)
{
	int64_t at = a->date_ms >= 0 ? a->date_ms : clock_wall_ms();

	clock_rfc3339(at, s->at);
	if (s->start[0] == '\0' && a->status == 200)
		memcpy(s->start, s->at, sizeof(s->start));
}

void
stream_warn(struct stream *s, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (s->n_warnings++ >= WARNINGS_MAX)
		return;
	log_warn("%s: %s: %s", s->source->name, s->entity->name, text);
	if (s->warnings.len > 0)
		buf_char(&s->warnings, ',');
	buf_json_str(&s->warnings, text);
}

void
stream_restarted(struct stream *s)
{
	s->restarts++;
	s->first = s->seq + 1;
}

void
stream_state(const struct stream *s, int64_t n, struct buf *b)
{
	buf_str(b, "{\"start\":");
	buf_json_str(b, s->start);
	buf_fmt(b, ",\"n\":%lld,\"restarts\":%lld,\"first\":%lld", (long long)n,
	    (long long)s->restarts, (long long)s->first);
}

/* What the parts of one page share. */
struct parts {
	struct stream *stream;
	const struct page *page;
};

static void
put_filter(struct buf *b, const struct source *s)
{
	enum filter_route route = filter_route(s->filter);

	buf_str(b, ",\"" MSG_FILTER "\":{\"" MSG_TEXT "\":");
	buf_json_str(b, filter_text(s->filter));
	msg_str(b, MSG_ROUTE, filter_route_name(route));
	buf_char(b, '}');
}

/* Everything in front of the records. */
static void
put_header(
    struct buf *b, struct stream *s, const struct page *p, size_t n, bool last)
{
	const struct source *src = s->source;
	const struct entity *e = s->entity;

	msg_open(b, MSG_PAGE);
	msg_address(b, src->name, e->name, src->run, src->epoch);
	msg_int(b, MSG_SEQ, ++s->seq);
	msg_int(b, MSG_N, (int64_t)n);
	msg_int(b, MSG_TRY, 1);
	msg_bool(b, MSG_ISOLATE, false);
	msg_str(b, MSG_MODE, mode_name(s->mode));
	msg_str(b, MSG_AT, s->at);
	if (p->request != NULL && p->request[0] != '\0')
		msg_str(b, MSG_REQUEST, p->request);
	if (e->filtered && src->filter != NULL)
		put_filter(b, src);
	if (e->key != NULL)
		msg_raw(b, MSG_KEY, e->key, strlen(e->key));
	if (e->filtered &&
	    strcmp(src->config.external_id_attribute, "login") == 0)
		msg_str(b, MSG_EXTERNAL_ID, "profile.login");
	if (p->removed != NULL)
		msg_str(b, MSG_REMOVED, p->removed);
	if (p->keep != NULL)
		msg_raw(b, MSG_KEEP, p->keep, strlen(p->keep));
	if (p->context != NULL)
		msg_raw(b, MSG_CONTEXT, p->context, strlen(p->context));
	if (p->partial)
		msg_bool(b, MSG_PARTIAL, true);
	if (p->last && last)
		msg_bool(b, MSG_LAST, true);
	if (last && p->state != NULL)
		msg_raw(b, MSG_STATE, p->state, strlen(p->state));
	else
		buf_str(b, ",\"" MSG_STATE "\":null");
	buf_str(b, ",\"" MSG_RECORDS "\":");
}

static void
put_part(void *arg, const char *text, size_t len, size_t n, bool last)
{
	const struct parts *parts = arg;
	struct stream *s = parts->stream;
	struct out *o = s->source->fetch->out;
	struct buf b = { 0 };
	size_t at;
	char *p;

	buf_reserve(&b, len + 1024);
	put_header(&b, s, parts->page, n, last);
	at = b.len;
	buf_add(&b, text, len);
	/* Outside of strings JSON may have line ends; a message may not. */
	for (p = memchr(b.data + at, '\n', len); p != NULL;
	     p = memchr(p, '\n', (size_t)(b.data + b.len - p)))
		*p = ' ';
	msg_close(&b);
	s->pages++;
	o->kind->put(o, s, &b, false);
	buf_free(&b);
}

/* Writes the records anew, in as many messages as they need. */
static void
put_anew(struct parts *parts, yyjson_val *records)
{
	struct stream *s = parts->stream;

	if (page_split(records, PAGE_MAX, put_part, parts) == 0)
		return;
	fetch_fail(s->source->fetch, EXIT_TEMPORARY,
	    "%s: %s: a record alone is larger than a message may be (%zu "
	    "MiB); request %s",
	    s->source->name, s->entity->name, MSG_MAX >> 20,
	    parts->page->request != NULL ? parts->page->request : "-");
}

void
stream_page(struct stream *s, const struct page *p)
{
	struct parts parts = { .stream = s, .page = p };
	yyjson_doc *clean = NULL;
	yyjson_mut_doc *mut;

	if (p->text != NULL &&
	    page_has_credentials(p->records, p->text, p->len)) {
		mut = page_without_credentials(p->records);
		clean = yyjson_mut_doc_imut_copy(mut, NULL);
		yyjson_mut_doc_free(mut);
		put_anew(&parts, yyjson_doc_get_root(clean));
		yyjson_doc_free(clean);
	} else if (p->text == NULL || p->len > PAGE_MAX) {
		put_anew(&parts, p->records);
	} else {
		put_part(
		    &parts, p->text, p->len, yyjson_arr_size(p->records), true);
	}
}

static void
put_watermark(const struct stream *s, struct buf *b)
{
	char text[CLOCK_TEXT];
	int64_t start;

	if (s->complete && !s->skipped && s->source->kind != NULL)
		msg_str(b, MSG_WATERMARK, s->mark);
	if (!s->complete || s->skipped || s->source->kind != NULL ||
	    clock_parse_rfc3339(s->start, strlen(s->start), &start) < 0)
		return;
	clock_rfc3339(start - OVERLAP_MS, text);
	msg_str(b, MSG_WATERMARK, text);
}

static void
put_certificate(const struct stream *s, struct buf *b)
{
	buf_fmt(b,
	    ",\"" MSG_CERTIFICATE "\":{\"" MSG_CHAIN "\":%s,\"" MSG_RESTARTS
	    "\":%lld,\"" MSG_FIRST "\":%lld}",
	    s->complete ? "true" : "false", (long long)s->restarts,
	    (long long)s->first);
}

/* The last message of a stream. */
static void
put_end(struct stream *s, const char *why)
{
	struct out *o = s->source->fetch->out;
	const struct source *src = s->source;
	struct buf b = { 0 };

	msg_open(&b, MSG_END);
	msg_address(&b, src->name, s->entity->name, src->run, src->epoch);
	msg_int(&b, MSG_SEQ, ++s->seq);
	msg_int(&b, MSG_N, s->n);
	msg_str(&b, MSG_MODE, mode_name(s->mode));
	if (s->at[0] != '\0')
		msg_str(&b, MSG_AT, s->at);
	msg_bool(&b, MSG_COMPLETE, s->complete);
	if (s->skipped)
		msg_bool(&b, MSG_SKIPPED, true);
	msg_str(&b, MSG_WHY, why);
	msg_int(&b, MSG_PAGES, s->pages);
	put_watermark(s, &b);
	put_certificate(s, &b);
	buf_str(&b, ",\"" MSG_WARNINGS "\":[");
	buf_add(&b, s->warnings.data, s->warnings.len);
	buf_char(&b, ']');
	msg_close(&b);
	o->kind->put(o, s, &b, true);
	buf_free(&b);
}

static void
end(struct stream *s, const char *why)
{
	s->ended = true;
	s->running = false;
	if (s->n_warnings > WARNINGS_MAX)
		log_warn("%s: %s: %zu more warnings", s->source->name,
		    s->entity->name, s->n_warnings - WARNINGS_MAX);
	put_end(s, why);
}

void
stream_done(struct stream *s)
{
	s->complete = true;
	end(s, NULL);
}

/* What the operator may do about it goes with it. */
static void
denied(struct stream *s, const struct why *why)
{
	const struct entity *e = s->entity;
	struct buf text = { 0 };

	buf_str(&text, why->text);
	if (s->source->kind == NULL && e->permission != NULL)
		buf_fmt(&text, "; grant %s, or set %s to false", e->permission,
		    e->config);
	stream_warn(s, "skipped: %s", text.data);
	s->skipped = true;
	end(s, text.data);
	buf_free(&text);
}

void
stream_stopped(struct stream *s, enum verdict verdict, const struct why *why)
{
	struct fetch *f = s->source->fetch;

	if (s->ended || f->failed)
		return;
	switch (verdict) {
	case VERDICT_TOKEN:
	case VERDICT_CONFIG:
		fetch_fail(f, EXIT_USAGE, "%s: %s", s->source->name, why->text);
		break;
	case VERDICT_DENIED:
		denied(s, why);
		break;
	default:
		log_error("%s: %s is incomplete: %s%s%s", s->source->name,
		    s->entity->name, why->text,
		    why->at[0] != '\0' ? "; request " : "", why->at);
		end(s, why->text);
		break;
	}
}

/* The committer waits for the end of a stream that is switched off here. */
static void
leave_out(struct stream *s)
{
	char why[200];

	s->named = false;
	s->skipped = true;
	snprintf(why, sizeof(why),
	    "not imported: %s is false in %.100s, or "
	    "--streams leaves it out",
	    s->entity->config, s->source->config.path);
	log_info("%s: %s is %s; give --streams to 'idmesh join begin' too",
	    s->source->name, s->entity->name, why);
	end(s, why);
}

static void
start(struct stream *s)
{
	if (!s->wanted && s->named && !s->ended)
		leave_out(s);
	if (!s->wanted || s->running || s->ended)
		return;
	if (s->done) {
		s->ended = s->complete = true;
		return;
	}
	s->running = true;
	if (s->first == 0)
		s->first = 1;
	if (s->source->kind != NULL)
		s->source->kind->start(s);
	else if (s->entity->parent != NULL)
		fan_start(s);
	else
		walk_start(s);
}

void
streams_start(struct fetch *f)
{
	if (f->schedule != NULL && f->schedule->before != NULL &&
	    !f->schedule->before(f))
		return;
	/* Children first: they learn then that a parent feeds them. */
	for (size_t i = 0; i < f->n_sources; i++) {
		struct source *s = &f->sources[i];

		for (size_t k = s->n_streams; s->positioned && k-- > 0;)
			start(&s->streams[k]);
	}
	streams_pump(f);
}

static bool
all_ended(const struct fetch *f)
{
	for (size_t i = 0; i < f->n_sources; i++) {
		const struct source *s = &f->sources[i];

		if (!s->positioned)
			return false;
		for (size_t k = 0; k < s->n_streams; k++)
			if (s->streams[k].wanted && !s->streams[k].ended)
				return false;
	}
	return true;
}

void
streams_pump(struct fetch *f)
{
	for (size_t i = 0; i < f->n_sources; i++)
		for (size_t k = 0; k < f->sources[i].n_streams; k++)
			if (f->sources[i].streams[k].running &&
			    f->sources[i].streams[k].fan != NULL && !f->failed)
				fan_pump(&f->sources[i].streams[k]);
	if (f->failed)
		return;
	calls_pump(f->calls);
	if (all_ended(f) && f->out->kind->drained(f->out))
		loop_stop(f->loop);
}

void
stream_reset(struct stream *s)
{
	walk_free(s->walk);
	fan_free(s->fan);
	if (s->source->kind != NULL)
		s->source->kind->stop(s);
	free(s->mark);
	yyjson_doc_free(s->resume);
	buf_free(&s->warnings);
	*s = (struct stream){ .source = s->source,
		.entity = s->entity,
		.wanted = s->wanted,
		.pages = s->pages,
		.calls = s->calls };
}
