#ifndef IDMESH_LOG_H
#define IDMESH_LOG_H

/*
 * log.h - one line to stderr for each thing worth saying, and the exit codes.
 *
 * layer 0.  Every program calls log_open() first.  A line is
 * "idmesh-fetch: warning: text"; it never holds a secret, and what would
 * steer a terminal is written as a blank.
 */

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* The same four in every program; they are in its man page. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_PARTLY = 1, /* done, with dead letters or skipped entities */
	EXIT_USAGE = 100, /* wrong use or configuration */
	EXIT_TEMPORARY = 111, /* temporary failure, trying again may help */
};

/*
 * Names the program in its lines; `name` is borrowed for ever.  First of all,
 * for it sees to it that no file that is opened later becomes descriptor 0, 1
 * or 2 where the caller had closed that.
 */
void log_open(const char *name);
/* Called before each line of this thread: who draws makes way. */
void log_before(void (*fn)(void));
/* Lines above this level are left out; LOG_INFO at the start. */
void log_level(enum log_level level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for each line of a text, which may be NULL. */
void log_error_lines(const char *text);

/*
 * One error line, then exit(code).  Only at the start, and where no process
 * can go on: no memory, no random bytes, no events.
 */
_Noreturn void die(enum exit_code code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
