#ifndef IDMESH_COMMITTER_H
#define IDMESH_COMMITTER_H

/*
 * committer.h - messages of a stream strictly in seq order, each once.
 *
 * layer 2.  join stands on it for what fetch reads, every sink for what join
 * sends: it fences other epochs, drops what is committed already, keeps what
 * came too early and says what is missing.  Pure: the owner loads positions
 * from its database, writes seq with the data in one transaction and then
 * calls committer_done().  Protocol: message(5).
 */

#include <stddef.h>
#include <stdint.h>

#include "msg.h"

#define COMMITTER_GAP_MS 2000

struct committer;
struct committer_stream;

/* reach: how far seq may be ahead of the committed one. */
struct committer *committer_new(int64_t reach);
void committer_free(struct committer *c);

/*
 * Sets where a stream stands; makes it when it is new, and drops what was
 * buffered for it.  Strings are copied.
 */
struct committer_stream *committer_set(struct committer *c, const char *source,
    const char *stream, int64_t run, int64_t epoch, int64_t seq);
struct committer_stream *committer_find(
    const struct committer *c, const char *source, const char *stream);
int64_t committer_seq(const struct committer_stream *s);
int64_t committer_run(const struct committer_stream *s);
int64_t committer_epoch(const struct committer_stream *s);
const char *committer_source(const struct committer_stream *s);
const char *committer_name(const struct committer_stream *s);

enum committer_verdict {
	COMMITTER_TAKEN, /* m was moved into the buffer; *m is empty */
	COMMITTER_DUPLICATE, /* committed or buffered already: dropped */
	COMMITTER_FENCED, /* another run or epoch: dropped */
	COMMITTER_UNKNOWN, /* no such stream */
	COMMITTER_BEYOND, /* breaks the window: a protocol error */
};

/* Offers a message with source, stream, run, epoch, seq (and first). */
enum committer_verdict committer_offer(
    struct committer *c, struct msg *m, int64_t now_ms);

/*
 * The next message in order of any stream, or NULL; borrowed.  A stream
 * stays at its message until committer_step(), so several messages can share
 * a transaction: next, apply, step, next, ...
 */
struct msg *committer_next(struct committer *c, struct committer_stream **of);
/* The message is applied in the open transaction: pass to the next. */
void committer_step(struct committer_stream *s);
/* The transaction was rolled back: what was stepped over comes again. */
void committer_back(struct committer *c);
/* The transaction is durable: frees what was stepped over. */
void committer_done(struct committer *c);

/* A stream whose next seq is missing for COMMITTER_GAP_MS, or NULL. */
struct committer_stream *committer_gap(struct committer *c, int64_t now_ms);

#endif
