/*
 * graph.c - Microsoft Graph as a connector: tokens, headers, streams.
 *
 * source.c gives it to a source of connector "entra"; call.c and stream.c
 * come here where Graph is not as Okta is.
 */

#include "graph.h"

#include <stdio.h>
#include <string.h>

#include "assertion.h"
#include "connector.h"
#include "token.h"

static int
unlock(struct source *s, struct why *why)
{
	s->token = token_new(s, why);
	return s->token != NULL ? 0 : -1;
}

static const char *
authorize(struct source *s, int64_t *number)
{
	return token_value(s->token, number);
}

static void
refused(struct source *s, int64_t number)
{
	token_refused(s->token, number);
}

/* An import gives way to whatever people wait for (entra 1.4). */
static void
headers(struct connector_headers *h)
{
	if (assertion_uuid(h->id) < 0)
		h->id[0] = '\0';
	snprintf(
	    h->lines[0], sizeof(h->lines[0]), "x-ms-throttle-priority: Low");
	snprintf(
	    h->lines[1], sizeof(h->lines[1]), "client-request-id: %s", h->id);
}

const struct connector connector_graph = {
	.entity = entra_entity,
	.unlock = unlock,
	.authorize = authorize,
	.refused = refused,
	.headers = headers,
	.judge = graph_judge,
	.start = round_start,
	.stop = round_stop,
};
