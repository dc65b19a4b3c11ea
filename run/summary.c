/*
 * summary.c - what a round did, for people or as one line of JSON.
 *
 * Asks join, which remembers every run, so that the summary is what became
 * durable and not what passed by.
 */

#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"
#include "log.h"
#include "mem.h"
#include "msg.h"

/* The newest run of each source, as parsed lines of `join runs --json`. */
struct runs {
	yyjson_doc **docs; /* owned */
	size_t n;
};

static const char *
source_of(yyjson_doc *doc)
{
	return json_text(yyjson_doc_get_root(doc), MSG_SOURCE);
}

/* A run that ended before the round began says nothing about the round. */
static int
is_earlier(const struct run *run, yyjson_doc *doc)
{
	const char *ended = json_text(yyjson_doc_get_root(doc), "ended");
	int64_t ended_ms, ago_ms = clock_ms() - run->round_ms;

	return ended != NULL &&
	       clock_parse_rfc3339(ended, strlen(ended), &ended_ms) == 0 &&
	       ended_ms < clock_wall_ms() - ago_ms;
}

/* Later lines are newer runs: they replace the one of their source. */
static void
keep(const struct run *run, struct runs *r, yyjson_doc *doc)
{
	const char *source = source_of(doc);

	if (source == NULL || is_earlier(run, doc)) {
		yyjson_doc_free(doc);
		return;
	}
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(source_of(r->docs[i]), source) == 0) {
			yyjson_doc_free(r->docs[i]);
			r->docs[i] = doc;
			return;
		}
	}
	r->docs = xrealloc(r->docs, (r->n + 1) * sizeof(yyjson_doc *));
	r->docs[r->n++] = doc;
}

static void
ask_join(struct run *run, struct runs *runs)
{
	char *program = child_program(run, "join");
	char *db = xasprintf("--db=%s", run->config.state);
	char verb[] = "runs", json[] = "--json";
	char *argv[] = { program, verb, db, json, NULL };
	struct buf out = { 0 };
	const char *at, *end;

	/* A set that failed at once has no database. */
	if (access(run->config.state, F_OK) == 0 &&
	    child_capture(argv, &out) == EXIT_DONE) {
		for (at = out.data; *at != '\0'; at = end + 1) {
			end = strchrnul(at, '\n');
			keep(run, runs, yyjson_read(at, (size_t)(end - at), 0));
			if (*end == '\0')
				break;
		}
	}
	buf_free(&out);
	free(db);
	free(program);
}

static void
print_json(struct run *run, const struct runs *runs)
{
	struct buf b = { 0 };

	buf_fmt(&b, "{\"exit\":%d,\"seconds\":%.1f,\"restarts\":%d,\"runs\":[",
	    run->code, (double)(clock_ms() - run->round_ms) / 1000,
	    run->restarts);
	for (size_t i = 0; i < runs->n; i++) {
		if (i > 0)
			buf_char(&b, ',');
		json_write(&b, yyjson_doc_get_root(runs->docs[i]));
	}
	buf_str(&b, "]}\n");
	if (fwrite(b.data, 1, b.len, stdout) != b.len || fflush(stdout) != 0) {
		log_error("cannot write the summary to stdout");
		if (run->code != EXIT_USAGE)
			run->code = EXIT_TEMPORARY;
	}
	buf_free(&b);
}

static long long
count(yyjson_val *stream, const char *name)
{
	return (long long)json_int(json_get(stream, name), 0);
}

static int
is_skipped(yyjson_val *stream)
{
	const char *state = json_text(stream, "state");

	return state != NULL && strcmp(state, "skipped") == 0;
}

/* Join alone knows of dead letters and held sweeps: fetch ended well. */
static int
left_out(yyjson_doc *doc)
{
	yyjson_val *root = yyjson_doc_get_root(doc), *name;
	yyjson_obj_iter it = yyjson_obj_iter_with(json_get(root, MSG_STREAMS));
	const char *state = json_text(root, "state");

	if (state != NULL && strcmp(state, "held") == 0)
		return 1;
	for (name = yyjson_obj_iter_next(&it); name != NULL;
	     name = yyjson_obj_iter_next(&it)) {
		yyjson_val *s = yyjson_obj_iter_get_val(name);

		if (is_skipped(s) || count(s, "rejects") > 0)
			return 1;
	}
	return 0;
}

static void
print_stream(const char *name, yyjson_val *s)
{
	const char *why = json_text(s, MSG_WHY);
	long long dead = count(s, "rejects"), errors = count(s, "errors");

	fprintf(stderr,
	    "  %-12s %-5s %7lld records: %lld new, %lld changed, %lld gone, "
	    "%lld the same",
	    name, json_text(s, MSG_MODE), count(s, "records"),
	    count(s, "added"), count(s, "changed"), count(s, "gone"),
	    count(s, "same"));
	if (dead > 0)
		fprintf(stderr, ", %lld rejected", dead);
	if (errors > 0)
		fprintf(stderr, ", %lld attributes failed", errors);
	if (why != NULL)
		fprintf(
		    stderr, "; %s%s", is_skipped(s) ? "skipped: " : "", why);
	fputc('\n', stderr);
}

static void
print_run(const struct run *run, yyjson_doc *doc)
{
	yyjson_val *root = yyjson_doc_get_root(doc), *name;
	yyjson_obj_iter it = yyjson_obj_iter_with(json_get(root, MSG_STREAMS));

	fprintf(stderr, "%s run %lld: %s in %.1f s\n",
	    json_text(root, MSG_SOURCE), count(root, MSG_RUN),
	    json_text(root, "state"),
	    (double)(clock_ms() - run->round_ms) / 1000);
	for (name = yyjson_obj_iter_next(&it); name != NULL;
	     name = yyjson_obj_iter_next(&it))
		print_stream(
		    yyjson_get_str(name), yyjson_obj_iter_get_val(name));
}

void
summary_print(struct run *run)
{
	struct runs runs = { 0 };

	ask_join(run, &runs);
	for (size_t i = 0; i < runs.n; i++)
		if (run->code == EXIT_DONE && left_out(runs.docs[i]))
			run->code = EXIT_PARTLY;
	if (run->options->json)
		print_json(run, &runs);
	else
		for (size_t i = 0; i < runs.n; i++)
			print_run(run, runs.docs[i]);
	for (size_t i = 0; i < runs.n; i++)
		yyjson_doc_free(runs.docs[i]);
	free(runs.docs);
}
