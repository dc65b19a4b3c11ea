/*
 * graph_seen.c - which objects a round has met already.
 *
 * graph_records.c asks: an object may come several times, and only the first
 * time a missing relationship means that there is none.  A set of 64-bit
 * hashes, some 20 bytes an object; only of those with relationships.
 */

#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define ROOM_LEAST 1024 /* a power of two */

struct graph_seen {
	uint64_t *v; /* owned; 0: free */
	size_t n, room;
};

struct graph_seen *
graph_seen_new(void)
{
	struct graph_seen *s = xcalloc(1, sizeof(*s));

	s->room = ROOM_LEAST;
	s->v = xcalloc(s->room, sizeof(*s->v));
	return s;
}

void
graph_seen_free(struct graph_seen *s)
{
	if (s == NULL)
		return;
	free(s->v);
	free(s);
}

/* False when it was there. */
static bool
put(struct graph_seen *s, uint64_t hash)
{
	size_t at = hash & (s->room - 1);

	while (s->v[at] != 0 && s->v[at] != hash)
		at = (at + 1) & (s->room - 1);
	if (s->v[at] == hash)
		return false;
	s->v[at] = hash;
	s->n++;
	return true;
}

static void
grow(struct graph_seen *s)
{
	struct graph_seen old = *s;

	s->room *= 2;
	s->n = 0;
	s->v = xcalloc(s->room, sizeof(*s->v));
	for (size_t i = 0; i < old.room; i++)
		if (old.v[i] != 0)
			put(s, old.v[i]);
	free(old.v);
}

bool
graph_seen_first(struct graph_seen *s, const char *id)
{
	uint64_t hash = XXH3_64bits(id, strlen(id));

	if (s->n * 4 > s->room * 3)
		grow(s);
	return put(s, hash != 0 ? hash : 1);
}
