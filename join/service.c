/*
 * service.c - join between ZeroMQ sockets.
 *
 * fetch says hello and sends `end`, transforms send records; all of it comes
 * in at one endpoint.  What is in order is committed by batch.c and then
 * acknowledged to the fetch whose source it is; link.c carries the changes to
 * each sink, and ending.c knows when it is over.
 */

#include "service.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "clock.h"
#include "ending.h"
#include "json.h"
#include "link.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "merge.h"
#include "run.h"

#define TICK_MS 100
#define DRAIN_TICK_MS 5
#define BEAT_MS 1000
#define GAP_MS 500
#define RECEIVE_MAX 64 /* frames between two transactions */

/* The fetch of a source. */
struct client {
	struct client *next;
	char *source, *instance; /* owned */
	char *former; /* owned: who was told to end, or NULL */
	struct bus_peer peer;
	bool stopped; /* too many rejects: nothing more of it is taken */
};

struct service {
	struct join *j;
	struct loop *loop;
	struct bus_socket *socket;
	struct loop_item *item;
	struct loop_timer *tick, *work;
	struct client *clients; /* owned */
	struct link **links; /* owned, each too */
	size_t n_links;
	struct link_owner owner;
	int64_t beat_ms, gap_ms;
	struct ending ending;
	int64_t repeated; /* messages that had come before */
	int code;
};

static void
stop(struct service *v, int code)
{
	v->code = code;
	loop_stop(v->loop);
}

/* 100 while a run is stopped that nobody has begun again. */
static void
stop_well(struct service *v)
{
	int code = ending_code(v->j, v->links, v->n_links);

	for (const struct client *c = v->clients; c != NULL; c = c->next)
		if (c->stopped)
			code = EXIT_USAGE;
	if (v->repeated > 0)
		log_info("%lld messages came again and were dropped",
		    (long long)v->repeated);
	stop(v, code);
}

static void
send_client(struct service *v, const struct client *c, struct buf *b)
{
	/* A client that is gone asks again when it is back. */
	(void)bus_send(v->socket, &c->peer, b->data, b->len);
	buf_free(b);
}

static struct client *
client_find(struct service *v, const char *source)
{
	struct client *c = v->clients;

	while (c != NULL && strcmp(c->source, source) != 0)
		c = c->next;
	return c;
}

static void
send_fenced(struct service *v, const struct bus_peer *to, const char *source,
    const char *why, bool permanent)
{
	struct buf b = { 0 };

	msg_open(&b, MSG_FENCED);
	msg_str(&b, MSG_SOURCE, source);
	msg_str(&b, MSG_WHY, why);
	if (permanent)
		msg_bool(&b, MSG_PERMANENT, true);
	msg_close(&b);
	(void)bus_send(v->socket, to, b.data, b.len);
	buf_free(&b);
}

static void
send_taken_over(
    struct service *v, const struct bus_peer *to, const char *source)
{
	send_fenced(v, to, source, "another fetch took over", false);
}

/* Another attempt would be mapped by the same rules. */
static void
send_stopped(struct service *v, const struct client *c)
{
	send_fenced(v, &c->peer, c->source,
	    "too many records were rejected; see 'idmesh join dead', mend the "
	    "rules, run again",
	    true);
}

static void
send_beat(struct service *v, const struct bus_peer *to)
{
	struct buf b = { 0 };

	msg_from(&b, MSG_BEAT, bus_instance());
	(void)bus_send(v->socket, to, b.data, b.len);
	buf_free(&b);
}

static void
send_ack(struct service *v, const struct client *c, struct flow *f)
{
	struct committer_stream *cs =
	    committer_find(v->j->committer, f->source, f->stream);
	struct buf b = { 0 };

	f->told = committer_seq(cs);
	msg_short(&b, MSG_ACK, f->source, f->stream, committer_run(cs),
	    committer_epoch(cs), f->told);
	send_client(v, c, &b);
}

/* Tells every fetch what became durable since it was told last. */
static void
send_acks(struct service *v)
{
	for (struct flow *f = v->j->flows; f != NULL; f = f->next) {
		const struct client *c = client_find(v, f->source);
		struct committer_stream *cs =
		    committer_find(v->j->committer, f->source, f->stream);

		if (c != NULL && !c->stopped && committer_seq(cs) > f->told)
			send_ack(v, c, f);
	}
}

static void
pump(struct service *v)
{
	for (size_t i = 0; i < v->n_links; i++)
		link_pump(v->links[i]);
}

/* What every sink that is there has acknowledged. */
static int64_t
acked_by_all(const struct service *v)
{
	int64_t least = v->j->store->newest;

	for (size_t i = 0; i < v->n_links; i++)
		if (link_acked(v->links[i]) < least)
			least = link_acked(v->links[i]);
	return least;
}

/* Nothing waits: some of what is old goes. */
static void
idle(struct service *v)
{
	if (v->ending.since_ms == 0 && prune_step(v->j, acked_by_all(v)) > 0)
		loop_timer_at(v->work, clock_ms());
}

/* One transaction of what waits; comes back at once while there is more. */
static void
on_work(void *arg)
{
	struct service *v = arg;
	const struct flow *of = NULL;
	enum batch result = join_batch(v->j, &of);
	struct client *c;

	switch (result) {
	case BATCH_NONE:
		idle(v);
		return;
	case BATCH_FENCED:
	case BATCH_FAIL:
		stop(v, EXIT_TEMPORARY);
		return;
	case BATCH_STOP:
		c = client_find(v, of->source);
		send_acks(v);
		if (c != NULL) {
			c->stopped = true;
			send_stopped(v, c);
		}
		break;
	case BATCH_DONE:
		send_acks(v);
		break;
	}
	pump(v);
	loop_timer_at(v->work, clock_ms());
}

/* The client of a source from now on; an earlier one is told to end. */
static struct client *
welcome(struct service *v, const struct msg *m, const struct bus_peer *from)
{
	struct client *c = client_find(v, m->source);

	if (c == NULL) {
		c = xcalloc(1, sizeof(*c));
		c->source = xstrdup(m->source);
		c->next = v->clients;
		v->clients = c;
		store_claim(v->j->store, m->source);
	} else if (strcmp(c->instance, m->instance) != 0) {
		send_taken_over(v, &c->peer, c->source);
		free(c->former);
		c->former = xstrdup(c->instance);
		c->stopped = false;
	}
	free(c->instance);
	c->instance = xstrdup(m->instance);
	c->peer = *from;
	return c;
}

/* Begins or goes on with a run; -1 when it was refused. */
static int
begin(struct service *v, const struct ask *ask, const struct bus_peer *from)
{
	struct store *s = v->j->store;
	struct why why;
	int rc = EXIT_TEMPORARY;

	if (store_begin(s) == 0)
		rc = run_begin(s, ask, &why);
	if (rc != EXIT_DONE)
		store_rollback(s);
	else if (store_commit(s) != 0)
		rc = EXIT_TEMPORARY;
	if (rc == EXIT_USAGE) {
		log_error("%s", why.text);
		send_fenced(v, from, ask->source, why.text, true);
	} else if (rc != EXIT_DONE) {
		stop(v, EXIT_TEMPORARY);
	}
	return rc == EXIT_DONE ? 0 : -1;
}

static void
take_hello(struct service *v, const struct msg *m, const struct bus_peer *from)
{
	struct client *c = client_find(v, m->source);
	bool known = c != NULL && m->instance != NULL &&
		     strcmp(c->instance, m->instance) == 0;
	struct buf b = { 0 };
	struct ask ask;

	if (run_ask(m, &ask) != 0) {
		log_warn("a hello of %s without instance, mode or streams was "
			 "dropped",
		    m->source);
		return;
	}
	if (!known) {
		if (begin(v, &ask, from) != 0)
			return;
		flow_load(v->j, m->source);
		prune_begin(v->j);
	}
	c = welcome(v, m, from);
	if (c->stopped) {
		send_stopped(v, c);
		return;
	}
	run_state(v->j->store, m->source, bus_instance(), &b);
	send_client(v, c, &b);
}

static void
take_data(struct service *v, struct msg *m, const struct bus_peer *from)
{
	struct client *c = client_find(v, m->source);
	struct flow *f = flow_find(v->j, m->source, m->stream);
	const char *stream = m->stream;
	bool end = m->kind == MSG_END;

	/* Not asked for here yet: its fetch says hello and sends it again. */
	if (c == NULL || c->stopped || f == NULL)
		return;
	switch (committer_offer(v->j->committer, m, clock_ms())) {
	case COMMITTER_TAKEN:
	case COMMITTER_UNKNOWN:
		break;
	case COMMITTER_DUPLICATE:
		v->repeated++;
		send_ack(v, c, f);
		break;
	case COMMITTER_FENCED:
		if (end && m->epoch < f->epoch)
			send_taken_over(v, from, c->source);
		break;
	case COMMITTER_BEYOND:
		log_warn("%s %s: page %lld is far ahead of what is committed; "
			 "dropped",
		    c->source, stream, (long long)m->seq);
		break;
	}
}

/* Who was told to end and still lives has not heard it. */
static void
take_beat(struct service *v, const struct msg *m, const struct bus_peer *from)
{
	for (const struct client *c = v->clients; c != NULL; c = c->next)
		if (c->former != NULL && m->instance != NULL &&
		    strcmp(c->former, m->instance) == 0)
			send_taken_over(v, from, c->source);
	/* The answer shows a fetch that this is another join. */
	send_beat(v, from);
}

static void
take(struct service *v, struct msg *m, const struct bus_peer *from)
{
	switch (m->kind) {
	case MSG_HELLO:
		take_hello(v, m, from);
		break;
	case MSG_MAPPED:
	case MSG_END:
		take_data(v, m, from);
		break;
	case MSG_BEAT:
		take_beat(v, m, from);
		break;
	default:
		break;
	}
}

static void
on_message(void *arg, short events)
{
	struct service *v = arg;
	struct bus_peer from;
	struct msg m;
	int got = 1;

	(void)events;
	for (int n = 0; n < RECEIVE_MAX && got != 0; n++) {
		if (loop_stopped(v->loop))
			break;
		got = bus_message(v->socket, &from, &m);
		if (got != 1)
			continue;
		take(v, &m, &from);
		msg_free(&m);
	}
	loop_timer_at(v->work, clock_ms());
}

static void
ask_for_gaps(struct service *v, int64_t now_ms)
{
	for (;;) {
		struct committer_stream *cs =
		    committer_gap(v->j->committer, now_ms);
		struct buf b = { 0 };
		struct client *c;

		if (cs == NULL)
			return;
		c = client_find(v, committer_source(cs));
		if (c == NULL)
			continue;
		msg_short(&b, MSG_GAP, committer_source(cs), committer_name(cs),
		    committer_run(cs), committer_epoch(cs),
		    committer_seq(cs) + 1);
		send_client(v, c, &b);
	}
}

static void
on_tick(void *arg)
{
	struct service *v = arg;
	int64_t now_ms = clock_ms();

	if (now_ms - v->beat_ms >= BEAT_MS) {
		v->beat_ms = now_ms;
		/* `join approve` may have added to the change log. */
		store_refresh(v->j->store);
		for (struct client *c = v->clients; c != NULL; c = c->next)
			send_beat(v, &c->peer);
		/* A merge that is due may have waited long enough. */
		if (merge_waits(v->j))
			loop_timer_at(v->work, now_ms);
	}
	if (now_ms - v->gap_ms >= GAP_MS) {
		v->gap_ms = now_ms;
		ask_for_gaps(v, now_ms);
	}
	for (size_t i = 0; i < v->n_links; i++)
		link_tick(v->links[i], now_ms);
	if (v->j->store->failed)
		stop(v, EXIT_TEMPORARY);
	else if (ending_due(&v->ending, v->j, v->links, v->n_links, now_ms))
		stop_well(v);
	loop_timer_at(v->tick,
	    now_ms + (v->ending.since_ms != 0 ? DRAIN_TICK_MS : TICK_MS));
}

static void
on_fenced(void *arg, const char *endpoint, const char *why)
{
	struct service *v = arg;

	log_error("%s: %s", endpoint, why);
	stop(v, EXIT_TEMPORARY);
}

static void
reload(struct service *v)
{
	if (join_load_rules(v->j) != 0) {
		log_error("the new rules are wrong, see above; those that were "
			  "loaded stay");
		return;
	}
	log_info("rules %s", rules_version(v->j->rules));
	for (size_t i = 0; i < v->n_links; i++)
		link_schema(v->links[i]);
}

static void
on_signal(void *arg, int signal)
{
	struct service *v = arg;
	enum ending_step step;

	if (signal == SIGHUP) {
		reload(v);
		return;
	}
	step = ending_ask(&v->ending, signal, clock_ms());
	if (step == ENDING_NOW)
		stop_well(v);
	if (step != ENDING_BEGIN)
		return;
	/* Reads no more, commits what is whole, then the sinks catch up. */
	loop_remove(v->loop, v->item);
	v->item = NULL;
	v->j->may_merge = true;
	on_work(v);
	loop_timer_at(v->tick, clock_ms());
}

static int
open_links(struct service *v, struct bus *bus, const char *const *to, size_t n)
{
	struct why why;

	v->links = xcalloc(n, sizeof(struct link *));
	for (size_t i = 0; i < n; i++) {
		v->links[i] = link_open(&v->owner, bus, to[i], &why);
		if (v->links[i] == NULL) {
			log_error("%s", why.text);
			v->code = bus_code(&why);
			return -1;
		}
		v->n_links++;
	}
	return 0;
}

static void
close_all(struct service *v)
{
	for (size_t i = 0; i < v->n_links; i++)
		link_free(v->links[i]);
	free(v->links);
	bus_close(v->socket);
	while (v->clients != NULL) {
		struct client *c = v->clients;

		v->clients = c->next;
		free(c->source);
		free(c->instance);
		free(c->former);
		free(c);
	}
}

static int
bind_all(struct service *v, struct bus *bus, const struct join_ends *e,
    struct why *why)
{
	static const struct bus_client clients[] = {
		{ MSG_FETCH, BUS_KIND(MSG_HELLO) | BUS_KIND(MSG_END) |
				 BUS_KIND(MSG_BEAT) },
		{ MSG_TRANSFORM, BUS_KIND(MSG_MAPPED) },
		{ 0 },
	};

	if (bus_keys(bus, e->key, e->peers, why) < 0)
		return -1;
	v->socket = bus_bind_for(bus, e->commit.items[0], clients, why);
	if (v->socket == NULL)
		return -1;
	for (size_t i = 1; i < e->commit.n; i++)
		if (bus_bind_too(v->socket, e->commit.items[i], why) < 0)
			return -1;
	return 0;
}

int
join_service(struct join *j, const struct join_ends *e)
{
	struct service v = {
		.j = j, .loop = loop_new(), .ending.drain_ms = e->drain_s * 1000
	};
	struct bus *bus = bus_new();
	struct why why;

	v.owner = (struct link_owner){ j, v.loop, on_fenced, &v };
	if (bind_all(&v, bus, e, &why) < 0) {
		log_error("%s", why.text);
		v.code = bus_code(&why);
		goto out;
	}
	if (open_links(&v, bus, e->to.items, e->to.n) != 0)
		goto out;
	loop_signals(v.loop, on_signal, &v);
	v.item = loop_socket(v.loop, bus_raw(v.socket), on_message, &v);
	v.work = loop_timer(v.loop, clock_ms(), on_work, &v);
	v.tick = loop_timer(v.loop, clock_ms(), on_tick, &v);
	loop_run(v.loop);
out:
	close_all(&v);
	bus_free(bus);
	loop_free(v.loop);
	return v.code;
}
