/*
 * graph_admit.c - what Microsoft Graph decides before it looks at a request.
 *
 * admit.c hands Graph's paths over.  In this order: a bearer token that
 * holds, the right to the path, units left in the bucket, no fault.  Units
 * flow back evenly, limit / window; refused calls count too, as Microsoft
 * says, up to 1.8 times the limit.
 */

#include "graph.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

struct graph *
graph_new(const struct options *opt)
{
	struct graph *g = xcalloc(1, sizeof(*g));

	g->secret = xstrdup(opt->app_secret);
	g->expired = FAULT_BADCURSOR;
	if (opt->app_cert != NULL && !oauth_read_cert(g, opt->app_cert)) {
		graph_free(g);
		die(EXIT_USAGE,
		    "--app-cert %s: no PEM certificate with an "
		    "RSA key",
		    opt->app_cert);
	}
	return g;
}

void
graph_free(struct graph *g)
{
	if (g == NULL)
		return;
	oauth_free_cert(g);
	free(g->secret);
	free(g);
}

bool
graph_owns(const struct call *c)
{
	if (c->route != NULL)
		return (c->route->flags & ROUTE_GRAPH) != 0;
	return strncmp(c->path, "/v1.0/", 6) == 0;
}

void
graph_guid(struct sim *sim, char out[GUID_LEN + 1])
{
	uint64_t a = rng_next(&sim->rng), b = rng_next(&sim->rng);

	snprintf(out, GUID_LEN + 1, "%08x-%04x-4%03x-%04x-%012llx",
	    (unsigned)(a >> 32), (unsigned)(a & 0xffff),
	    (unsigned)(a >> 16 & 0xfff), (unsigned)(b >> 50) | 0x8000u,
	    (unsigned long long)(b & 0xffffffffffffu));
}

static const char *
client_request_id(const struct call *c)
{
	return call_header(c, "client-request-id");
}

void
graph_error(
    struct call *c, unsigned status, const char *code, const char *fmt, ...)
{
	struct buf *b = &c->answer.body;
	char id[GUID_LEN + 1], date[CLOCK_TEXT], text[512];
	const char *client = client_request_id(c);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	graph_guid(c->sim, id);
	clock_rfc3339(sim_now(c->sim), date);
	date[19] = '\0'; /* without fraction and zone */
	c->answer.status = status;
	c->answer.type = "application/json";
	buf_clear(b);
	buf_fmt(b, "{\"error\":{\"code\":\"%s\",\"message\":", code);
	buf_json_str(b, text);
	buf_str(b, ",\"innerError\":{");
	if (status == 429)
		buf_str(b, "\"code\":\"TooManyRequests\","
			   "\"innerError\":{\"code\":\"429\"},");
	buf_fmt(b,
	    "\"date\":\"%s\",\"request-id\":\"%s\","
	    "\"client-request-id\":",
	    date, id);
	buf_json_str(b, client != NULL ? client : id);
	buf_str(b, "}}}");
}

void
graph_not_found(struct call *c)
{
	graph_error(c, 404, "Request_ResourceNotFound",
	    "Resource '%s' does not exist or one of its queried "
	    "reference-property objects are not present.",
	    c->arg);
}

static int64_t
unit_limit(const struct sim *sim)
{
	size_t users = sim->tenant.dirs[DIR_USERS].live;

	if (sim->opt.units != 0)
		return sim->opt.units;
	if (sim->opt.tier == TIER_UNLIMITED)
		return -1;
	return users < 50 ? 3500 : users <= 500 ? 5000 : 8000;
}

/* What this request costs, by the table that Microsoft prints. */
static int
units_of(const struct call *c)
{
	int n = (int)(c->route->flags >> 8);
	const char *top = call_query(c, "$top");

	if (call_query(c, "$select") != NULL)
		n--;
	if (call_query(c, "$expand") != NULL)
		n++;
	if (top != NULL && strtol(top, NULL, 10) < 20)
		n--;
	return n > 1 ? n : 1;
}

static void
throttle(struct call *c, int64_t wait_ms)
{
	struct sim *sim = c->sim;

	sim->graph->throttled++;
	sim->limited++;
	graph_error(c, 429, "TooManyRequests", "Too many requests.");
	c->answer.throttled = true;
	if (!(sim->opt.quirks & QUIRK_SILENT))
		c->answer.retry_after_s = wait_ms / 1000 + 1;
}

static bool
admit_units(struct call *c)
{
	struct graph *g = c->sim->graph;
	int64_t limit = unit_limit(c->sim), now = clock_ms();
	int64_t window = c->sim->opt.units_window_ms, full = limit * 1000;

	c->answer.units = units_of(c);
	g->units += (uint64_t)c->answer.units;
	if (limit < 0)
		return true;
	g->used_milli -= (now - g->at_ms) * full / window;
	g->at_ms = now;
	if (g->used_milli < 0)
		g->used_milli = 0;
	g->used_milli += c->answer.units * 1000;
	c->answer.percent = (int)(g->used_milli * 100 / full);
	if (g->used_milli <= full)
		return true;
	throttle(c, (g->used_milli - full) * window / full);
	if (g->used_milli > full * 18 / 10)
		g->used_milli = full * 18 / 10;
	return false;
}

static bool
admit_bearer(struct call *c)
{
	const char *auth = call_header(c, "Authorization");
	const char *why = "Access token is empty.";

	if (auth != NULL && strncasecmp(auth, "Bearer ", 7) == 0)
		why = oauth_check(c, auth + 7);
	if (why == NULL)
		return true;
	graph_error(c, 401, "InvalidAuthenticationToken", "%s", why);
	return false;
}

static bool
admit_right(struct call *c)
{
	const struct options *opt = &c->sim->opt;

	for (size_t i = 0; i < opt->n_denied; i++) {
		const char *prefix = opt->denied[i].prefix;

		if (opt->denied[i].code[0] != 'A' ||
		    strncmp(c->path, prefix, strlen(prefix)) != 0)
			continue;
		graph_error(c, 403, "Authorization_RequestDenied",
		    "Insufficient privileges to complete the operation.");
		return false;
	}
	return true;
}

void
graph_fault(struct call *c, enum fault_kind kind, int64_t retry_after_s)
{
	switch (kind) {
	case FAULT_500:
		graph_error(c, 500, "InternalServerError",
		    "An internal server error occurred.");
		break;
	case FAULT_503:
		graph_error(c, 503, "ServiceUnavailable",
		    "The service is temporarily unavailable.");
		c->answer.retry_after_s = retry_after_s;
		break;
	case FAULT_504:
		graph_error(c, 504, "UnknownError", "Gateway Timeout");
		c->answer.retry_after_s = retry_after_s;
		break;
	case FAULT_401:
		graph_error(c, 401, "InvalidAuthenticationToken",
		    "Lifetime validation failed, the token is expired.");
		break;
	case FAULT_BADCURSOR:
		graph_error(c, 400, "syncStateNotFound",
		    "The sync state generation is not found; the provided "
		    "token is too old.");
		break;
	case FAULT_RESYNC:
		graph_error(c, 410, "resyncRequired",
		    "Resync required. Replace any local items with the "
		    "server's version.");
		break;
	default:
		break;
	}
}

/* The faults that stand for a refusal; the others strike later. */
static bool
admit_fault(struct call *c)
{
	fault_pick(c);
	if (c->fault.kind == FAULT_429 || c->fault.kind == FAULT_CONCURRENCY) {
		throttle(c, c->fault.retry_after_s * 1000 - 1000);
		return false;
	}
	if (c->fault.kind == FAULT_401 || c->fault.kind == FAULT_504 ||
	    c->fault.kind == FAULT_BADCURSOR || c->fault.kind == FAULT_RESYNC) {
		graph_fault(c, c->fault.kind, c->fault.retry_after_s);
		return false;
	}
	return true;
}

bool
graph_admit(struct call *c)
{
	if (c->route == NULL) {
		graph_error(c, c->answer.allow != NULL ? 405 : 400,
		    "BadRequest", "Resource not found for the segment '%s'.",
		    c->path + strlen("/v1.0/"));
		return false;
	}
	if (c->outer != NULL)
		c->sim->graph->batched++;
	else
		c->sim->graph->calls++;
	if (c->route->flags & ROUTE_LOGIN)
		return admit_fault(c);
	/* A batch costs what is in it. */
	return admit_bearer(c) && admit_right(c) &&
	       (c->route->flags >> 8 == 0 || admit_units(c)) && admit_fault(c);
}

void
graph_headers(struct call *c,
    void (*put)(void *ctx, const char *name, const char *value), void *ctx)
{
	const struct answer *a = &c->answer;
	const char *client = client_request_id(c);
	char id[GUID_LEN + 1], text[64];

	graph_guid(c->sim, id);
	if (c->route != NULL && (c->route->flags & ROUTE_LOGIN)) {
		put(ctx, "x-ms-request-id", id);
		put(ctx, "Cache-Control", "no-store, no-cache");
		return;
	}
	put(ctx, "request-id", id);
	put(ctx, "client-request-id", client != NULL ? client : id);
	if (a->units > 0) {
		snprintf(text, sizeof(text), "%d", a->units);
		put(ctx, "x-ms-resource-unit", text);
	}
	if (a->percent >= 80) {
		snprintf(text, sizeof(text), "%d.%02d", a->percent / 100,
		    a->percent % 100);
		put(ctx, "x-ms-throttle-limit-percentage", text);
	}
	if (a->throttled) {
		put(ctx, "x-ms-throttle-scope",
		    "Tenant_Application/ReadWrite/" TENANT_ID);
		put(ctx, "x-ms-throttle-information",
		    "ResourceUnitLimitExceeded");
	}
	if (a->status == 401)
		put(ctx, "WWW-Authenticate",
		    "Bearer realm=\"\", client_id="
		    "\"00000003-0000-0000-c000-000000000000\"");
	if (a->minimal)
		put(ctx, "Preference-Applied", "return=minimal");
	if (a->location != NULL)
		put(ctx, "Location", a->location);
	put(ctx, "OData-Version", "4.0");
}
