/*
 * progress.c - how far the streams are, as people read it.
 *
 * Beside the flow: fetch or run puts numbers in, standard error or the
 * service manager gets text.  Owns the rows and remembers how many lines of
 * the terminal are its own.
 */

#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"

#define RATE_MS 1000 /* a rate is taken over at least so long */
#define RATE_KEPT 0.7 /* of the old rate in the new one */
#define COLUMNS 80 /* of a terminal that does not tell */
#define ROWS 24
#define NUMBER_MAX 32

#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

struct rated {
	struct progress_row row;
	double rate; /* records a second; below 0: not known yet */
	int64_t since_ms, since_n;
};

struct progress {
	struct rated *rows; /* owned */
	size_t n;
	int drawn; /* lines above the cursor that are ours */
};

struct progress *
progress_new(void)
{
	return xcalloc(1, sizeof(struct progress));
}

void
progress_free(struct progress *p)
{
	if (p == NULL)
		return;
	free(p->rows);
	free(p);
}

void
progress_clear(struct progress *p)
{
	p->n = 0;
}

static struct rated *
find(struct progress *p, const struct progress_row *row)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->rows[i].row.source, row->source) == 0 &&
		    strcmp(p->rows[i].row.stream, row->stream) == 0)
			return &p->rows[i];
	return NULL;
}

/* A stream that starts over, or goes on elsewhere, is measured anew. */
static void
rate(struct rated *r, int64_t n, int64_t now_ms)
{
	int64_t ms = now_ms - r->since_ms;
	double now;

	if (n < r->since_n) {
		r->rate = -1;
	} else if (ms < RATE_MS) {
		return;
	} else {
		now = (double)(n - r->since_n) * 1000 / (double)ms;
		r->rate = r->rate < 0
			      ? now
			      : r->rate * RATE_KEPT + now * (1 - RATE_KEPT);
	}
	r->since_ms = now_ms;
	r->since_n = n;
}

void
progress_put(struct progress *p, const struct progress_row *row, int64_t now_ms)
{
	struct rated *r = find(p, row);

	if (r == NULL) {
		p->rows = xrealloc(p->rows, (p->n + 1) * sizeof(*p->rows));
		r = &p->rows[p->n++];
		*r = (struct rated){
			.rate = -1, .since_ms = now_ms, .since_n = row->n
		};
	}
	if (row->state == PROGRESS_READING)
		rate(r, row->n, now_ms);
	r->row = *row;
}

const struct progress_row *
progress_row_at(const struct progress *p, size_t i)
{
	return i < p->n ? &p->rows[i].row : NULL;
}

/* "12,400" */
static const char *
number(int64_t n, char out[NUMBER_MAX])
{
	char digits[NUMBER_MAX];
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)n);
	char *at = out;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return out;
}

static void
put_wait(const struct progress_row *row, struct buf *out)
{
	/* A second begun is waited to its end. */
	time_t until = (time_t)((row->until_ms + 999) / 1000);
	char text[16];
	struct tm tm;

	if (row->until_ms == 0 || localtime_r(&until, &tm) == NULL)
		return;
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	buf_fmt(out, ", waiting for the %s until %s",
	    row->hours ? "hours" : "budget", text);
}

/* Everything about a row behind its name. */
static void
put_numbers(const struct rated *r, struct buf *out)
{
	static const char *const words[] = { "not begun", "", ", done",
		", incomplete", "skipped" };
	const struct progress_row *row = &r->row;
	char a[NUMBER_MAX], b[NUMBER_MAX];

	if (row->state == PROGRESS_IDLE || row->state == PROGRESS_SKIPPED) {
		buf_str(out, words[row->state]);
		put_wait(row, out);
		return;
	}
	buf_str(out, number(row->n, a));
	if (row->expected > 0 && row->state == PROGRESS_READING)
		buf_fmt(out, " of about %s (%lld %%)", number(row->expected, b),
		    (long long)(row->n >= row->expected
				    ? 100
				    : row->n * 100 / row->expected));
	buf_fmt(out, "%s, %s page%s", row->delta ? " changed" : "",
	    number(row->pages, b), row->pages == 1 ? "" : "s");
	if (row->state == PROGRESS_READING && r->rate >= 0)
		buf_fmt(out, ", %s/s", number((int64_t)(r->rate + 0.5), b));
	buf_str(out, words[row->state]);
	put_wait(row, out);
}

void
progress_text(const struct progress *p, struct buf *out)
{
	const char *source = "";

	for (size_t i = 0; i < p->n; i++) {
		const struct rated *r = &p->rows[i];

		if (i > 0)
			buf_str(out, "; ");
		if (strcmp(source, r->row.source) != 0) {
			source = r->row.source;
			buf_fmt(out, "%s ", source);
		}
		buf_fmt(out, "%s ", r->row.stream);
		put_numbers(r, out);
	}
}

bool
progress_can_draw(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term != NULL && term[0] != '\0' &&
	       strcmp(term, "dumb") != 0;
}

static void
size_of(int fd, int *columns, int *rows)
{
	struct winsize w;

	*columns = COLUMNS;
	*rows = ROWS;
	if (ioctl(fd, TIOCGWINSZ, &w) < 0)
		return;
	if (w.ws_col > 0)
		*columns = w.ws_col;
	if (w.ws_row > 0)
		*rows = w.ws_row;
}

/* At most `columns` of it; a byte that continues a character is none. */
static void
put_cut(const struct buf *line, int columns, struct buf *out)
{
	size_t len = 0;

	while (len < line->len && columns >= 0) {
		unsigned char c = (unsigned char)line->data[len];

		if ((c & 0xc0) != 0x80 && columns-- == 0)
			break;
		len++;
	}
	buf_add(out, line->data, len);
}

static const char *
colour(const struct progress_row *row)
{
	const char *no = getenv("NO_COLOR");

	if (no != NULL && no[0] != '\0')
		return NULL;
	if (row->until_ms != 0 || row->state == PROGRESS_SKIPPED ||
	    row->state == PROGRESS_INCOMPLETE)
		return YELLOW;
	return row->state == PROGRESS_DONE ? GREEN : NULL;
}

static void
draw_row(const struct rated *r, int columns, struct buf *out)
{
	const char *paint = colour(&r->row);
	struct buf line = { 0 };

	buf_fmt(&line, "%s %-11s ", r->row.source, r->row.stream);
	put_numbers(r, &line);
	if (paint != NULL)
		buf_str(out, paint);
	/* The last column is left free: some terminals wrap there. */
	put_cut(&line, columns - 1, out);
	if (paint != NULL)
		buf_str(out, PLAIN);
	buf_str(out, "\033[K\n");
	buf_free(&line);
}

static void
put_up(const struct progress *p, struct buf *out)
{
	if (p->drawn > 0)
		buf_fmt(out, "\033[%dA\r", p->drawn);
}

/* What a terminal does not take at once is drawn anew the next time. */
static void
flush(int fd, struct buf *out)
{
	if (out->len > 0 && write(fd, out->data, out->len) < 0)
		out->len = 0;
	buf_free(out);
}

void
progress_draw(struct progress *p, int fd)
{
	struct buf out = { 0 };
	int columns, rows, n = 0;

	size_of(fd, &columns, &rows);
	put_up(p, &out);
	/* What does not fit could not be drawn over. */
	for (size_t i = 0; i < p->n && n < rows - 1; i++, n++)
		draw_row(&p->rows[i], columns, &out);
	if (n < p->drawn)
		buf_str(&out, "\033[J");
	p->drawn = n;
	flush(fd, &out);
}

void
progress_erase(struct progress *p, int fd)
{
	struct buf out = { 0 };

	if (p->drawn == 0)
		return;
	put_up(p, &out);
	buf_str(&out, "\033[J");
	p->drawn = 0;
	flush(fd, &out);
}

int64_t
progress_line_ms(void)
{
	const char *text = getenv("IDMESH_PROGRESS_MS");
	long long ms = text != NULL ? strtoll(text, NULL, 10) : 0;

	return ms > 0 && ms <= 86400000 ? ms : PROGRESS_LINE_MS;
}
