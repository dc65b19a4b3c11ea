/*
 * pipe.c - join as a filter: records on stdin, changes on stdout.
 *
 * Reads as long as lines are waiting, commits, then goes on; what the commits
 * added to the change log is written whenever the next stage has room, for
 * the log is the queue and a slow sink need not hold the source back.  A pipe
 * needs no acknowledgement.  At the end of input it says which streams did
 * not end.
 */

#include "join.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "leave.h"
#include "lines.h"
#include "log.h"
#include "outbox.h"
#include "run.h"

#define PIPE_PAGES 32
#define PIPE_BYTES ((size_t)4 << 20)

struct pipe {
	struct join *j;
	struct lines *in;
	int64_t number; /* the last change that is in out or behind */
	size_t pages, bytes; /* read since the last transaction */
	int out_fd; /* stdout, or the same pipe without waiting */
	struct buf out; /* the message that is being written */
	size_t written; /* of it */
};

static volatile sig_atomic_t hangup;

static void
on_hangup(int signal)
{
	(void)signal;
	hangup = 1;
}

/*
 * A pipe is opened anew, so that only this process does not wait at it; what
 * is no pipe takes everything at once anyway.  Where stdout was closed nobody
 * wants the changes: the database is what counts.
 */
static int
open_stdout(void)
{
	struct stat st;
	int fd = -1;

	if ((fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY)
		return open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (fstat(STDOUT_FILENO, &st) == 0 && S_ISFIFO(st.st_mode))
		fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 ? fd : STDOUT_FILENO;
}

/* Waits until one of them moves; stdin is left out at its end. */
static void
wait_for(const struct pipe *p, bool in)
{
	struct pollfd fds[] = {
		{ .fd = p->out_fd, .events = POLLOUT },
		{ .fd = in ? STDIN_FILENO : -1, .events = POLLIN },
	};

	(void)poll(fds, 2, -1);
}

/* Writes what there is room for; EXIT_DONE also when that is not all. */
static int
write_some(struct pipe *p)
{
	while (p->written < p->out.len) {
		ssize_t n = write(p->out_fd, p->out.data + p->written,
		    p->out.len - p->written);

		if (n >= 0) {
			p->written += (size_t)n;
		} else if (errno == EAGAIN) {
			return EXIT_DONE;
		} else if (errno == EPIPE) {
			log_error("the next stage is gone");
			return EXIT_TEMPORARY;
		} else if (errno != EINTR) {
			log_error("cannot write: %s", strerror(errno));
			return EXIT_TEMPORARY;
		}
	}
	buf_clear(&p->out);
	p->written = 0;
	return EXIT_DONE;
}

/* Writes the message in out to its end. */
static int
emit(struct pipe *p)
{
	int rc;

	buf_char(&p->out, '\n');
	rc = write_some(p);
	while (rc == EXIT_DONE && p->out.len > 0) {
		wait_for(p, false);
		rc = write_some(p);
	}
	return rc;
}

static int
emit_schema(struct pipe *p)
{
	int rc = EXIT_DONE;

	while (rc == EXIT_DONE && p->out.len > 0) {
		wait_for(p, false);
		rc = write_some(p);
	}
	if (rc != EXIT_DONE)
		return rc;
	outbox_schema(p->j, &p->out);
	return emit(p);
}

/* Writes changes as long as there is room for them. */
static int
emit_changes(struct pipe *p)
{
	int rc = write_some(p);

	while (rc == EXIT_DONE && p->out.len == 0 &&
	       outbox_delta(p->j->store, 0, &p->number, &p->out)) {
		buf_char(&p->out, '\n');
		rc = write_some(p);
	}
	return p->j->store->failed ? EXIT_TEMPORARY : rc;
}

/* Writes every change there is. */
static int
drain(struct pipe *p)
{
	int rc = emit_changes(p);

	while (rc == EXIT_DONE && p->out.len > 0) {
		wait_for(p, false);
		rc = emit_changes(p);
	}
	return rc;
}

static int
emit_rebuild(struct pipe *p)
{
	struct rebuild r = rebuild_new(p->j->store);
	int rc = EXIT_DONE, more = 1;

	log_info("the target is new or too old: sending the whole mesh");
	while (more && rc == EXIT_DONE) {
		more = outbox_rebuild(p->j->store, 0, &r, &p->out);
		rc = p->j->store->failed ? EXIT_TEMPORARY : emit(p);
	}
	p->number = r.until;
	return rc;
}

/* Brings the next stage to where the database is. */
static int
catch_up(struct pipe *p, const char *after)
{
	struct why why;
	int place = 0, rc;

	/* What prints it has failed, and said why. */
	if (after != NULL && after[0] == '\0') {
		log_error("--after is empty: did `idmesh sink cursor` fail?");
		return EXIT_TEMPORARY;
	}
	p->number = p->j->store->newest;
	if (after != NULL)
		place = outbox_place(p->j->store, after, &p->number, &why);
	if (place < 0) {
		log_error("%s", why.text);
		return EXIT_USAGE;
	}
	prune_begin(p->j);
	while (
	    prune_step(p->j, place > 0 ? p->j->store->newest : p->number) > 0)
		;
	rc = emit_schema(p);
	if (rc == EXIT_DONE && place > 0)
		rc = emit_rebuild(p);
	return rc == EXIT_DONE ? drain(p) : rc;
}

static int
commit(struct pipe *p)
{
	const struct flow *of = NULL;
	enum batch result;
	int rc = EXIT_DONE;

	do {
		result = join_batch(p->j, &of);
		if (result == BATCH_DONE || result == BATCH_STOP)
			rc = emit_changes(p);
	} while (result == BATCH_DONE && rc == EXIT_DONE);
	p->pages = p->bytes = 0;
	if (result == BATCH_STOP) {
		rc = drain(p);
		return rc == EXIT_DONE ? EXIT_USAGE : rc;
	}
	if (result == BATCH_FAIL || result == BATCH_FENCED)
		return EXIT_TEMPORARY;
	return rc;
}

static int
offer(struct pipe *p, struct msg *m)
{
	const char *wrong = NULL;

	if (flow_find(p->j, m->source, m->stream) == NULL) {
		int rc = flow_open(p->j, m);

		if (rc != EXIT_DONE) {
			msg_free(m);
			return rc;
		}
	}
	p->bytes += m->len;
	p->pages++;
	switch (committer_offer(p->j->committer, m, clock_ms())) {
	case COMMITTER_TAKEN:
	case COMMITTER_DUPLICATE:
		break;
	case COMMITTER_UNKNOWN:
	case COMMITTER_FENCED:
		wrong = "is of another run or epoch";
		break;
	case COMMITTER_BEYOND:
		wrong = "came, but one far before it never did";
		break;
	}
	if (wrong != NULL)
		log_error("%s %s: message %lld %s", m->source, m->stream,
		    (long long)m->seq, wrong);
	msg_free(m);
	return wrong != NULL ? EXIT_TEMPORARY : EXIT_DONE;
}

static int
take_line(struct pipe *p, const char *line, size_t len)
{
	struct why why;
	struct msg m;
	int rc = EXIT_DONE;

	if (msg_read(&m, line, len, &why) != 0) {
		log_error("what came is no message: %s", why.text);
		return msg_code(&why);
	}
	if (m.kind == MSG_MAPPED || m.kind == MSG_END)
		return offer(p, &m);
	if (m.kind == MSG_PAGE) {
		log_error("a page came that nothing has mapped: put idmesh "
			  "transform before join");
		rc = EXIT_USAGE;
	}
	msg_free(&m);
	return rc;
}

static int
reload(struct pipe *p)
{
	int rc = EXIT_DONE;

	hangup = 0;
	if (join_load_rules(p->j) != 0) {
		log_error("the new rules are wrong, see above; those that were "
			  "loaded stay");
		return EXIT_DONE;
	}
	log_info("rules %s", rules_version(p->j->rules));
	rc = emit_schema(p);
	return rc;
}

/* Is more to read without waiting, that the next transaction can take? */
static bool
more_waits(const struct pipe *p)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	if (p->pages >= PIPE_PAGES || p->bytes >= PIPE_BYTES)
		return false;
	return lines_ready(p->in) || poll(&in, 1, 0) > 0;
}

/* Commits what was read; writes changes until there is more to read. */
static int
work(struct pipe *p)
{
	int rc = commit(p);

	while (rc == EXIT_DONE && p->out.len > 0 && !more_waits(p)) {
		wait_for(p, true);
		rc = emit_changes(p);
	}
	return rc;
}

static int
read_error(enum lines_result result)
{
	switch (result) {
	case LINES_TORN:
		log_error("the input ends in the middle of a line");
		return EXIT_TEMPORARY;
	case LINES_LONG:
		log_error("a line is longer than 8 MiB");
		return EXIT_TEMPORARY;
	case LINES_ERROR:
		log_error("cannot read: %s", strerror(errno));
		return EXIT_TEMPORARY;
	default:
		return EXIT_DONE;
	}
}

/* Until the input ends or something fails. */
static int
read_all(struct pipe *p)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	enum lines_result result = LINES_ONE;
	int rc = EXIT_DONE, left;

	while (rc == EXIT_DONE) {
		char *line;
		size_t len;

		result = lines_next(p->in, &line, &len);
		if (hangup)
			rc = reload(p);
		if (result == LINES_WAIT) {
			/* Another process made the pipe non-blocking. */
			(void)poll(&in, 1, -1);
			continue;
		}
		if (result != LINES_ONE || rc != EXIT_DONE)
			break;
		rc = take_line(p, line, len);
		if (rc == EXIT_DONE && !more_waits(p))
			rc = work(p);
	}
	if (rc != EXIT_DONE)
		return rc;
	rc = read_error(result);
	p->j->may_merge = true;
	left = commit(p);
	if (left == EXIT_DONE)
		left = drain(p);
	return left != EXIT_DONE ? left : rc;
}

/* The streams of this run that the input did not bring to their end. */
static int
report_open(struct join *j, const struct flow *f)
{
	sqlite3_stmt *st = store_ask(j->store,
	    "SELECT t.name, c.seq FROM checkpoint c"
	    " JOIN stream t ON t.pk = c.stream"
	    " WHERE c.run = ? AND c.phase = 'reading'",
	    "i", f->run_pk);
	int open = 0;

	while (store_row(j->store, st)) {
		open = 1;
		log_error("%s %s run %lld did not end, %lld pages are "
			  "committed%s",
		    f->source, store_text(st, 0), (long long)f->run,
		    (long long)sqlite3_column_int64(st, 1),
		    f->own ? "" : "; the next `idmesh join begin` goes on");
	}
	return open;
}

/* Closes what this process began itself; returns the exit code. */
static int
finish(struct join *j)
{
	int64_t last = 0;
	int open = 0;

	if (store_begin(j->store) != 0)
		return EXIT_TEMPORARY;
	for (struct flow *f = j->flows; f != NULL; f = f->next) {
		if (f->run_pk == last)
			continue;
		last = f->run_pk;
		open |= report_open(j, f);
		if (!f->own)
			continue;
		edges_close(j, f->source_pk, f->run_pk, true);
		store_do(j->store,
		    "UPDATE run SET state = 'incomplete'"
		    " WHERE pk = ? AND state = 'running'",
		    "i", f->run_pk);
	}
	if (store_commit(j->store) != 0)
		return EXIT_TEMPORARY;
	if (open || j->incomplete)
		return EXIT_TEMPORARY;
	return j->dead || j->skipped || j->held || j->doubtful ? EXIT_PARTLY
							       : EXIT_DONE;
}

int
join_pipe(struct join *j, const char *after)
{
	struct sigaction hup = { .sa_handler = on_hangup };
	struct pipe p = { .j = j, .in = lines_new(STDIN_FILENO) };
	int rc, end;

	sigaction(SIGHUP, &hup, NULL);
	lines_widen(STDIN_FILENO);
	lines_widen(STDOUT_FILENO);
	p.out_fd = open_stdout();
	rc = catch_up(&p, after);
	if (rc == EXIT_DONE)
		rc = commit(&p);
	if (rc == EXIT_DONE)
		rc = read_all(&p);
	end = j->store->failed ? EXIT_TEMPORARY : finish(j);
	lines_free(p.in);
	buf_free(&p.out);
	return rc != EXIT_DONE ? rc : end;
}
