#ifndef IDMESH_PROGRESS_H
#define IDMESH_PROGRESS_H

/*
 * progress.h - how far the streams are: lines that move on a terminal, one
 * line now and then elsewhere, and the event that carries it.
 *
 * layer 2.  fetch knows the numbers and shows them, or sends them to
 * `idmesh run`, which shows those of all its fetches: only one program draws.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define PROGRESS_DRAW_MS 250 /* between two looks of a terminal */
#define PROGRESS_LINE_MS 10000 /* between two lines elsewhere */

enum progress_state {
	PROGRESS_IDLE, /* not begun */
	PROGRESS_READING,
	PROGRESS_DONE,
	PROGRESS_INCOMPLETE,
	PROGRESS_SKIPPED,
};

/* One stream of one source. */
struct progress_row {
	char source[96], stream[32];
	enum progress_state state;
	bool delta;
	int64_t n, pages; /* records and pages so far */
	int64_t expected; /* records in all, 0: nobody knows */
	int64_t until_ms; /* wall time until which it waits, 0: it does not */
	bool hours; /* it waits for its hours, not for the budget */
};

struct progress;

struct progress *progress_new(void);
/* Erases nothing; NULL is fine. */
void progress_free(struct progress *p);
/* Forgets every row: another round begins. */
void progress_clear(struct progress *p);
/* Takes the newest numbers of a row; rates come of them. */
void progress_put(
    struct progress *p, const struct progress_row *row, int64_t now_ms);

/* All rows in one line; nothing when there are none. */
void progress_text(const struct progress *p, struct buf *out);

/*
 * Is fd a terminal that can move its cursor?  Then draw writes one line a
 * row over what it drew before, no wider than the terminal, in colours unless
 * $NO_COLOR is set; erase takes them away before anything else is written.
 */
bool progress_can_draw(int fd);
void progress_draw(struct progress *p, int fd);
void progress_erase(struct progress *p, int fd);

/* PROGRESS_LINE_MS, or what $IDMESH_PROGRESS_MS says instead. */
int64_t progress_line_ms(void);

/*
 * progress_event.c: the rows from `at` on as an `event` message of at most
 * PROGRESS_EVENT bytes and a newline, which a pipe takes whole or not at all
 * (PIPE_BUF of pipe(7)).  Returns the row that the next message begins with.
 */
#define PROGRESS_EVENT 4095
size_t progress_write(
    const struct progress *p, bool ready, size_t at, struct buf *out);
/* Puts its rows and sets *ready; -1 when the line is no such event. */
int progress_read(struct progress *p, const char *line, size_t len,
    int64_t now_ms, bool *ready);
/* The rows from the first on; NULL behind the last. */
const struct progress_row *progress_row_at(const struct progress *p, size_t i);

#endif
