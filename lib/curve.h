#ifndef IDMESH_CURVE_H
#define IDMESH_CURVE_H

/*
 * curve.h - CURVE key pairs, and the files they lie in.
 *
 * layer 1.  `idmesh keygen` makes them, bus.c gives them to libzmq for
 * tcp:// endpoints.  A file holds one key as a line of 40 characters (Z85,
 * rfc.zeromq.org/spec/32): the secret one alone, for the public one follows
 * from it, and FILE.pub the public one.
 */

#include <stddef.h>
#include <stdint.h>

#include "why.h"

#define CURVE_TEXT 41 /* a key as text, with its NUL */
#define CURVE_BYTES 32
#define CURVE_PUBLIC ".pub" /* the end of a public key's name */

struct secret;

struct curve_pair {
	char public_key[CURVE_TEXT];
	struct secret *secret_key; /* owned */
};

/*
 * Makes a pair and writes it: `path` (0600) and path.pub (0644), durable and
 * whole.  With a reason -1, or -2 when a later attempt may do, as on a full
 * disk; there is no file then.  Files that are there are never replaced.
 */
int curve_make(const char *path, char public_key[CURVE_TEXT], struct why *why);

/*
 * Reads the pair whose secret key is in `path`, which must be for its owner
 * alone.  From then on the process leaves no core file.  -1 with a reason.
 */
int curve_read(const char *path, struct curve_pair *pair, struct why *why);
/* Wipes the secret key. */
void curve_forget(struct curve_pair *pair);

/*
 * Reads the public key in a file that nobody else may write; -1 with a
 * reason.
 */
int curve_read_public(
    const char *path, char public_key[CURVE_TEXT], struct why *why);
/* A key as libzmq hands it over. */
void curve_text(const uint8_t key[CURVE_BYTES], char text[CURVE_TEXT]);

#endif
