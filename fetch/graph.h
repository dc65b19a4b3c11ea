#ifndef IDMESH_FETCH_GRAPH_H
#define IDMESH_FETCH_GRAPH_H

/*
 * graph.h - Microsoft Graph: what the files of an Entra source share.
 *
 * graph.c is the connector, entra.c has its entities, graph_round.c follows the
 * links of a delta round, graph_select.c says what is asked for,
 * graph_records.c makes records of what comes, graph_judge.c says what an
 * answer means.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "buf.h"
#include "call.h"
#include "fetch.h"

/* Path of what only a removed object has; message(5). */
#define GRAPH_REMOVED "@removed"

/* graph_judge.c: as judge() of call.h. */
enum verdict graph_judge(
    const struct http_answer *a, const char *base_url, struct why *why);

/* graph_select.c: the properties of a stream, sorted. */
struct graph_select {
	char *text; /* owned: "displayName,id" */
	char fingerprint[17]; /* of the text */
};
void graph_select_make(struct graph_select *out, const struct stream *s);
void graph_select_free(struct graph_select *s);
bool graph_select_has(const struct graph_select *s, const char *name);
/* Calls back with each name. */
void graph_select_each(const struct graph_select *s,
    void (*name)(void *arg, const char *text, size_t len), void *arg);

/* graph_seen.c: ids that were met; false when this one was before. */
struct graph_seen;
struct graph_seen *graph_seen_new(void);
void graph_seen_free(struct graph_seen *s);
bool graph_seen_first(struct graph_seen *s, const char *id);

/* graph_records.c: what a round made of one answer. */
struct graph_counts {
	int64_t records; /* objects or edges */
	int64_t others; /* members that are neither users nor groups */
};
/* One answer of a round. */
struct graph_answer {
	yyjson_val *value; /* array */
	const char *request; /* its id */
	const char *state; /* JSON: where to resume behind it */
};
/*
 * Hands the objects on as pages, the last one with the state.  A selected
 * property that one has not stands there as null; a relationship only where
 * that is known: `seen` has what came in the round, NULL when it is a
 * difference or was not followed from its beginning.
 */
void graph_objects(struct stream *s, const struct graph_select *select,
    struct graph_seen *seen, const struct graph_answer *a,
    struct graph_counts *counts);
/* The edges that groups in `value` gained and lost, a page for each group. */
void graph_edges(struct stream *s, const struct graph_answer *a,
    struct graph_counts *counts);

/* What graph_edges() will count, for the state that goes with it. */
void graph_count(yyjson_val *value, struct graph_counts *counts);

/* graph_round.c */
void round_start(struct stream *s);
void round_stop(struct stream *s);

#endif
