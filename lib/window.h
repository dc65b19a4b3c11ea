#ifndef IDMESH_WINDOW_H
#define IDMESH_WINDOW_H

/*
 * window.h - what a producer has sent and nobody has committed yet.
 *
 * layer 1.  fetch keeps its pages here and join the changes for each sink: a
 * message stays until the committer's ack, and is handed out again when a
 * worker dies, a gap is reported or no ack comes.  Its bounds are the memory
 * bound of the process and its back-pressure.  Pure: time comes from the
 * caller, monotonic ms.  Protocol: message(5).
 */

#include <stddef.h>
#include <stdint.h>

#define WINDOW_PAGES 32
#define WINDOW_BYTES ((size_t)16 << 20)
#define WINDOW_ACK_MS 30000
#define WINDOW_TRIES 3 /* hand-outs before a page is isolated */

struct window;

/* One message; `bytes` is owned by the window. */
struct window_page {
	const char *source, *stream; /* borrowed from the caller for ever */
	int64_t seq;
	char *bytes;
	size_t len;
	int tries; /* how often it was handed out */
	int64_t worker; /* who has it, 0 nobody */
	int64_t nth; /* of all that this one was given; the caller's */
	int64_t sent_ms;
	int64_t wait_ms; /* for the ack, doubled each time; may be set */
	struct window_page *next;
};

struct window *window_new(size_t pages_max, size_t bytes_max);
void window_free(struct window *w);

/* May one more message be made?  Always when the window is empty. */
int window_room(const struct window *w);
/* The same while others are coming, as large as those that came. */
int window_room_beside(const struct window *w, size_t coming);
/* Takes `bytes` over.  Messages of a stream come in rising seq. */
void window_put(struct window *w, const char *source, const char *stream,
    int64_t seq, char *bytes, size_t len);

/* The oldest message that waits to be handed out, or NULL. */
struct window_page *window_due(const struct window *w);
void window_sent(struct window_page *p, int64_t worker, int64_t now_ms);

/* Frees every seq up to this one; returns how many there were. */
size_t window_ack(
    struct window *w, const char *source, const char *stream, int64_t seq);
/* The message that covers this number, or NULL. */
struct window_page *window_find(const struct window *w, const char *source,
    const char *stream, int64_t seq);
/* The committer lacks seq: hand it out again if it was sent 2 s ago. */
void window_gap(struct window *w, const char *source, const char *stream,
    int64_t seq, int64_t now_ms);
/* A worker is gone, or has lost something: what it held waits again. */
void window_orphans(struct window *w, int64_t worker);
/* The committer restarted: everything waits again. */
void window_again(struct window *w);
/*
 * Messages without ack for too long wait again; returns how many of them
 * waited for WINDOW_ACK_MS at least.
 */
size_t window_late(struct window *w, int64_t now_ms);

size_t window_pages(const struct window *w);
void window_clear(struct window *w);

#endif
