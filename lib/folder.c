/*
 * folder.c - a new file's name, made as durable as what is in the file.
 *
 * join and the sinks call it when they have made a database or a target.
 */

#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

int
folder_sync(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	int fd, rc = 0, error;

	if (slash == NULL)
		folder = xstrdup(".");
	else if (slash == path)
		folder = xstrdup("/");
	else
		folder = xstrndup(path, (size_t)(slash - path));
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	/* Who may write but not read a folder made the file all the same. */
	if (fd < 0)
		return errno == EACCES ? 0 : -1;
	if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
		rc = -1;
	error = errno;
	close(fd);
	errno = error;
	return rc;
}
