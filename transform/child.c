/*
 * child.c - the child's side of a dispatcher.
 *
 * dispatch.c hands it pages over a socket pair, one line each; '!' before a
 * line asks for isolation.  It answers with a line "+RECORDS REJECTED" and
 * the records message, or with "!CODE TEXT" for a page that is no good.  It
 * never sees stdin or stdout: two writers of one pipe would tear lines.
 */

#include "transform.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lines.h"

/* The first line of an answer has one length, so that it is filled in last. */
#define COUNTS "+%010llu %010llu\n"

static void
count(char *place, uint64_t records, uint64_t rejected)
{
	char text[64];
	int len = snprintf(text, sizeof(text), COUNTS,
	    (unsigned long long)records, (unsigned long long)rejected);

	memcpy(place, text, (size_t)len);
}

static void
answer(struct mapper *m, const char *line, size_t len, struct buf *out)
{
	uint64_t records = m->records, rejected = m->rejects.n;
	int isolate = line[0] == '!';
	enum exit_code code;
	struct why why;

	buf_fmt(out, COUNTS, 0ULL, 0ULL);
	code = mapper_line(
	    m, line + isolate, len - (size_t)isolate, isolate, out, &why);
	if (code == EXIT_DONE) {
		buf_char(out, '\n');
		count(out->data, m->records - records, m->rejects.n - rejected);
		return;
	}
	buf_clear(out);
	buf_fmt(out, "!%d %s\n", (int)code, why.text);
}

static void
leave_stdio(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		_exit(EXIT_TEMPORARY);
	close(null);
}

void
child_run(struct mapper *m, int fd)
{
	struct lines *in = lines_new(fd);
	struct buf out = { 0 };
	size_t len;
	char *line;

	leave_stdio();
	while (lines_next(in, &line, &len) == LINES_ONE) {
		reload_if_asked(m);
		buf_clear(&out);
		answer(m, line, len, &out);
		if (lines_write(fd, out.data, out.len) < 0)
			break;
	}
	lines_free(in);
	buf_free(&out);
	mapper_close(m);
	_exit(EXIT_DONE);
}
