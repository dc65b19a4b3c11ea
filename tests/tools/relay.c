/*
 * relay.c - a bad wire for tests: between two programs, it passes frames on
 * late, in another order, twice, or never.
 *
 * relay LISTEN CONNECT SEED [WORD=N...]: binds LISTEN; each peer that comes
 * has a connection of its own to CONNECT, so that both sides see as many
 * peers as there are.  What may be disturbed is data and what is said again
 * anyway; hello, state, schema, bye and fenced pass at once and in order.
 *
 *   hold=MS         each waits up to so long, so that they overtake each other
 *   ahead=N         but no more than N wait
 *   twice=PERCENT   a copy comes again, up to late=MS behind it
 *   drop=PERCENT    is lost; not an end or an ack, which only the ack timer
 *                   would bring back
 *   lose-KIND=N     the first N of this kind are lost
 *   keep-KIND=MS    each of this kind waits exactly so long
 *
 * The seed decides who is hit.  What was done is printed at SIGTERM.
 */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "clock.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "msg.h"

#define RETRY_MS 5

struct peer {
	struct peer *next;
	struct relay *relay;
	struct bus_peer front;
	struct bus_socket *back; /* owned */
	bool stuck[2]; /* in this round: towards front, back */
};

struct frame {
	struct frame *next; /* by due time */
	struct peer *peer;
	bool forth; /* from front to back */
	bool copy;
	int64_t due_ms;
	size_t len;
	char *bytes; /* owned */
};

struct relay {
	struct loop *loop;
	struct bus *bus;
	struct bus_socket *front;
	const char *connect;
	struct loop_timer *timer;
	struct peer *peers; /* owned */
	struct frame *frames; /* owned */
	int64_t hold, ahead, twice, late, drop, waiting;
	int64_t lose[MSG_KINDS], keep[MSG_KINDS];
	int64_t passed, doubled, dropped, overtook;
	uint64_t random;
};

/* splitmix64: the same everywhere for a seed. */
static int64_t
pick(struct relay *r, int64_t below)
{
	uint64_t z;

	if (below <= 0)
		return 0;
	r->random += 0x9e3779b97f4a7c15u;
	z = r->random;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return (int64_t)(z % (uint64_t)below);
}

static int
kind_of(const char *bytes, size_t len)
{
	static const char head[] = "{\"v\":1,\"kind\":\"";
	size_t skip = sizeof(head) - 1;

	for (int k = 0; k < MSG_KINDS && len > skip; k++) {
		const char *name = msg_kind_name((enum msg_kind)k);
		size_t n = strlen(name);

		if (memcmp(bytes, head, skip) == 0 && len > skip + n &&
		    memcmp(bytes + skip, name, n) == 0 &&
		    bytes[skip + n] == '"')
			return k;
	}
	return MSG_KINDS;
}

static bool
is_loose(int kind)
{
	switch (kind) {
	case MSG_PAGE:
	case MSG_MAPPED:
	case MSG_END:
	case MSG_CHANGE:
	case MSG_ACK:
	case MSG_GAP:
	case MSG_READY:
	case MSG_BEAT:
		return true;
	default:
		return false;
	}
}

static void
free_frame(struct frame **at)
{
	struct frame *f = *at;

	*at = f->next;
	free(f->bytes);
	free(f);
}

static bool
is_data(const struct frame *f)
{
	int kind = kind_of(f->bytes, f->len);

	return !f->copy && is_loose(kind);
}

static void
queue(struct relay *r, struct peer *p, bool forth, bool copy, int64_t due_ms,
    const char *bytes, size_t len)
{
	struct frame *f = xcalloc(1, sizeof(*f)), **at = &r->frames;

	*f = (struct frame){ .peer = p,
		.forth = forth,
		.copy = copy,
		.due_ms = due_ms,
		.len = len,
		.bytes = xstrndup(bytes, len) };
	/* Behind its equals: what is not held stays in order. */
	while (*at != NULL && (*at)->due_ms <= due_ms)
		at = &(*at)->next;
	f->next = *at;
	for (const struct frame *o = f->next; o != NULL; o = o->next)
		r->overtook += !copy && o->peer == p && o->forth == forth;
	*at = f;
	r->waiting += is_data(f);
}

/* Sends it; false when it has to wait for the other side. */
static bool
deliver(struct relay *r, struct frame *f)
{
	int rc = f->forth
		     ? bus_send(f->peer->back, NULL, f->bytes, f->len)
		     : bus_send(r->front, &f->peer->front, f->bytes, f->len);

	if (rc < 0 && errno == EAGAIN)
		return false;
	r->passed += !f->copy;
	return true;
}

static void
send_due(struct relay *r)
{
	int64_t now = clock_ms(), next = now + 60000;
	struct frame **at = &r->frames;

	for (struct peer *p = r->peers; p != NULL; p = p->next)
		p->stuck[0] = p->stuck[1] = false;
	while (*at != NULL) {
		struct frame *f = *at;
		bool *stuck = &f->peer->stuck[f->forth];
		bool due = f->due_ms <= now || r->waiting > r->ahead;

		if (!due) {
			next = f->due_ms;
			break;
		}
		if (*stuck || !deliver(r, f)) {
			*stuck = true;
			at = &f->next;
			next = now + RETRY_MS;
			continue;
		}
		r->waiting -= is_data(f);
		free_frame(at);
	}
	loop_timer_at(r->timer, next);
}

static void
on_timer(void *arg)
{
	send_due(arg);
}

/* What becomes of a frame. */
static void
take(struct relay *r, struct peer *p, bool forth, const char *bytes, size_t len)
{
	int kind = kind_of(bytes, len);
	bool loose = is_loose(kind);
	int64_t due = clock_ms(), wait = 0;

	if (kind < MSG_KINDS && r->lose[kind] > 0) {
		r->lose[kind]--;
		r->dropped++;
		return;
	}
	if (loose && kind != MSG_END && kind != MSG_ACK &&
	    pick(r, 100) < r->drop) {
		r->dropped++;
		return;
	}
	if (loose)
		wait = pick(r, r->hold + 1);
	if (kind < MSG_KINDS && r->keep[kind] > 0)
		wait = r->keep[kind];
	queue(r, p, forth, false, due + wait, bytes, len);
	if (loose && pick(r, 100) < r->twice) {
		wait = pick(r, (pick(r, 4) == 0 ? r->late : r->hold) + 1);
		queue(r, p, forth, true, due + wait, bytes, len);
		r->doubled++;
	}
}

static void
on_back(void *arg, short events)
{
	struct peer *p = arg;
	const char *bytes;
	size_t len;

	(void)events;
	while (bus_recv(p->back, NULL, &bytes, &len) == 1)
		take(p->relay, p, false, bytes, len);
	send_due(p->relay);
}

static struct peer *
peer_of(struct relay *r, const struct bus_peer *from)
{
	struct peer *p = r->peers;
	struct why why;

	while (p != NULL && (p->front.len != from->len ||
				memcmp(p->front.id, from->id, from->len) != 0))
		p = p->next;
	if (p != NULL)
		return p;
	p = xcalloc(1, sizeof(*p));
	p->relay = r;
	p->front = *from;
	p->back = bus_connect(r->bus, r->connect, &why);
	if (p->back == NULL)
		die(EXIT_USAGE, "%s", why.text);
	loop_socket(r->loop, bus_raw(p->back), on_back, p);
	p->next = r->peers;
	r->peers = p;
	return p;
}

static void
on_front(void *arg, short events)
{
	struct relay *r = arg;
	struct bus_peer from;
	const char *bytes;
	size_t len;

	(void)events;
	while (bus_recv(r->front, &from, &bytes, &len) == 1)
		take(r, peer_of(r, &from), true, bytes, len);
	send_due(r);
}

static void
on_signal(void *arg, int signal)
{
	if (signal == SIGTERM || signal == SIGINT)
		loop_stop(((struct relay *)arg)->loop);
}

/* "lose-page=3": the number of a word about a kind, or NULL. */
static int64_t *
kind_word(int64_t *of, const char *word, size_t len)
{
	for (int k = 0; k < MSG_KINDS; k++) {
		const char *name = msg_kind_name((enum msg_kind)k);

		if (strlen(name) == len && memcmp(name, word, len) == 0)
			return &of[k];
	}
	return NULL;
}

static void
set_word(struct relay *r, const char *word)
{
	struct {
		const char *name;
		int64_t *value;
	} words[] = { { "hold", &r->hold }, { "ahead", &r->ahead },
		{ "twice", &r->twice }, { "late", &r->late },
		{ "drop", &r->drop } };
	const char *equals = strchr(word, '=');
	int64_t *value = NULL;
	size_t len = equals != NULL ? (size_t)(equals - word) : 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i].name) == len &&
		    memcmp(words[i].name, word, len) == 0)
			value = words[i].value;
	if (len > 5 && memcmp(word, "lose-", 5) == 0)
		value = kind_word(r->lose, word + 5, len - 5);
	if (len > 5 && memcmp(word, "keep-", 5) == 0)
		value = kind_word(r->keep, word + 5, len - 5);
	if (value == NULL)
		die(EXIT_USAGE, "what is %s?", word);
	*value = strtoll(equals + 1, NULL, 10);
}

static void
close_all(struct relay *r)
{
	while (r->frames != NULL)
		free_frame(&r->frames);
	while (r->peers != NULL) {
		struct peer *p = r->peers;

		r->peers = p->next;
		bus_close(p->back);
		free(p);
	}
	bus_close(r->front);
	bus_free(r->bus);
	loop_free(r->loop);
}

int
main(int argc, char **argv)
{
	struct relay r = {
		.loop = loop_new(), .bus = bus_new(), .ahead = 1000
	};
	struct why why;

	log_open("relay");
	if (argc < 4)
		die(EXIT_USAGE, "relay LISTEN CONNECT SEED [WORD=N...]");
	r.connect = argv[2];
	r.random = strtoull(argv[3], NULL, 10);
	for (int i = 4; i < argc; i++)
		set_word(&r, argv[i]);
	r.front = bus_bind(r.bus, argv[1], &why);
	if (r.front == NULL)
		die(EXIT_TEMPORARY, "%s", why.text);
	loop_signals(r.loop, on_signal, &r);
	loop_socket(r.loop, bus_raw(r.front), on_front, &r);
	r.timer = loop_timer(r.loop, -1, on_timer, &r);
	loop_run(r.loop);
	printf("seed %s: %lld passed on, %lld twice, %lld lost, %lld "
	       "overtaken\n",
	    argv[3], (long long)r.passed, (long long)r.doubled,
	    (long long)r.dropped, (long long)r.overtook);
	close_all(&r);
	return EXIT_DONE;
}
