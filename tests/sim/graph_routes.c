/*
 * graph_routes.c - which paths of Microsoft Graph there are, and their cost.
 *
 * Read by route.c.  The token endpoint stands here too: on loopback it is
 * the same host.
 */

#include "graph.h"

#define G1 (ROUTE_GRAPH | ROUTE_UNITS(1))
#define G2 (ROUTE_GRAPH | ROUTE_UNITS(2))
#define G3 (ROUTE_GRAPH | ROUTE_UNITS(3))
#define G5 (ROUTE_GRAPH | ROUTE_UNITS(5))
#define LOGIN (ROUTE_GRAPH | ROUTE_LOGIN)

const struct route graph_routes[] = {
	{ "POST", "/{id}/oauth2/v2.0/token", NULL, oauth_token, LOGIN },
	{ "GET", "/{id}/v2.0/.well-known/openid-configuration", NULL,
	    oauth_discovery, LOGIN },
	{ "GET", "/v1.0/users/delta", NULL, graph_users_delta, G1 },
	{ "GET", "/v1.0/groups/delta", NULL, graph_groups_delta, G1 },
	{ "GET", "/v1.0/users/delta()", NULL, graph_users_delta, G1 },
	{ "GET", "/v1.0/groups/delta()", NULL, graph_groups_delta, G1 },
	{ "GET", "/v1.0/users", NULL, graph_users, G2 },
	{ "GET", "/v1.0/users/{id}", NULL, graph_user, G1 },
	{ "GET", "/v1.0/users/{id}/manager", NULL, graph_manager, G1 },
	{ "GET", "/v1.0/groups", NULL, graph_groups, G1 },
	{ "GET", "/v1.0/groups/{id}", NULL, graph_group, G1 },
	{ "GET", "/v1.0/groups/{id}/members", NULL, graph_members, G3 },
	{ "GET", "/v1.0/groups/{id}/members/microsoft.graph.user", NULL,
	    graph_members, G3 },
	{ "GET", "/v1.0/groups/{id}/members/microsoft.graph.group", NULL,
	    graph_members, G3 },
	{ "GET", "/v1.0/groups/{id}/transitiveMembers", NULL, graph_transitive,
	    G5 },
	{ "GET", "/v1.0/groups/{id}/transitiveMembers/microsoft.graph.user",
	    NULL, graph_transitive, G5 },
	{ "GET", "/v1.0/organization", NULL, graph_organization, G1 },
	{ "POST", "/v1.0/$batch", NULL, graph_batch, ROUTE_GRAPH },
};
const size_t graph_n_routes = sizeof(graph_routes) / sizeof(graph_routes[0]);
