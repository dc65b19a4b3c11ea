/*
 * workers.c - the transforms that take pages, and how many each can hold.
 *
 * out_bus.c keeps one set.  A worker that comes back over a new connection
 * counts as a new one: what was in the old connection is lost.
 */

#include "workers.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define CREDIT_MAX 16 /* far below the queue of a connection */

struct workers {
	struct worker *head;
	int64_t last_id;
};

struct bus_socket *
workers_bind(struct bus *b, const struct opt_list *endpoints, struct why *why)
{
	static const struct bus_client clients[] = {
		{ MSG_TRANSFORM, BUS_KIND(MSG_READY) | BUS_KIND(MSG_BEAT) |
				     BUS_KIND(MSG_BYE) },
		{ 0 },
	};
	struct bus_socket *s =
	    bus_bind_for(b, endpoints->items[0], clients, why);

	for (size_t i = 1; s != NULL && i < endpoints->n; i++) {
		if (bus_bind_too(s, endpoints->items[i], why) < 0) {
			bus_close(s);
			return NULL;
		}
	}
	return s;
}

struct workers *
workers_new(void)
{
	struct workers *w = xcalloc(1, sizeof(*w));

	w->last_id = 1;
	return w;
}

/* Takes *at out; returns its id. */
static int64_t
take_out(struct worker **at)
{
	struct worker *k = *at;
	int64_t id = k->id;

	*at = k->next;
	free(k->instance);
	free(k);
	return id;
}

void
workers_free(struct workers *w)
{
	while (w->head != NULL)
		take_out(&w->head);
	free(w);
}

static struct worker **
find(struct workers *w, const char *instance)
{
	struct worker **at = &w->head;

	while (*at != NULL && strcmp((*at)->instance, instance) != 0)
		at = &(*at)->next;
	return at;
}

static struct worker *
add(struct workers *w, const char *instance, const struct bus_peer *peer,
    int64_t seen)
{
	struct worker *k = xcalloc(1, sizeof(*k));

	k->instance = xstrdup(instance);
	k->peer = *peer;
	k->id = ++w->last_id;
	k->sent = k->seen = seen;
	k->next = w->head;
	w->head = k;
	return k;
}

/*
 * It said before that it has nothing to do, it says so again, and yet what was
 * sent is not there: that is lost.  Once is not enough, for a worker speaks
 * between two pages too.
 */
static bool
is_short(const struct worker *k, int64_t credit, int64_t seen, int64_t now_ms)
{
	return k->credit == k->credit_most && credit == k->credit_most &&
	       k->seen == seen && seen < k->sent &&
	       now_ms - k->sent_ms >= WORKER_LOST_MS;
}

int64_t
workers_heard(struct workers *w, const char *instance,
    const struct bus_peer *peer, int64_t credit, int64_t seen, int64_t now_ms)
{
	struct worker **at = find(w, instance), *k = *at;
	int64_t lost = 0;

	if (k != NULL && (k->peer.len != peer->len ||
			     memcmp(k->peer.id, peer->id, peer->len) != 0)) {
		lost = take_out(at);
		k = NULL;
	}
	if (k == NULL && credit < 0)
		return lost;
	if (k == NULL)
		k = add(w, instance, peer, seen);
	k->heard_ms = now_ms;
	if (credit < 0)
		return lost;
	if (credit > CREDIT_MAX)
		credit = CREDIT_MAX;
	if (is_short(k, credit, seen, now_ms)) {
		k->sent = seen;
		lost = k->id;
	}
	k->credit = credit;
	k->seen = seen;
	if (credit > k->credit_most)
		k->credit_most = credit;
	/* Pages of a time before we knew it, or that came twice. */
	if (k->sent < seen)
		k->sent = seen;
	return lost;
}

void
workers_sent(struct worker *k, int64_t now_ms)
{
	k->sent++;
	k->sent_ms = now_ms;
}

bool
workers_at(const struct workers *w, int64_t id, int64_t nth)
{
	const struct worker *k = w->head;

	while (k != NULL && k->id != id)
		k = k->next;
	if (k == NULL || k->credit == 0)
		return false;
	return k->seen < nth || (k->seen == nth && k->credit < k->credit_most);
}

static int64_t
left(const struct worker *k)
{
	return k->credit - (k->sent - k->seen);
}

struct worker *
workers_pick(struct workers *w)
{
	struct worker *best = NULL;

	for (struct worker *k = w->head; k != NULL; k = k->next)
		if (left(k) > 0 && (best == NULL || left(k) > left(best)))
			best = k;
	return best;
}

int64_t
workers_drop(struct workers *w, const char *instance)
{
	struct worker **at = find(w, instance);

	return *at != NULL ? take_out(at) : 0;
}

int64_t
workers_silent(struct workers *w, int64_t now_ms)
{
	struct worker **at = &w->head;

	while (*at != NULL && now_ms - (*at)->heard_ms < WORKER_SILENT_MS)
		at = &(*at)->next;
	return *at != NULL ? take_out(at) : 0;
}

struct worker *
workers_first(struct workers *w)
{
	return w->head;
}
