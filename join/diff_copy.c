/*
 * diff_copy.c - a copy of the database goes through new rules.
 *
 * diff.c compares it with the original then.  The kept raw records become
 * pages, `idmesh transform` with the new rules maps them, and what comes back
 * goes through the same code as a real run: pages, ends, guards, merge.  Each
 * stream ends as a complete delta, for what has no raw record is not absent.
 * What a guard stops is told, and then let pass, so that all of it is seen.
 */

#include "diff.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "folder.h"
#include "json.h"
#include "lines.h"
#include "log.h"
#include "mem.h"
#include "merge.h"
#include "report.h"

#define COPY_REACH 4096
#define COPY_PAGES 32
#define COPY_BYTES ((size_t)4 << 20)

extern char **environ;

/* Pages on their way to transform, and what comes back. */
struct feed {
	struct join *j;
	struct trial *t;
	struct replay *pages;
	struct buf out; /* the message that is being written */
	size_t written;
	int to, from, words; /* descriptors; words: its standard error */
	pid_t pid;
	struct lines *in;
	size_t n, bytes; /* offered since the last batch */
};

static int
start_transform(struct feed *f, const char *rules)
{
	char option[] = "--rules", workers[] = "-j2";
	char *program = folder_program("transform"), *dir = xstrdup(rules);
	char *argv[] = { program, option, dir, workers, NULL };
	posix_spawn_file_actions_t files;
	int in[2], out[2], rc = -1;

	f->words = memfd_create("idmesh-words", MFD_CLOEXEC);
	if (f->words >= 0 && pipe2(in, O_CLOEXEC) == 0 &&
	    pipe2(out, O_CLOEXEC) == 0) {
		posix_spawn_file_actions_init(&files);
		posix_spawn_file_actions_adddup2(&files, in[0], STDIN_FILENO);
		posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
		posix_spawn_file_actions_adddup2(
		    &files, f->words, STDERR_FILENO);
		rc = posix_spawn(&f->pid, program, &files, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&files);
		close(in[0]);
		close(out[1]);
		f->to = in[1];
		f->from = out[0];
		fcntl(f->to, F_SETFL, O_NONBLOCK);
		fcntl(f->from, F_SETFL, O_NONBLOCK);
		lines_widen(f->to);
		lines_widen(f->from);
		f->in = lines_new(f->from);
	} else {
		rc = errno;
	}
	if (rc != 0)
		log_error("cannot run %s: %s", program, strerror(rc));
	free(program);
	free(dir);
	return rc == 0 ? 0 : -1;
}

/* What it had to complain about; how much it did says the diff. */
static void
pass_words(int fd)
{
	struct lines *in = lines_new(fd);
	char *line;
	size_t len;

	if (lseek(fd, 0, SEEK_SET) == 0)
		while (lines_next(in, &line, &len) == LINES_ONE)
			if (strstr(line, ": error: ") != NULL ||
			    strstr(line, ": warning: ") != NULL)
				fprintf(stderr, "%s\n", line);
	lines_free(in);
	close(fd);
}

static int
end_transform(struct feed *f)
{
	int status = 0, rc;

	if (f->to >= 0)
		close(f->to);
	if (f->from >= 0)
		close(f->from);
	lines_free(f->in);
	while (waitpid(f->pid, &status, 0) < 0 && errno == EINTR)
		;
	rc = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TEMPORARY;
	pass_words(f->words);
	/* What it rejects is told as a part of the diff. */
	return rc == EXIT_PARTLY ? EXIT_DONE : rc;
}

/* All that can be done now; a stop is a result too. */
static int
work(struct join *j, struct trial *t)
{
	const struct flow *of = NULL;
	enum batch result;

	do
		result = join_batch(j, &of);
	while (result == BATCH_DONE);
	if (result == BATCH_STOP) {
		t->stopped = true;
		buf_fmt(&t->why,
		    "%s %s: %lld of %lld records would be rejected, and the "
		    "run would stop\n",
		    of->source, of->stream, (long long)of->counts.rejects,
		    (long long)of->counts.records);
		return EXIT_USAGE;
	}
	return result == BATCH_NONE ? EXIT_DONE : EXIT_TEMPORARY;
}

static int
offer(struct feed *f, struct msg *m)
{
	int rc = EXIT_DONE;

	if (flow_find(f->j, m->source, m->stream) == NULL &&
	    flow_open(f->j, m) != 0)
		rc = EXIT_TEMPORARY;
	f->n++;
	f->bytes += m->len;
	if (m->kind == MSG_MAPPED)
		f->t->records += m->n;
	if (rc == EXIT_DONE)
		(void)committer_offer(f->j->committer, m, clock_ms());
	msg_free(m);
	if (rc == EXIT_DONE && (f->n >= COPY_PAGES || f->bytes >= COPY_BYTES)) {
		f->n = f->bytes = 0;
		rc = work(f->j, f->t);
	}
	return rc;
}

/* Every line that is there; *end when there will be no more. */
static int
take(struct feed *f, bool *end)
{
	enum lines_result result = LINES_ONE;
	int rc = EXIT_DONE;
	struct why why;
	struct msg m;
	char *line;
	size_t len;

	while (rc == EXIT_DONE) {
		result = lines_next(f->in, &line, &len);
		if (result != LINES_ONE)
			break;
		if (msg_read(&m, line, len, &why) != 0) {
			log_error("transform wrote no message: %s", why.text);
			return EXIT_TEMPORARY;
		}
		rc = offer(f, &m);
	}
	*end = result != LINES_ONE && result != LINES_WAIT;
	return rc;
}

/* Writes what there is room for; closes the pipe behind the last page. */
static int
give(struct feed *f)
{
	ssize_t n;

	if (f->out.len == 0 && replay_next(f->pages, &f->out) == 0) {
		close(f->to);
		f->to = -1;
		return EXIT_DONE;
	}
	n = write(f->to, f->out.data + f->written, f->out.len - f->written);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* It has ended before its input did, and says why. */
		close(f->to);
		f->to = -1;
		return EXIT_DONE;
	}
	f->written += n > 0 ? (size_t)n : 0;
	if (f->written == f->out.len) {
		buf_clear(&f->out);
		f->written = 0;
	}
	return EXIT_DONE;
}

static int
carry(struct feed *f)
{
	bool end = false;
	int rc = EXIT_DONE;

	while (rc == EXIT_DONE && !end) {
		struct pollfd fds[] = {
			{ .fd = f->from, .events = POLLIN },
			{ .fd = f->to, .events = POLLOUT },
		};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return EXIT_TEMPORARY;
		if (fds[0].revents != 0)
			rc = take(f, &end);
		if (rc == EXIT_DONE && f->to >= 0 && fds[1].revents != 0)
			rc = give(f);
	}
	return rc;
}

static int
map_all(struct join *j, struct store *of, const char *dir, struct trial *t)
{
	struct feed f = { .j = j, .t = t, .to = -1, .from = -1 };
	int rc, code;

	f.pages = replay_new(of, MSG_DELTA, NULL, NULL);
	if (start_transform(&f, dir) != 0) {
		replay_free(f.pages);
		return EXIT_TEMPORARY;
	}
	rc = carry(&f);
	code = end_transform(&f);
	replay_free(f.pages);
	buf_free(&f.out);
	if (rc == EXIT_DONE && code == EXIT_DONE)
		rc = work(j, t);
	if (rc == EXIT_DONE && of->failed)
		rc = EXIT_TEMPORARY;
	return rc == EXIT_DONE ? code : rc;
}

/* The newest row of a table in the original. */
static int64_t
newest(struct store *s, const char *sql)
{
	sqlite3_stmt *st = store_ask(s, sql, "");
	int64_t pk = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return pk;
}

/* Streams whose leavers the guard holds: told, then let go. */
static int
release_sweeps(struct join *j, int64_t before, struct trial *t)
{
	sqlite3_stmt *st = store_ask(j->store,
	    "SELECT s.name, t.name, c.why FROM checkpoint c"
	    " JOIN run r ON r.pk = c.run JOIN source s ON s.pk = r.source"
	    " JOIN stream t ON t.pk = c.stream"
	    " WHERE c.phase = 'held' AND r.pk > ? ORDER BY s.name, t.name",
	    "i", before);
	bool any = false;

	while (store_row(j->store, st)) {
		const char *why = store_text(st, 2);

		any = true;
		buf_fmt(&t->why, "%s %s: %s\n", store_text(st, 0),
		    store_text(st, 1), why != NULL ? why : "held");
	}
	t->stopped |= any;
	if (!any)
		return EXIT_DONE;
	j->store->let_go = true;
	if (store_begin(j->store) != 0)
		return EXIT_TEMPORARY;
	store_do(j->store,
	    "UPDATE checkpoint SET phase = 'sweeping'"
	    " WHERE phase = 'held' AND run > ?",
	    "i", before);
	if (store_commit(j->store) != 0)
		return EXIT_TEMPORARY;
	j->sweeping = true;
	return work(j, t);
}

/* What a guard stopped before: whoever asks what would change hears of it. */
static void
tell_waiting(struct store *of, struct trial *t)
{
	sqlite3_stmt *st = store_ask(of,
	    "SELECT 'plan ' || p.hash || ' of ' || y.name || ': ' ||"
	    " json_extract(p.summary, '$.why')"
	    " || ' (what it would do is part of this)' FROM plan p"
	    " JOIN type y ON y.pk = p.type WHERE p.state = 'stopped'"
	    " ORDER BY p.pk",
	    "");

	while (store_row(of, st))
		buf_fmt(&t->waits, "%s\n", store_text(st, 0));
	st = store_ask(of,
	    "SELECT 'run ' || s.name || '/' || r.number || ' of ' || t.name"
	    " || ': ' || ifnull(c.why, 'held') || ' (not part of this)'"
	    " FROM checkpoint c JOIN run r ON r.pk = c.run"
	    " JOIN source s ON s.pk = r.source JOIN stream t"
	    " ON t.pk = c.stream WHERE c.phase = 'held' ORDER BY c.pk",
	    "");
	while (store_row(of, st))
		buf_fmt(&t->waits, "%s\n", store_text(st, 0));
}

/* A merge that is stopped is judged again, by these rules and this data. */
static int
wake_plans(struct store *copy)
{
	if (store_begin(copy) != 0)
		return EXIT_TEMPORARY;
	store_do(
	    copy, "UPDATE merge SET state = 'due' WHERE state = 'stopped'", "");
	return store_commit(copy) == 0 ? EXIT_DONE : EXIT_TEMPORARY;
}

static void
tell_plan(struct trial *t, const char *type, const char *summary)
{
	yyjson_doc *doc =
	    yyjson_read(summary, strlen(summary), YYJSON_READ_NUMBER_AS_RAW);
	const char *why = json_text(yyjson_doc_get_root(doc), MSG_WHY);

	buf_fmt(&t->why, "%s: %s\n", type, why != NULL ? why : summary);
	yyjson_doc_free(doc);
}

/* Merges that their guard stops: told unless they wait already, approved. */
static int
release_plans(struct join *j, int64_t before, struct trial *t)
{
	char hash[20];
	int rc = EXIT_DONE;

	while (rc == EXIT_DONE) {
		sqlite3_stmt *st = store_ask(j->store,
		    "SELECT y.name, p.summary, p.hash, p.pk FROM plan p"
		    " JOIN type y ON y.pk = p.type"
		    " WHERE p.state = 'stopped' ORDER BY p.pk",
		    "");

		if (!store_row(j->store, st))
			break;
		t->stopped = true;
		if (sqlite3_column_int64(st, 3) > before)
			tell_plan(t, store_text(st, 0), store_text(st, 1));
		snprintf(hash, sizeof(hash), "%s", store_text(st, 2));
		store_end(st);
		rc = merge_approve(j, hash);
		if (rc == EXIT_DONE)
			rc = work(j, t);
	}
	return rc;
}

static int64_t
count_without(struct store *s)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT count(*) FROM object o LEFT JOIN raw r"
	    " ON r.stream = o.stream AND r.id = o.id"
	    " WHERE o.gone IS NULL AND r.pk IS NULL",
	    "");
	int64_t n = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return n;
}

static int
go_through(struct join *j, struct store *of, struct trial *t)
{
	int64_t run = newest(of, "SELECT max(pk) FROM run"),
		plan = newest(of, "SELECT max(pk) FROM plan");
	int rc = wake_plans(j->store);

	tell_waiting(of, t);
	if (rc == EXIT_DONE)
		rc = work(j, t);
	t->without = count_without(of);
	if (rc == EXIT_DONE)
		rc = map_all(j, of, j->rules_dir, t);
	if (rc == EXIT_DONE)
		rc = release_sweeps(j, run, t);
	j->may_merge = true;
	if (rc == EXIT_DONE)
		rc = work(j, t);
	if (rc == EXIT_DONE)
		rc = release_plans(j, plan, t);
	return rc;
}

int
copy_try(struct store *copy, struct store *of, const char *dir,
    struct rules **rules, struct trial *t)
{
	struct join j = { .rules_dir = dir,
		.keep = { 1000000, 36500, 36500 },
		.sweeping = true };
	int rc;

	if (join_load_rules(&j) != 0)
		return EXIT_USAGE;
	j.store = copy;
	j.committer = committer_new(COPY_REACH);
	log_level(LOG_ERROR);
	rc = merge_prepare(&j);
	if (rc == EXIT_DONE)
		rc = go_through(&j, of, t);
	log_level(LOG_INFO);
	committer_free(j.committer);
	flow_free_all(&j);
	merge_free(&j);
	*rules = j.rules;
	/* Rules that stop a run are an answer, not a failure. */
	return rc == EXIT_USAGE && t->stopped ? EXIT_DONE : rc;
}
