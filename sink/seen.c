/*
 * seen.c - which ids a table of a first import has for certain not.
 *
 * target_sqlite.c asks it while the index over the ids is not made yet.  A
 * set of 64-bit hashes: "new" is certain, "seen" may be another id with the
 * same hash.  Owns its slots; full at a bound, so memory is bounded too.
 */

#include "sqlite.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "mem.h"

#ifndef SEEN_SLOTS
#define SEEN_SLOTS ((size_t)1 << 12)
#define SEEN_SLOTS_MAX ((size_t)1 << 21) /* 16 MiB: 1.5 million ids */
#endif

struct seen {
	uint64_t *slots; /* owned; 0 is free */
	size_t n, mask;
};

struct seen *
seen_new(void)
{
	struct seen *s = xcalloc(1, sizeof(*s));

	s->mask = SEEN_SLOTS - 1;
	s->slots = xcalloc(SEEN_SLOTS, sizeof(*s->slots));
	return s;
}

void
seen_free(struct seen *s)
{
	if (s == NULL)
		return;
	free(s->slots);
	free(s);
}

static uint64_t
hash(const char *id)
{
	uint64_t h = XXH3_64bits(id, strlen(id));

	return h != 0 ? h : 1;
}

/* The slot that holds h, or the free one where it belongs. */
static uint64_t *
slot_of(uint64_t *slots, size_t mask, uint64_t h)
{
	size_t i = h & mask;

	while (slots[i] != 0 && slots[i] != h)
		i = (i + 1) & mask;
	return &slots[i];
}

static void
grow(struct seen *s)
{
	size_t mask = s->mask * 2 + 1;
	uint64_t *slots = xcalloc(mask + 1, sizeof(*slots));

	for (size_t i = 0; i <= s->mask; i++)
		if (s->slots[i] != 0)
			*slot_of(slots, mask, s->slots[i]) = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->mask = mask;
}

int
seen_has(const struct seen *s, const char *id)
{
	return *slot_of(s->slots, s->mask, hash(id)) != 0;
}

int
seen_add(struct seen *s, const char *id)
{
	uint64_t h = hash(id), *slot;

	if (s->n >= (s->mask + 1) / 4 * 3) {
		if (s->mask + 1 >= SEEN_SLOTS_MAX)
			return 0;
		grow(s);
	}
	slot = slot_of(s->slots, s->mask, h);
	if (*slot != 0)
		return 0;
	*slot = h;
	s->n++;
	return 1;
}
