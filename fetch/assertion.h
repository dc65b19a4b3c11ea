#ifndef IDMESH_FETCH_ASSERTION_H
#define IDMESH_FETCH_ASSERTION_H

/*
 * assertion.h - proves with a certificate's key who asks for a token.
 *
 * token.c writes a new one into each request: a JWT that OpenSSL signs.  A
 * server remembers the jti of those it has seen, so none is ever sent twice.
 * Source: entra 1.1, RFC 7523 3.
 */

#include <stdint.h>

#include "buf.h"
#include "why.h"

#define ASSERTION_MS 300000 /* how long one is valid */

struct assertion;

/*
 * Certificate and private key in PEM, and "PS256" or "RS256"; nothing is
 * borrowed.  NULL with why filled when they are no such, or no pair.
 */
struct assertion *assertion_new(const char *certificate, const char *key,
    const char *algorithm, struct why *why);
/* Is the certificate past its end by the local clock? */
int assertion_expired(const struct assertion *a);
/*
 * Appends a JWT of `client` for `audience`, the exact token URL, valid from
 * now (ms since the epoch) on.  -1 with why filled.
 */
int assertion_write(const struct assertion *a, const char *audience,
    const char *client, int64_t wall_ms, struct buf *out, struct why *why);
void assertion_free(struct assertion *a);

#define ASSERTION_UUID 37
/* A new random UUID; -1 when the system has no random bytes. */
int assertion_uuid(char out[ASSERTION_UUID]);

#endif
