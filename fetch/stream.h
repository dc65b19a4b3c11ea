#ifndef IDMESH_FETCH_STREAM_H
#define IDMESH_FETCH_STREAM_H

/*
 * stream.h - one entity on its way: listings become pages, pages get numbers.
 *
 * stream_list.c drives an entity that is a listing, stream_fan.c one that is
 * listed once for each record of another; both stand on listing.c for the
 * pages of the API and on stream.c for the messages.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "buf.h"
#include "call.h"
#include "fetch.h"

/* listing.c: one listing from its first page to its last. */
struct listing;

struct listing_events {
	/*
	 * A page is there; next is NULL on the last one, and only then may
	 * the listing be freed in here.
	 */
	void (*page)(void *arg, struct listing *l, const struct call_result *r,
	    const char *next);
	/* The cursor was refused: everything comes again from the start. */
	void (*restarted)(void *arg, struct listing *l);
	/* It goes on no more; the listing may be freed in here. */
	void (*stopped)(void *arg, struct listing *l, enum verdict verdict,
	    const struct why *why);
};

/*
 * Starts at `path`, or in the middle at `next` when that is not NULL; path is
 * where it starts over.  Strings are copied, pattern and events borrowed.
 */
struct listing *listing_open(struct stream *s, const char *path,
    const char *next, const char *pattern, const struct listing_events *events,
    void *arg);
void listing_free(struct listing *l);

/* page.c: the records of one answer, as text for messages. */
struct page {
	yyjson_val *records; /* array */
	const char *text; /* of the array as it came; NULL: write anew */
	size_t len;
	const char *request;
	const char *removed; /* path that only a removed one has, or NULL */
	const char *keep; /* JSON array: paths whose absence says nothing */
	const char *context; /* JSON object, or NULL */
	bool partial; /* not the whole of its context, but what changed */
	bool last; /* of its context */
	/* JSON object: where to resume behind it; NULL: more is to come. */
	const char *state;
};
/* Does any record carry credentials? */
bool page_has_credentials(yyjson_val *records, const char *text, size_t len);
/* A document without them; the caller frees it. */
yyjson_mut_doc *page_without_credentials(yyjson_val *records);
/*
 * Calls put with the text of one array of records after the other, each at
 * most `max` bytes; -1 when one record alone is larger.
 */
typedef void page_part(
    void *arg, const char *text, size_t len, size_t n, bool last);
int page_split(yyjson_val *records, size_t max, page_part *put, void *arg);

/* stream.c: numbers, messages, ends. */
void streams_start(struct fetch *f);
/* After an ack, an answer or time: whatever can go on goes on. */
void streams_pump(struct fetch *f);
/* Notes the server's time of an answer. */
void stream_clock(struct stream *s, const struct http_answer *a);
/* Numbers the page and hands it on. */
void stream_page(struct stream *s, const struct page *p);
/* Opens a state object with what every stream remembers, n records so far
 * among it; add and close it. */
void stream_state(const struct stream *s, int64_t n, struct buf *b);
void stream_restarted(struct stream *s);
void stream_warn(struct stream *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void stream_done(struct stream *s);
/* The end that a verdict asks for: skipped, incomplete, or of everything. */
void stream_stopped(
    struct stream *s, enum verdict verdict, const struct why *why);
void stream_reset(struct stream *s);

/* stream_list.c: an entity's filter with the time of the stream in place of
 * @; the caller frees it. */
char *stream_filter(const struct stream *s, const char *filter);
void walk_start(struct stream *s);
void walk_free(struct walk *w);

/* stream_fan.c */
void fan_start(struct stream *s);
void fan_free(struct fan *f);
void fan_pump(struct stream *s);
/* Records in all, by what the parents count; 0: not known (yet). */
int64_t fan_expected(const struct stream *s);
/* What the parent's own listing brings, so that it is read only once. */
void fan_feed(struct stream *s, yyjson_val *parents);
void fan_fed(struct stream *s);
void fan_starved(struct stream *s, enum verdict verdict, const struct why *why);
/* Does the fan eat what this parent stream lists? */
bool fan_eats(const struct stream *s, const struct stream *parent);

#endif
