#ifndef IDMESH_FETCH_CALL_H
#define IDMESH_FETCH_CALL_H

/*
 * call.h - one question to the API, asked until there is an answer.
 *
 * listing.c and fetch_test.c ask; call.c waits for room in the window and
 * for a slot of the budget, tries again where that helps, and calls back
 * once.  Source of the table of answers: okta-api 9.2.
 */

#include <stdbool.h>
#include <stdint.h>

#include <yyjson.h>

#include "http.h"
#include "why.h"

#define CALL_RETRIES 5 /* of one call */

struct call;
struct calls;
struct fetch;
struct source;
struct stream;

/* What an answer means for the one who asked. */
enum verdict {
	VERDICT_OK,
	VERDICT_RETRY, /* ask again a little later */
	VERDICT_LIMITED, /* 429: ask again when the budget says so */
	VERDICT_RESTART, /* the cursor is refused: list from the beginning */
	VERDICT_FILTER, /* the expression is refused: list everything */
	VERDICT_DENIED, /* the token may not read this: leave it out */
	VERDICT_GONE, /* the object is not there any more */
	VERDICT_TOKEN, /* the token is no good: stop */
	VERDICT_CONFIG, /* wrong address: stop */
	VERDICT_FAILED, /* it will not work: the stream is incomplete */
};

/* Fills why unless the verdict is OK; base_url is named in it. */
enum verdict judge(
    const struct http_answer *a, const char *base_url, struct why *why);
/* Is it the 500 that a smaller page may cure? */
bool judge_timeout(const struct http_answer *a);
/*
 * judge_common.c: sets *verdict and why when the answer means the same
 * whatever API it is of; `key` of the source file has the address.
 */
bool judge_common(const struct http_answer *a, const char *base_url,
    const char *key, enum verdict *verdict, struct why *why);
/* Text of an answer as a part of a line; NULL is none. */
void judge_copy(char *out, size_t room, const char *text);

/*
 * The end of a call: OK with the document of the body, or the verdict that
 * stands with its reason.  All of it dies with the call, after the callback.
 */
struct call_result {
	enum verdict verdict;
	struct http_answer *answer; /* NULL when none came */
	yyjson_doc *doc; /* numbers are raw text */
	struct why why;
	const char *path; /* as it was asked at last */
	int limit; /* the `limit` that was asked at last, 0 for none */
};
typedef void call_done(void *arg, const struct call_result *r);

struct call_ask {
	struct source *source;
	struct stream *stream; /* is charged with the call; may be NULL */
	const char *path; /* with query; copied */
	const char *pattern; /* path with {id}; borrowed for ever */
	bool omits; /* ask to omit credentials */
	bool array; /* an answer that is no array is a broken one */
};

struct calls *calls_new(struct fetch *f);
void calls_free(struct calls *c);
/* Sends what may be sent; after anything that may have changed that. */
void calls_pump(struct calls *c);
int calls_in_flight(const struct calls *c);

struct call *call_start(
    struct calls *c, const struct call_ask *ask, call_done *done, void *arg);
/* Gives it up; done is not called. NULL is fine. */
void call_cancel(struct call *call);

/* reqlog.c: the line about one try. */
struct reqlog_try {
	const struct call_ask *ask;
	const char *method; /* NULL: GET */
	const char *client_id; /* that we gave it; NULL or "" for none */
	const char *throttle; /* what the server said of limits, or NULL */
	int retry;
	int64_t waited_ms;
};
void reqlog_write(struct fetch *f, const struct reqlog_try *t,
    const struct http_answer *a, const char *error);

/* url.c: paths with queries. */
struct buf;
/* Percent-encodes a value. */
void url_encode(struct buf *b, const char *s);
/* Adds &name=value or ?name=value, value percent-encoded. */
void url_add(struct buf *path, const char *name, const char *value);
/* The value of `limit`, 0 when there is none; sets it where there is one. */
int url_limit(const char *path);
char *url_with_limit(const char *path, int limit);
/* Identifies the position that a path stands for: hash of `after`. */
uint64_t url_cursor(const char *path);
/* "/api/v1/groups/{id}/users" with the id put in. */
char *url_fill(const char *pattern, const char *id);

#endif
