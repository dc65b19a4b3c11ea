#ifndef IDMESH_TRANSFORM_H
#define IDMESH_TRANSFORM_H

/*
 * transform.h - what the files of transform/ share.
 *
 * map.c turns one page into one records message; the others bring it pages:
 * pipe.c from stdin, dispatch.c from stdin to several processes, worker.c
 * from ZeroMQ.  Nothing in this program is durable: a page that it holds is
 * kept by fetch (or by the parent) until it has been answered.
 */

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "filter.h"
#include "lines.h"
#include "log.h"
#include "msg.h"
#include "opt.h"
#include "rules.h"
#include "why.h"

#define TRANSFORM_FILTERS 8 /* parsed filters that are kept */
#define TRANSFORM_REASONS 32 /* distinct rejections that are logged */
#define TRANSFORM_CHILDREN 64
#define TRANSFORM_CREDIT 2 /* pages that one process is given at a time */

/* A filter of a page header, parsed once. */
struct known_filter {
	enum filter_entity entity;
	struct filter *filter; /* owned; NULL: the place is free */
};

/* Rejected records. */
struct rejects {
	struct buf list; /* of this page: entries of "bad", comma separated */
	uint64_t n; /* since the start */
	char reasons[TRANSFORM_REASONS][160]; /* that were logged */
	size_t n_reasons;
};

/* All that mapping needs; one a process. */
struct mapper {
	const char *dir; /* borrowed */
	struct rules *rules; /* owned */
	struct known_filter filters[TRANSFORM_FILTERS];
	size_t next_filter; /* the place that is used next */
	struct rejects rejects;
	struct failures *failures; /* owned, shared with children */
	uint64_t pages, records;
	struct json_room room; /* of the page that is being mapped */
	bool keep_raw; /* records carry what they were made of */
	/* Called several times a second while a page takes long; or NULL. */
	void (*tick)(void *arg);
	void *tick_arg;
};

/* map.c */

/* Loads the rules of dir; -1 after a line for each mistake. */
int mapper_open(struct mapper *m, const char *dir);
void mapper_close(struct mapper *m);
/* The rules of the folder as they are now; -1: a mistake, the old ones stay. */
int mapper_reload(struct mapper *m);
/* Logs how much was done. */
void log_counts(uint64_t pages, uint64_t records, uint64_t rejected);
void mapper_report(const struct mapper *m);

/*
 * Appends the records message of a page to out.  EXIT_USAGE when the rules
 * have no map for it, EXIT_TEMPORARY when the page is no good; why is set.
 * With `isolate` each record is mapped in a process of its own.
 */
enum exit_code mapper_page(struct mapper *m, const struct msg *page,
    int isolate, struct buf *out, struct why *why);
/* The same of a page's text; EXIT_USAGE also for a version not ours. */
enum exit_code mapper_line(struct mapper *m, const char *line, size_t len,
    int isolate, struct buf *out, struct why *why);

/* reject.c */

/* One entry of "bad"; `raw` may be NULL (too large to be kept). */
void reject_add(struct rejects *r, const struct msg *page, size_t index,
    const char *id, const struct why *why, yyjson_val *raw);
void reject_free(struct rejects *r);

/* failure.c: attributes that failed, logged by their place in the rules. */
struct failures *failures_new(void);
void failures_free(struct failures *f);
/* `record` is what rules_record() wrote for `id`; `map` is "okta.User". */
void failures_note(struct failures *f, const char *map, const char *id,
    const char *record, size_t len);
/* Logs the counts that have grown since they were logged. */
void failures_report(struct failures *f);
/* The same, each 10 s. */
void failures_tick(struct failures *f);

/* isolate.c */

/*
 * rules_record() in a forked process.  RULES_BAD with E_POISON when that
 * process dies or hangs.  *id is in a buffer that the next call reuses.
 */
enum rules_result isolate_record(struct mapper *m,
    const struct rules_page *page, yyjson_val *record, struct buf *out,
    struct why *why, const char **id);

/* reload.c: SIGHUP as a flag, for processes without a loop. */
void reload_watch(void);
/* Loads the rules anew when SIGHUP came; between two pages. */
void reload_if_asked(struct mapper *m);

/* pipe.c: stdin to stdout in this process. */
enum exit_code pipe_run(struct mapper *m);
/* Says what is wrong with stdin; EXIT_DONE when it just ended. */
enum exit_code pipe_input_ended(enum lines_result result, int error);
enum exit_code pipe_output_failed(int error);

/* dispatch.c: stdin to stdout through n children. */
enum exit_code dispatch_run(struct mapper *m, size_t n);

/* child.c: the child's side of a dispatcher. */
_Noreturn void child_run(struct mapper *m, int fd);

/* worker.c: from ZeroMQ until SIGTERM. */
struct endpoints {
	struct opt_list jobs;
	const char *commit, *key, *peers; /* the keys: see bus.h */
};
enum exit_code worker_run(struct mapper *m, const struct endpoints *e);

/* supervise.c: n workers, each a process. */
enum exit_code supervise_run(
    struct mapper *m, const struct endpoints *e, size_t n);

/* fork.c: a child that dies with its parent and has clean signals. */
pid_t fork_child(void);
/* check.c, try.c, test.c: subcommands. */
int check_main(int argc, char **argv);
int describe_main(int argc, char **argv);
int try_main(int argc, char **argv);
int test_main(int argc, char **argv);

#endif
