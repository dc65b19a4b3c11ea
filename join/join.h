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
	bool over; /* its end has come */
	int64_t heard_ms; /* when something of it came */
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

/* Where it is with that. */
struct pruning {
	int left; /* kinds of rows, 0: done */
	int64_t after; /* the last row of the kind */
	int64_t now_ms; /* when it began */
};

struct join {
	struct store *store;
	struct keep keep;
	struct pruning pruning;
	struct rules *rules;
	const char *rules_dir;
	struct committer *committer;
	struct flow *flows; /* owned */
	struct raw *raw; /* owned; NULL: raw records are not kept */
	int64_t rules_pk; /* of the version seen last */
	char rules_seen[20];
	bool sweeping; /* a sweep was decided and may not be done */
	struct merge *merge; /* owned; NULL without rules */
	bool may_merge; /* nothing more comes: what is due is merged */
	bool barrier; /* a merge waits for streams that are under way */
	const struct opt_list *with; /* sources that it waits for; or NULL */
	int64_t begun_ms;
	/* What the exit code tells. */
	bool dead, skipped, held, doubtful, incomplete;
};

/* A merge does not wait for a stream that is silent as long. */
#define JOIN_SILENT_MS 10000

struct flow *flow_find(struct join *j, const char *source, const char *stream);
/* Makes the flow of a message's stream; the exit code when that cannot be. */
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
/* In a transaction: at most so many changes; how many. */
int64_t change_prune(struct store *s, int64_t acked, int64_t most);
/* prune.c: forgets what is old, a transaction each step; `acked` is the change
 * that every sink has now.  1 while more is left, -1 when the store failed. */
void prune_begin(struct join *j);
int prune_step(struct join *j, int64_t acked);

/* end.c: the end of a stream, in its order, as a page. */
void apply_end(struct join *j, struct flow *f, const struct msg *m);

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
/* rules_of.c: the folder that the database is merged by, for subcommands: the
 * option, else $IDMESH_RULES, else what rules_remember() wrote down. */
void rules_remember(struct store *s, const char *dir);
const char *rules_of(const char *db, const char *option);

/* pipe.c: join as a filter; returns the exit code. */
int join_pipe(struct join *j, const char *after);

#endif
