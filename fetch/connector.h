#ifndef IDMESH_FETCH_CONNECTOR_H
#define IDMESH_FETCH_CONNECTOR_H

/*
 * connector.h - what a kind of source does in its own way.
 *
 * source.c chooses one by the connector of the file.  A source without one is
 * Okta's, whose ways are those of call.c, judge.c and stream_list.c; graph.c
 * has that of Entra.
 */

#include <stdint.h>

#include "call.h"
#include "fetch.h"

/* What goes with one try of a request. */
struct connector_headers {
	char id[40]; /* that it is given; for the log */
	char lines[2][80];
};

struct connector {
	/* The entities, parents before children; NULL behind the last. */
	const struct entity *(*entity)(size_t i);
	/* Before the first request, when the secrets are there. */
	int (*unlock)(struct source *s, struct why *why);
	/*
	 * The value of the Authorization header, borrowed until the loop goes
	 * on, and its number; NULL while a request has to wait for one.
	 */
	const char *(*authorize)(struct source *s, int64_t *number);
	/* The API does not take the value of that number. */
	void (*refused)(struct source *s, int64_t number);
	void (*headers)(struct connector_headers *h);
	enum verdict (*judge)(
	    const struct http_answer *a, const char *base_url, struct why *why);
	/* Starts a stream where its resume state and mode say. */
	void (*start)(struct stream *s);
	/* Frees what start() made; NULL is fine. */
	void (*stop)(struct stream *s);
};

/* graph.c */
extern const struct connector connector_graph;

#endif
