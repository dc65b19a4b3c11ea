/*
 * admit.c - what an Okta org decides before it looks at a request.
 *
 * In this order: is there such a path, such a method, a known token, a free
 * place among the requests in flight, a call left in the bucket, and is the
 * token allowed here.  A request refused by one of them is answered at once,
 * without --latency; 4xx answers of the bucket's own count in it.
 */

#include "sim.h"

#include <string.h>

#include "graph.h"
#include "limits.h"

/* 1 .. n for the tokens of the command line, 0 for any other. */
static size_t
principal_of(const struct call *c)
{
	const char *auth = call_header(c, "Authorization");

	if (auth == NULL || strncmp(auth, "SSWS ", 5) != 0)
		return 0;
	for (size_t i = 0; i < c->sim->opt.n_tokens; i++)
		if (strcmp(auth + 5, c->sim->opt.tokens[i]) == 0)
			return i + 1;
	return 0;
}

static void
answer_429(struct call *c)
{
	answer_error(c, 429, "E0000047",
	    "API call exceeded rate limit due to too many requests.", NULL);
}

/* Too many in flight: limit and remaining 0, Reset a mere guess. */
static void
answer_concurrency(struct call *c)
{
	c->sim->concurrency_429++;
	c->quota = (struct quota){ .shown = true,
		.reset = sim_now(c->sim) / 1000 + 60 };
	answer_429(c);
}

static void
answer_denied(struct call *c, const char *code)
{
	if (strcmp(code, "E0000015") == 0)
		answer_error(c, 401, code,
		    "You do not have permission to access the feature you are "
		    "requesting",
		    NULL);
	else if (strcmp(code, "E0000011") == 0)
		answer_error(c, 401, code, "Invalid token provided", NULL);
	else
		answer_error(c, 403, code,
		    "You do not have permission to perform the requested "
		    "action",
		    NULL);
}

static bool
admit_path(struct call *c)
{
	if (c->route != NULL)
		return true;
	if (c->answer.allow == NULL)
		answer_gateway(c, 404, "Resource not found");
	else
		answer_error(c, 405, "E0000022",
		    "The endpoint does not support the provided HTTP method",
		    NULL);
	return false;
}

static bool
admit_limits(struct call *c, size_t principal)
{
	struct sim *sim = c->sim;

	if (sim->in_flight > sim->opt.concurrency) {
		answer_concurrency(c);
		return false;
	}
	if (c->route->bucket == NULL)
		return true;
	c->bucket = limits_find(sim->limits, c->route->bucket);
	if (!bucket_take(
		c->bucket, &sim->opt, principal, sim_now(sim), &c->quota)) {
		sim->limited++;
		answer_429(c);
		return false;
	}
	return true;
}

static bool
admit_token(struct call *c, size_t principal)
{
	const struct options *opt = &c->sim->opt;

	if (c->route->flags & ROUTE_OPEN)
		return true;
	if (principal == 0) {
		answer_denied(c, "E0000011");
		return false;
	}
	for (size_t i = 0; i < opt->n_denied; i++) {
		const char *prefix = opt->denied[i].prefix;

		if (strncmp(c->path, prefix, strlen(prefix)) == 0) {
			answer_denied(c, opt->denied[i].code);
			return false;
		}
	}
	return true;
}

/* The faults that stand for a refusal; the others strike later. */
static bool
admit_fault(struct call *c)
{
	fault_pick(c);
	if (c->fault.kind == FAULT_CONCURRENCY) {
		answer_concurrency(c);
		return false;
	}
	if (c->fault.kind == FAULT_429) {
		c->sim->limited++;
		c->quota.remaining = 0;
		answer_429(c);
		return false;
	}
	return true;
}

bool
admit(struct call *c)
{
	size_t principal;

	c->phase = CALL_READY;
	if (graph_owns(c))
		return graph_admit(c);
	if (!admit_path(c))
		return false;
	if (c->route->flags & ROUTE_CONTROL)
		return true;
	principal = principal_of(c);
	return admit_limits(c, principal) && admit_token(c, principal) &&
	       admit_fault(c);
}
