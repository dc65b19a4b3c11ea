/*
 * out_bus.c - messages over ZeroMQ: pages to workers, ends to join.
 *
 * Pages wait in the window until join has committed them; whoever loses one
 * gets it again.  Says hello to join, which answers where every stream
 * stands, and again whenever join is silent, restarted or went back in time.
 * Source: message(5), DELIVERY.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "call.h"
#include "clock.h"
#include "fetch.h"
#include "json.h"
#include "mem.h"
#include "out.h"
#include "stream.h"
#include "waiting.h"
#include "window.h"
#include "workers.h"

#define COMMITTER 1 /* as the holder of a message */
#define TICK_MS 100
#define HELLO_MS 500
#define BEAT_MS 1000
#define JOIN_SILENT_MS 3000
#define JOIN_ABSENT_MS 30000 /* at the start */
#define JOIN_LOST_MS 300000 /* later */
#define WORKERS_WARN_MS 10000
#define WORKERS_LOST_MS 300000
#define TRIES_MAX 12 /* hand-outs of one page before the run is given up */
#define END_TRIES_MAX 16 /* they begin sooner */
#define END_ACK_MS 2000

struct out_bus {
	struct out out;
	struct bus *bus;
	struct bus_socket *jobs, *commit;
	struct loop_item *commit_item, *jobs_item;
	struct loop_timer *timer;
	struct window *window;
	size_t pages_max; /* of it */
	struct workers *workers;
	char *instance; /* owned; changes when we start over */
	int starts; /* how often we started over */
	int64_t hello_ms, beat_ms; /* when they were sent last */
	bool untold; /* no hello got away: join is not connected yet */
	int64_t join_ms; /* when join was heard last, 0 never */
	struct waiting waiting; /* for join */
	int64_t begun_ms,
	    stuck_ms; /* stuck: pages wait and nobody takes them */
	bool warned;
};

static void on_commit(void *arg, short events);
static void ask_join(struct out_bus *b, int64_t now);

static bool
room(const struct out *o, size_t coming)
{
	return window_room_beside(((const struct out_bus *)o)->window, coming);
}

static bool
drained(const struct out *o)
{
	return window_pages(((const struct out_bus *)o)->window) == 0;
}

static bool
is_end(const struct window_page *p)
{
	static const char head[] = "{\"" MSG_V "\":1,\"" MSG_KIND "\":\"end\"";

	return p->len > sizeof(head) &&
	       memcmp(p->bytes, head, sizeof(head) - 1) == 0;
}

/*
 * Writes the number of the hand-out into the header, where it was written as
 * 1 and false: the length stays, a blank fills up.
 */
static void
mark_try(struct window_page *p)
{
	static const char was[] = "\"" MSG_TRY "\":";
	int attempt = p->tries + 1 > 9 ? 9 : p->tries + 1;
	char text[64], *at;
	int n;

	at = memmem(
	    p->bytes, p->len < 1024 ? p->len : 1024, was, sizeof(was) - 1);
	if (at == NULL)
		return;
	n = snprintf(text, sizeof(text),
	    "\"" MSG_TRY "\":%d,\"" MSG_ISOLATE "\":%s", attempt,
	    p->tries >= WINDOW_TRIES ? "true " : "false");
	memcpy(at, text, (size_t)n);
}

/* Hands one page to a worker; false when nobody can take it now. */
static bool
hand_out(struct out_bus *b, struct window_page *p, int64_t now)
{
	struct worker *k = workers_pick(b->workers);

	if (k == NULL)
		return false;
	mark_try(p);
	if (bus_send(b->jobs, &k->peer, p->bytes, p->len) == 0) {
		workers_sent(k, now);
		window_sent(p, k->id, now);
		p->nth = k->sent;
		return true;
	}
	if (errno == EAGAIN) {
		k->credit = 0;
		return true;
	}
	window_orphans(b->window, workers_drop(b->workers, k->instance));
	return true;
}

static bool
hand_end(struct out_bus *b, struct window_page *p, int64_t now)
{
	if (bus_send(b->commit, NULL, p->bytes, p->len) != 0)
		return false;
	window_sent(p, COMMITTER, now);
	/* Nothing comes behind it that would show that it is lost. */
	if (p->tries == 1)
		p->wait_ms = END_ACK_MS;
	return true;
}

static void
dispatch(struct out_bus *b)
{
	int64_t now = clock_ms();
	struct window_page *p;

	for (;;) {
		p = window_due(b->window);
		if (p == NULL)
			break;
		if (p->tries >= (is_end(p) ? END_TRIES_MAX : TRIES_MAX)) {
			fetch_fail(b->out.fetch, EXIT_TEMPORARY,
			    "%s: %s: page %lld was handed out %d times and "
			    "never came through",
			    p->source, p->stream, (long long)p->seq, p->tries);
			return;
		}
		if (is_end(p) ? !hand_end(b, p, now) : !hand_out(b, p, now))
			break;
	}
	if (p == NULL || is_end(p))
		b->stuck_ms = 0;
	else if (b->stuck_ms == 0)
		b->stuck_ms = now;
}

static void
put(struct out *o, const struct stream *s, struct buf *bytes, bool end)
{
	struct out_bus *b = (struct out_bus *)o;
	size_t len = bytes->len;

	(void)end;
	if (o->fetch->failed)
		return;
	window_put(b->window, s->source->name, s->entity->name, s->seq,
	    buf_take(bytes), len);
	dispatch(b);
}

/* False when nobody is there yet: it is said again as soon as one is. */
static bool
send_hello(struct out_bus *b, const struct source *s)
{
	const char *mode = b->out.fetch->opt.mode, *comma = "";
	struct buf m = { 0 };
	bool sent;

	msg_open(&m, MSG_HELLO);
	msg_str(&m, MSG_ROLE, MSG_FETCH);
	msg_str(&m, MSG_SOURCE, s->name);
	msg_str(&m, MSG_MODE, mode != NULL ? mode : MSG_AUTO);
	msg_str(&m, MSG_INSTANCE, b->instance);
	buf_str(&m, ",\"" MSG_STREAMS "\":[");
	for (size_t i = 0; i < s->n_streams; i++) {
		if (!s->streams[i].wanted)
			continue;
		buf_str(&m, comma);
		buf_json_str(&m, s->streams[i].entity->name);
		comma = ",";
	}
	buf_char(&m, ']');
	msg_close(&m);
	sent = bus_send(b->commit, NULL, m.data, m.len) == 0;
	buf_free(&m);
	return sent;
}

static void
send_beats(struct out_bus *b)
{
	struct buf m = { 0 };

	msg_from(&m, MSG_BEAT, b->instance);
	(void)bus_send(b->commit, NULL, m.data, m.len);
	for (struct worker *k = workers_first(b->workers); k != NULL;
	     k = k->next)
		(void)bus_send(b->jobs, &k->peer, m.data, m.len);
	buf_free(&m);
}

static int
connect_join(struct out_bus *b, struct why *why)
{
	struct fetch *f = b->out.fetch;

	b->commit = bus_connect_to(b->bus, f->opt.commit, MSG_JOIN, why);
	if (b->commit == NULL)
		return -1;
	b->commit_item = loop_socket(f->loop, bus_raw(b->commit), on_commit, b);
	return 0;
}

/*
 * Join lost what it had acknowledged (restored from a copy, or killed with
 * its disk): everything we have is of another history.  A new instance gets
 * a new epoch, so that old pages that are still under way are dropped; a new
 * connection keeps the word to the old one from us.
 */
static void
start_over(struct out_bus *b)
{
	struct fetch *f = b->out.fetch;
	struct why why;

	log_warn("join has gone back behind what it had acknowledged; "
		 "starting over from its state");
	for (size_t i = 0; i < f->n_sources; i++) {
		struct source *s = &f->sources[i];

		s->positioned = false;
		for (size_t k = 0; k < s->n_streams; k++)
			stream_reset(&s->streams[k]);
	}
	window_clear(b->window);
	free(b->instance);
	b->instance = xasprintf("%s-%d", bus_instance(), ++b->starts);
	loop_remove(f->loop, b->commit_item);
	bus_close(b->commit);
	if (connect_join(b, &why) < 0)
		fetch_fail(f, EXIT_TEMPORARY, "%s", why.text);
	else
		ask_join(b, clock_ms());
}

static struct source *
find_source(const struct out_bus *b, const char *name)
{
	struct fetch *f = b->out.fetch;

	for (size_t i = 0; i < f->n_sources; i++)
		if (strcmp(f->sources[i].name, name) == 0)
			return &f->sources[i];
	return NULL;
}

/* Does join know less than it has acknowledged? */
static bool
went_back(struct source *s, const struct msg *m)
{
	for (size_t i = 0; i < s->n_streams; i++) {
		const struct stream *t = &s->streams[i];
		yyjson_val *v = json_get(m->streams, t->entity->name);

		if (t->wanted && !t->done &&
		    json_int(json_get(v, MSG_SEQ), 0) < t->acked)
			return true;
	}
	return m->run != s->run || m->epoch != s->epoch;
}

static void
on_state(struct out_bus *b, const struct msg *m)
{
	struct source *s = find_source(b, m->source);
	struct fetch *f = b->out.fetch;
	struct why why;

	if (s == NULL)
		return;
	if (!s->positioned) {
		if (resume_state(f, m, &why) < 0)
			fetch_fail(f, EXIT_USAGE, "%s: %s", s->name, why.text);
		else
			streams_start(f);
		return;
	}
	if (went_back(s, m)) {
		start_over(b);
		return;
	}
	if (m->boot != NULL &&
	    (s->boot == NULL || strcmp(m->boot, s->boot) != 0)) {
		log_warn("join has restarted; sending again what it has not "
			 "acknowledged");
		free(s->boot);
		s->boot = xstrdup(m->boot);
		window_again(b->window);
		dispatch(b);
	}
}

static void
on_ack(struct out_bus *b, const struct msg *m)
{
	struct source *s = find_source(b, m->source);
	struct stream *t = s != NULL ? source_stream(s, m->stream) : NULL;

	if (t == NULL || m->run != s->run || m->epoch != s->epoch)
		return;
	if (m->seq > t->acked)
		t->acked = m->seq;
	if (window_ack(b->window, m->source, m->stream, m->seq) > 0)
		streams_pump(b->out.fetch);
}

/* Whoever is at the page still will bring it; another copy helps nobody. */
static void
on_gap(struct out_bus *b, const struct msg *m)
{
	const struct window_page *p =
	    window_find(b->window, m->source, m->stream, m->seq);

	if (p == NULL || workers_at(b->workers, p->worker, p->nth))
		return;
	window_gap(b->window, m->source, m->stream, m->seq, clock_ms());
	dispatch(b);
}

static void
on_fenced(struct out_bus *b, const struct msg *m)
{
	const struct source *s = find_source(b, m->source);

	if (s == NULL)
		return;
	fetch_fail(b->out.fetch, m->permanent ? EXIT_USAGE : EXIT_TEMPORARY,
	    "%s: join at %s turns this fetch away: %s", s->name,
	    b->out.fetch->opt.commit,
	    m->why != NULL ? m->why : "another fetch took over");
}

/* A beat of another boot: join has restarted and does not know us. */
static void
on_join_beat(struct out_bus *b, const struct msg *m)
{
	const struct fetch *f = b->out.fetch;

	for (size_t i = 0; i < f->n_sources; i++)
		if (f->sources[i].positioned && m->instance != NULL &&
		    f->sources[i].boot != NULL &&
		    strcmp(f->sources[i].boot, m->instance) != 0)
			(void)send_hello(b, &f->sources[i]);
}

static void
take_commit(struct out_bus *b, const struct msg *m)
{
	switch (m->kind) {
	case MSG_STATE_ANSWER:
		on_state(b, m);
		break;
	case MSG_ACK:
		on_ack(b, m);
		break;
	case MSG_GAP:
		on_gap(b, m);
		break;
	case MSG_FENCED:
		on_fenced(b, m);
		break;
	case MSG_BEAT:
		on_join_beat(b, m);
		break;
	default:
		break;
	}
}

static void
take_job(struct out_bus *b, const struct msg *m, const struct bus_peer *from)
{
	int64_t gone = 0;

	if (m->instance == NULL)
		return;
	if (m->kind == MSG_READY)
		gone = workers_heard(
		    b->workers, m->instance, from, m->credit, m->n, clock_ms());
	else if (m->kind == MSG_BEAT)
		gone = workers_heard(
		    b->workers, m->instance, from, -1, 0, clock_ms());
	else if (m->kind == MSG_BYE)
		gone = workers_drop(b->workers, m->instance);
	if (gone != 0)
		window_orphans(b->window, gone);
	dispatch(b);
}

static void
on_commit(void *arg, short events)
{
	struct out_bus *b = arg;
	struct bus_socket *from = b->commit;
	struct fetch *f = b->out.fetch;
	struct msg m;
	int got = 1;

	if ((events & LOOP_OUT) && b->untold)
		ask_join(b, clock_ms());
	/* A start over changes the socket. */
	while (got != 0 && !f->failed && b->commit == from) {
		got = bus_message(b->commit, NULL, &m);
		if (got != 1)
			continue;
		b->join_ms = clock_ms();
		take_commit(b, &m);
		msg_free(&m);
	}
}

static void
on_jobs(void *arg, short events)
{
	struct out_bus *b = arg;
	struct bus_peer from;
	struct msg m;
	int got = 1;

	(void)events;
	while (got != 0 && !b->out.fetch->failed) {
		got = bus_message(b->jobs, &from, &m);
		if (got != 1)
			continue;
		take_job(b, &m, &from);
		msg_free(&m);
	}
}

/* Asks where that is not known, or again what was not answered. */
static void
ask_join(struct out_bus *b, int64_t now)
{
	struct fetch *f = b->out.fetch;
	bool silent = now - b->join_ms > JOIN_SILENT_MS;

	b->untold = false;
	for (size_t i = 0; i < f->n_sources; i++) {
		if (f->sources[i].positioned && !silent)
			continue;
		b->untold |= !send_hello(b, &f->sources[i]);
		b->hello_ms = now;
	}
	/* Writable is connected: then without a pause. */
	loop_events(b->commit_item, b->untold ? LOOP_IN | LOOP_OUT : LOOP_IN);
}

/* Is join there? */
static void
look_for_join(struct out_bus *b, int64_t now)
{
	struct fetch *f = b->out.fetch;
	int64_t since = b->join_ms != 0 ? b->join_ms : b->begun_ms;

	if (now - since > (b->join_ms != 0 ? JOIN_LOST_MS : JOIN_ABSENT_MS)) {
		fetch_fail(f, EXIT_TEMPORARY,
		    "no join answers at %s; is 'idmesh join --commit' running?",
		    f->opt.commit);
		return;
	}
	waiting_tick(&b->waiting, now - b->join_ms > JOIN_SILENT_MS, now,
	    "join", f->opt.commit);
	if (now - b->hello_ms >= HELLO_MS)
		ask_join(b, now);
}

/* Is anybody there who takes pages? */
static void
look_for_workers(struct out_bus *b, int64_t now)
{
	struct fetch *f = b->out.fetch;
	int64_t gone;

	for (;;) {
		gone = workers_silent(b->workers, now);
		if (gone == 0)
			break;
		log_warn("a transform is silent; its pages go to others");
		window_orphans(b->window, gone);
	}
	if (b->stuck_ms == 0 || workers_first(b->workers) != NULL) {
		b->warned = false;
		return;
	}
	if (now - b->stuck_ms > WORKERS_LOST_MS)
		fetch_fail(f, EXIT_TEMPORARY, "no transform takes pages at %s",
		    f->opt.jobs);
	else if (now - b->stuck_ms > WORKERS_WARN_MS && !b->warned) {
		b->warned = true;
		log_warn("pages wait, but no transform takes them at %s; is "
			 "'idmesh transform --jobs' running?",
		    f->opt.jobs);
	}
}

static void
on_tick(void *arg)
{
	struct out_bus *b = arg;
	int64_t now = clock_ms();
	size_t late;

	bus_watch(b->commit);
	look_for_join(b, now);
	look_for_workers(b, now);
	if (now - b->beat_ms >= BEAT_MS) {
		b->beat_ms = now;
		send_beats(b);
	}
	late = window_late(b->window, now);
	if (late > 0)
		log_warn("%zu pages were not acknowledged in time and are sent "
			 "again",
		    late);
	dispatch(b);
	if (!b->out.fetch->failed)
		streams_pump(b->out.fetch);
	loop_timer_at(b->timer, clock_ms() + TICK_MS);
}

static void
bus_out_free(struct out *o)
{
	struct out_bus *b = (struct out_bus *)o;

	bus_close(b->jobs);
	bus_close(b->commit);
	bus_free(b->bus);
	window_free(b->window);
	workers_free(b->workers);
	free(b->instance);
	free(b);
}

struct out *
out_bus_new(struct fetch *f, struct why *why)
{
	static const struct out_kind kind = {
		.room = room,
		.put = put,
		.drained = drained,
		.free = bus_out_free,
	};
	struct out_bus *b = xcalloc(1, sizeof(*b));

	b->out.kind = &kind;
	b->out.fetch = f;
	b->begun_ms = clock_ms();
	b->instance = xstrdup(bus_instance());
	b->pages_max =
	    f->opt.pages_ahead > 0 ? (size_t)f->opt.pages_ahead : WINDOW_PAGES;
	b->window = window_new(b->pages_max, WINDOW_BYTES);
	b->workers = workers_new();
	b->bus = bus_new();
	if (bus_keys(b->bus, f->opt.key, f->opt.peers, why) == 0)
		b->jobs = workers_bind(b->bus, &f->opt.binds, why);
	if (b->jobs == NULL || connect_join(b, why) < 0) {
		bus_out_free(&b->out);
		return NULL;
	}
	b->jobs_item = loop_socket(f->loop, bus_raw(b->jobs), on_jobs, b);
	b->timer = loop_timer(f->loop, clock_ms(), on_tick, b);
	return &b->out;
}
