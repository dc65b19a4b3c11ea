/*
 * graph_list.c - Graph's plain listings and single objects.
 *
 * Here a property that was never set is null, or [] for a collection; in
 * delta it is absent.  A nextLink repeats the request's own parameters.
 */

#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

void
graph_ok(struct call *c)
{
	c->answer.status = 200;
	c->answer.type = "application/json;odata.metadata=minimal;"
			 "odata.streaming=true;IEEE754Compatible=false;"
			 "charset=utf-8";
}

void
graph_context(struct call *c, const char *what)
{
	struct buf *b = &c->answer.body;

	buf_str(b, "\"@odata.context\":\"");
	answer_base(c, b);
	buf_fmt(b, "/v1.0/$metadata#%s\",", what);
}
