#ifndef ORGSIM_RNG_H
#define ORGSIM_RNG_H

/*
 * rng.h - repeatable randomness: the same seed plays the same organisation.
 *
 * Every part of orgsim that chooses draws from one of these; none of it is
 * meant to be secret.  Plain struct, nothing to free.
 */

#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *r);
/* A number below n; n > 0. */
uint32_t rng_below(struct rng *r, uint32_t n);
/* n characters of [0-9A-Za-z] and a NUL. */
void rng_text(struct rng *r, char *out, size_t n);
/* A hash that does not change between runs. */
uint64_t rng_hash(const void *p, size_t len, uint64_t seed);

#endif
