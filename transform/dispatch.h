#ifndef IDMESH_DISPATCH_H
#define IDMESH_DISPATCH_H

/*
 * dispatch.h - one reader of stdin, several processes that map.
 *
 * Shared by dispatch.c (stdin, stdout, signals) and crew.c (the children).
 * A page is a job from the time it is read until a child has answered it;
 * when the child dies, the job is given to another one.
 */

#include "loop.h"
#include "transform.h"

struct job {
	struct job *next; /* in the list that holds it */
	struct buf line; /* the page and its newline */
	uint64_t nth, at; /* pages and bytes that were read before it */
	int deaths; /* children that died with it */
	int isolate;
};

struct worker {
	struct dispatcher *d; /* borrowed */
	pid_t pid;
	int fd;
	struct lines *in; /* answers */
	struct loop_item *item;
	struct job *jobs[TRANSFORM_CREDIT]; /* owned; the oldest first */
	size_t n;
	size_t sent; /* jobs that are written whole */
	size_t offset; /* bytes of the next one that are written */
	int leaving; /* gets no more jobs */
};

struct dispatcher {
	struct mapper *m; /* borrowed; children inherit its rules */
	struct loop *loop; /* owned */
	struct worker *workers[TRANSFORM_CHILDREN]; /* owned */
	size_t n, wanted;
	struct job *again; /* owned: jobs of children that died */
	struct job *spare; /* owned: for their memory */
	int barren; /* deaths since the last answer */
	uint64_t jobs, bytes; /* that were read */
	uint64_t pages, records, rejected;
	enum exit_code code;

	struct lines *in; /* stdin */
	struct loop_item *input; /* NULL while nothing can be taken */
	struct buf page_head; /* owned: how a page begins */
	int ended;
	enum exit_code input_code; /* how it ended */
};

/* crew.c */

/* Starts workers until there are as many as wanted; -1 when it cannot. */
int crew_fill(struct dispatcher *d);
/* Lets one go as soon as it has answered what it has. */
void crew_shrink(struct dispatcher *d);
/* A worker that can take a job, the idlest; or NULL. */
struct worker *crew_idle(struct dispatcher *d);
void crew_give(struct worker *w, struct job *job);
/* Jobs that are with a worker. */
size_t crew_jobs(const struct dispatcher *d);
/* The one of these that was read first; or NULL. */
const struct job *crew_oldest(const struct dispatcher *d);
void crew_signal(struct dispatcher *d, int signal);
/* Ends them all and waits for them. */
void crew_dismiss(struct dispatcher *d);

/* dispatch.c */

/* A line to stdout, which crew.c got; its newline is put back. */
void dispatch_write(struct dispatcher *d, char *line, size_t len);
/* Something has changed: gives out jobs, reads or stops. */
void dispatch_go_on(struct dispatcher *d);
/* Ends the whole program. */
void dispatch_fail(struct dispatcher *d, enum exit_code code);
void job_free(struct dispatcher *d, struct job *job);

#endif
