/*
 * retry.c - dead letters go through today's rules again.
 *
 * dead.c calls it.  The raw records become pages again and go through
 * `idmesh transform`, a chunk at a time, by way of two files in memory; what
 * it makes of them is applied in one transaction a chunk, each as if it had
 * come in its own run.  A letter that was resolved or written anew in between
 * is left alone: what a source said later always wins.  A join may be at work
 * on the database meanwhile.
 */

#include "join.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "folder.h"
#include "leave.h"
#include "lines.h"
#include "log.h"
#include "merge.h"
#include "mem.h"
#include "raw.h"
#include "report.h"

#ifndef RETRY_CHUNK
#define RETRY_CHUNK 200
#endif

extern char **environ;

/* One letter, as it was when it was given to the rules. */
struct item {
	int64_t pk, stream, run, generation, container;
	char *source, *name, *id, *at, *raw; /* owned; raw may be NULL */
	bool mapped; /* it comes as a page; else as the record it became */
};

/* How many of a stream may still leave without anybody's approval. */
struct allowance {
	int64_t stream, left;
};

struct retry {
	struct join *j;
	const struct dead_filter *filter;
	struct item items[RETRY_CHUNK];
	size_t n;
	int64_t after; /* the last letter that was read */
	struct buf pages; /* of the chunk, for transform */
	struct allowance *allowed; /* owned; of all chunks together */
	size_t n_allowed;
	int64_t applied, again, newer, lost;
};

static void
free_items(struct retry *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->items[i].source);
		free(r->items[i].name);
		free(r->items[i].id);
		free(r->items[i].at);
		free(r->items[i].raw);
	}
	r->n = 0;
	buf_clear(&r->pages);
}

/*
 * The message that the record came in, with nothing else in it.  The stored
 * header is an object that begins like every message.
 */
static void
add_page(struct buf *b, const struct item *i, size_t seq, const char *header)
{
	static const char begin[] = "{\"" MSG_V "\":1";
	size_t skip = sizeof(begin) - 1;

	msg_open(b, i->mapped ? MSG_PAGE : MSG_MAPPED);
	msg_address(b, i->source, i->name, 0, 0);
	msg_int(b, MSG_SEQ, (int64_t)seq + 1);
	msg_int(b, MSG_N, 1);
	msg_str(b, MSG_MODE, MSG_FULL);
	if (header != NULL && strlen(header) > skip + 1)
		buf_add(b, header + skip, strlen(header) - skip - 1);
	if (!i->mapped)
		buf_str(b, ",\"" MSG_BAD "\":[]");
	buf_str(b, ",\"" MSG_RECORDS "\":[");
	buf_str(b, i->raw);
	buf_char(b, ']');
	msg_close(b);
	buf_char(b, '\n');
}

/* The next letters that were asked for; 0 when there are no more. */
static size_t
read_chunk(struct retry *r)
{
	sqlite3_stmt *st = store_ask(r->j->store,
	    "SELECT x.pk, x.stream, x.last_run, x.generation, x.container,"
	    " s.name, t.name, x.id, x.at, x.raw, x.stage, x.header"
	    " FROM reject x JOIN stream t ON t.pk = x.stream"
	    " JOIN source s ON s.pk = t.source"
	    " WHERE x.resolved IS NULL AND x.pk > ?1"
	    " AND ifnull(?2, s.name) = s.name AND ifnull(?3, t.name) = t.name"
	    " ORDER BY x.pk",
	    "itt", r->after, r->filter->source, r->filter->stream);

	while (r->n < RETRY_CHUNK && r->pages.len < MSG_MAX &&
	       store_row(r->j->store, st)) {
		struct item *i = &r->items[r->n];

		r->after = sqlite3_column_int64(st, 0);
		if (!dead_named(r->filter, store_text(st, 7)))
			continue;
		*i = (struct item){ .pk = r->after };
		i->stream = sqlite3_column_int64(st, 1);
		i->run = sqlite3_column_int64(st, 2);
		i->generation = sqlite3_column_int64(st, 3);
		i->container = sqlite3_column_int64(st, 4);
		i->source = store_text_dup(st, 5);
		i->name = store_text_dup(st, 6);
		i->id = store_text_dup(st, 7);
		i->at = store_text_dup(st, 8);
		i->raw = store_text_dup(st, 9);
		i->mapped = strcmp(store_text(st, 10), "join") != 0;
		if (i->raw != NULL)
			add_page(&r->pages, i, r->n, store_text(st, 11));
		r->n++;
	}
	store_end(st);
	return r->n;
}

/* Runs transform from one descriptor to another; its exit code. */
static int
run_transform(const struct retry *r, int in, int out)
{
	/* Two workers: the one that a record kills is replaced. */
	char rules_option[] = "--rules", workers[] = "-j2",
	     raw[] = "--keep-raw";
	char *program = folder_program("transform"),
	     *dir = xstrdup(r->filter->rules);
	char *argv[] = { program, rules_option, dir, workers,
		r->j->raw != NULL ? raw : NULL, NULL };
	posix_spawn_file_actions_t files;
	int status = 0, rc;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	rc = posix_spawn(&pid, program, &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (rc != 0) {
		log_error("cannot run %s: %s", program, strerror(rc));
	} else {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		rc = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TEMPORARY;
		if (rc == EXIT_PARTLY)
			rc = EXIT_DONE; /* what it rejects again is told here */
	}
	free(program);
	free(dir);
	return rc;
}

/* A nameless file that is gone with its descriptor; -1 after a line. */
static int
memory_file(void)
{
	int fd = memfd_create("idmesh-letters", MFD_CLOEXEC);

	if (fd < 0)
		log_error("cannot make a file in memory: %s", strerror(errno));
	return fd;
}

/* The stream of the letter in the run that it came in. */
static void
flow_of(struct join *j, const struct item *i, struct flow *f)
{
	sqlite3_stmt *st = store_ask(j->store,
	    "SELECT t.source, t.alive, (SELECT pk FROM type WHERE name ="
	    " t.name) FROM stream t WHERE t.pk = ?",
	    "i", i->stream);

	*f = (struct flow){ .source = i->source,
		.stream = i->name,
		.stream_pk = i->stream,
		.run = i->run,
		.generation = i->generation,
		.dead = 1,
		.leaving = true };
	if (store_row(j->store, st)) {
		f->source_pk = sqlite3_column_int64(st, 0);
		f->alive = sqlite3_column_int64(st, 1);
		f->type_pk = sqlite3_column_int64(st, 2);
	}
	store_end(st);
}

static int64_t
may_leave(struct join *j, const struct flow *f)
{
	struct rules_guard g = rules_guard_leave(j->rules);
	int64_t share = (int64_t)(g.percent * (double)f->alive / 100);

	return f->alive >= g.of_at_least && share < g.max ? share : g.max;
}

static struct allowance *
allowance_of(struct retry *r, const struct flow *f)
{
	struct allowance *a;

	for (size_t i = 0; i < r->n_allowed; i++)
		if (r->allowed[i].stream == f->stream_pk)
			return &r->allowed[i];
	r->allowed =
	    xrealloc(r->allowed, (r->n_allowed + 1) * sizeof(*r->allowed));
	a = &r->allowed[r->n_allowed++];
	*a = (struct allowance){ f->stream_pk, may_leave(r->j, f) };
	return a;
}

static void
reject_settle(struct store *s, int64_t pk, const char *how)
{
	store_do(s,
	    "UPDATE reject SET resolved = ?, how = ?, raw = NULL,"
	    " header = NULL WHERE pk = ? AND resolved IS NULL",
	    "iti", clock_wall_ms(), how, pk);
}

/* Is the letter still there as it was, and the last word on its object? */
static bool
still_open(struct store *s, const struct item *i)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT EXISTS (SELECT 1 FROM object o JOIN seen n"
	    " ON n.pk = o.pk WHERE o.stream = x.stream AND o.id = x.id"
	    " AND n.generation > x.generation)"
	    " FROM reject x WHERE x.pk = ? AND x.resolved IS NULL"
	    " AND x.last_run = ? AND x.at = ? AND x.generation = ?",
	    "iiti", i->pk, i->run, i->at, i->generation);
	bool there = store_row(s, st);
	bool newer = there && sqlite3_column_int(st, 0) != 0;

	store_end(st);
	if (newer)
		reject_settle(s, i->pk, "newer data");
	return there && !newer;
}

static void
finish_letter(struct retry *r, const struct item *i, bool again)
{
	struct store *s = r->j->store;

	if (again) {
		store_do(s, "UPDATE reject SET tries = tries + 1 WHERE pk = ?",
		    "i", i->pk);
		r->again++;
		return;
	}
	/* One that is kept under its place has another id by now. */
	reject_settle(s, i->pk, "retried");
	r->applied++;
}

static void
take(struct retry *r, const struct msg *m)
{
	const struct item *i;
	struct allowance *allowed;
	struct letter letter;
	struct flow f;

	if (m->seq < 1 || (size_t)m->seq > r->n)
		return;
	i = &r->items[m->seq - 1];
	if (!still_open(r->j->store, i)) {
		r->newer++;
		return;
	}
	flow_of(r->j, i, &f);
	allowed = allowance_of(r, &f);
	letter = (struct letter){ i->id, i->container, allowed->left, false };
	apply_letter(r->j, &f, m, &letter);
	allowed->left = letter.may_leave;
	store_do(r->j->store, "UPDATE stream SET alive = ? WHERE pk = ?", "ii",
	    f.alive, i->stream);
	merge_due_dirty(r->j->store, i->name);
	finish_letter(r, i, letter.again);
}

/* Everything that came back, in the open transaction. */
static int
take_all(struct retry *r, int fd)
{
	struct lines *in = lines_new(fd);
	enum lines_result result;
	struct why why;
	struct msg m;
	size_t len;
	char *line;

	for (;;) {
		result = lines_next(in, &line, &len);
		if (result != LINES_ONE)
			break;
		if (msg_read(&m, line, len, &why) != 0) {
			log_error("transform wrote no message: %s", why.text);
			result = LINES_ERROR;
			break;
		}
		if (m.kind == MSG_MAPPED)
			take(r, &m);
		msg_free(&m);
	}
	lines_free(in);
	return result == LINES_END ? EXIT_DONE : EXIT_TEMPORARY;
}

static int
apply_chunk(struct retry *r, int fd)
{
	int rc;

	if (lseek(fd, 0, SEEK_SET) < 0 || store_begin(r->j->store) != 0)
		return EXIT_TEMPORARY;
	rc = take_all(r, fd);
	if (rc != EXIT_DONE)
		store_rollback(r->j->store);
	else if (store_commit(r->j->store) != 0)
		rc = EXIT_TEMPORARY;
	return rc;
}

/* Through the rules and into the database: all of the chunk or nothing. */
static int
map_chunk(struct retry *r)
{
	int in = memory_file(), out = memory_file(), rc = EXIT_TEMPORARY;

	if (in < 0 || out < 0)
		goto done;
	if (lines_write(in, r->pages.data, r->pages.len) < 0 ||
	    lseek(in, 0, SEEK_SET) < 0) {
		log_error("cannot write in memory: %s", strerror(errno));
		goto done;
	}
	rc = run_transform(r, in, out);
	if (rc == EXIT_DONE)
		rc = apply_chunk(r, out);
done:
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return rc;
}

static void
summarize(const struct retry *r)
{
	log_info("dead letters: %lld applied, %lld rejected again, %lld left "
		 "to newer data, %lld without a raw record%s",
	    (long long)r->applied, (long long)r->again, (long long)r->newer,
	    (long long)r->lost,
	    r->applied > 0 ? "; the next join sends the changes on" : "");
}

static int
retry_all(struct retry *r)
{
	int rc = EXIT_DONE;

	while (rc == EXIT_DONE && read_chunk(r) > 0) {
		for (size_t i = 0; i < r->n; i++)
			r->lost += r->items[i].raw == NULL;
		if (r->pages.len > 0)
			rc = map_chunk(r);
		free_items(r);
	}
	free_items(r);
	summarize(r);
	if (rc == EXIT_DONE && r->j->store->failed)
		rc = EXIT_TEMPORARY;
	if (rc == EXIT_DONE && r->again + r->lost > 0)
		rc = EXIT_PARTLY;
	return rc;
}

/* Every id that was named must be that of a letter. */
static int
check_ids(struct store *s, const struct dead_filter *f)
{
	for (size_t i = 0; i < f->n; i++) {
		sqlite3_stmt *st = store_ask(s,
		    "SELECT 1 FROM reject WHERE id = ? AND resolved IS NULL",
		    "t", f->ids[i]);
		bool there = store_row(s, st);

		store_end(st);
		if (there || s->failed)
			continue;
		log_error("there is no dead letter of %s; see `idmesh join "
			  "dead --db %s`",
		    f->ids[i], s->path);
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

int
dead_retry(const struct dead_filter *f)
{
	struct join j = { .rules_dir = f->rules };
	struct retry *r = xcalloc(1, sizeof(*r));
	int rc = EXIT_USAGE;

	r->j = &j;
	r->filter = f;
	if (join_load_rules(&j) == 0)
		rc = store_open(&j.store, f->db, STORE_WRITE);
	if (rc == EXIT_DONE)
		rc = check_ids(j.store, f);
	if (rc == EXIT_DONE)
		raw_follow(&j);
	if (rc == EXIT_DONE)
		rc = merge_prepare(&j);
	if (rc == EXIT_DONE)
		rc = retry_all(r);
	merge_free(&j);
	raw_free(j.raw);
	store_close(j.store);
	rules_free(j.rules);
	buf_free(&r->pages);
	free(r->allowed);
	free(r);
	return rc;
}
