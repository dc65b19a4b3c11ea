/*
 * target_ndjson.c - the changes as lines, appended to a file or to stdout.
 *
 * apply.c calls it through target_ndjson.  Every line says where the file
 * stands once it is read ("store", "seq"), so the last whole line is the
 * cursor; a torn one is cut off at the start.  Folding the lines gives the
 * mesh; what "rebuild" and "rebuilt" mean there is in idmesh-sink(1).  Owns
 * the file and the batch, of which no more is kept than a chunk: lines that
 * are written early have the cursor of before, or that of a whole message.
 */

#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "json.h"
#include "lines.h"
#include "mem.h"

#define TAIL_CHUNK 65536
#ifndef BATCH_CHUNK
#define BATCH_CHUNK ((size_t)1 << 20)
#endif
#define STORE "store" /* beside the names of message(5) */

struct file {
	const char *place; /* for people; borrowed */
	int fd;
	bool stream; /* stdout, a pipe, a device: no cursor */
	bool rebuild; /* begun, but no line says so yet */
	off_t size; /* what is committed */
	off_t written; /* of the batch, behind it */
	struct position at; /* of the last line, the batch included */
	struct buf batch; /* owned */
};

static enum exit_code
failed(const struct file *f, const char *doing, struct why *why)
{
	if (errno == EPIPE)
		return sink_fail(
		    why, EXIT_TEMPORARY, "the reader of %s is gone", f->place);
	if (errno == ENOSPC || errno == EDQUOT)
		return sink_fail(why, EXIT_TEMPORARY,
		    "no room on the disk of %s; make room and run again, what "
		    "was committed is intact",
		    f->place);
	return sink_fail(why, EXIT_TEMPORARY,
	    "cannot %s %s: %s; see to its disk, to its folder and to who may "
	    "write there, then run again",
	    doing, f->place, strerror(errno));
}

/* Where the last newline before `end` is, -1 for none, -2 with errno. */
static off_t
newline_before(int fd, off_t end)
{
	char chunk[TAIL_CHUNK];

	while (end > 0) {
		off_t start = end > TAIL_CHUNK ? end - TAIL_CHUNK : 0;
		ssize_t n = pread(fd, chunk, (size_t)(end - start), start);
		const char *at;

		if (n < 0)
			return -2;
		at = memrchr(chunk, '\n', (size_t)n);
		if (at != NULL)
			return start + (at - chunk);
		end = start;
	}
	return -1;
}

/* Reads the cursor out of one line; 0 when the line is not one of ours. */
static int
read_line(const char *text, size_t len, struct position *at)
{
	yyjson_doc *doc = yyjson_read(text, len, 0);
	yyjson_val *line = yyjson_doc_get_root(doc);
	const char *store = json_text(line, STORE);
	int ours = json_text(line, MSG_OP) != NULL;

	at->number = SINK_NOWHERE;
	at->store[0] = '\0';
	if (ours && store != NULL && strlen(store) < sizeof(at->store)) {
		at->number = json_int(json_get(line, MSG_SEQ), SINK_NOWHERE);
		memcpy(at->store, store, strlen(store) + 1);
	}
	yyjson_doc_free(doc);
	return ours;
}

/* The line from start to end of the file. */
static enum exit_code
read_last(struct file *f, off_t start, off_t end, struct why *why)
{
	size_t len = (size_t)(end - start);
	char *text;
	int ours;

	if (len > 2 * MSG_MAX)
		goto foreign;
	text = xmalloc(len);
	if (pread(f->fd, text, len, start) != (ssize_t)len) {
		free(text);
		return failed(f, "read", why);
	}
	ours = read_line(text, len, &f->at);
	free(text);
	if (ours)
		return EXIT_DONE;
foreign:
	return sink_fail(why, EXIT_USAGE,
	    "the last line of %s is not one of ours; name another file",
	    f->place);
}

/* Finds the last whole line: f->at and f->size. */
static enum exit_code
read_tail(struct file *f, struct why *why)
{
	char head[6] = "";
	struct stat st;
	off_t end, start;

	f->at.number = SINK_NOWHERE;
	f->at.store[0] = '\0';
	if (fstat(f->fd, &st) < 0)
		return failed(f, "read", why);
	f->stream = !S_ISREG(st.st_mode);
	if (f->stream) {
		f->at.number = SINK_ANYWHERE;
		return EXIT_DONE;
	}
	end = newline_before(f->fd, st.st_size);
	start = end > 0 ? newline_before(f->fd, end) : -1;
	if (end == -2 || start == -2)
		return failed(f, "read", why);
	f->size = end + 1;
	if (end >= 0)
		return read_last(f, start + 1, end, why);
	/* No whole line: the torn beginning of our first one, or not ours. */
	if (pread(f->fd, head, sizeof(head) - 1, 0) < 0)
		return failed(f, "read", why);
	if (strncmp(head, "{\"" MSG_OP "\"", strlen(head)) != 0)
		return sink_fail(why, EXIT_USAGE,
		    "%s holds something else; name another file", f->place);
	return EXIT_DONE;
}

static int
is_stdout(const char *place)
{
	return strcmp(place, "-") == 0;
}

static enum exit_code
ndjson_cursor(const char *place, struct position *at, struct why *why)
{
	struct file f = { .place = place };
	enum exit_code code;

	at->number = SINK_NOWHERE;
	if (is_stdout(place))
		return EXIT_DONE;
	f.fd = open(place, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f.fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return EXIT_DONE;
	if (f.fd < 0)
		return failed(&f, "open", why);
	code = read_tail(&f, why);
	*at = f.at;
	close(f.fd);
	return code;
}

static enum exit_code
open_file(struct file *f, struct why *why)
{
	f->fd = open(f->place, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (f->fd < 0) {
		int error = errno;

		failed(f, "open", why);
		return error == ENOENT || error == ENOTDIR || error == EISDIR
			   ? EXIT_USAGE
			   : EXIT_TEMPORARY;
	}
	if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
		return sink_fail(why, EXIT_TEMPORARY,
		    "another sink is writing to %s; stop that one first",
		    f->place);
	return EXIT_DONE;
}

static enum exit_code
ndjson_open(const char *place, void **h, struct position *at, struct why *why)
{
	struct file *f = xcalloc(1, sizeof(*f));
	enum exit_code code;

	*h = f;
	f->place = is_stdout(place) ? "stdout" : place;
	f->fd = STDOUT_FILENO;
	f->at.number = SINK_ANYWHERE;
	f->stream = true;
	if (!is_stdout(place)) {
		code = open_file(f, why);
		if (code == EXIT_DONE)
			code = read_tail(f, why);
		if (code != EXIT_DONE)
			return code;
	}
	if (!f->stream && ftruncate(f->fd, f->size) < 0)
		return failed(f, "cut off the torn line of", why);
	/* One that was just made must be there after a power cut. */
	if (!f->stream && f->size == 0 && folder_sync(f->place) < 0)
		return failed(f, "sync the folder of", why);
	*at = f->at;
	return EXIT_DONE;
}

/* The end of a line: where the file stands with it. */
static void
close_line(struct file *f, const struct position *at)
{
	if (at->number >= 0) {
		msg_str(&f->batch, STORE, at->store);
		msg_int(&f->batch, MSG_SEQ, at->number);
	}
	buf_str(&f->batch, "}\n");
	f->at = *at;
}

static void
open_line(struct file *f, const char *op)
{
	buf_str(&f->batch, "{\"" MSG_OP "\":");
	buf_json_str(&f->batch, op);
}

static void
marker(struct file *f, const char *op, const struct position *at)
{
	open_line(f, op);
	close_line(f, at);
}

/* What of the batch is in the file was never there. */
static void
take_back(struct file *f)
{
	f->written = 0;
	if (!f->stream && ftruncate(f->fd, f->size) < 0)
		log_warn("%s may end in half a line; the next start cuts it "
			 "off",
		    f->place);
}

/* Writes what there is of the batch, which is whole lines. */
static enum exit_code
write_batch(struct file *f, struct why *why)
{
	if (f->batch.len == 0)
		return EXIT_DONE;
	if (lines_write(f->fd, f->batch.data, f->batch.len) < 0) {
		failed(f, "write", why);
		take_back(f);
		return EXIT_TEMPORARY;
	}
	f->written += (off_t)f->batch.len;
	buf_clear(&f->batch);
	return EXIT_DONE;
}

static enum exit_code
ndjson_begin(void *h, struct why *why)
{
	(void)why;
	buf_clear(&((struct file *)h)->batch);
	return EXIT_DONE;
}

/* Objects describe themselves; a schema adds nothing. */
static enum exit_code
ndjson_schema(void *h, yyjson_val *types, struct why *why)
{
	(void)h;
	(void)types;
	(void)why;
	return EXIT_DONE;
}

static enum exit_code
ndjson_change(void *h, const struct change *c, int *hit, struct why *why)
{
	struct file *f = h;
	struct buf *b = &f->batch;

	*hit = 1;
	if (f->rebuild)
		marker(f, "rebuild", &f->at);
	f->rebuild = false;
	open_line(f, c->put ? MSG_PUT : MSG_DELETE);
	msg_str(b, MSG_TYPE, c->type);
	msg_str(b, MSG_ID, c->id);
	if (c->put) {
		msg_val(b, MSG_OBJECT, c->object);
		msg_val(b, MSG_CONTRIBUTORS, c->contributors);
		msg_str(b, MSG_STATE, c->state);
		msg_str(b, MSG_LEAVE_AT, c->leave_at);
		msg_val(b, MSG_CHANGED, c->changed);
	} else {
		msg_str(b, MSG_REASON, c->reason);
	}
	close_line(f, c->at);
	return b->len >= BATCH_CHUNK ? write_batch(f, why) : EXIT_DONE;
}

static enum exit_code
ndjson_rebuild(void *h, struct why *why)
{
	(void)why;
	((struct file *)h)->rebuild = true;
	return EXIT_DONE;
}

static enum exit_code
ndjson_sweep(void *h, const struct position *at, int64_t *gone, struct why *why)
{
	struct file *f = h;

	(void)why;
	*gone = 0;
	if (f->rebuild) {
		f->rebuild = false;
		/* Nothing was there and nothing came: not worth a line. */
		if (at->number < 0 && f->size + f->written == 0 &&
		    f->batch.len == 0)
			return EXIT_DONE;
		marker(f, "rebuild", &f->at);
	}
	marker(f, "rebuilt", at);
	return EXIT_DONE;
}

static enum exit_code
ndjson_commit(void *h, const struct position *at, struct why *why)
{
	struct file *f = h;

	if (at->number >= 0 && at->number != f->at.number)
		marker(f, "cursor", at);
	if (write_batch(f, why) != EXIT_DONE)
		return EXIT_TEMPORARY;
	if (f->written > 0 && !f->stream && fdatasync(f->fd) < 0) {
		failed(f, "write", why);
		take_back(f);
		return EXIT_TEMPORARY;
	}
	f->size += f->written;
	f->written = 0;
	return EXIT_DONE;
}

static void
ndjson_rollback(void *h)
{
	struct file *f = h;

	buf_clear(&f->batch);
	if (f->written > 0)
		take_back(f);
}

static void
ndjson_close(void *h)
{
	struct file *f = h;

	if (f == NULL)
		return;
	if (f->fd > STDERR_FILENO)
		close(f->fd);
	buf_free(&f->batch);
	free(f);
}

const struct target target_ndjson = {
	.name = "ndjson",
	.place = "FILE or -",
	.cursor = ndjson_cursor,
	.open = ndjson_open,
	.begin = ndjson_begin,
	.schema = ndjson_schema,
	.change = ndjson_change,
	.rebuild = ndjson_rebuild,
	.sweep = ndjson_sweep,
	.commit = ndjson_commit,
	.rollback = ndjson_rollback,
	.close = ndjson_close,
};
