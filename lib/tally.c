/*
 * tally.c - what the programs of one run count together.
 *
 * bus_drop.c and zap.c add, run/summary.c takes.  The file is memory that the
 * processes share; it is worth nothing after the run.
 */

#include "tally.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define VARIABLE "IDMESH_TALLY"

static atomic_ullong *counts; /* TALLIES of them, or NULL */

static int
map(int fd)
{
	size_t len = TALLIES * sizeof(*counts);
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -1;
	counts = p;
	return 0;
}

int
tally_make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc = -1, error;

	if (fd < 0)
		return -1;
	/* A hole in a full disk would end us at the first count. */
	error = posix_fallocate(fd, 0, TALLIES * (off_t)sizeof(*counts));
	if (error == 0) {
		if (map(fd) == 0)
			rc = setenv(VARIABLE, path, 1);
		error = errno;
	}
	close(fd);
	if (rc != 0)
		(void)unlink(path);
	errno = error;
	return rc;
}

void
tally_open(void)
{
	const char *path = getenv(VARIABLE);
	int fd;

	if (path == NULL || counts != NULL)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	/* A shorter file would end us at the first count. */
	if (lseek(fd, 0, SEEK_END) == TALLIES * (off_t)sizeof(*counts))
		(void)map(fd);
	close(fd);
}

void
tally_add(enum tally what)
{
	if (counts != NULL)
		atomic_fetch_add(&counts[what], 1);
}

uint64_t
tally_take(enum tally what)
{
	return counts != NULL ? atomic_exchange(&counts[what], 0) : 0;
}
