/*
 * forecast.c - `idmesh fetch forecast`: what a run would cost, beforehand.
 *
 * Called by main.c.  Makes the runs that are to be forecast out of the
 * options, lets them be asked for and prints the result.  Reads no page of a
 * run, writes nothing that join could use.
 */

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "forecast.h"
#include "out.h"
#include "printed.h"

#define SOURCES_MAX 16
#define DAY_MS 86400000 /* a delta, where no time is given */

static struct fetch_options options;
static const char *since;
static int json;
static enum exit_code code = EXIT_TEMPORARY;

static const struct opt_use *
use(void)
{
	static const struct opt table[] = {
		{ "mode", 'm', OPT_TEXT, &options.mode, "MODE",
		    "full or delta only (both)", 0, 0 },
		{ "since", 0, OPT_TEXT, &since, "TIME",
		    "of the delta, RFC 3339 (a day ago)", 0, 0 },
		{ "resume", 0, OPT_TEXT, &options.resume, "FILE",
		    "the run of this state message; - is stdin", 0, 0 },
		{ "scope", 0, OPT_TEXT, &options.scope, "FILE",
		    "the rules' scope, from 'transform describe'", 0, 0 },
		{ "streams", 's', OPT_TEXT, &options.streams, "LIST",
		    "only these, such as User,Group", 0, 0 },
		{ "json", 0, OPT_FLAG, &json, NULL,
		    "one JSON object instead of a table", 0, 0 },
		{ 0 },
	};
	static const struct opt_use u = {
		.name = "idmesh fetch forecast",
		.synopsis = "idmesh fetch forecast [--mode MODE] "
			    "[--since TIME | --resume FILE]\n"
			    "    [--scope FILE] [--streams LIST] [--json] "
			    "SOURCE.json...",
		.about = "Tells the calls and the time of a full run and of a "
			 "delta, within the limits\nthe org announces.  Asks "
			 "for a page of each kind and for all groups.",
		.options = table,
		.see = "Exit codes: 0 done, 100 wrong use or configuration, "
		       "111 temporary failure.\nSee idmesh-fetch(1).",
		.args_min = 1,
		.args_max = SOURCES_MAX,
	};

	return &u;
}

/* The time of the delta in the one form that requests have. */
static void
read_since(char out[CLOCK_TEXT])
{
	int64_t ms = clock_wall_ms() - DAY_MS;

	if (since != NULL && clock_parse_rfc3339(since, strlen(since), &ms) < 0)
		opt_wrong(use(),
		    "--since is an RFC 3339 time, such as "
		    "2026-04-22T08:15:30Z, not \"%.60s\"",
		    since);
	clock_rfc3339(ms, out);
}

static void
check_options(void)
{
	if (options.mode != NULL && strcmp(options.mode, "full") != 0 &&
	    strcmp(options.mode, "delta") != 0)
		opt_wrong(
		    use(), "--mode is full or delta, not %s", options.mode);
	if (options.resume != NULL && (options.mode != NULL || since != NULL))
		opt_wrong(use(),
		    "--resume excludes --mode and --since: the state says the "
		    "mode and the time");
	if (options.streams != NULL)
		fetch_check_streams(use(), options.streams);
}

static bool
wants(const char *mode)
{
	return options.mode == NULL || strcmp(options.mode, mode) == 0;
}

static void
add_runs(struct forecast *f, const char *from)
{
	struct forecast_run *run;

	if (options.resume != NULL) {
		forecast_add(f, "resumed");
		return;
	}
	if (wants("full"))
		forecast_add(f, "full");
	if (!wants("delta"))
		return;
	run = forecast_add(f, "delta");
	for (size_t i = 0; i < run->n; i++) {
		if (run->items[i].stream->entity->delta == NULL)
			continue;
		run->items[i].mode = MODE_DELTA;
		run->items[i].first_import = false;
		memcpy(run->items[i].since, from, CLOCK_TEXT);
	}
}

static void
on_forecast(struct forecast *f)
{
	forecast_print(f, json);
	code = EXIT_DONE;
	loop_stop(f->fetch->loop);
}

/* Positions of the streams: those of a state, or none. */
static void
open_positions(struct fetch *f)
{
	struct why why;

	if (options.resume != NULL && resume_file(f, options.resume, &why) < 0)
		die(EXIT_USAGE, "%s", why.text);
	for (size_t i = 0; options.resume == NULL && i < f->n_sources; i++)
		for (size_t k = 0; k < f->sources[i].n_streams; k++)
			f->sources[i].streams[k].first_import = true;
}

int
command_forecast(int argc, char *argv[])
{
	struct fetch f = { .out = out_none() };
	struct forecast *forecast;
	char from[CLOCK_TEXT];

	opt_parse(use(), &argc, argv);
	check_options();
	read_since(from);
	f.opt = options;
	fetch_open(&f, argc - 1, argv + 1);
	for (size_t i = 0; i < f.n_sources; i++)
		if (f.sources[i].kind != NULL)
			die(EXIT_USAGE,
			    "%s: there is no forecast for an Entra tenant: "
			    "Graph chooses its pages (about 200 objects each) "
			    "and tells no counts before; --max-calls of "
			    "'idmesh "
			    "fetch' bounds a run",
			    f.sources[i].name);
	open_positions(&f);
	fetch_connect(&f);
	forecast = forecast_new(&f, on_forecast);
	add_runs(forecast, from);
	forecast_round(forecast);
	if (!f.failed && !loop_stopped(f.loop))
		loop_run(f.loop);
	if (f.failed)
		code = f.code;
	forecast_free(forecast);
	fetch_close(&f);
	return printed_end(code);
}
