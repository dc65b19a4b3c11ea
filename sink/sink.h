#ifndef IDMESH_SINK_H
#define IDMESH_SINK_H

/*
 * sink.h - the sink: changes of join in, rows or lines in a target out.
 *
 * apply.c turns messages into calls of a target and knows the change log;
 * pipe.c and service.c bring the messages; target_*.c are the targets, each
 * behind one `struct target`.  Protocol: message(5).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "buf.h"
#include "log.h"
#include "msg.h"
#include "why.h"

#define SINK_STORE_MAX 128

#define SINK_NOWHERE (-1) /* number of an empty target */
#define SINK_ANYWHERE (-2) /* of one that keeps no cursor */

#define SINK_BATCH_MS 50 /* a batch is committed when it is so old */
#define SINK_QUIET_MS 1000 /* no message for so long is a pause */

/* Where a target stands in the change log of a store. */
struct position {
	char store[SINK_STORE_MAX]; /* "" when it never had one */
	int64_t number; /* of the last change that is in, or see above */
};

/* "STORE:N" or "-", as `sink cursor` and the state message have it. */
void position_write(struct buf *b, const struct position *at);
/* Reads "STORE:N"; -1 when it is none. */
int position_read(const char *text, struct position *at);

/* One change; everything is borrowed from its message. */
struct change {
	bool put; /* else delete */
	const char *type, *id;
	yyjson_val *object; /* of a put: all attributes */
	yyjson_val *contributors, *changed; /* may be NULL */
	const char *reason; /* of a delete, may be NULL */
	const char *state, *leave_at; /* of who is leaving; or NULL */
	const struct position *at; /* the cursor once this change is in */
};

/*
 * A kind of target.  `h` is what open() made.  A function that can fail
 * returns EXIT_DONE, or the code that the program ends with and a reason:
 * EXIT_USAGE when only a person can help, EXIT_TEMPORARY otherwise.  After a
 * failure only rollback() and close() may be called.
 */
struct target {
	const char *name; /* what stands before the colon */
	const char *place; /* what stands behind it, for --help */

	/* Where it stands, without making or changing anything. */
	enum exit_code (*cursor)(
	    const char *place, struct position *at, struct why *why);
	/*
	 * Opens for writing, makes what is missing, keeps other sinks out
	 * until close(), and says where it stands.
	 */
	enum exit_code (*open)(
	    const char *place, void **h, struct position *at, struct why *why);
	/* Starts a batch; put to sweep come only inside of one. */
	enum exit_code (*begin)(void *h, struct why *why);
	/* The types and attributes from here on. */
	enum exit_code (*schema)(void *h, yyjson_val *types, struct why *why);
	/* *hit is 0 when a delete found nothing: that is no failure. */
	enum exit_code (*change)(
	    void *h, const struct change *c, int *hit, struct why *why);
	/*
	 * A full stream begins (again): what is not put until sweep() is not
	 * in the mesh any more.  A batch may be committed in between.
	 */
	enum exit_code (*rebuild)(void *h, struct why *why);
	/* The full stream is whole; *gone: how many objects were removed. */
	enum exit_code (*sweep)(
	    void *h, const struct position *at, int64_t *gone, struct why *why);
	/* Makes the batch durable, with the cursor in it: all or nothing. */
	enum exit_code (*commit)(
	    void *h, const struct position *at, struct why *why);
	void (*rollback)(void *h); /* undoes the batch, if one is open */
	/* The input pauses: time for what was put off.  NULL: nothing is. */
	enum exit_code (*settle)(void *h, struct why *why);
	void (*close)(void *h); /* lets go; h may be NULL */
};

extern const struct target target_sqlite, target_ndjson;

/* Changes: puts, deletes that found something and that did not. */
struct sink_counts {
	int64_t puts, deletes, unknown;
};

/* Messages on their way into one target. */
struct sink {
	const struct target *target;
	const char *name; /* "sqlite:mesh.db", for people; borrowed */
	void *h; /* of the target; owned */
	struct position at; /* the open batch included */
	struct position durable; /* the last commit */
	int64_t run; /* of the full stream that is on its way, 0 none */
	int64_t next; /* its next seq */
	bool started; /* a change was taken already */
	int64_t last; /* highest number that join has shown to have */
	bool batch; /* a batch is open */
	bool unsettled; /* something was committed since the last pause */
	size_t messages, bytes; /* in the batch */
	size_t messages_max, bytes_max; /* of a batch; the caller's choice */
	int64_t since_ms; /* when the batch began */
	struct sink_counts counts, committed; /* with and without the batch */
	int64_t repeated;
};

/* Fills why with a line for people; returns code. */
enum exit_code sink_fail(struct why *why, enum exit_code code, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/* The target of "sqlite:FILE" and its place, or NULL with a reason. */
const struct target *sink_target(
    const char *text, const char **place, struct why *why);
enum exit_code sink_open(struct sink *s, const char *text, struct why *why);
/* Takes one message into the batch.  Other kinds than join's are refused. */
enum exit_code sink_take(
    struct sink *s, const struct msg *m, int64_t now_ms, struct why *why);
/* May the store of this name and length of its log be carried here? */
enum exit_code sink_welcome(
    const struct sink *s, const char *store, int64_t newest, struct why *why);
/* When the open batch is to be committed; -1 when none is open. */
int64_t sink_due(const struct sink *s);
enum exit_code sink_commit(struct sink *s, struct why *why);
enum exit_code sink_settle(struct sink *s, struct why *why);
void sink_close(struct sink *s);
/* One line of what was done. */
void sink_report(const struct sink *s);

/* Until end of file on stdin; until SIGTERM. */
enum exit_code pipe_run(struct sink *s);
enum exit_code service_run(struct sink *s, const char *endpoint,
    const char *key, const char *peers); /* as of bus_keys() */

#endif
