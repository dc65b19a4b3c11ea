/*
 * worker.c - pages from ZeroMQ, records to join, until SIGTERM.
 *
 * Stage 2 as a service.  Asks every fetch for pages by credit, maps one page
 * at a time and sends the result to join; what join does not take yet is held
 * and no more credit is given: that is the backpressure.  Nothing is
 * acknowledged here: fetch keeps a page until join has committed it, so this
 * process may die at any time.
 */

#include "transform.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "clock.h"
#include "loop.h"
#include "mem.h"
#include "waiting.h"

#define BEAT_MS 1000
#define FLUSH_MS 2000 /* at the end, for a page that join has not taken */

/* One fetch. */
struct feed {
	struct service *v; /* borrowed */
	struct bus_socket *socket;
	struct loop_item *item;
	int64_t received; /* pages */
	int64_t ready_ms; /* when it was told last */
	int untold; /* it could not be told */
};

struct service {
	struct mapper *m; /* borrowed */
	struct loop *loop;
	struct bus *bus;
	struct feed *feeds; /* owned */
	size_t n;
	struct bus_socket *commit;
	struct loop_item *commit_item;
	struct loop_timer *beat;
	struct buf out; /* the answer; kept while join does not take it */
	int held; /* is it? */
	struct waiting waiting; /* for join to take it */
	int busy; /* a page is being mapped */
	int stopping;
	struct buf text; /* of short messages */
	enum exit_code code;
};

static void
watch(struct feed *f)
{
	short events = 0;

	if (!f->v->held && !f->v->stopping)
		events |= LOOP_IN;
	if (f->untold)
		events |= LOOP_OUT;
	loop_events(f->item, events);
}

/*
 * Credit is absolute, as of the pages received: the one that is being mapped
 * is among them, so that a place less is free.
 */
static int64_t
credit(const struct service *v)
{
	if (v->held || v->stopping)
		return 0;
	return v->busy ? TRANSFORM_CREDIT - 1 : TRANSFORM_CREDIT;
}

static void
tell_ready(struct feed *f)
{
	struct buf *b = &f->v->text;

	buf_clear(b);
	msg_open(b, MSG_READY);
	msg_int(b, MSG_N, f->received);
	msg_str(b, MSG_INSTANCE, bus_instance());
	msg_int(b, MSG_CREDIT, credit(f->v));
	msg_close(b);
	f->untold = bus_send(f->socket, NULL, b->data, b->len) < 0;
	f->ready_ms = clock_ms();
}

static void
tell_all(struct service *v, int64_t silent_ms)
{
	int64_t now = clock_ms();

	for (size_t i = 0; i < v->n; i++) {
		if (now - v->feeds[i].ready_ms >= silent_ms)
			tell_ready(&v->feeds[i]);
		watch(&v->feeds[i]);
	}
}

/* The beat of a worker that is busy with one page for long: out of a rule. */
static void
on_tick(void *arg)
{
	tell_all(arg, BEAT_MS);
}

static void
on_beat(void *arg)
{
	struct service *v = arg;

	bus_watch(v->commit);
	for (size_t i = 0; i < v->n; i++)
		bus_watch(v->feeds[i].socket);
	tell_all(v, BEAT_MS);
	failures_tick(v->m->failures);
	waiting_tick(
	    &v->waiting, v->held, clock_ms(), "join", bus_endpoint(v->commit));
	loop_timer_at(v->beat, clock_ms() + BEAT_MS / 2);
}

static void
stop(struct service *v, enum exit_code code)
{
	v->code = code;
	loop_stop(v->loop);
}

/* To join; -1 when it is held. */
static int
deliver(struct service *v)
{
	int held = bus_send(v->commit, NULL, v->out.data, v->out.len) < 0;

	if (held && errno != EAGAIN) {
		log_error("cannot send to %s: %s", bus_endpoint(v->commit),
		    strerror(errno));
		stop(v, EXIT_TEMPORARY);
	}
	v->held = held;
	loop_events(v->commit_item, held ? LOOP_IN | LOOP_OUT : LOOP_IN);
	return held ? -1 : 0;
}

/*
 * A page that is no good is not answered: fetch hands it out again and in the
 * end says so.  Rules without a map for it are a mistake for an operator.
 */
static void
refuse(struct service *v, const char *endpoint, enum exit_code code,
    const struct why *why)
{
	log_error("%s: %s", endpoint, why->text);
	if (code == EXIT_USAGE)
		stop(v, code);
}

static void
take_page(struct feed *f, const struct msg *page)
{
	struct service *v = f->v;
	enum exit_code code;
	struct why why;

	f->received++;
	v->busy = 1;
	buf_clear(&v->out);
	code = mapper_page(v->m, page, 0, &v->out, &why);
	v->busy = 0;
	if (code != EXIT_DONE) {
		refuse(v, bus_endpoint(f->socket), code, &why);
	} else if (deliver(v) < 0) {
		tell_all(v, 0);
		return;
	}
	tell_ready(f);
	watch(f);
}

static void
on_feed(void *arg, short events)
{
	struct feed *f = arg;
	struct service *v = f->v;
	const char *bytes;
	size_t len;
	struct why why;
	struct msg msg;

	if (f->untold)
		tell_ready(f);
	watch(f);
	/* One at a time, so that each fetch has its turn. */
	if (!(events & LOOP_IN) || v->held || v->stopping ||
	    bus_recv(f->socket, NULL, &bytes, &len) != 1)
		return;
	if (msg_read_in(&msg, &v->m->room, bytes, len, &why) < 0) {
		/* It may have been a page, and fetch has counted it. */
		f->received++;
		refuse(v, bus_endpoint(f->socket), msg_code(&why), &why);
		return;
	}
	bus_done(f->socket);
	if (msg.kind == MSG_PAGE)
		take_page(f, &msg);
	msg_free(&msg);
}

static void
on_commit(void *arg, short events)
{
	struct service *v = arg;
	const char *bytes;
	size_t len;

	/* join has nothing to say to a worker. */
	while (bus_recv(v->commit, NULL, &bytes, &len) == 1)
		continue;
	if (!(events & LOOP_OUT) || !v->held || deliver(v) < 0)
		return;
	if (v->stopping)
		stop(v, EXIT_DONE);
	else
		tell_all(v, 0);
}

static void
on_flush_end(void *arg)
{
	log_warn("a page is left to others: join does not take it");
	stop(arg, EXIT_DONE);
}

static void
leave(struct service *v)
{
	v->stopping = 1;
	buf_clear(&v->text);
	msg_from(&v->text, MSG_BYE, bus_instance());
	for (size_t i = 0; i < v->n; i++) {
		/* A fetch that is not there holds nothing against us. */
		(void)bus_send(
		    v->feeds[i].socket, NULL, v->text.data, v->text.len);
		v->feeds[i].untold = 0;
		watch(&v->feeds[i]);
	}
	loop_timer_at(v->beat, -1);
	if (v->held)
		loop_timer(v->loop, clock_ms() + FLUSH_MS, on_flush_end, v);
	else
		stop(v, EXIT_DONE);
}

static void
on_signal(void *arg, int signal)
{
	struct service *v = arg;

	if (signal == SIGHUP)
		(void)mapper_reload(v->m);
	else if (signal != SIGTERM && signal != SIGINT)
		return;
	else if (v->stopping)
		stop(v, EXIT_DONE);
	else
		leave(v);
}

static int
connect_all(struct service *v, const struct endpoints *e)
{
	struct why why;

	if (bus_keys(v->bus, e->key, e->peers, &why) < 0)
		goto fail;
	v->commit = bus_connect_to(v->bus, e->commit, MSG_JOIN, &why);
	if (v->commit == NULL)
		goto fail;
	v->commit_item = loop_socket(v->loop, bus_raw(v->commit), on_commit, v);
	v->feeds = xcalloc(e->jobs.n, sizeof(*v->feeds));
	for (size_t i = 0; i < e->jobs.n; i++) {
		struct feed *f = &v->feeds[i];

		f->v = v;
		f->socket =
		    bus_connect_to(v->bus, e->jobs.items[i], MSG_FETCH, &why);
		if (f->socket == NULL)
			goto fail;
		f->item = loop_socket(v->loop, bus_raw(f->socket), on_feed, f);
		f->untold = 1;
		v->n++;
		watch(f);
	}
	return 0;
fail:
	log_error("%s", why.text);
	v->code = bus_code(&why);
	return -1;
}

static void
close_all(struct service *v)
{
	for (size_t i = 0; i < v->n; i++)
		bus_close(v->feeds[i].socket);
	free(v->feeds);
	bus_close(v->commit);
	bus_free(v->bus);
	loop_free(v->loop);
	buf_free(&v->out);
	buf_free(&v->text);
}

enum exit_code
worker_run(struct mapper *m, const struct endpoints *e)
{
	struct service v = { .m = m };

	v.loop = loop_new();
	v.bus = bus_new();
	loop_signals(v.loop, on_signal, &v);
	if (connect_all(&v, e) == 0) {
		v.beat =
		    loop_timer(v.loop, clock_ms() + BEAT_MS / 2, on_beat, &v);
		m->tick = on_tick;
		m->tick_arg = &v;
		reload_if_asked(m);
		loop_run(v.loop);
		mapper_report(m);
	}
	m->tick = NULL;
	close_all(&v);
	return v.code;
}
