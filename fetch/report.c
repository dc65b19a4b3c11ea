/*
 * report.c - `idmesh fetch report`: which calls cost what, and which were
 * refused.
 *
 * Called by main.c.  Reads the lines that reqlog.c wrote, from files or
 * standard input, and adds them up for each endpoint; report_table.c prints
 * the sums.  Holds sums and histograms only, so memory does not grow with
 * the log.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fetch.h"
#include "json.h"
#include "lines.h"
#include "mem.h"
#include "printed.h"
#include "report.h"

#define FILES_MAX 256
#define NAME_MAX_LEN 256
#define STATUS_LIMITED 429

static struct {
	int json;
} options;

static const struct opt_use *
use(void)
{
	static const struct opt table[] = {
		{ "json", 0, OPT_FLAG, &options.json, NULL,
		    "one JSON object instead of a table", 0, 0 },
		{ 0 },
	};
	static const struct opt_use u = {
		.name = "idmesh fetch report",
		.synopsis = "idmesh fetch report [--json] [LOGFILE...]",
		.about = "Adds up what 'idmesh fetch --request-log' wrote: "
			 "calls, refusals, latency and\nwaiting for each "
			 "endpoint, those refused most often first.  Without "
			 "a file,\nor with -, reads standard input.",
		.options = table,
		.see = "Exit codes: 0 done, 100 wrong use, 111 a file cannot "
		       "be read.\nSee idmesh-fetch(1).",
		.args_max = FILES_MAX,
	};

	return &u;
}

static struct endpoint *
find_endpoint(struct report *r, const char *method, const char *path)
{
	struct endpoint *e;

	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->endpoints[i].path, path) == 0 &&
		    strcmp(r->endpoints[i].method, method) == 0)
			return &r->endpoints[i];
	/* A log that is not ours may name anything: the rest is one row. */
	if (r->n == REPORT_ENDPOINTS)
		return &r->rest;
	e = &r->endpoints[r->n++];
	e->method = xstrdup(method);
	e->path = xstrdup(path);
	return e;
}

/* One count more at `ms`; latencies are whole ms, so this loses nothing. */
static void
note_latency(struct endpoint *e, int64_t ms)
{
	size_t at = ms < 0 ? 0 : (size_t)ms;

	if (at >= REPORT_LATENCY_MS)
		at = REPORT_LATENCY_MS - 1;
	if (at >= e->latency_len) {
		size_t len = e->latency_len > 0 ? e->latency_len : 256;

		while (len <= at)
			len *= 2;
		e->latency = xrealloc(e->latency, len * sizeof(*e->latency));
		memset(e->latency + e->latency_len, 0,
		    (len - e->latency_len) * sizeof(*e->latency));
		e->latency_len = len;
	}
	e->latency[at]++;
	e->answered++;
}

/* A 429 with limit 0 and remaining 0 means "not so many at once". */
static void
note_status(struct endpoint *e, yyjson_val *line, int64_t status)
{
	if (status >= 200 && status < 300)
		e->ok++;
	else if (status != STATUS_LIMITED)
		e->errors++;
	else if (json_int(json_get(line, "limit"), -1) == 0 &&
		 json_int(json_get(line, "remaining"), -1) == 0)
		e->concurrency++;
	else
		e->limited++;
}

/* RFC 3339 in UTC and in one form sorts as text. */
static void
note_time(struct report *r, const char *time)
{
	if (time == NULL || strlen(time) >= CLOCK_TEXT)
		return;
	if (r->from[0] == '\0' || strcmp(time, r->from) < 0)
		snprintf(r->from, sizeof(r->from), "%s", time);
	if (strcmp(time, r->to) > 0)
		snprintf(r->to, sizeof(r->to), "%s", time);
}

/* A file that only looks like a log brings neither memory nor terminal down. */
static bool
is_name(const char *s)
{
	size_t len = 0;

	for (; s != NULL && (unsigned char)s[len] >= ' '; len++)
		if (len == NAME_MAX_LEN)
			return false;
	return len > 0 && s[len] == '\0';
}

/* True when the line was one of a request. */
static bool
read_request(struct report *r, yyjson_val *line)
{
	const char *kind = json_text(line, "kind");
	const char *method = json_text(line, "method");
	const char *path = json_text(line, "path");
	int64_t status = json_int(json_get(line, "status"), -1);
	int64_t ms = json_int(json_get(line, "ms"), -1);
	int64_t waited = json_int(json_get(line, "waitedMs"), 0);
	struct endpoint *e;

	if (kind == NULL || strcmp(kind, "request") != 0 || !is_name(method) ||
	    !is_name(path) || status < 0)
		return false;
	e = find_endpoint(r, method, path);
	e->calls++;
	note_status(e, line, status);
	if (status > 0 && ms >= 0)
		note_latency(e, ms);
	if (waited > 0)
		e->waited_ms += waited;
	note_time(r, json_text(line, "time"));
	return true;
}

static void
report_line(struct report *r, const char *text, size_t len)
{
	yyjson_read_flag raw = YYJSON_READ_NUMBER_AS_RAW;
	yyjson_doc *doc = NULL;

	r->lines++;
	/* People's lines share a log that went to standard error. */
	if (len > 0 && text[0] == '{')
		doc = yyjson_read(text, len, raw);
	if (!read_request(r, yyjson_doc_get_root(doc)))
		r->ignored++;
	yyjson_doc_free(doc);
}

static void
read_lines(struct report *r, int fd, const char *name)
{
	struct lines *l = lines_new(fd);
	enum lines_result got;
	char *line;
	size_t len;

	for (;;) {
		got = lines_next(l, &line, &len);
		if (got != LINES_ONE)
			break;
		report_line(r, line, len);
	}
	if (got == LINES_TORN) { /* fetch is still writing, or was killed */
		r->lines++;
		r->ignored++;
	} else if (got == LINES_LONG) {
		die(EXIT_TEMPORARY,
		    "%s: a line over %zu MiB: is this a "
		    "request log?",
		    name, MSG_MAX >> 20);
	} else if (got != LINES_END) {
		die(EXIT_TEMPORARY, "cannot read %s: %s", name,
		    strerror(got == LINES_ERROR ? errno : EAGAIN));
	}
	lines_free(l);
}

static void
read_file(struct report *r, const char *path)
{
	int fd;

	r->files++;
	if (strcmp(path, "-") == 0) {
		read_lines(r, STDIN_FILENO, "standard input");
		return;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(EXIT_TEMPORARY, "cannot read %s: %s", path,
		    strerror(errno));
	read_lines(r, fd, path);
	close(fd);
}

int
command_report(int argc, char *argv[])
{
	struct report r = { .rest = { .method = NULL } };

	opt_parse(use(), &argc, argv);
	if (argc < 2 && isatty(STDIN_FILENO))
		opt_wrong(use(), "give a request log, or pipe one in");
	r.rest.method = xstrdup("");
	r.rest.path = xstrdup("(other endpoints)");
	if (argc < 2)
		read_file(&r, "-");
	for (int i = 1; i < argc; i++)
		read_file(&r, argv[i]);
	report_print(&r, options.json);
	for (size_t i = 0; i < r.n; i++)
		endpoint_clear(&r.endpoints[i]);
	endpoint_clear(&r.rest);
	return printed_end(EXIT_DONE);
}
