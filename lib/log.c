/*
 * log.c - one line to stderr for each thing worth saying.
 *
 * Every program writes its diagnostics here, each as one write(2) so that
 * the lines of several processes on one terminal do not mix.
 */

#include "log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_LEN 2048

static const char *program = "idmesh";
static enum log_level threshold = LOG_INFO;
static void (*before)(void);
static pthread_t drawer; /* whose `before` is: what it touches has no locks */

/* The wrong way round, so that input and output fail as if still closed. */
static void
fill_closed(void)
{
	static const int modes[] = { O_WRONLY, O_RDONLY, O_WRONLY };

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", modes[fd]);
}

void
log_open(const char *name)
{
	fill_closed();
	program = name;
}

void
log_level(enum log_level level)
{
	threshold = level;
}

void
log_before(void (*fn)(void))
{
	before = fn;
	drawer = pthread_self();
}

static void line(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
line(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const words[] = { "error: ", "warning: ", "",
		"debug: " };
	char text[LINE_MAX_LEN];
	size_t room = sizeof(text) - 1, at;
	int n;

	if (level > threshold)
		return;
	n = snprintf(text, room, "%s: %s", program, words[level]);
	at = n < 0 ? 0 : (size_t)n;
	n = vsnprintf(text + at, room - at, fmt, ap);
	if (n > 0)
		at = at + (size_t)n < room ? at + (size_t)n : room - 1;
	/* Names and messages of others may hold anything. */
	for (size_t i = 0; i < at; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 127)
			text[i] = ' ';
	text[at++] = '\n';
	if (before != NULL && pthread_equal(drawer, pthread_self()))
		before();
	/* A log line that cannot be written has nowhere else to go. */
	if (write(STDERR_FILENO, text, at) < 0)
		return;
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(LOG_ERROR, fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(LOG_WARN, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(LOG_INFO, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(LOG_DEBUG, fmt, ap);
	va_end(ap);
}

void
log_error_lines(const char *text)
{
	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, "\n");

		if (len > 0)
			log_error("%.*s", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

void
die(enum exit_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(LOG_ERROR, fmt, ap);
	va_end(ap);
	exit(code);
}
