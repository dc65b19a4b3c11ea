/*
 * store_lock.c - one join a database, and which sources it is working on.
 *
 * The lock is on a byte of FILE.lock; the file holds the process id and a
 * line for each source.  `join begin` reads it, for it may run while its own
 * pipeline's join is starting, but not against a join in the middle of a run.
 */

#include "join.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define LOCK_TEXT_MAX 4096
#define LOCK_BYTE 1 /* byte 0 is held while a file is opened */

static struct flock
writer(void)
{
	return (struct flock){
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = LOCK_BYTE,
		.l_len = 1,
	};
}

static void
lock_text(struct store *s, char text[LOCK_TEXT_MAX])
{
	ssize_t n = pread(s->lock_fd, text, LOCK_TEXT_MAX - 1, 0);

	text[n > 0 ? n : 0] = '\0';
}

int
store_lock(struct store *s)
{
	struct flock lock = writer();
	char text[LOCK_TEXT_MAX];
	int n;

	if (fcntl(s->lock_fd, F_OFD_SETLK, &lock) != 0) {
		lock_text(s, text);
		log_error("%s is in use by another join (process %ld): one "
			  "join a database",
		    s->path, strtol(text, NULL, 10));
		return EXIT_TEMPORARY;
	}
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	errno = ENOSPC; /* what a short write means */
	if (ftruncate(s->lock_fd, 0) != 0 ||
	    pwrite(s->lock_fd, text, (size_t)n, 0) != n) {
		log_error("%s.lock: %s; see to its disk and run again", s->path,
		    strerror(errno));
		return EXIT_TEMPORARY;
	}
	return EXIT_DONE;
}

void
store_claim(struct store *s, const char *source)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s\n", source);
	off_t end = lseek(s->lock_fd, 0, SEEK_END);

	/* Only a warning to others hangs on it; the epoch is the fence. */
	if (n < (int)sizeof(line) &&
	    pwrite(s->lock_fd, line, (size_t)n, end) < 0)
		log_warn("%s.lock: %s", s->path, strerror(errno));
}

/* Only looks: taking it would refuse a join that is just starting. */
static int
taken(struct store *s, char text[LOCK_TEXT_MAX], int64_t *pid)
{
	struct flock lock = writer();

	if (fcntl(s->lock_fd, F_OFD_GETLK, &lock) != 0 ||
	    lock.l_type == F_UNLCK)
		return 0;
	lock_text(s, text);
	*pid = strtol(text, NULL, 10);
	return 1;
}

int
store_locked(struct store *s, int64_t *pid)
{
	char text[LOCK_TEXT_MAX];

	return taken(s, text, pid);
}

int
store_claimed(struct store *s, const char *source, int64_t *pid)
{
	char text[LOCK_TEXT_MAX], *line, *next;

	if (!taken(s, text, pid))
		return 0;
	for (line = strchr(text, '\n'); line != NULL; line = next) {
		line++;
		next = strchr(line, '\n');
		if (next == NULL)
			break;
		if ((size_t)(next - line) == strlen(source) &&
		    memcmp(line, source, strlen(source)) == 0)
			return 1;
	}
	return 0;
}
