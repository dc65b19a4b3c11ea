/*
 * options.c - the command line of orgsim.
 *
 * main.c calls options_read() first; --help prints the contract that tests
 * rely on.  Bad usage ends the program with 100.
 */

#include "sim.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"

static const char help[] =
    "usage: orgsim [option ...]\n"
    "Plays an Okta organisation, and the same company as an Entra tenant, on\n"
    "127.0.0.1 until SIGTERM; prints its URL.\n"
    "  --port N              0 (default): any free one\n"
    "  --port-file FILE      the port, once it listens\n"
    "  --seed N              which organisation (1)\n"
    "  --users N --groups N --edges N\n"
    "                        its size (1000, 50, four a user); memberships\n"
    "                        of the group Everyone are not counted\n"
    "  --rules N             group rules, each fills a group by department\n"
    "                        (0)\n"
    "  --everyone            Everyone holds every user (default: none)\n"
    "  --tier integrator|workforce|enterprise|unlimited\n"
    "                        whose rate limits (workforce)\n"
    "  --share PERCENT       of a bucket for one token (50)\n"
    "  --limit BUCKET=N      calls a token has in a window, repeatable\n"
    "  --window SECONDS      length of the \"minute\" (60)\n"
    "  --late-reset MS       windows end so long after their Reset (0)\n"
    "  --concurrency N       requests in flight (75)\n"
    "  --latency MS          of every admitted request (0)\n"
    "  --jitter MS           up to so much more (0)\n"
    "  --token VALUE         repeatable; default $ORGSIM_TOKEN, sim-token\n"
    "  --deny PREFIX:CODE    E0000006, E0000005, E0000011 or E0000015 for\n"
    "                        paths that begin so, repeatable\n"
    "  --credentials         in lists even when asked to omit them\n"
    "  --join-links          one Link line with commas\n"
    "  --page-max N          no page is longer\n"
    "  --date-skew SECONDS   server clock minus real clock (0)\n";

enum {
	O_HELP = 256,
	O_PORT,
	O_PORT_FILE,
	O_SEED,
	O_USERS,
	O_GROUPS,
	O_EDGES,
	O_EVERYONE,
	O_RULES,
	O_TIER,
	O_SHARE,
	O_LIMIT,
	O_WINDOW,
	O_LATE_RESET,
	O_CONCURRENCY,
	O_LATENCY,
	O_JITTER,
	O_TOKEN,
	O_DENY,
	O_CREDENTIALS,
	O_JOIN_LINKS,
	O_PAGE_MAX,
	O_DATE_SKEW,
};

static const struct option longopts[] = {
	{ "help", no_argument, NULL, O_HELP },
	{ "port", required_argument, NULL, O_PORT },
	{ "port-file", required_argument, NULL, O_PORT_FILE },
	{ "seed", required_argument, NULL, O_SEED },
	{ "users", required_argument, NULL, O_USERS },
	{ "groups", required_argument, NULL, O_GROUPS },
	{ "edges", required_argument, NULL, O_EDGES },
	{ "everyone", no_argument, NULL, O_EVERYONE },
	{ "rules", required_argument, NULL, O_RULES },
	{ "tier", required_argument, NULL, O_TIER },
	{ "share", required_argument, NULL, O_SHARE },
	{ "limit", required_argument, NULL, O_LIMIT },
	{ "window", required_argument, NULL, O_WINDOW },
	{ "late-reset", required_argument, NULL, O_LATE_RESET },
	{ "concurrency", required_argument, NULL, O_CONCURRENCY },
	{ "latency", required_argument, NULL, O_LATENCY },
	{ "jitter", required_argument, NULL, O_JITTER },
	{ "token", required_argument, NULL, O_TOKEN },
	{ "deny", required_argument, NULL, O_DENY },
	{ "credentials", no_argument, NULL, O_CREDENTIALS },
	{ "join-links", no_argument, NULL, O_JOIN_LINKS },
	{ "page-max", required_argument, NULL, O_PAGE_MAX },
	{ "date-skew", required_argument, NULL, O_DATE_SKEW },
	{ "entra", required_argument, NULL, O_ENTRA },
	{ "entra-groups", required_argument, NULL, O_ENTRA_GROUPS },
	{ "entra-edges", required_argument, NULL, O_ENTRA_EDGES },
	{ "entra-cycle", no_argument, NULL, O_CYCLE },
	{ "entra-slice", required_argument, NULL, O_SLICE },
	{ "entra-quirks", required_argument, NULL, O_QUIRKS },
	{ "overlap", required_argument, NULL, O_OVERLAP },
	{ "app", required_argument, NULL, O_APP },
	{ "app-secret", required_argument, NULL, O_APP_SECRET },
	{ "app-cert", required_argument, NULL, O_APP_CERT },
	{ "jti-again", no_argument, NULL, O_JTI_AGAIN },
	{ "graph-host", required_argument, NULL, O_GRAPH_HOST },
	{ "graph-units", required_argument, NULL, O_GRAPH_UNITS },
	{ "graph-window", required_argument, NULL, O_GRAPH_WINDOW },
	{ "token-life", required_argument, NULL, O_TOKEN_LIFE },
	{ "delta-life", required_argument, NULL, O_DELTA_LIFE },
	{ NULL, 0, NULL, 0 },
};

static const char *
option_name(int o)
{
	for (size_t i = 0; longopts[i].name != NULL; i++)
		if (longopts[i].val == o)
			return longopts[i].name;
	return "?";
}

/* A whole number from min to max, or the end of the program. */
int64_t
options_number(int o, const char *text, int64_t min, int64_t max)
{
	char *end;
	long long n = strtoll(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < min || n > max)
		die(EXIT_USAGE,
		    "--%s takes a number from %lld to %lld, not \"%s\"",
		    option_name(o), (long long)min, (long long)max, text);
	return n;
}

static enum tier
tier(const char *name)
{
	static const char *const names[] = { "integrator", "enterprise",
		"workforce", "unlimited" };

	for (int i = 0; i < 4; i++)
		if (strcmp(names[i], name) == 0)
			return (enum tier)i;
	die(EXIT_USAGE,
	    "--tier is integrator, enterprise, workforce or unlimited, "
	    "not \"%s\"",
	    name);
}

static void
add_limit(struct options *opt, const char *text)
{
	const char *eq = strrchr(text, '=');

	if (eq == NULL || opt->n_limits == MAX_LIMITS)
		die(EXIT_USAGE, "--limit takes BUCKET=N, not \"%s\"", text);
	opt->limits[opt->n_limits].bucket = xstrndup(text, (size_t)(eq - text));
	opt->limits[opt->n_limits++].limit =
	    options_number(O_LIMIT, eq + 1, 1, 1000000);
}

static void
add_denied(struct options *opt, const char *text)
{
	const char *colon = strrchr(text, ':');

	if (colon == NULL ||
	    (strncmp(colon, ":E00000", 7) != 0 &&
		strcmp(colon, ":Authorization_RequestDenied") != 0) ||
	    opt->n_denied == MAX_DENIED)
		die(EXIT_USAGE,
		    "--deny takes PATHPREFIX:E0000006 (or 05, 11, 15) or "
		    "PATHPREFIX:Authorization_RequestDenied, not \"%s\"",
		    text);
	opt->denied[opt->n_denied].prefix =
	    xstrndup(text, (size_t)(colon - text));
	opt->denied[opt->n_denied++].code = colon + 1;
}

static void
add_token(struct options *opt, const char *token)
{
	if (opt->n_tokens == MAX_PRINCIPALS)
		die(EXIT_USAGE, "--token can be given %d times",
		    MAX_PRINCIPALS);
	opt->tokens[opt->n_tokens++] = token;
}

/* The options about what the organisation holds; false for any other. */
static bool
set_size(struct org_size *size, int o, const char *arg)
{
	switch (o) {
	case O_SEED:
		size->seed = (uint64_t)options_number(o, arg, 0, INT64_MAX);
		return true;
	case O_USERS:
		size->users = (size_t)options_number(o, arg, 0, 10000000);
		return true;
	case O_GROUPS:
		size->groups = (size_t)options_number(o, arg, 0, 1000000);
		return true;
	case O_EDGES:
		size->edges = (size_t)options_number(o, arg, 0, 1000000000);
		return true;
	case O_RULES:
		size->rules = (size_t)options_number(o, arg, 0, 10000);
		return true;
	case O_EVERYONE:
		size->everyone = true;
		return true;
	default:
		return false;
	}
}

/* The options about limits and time; false for any other. */
static bool
set_limits(struct options *opt, int o, const char *arg)
{
	switch (o) {
	case O_TIER:
		opt->tier = tier(arg);
		return true;
	case O_SHARE:
		opt->share = (int)options_number(o, arg, 1, 100);
		return true;
	case O_LIMIT:
		add_limit(opt, arg);
		return true;
	case O_WINDOW:
		opt->window_s = options_number(o, arg, 1, 3600);
		return true;
	case O_LATE_RESET:
		opt->late_reset_ms = options_number(o, arg, 0, 60000);
		return true;
	case O_CONCURRENCY:
		opt->concurrency = (int)options_number(o, arg, 1, 100000);
		return true;
	case O_LATENCY:
		opt->latency_ms = options_number(o, arg, 0, 600000);
		return true;
	case O_JITTER:
		opt->jitter_ms = options_number(o, arg, 0, 600000);
		return true;
	case O_DATE_SKEW:
		opt->skew_ms = options_number(o, arg, -86400, 86400) * 1000;
		return true;
	default:
		return false;
	}
}

static void
set_other(struct options *opt, int o, const char *arg)
{
	switch (o) {
	case O_HELP:
		fputs(help, stdout);
		fputs(options_help_entra, stdout);
		exit(EXIT_DONE);
	case O_PORT:
		opt->port = (uint16_t)options_number(o, arg, 0, 65535);
		break;
	case O_PORT_FILE:
		opt->port_file = arg;
		break;
	case O_TOKEN:
		add_token(opt, arg);
		break;
	case O_DENY:
		add_denied(opt, arg);
		break;
	case O_CREDENTIALS:
		opt->credentials = true;
		break;
	case O_JOIN_LINKS:
		opt->join_links = true;
		break;
	case O_PAGE_MAX:
		opt->page_max = (size_t)options_number(o, arg, 1, 10000);
		break;
	default:
		die(EXIT_USAGE, "orgsim --help lists the options");
	}
}

/* Four a user, fewer where there are hardly any groups. */
static size_t
default_edges(const struct org_size *size)
{
	size_t groups = size->groups > 1 ? size->groups - 1 : 0;

	return size->users * (groups < 8 ? groups / 2 : 4);
}

void
options_read(int argc, char *argv[], struct options *opt)
{
	const char *token = getenv("ORGSIM_TOKEN");
	const char *secret = getenv("ORGSIM_APP_SECRET");
	int o;

	*opt = (struct options){ .entra = { .groups = SIZE_MAX,
				     .edges = SIZE_MAX,
				     .overlap = 95 },
		.app_id = "9d1e7b54-3a2f-4c60-8f77-2b6a51c0e8d3",
		.graph_host = "graph.microsoft.com",
		.units_window_ms = 10000,
		.token_life_s = 3599,
		.delta_life_s = 7 * 86400,
		.slice = 500,
		.tier = TIER_WORKFORCE,
		.share = 50,
		.window_s = 60,
		.concurrency = 75,
		.size = { .seed = 1,
		    .users = 1000,
		    .groups = 50,
		    .edges = SIZE_MAX } };
	for (;;) {
		o = getopt_long(argc, argv, "", longopts, NULL);
		if (o == -1)
			break;
		if (!set_size(&opt->size, o, optarg) &&
		    !set_limits(opt, o, optarg) &&
		    !options_entra(opt, o, optarg))
			set_other(opt, o, optarg);
	}
	if (optind < argc)
		die(EXIT_USAGE, "orgsim takes options only, not \"%s\"",
		    argv[optind]);
	if (opt->size.edges == SIZE_MAX)
		opt->size.edges = default_edges(&opt->size);
	if (opt->entra.groups == SIZE_MAX)
		opt->entra.groups = opt->entra.users / 20;
	if (opt->entra.edges == SIZE_MAX)
		opt->entra.edges = opt->entra.users * 4;
	if (opt->app_secret == NULL)
		opt->app_secret =
		    secret != NULL && *secret ? secret : "sim~secret+/=";
	if (opt->n_tokens == 0)
		add_token(opt, token != NULL && *token ? token : "sim-token");
}
