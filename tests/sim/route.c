/*
 * route.c - which line of which API's table a request belongs to.
 *
 * The tables are tried in order; within one the first line that fits.  A
 * path that fits with another method is remembered for the 405.
 */

#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

static const struct {
	const struct route *routes;
	const size_t *n;
} apis[] = {
	{ okta_routes, &okta_n_routes },
	{ graph_routes, &graph_n_routes },
	{ graph_control_routes, &graph_control_n_routes },
	{ control_routes, &control_n_routes },
};
#define N_APIS (sizeof(apis) / sizeof(apis[0]))

/* Does the path fit?  *arg and *len then tell what {id} stood for. */
static bool
path_fits(const char *pattern, const char *path, const char **arg, size_t *len)
{
	*arg = NULL;
	while (*pattern != '\0' && *path != '\0') {
		if (strncmp(pattern, "{id}", 4) == 0) {
			*arg = path;
			*len = strcspn(path, "/");
			if (*len == 0)
				return false;
			path += *len;
			pattern += 4;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *pattern == '\0' && *path == '\0';
}

void
route_find(struct call *c)
{
	struct tally *tally = c->sim->tallies;

	for (size_t a = 0; a < N_APIS; a++) {
		for (size_t i = 0; i < *apis[a].n; i++, tally++) {
			const struct route *r = &apis[a].routes[i];
			const char *arg;
			size_t len;

			if (!path_fits(r->path, c->path, &arg, &len))
				continue;
			c->answer.allow = r->method;
			if (strcmp(r->method, c->method) != 0)
				continue;
			c->route = r;
			c->tally = tally;
			c->answer.allow = NULL;
			if (arg != NULL)
				c->arg = xstrndup(arg, len);
			return;
		}
	}
	c->tally = tally;
}

void
route_count(struct sim *sim)
{
	struct tally *tally;
	size_t n = 1;

	for (size_t a = 0; a < N_APIS; a++)
		n += *apis[a].n;
	sim->n_tallies = n;
	tally = sim->tallies = xcalloc(n, sizeof(*sim->tallies));
	for (size_t a = 0; a < N_APIS; a++)
		for (size_t i = 0; i < *apis[a].n; i++)
			(tally++)->route = &apis[a].routes[i];
}
