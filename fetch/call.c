/*
 * call.c - requests in line for the window, the budget and another try.
 *
 * listing.c and fetch_test.c start calls, http.c carries them.  Owns every
 * call until its callback has run.  Waiting for the budget is no retry;
 * retries are bounded in number and time and spread by full jitter.
 */

#include "call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "connector.h"
#include "fetch.h"
#include "json_mend.h"
#include "mem.h"
#include "out.h"
#include "schedule.h"
#include "secret.h"
#include "stream.h"

#ifndef RETRY_BASE_MS
#define RETRY_BASE_MS 500
#endif
#define RETRY_CAP_MS 30000
#define RETRIES_MS 300000 /* of one call, from its first failure */
#define BROKEN_MAX 3 /* answers that cannot be read */
#define LIMITED_MAX 20 /* 429s of one call */
#define CONCURRENCY_MAX 200 /* those that only say "not so many at once" */
#define REFUSED_MAX 1 /* tokens of one call */
#define LIMIT_LEAST 10 /* a page is not made smaller than this */
#define OMIT                                                 \
	"application/json; okta-response=\"omitCredentials," \
	"omitCredentialsLinks,omitTransitioningToStatus\""

struct call {
	struct calls *calls;
	struct call_ask ask; /* path is owned */
	call_done *done;
	void *arg;
	int class; /* of the budget */
	int rank; /* lower ones leave first */
	int slot; /* while in flight */
	struct http_transfer *transfer; /* NULL while it waits */
	int64_t asked_ms; /* when it began to wait for this try */
	int64_t again_ms; /* not before */
	int64_t failed_ms; /* first failure, 0 for none */
	int64_t shut_ms; /* of the schedule, by then */
	int64_t token; /* number of the value it was sent with */
	struct connector_headers headers; /* of this try */
	int retries, broken, limited, concurrency, timeouts, refused;
	char first_id[80]; /* request id of the first try */
	struct call *next;
};

struct calls {
	struct fetch *fetch;
	struct call *head; /* waiting, by rank, then oldest first */
	struct call *flying;
	int in_flight;
	struct loop_timer *timer;
	bool pumping;
	struct json_room room; /* of the answer that is being handed on */
};

static void
on_wake(void *arg)
{
	calls_pump(arg);
}

struct calls *
calls_new(struct fetch *f)
{
	struct calls *c = xcalloc(1, sizeof(*c));

	c->fetch = f;
	c->timer = loop_timer(f->loop, -1, on_wake, c);
	return c;
}

/* Behind all of its rank. */
static void
append(struct calls *c, struct call *call)
{
	struct call **at = &c->head;

	while (*at != NULL && (*at)->rank <= call->rank)
		at = &(*at)->next;
	call->next = *at;
	*at = call;
}

/* Takes a call out of the line; *at points to it. */
static struct call *
take(struct call **at)
{
	struct call *call = *at;

	*at = call->next;
	call->next = NULL;
	return call;
}

static void
land(struct call *call)
{
	struct call **at = &call->calls->flying;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	call->next = NULL;
	call->transfer = NULL;
	call->calls->in_flight--;
}

static void
call_free(struct call *call)
{
	free((char *)(uintptr_t)call->ask.path);
	free(call);
}

void
calls_free(struct calls *c)
{
	if (c == NULL)
		return;
	while (c->flying != NULL)
		call_cancel(c->flying);
	while (c->head != NULL)
		call_cancel(c->head);
	loop_timer_remove(c->fetch->loop, c->timer);
	json_room_free(&c->room);
	free(c);
}

int
calls_in_flight(const struct calls *c)
{
	return c->in_flight;
}

/* Between 0 and the bound, evenly. */
static int64_t
jitter(int64_t bound_ms)
{
	return bound_ms > 0 ? random() % (bound_ms + 1) : 0;
}

static int64_t
backoff_ms(const struct call *call, const struct http_answer *a)
{
	int64_t bound = RETRY_BASE_MS;

	for (int i = 1; i < call->retries && bound < RETRY_CAP_MS; i++)
		bound *= 2;
	if (bound > RETRY_CAP_MS)
		bound = RETRY_CAP_MS;
	if (a->retry_after_ms >= 0)
		return a->retry_after_ms + jitter(250);
	return jitter(bound);
}

/* A page that takes the server too long gets smaller (okta-api 9.2). */
static void
shrink(struct call *call)
{
	int limit = url_limit(call->ask.path);
	char *path;

	if (++call->timeouts % 2 != 0 || limit <= LIMIT_LEAST)
		return;
	limit = limit / 2 < LIMIT_LEAST ? LIMIT_LEAST : limit / 2;
	path = url_with_limit(call->ask.path, limit);
	log_warn("%s: %s: the server takes too long for a page; asking for "
		 "%d rows",
	    call->ask.source->name, call->ask.pattern, limit);
	free((char *)(uintptr_t)call->ask.path);
	call->ask.path = path;
}

/* Puts the call back in line; false when it has been tried enough. */
static bool
try_again(struct call *call, const struct http_answer *a, struct why *why)
{
	int64_t now = clock_ms(), wait, shut;
	struct fetch *f = call->calls->fetch;

	shut = schedule_shut(f, now);
	if (call->failed_ms == 0) {
		call->failed_ms = now;
		call->shut_ms = shut;
	}
	call->retries++;
	wait = backoff_ms(call, a);
	if (call->retries > f->retries_max ||
	    now + wait - call->failed_ms - (shut - call->shut_ms) >
		RETRIES_MS) {
		size_t len = strlen(why->text);

		snprintf(why->text + len, sizeof(why->text) - len,
		    "; given up after %d tries", call->retries);
		return false;
	}
	f->retries++;
	log_warn("%s: %s: %s: trying again in %.1f s (%d of %d)",
	    call->ask.source->name, call->ask.pattern, why->text,
	    (double)wait / 1000, call->retries, f->retries_max);
	call->again_ms = now + wait;
	call->asked_ms = call->again_ms;
	append(call->calls, call);
	return true;
}

/* A 429: the budget knows when; false when there were too many. */
static bool
wait_again(struct call *call, enum budget_outcome outcome)
{
	int64_t now = clock_ms();

	if (outcome == BUDGET_CONCURRENCY) {
		if (++call->concurrency > CONCURRENCY_MAX)
			return false;
	} else if (++call->limited > LIMITED_MAX) {
		return false;
	}
	call->again_ms = 0;
	call->asked_ms = now;
	append(call->calls, call);
	return true;
}

static void
finish(struct call *call, struct call_result *r)
{
	r->path = call->ask.path;
	r->limit = url_limit(call->ask.path);
	call->done(call->arg, r);
	json_done(&call->calls->room, r->doc);
	call_free(call);
}

/* A person whose name is no Unicode must not cost the rest of the page. */
static yyjson_doc *
read_mended(
    const struct call *call, const struct http_answer *a, yyjson_read_err *err)
{
	size_t n = json_mend(a->body.data, a->body.len);

	if (n == 0)
		return NULL;
	log_warn("%s: %zu characters of an answer (request %s) are no Unicode "
		 "and were replaced",
	    call->ask.source->name, n, a->request_id);
	return json_read(&call->calls->room, a->body.data, a->body.len, err);
}

/* The document of an answer 200, or a reason why it is none. */
static yyjson_doc *
read_body(const struct call *call, const struct http_answer *a, struct why *why)
{
	yyjson_read_err err;
	yyjson_doc *doc;

	if (a->body.len == 0) {
		why_set(why, "E_BODY", a->request_id, "an empty answer");
		return NULL;
	}
	doc = json_read(&call->calls->room, a->body.data, a->body.len, &err);
	if (doc == NULL && err.code == YYJSON_READ_ERROR_INVALID_STRING)
		doc = read_mended(call, a, &err);
	if (doc == NULL) {
		why_set(why, "E_BODY", a->request_id,
		    "an answer that is not JSON (byte %zu: %s)", err.pos,
		    err.msg);
		return NULL;
	}
	if (call->ask.array && !yyjson_is_arr(yyjson_doc_get_root(doc))) {
		why_set(why, "E_BODY", a->request_id,
		    "an answer that is no JSON array");
		json_done(&call->calls->room, doc);
		return NULL;
	}
	return doc;
}

/* Settles what the try was charged and writes its line. */
static enum budget_outcome
settle(struct call *call, const struct http_answer *a, const char *error)
{
	struct fetch *f = call->calls->fetch;
	struct budget_answer b = { .status = a->status,
		.limit = a->limit,
		.remaining = a->remaining,
		.reset_s = a->reset_s,
		.date_ms = a->date_ms,
		.retry_after_ms = a->retry_after_ms };
	struct reqlog_try line = { .ask = &call->ask,
		.client_id = call->headers.id,
		.throttle = a->throttle,
		.retry = call->retries + call->limited + call->concurrency };

	line.waited_ms = clock_ms() - a->took_ms - call->asked_ms;
	reqlog_write(f, &line, a, error);
	if (call->first_id[0] == '\0')
		snprintf(call->first_id, sizeof(call->first_id), "%s",
		    a->request_id);
	budget_spent(f->budget, call->slot, clock_ms(), a->units, a->percent);
	return budget_settle(f->budget, call->slot, clock_ms(), &b);
}

/* A token may have come to its end: once more, with a new one. */
static bool
new_token(struct call *call)
{
	struct source *s = call->ask.source;

	if (s->kind == NULL)
		return false;
	s->kind->refused(s, call->token);
	if (++call->refused > REFUSED_MAX)
		return false;
	call->again_ms = 0;
	call->asked_ms = clock_ms();
	append(call->calls, call);
	return true;
}

/* What becomes of the call now; true when it is back in line. */
static bool
requeued(struct call *call, enum budget_outcome outcome, struct call_result *r)
{
	struct http_answer *a = r->answer;

	switch (r->verdict) {
	case VERDICT_TOKEN:
		return new_token(call);
	case VERDICT_LIMITED:
		if (wait_again(call, outcome))
			return true;
		break;
	case VERDICT_RETRY:
		if (judge_timeout(a))
			shrink(call);
		if (try_again(call, a, &r->why))
			return true;
		break;
	case VERDICT_OK:
		r->doc = read_body(call, a, &r->why);
		if (r->doc != NULL)
			return false;
		if (++call->broken <= BROKEN_MAX && try_again(call, a, &r->why))
			return true;
		break;
	default:
		return false;
	}
	r->verdict = VERDICT_FAILED;
	return false;
}

static enum verdict
judged(const struct call *call, const struct http_answer *a, struct why *why)
{
	const struct source *s = call->ask.source;

	if (s->kind != NULL)
		return s->kind->judge(a, s->config.base_url, why);
	return judge(a, s->config.base_url, why);
}

static void
on_answer(void *arg, struct http_answer *a)
{
	struct call *call = arg;
	struct calls *c = call->calls;
	struct call_result r = { .answer = a };
	enum budget_outcome outcome;

	land(call);
	r.verdict = judged(call, a, &r.why);
	outcome = settle(call, a, r.verdict == VERDICT_OK ? NULL : r.why.text);
	if (!requeued(call, outcome, &r))
		finish(call, &r);
	if (!c->fetch->failed)
		streams_pump(c->fetch);
}

/* The value of the Authorization header; NULL: it has to be waited for. */
static char *
authorize(struct call *call)
{
	struct source *s = call->ask.source;
	const char *value;

	if (s->kind == NULL)
		return xasprintf("SSWS %s", secret_value(s->secret));
	value = s->kind->authorize(s, &call->token);
	return value != NULL ? xstrdup(value) : NULL;
}

static void
send(struct call *call, const char *authorization)
{
	struct source *s = call->ask.source;
	struct connector_headers *h = &call->headers;
	const char *const extra[] = { h->lines[0], h->lines[1], NULL };
	char *url = xasprintf("%s%s", s->config.base_url, call->ask.path);
	struct http_request r = { .url = url,
		.authorization = authorization,
		.omit = call->ask.omits ? OMIT : NULL,
		.retry_for = call->first_id,
		.retry_count =
		    call->retries + call->limited + call->concurrency };

	if (s->kind != NULL) {
		s->kind->headers(h);
		r.extra = extra;
		r.retry_count = 0; /* Okta's own way to say it */
	}
	call->transfer =
	    http_get(call->calls->fetch->http, &r, on_answer, call);
	free(url);
}

/* Takes the authorization over. */
static void
launch(struct call *call, int slot, char *authorization)
{
	struct calls *c = call->calls;

	call->slot = slot;
	call->next = c->flying;
	c->flying = call;
	c->in_flight++;
	schedule_sent(c->fetch);
	if (call->ask.stream != NULL)
		call->ask.stream->calls++;
	send(call, authorization);
	explicit_bzero(authorization, strlen(authorization));
	free(authorization);
}

/* Sends the call at *p; false when it has to wait for a token. */
static bool
start_call(struct call **p, int slot, int64_t now)
{
	struct call *call = *p;
	char *authorization = authorize(call);

	if (authorization == NULL) {
		budget_cancel(call->calls->fetch->budget, slot, now);
		return false;
	}
	launch(take(p), slot, authorization);
	return true;
}

static void
sooner(int64_t *wake, int64_t at)
{
	if (*wake < 0 || at < *wake)
		*wake = at;
}

/*
 * In order, but a bucket that is closed, or whose last calls are all
 * out, holds only its own up.  `closed` has a bit for each class that was
 * refused in this round.
 */
static void
pump(struct calls *c)
{
	struct fetch *f = c->fetch;
	int64_t now = clock_ms(), wake = -1, at;
	struct call **p = &c->head;
	uint64_t closed = 0;
	int slot;

	at = *p != NULL ? schedule_gate(f, now) : 0;
	if (at != 0) {
		loop_timer_at(c->timer, at);
		return;
	}
	while (*p != NULL) {
		struct call *call = *p;
		uint64_t bit = call->class < 64 ? 1ull << call->class : 0;
		enum budget_verdict v;

		if (call->again_ms > now || (closed & bit) != 0) {
			if (call->again_ms > now)
				sooner(&wake, call->again_ms);
			p = &call->next;
			continue;
		}
		if (!f->out->kind->room(f->out, (size_t)c->in_flight) ||
		    schedule_spent(f, c->in_flight))
			break;
		v = budget_reserve(f->budget, call->class, now, &slot, &at);
		if (v == BUDGET_GO && start_call(p, slot, now))
			continue;
		if (v == BUDGET_GO)
			break;
		sooner(&wake, at);
		closed |= bit;
		p = &call->next;
	}
	loop_timer_at(c->timer, wake);
}

void
calls_pump(struct calls *c)
{
	/* Handing on a page may come back here through an ack. */
	if (c->pumping || c->fetch->failed)
		return;
	c->pumping = true;
	pump(c);
	c->pumping = false;
}

struct call *
call_start(
    struct calls *c, const struct call_ask *ask, call_done *done, void *arg)
{
	struct call *call = xcalloc(1, sizeof(*call));

	call->calls = c;
	call->ask = *ask;
	call->ask.path = xstrdup(ask->path);
	call->done = done;
	call->arg = arg;
	call->class = budget_class(c->fetch->budget, "GET", ask->pattern);
	call->rank = schedule_rank(c->fetch, ask);
	call->asked_ms = clock_ms();
	append(c, call);
	/* The loop pumps: a caller may still be in the middle of something. */
	loop_timer_at(c->timer, clock_ms());
	return call;
}

void
call_cancel(struct call *call)
{
	struct calls *c;
	static const struct budget_answer lost = { .status = 0,
		.limit = -1,
		.remaining = -1,
		.reset_s = -1,
		.date_ms = -1,
		.retry_after_ms = -1 };

	if (call == NULL)
		return;
	c = call->calls;
	if (call->transfer != NULL) {
		http_cancel(c->fetch->http, call->transfer);
		land(call);
		budget_settle(c->fetch->budget, call->slot, clock_ms(), &lost);
	} else {
		struct call **at = &c->head;

		while (*at != call)
			at = &(*at)->next;
		take(at);
	}
	call_free(call);
}
