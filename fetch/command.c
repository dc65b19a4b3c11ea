/*
 * command.c - `idmesh fetch SOURCE.json...`: one run from start to end.
 *
 * Called by main.c.  Reads the options and the sources, takes the lock, puts
 * the parts together and lets the loop run.
 */

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "call.h"
#include "clock.h"
#include "fetch.h"
#include "forecast.h"
#include "http.h"
#include "mem.h"
#include "out.h"
#include "schedule.h"
#include "stream.h"

#define SOURCES_MAX 16
#define PAGES_MAX 1000
#define MAX_CALLS INT64_C(1000000000)
#define SCOPE_MAX ((size_t)1 << 20)

static struct fetch_options options;
static struct schedule_options timing;

static const struct opt_use *use(void);

static void
wrong(const char *text)
{
	opt_wrong(use(), "%s", text);
}

void
fetch_check_streams(const struct opt_use *u, const char *list)
{
	const char *names[STREAMS_MAX], *near;
	size_t n = 0;

	while (okta_entity(n) != NULL) {
		names[n] = okta_entity(n)->name;
		n++;
	}
	for (const char *p = list; *p != '\0'; p += *p == ',') {
		size_t len = strcspn(p, ","), i = 0;
		char word[64];

		snprintf(word, sizeof(word), "%.*s", (int)len, p);
		while (i < n && strcmp(names[i], word) != 0)
			i++;
		near = i == n ? why_nearest(word, names, n) : NULL;
		if (i == n)
			opt_wrong(u, "--streams: there is no %s%s%s%s", word,
			    near != NULL ? "; did you mean " : "",
			    near != NULL ? near : "", near != NULL ? "?" : "");
		p += len;
	}
}

static void
check_options(const struct fetch_options *o)
{
	if (o->mode != NULL && !msg_is_mode(o->mode))
		opt_wrong(
		    use(), "--mode is auto, full or delta, not %s", o->mode);
	if (o->resume != NULL && o->mode != NULL)
		wrong("--mode and --resume exclude each other: the state says "
		      "the mode (give it to 'idmesh join begin --mode')");
	if ((o->jobs == NULL) != (o->commit == NULL))
		wrong("--jobs and --commit are given together or not at all");
	if (o->jobs == NULL && (o->key != NULL || o->peers != NULL))
		wrong("--key and --peers are for --jobs and --commit");
	if (o->jobs != NULL && o->resume != NULL)
		wrong("--resume is for pipes; with --commit join says where "
		      "to go on");
	if (o->pages_ahead != 0 && o->commit == NULL)
		wrong("--pages-ahead is for --commit; without it the pipe is "
		      "the bound");
	if (o->streams != NULL)
		fetch_check_streams(use(), o->streams);
	if (o->jobs == NULL && isatty(STDOUT_FILENO))
		wrong("messages do not go to a terminal; pipe them into "
		      "'idmesh transform' or give --jobs and --commit");
}

static const struct opt_use *
use(void)
{
	static const struct opt table[] = {
		{ "resume", 0, OPT_TEXT, &options.resume, "FILE",
		    "go on where this state message says; - is stdin", 0, 0 },
		{ "mode", 'm', OPT_TEXT, &options.mode, "MODE",
		    "auto, full or delta (auto)", 0, 0 },
		{ "scope", 0, OPT_TEXT, &options.scope, "FILE",
		    "the rules' scope, from 'transform describe'", 0, 0 },
		{ "streams", 's', OPT_TEXT, &options.streams, "LIST",
		    "only these, such as User,Group", 0, 0 },
		{ "jobs", 0, OPT_LIST, &options.binds, "ENDPOINT",
		    "where transforms fetch their work; binds", 0, 0 },
		{ "commit", 0, OPT_TEXT, &options.commit, "ENDPOINT",
		    "where join listens; connects", 0, 0 },
		{ "key", 0, OPT_TEXT, &options.key, "FILE",
		    "our key, for tcp:// between hosts", 0, 0 },
		{ "peers", 0, OPT_TEXT, &options.peers, "DIR",
		    "public keys of the others, DIR/ROLE/NAME.pub", 0, 0 },
		{ "request-log", 0, OPT_TEXT, &options.log, "FILE",
		    "a JSON line for each request; - is stderr", 0, 0 },
		{ "pages-ahead", 0, OPT_INT, &options.pages_ahead, "N",
		    "pages that join has yet to commit (32)", 1, PAGES_MAX },
		{ "max-calls", 0, OPT_INT, &timing.max_calls, "N",
		    "refuse a run that costs more requests", 1, MAX_CALLS },
		{ "window", 0, OPT_TEXT, &timing.window, "HOURS",
		    "ask only then, such as 22:00-06:00+02:00", 0, 0 },
		{ "finish-by", 0, OPT_TEXT, &timing.finish_by, "TIME",
		    "say what is in by 09:00+02:00, users first", 0, 0 },
		{ "progress-fd", 0, OPT_INT, &options.progress_fd, "FD",
		    "progress as events to FD, not shown", 3, 1023 },
		{ "quiet", 'q', OPT_FLAG, &options.quiet, NULL,
		    "neither progress nor summary", 0, 0 },
		{ 0 },
	};
	static const struct opt_use u = {
		.name = "idmesh fetch",
		.synopsis = "idmesh fetch [OPTIONS] SOURCE.json...\n"
			    "idmesh fetch test SOURCE.json\n"
			    "idmesh fetch forecast [OPTIONS] SOURCE.json...\n"
			    "idmesh fetch report [LOGFILE...]",
		.about =
		    "Reads the users, groups and memberships of an Okta org "
		    "or an Entra tenant\nwithin its rate limits and writes "
		    "pages for 'idmesh transform'.\n'fetch test' makes a cheap "
		    "call or two and says whether everything is right.",
		.options = table,
		.see = "Exit codes: 0 done, 1 an entity was skipped, 100 wrong "
		       "use or configuration,\n111 temporary failure.  See "
		       "idmesh-fetch(1).",
		.args_min = 1,
		.args_max = SOURCES_MAX,
	};

	return &u;
}

void
fetch_fail(struct fetch *f, enum exit_code code, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (f->failed)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("%s", text);
	f->failed = true;
	f->code = code;
	loop_stop(f->loop);
}

static struct scope *
read_scope(const char *path)
{
	struct buf text = { 0 };
	struct scope *s;
	struct why why;
	FILE *in = fopen(path, "re");
	size_t n = 1;

	if (in == NULL)
		die(EXIT_USAGE, "cannot read the scope %s", path);
	while (n > 0 && text.len < SCOPE_MAX) {
		buf_reserve(&text, 4096);
		n = fread(text.data + text.len, 1, 4096, in);
		text.len += n;
		text.data[text.len] = '\0';
	}
	fclose(in);
	s = scope_parse(text.data, text.len, &why);
	if (s == NULL)
		die(EXIT_USAGE, "%s: %s", path, why.text);
	buf_free(&text);
	return s;
}

static void
open_sources(struct fetch *f, int n, char **paths)
{
	f->sources = xcalloc((size_t)n, sizeof(*f->sources));
	for (int i = 0; i < n; i++) {
		struct source *s = &f->sources[f->n_sources++];

		source_open(f, s, paths[i]);
		if (strcmp(s->config.tenant, f->sources[0].config.tenant) != 0)
			die(EXIT_USAGE,
			    "%s is of another tenant (%s) than %s (%s); start "
			    "a fetch for each tenant",
			    paths[i], s->config.tenant, paths[0],
			    f->sources[0].config.tenant);
		for (int k = 0; k < i; k++)
			if (strcmp(f->sources[k].name, s->name) == 0)
				die(EXIT_USAGE, "%s and %s are both named %s",
				    paths[k], paths[i], s->name);
	}
}

/* The most careful wish of the sources counts: they share one budget. */
struct budget_limits
fetch_limits(const struct fetch *f)
{
	const struct config_source *first = &f->sources[0].config;
	struct budget_limits limits = { .share = first->rate_limit_share,
		.reserve = first->rate_limit_reserve,
		.in_flight_max = first->max_in_flight,
		.units = first->resource_units };

	for (size_t i = 1; i < f->n_sources; i++) {
		const struct config_source *c = &f->sources[i].config;

		if (c->rate_limit_share < limits.share)
			limits.share = c->rate_limit_share;
		if (c->rate_limit_reserve > limits.reserve)
			limits.reserve = c->rate_limit_reserve;
		if (c->max_in_flight < limits.in_flight_max)
			limits.in_flight_max = c->max_in_flight;
		if (c->resource_units < limits.units)
			limits.units = c->resource_units;
	}
	return limits;
}

static void
open_budget(struct fetch *f)
{
	struct budget_limits limits = fetch_limits(f);

	limits.seed = (uint64_t)clock_wall_ms() ^ (uint64_t)getpid();
	srandom((unsigned)limits.seed);
	f->in_flight_max = limits.in_flight_max;
	f->retries_max = CALL_RETRIES;
	f->budget = budget_new(&limits);
}

static void
open_log(struct fetch *f)
{
	if (f->opt.log != NULL && strcmp(f->opt.log, "-") != 0) {
		f->request_log = fopen(f->opt.log, "ae");
		if (f->request_log == NULL)
			die(EXIT_USAGE, "cannot write the request log %s",
			    f->opt.log);
	} else if (f->opt.log != NULL ||
		   (!f->opt.quiet && f->opt.progress_fd == 0 &&
		       !isatty(STDERR_FILENO))) {
		f->request_log = stderr;
	}
}

static void
on_signal(void *arg, int number)
{
	struct fetch *f = arg;

	if (number == SIGTERM || number == SIGINT)
		fetch_fail(f, EXIT_TEMPORARY,
		    "stopped by a signal; the run is unfinished and can be "
		    "resumed");
}

static void
open_positions(struct fetch *f)
{
	struct why why;

	if (f->opt.jobs != NULL) {
		f->out = out_bus_new(f, &why);
		if (f->out == NULL)
			die(bus_code(&why), "%s", why.text);
		return;
	}
	f->out = out_pipe_new(f);
	if ((f->opt.resume != NULL ? resume_file(f, f->opt.resume, &why)
				   : resume_nothing(f, &why)) < 0)
		die(resume_code(&why), "%s", why.text);
}

static enum exit_code
verdict(const struct fetch *f)
{
	enum exit_code code = EXIT_DONE;

	if (f->failed)
		return f->code;
	for (size_t i = 0; i < f->n_sources; i++) {
		const struct source *s = &f->sources[i];

		for (size_t k = 0; k < s->n_streams; k++) {
			const struct stream *t = &s->streams[k];

			if (t->wanted && t->skipped && code == EXIT_DONE)
				code = EXIT_PARTLY;
			if (t->wanted && !t->skipped && !t->complete)
				code = EXIT_TEMPORARY;
		}
	}
	return code;
}

void
fetch_open(struct fetch *f, int n, char **paths)
{
	if (f->opt.scope != NULL)
		f->scope = read_scope(f->opt.scope);
	open_sources(f, n, paths);
	f->loop = loop_new();
	loop_signals(f->loop, on_signal, f);
	open_budget(f);
}

void
fetch_connect(struct fetch *f)
{
	lock_tenant(f->sources[0].config.tenant);
	for (size_t i = 0; i < f->n_sources; i++)
		source_unlock(&f->sources[i]);
	f->http = http_new(f->loop, f->in_flight_max);
	f->calls = calls_new(f);
}

void
fetch_close(struct fetch *f)
{
	for (size_t i = 0; i < f->n_sources; i++)
		source_close(&f->sources[i]);
	source_forget(f);
	if (f->schedule != NULL)
		forecast_free(f->schedule->forecast);
	calls_free(f->calls);
	http_free(f->http);
	f->out->kind->free(f->out);
	budget_free(f->budget);
	scope_free(f->scope);
	loop_free(f->loop);
	free(f->sources);
	if (f->request_log != NULL && f->request_log != stderr)
		fclose(f->request_log);
}

static void
open_schedule(struct fetch *f, struct schedule *s)
{
	struct why why;

	if (schedule_open(s, &timing, &why) < 0)
		wrong(why.text);
	f->schedule = s;
}

/* What is to be known before the first page.  Graph tells nothing before. */
static void
look_ahead(struct fetch *f)
{
	bool graph = f->sources[0].kind != NULL;

	if (graph && timing.finish_by != NULL)
		wrong("--finish-by needs a forecast, and there is none for an "
		      "Entra tenant");
	if (!graph && (timing.max_calls > 0 || timing.finish_by != NULL))
		f->schedule->before = forecast_before;
}

int
command_fetch(int argc, char *argv[])
{
	struct fetch f = { .started_ms = clock_ms() };
	struct schedule schedule;
	enum exit_code code;

	opt_parse(use(), &argc, argv);
	if (options.binds.n > 0)
		options.jobs = options.binds.items[0];
	check_options(&options);
	f.opt = options;
	open_schedule(&f, &schedule);
	fetch_open(&f, argc - 1, argv + 1);
	look_ahead(&f);
	open_log(&f);
	open_positions(&f);
	fetch_connect(&f);
	progress_start(&f);
	if (f.opt.jobs == NULL)
		streams_start(&f);
	if (!f.failed && !loop_stopped(f.loop))
		loop_run(f.loop);
	progress_end(&f);
	summary_print(&f);
	code = verdict(&f);
	fetch_close(&f);
	return code;
}
