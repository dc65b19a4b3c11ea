#ifndef IDMESH_FETCH_H
#define IDMESH_FETCH_H

/*
 * fetch.h - what the files of fetch share: a run, its sources and streams.
 *
 * Stage 1 of 4: remote API -> pages.  command.c sets a run up; stream*.c ask
 * for listings (listing.c), each request waits in call.c for the budget and
 * goes out through http.c; an answer becomes pages in page.c, and out_*.c
 * hands them on.  Everything happens in one loop, nothing blocks but a pipe.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <yyjson.h>

#include "budget.h"
#include "clock.h"
#include "config.h"
#include "entity.h"
#include "filter.h"
#include "log.h"
#include "loop.h"
#include "msg.h"
#include "opt.h"
#include "scope.h"

#define STREAMS_MAX 8
#define WARNINGS_MAX 20 /* that travel in an `end`; the rest is counted */

enum mode { MODE_FULL, MODE_DELTA };

struct connector; /* connector.h */
struct round; /* graph_round.c */
struct token; /* token.h */

struct stream {
	struct source *source;
	const struct entity *entity;
	enum mode mode;
	bool wanted; /* by configuration and --streams */
	bool named; /* in the state of the committer */
	bool done; /* the committer has it complete already */
	bool first_import; /* there was no watermark before */
	bool running, ended, skipped, complete;
	char since[CLOCK_TEXT]; /* of a delta */
	char *mark; /* owned; the same where it is no time, or NULL */
	char start[CLOCK_TEXT]; /* server time at the start of the pass */
	char at[CLOCK_TEXT]; /* server time of the newest response */
	yyjson_doc *resume; /* owned; the state to go on from, or NULL */
	int64_t seq, acked; /* of the newest message; committed by join */
	int64_t n,
	    expected; /* records of the run; of the last full one, or 0 */
	int64_t pages; /* of this process */
	int64_t calls;
	int64_t restarts; /* listings that started over, of the run */
	int64_t first; /* seq of the first page since the last of them */
	struct buf warnings; /* JSON strings, comma separated */
	size_t n_warnings;
	struct walk *walk; /* owned; of a plain entity, stream_list.c */
	struct fan *fan; /* owned; with a parent, stream_fan.c */
	struct round *round; /* owned; of Microsoft Graph, graph_round.c */
};

struct source {
	struct fetch *fetch;
	struct config_source config;
	const struct connector *kind; /* NULL: Okta's */
	char *name; /* owned; "okta:contoso" */
	struct filter *filter; /* owned; UserSearchFilter and scope, or NULL */
	/* Borrowed from fetch; NULL when the way to sign in has none. */
	const struct secret *secret, *certificate, *private_key;
	struct token *token; /* owned; of a connector with tokens, or NULL */
	struct stream streams[STREAMS_MAX];
	size_t n_streams;
	int64_t run, epoch;
	char *boot; /* owned; of the committer that answered, or NULL */
	bool positioned; /* run, epoch and streams are known */
};

struct fetch_options {
	const char *mode, *scope, *streams, *resume, *jobs, *commit, *log;
	const char *key, *peers; /* CURVE, see bus.h */
	struct opt_list binds; /* of jobs, which is the first of them */
	int64_t progress_fd; /* 0: shown here */
	int64_t pages_ahead; /* of join's commit, 0: the usual */
	int quiet;
};

struct fetch {
	struct fetch_options opt;
	struct loop *loop;
	struct http *http;
	struct budget *budget;
	struct calls *calls; /* call.h */
	struct out *out;
	struct scope *scope; /* or NULL */
	struct schedule *schedule; /* schedule.h; or NULL */
	struct source *sources; /* owned array; of one tenant */
	struct unlocked *unlocked; /* owned; secrets, source.c */
	size_t n_sources;
	int in_flight_max, retries_max;
	FILE *request_log; /* or NULL */
	int64_t started_ms, retries, waited_ms;
	enum exit_code code; /* of the first thing that went wrong */
	bool failed; /* stops without ends */
};

/* Says what went wrong, once, and stops the run. */
void fetch_fail(struct fetch *f, enum exit_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* source.c: a source file, its filter and streams; exits with 100. */
void source_open(struct fetch *f, struct source *s, const char *path);
/* Resolves the secrets as late as possible; exits with 100. */
void source_unlock(struct source *s);
void source_close(struct source *s);
/* Wipes all secrets, after the last source. */
void source_forget(struct fetch *f);
struct stream *source_stream(struct source *s, const char *name);

/* resume.c: positions. -1 with why when the state cannot be used. */
int resume_state(struct fetch *f, const struct msg *m, struct why *why);
int resume_file(struct fetch *f, const char *path, struct why *why);
int resume_nothing(struct fetch *f, struct why *why);
/* EXIT_TEMPORARY where who writes the state was cut off. */
enum exit_code resume_code(const struct why *why);

/* lock.c: one fetch per tenant and host; exits with 111. */
void lock_tenant(const char *tenant);

/* progress.c, summary.c: what is going on, and what went on. */
void progress_start(struct fetch *f);
void progress_end(struct fetch *f);
void summary_print(struct fetch *f);

/* Subcommands: return the exit code. */
int command_fetch(int argc, char *argv[]);
int command_test(int argc, char *argv[]);
int command_secret(int argc, char *argv[]);
int command_report(int argc, char *argv[]);

#endif
