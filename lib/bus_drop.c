/*
 * bus_drop.c - what comes in and should not: it is dropped, counted, and its
 * sender is named once.
 *
 * Every stage reads its messages here.  A sender is its ROLE/NAME where a key
 * has shown it, or else its address; what it may send is the table that the
 * socket was bound with.
 */

#include "bus_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "tally.h"

#define SENDER_MAX 256

/* Every program may hear these and does nothing about them. */
#define ANYBODY \
	(BUS_KIND(MSG_OPERATION) | BUS_KIND(MSG_RESULT) | BUS_KIND(MSG_EVENT))

/* Who sent the last frame. */
static void
sender(struct bus_socket *s, char text[SENDER_MAX])
{
	const char *user = zmq_msg_gets(&s->frame, "User-Id");
	const char *address =
	    zap_address(zmq_msg_gets(&s->frame, "Peer-Address"));

	if (user != NULL && *user != '\0')
		snprintf(text, SENDER_MAX, "%s at %s", user,
		    address != NULL ? address : "?");
	else if (address != NULL && *address != '\0')
		snprintf(text, SENDER_MAX, "%s", address);
	else
		snprintf(text, SENDER_MAX, "a process of this machine");
}

void
bus_drop(struct bus_socket *s, const struct why *why)
{
	char text[SENDER_MAX];

	s->dropped++;
	tally_add(TALLY_DROPPED);
	if (s->n_named == BUS_NAMED)
		return;
	sender(s, text);
	for (size_t i = 0; i < s->n_named; i++)
		if (strcmp(s->named[i], text) == 0)
			return;
	s->named[s->n_named++] = xstrdup(text);
	log_warn("%s: a message of %s was dropped: %s", s->endpoint, text,
	    why->text);
}

/* Is it one of "fetch,transform/oslo"? */
static int
has_role(const char *user, const char *role)
{
	size_t all = strcspn(user, "/"), len = strlen(role);

	for (size_t at = 0; at + len <= all; at += strcspn(user + at, ",") + 1)
		if (strncmp(user + at, role, len) == 0 &&
		    (user[at + len] == ',' || user[at + len] == '/'))
			return 1;
	return 0;
}

/* What the sender of the last frame may send; its name is *role, or NULL. */
static uint32_t
allowed(struct bus_socket *s, const char **role)
{
	const char *user = zmq_msg_gets(&s->frame, "User-Id");
	uint32_t kinds = ANYBODY;

	*role = user;
	for (const struct bus_client *c = s->clients; c->role != NULL; c++)
		/* Without keys we do not know who it is. */
		if (user == NULL || has_role(user, c->role))
			kinds |= c->kinds;
	return kinds;
}

static int
may_send(struct bus_socket *s, const struct msg *m, struct why *why)
{
	const char *user;

	if (s->clients == NULL || (allowed(s, &user) & BUS_KIND(m->kind)) != 0)
		return 1;
	why_set(why, "E_ROLE", NULL, "%.*s may not send \"%s\" here",
	    user != NULL ? (int)strcspn(user, "/") : 6,
	    user != NULL ? user : "nobody", msg_kind_name(m->kind));
	return 0;
}

int
bus_message(struct bus_socket *s, struct bus_peer *from, struct msg *m)
{
	uint64_t dropped = s->dropped;
	const char *bytes;
	struct why why;
	size_t len;

	if (bus_recv(s, from, &bytes, &len) != 1)
		return s->dropped > dropped ? -1 : 0;
	if (msg_read(m, bytes, len, &why) < 0) {
		bus_drop(s, &why);
		return -1;
	}
	if (may_send(s, m, &why)) {
		/* m has its own copy, and may be a page. */
		bus_done(s);
		return 1;
	}
	bus_drop(s, &why);
	msg_free(m);
	return -1;
}

struct bus_counts
bus_counts(const struct bus_socket *s)
{
	struct bus_counts c = { .dropped = s->dropped };

	if (s->router) {
		c.refused = zap_refused(s->bus->zap);
		c.failed = zap_failed(s->bus->zap);
	}
	return c;
}

void
bus_drop_report(struct bus_socket *s)
{
	struct bus_counts c = bus_counts(s);

	if (c.dropped > 0)
		log_warn("%s: frames dropped: %llu, no messages or not allowed",
		    s->endpoint, (unsigned long long)c.dropped);
	if (c.refused + c.failed > 0)
		log_warn("%s: connections: %llu turned away for their key, "
			 "%llu that came to nothing",
		    zap_endpoint(s->bus->zap), (unsigned long long)c.refused,
		    (unsigned long long)c.failed);
	for (size_t i = 0; i < s->n_named; i++)
		free(s->named[i]);
	s->n_named = 0;
}
