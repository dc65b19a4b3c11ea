/*
 * committer.c - messages of a stream strictly in seq order, each once.
 *
 * join and the sinks offer every message that arrives, take out what is next
 * and report what became durable.  Owns the buffered messages; holds at most
 * `reach` of them a stream.
 */

#include "committer.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* One buffered message of a stream, in seq order. */
struct slot {
	struct msg msg; /* owned */
	int64_t came_ms;
	struct slot *next;
};

struct committer_stream {
	char *source, *name; /* owned */
	int64_t run, epoch;
	int64_t committed; /* durable */
	int64_t stepped; /* in the open transaction */
	struct slot *slots; /* owned */
	int64_t asked, asked_ms; /* for which missing number, and when */
	struct committer_stream *next;
};

struct committer {
	int64_t reach;
	struct committer_stream *streams; /* owned */
};

struct committer *
committer_new(int64_t reach)
{
	struct committer *c = xcalloc(1, sizeof(*c));

	c->reach = reach;
	return c;
}

static void
free_slots(struct committer_stream *s)
{
	while (s->slots != NULL) {
		struct slot *slot = s->slots;

		s->slots = slot->next;
		msg_free(&slot->msg);
		free(slot);
	}
}

void
committer_free(struct committer *c)
{
	if (c == NULL)
		return;
	while (c->streams != NULL) {
		struct committer_stream *s = c->streams;

		c->streams = s->next;
		free_slots(s);
		free(s->source);
		free(s->name);
		free(s);
	}
	free(c);
}

struct committer_stream *
committer_find(
    const struct committer *c, const char *source, const char *stream)
{
	struct committer_stream *s = c->streams;

	while (s != NULL &&
	       (strcmp(s->name, stream) != 0 || strcmp(s->source, source) != 0))
		s = s->next;
	return s;
}

struct committer_stream *
committer_set(struct committer *c, const char *source, const char *stream,
    int64_t run, int64_t epoch, int64_t seq)
{
	struct committer_stream *s = committer_find(c, source, stream);

	if (s == NULL) {
		s = xcalloc(1, sizeof(*s));
		s->source = xstrdup(source);
		s->name = xstrdup(stream);
		s->next = c->streams;
		c->streams = s;
	}
	free_slots(s);
	s->run = run;
	s->epoch = epoch;
	s->committed = s->stepped = seq;
	s->asked = 0;
	return s;
}

int64_t
committer_seq(const struct committer_stream *s)
{
	return s->committed;
}

int64_t
committer_run(const struct committer_stream *s)
{
	return s->run;
}

int64_t
committer_epoch(const struct committer_stream *s)
{
	return s->epoch;
}

const char *
committer_source(const struct committer_stream *s)
{
	return s->source;
}

const char *
committer_name(const struct committer_stream *s)
{
	return s->name;
}

enum committer_verdict
committer_offer(struct committer *c, struct msg *m, int64_t now_ms)
{
	struct committer_stream *s = committer_find(c, m->source, m->stream);
	struct slot **at, *slot;

	if (s == NULL)
		return COMMITTER_UNKNOWN;
	if (m->run != s->run || m->epoch != s->epoch)
		return COMMITTER_FENCED;
	if (m->seq <= s->stepped)
		return COMMITTER_DUPLICATE;
	if (m->seq > s->committed + c->reach)
		return COMMITTER_BEYOND;
	at = &s->slots;
	while (*at != NULL && (*at)->msg.seq < m->seq)
		at = &(*at)->next;
	if (*at != NULL && (*at)->msg.seq == m->seq)
		return COMMITTER_DUPLICATE;
	slot = xmalloc(sizeof(*slot));
	slot->msg = *m;
	slot->came_ms = now_ms;
	slot->next = *at;
	*at = slot;
	*m = (struct msg){ 0 };
	return COMMITTER_TAKEN;
}

/* The stream's next message if it is there; one already stepped is not. */
static struct slot *
next_slot(const struct committer_stream *s)
{
	struct slot *slot = s->slots;

	while (slot != NULL && slot->msg.seq <= s->stepped)
		slot = slot->next;
	if (slot == NULL || msg_first(&slot->msg) > s->stepped + 1)
		return NULL;
	return slot;
}

struct msg *
committer_next(struct committer *c, struct committer_stream **of)
{
	for (struct committer_stream *s = c->streams; s != NULL; s = s->next) {
		struct slot *slot = next_slot(s);

		if (slot != NULL) {
			*of = s;
			return &slot->msg;
		}
	}
	return NULL;
}

void
committer_step(struct committer_stream *s)
{
	struct slot *slot = next_slot(s);

	if (slot != NULL)
		s->stepped = slot->msg.seq;
}

void
committer_back(struct committer *c)
{
	for (struct committer_stream *s = c->streams; s != NULL; s = s->next)
		s->stepped = s->committed;
}

void
committer_done(struct committer *c)
{
	for (struct committer_stream *s = c->streams; s != NULL; s = s->next) {
		s->committed = s->stepped;
		while (s->slots != NULL && s->slots->msg.seq <= s->committed) {
			struct slot *slot = s->slots;

			s->slots = slot->next;
			msg_free(&slot->msg);
			free(slot);
		}
	}
}

/* Since when messages wait behind the hole; INT64_MAX when none does. */
static int64_t
waiting_since(const struct committer_stream *s)
{
	int64_t since = INT64_MAX;

	if (next_slot(s) != NULL)
		return since;
	for (const struct slot *slot = s->slots; slot != NULL;
	     slot = slot->next)
		if (slot->msg.seq > s->stepped && slot->came_ms < since)
			since = slot->came_ms;
	return since;
}

struct committer_stream *
committer_gap(struct committer *c, int64_t now_ms)
{
	for (struct committer_stream *s = c->streams; s != NULL; s = s->next) {
		int64_t since = waiting_since(s);

		/* Asked for once, it has its time to come. */
		if (s->asked == s->stepped + 1 && s->asked_ms > since)
			since = s->asked_ms;
		if (since > now_ms - COMMITTER_GAP_MS)
			continue;
		s->asked = s->stepped + 1;
		s->asked_ms = now_ms;
		return s;
	}
	return NULL;
}
