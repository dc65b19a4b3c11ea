/*
 * folder.c - a new file's name, made as durable as what is in the file.
 *
 * join and the sinks call it when they have made a database or a target,
 * curve.c and secret_file.c when they write keys and secrets; run and join
 * find the other programs here.
 */

#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

char *
folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return xstrdup(".");
	if (slash == path)
		return xstrdup("/");
	return xstrndup(path, (size_t)(slash - path));
}

/* Where a link leads; NULL when it is none. */
static char *
linked_to(const char *path)
{
	char to[PATH_MAX], *folder, *out;
	ssize_t n = readlink(path, to, sizeof(to) - 1);

	if (n <= 0)
		return NULL;
	to[n] = '\0';
	if (to[0] == '/')
		return xstrdup(to);
	folder = folder_of(path);
	out = xasprintf("%s/%s", folder, to);
	free(folder);
	return out;
}

char *
folder_real(const char *path)
{
	char *real = realpath(path, NULL), *folder, *out;
	const char *slash = strrchr(path, '/');

	if (real != NULL)
		return real;
	/* Links in a circle are ELOOP, so that these end. */
	out = errno == ENOENT ? linked_to(path) : NULL;
	if (out != NULL) {
		real = folder_real(out);
		free(out);
		return real;
	}
	folder = folder_of(path);
	real = realpath(folder, NULL);
	free(folder);
	if (real == NULL)
		return NULL;
	out = xasprintf("%s/%s", real, slash != NULL ? slash + 1 : path);
	free(real);
	return out;
}

char *
folder_program(const char *name)
{
	char self[PATH_MAX], *folder, *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return NULL;
	self[n] = '\0';
	folder = folder_of(self);
	path = xasprintf("%s/idmesh-%s", folder, name);
	free(folder);
	return path;
}

int
folder_sync(const char *path)
{
	char *folder = folder_of(path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0, error = errno;

	free(folder);
	/* Who may write but not read a folder made the file all the same. */
	if (fd < 0) {
		errno = error;
		return error == EACCES ? 0 : -1;
	}
	if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
		rc = -1;
	error = errno;
	close(fd);
	errno = error;
	return rc;
}

int
folder_write(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

bool
folder_temporary(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG ||
	       error == EIO || error == ENOMEM || error == EMFILE ||
	       error == ENFILE;
}
