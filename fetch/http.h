#ifndef IDMESH_FETCH_HTTP_H
#define IDMESH_FETCH_HTTP_H

/*
 * http.h - requests over many connections, in the loop.
 *
 * call.c sends what needs a slot of the budget, token.c asks for tokens; nobody
 * else calls.  TLS is verified, no redirect is followed, nothing about the
 * Authorization header is ever printed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "loop.h"

#ifndef HTTP_BODY_MAX
#define HTTP_BODY_MAX ((size_t)64 << 20)
#endif

struct http;
struct http_transfer;

/* What came back; absent numbers are -1. */
struct http_answer {
	int status; /* 0: none came, see error */
	char error[320]; /* what libcurl says; empty when an answer came */
	bool hopeless; /* no use in trying again: TLS, URL, body too big */
	struct buf body;
	struct buf link; /* Link lines, joined by newlines */
	char request_id[80];
	char location[256];
	int64_t limit, remaining, reset_s;
	int64_t units; /* x-ms-resource-unit: what it cost */
	int64_t percent; /* x-ms-throttle-limit-percentage, 80 and up */
	char throttle[160]; /* x-ms-throttle-scope and -information */
	int64_t date_ms; /* epoch */
	int64_t retry_after_ms; /* relative, whatever form it had */
	int64_t took_ms;
	int64_t bytes; /* on the wire, compressed */
};

struct http_request {
	const char *url;
	const char *authorization; /* value, or NULL; copied and wiped */
	const char *form; /* a POST of it, or NULL; copied and wiped */
	const char *const *extra; /* header lines, the last NULL; or NULL */
	const char *omit; /* value of Content-Type, or NULL */
	const char *retry_for; /* request id of the first try, or NULL */
	int retry_count;
};

/* The answer dies with the call. */
typedef void http_done(void *arg, struct http_answer *a);

struct http *http_new(struct loop *l, int connections_max);
/* Drops what is in flight without calling back. */
void http_free(struct http *h);
struct http_transfer *http_get(
    struct http *h, const struct http_request *r, http_done *done, void *arg);
/* Gives a transfer up; done is not called. */
void http_cancel(struct http *h, struct http_transfer *t);

#endif
