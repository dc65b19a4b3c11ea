/*
 * service.c - the sink behind a ZeroMQ endpoint, until SIGTERM.
 *
 * Called by main.c.  Answers the hello of join with the target's place, puts
 * changes in order with the committer, gives them to apply.c, commits when a
 * batch is full or old, and acknowledges what is durable.
 */

#include "sink.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "clock.h"
#include "committer.h"
#include "loop.h"
#include "mem.h"

#define BEAT_MS 1000
/*
 * Within join's window of 16 messages, so that some are always on the way;
 * and no commit waits for more when nothing more comes.
 */
#define BATCH_MESSAGES 12
#define BATCH_BYTES ((size_t)4 << 20)
#define IDLE_MS 10
/* ZeroMQ drops what a peer has not read yet when we hang up. */
#define GOODBYE_MS 250
/*
 * A message of collapsed changes may cover any count of numbers; the bound
 * is join's window of messages, not their numbers.
 */
#define REACH (INT64_MAX / 4)

struct service {
	struct sink *sink; /* borrowed */
	struct loop *loop; /* owned */
	struct bus_socket *socket; /* owned */
	struct committer *committer; /* owned */
	struct loop_timer *beat, *due, *quiet; /* of the loop */
	struct bus_peer join; /* who said hello last */
	char *instance; /* of join; owned, NULL before the first hello */
	char *store; /* of join; owned */
	int64_t epoch;
	int64_t rebuilt_run, rebuilt_seq; /* the last rebuild that was whole */
	enum exit_code code;
};

static void
stop(struct service *v, enum exit_code code, const struct why *why)
{
	if (why != NULL)
		log_error("%s", why->text);
	v->code = code;
	loop_stop(v->loop);
}

/* What cannot be sent now is asked for again: hello, gap and ack recur. */
static void
send_join(struct service *v, struct buf *b)
{
	if (v->instance != NULL)
		(void)bus_send(v->socket, &v->join, b->data, b->len);
	buf_free(b);
}

static struct committer_stream *
stream(const struct service *v)
{
	if (v->store == NULL)
		return NULL;
	return committer_find(v->committer, v->store, MSG_MESH);
}

static void
send_short(struct service *v, enum msg_kind kind, int64_t run, int64_t seq)
{
	struct buf b = { 0 };

	msg_short(&b, kind, v->store, MSG_MESH, run, v->epoch, seq);
	send_join(v, &b);
}

static void
send_ack(struct service *v)
{
	struct committer_stream *s = stream(v);

	if (s != NULL)
		send_short(v, MSG_ACK, committer_run(s), committer_seq(s));
}

/* Tells a join that it has no say here (any more). */
static void
send_fenced(struct service *v, const struct bus_peer *to, const char *source,
    const char *why)
{
	struct buf b = { 0 };

	msg_open(&b, MSG_FENCED);
	msg_address(&b, source, MSG_MESH, 0, v->epoch);
	msg_str(&b, MSG_WHY, why);
	msg_close(&b);
	/* A join that is gone needs no answer. */
	(void)bus_send(v->socket, to, b.data, b.len);
	buf_free(&b);
}

/* That we live; who hears of another boot says hello. */
static void
send_beat(struct service *v, const struct bus_peer *to)
{
	struct buf b = { 0 };

	msg_from(&b, MSG_BEAT, bus_instance());
	(void)bus_send(v->socket, to, b.data, b.len);
	buf_free(&b);
}

static void
send_state(struct service *v, const char *source)
{
	struct buf b = { 0 }, cursor = { 0 };

	position_write(&cursor, &v->sink->durable);
	msg_open(&b, MSG_STATE_ANSWER);
	msg_str(&b, MSG_SOURCE, source);
	msg_int(&b, MSG_RUN, 0);
	msg_int(&b, MSG_EPOCH, v->epoch);
	msg_str(&b, MSG_BOOT, bus_instance());
	msg_str(&b, MSG_CURSOR, cursor.data);
	msg_close(&b);
	buf_free(&cursor);
	send_join(v, &b);
}

/* The place in the log from which delta messages go on. */
static void
await_delta(struct service *v)
{
	int64_t number = v->sink->at.number;

	committer_set(v->committer, v->store, MSG_MESH, 0, v->epoch,
	    number < 0 ? 0 : number);
}

static int
commit(struct service *v)
{
	enum exit_code code;
	struct why why;

	if (!v->sink->batch)
		return 0;
	code = sink_commit(v->sink, &why);
	if (code != EXIT_DONE) {
		stop(v, code, &why);
		return -1;
	}
	committer_done(v->committer);
	send_ack(v);
	loop_timer_at(v->quiet, clock_ms() + SINK_QUIET_MS);
	return 0;
}

static void
schedule(struct service *v)
{
	int64_t due = sink_due(v->sink), idle = clock_ms() + IDLE_MS;

	loop_timer_at(v->due, due < idle ? due : idle);
}

static void
on_due(void *arg)
{
	struct service *v = arg;

	if (commit(v) == 0)
		schedule(v);
}

static void
on_quiet(void *arg)
{
	struct service *v = arg;
	enum exit_code code;
	struct why why;

	if (v->sink->batch)
		return;
	code = sink_settle(v->sink, &why);
	if (code != EXIT_DONE)
		stop(v, code, &why);
}

static void
on_goodbye(void *arg)
{
	loop_stop(((struct service *)arg)->loop);
}

/* Only a person can help: ends the process once join could read why. */
static void
refuse(struct service *v, const struct msg *m, const struct bus_peer *from,
    const struct why *why)
{
	log_error("%s", why->text);
	send_fenced(v, from, m->source, why->text);
	v->code = EXIT_USAGE;
	loop_timer(v->loop, clock_ms() + GOODBYE_MS, on_goodbye, v);
}

/* A new join, or the same one that was not answered yet. */
static void
take_hello(struct service *v, const struct msg *m, const struct bus_peer *from)
{
	struct why why;

	if (m->instance == NULL || strlen(m->source) >= SINK_STORE_MAX) {
		log_warn("a hello without an instance was dropped");
		return;
	}
	if (commit(v) < 0)
		return;
	v->join = *from;
	if (v->instance == NULL || strcmp(v->instance, m->instance) != 0) {
		free(v->instance);
		free(v->store);
		v->instance = xstrdup(m->instance);
		v->store = xstrdup(m->source);
		v->epoch++;
		v->rebuilt_run = 0;
		v->sink->run = 0;
		if (sink_welcome(v->sink, m->source, m->seq, &why) !=
		    EXIT_DONE) {
			/* A restored join must know where this one stands. */
			send_state(v, m->source);
			refuse(v, m, from, &why);
			return;
		}
		await_delta(v);
	}
	send_state(v, m->source);
}

/* Everything that is next, into the batch; commits when that is full. */
static void
drain(struct service *v)
{
	struct committer_stream *of;
	struct msg *m = committer_next(v->committer, &of);

	for (; m != NULL; m = committer_next(v->committer, &of)) {
		bool end = m->kind == MSG_END;
		int64_t run = m->run, seq = m->seq;
		enum exit_code code;
		struct why why;

		code = sink_take(v->sink, m, clock_ms(), &why);
		if (code != EXIT_DONE) {
			stop(v, code, &why);
			return;
		}
		committer_step(of);
		if ((end || sink_due(v->sink) <= v->sink->since_ms) &&
		    commit(v) < 0)
			return;
		/* Behind a rebuild the numbers are those of the log again. */
		if (end && v->sink->run == 0) {
			v->rebuilt_run = run;
			v->rebuilt_seq = seq;
			await_delta(v);
		}
	}
	schedule(v);
}

/*
 * A rebuild is a stream of its own, whichever of its messages comes first.
 * Runs of a join rise, so that a late copy of an earlier one begins nothing.
 */
static int
begins_rebuild(const struct service *v, const struct msg *m)
{
	struct committer_stream *s = stream(v);

	return s != NULL && m->run > v->rebuilt_run &&
	       m->run > committer_run(s);
}

/* Dropped: its epoch or run is not the present one.  Whose is it? */
static void
take_fenced(struct service *v, const struct msg *m, const struct bus_peer *from)
{
	bool ours = from->len == v->join.len &&
		    memcmp(from->id, v->join.id, from->len) == 0;

	if (m->epoch == v->epoch && m->run == v->rebuilt_run)
		/* The ack of its end was lost. */
		send_short(v, MSG_ACK, v->rebuilt_run, v->rebuilt_seq);
	else if (m->epoch != v->epoch && !ours)
		send_fenced(v, from, m->source, "another join took over");
}

static void
take_change(struct service *v, struct msg *m, const struct bus_peer *from)
{
	if (stream(v) == NULL) {
		/* We have restarted. */
		send_beat(v, from);
		return;
	}
	if (m->epoch != v->epoch || strcmp(m->source, v->store) != 0) {
		take_fenced(v, m, from);
		return;
	}
	/* After a reconnect the same join has another address. */
	v->join = *from;
	if (begins_rebuild(v, m)) {
		if (commit(v) < 0)
			return;
		committer_set(
		    v->committer, v->store, MSG_MESH, m->run, v->epoch, 0);
	}
	switch (committer_offer(v->committer, m, clock_ms())) {
	case COMMITTER_TAKEN:
		drain(v);
		break;
	case COMMITTER_DUPLICATE:
		v->sink->repeated++;
		/* An ack was lost, unless it is still to come. */
		if (!v->sink->batch)
			send_ack(v);
		break;
	case COMMITTER_FENCED:
		take_fenced(v, m, from);
		break;
	case COMMITTER_UNKNOWN:
	case COMMITTER_BEYOND:
		log_warn("%s: message %lld of stream %s is not of the mesh",
		    v->sink->name, (long long)m->seq, m->stream);
		break;
	}
}

static void
take_schema(struct service *v, const struct msg *m)
{
	enum exit_code code;
	struct why why;

	if (stream(v) == NULL || strcmp(m->source, v->store) != 0)
		return;
	code = sink_take(v->sink, m, clock_ms(), &why);
	if (code != EXIT_DONE)
		stop(v, code, &why);
	schedule(v);
}

static void
take(struct service *v, struct msg *m, const struct bus_peer *from)
{
	if (v->code != EXIT_DONE)
		return;
	switch (m->kind) {
	case MSG_HELLO:
		take_hello(v, m, from);
		break;
	case MSG_SCHEMA:
		take_schema(v, m);
		break;
	case MSG_CHANGE:
	case MSG_END:
		take_change(v, m, from);
		break;
	case MSG_BEAT:
		if (v->instance == NULL)
			send_beat(v, from);
		break;
	default:
		log_warn("%s: a \"%s\" message was dropped: only join sends "
			 "here",
		    v->sink->name, msg_kind_name(m->kind));
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
	while (got != 0 && !loop_stopped(v->loop)) {
		got = bus_message(v->socket, &from, &m);
		if (got != 1)
			continue;
		take(v, &m, &from);
		msg_free(&m);
	}
}

static void
on_beat(void *arg)
{
	struct service *v = arg;
	struct committer_stream *gap = committer_gap(v->committer, clock_ms());

	if (gap != NULL)
		send_short(
		    v, MSG_GAP, committer_run(gap), committer_seq(gap) + 1);
	if (v->instance != NULL)
		send_beat(v, &v->join);
	loop_timer_at(v->beat, clock_ms() + BEAT_MS);
}

static void
on_signal(void *arg, int signal)
{
	struct service *v = arg;

	if (signal != SIGTERM && signal != SIGINT)
		return;
	if (commit(v) == 0)
		on_quiet(v);
	if (!loop_stopped(v->loop))
		stop(v, v->code, NULL);
}

static int
bind_to(
    struct service *v, struct bus *bus, const char *endpoint, struct why *why)
{
	static const struct bus_client clients[] = {
		{ MSG_JOIN, BUS_KIND(MSG_HELLO) | BUS_KIND(MSG_SCHEMA) |
				BUS_KIND(MSG_CHANGE) | BUS_KIND(MSG_END) |
				BUS_KIND(MSG_BEAT) },
		{ 0 },
	};

	v->socket = bus_bind_for(bus, endpoint, clients, why);
	return v->socket != NULL ? 0 : -1;
}

enum exit_code
service_run(
    struct sink *s, const char *endpoint, const char *key, const char *peers)
{
	/* An epoch of an earlier process never comes again. */
	struct service v = { .sink = s, .epoch = clock_wall_ms() };
	struct bus *bus = bus_new();
	struct why why;

	s->messages_max = BATCH_MESSAGES;
	s->bytes_max = BATCH_BYTES;
	v.loop = loop_new();
	v.committer = committer_new(REACH);
	if (bus_keys(bus, key, peers, &why) < 0 ||
	    bind_to(&v, bus, endpoint, &why) < 0) {
		log_error("%s", why.text);
		v.code = bus_code(&why);
		goto out;
	}
	loop_signals(v.loop, on_signal, &v);
	loop_socket(v.loop, bus_raw(v.socket), on_message, &v);
	v.due = loop_timer(v.loop, -1, on_due, &v);
	v.quiet = loop_timer(v.loop, clock_ms() + SINK_QUIET_MS, on_quiet, &v);
	v.beat = loop_timer(v.loop, clock_ms() + BEAT_MS, on_beat, &v);
	loop_run(v.loop);
	if (v.code != EXIT_DONE)
		s->target->rollback(s->h);
	sink_report(s);
out:
	bus_close(v.socket);
	bus_free(bus);
	committer_free(v.committer);
	loop_free(v.loop);
	free(v.instance);
	free(v.store);
	return v.code;
}
