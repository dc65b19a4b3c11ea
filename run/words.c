/*
 * words.c - what the programs of the set say.
 *
 * Their standard error comes here line by line and goes on to ours, so that
 * the lines of progress can make way, sockets are called by what stands
 * behind them, and the last words of a program are known when it dies.
 * fetch's events go into the progress.
 */

#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "lines.h"
#include "log.h"
#include "mem.h"

#define STUCK_MS 1000 /* for whoever reads our standard error */
#define WORDS_MAX 400
#define LINE_LEN ((size_t)64 << 10) /* of one that is heard or passed on */
#define READS_MAX 8 /* before others have their turn */

/* Appends the line with each socket of a sink named as its target. */
static void
rename_sockets(const struct run *r, const char *line, struct buf *out)
{
	char *prefix = xasprintf("ipc://%s/mesh-", r->runtime);
	size_t len = strlen(prefix), i;
	const char *at;

	for (at = strstr(line, prefix); at != NULL; at = strstr(line, prefix)) {
		char *end;

		buf_add(out, line, (size_t)(at - line));
		i = strtoul(at + len, &end, 10);
		line = end;
		if (end > at + len && i < r->config.sinks.n)
			buf_str(out, r->config.sinks.items[i]);
		else
			buf_add(out, at, (size_t)(end - at));
	}
	buf_str(out, line);
	free(prefix);
}

/* An error is remembered rather than what is said behind it. */
static void
remember(struct child *c, const char *line)
{
	static const char mark[] = ": error: ";
	const char *error = strstr(line, mark);

	if (line[0] == '{' || line[0] == '\0' || (error == NULL && c->is_error))
		return;
	free(c->last_words);
	c->is_error = error != NULL;
	c->last_words = xstrndup(
	    error != NULL ? error + sizeof(mark) - 1 : line, WORDS_MAX);
}

static bool
is_serious(const char *line)
{
	return strstr(line, ": error: ") != NULL ||
	       strstr(line, ": warning: ") != NULL;
}

/*
 * Who does not read our standard error must not hold the set up for ever: a
 * pipe that can be written takes so much at once.
 */
static bool
put(const char *at, size_t len, int wait_ms)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	while (len > 0) {
		size_t n = len < PIPE_BUF ? len : PIPE_BUF;

		if (poll(&p, 1, wait_ms) != 1)
			return false;
		(void)lines_write(STDERR_FILENO, at, n);
		at += n;
		len -= n;
	}
	return true;
}

static void
pass_on(struct buf *line)
{
	static unsigned long lost;

	buf_char(line, '\n');
	if (lost > 0 && put("\n", 1, 0)) {
		log_warn("%lu lines were lost: nobody read them", lost);
		lost = 0;
	}
	if (lost > 0 || !put(line->data, line->len, STUCK_MS))
		lost++;
}

/* One reading: what was buffered before does not count as one. */
static enum lines_result
next_line(struct hearing *h, int *reads, char **line, size_t *len)
{
	if (!lines_ready(h->lines) && ++*reads > READS_MAX)
		return LINES_WAIT;
	return lines_next(h->lines, line, len);
}

static void
hear(struct child *c, const char *line, bool is_cut)
{
	struct buf text = { 0 };

	rename_sockets(c->run, line, &text);
	if (is_cut)
		buf_str(&text, " ... (cut here)");
	remember(c, text.data);
	if (!c->run->options->quiet || is_serious(text.data)) {
		show_make_way();
		pass_on(&text);
	}
	buf_free(&text);
}

static void
on_words(void *arg, short events)
{
	struct child *c = arg;
	enum lines_result r;
	int reads = 0;
	char *line;
	size_t len;

	(void)events;
	for (;;) {
		r = next_line(&c->words, &reads, &line, &len);
		if (r != LINES_ONE && r != LINES_LONG)
			break;
		hear(c, line, r == LINES_LONG);
	}
}

static void
on_events(void *arg, short events)
{
	struct child *c = arg;
	int reads = 0;
	bool ready;
	char *line;
	size_t len;

	(void)events;
	while (next_line(&c->events, &reads, &line, &len) == LINES_ONE)
		if (progress_read(
			c->run->progress, line, len, clock_ms(), &ready) == 0)
			c->ready = ready;
}

static void
hearing_open(
    struct hearing *h, struct child *c, void (*fn)(void *arg, short events))
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0 || fcntl(p[0], F_SETFL, O_NONBLOCK) < 0)
		die(EXIT_TEMPORARY, "cannot make a pipe: %s", strerror(errno));
	h->read_fd = p[0];
	h->write_fd = p[1];
	h->lines = lines_new_max(p[0], LINE_LEN);
	loop_fd(c->run->loop, p[0], LOOP_IN, fn, c);
}

static void
hearing_close(struct hearing *h)
{
	if (h->lines == NULL)
		return;
	lines_free(h->lines);
	close(h->read_fd);
	close(h->write_fd);
	h->lines = NULL;
}

void
words_open(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct child *c = &r->children[i];

		hearing_open(&c->words, c, on_words);
		if (c->role == ROLE_FETCH)
			hearing_open(&c->events, c, on_events);
	}
}

void
words_drain(struct child *c)
{
	char *line;
	size_t len;

	on_words(c, 0);
	if (lines_rest(c->words.lines, &line, &len))
		hear(c, line, false);
	if (c->role == ROLE_FETCH) {
		on_events(c, 0);
		(void)lines_rest(c->events.lines, &line, &len);
	}
}

void
words_forget(struct child *c)
{
	free(c->last_words);
	c->last_words = NULL;
	c->is_error = false;
}

void
words_close(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct child *c = &r->children[i];

		if (c->words.lines != NULL)
			words_drain(c);
		hearing_close(&c->words);
		hearing_close(&c->events);
		words_forget(c);
	}
}
