#ifndef IDMESH_FETCH_TOKEN_H
#define IDMESH_FETCH_TOKEN_H

/*
 * token.h - an access token, held, renewed in time, asked for once at a time.
 *
 * call.c takes the value for each request; while there is none its requests
 * wait.  OAuth 2.0 client credentials, with a secret or a certificate.
 * Source: entra 1.1, RFC 6749 4.4 and 5.
 */

#include <stdint.h>

#include "why.h"

struct source;
struct token;

/* Of a source whose secrets are there; NULL with why filled. */
struct token *token_new(struct source *s, struct why *why);
/* Wipes what it holds; NULL is fine. */
void token_free(struct token *t);

/*
 * The value of the Authorization header, borrowed until the loop goes on, and
 * its number.  NULL while there is none: it is being asked for, and the
 * streams are pumped when it comes.  A refusal that stays ends the run.
 */
const char *token_value(struct token *t, int64_t *number);
/* The API does not take the one of that number: it is used no more. */
void token_refused(struct token *t, int64_t number);

#endif
