/*
 * options_entra.c - the command line of orgsim: the Entra side, and --help
 * about the routes of control.
 *
 * options.c calls it for what it does not know itself.
 */

#include "sim.h"

#include <string.h>

#include "log.h"

const char options_help_entra[] =
    "The Entra tenant (Microsoft Graph and its token endpoint, same port):\n"
    "  --entra N             users (0); as many as possible are the org's\n"
    "  --overlap PERCENT     ... up to this share of them (95)\n"
    "  --entra-groups N --entra-edges N\n"
    "                        (one in 20 users, four a user)\n"
    "  --entra-cycle         two groups hold each other\n"
    "  --entra-slice N       members of groups on one page of delta (500)\n"
    "  --entra-quirks LIST   of empty,repeat,late,replay,removed,silent (no\n"
    "                        Retry-After), or all\n"
    "  --app ID              client id (9d1e7b54-3a2f-4c60-8f77-2b6a51c0e8d3)\n"
    "  --app-secret VALUE    default $ORGSIM_APP_SECRET, sim~secret+/=\n"
    "  --app-cert FILE       PEM; accepts PS256 assertions of its key\n"
    "  --jti-again           an assertion may come twice, as Entra lets it\n"
    "  --graph-host NAME     of scope and audience (graph.microsoft.com)\n"
    "  --graph-units N       resource units in a window (3500, 5000 or 8000\n"
    "                        by the number of users; --tier unlimited: none)\n"
    "  --graph-window SECONDS  (10)\n"
    "  --token-life SECONDS  of access tokens (3599)\n"
    "  --delta-life SECONDS  of delta tokens (604800)\n"
    "  --deny PREFIX:Authorization_RequestDenied\n"
    "  POST /" TENANT_ID "/oauth2/v2.0/token\n"
    "       or /" TENANT_NAME "/oauth2/v2.0/token\n"
    "  GET  /{tenant}/v2.0/.well-known/openid-configuration\n"
    "  GET  /v1.0/users/delta /v1.0/groups/delta /v1.0/users /v1.0/groups\n"
    "       /v1.0/users/{id} /v1.0/users/{id}/manager /v1.0/groups/{id}\n"
    "       /v1.0/groups/{id}/members /v1.0/groups/{id}/transitiveMembers\n"
    "       /v1.0/organization\n"
    "  POST /v1.0/$batch\n"
    "Control, on the same port, JSON, no token, not counted:\n"
    "  GET  /_sim/stats /_sim/users /_sim/groups /_sim/members\n"
    "  POST /_sim/reset-stats\n"
    "  POST /_sim/mutate  {\"change\":n,\"create\":n,\"deprovision\":n,\n"
    "       \"delete\":n,\"login\":n,\"move\":n,\"groups\":n,"
    "\"renameGroups\":n}\n"
    "  POST /_sim/fault   [{\"match\":PREFIX,\"nth\":1,\"count\":1,"
    "\"kind\":\n"
    "       \"500|503|reset|truncate|nonjson|slow|dupcursor|emptynext|\n"
    "       badcursor|429|concurrency|credentials|401|504|gone|resync\",\n"
    "       \"retryAfter\":1,\"ms\":1000}]; the last four are Graph's,\n"
    "       credentials and concurrency Okta's\n"
    "  POST /_sim/okta/users    {\"id\"|\"match\":{\"employeeNumber\":..}"
    " (neither:\n"
    "       a new one),\"status\":..,\"profile\":{..},\"delete\":true}\n"
    "  GET  /_sim/entra/users /_sim/entra/groups /_sim/entra/members\n"
    "  POST /_sim/entra/mutate  numbers for change, unselected, rename,\n"
    "       clearEmployeeId, create, softDelete, hardDelete, restore,\n"
    "       disable, manager, move, groups, createGroups, renameGroups,\n"
    "       softDeleteGroups, hardDeleteGroups\n"
    "  POST /_sim/entra/users   {\"id\"|\"match\":{\"employeeId\":..},"
    "PROPERTY:..,\n"
    "       \"manager\":ID|null,\"delete\":\"soft\"|\"hard\"|null}\n"
    "  POST /_sim/entra/groups  the same, with \"add\":[ID],"
    "\"remove\":[ID]\n"
    "  POST /_sim/entra/expire  {\"access\":true,\"delta\":"
    "\"syncStateNotFound|gone|\n"
    "       resyncRequired\",\"pages\":true}\n"
    "  POST /_sim/entra/secret  {\"revoke\":true} or {\"secret\":..}\n"
    "  POST /_sim/foreign {\"bucket\":NAME,\"perMinute\":n,"
    "\"sameToken\":false}\n";

static unsigned
read_quirks(const char *text)
{
	static const char *const names[] = { "empty", "repeat", "late",
		"replay", "removed", "silent" };
	unsigned quirks = 0;

	if (strcmp(text, "all") == 0)
		return QUIRK_SILENT * 2 - 1;
	while (*text != '\0') {
		size_t len = strcspn(text, ","), i;

		for (i = 0; i < 6; i++)
			if (strlen(names[i]) == len &&
			    strncmp(names[i], text, len) == 0)
				break;
		if (i == 6)
			die(EXIT_USAGE, "--entra-quirks does not know \"%s\"",
			    text);
		quirks |= 1u << i;
		text += len + (text[len] == ',');
	}
	return quirks;
}

static bool
set_size(struct tenant_size *size, int o, const char *arg)
{
	switch (o) {
	case O_ENTRA:
		size->users = (size_t)options_number(o, arg, 0, 10000000);
		return true;
	case O_ENTRA_GROUPS:
		size->groups = (size_t)options_number(o, arg, 0, 1000000);
		return true;
	case O_ENTRA_EDGES:
		size->edges = (size_t)options_number(o, arg, 0, 1000000000);
		return true;
	case O_OVERLAP:
		size->overlap = (int)options_number(o, arg, 0, 100);
		return true;
	case O_CYCLE:
		size->cycle = true;
		return true;
	default:
		return false;
	}
}

bool
options_entra(struct options *opt, int o, const char *arg)
{
	switch (o) {
	case O_APP:
		opt->app_id = arg;
		return true;
	case O_APP_SECRET:
		opt->app_secret = arg;
		return true;
	case O_APP_CERT:
		opt->app_cert = arg;
		return true;
	case O_JTI_AGAIN:
		opt->jti_again = true;
		return true;
	case O_GRAPH_HOST:
		opt->graph_host = arg;
		return true;
	case O_GRAPH_UNITS:
		opt->units = options_number(o, arg, 1, 1000000000);
		return true;
	case O_GRAPH_WINDOW:
		opt->units_window_ms = options_number(o, arg, 1, 3600) * 1000;
		return true;
	case O_TOKEN_LIFE:
		opt->token_life_s = options_number(o, arg, 1, 1000000);
		return true;
	case O_DELTA_LIFE:
		opt->delta_life_s = options_number(o, arg, 0, 100000000);
		return true;
	case O_SLICE:
		opt->slice = (size_t)options_number(o, arg, 1, 100000);
		return true;
	case O_QUIRKS:
		opt->quirks = read_quirks(arg);
		return true;
	default:
		return set_size(&opt->entra, o, arg);
	}
}
