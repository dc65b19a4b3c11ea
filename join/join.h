#ifndef IDMESH_JOIN_H
#define IDMESH_JOIN_H

/*
 * join.h - what the files of join share: runs, flows, what they apply.
 */

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "committer.h"
#include "msg.h"
#include "rules.h"
#include "store.h"

/* run.c: runs of a source and the checkpoints of their streams. */
#define JOIN_STREAMS_MAX 16

struct ask {
	const char *source, *mode, *instance; /* instance may be NULL */
	const char *streams[JOIN_STREAMS_MAX];
	size_t n;
};

/* Begins or resumes a run; EXIT_USAGE with a reason when it cannot be. */
int run_begin(struct store *s, const struct ask *ask, struct why *why);
/* The `state` message that fetch resumes from. */
void run_state(
    struct store *s, const char *source, const char *boot, struct buf *out);
/* A run for messages that have none; its streams are those that come. */
int64_t run_begin_own(struct store *s, const char *source);
/* Moves watermarks and closes the run when all its streams have ended. */
void run_settle(struct store *s, int64_t run_pk, bool closing);
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

/* Bits of checkpoint.unsure. */
enum {
	UNSURE_REJECT = 1, /* a record without an id was rejected */
	UNSURE_PAGE = 2, /* a page came with records missing */
	UNSURE_END = 4, /* the end does not certify the listing */
};

/* flow.c: a stream of a source in its current run, as join works on it. */
struct counts {
	int64_t pages, records, added, changed, same, gone, spared, rejects,
	    errors;
};

struct flow {
	struct flow *next;
	char *source, *stream; /* owned */
	int64_t source_pk, stream_pk, run_pk, checkpoint_pk, type_pk;
	int64_t run, epoch; /* of the database; messages may say 0 and 0 */
	int64_t generation; /* of the run's start */
	bool full, own, dirty;
	int unsure; /* UNSURE_*: why absence proves nothing */
	int64_t told; /* seq of the last ack (service) */
	int64_t seq, alive, dead; /* living objects, open dead letters */
	bool leaving; /* some of them may be marked */
	struct buf state;
	struct counts counts;
};

/* For how long it remembers what nobody works on: prune.c. */
struct keep {
	int64_t runs; /* of each source */
	int64_t dead_days; /* dead letters that are settled */
	int64_t gone_days; /* tombstones */
};

struct join {
	struct store *store;
	struct keep keep;
	struct rules *rules;
	const char *rules_dir;
	struct committer *committer;
	struct flow *flows; /* owned */
	int64_t rules_pk; /* of the version seen last */
	char rules_seen[20];
	bool sweeping; /* a sweep was decided and may not be done */
	/* What the exit code tells. */
	bool dead, skipped, held, doubtful, incomplete;
};

struct flow *flow_find(struct join *j, const char *source, const char *stream);
/* Makes the flow of a message's stream; -1 when its run is not current. */
int flow_open(struct join *j, const struct msg *m);
/* All streams of the source's current run, after run_begin(). */
void flow_load(struct join *j, const char *source);
void flow_save(struct join *j, struct flow *f);
void flow_free_all(struct join *j);

/* apply.c: one page into the open transaction. */
void apply_page(struct join *j, struct flow *f, const struct msg *m);
/* A dead letter whose record was mapped again, as if in its own run. */
struct letter {
	const char *id; /* the letter's */
	int64_t container, may_leave;
	bool again; /* out: rejected again */
};
void apply_letter(
    struct join *j, struct flow *f, const struct msg *m, struct letter *letter);

/* diff.c: which attributes differ; `text` is what to store. Non-quiet ones
 * are counted. */
size_t diff_attrs(struct rules *r, const char *type, const char *old,
    size_t old_len, yyjson_val *record, struct buf *text, struct buf *changed);

/* project.c: the mesh objects of types without a join rule. */
#define MESH_ID_LEN 36
void mesh_id(const char *source, const char *type, const char *id,
    char out[MESH_ID_LEN + 1]);
int64_t project_add(
    struct store *s, const struct flow *f, const char *id, int64_t object);
void change_add(
    struct store *s, int64_t mesh, const char *op, const char *changed);
void change_prune(struct store *s, int64_t acked);
/* prune.c: forgets what is old; `acked` is the change that every sink has. */
void prune(struct join *j, int64_t acked);

/* cert.c: what the complete end of a stream proves. */
enum certificate {
	CERT_WHOLE, /* all was read: watermark, and absence of a full run */
	CERT_UNSEEN, /* all was read, but not all could be marked as seen */
	CERT_EMPTY, /* a full listing without a record, where there were many */
	CERT_NONE, /* something is missing */
};
/* `why` is filled unless it is whole; unsure and the log are as they should. */
enum certificate cert_judge(
    struct flow *f, const struct msg *m, char *why, size_t len);

/* end.c, sweep.c */
void apply_end(struct join *j, struct flow *f, const struct msg *m);
/* The phase behind a complete end: done, sweeping, or held, when more would
 * leave than the guard allows; then why holds the numbers. */
/* `empty`: the listing was, and why says so; then it is held in any case. */
const char *sweep_judge(
    struct join *j, const struct flow *f, bool empty, char *why, size_t len);
/* Earlier runs (all but `run`) that hold nothing in the stream any more are
 * done; one that does is told. */
void held_review(struct join *j, int64_t stream, int64_t run);
/* Goes on with decided sweeps: a chunk in this transaction, or in one of its
 * own; 0 when none is left, -1 when the store failed. */
int sweep_step(struct join *j);
int sweep_chunk(struct join *j);

/* batch.c: what is in order becomes one transaction. */
enum batch {
	BATCH_NONE, /* nothing was there to do */
	BATCH_DONE, /* committed */
	BATCH_STOP, /* committed; *of has too many rejects and ends here */
	BATCH_FENCED, /* nothing committed; *of is no longer current */
	BATCH_FAIL, /* the store failed */
};

enum batch join_batch(struct join *j, const struct flow **of);
int join_load_rules(struct join *j);

/* pipe.c: join as a filter; returns the exit code. */
int join_pipe(struct join *j, const char *after);

/* admin.c, report.c, dead.c and retry.c: the subcommands. */
int admin_begin(int argc, char **argv);
int admin_watermark(int argc, char **argv);
int admin_approve(int argc, char **argv);
int report_runs(int argc, char **argv);
int dead_main(int argc, char **argv);
/* What the rows of `join dead` are chosen by; NULL: any. */
struct dead_filter {
	const char *db, *source, *stream, *rules;
	char **ids; /* n of them, none: any */
	size_t n;
};
int dead_retry(const struct dead_filter *f);
int report_dump(int argc, char **argv);

#endif
