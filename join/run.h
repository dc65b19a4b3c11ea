#ifndef IDMESH_JOIN_RUN_H
#define IDMESH_JOIN_RUN_H

/*
 * run.h - runs of a source, the checkpoints of their streams, watermarks.
 */

#include "join.h"

#define JOIN_STREAMS_MAX 16

struct ask {
	const char *source, *mode, *instance; /* instance may be NULL */
	const char *streams[JOIN_STREAMS_MAX];
	size_t n;
};

/* Of a hello; its texts stay borrowed.  -1 when it is none. */
int run_ask(const struct msg *m, struct ask *ask);
/* Begins or resumes a run; EXIT_USAGE with a reason when it cannot be. */
int run_begin(struct store *s, const struct ask *ask, struct why *why);
/* The `state` message that fetch resumes from. */
void run_state(
    struct store *s, const char *source, const char *boot, struct buf *out);
/* A run for messages that have none; its streams are those that come. */
int64_t run_begin_own(struct store *s, const char *source);
/* Moves watermarks and closes the run when all its streams have ended. */
void run_settle(struct store *s, int64_t run_pk, bool closing);
/* Where the change log stands, for runs that have ended, unless a merge of what
 * they brought is still to be done. */
void run_note(struct store *s);
#define WATERMARK_MAX 8192 /* a link of Microsoft Graph, not only a time */
/*
 * What a source's next deltas begin from; "" for none.  Where they are times,
 * the group's is that of the members too.
 */
struct marks {
	char user[WATERMARK_MAX], group[WATERMARK_MAX], member[WATERMARK_MAX];
};
void watermark_read(struct store *s, const char *source, struct marks *m);
void watermark_write(
    struct store *s, const char *source, const struct marks *m);
/* Later than now by more than a day: changes read from there would be lost. */
bool watermark_is_future(const char *mark);
void watermark_json(struct buf *b, const struct marks *m);
/* Is it a time?  Other marks mean something to fetch alone. */
bool watermark_is_time(const char *mark);

#endif
