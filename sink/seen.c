/*
 * seen.c - which ids the tables of a first import have for certain not.
 *
 * target_sqlite.c asks it while the indexes over the ids are not made yet.
 * A Bloom filter of one size for all tables: "new" is certain, "seen" may be
 * another id.  It does not grow with the org; when it has taken as many ids as
 * it can tell apart, it says "perhaps" to all that follow.
 */

#include "sqlite.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "mem.h"

/*
 * 16 MiB and twelve bits an id: of the four millionth one in a million is
 * mistaken for another, and then an index is made too early, no more.
 */
#ifndef SEEN_BITS
#define SEEN_BITS ((uint64_t)1 << 27)
#define SEEN_MAX 4000000
#endif
#define SEEN_PROBES 12

struct seen {
	uint64_t *words; /* owned */
	size_t n; /* ids that were added */
};

struct seen *
seen_new(void)
{
	struct seen *s = xcalloc(1, sizeof(*s));

	s->words = xcalloc(SEEN_BITS / 64, sizeof(*s->words));
	return s;
}

void
seen_free(struct seen *s)
{
	if (s == NULL)
		return;
	free(s->words);
	free(s);
}

/* Are all bits of the id set?  Sets them when `add` says so. */
static int
probe(struct seen *s, uint64_t table, const char *id, int add)
{
	XXH128_hash_t h = XXH3_128bits_withSeed(id, strlen(id), table);
	uint64_t at = h.low64, step = h.high64 | 1;
	int all = 1;

	for (int i = 0; i < SEEN_PROBES; i++, at += step) {
		uint64_t bit = at & (SEEN_BITS - 1);
		uint64_t *word = &s->words[bit / 64];

		all &= (int)(*word >> (bit % 64)) & 1;
		if (add)
			*word |= (uint64_t)1 << (bit % 64);
	}
	return all;
}

int
seen_has(struct seen *s, uint64_t table, const char *id)
{
	return s->n >= SEEN_MAX || probe(s, table, id, 0);
}

int
seen_add(struct seen *s, uint64_t table, const char *id)
{
	if (s->n >= SEEN_MAX || probe(s, table, id, 1))
		return 0;
	s->n++;
	return 1;
}
