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
#include "out.h"
#include "printed.h"
#include "tally.h"

/*
 * What `join runs --json` tells: the newest run of each source, as parsed
 * lines, and every run, however old, whose sweep waits for a person.
 */
struct runs {
	yyjson_doc **docs; /* owned */
	size_t n;
	struct held *held; /* owned */
	size_t n_held;
};

struct held {
	char *source; /* owned */
	long long run;
};

static const char *
source_of(yyjson_doc *doc)
{
	return json_text(yyjson_doc_get_root(doc), MSG_SOURCE);
}

/* How long the round took, without the programs' ends behind it. */
static double
seconds(const struct run *run)
{
	int64_t end = run->stop_ms != 0 ? run->stop_ms : clock_ms();

	return (double)(end - run->round_ms) / 1000;
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
keep_newest(struct runs *r, yyjson_doc *doc, const char *source)
{
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

static int
is_held(yyjson_doc *doc)
{
	const char *state = json_text(yyjson_doc_get_root(doc), "state");

	return state != NULL && strcmp(state, "held") == 0;
}

static void
add_held(struct runs *r, yyjson_doc *doc, const char *source)
{
	yyjson_val *run = json_get(yyjson_doc_get_root(doc), MSG_RUN);

	r->held = xrealloc(r->held, (r->n_held + 1) * sizeof(struct held));
	r->held[r->n_held++] =
	    (struct held){ xstrdup(source), (long long)json_int(run, 0) };
}

static void
keep(const struct run *run, struct runs *r, yyjson_doc *doc)
{
	const char *source = source_of(doc);

	if (source != NULL && is_held(doc))
		add_held(r, doc, source);
	if (source == NULL || is_earlier(run, doc))
		yyjson_doc_free(doc);
	else
		keep_newest(r, doc, source);
}

/* Join remembers sources that are configured no longer, too. */
static bool
is_ours(const struct run *run, const char *source)
{
	for (size_t i = 0; source != NULL && i < run->n; i++)
		for (size_t k = 0; k < run->children[i].n_sources; k++)
			if (strcmp(run->children[i].sources[k], source) == 0)
				return true;
	return false;
}

/* Only a run that read every stream in full, to its end. */
static void
keep_full(const struct run *run, struct runs *r, yyjson_doc *doc)
{
	yyjson_val *root = yyjson_doc_get_root(doc), *name;
	yyjson_obj_iter it = yyjson_obj_iter_with(json_get(root, MSG_STREAMS));
	const char *mode, *state;
	/* A run of what a person has retried has no streams. */
	bool full = is_ours(run, source_of(doc)) &&
		    yyjson_obj_size(json_get(root, MSG_STREAMS)) > 0;

	for (name = yyjson_obj_iter_next(&it); name != NULL;
	     name = yyjson_obj_iter_next(&it)) {
		yyjson_val *s = yyjson_obj_iter_get_val(name);

		mode = json_text(s, MSG_MODE);
		state = json_text(s, MSG_STATE);
		if (mode == NULL || strcmp(mode, MSG_FULL) != 0 ||
		    state == NULL || strcmp(state, "incomplete") == 0)
			full = false;
	}
	if (full)
		keep_newest(r, doc, source_of(doc));
	else
		yyjson_doc_free(doc);
}

/* Or one that should have: a timer's rounds remember nothing themselves. */
static void
keep_tried(const struct run *run, struct runs *r, yyjson_doc *doc)
{
	const char *asked = json_text(yyjson_doc_get_root(doc), "asked");

	if (is_ours(run, source_of(doc)) && asked != NULL &&
	    strcmp(asked, MSG_FULL) == 0)
		keep_newest(r, doc, source_of(doc));
	else
		yyjson_doc_free(doc);
}

/* What `join runs --json` says; -1 when there is nothing to be asked. */
static int
ask_join(const struct run *run, struct buf *out)
{
	char *program = child_program("join");
	char *db = xasprintf("--db=%s", run->config.state);
	char verb[] = "runs", json[] = "--json";
	char *argv[] = { program, verb, db, json, NULL };
	int rc = -1;

	if (access(run->config.state, F_OK) == 0 &&
	    child_capture(argv, out, true) == EXIT_DONE)
		rc = 0;
	free(db);
	free(program);
	return rc;
}

/* Calls fn with each of the lines, as a document that fn takes over. */
static void
each_line(const struct run *run, const struct buf *text, struct runs *runs,
    void (*fn)(const struct run *run, struct runs *r, yyjson_doc *doc))
{
	const char *at = text->data, *end;

	while (at != NULL && *at != '\0') {
		end = strchrnul(at, '\n');
		fn(run, runs, yyjson_read(at, (size_t)(end - at), 0));
		at = *end == '\0' ? end : end + 1;
	}
}

/* A set that ended before a fetch was known to join has no run to tell. */
static void
find_runs(const struct run *run, struct runs *runs)
{
	struct buf out = { 0 };

	if (!show_any_ready(run))
		return;
	if (ask_join(run, &out) == 0)
		each_line(run, &out, runs, keep);
	else
		log_warn("there is no summary; 'idmesh join runs --db %s' may "
			 "say why",
		    run->config.state);
	buf_free(&out);
}

/* What came in over the sockets and should not have. */
static void
print_tally(const uint64_t counts[TALLIES])
{
	if (counts[TALLY_DROPPED] > 0)
		fprintf(stderr, "messages that were dropped: %llu\n",
		    (unsigned long long)counts[TALLY_DROPPED]);
	if (counts[TALLY_REFUSED] + counts[TALLY_FAILED] > 0)
		fprintf(stderr,
		    "connections: %llu turned away for their key, %llu that "
		    "came to nothing\n",
		    (unsigned long long)counts[TALLY_REFUSED],
		    (unsigned long long)counts[TALLY_FAILED]);
}

static void
print_json(
    struct run *run, const struct runs *runs, const uint64_t counts[TALLIES])
{
	struct buf b = { 0 };

	buf_fmt(&b, "{\"exit\":%d,\"seconds\":%.1f,\"restarts\":%d", run->code,
	    seconds(run), run->restarts);
	buf_fmt(&b, ",\"dropped\":%llu,\"refused\":%llu,\"failed\":%llu",
	    (unsigned long long)counts[TALLY_DROPPED],
	    (unsigned long long)counts[TALLY_REFUSED],
	    (unsigned long long)counts[TALLY_FAILED]);
	buf_str(&b, ",\"runs\":[");
	for (size_t i = 0; i < runs->n; i++) {
		if (i > 0)
			buf_char(&b, ',');
		json_write(&b, yyjson_doc_get_root(runs->docs[i]));
	}
	buf_str(&b, "],\"held\":[");
	for (size_t i = 0; i < runs->n_held; i++) {
		buf_str(&b, i > 0 ? ",{\"source\":" : "{\"source\":");
		buf_json_str(&b, runs->held[i].source);
		buf_fmt(&b, ",\"run\":%lld}", runs->held[i].run);
	}
	buf_str(&b, "],\"out\":");
	out_json(run, &b);
	buf_str(&b, "}\n");
	fwrite(b.data, 1, b.len, stdout);
	run->code = printed_end(run->code);
	clearerr(stdout);
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

/* Join alone knows of dead letters, of what is stopped and not certified. */
static int
left_out(yyjson_doc *doc)
{
	yyjson_val *root = yyjson_doc_get_root(doc), *name;
	yyjson_obj_iter it = yyjson_obj_iter_with(json_get(root, MSG_STREAMS));

	if (json_get(root, "stopped") != NULL || count(root, "dead") > 0)
		return 1;
	for (name = yyjson_obj_iter_next(&it); name != NULL;
	     name = yyjson_obj_iter_next(&it)) {
		yyjson_val *s = yyjson_obj_iter_get_val(name);

		if (is_skipped(s) || count(s, "rejects") > 0 ||
		    yyjson_is_false(json_get(s, "certified")))
			return 1;
	}
	return 0;
}

/*
 * Every record is one of these: new, changed, the same, rejected, or not for
 * the mesh (deprovisioned, removed, out of scope).  What is gone may be one of
 * the last, or was absent.
 */
static void
print_stream(const char *name, yyjson_val *s)
{
	const char *why = json_text(s, MSG_WHY);
	long long dead = count(s, "rejects"), errors = count(s, "errors");
	long long left = count(s, "records") - count(s, "added") -
			 count(s, "changed") - count(s, "same") - dead;

	fprintf(stderr,
	    "  %-12s %-5s %7lld records: %lld new, %lld changed, %lld the same",
	    name, json_text(s, MSG_MODE), count(s, "records"),
	    count(s, "added"), count(s, "changed"), count(s, "same"));
	if (dead > 0)
		fprintf(stderr, ", %lld rejected", dead);
	if (left > 0)
		fprintf(stderr, ", %lld not for the mesh", left);
	fprintf(stderr, "; %lld gone", count(s, "gone"));
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
	    json_text(root, "state"), seconds(run));
	for (name = yyjson_obj_iter_next(&it); name != NULL;
	     name = yyjson_obj_iter_next(&it))
		print_stream(
		    yyjson_get_str(name), yyjson_obj_iter_get_val(name));
}

/* Two sources may each have a run of that number. */
static void
print_held(const struct run *run, const struct held *h)
{
	fprintf(stderr,
	    "%s run %lld holds objects back that would leave: "
	    "idmesh join approve --db %s %s/%lld\n",
	    h->source, h->run, run->config.state, h->source, h->run);
}

/* Of this run or an older one, and until somebody has seen to it. */
static void
print_left_out(const struct run *run, const struct runs *runs)
{
	long long dead = 0, undecided = 0;

	for (size_t i = 0; i < runs->n; i++) {
		yyjson_val *root = yyjson_doc_get_root(runs->docs[i]);

		dead += count(root, "dead");
		undecided += count(root, "undecided");
	}
	if (dead > 0)
		fprintf(stderr,
		    "%lld records are dead letters: idmesh join dead --db %s\n",
		    dead, run->config.state);
	if (undecided > 0)
		fprintf(stderr,
		    "%lld objects are held, in no person: idmesh join held "
		    "--db %s\n",
		    undecided, run->config.state);
}

static void
print_text(
    const struct run *run, const struct runs *runs, uint64_t counts[TALLIES])
{
	for (size_t i = 0; i < runs->n; i++)
		print_run(run, runs->docs[i]);
	out_print(run);
	print_tally(counts);
	print_left_out(run, runs);
	for (size_t i = 0; i < runs->n_held; i++)
		print_held(run, &runs->held[i]);
}

static void
forget(struct runs *runs)
{
	for (size_t i = 0; i < runs->n; i++)
		yyjson_doc_free(runs->docs[i]);
	for (size_t i = 0; i < runs->n_held; i++)
		free(runs->held[i].source);
	free(runs->docs);
	free(runs->held);
}

void
summary_print(struct run *run)
{
	struct runs runs = { 0 };
	uint64_t counts[TALLIES];
	int partly;

	find_runs(run, &runs);
	for (int i = 0; i < TALLIES; i++)
		counts[i] = tally_take((enum tally)i);
	partly = runs.n_held > 0;
	for (size_t i = 0; i < runs.n; i++)
		partly |= left_out(runs.docs[i]);
	if (run->code == EXIT_DONE && partly)
		run->code = EXIT_PARTLY;
	if (run->options->json)
		print_json(run, &runs, counts);
	else
		print_text(run, &runs, counts);
	forget(&runs);
}

/* Milliseconds since it began; -1 when it does not say so. */
static int64_t
age_of(yyjson_doc *doc)
{
	const char *started = json_text(yyjson_doc_get_root(doc), "started");
	int64_t at;

	if (started == NULL ||
	    clock_parse_rfc3339(started, strlen(started), &at) != 0)
		return -1;
	return clock_wall_ms() - at;
}

int64_t
summary_full_age(struct run *run, int64_t *tried_ms)
{
	struct runs full = { 0 }, tried = { 0 };
	struct buf out = { 0 };
	int64_t age = -1, one;

	if (ask_join(run, &out) == 0) {
		each_line(run, &out, &full, keep_full);
		each_line(run, &out, &tried, keep_tried);
	}
	/* The source that waits longest decides. */
	for (size_t i = 0; i < full.n; i++) {
		one = age_of(full.docs[i]);
		if (one > age)
			age = one;
	}
	*tried_ms = -1;
	for (size_t i = 0; i < tried.n; i++) {
		one = age_of(tried.docs[i]);
		if (*tried_ms < 0 || one < *tried_ms)
			*tried_ms = one;
	}
	forget(&full);
	forget(&tried);
	buf_free(&out);
	return age;
}
