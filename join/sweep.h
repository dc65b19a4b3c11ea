#ifndef IDMESH_JOIN_SWEEP_H
#define IDMESH_JOIN_SWEEP_H

/*
 * sweep.h - what the end of a stream proves, and who leaves behind it.
 */

#include "join.h"

/* cert.c: what the complete end of a stream proves. */
enum certificate {
	CERT_WHOLE, /* all was read: watermark, and absence of a full run */
	CERT_UNSEEN, /* all was read, but not all could be marked as seen */
	CERT_EMPTY, /* a full listing without a record, where there were many */
	CERT_NONE, /* something is missing */
};
/* `why` is filled unless it is whole; unsure and the log are as they should. */
enum certificate cert_judge(struct store *s, struct flow *f,
    const struct msg *m, char *why, size_t len);

/*
 * SQL: a listing that lacks an object whose attributes are a.text is no proof
 * that it left, 1 or 0; `since` is the watermark of its stream.  It changed
 * while the listing ran, where it may have slipped between two pages, or so
 * shortly before that the source's clock and indices may lag.
 */
#define SWEEP_SPARED(since)                                                    \
	"ifnull(julianday(a.text ->> 'lastUpdated') >= julianday(" since "), " \
	"0)"

/* Of those, behind their number. */
#define SWEEP_WORDS \
	"were changed too recently to tell and wait for a later full run"

/* sweep.c */
/* The phase behind a complete end: done, sweeping, or held, when more would
 * leave than the guard allows; then why holds the numbers.  `since`: as the
 * watermark is stored, NULL without.  `empty`: the listing was, and why says
 * so; then it is held in any case. */
const char *sweep_judge(struct join *j, const struct flow *f, const char *since,
    bool empty, char *why, size_t len);
/* Earlier runs (all but `run`) that hold nothing in the stream any more are
 * done; one that does is told. */
void held_review(struct join *j, int64_t stream, int64_t run);
/* Goes on with decided sweeps: a chunk in this transaction, or in one of its
 * own; 0 when none is left, -1 when the store failed. */
int sweep_step(struct join *j);
int sweep_chunk(struct join *j);

#endif
