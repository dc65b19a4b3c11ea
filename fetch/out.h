#ifndef IDMESH_FETCH_OUT_H
#define IDMESH_FETCH_OUT_H

/*
 * out.h - where finished messages go: down a pipe, or to workers and join.
 *
 * stream.c hands messages over in seq order; call.c asks for room before a
 * request goes out, which is the back-pressure on the API.
 */

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "why.h"

struct fetch;
struct out;
struct stream;

/* A transport.  All members are called from the loop only. */
struct out_kind {
	/* May a request go out while so many others are on their way? */
	bool (*room)(const struct out *o, size_t coming);
	/* Takes the bytes of a page or end, which has s->seq. */
	void (*put)(
	    struct out *o, const struct stream *s, struct buf *bytes, bool end);
	/* Has all that was put arrived where it is safe? */
	bool (*drained)(const struct out *o);
	void (*free)(struct out *o);
};

struct out {
	const struct out_kind *kind;
	struct fetch *fetch;
};

/* out_pipe.c: standard output. */
struct out *out_pipe_new(struct fetch *f);
/* out_none.c: nowhere, and nothing may be put; borrowed. */
struct out *out_none(void);
/* out_bus.c: ZeroMQ; NULL with a reason. Positions come from the state. */
struct out *out_bus_new(struct fetch *f, struct why *why);

#endif
