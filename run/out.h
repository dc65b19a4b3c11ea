#ifndef IDMESH_RUN_OUT_H
#define IDMESH_RUN_OUT_H

/*
 * out.h - the sources that could not be read, and for how long already.
 *
 * supervise.c tells when the sources of a fetch go out or are back, whoever
 * speaks of the round asks.
 */

#include "run.h"

/* They could not be read in this round. */
void out_goes(struct child *c);
/* They could again, which is said once. */
void out_comes_back(struct child *c);

/* Appends "okta:a, okta:b". */
void out_names(const struct child *c, struct buf *text);
/* Appends "out for 2 rounds, since 2026-04-22T08:15:30.000Z". */
void out_text(const struct child *c, struct buf *text);

/* All that are out: for STATUS, on stderr, and as a JSON array. */
void out_status(const struct run *r, struct buf *text);
void out_print(const struct run *r);
void out_json(const struct run *r, struct buf *json);

#endif
