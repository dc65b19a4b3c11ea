/*
 * link.c - one sink that a join service sends its changes to.
 *
 * service.c pumps every link after each commit.  The change log is the
 * queue, so nothing waits in memory but a window of 16 messages; a sink that
 * is away is simply not sent to.  States: hello until the sink says where it
 * stands, then a rebuild when that is nowhere or too old, then deltas.
 */

#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "outbox.h"
#include "waiting.h"
#include "window.h"

#define LINK_PAGES 16
#define LINK_BYTES ((size_t)32 << 20)
#define LINK_HELLO_MS 500
#define LINK_BEAT_MS 1000
#define LINK_SILENT_MS 5000
#define LINK_REFUSED_MS 30000

enum link_state {
	LINK_HELLO, /* asking where it stands */
	LINK_REBUILD, /* sending the whole mesh */
	LINK_DELTA, /* sending the change log */
	LINK_REFUSED, /* it must not have our changes; asked again now and then
		       */
};

struct link {
	const struct link_owner *owner; /* borrowed */
	struct store *store; /* borrowed */
	struct bus_socket *socket;
	struct loop_item *item;
	struct window *window;
	enum link_state state;
	char *boot; /* owned: the sink's instance */
	int64_t epoch;
	int64_t number; /* the last change that is in the window or behind */
	int64_t acked; /* the last change that the sink has */
	int64_t heard_seq, moves; /* its last ack, how often that was another */
	struct rebuild rebuild;
	bool rebuild_sent; /* its end is in the window */
	bool schema_due;
	bool untold; /* the hello did not get away */
	int64_t heard_ms, hello_ms, beat_ms;
	struct waiting waiting; /* for the sink */
};

static int
send_buf(struct link *l, struct buf *b)
{
	int rc = bus_send(l->socket, NULL, b->data, b->len);

	buf_free(b);
	return rc;
}

/* Where nobody is connected yet, it is said as soon as somebody is. */
static void
send_hello(struct link *l, int64_t now_ms)
{
	struct buf b = { 0 };

	msg_open(&b, MSG_HELLO);
	msg_str(&b, MSG_ROLE, MSG_JOIN);
	msg_str(&b, MSG_SOURCE, l->store->id);
	msg_int(&b, MSG_FIRST, l->store->oldest);
	msg_int(&b, MSG_SEQ, l->store->newest);
	msg_str(&b, MSG_INSTANCE, bus_instance());
	msg_close(&b);
	l->untold = send_buf(l, &b) != 0;
	loop_events(l->item, l->untold ? LOOP_IN | LOOP_OUT : LOOP_IN);
	l->hello_ms = now_ms;
}

static void
send_beat(struct link *l, int64_t now_ms)
{
	struct buf b = { 0 };

	msg_from(&b, MSG_BEAT, bus_instance());
	send_buf(l, &b);
	l->beat_ms = now_ms;
}

/* One more message into the window; 0 when there is none to make. */
static int
fill_one(struct link *l)
{
	struct buf b = { 0 };
	int64_t seq;

	if (l->state == LINK_REBUILD) {
		if (l->rebuild_sent)
			return 0;
		l->rebuild_sent =
		    !outbox_rebuild(l->store, l->epoch, &l->rebuild, &b);
		seq = l->rebuild.seq;
	} else {
		if (!outbox_delta(l->store, l->epoch, &l->number, &b))
			return 0;
		seq = l->number;
	}
	if (l->store->failed) {
		buf_free(&b);
		return 0;
	}
	window_put(l->window, l->store->id, MSG_MESH, seq, b.data, b.len);
	return 1;
}

void
link_pump(struct link *l)
{
	struct window_page *p;
	struct buf schema = { 0 };

	if (l->state != LINK_REBUILD && l->state != LINK_DELTA)
		return;
	if (l->schema_due) {
		outbox_schema(l->owner->join, &schema);
		if (send_buf(l, &schema) != 0)
			return;
		l->schema_due = false;
	}
	for (;;) {
		p = window_due(l->window);
		if (p == NULL) {
			if (!window_room(l->window) || !fill_one(l))
				return;
			continue;
		}
		if (bus_send(l->socket, NULL, p->bytes, p->len) != 0)
			return;
		window_sent(p, 1, clock_ms());
	}
}

static void
refuse(struct link *l, const char *why)
{
	if (l->state != LINK_REFUSED)
		log_error("%s: %s", bus_endpoint(l->socket), why);
	l->state = LINK_REFUSED;
	window_clear(l->window);
}

/* Late copies of an earlier rebuild must not be taken for this one. */
static void
begin_rebuild(struct link *l)
{
	int64_t before = l->rebuild.run;

	l->rebuild = rebuild_new(l->store);
	if (before > 0)
		l->rebuild.run = before + 1;
	l->rebuild_sent = false;
	l->acked = l->number = l->rebuild.until;
	l->state = LINK_REBUILD;
}

/* Starts where the sink says it stands. */
static void
place(struct link *l, const struct msg *m)
{
	struct why why;
	int where;

	window_clear(l->window);
	l->moves++;
	where = outbox_place(
	    l->store, m->cursor != NULL ? m->cursor : "-", &l->number, &why);
	if (where < 0) {
		refuse(l, why.text);
		return;
	}
	l->acked = l->number;
	l->state = LINK_DELTA;
	if (where > 0) {
		log_info("%s is new or too old: sending the whole mesh",
		    bus_endpoint(l->socket));
		begin_rebuild(l);
	}
	l->schema_due = true;
}

static void
take_state(struct link *l, const struct msg *m)
{
	bool same = l->boot != NULL && m->boot != NULL &&
		    strcmp(l->boot, m->boot) == 0 && m->epoch == l->epoch &&
		    (l->state == LINK_DELTA || l->state == LINK_REBUILD);

	if (same) {
		window_again(l->window);
		return;
	}
	free(l->boot);
	l->boot = xstrdup(m->boot != NULL ? m->boot : "");
	l->epoch = m->epoch;
	place(l, m);
}

static void
take_ack(struct link *l, const struct msg *m)
{
	bool rebuilding = l->state == LINK_REBUILD;

	if (m->epoch != l->epoch || m->run != (rebuilding ? l->rebuild.run : 0))
		return;
	window_ack(l->window, l->store->id, MSG_MESH, m->seq);
	l->moves += m->seq != l->heard_seq;
	l->heard_seq = m->seq;
	if (!rebuilding && m->seq > l->acked)
		l->acked = m->seq;
	if (rebuilding && l->rebuild_sent && m->seq >= l->rebuild.seq) {
		log_info("%s has the whole mesh", bus_endpoint(l->socket));
		l->state = LINK_DELTA;
	}
}

/* A beat of another boot: the sink has restarted and does not know us. */
static void
take_beat(struct link *l, const struct msg *m)
{
	int64_t now_ms = clock_ms();

	if (l->boot != NULL && m->instance != NULL &&
	    strcmp(l->boot, m->instance) != 0 &&
	    now_ms - l->hello_ms >= LINK_HELLO_MS)
		send_hello(l, now_ms);
}

static void
take(struct link *l, const struct msg *m)
{
	const char *why = m->why != NULL ? m->why : "another join took over";

	switch (m->kind) {
	case MSG_STATE_ANSWER:
		take_state(l, m);
		break;
	case MSG_ACK:
		take_ack(l, m);
		break;
	case MSG_GAP:
		if (m->epoch == l->epoch)
			window_gap(l->window, l->store->id, MSG_MESH, m->seq,
			    clock_ms());
		break;
	case MSG_FENCED:
		if (l->state == LINK_DELTA || l->state == LINK_REBUILD)
			l->owner->fenced(
			    l->owner->arg, bus_endpoint(l->socket), why);
		else
			refuse(l, why);
		break;
	case MSG_BEAT:
		take_beat(l, m);
		break;
	default:
		break;
	}
}

static void
on_message(void *arg, short events)
{
	struct link *l = arg;
	struct msg m;
	int got = 1;

	if ((events & LOOP_OUT) && l->untold)
		send_hello(l, clock_ms());
	while (got != 0) {
		got = bus_message(l->socket, NULL, &m);
		if (got != 1)
			continue;
		l->heard_ms = clock_ms();
		take(l, &m);
		msg_free(&m);
	}
	link_pump(l);
}

void
link_tick(struct link *l, int64_t now_ms)
{
	bool silent = now_ms - l->heard_ms > LINK_SILENT_MS;
	int64_t every =
	    l->state == LINK_REFUSED ? LINK_REFUSED_MS : LINK_HELLO_MS;
	bool asking = l->state == LINK_HELLO || l->state == LINK_REFUSED;

	bus_watch(l->socket);
	waiting_tick(&l->waiting,
	    l->state != LINK_REFUSED && (l->state == LINK_HELLO || silent),
	    now_ms, "a sink", bus_endpoint(l->socket));
	/* Beats stop when a sink restarts, for it does not know us then. */
	if ((asking || silent) && now_ms - l->hello_ms >= every)
		send_hello(l, now_ms);
	if (!asking && now_ms - l->beat_ms >= LINK_BEAT_MS)
		send_beat(l, now_ms);
	window_late(l->window, now_ms);
	link_pump(l);
}

void
link_schema(struct link *l)
{
	l->schema_due = true;
	link_pump(l);
}

bool
link_idle(const struct link *l)
{
	return l->state == LINK_DELTA && l->acked >= l->store->newest;
}

bool
link_behind(const struct link *l)
{
	const char *endpoint = bus_endpoint(l->socket);

	if (link_idle(l) || l->store->newest == 0)
		return false;
	if (l->state == LINK_DELTA)
		log_warn("%s: the sink lacks %lld changes; they wait in %s and "
			 "come with the next start",
		    endpoint, (long long)(l->store->newest - l->acked),
		    l->store->path);
	else
		log_warn("%s: %s; its changes wait in %s and come with the "
			 "next start",
		    endpoint,
		    l->state == LINK_REBUILD ? "the sink has not the whole mesh"
					     : "no sink has answered here",
		    l->store->path);
	return true;
}

int64_t
link_moves(const struct link *l)
{
	return l->moves;
}

bool
link_there(const struct link *l)
{
	return l->state == LINK_DELTA || l->state == LINK_REBUILD;
}

int64_t
link_acked(const struct link *l)
{
	return link_there(l) ? l->acked : INT64_MAX;
}

struct link *
link_open(const struct link_owner *owner, struct bus *bus, const char *endpoint,
    struct why *why)
{
	struct bus_socket *socket =
	    bus_connect_to(bus, endpoint, MSG_SINK, why);
	struct link *l;

	if (socket == NULL)
		return NULL;
	l = xcalloc(1, sizeof(*l));
	l->owner = owner;
	l->store = owner->join->store;
	l->socket = socket;
	l->window = window_new(LINK_PAGES, LINK_BYTES);
	l->heard_ms = clock_ms();
	l->item = loop_socket(owner->loop, bus_raw(socket), on_message, l);
	return l;
}

void
link_free(struct link *l)
{
	if (l == NULL)
		return;
	loop_remove(l->owner->loop, l->item);
	bus_close(l->socket);
	window_free(l->window);
	free(l->boot);
	free(l);
}
