/*
 * lock.c - one fetch per tenant and host.
 *
 * command.c takes it before the first request, since two processes that each
 * spend the whole budget break the limits.  The lock is the descriptor, held
 * until the process ends; what is in the file is for people.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fetch.h"
#include "mem.h"

/* A folder of ours that nobody else can put links into. */
static char *
open_folder(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *path = runtime != NULL && *runtime == '/'
			 ? xasprintf("%s/idmesh", runtime)
			 : xasprintf("/tmp/idmesh-%u", (unsigned)getuid());
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		die(EXIT_TEMPORARY, "cannot make %s: %s", path,
		    strerror(errno));
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != getuid() || (st.st_mode & 022) != 0)
		die(EXIT_USAGE,
		    "%s must be a folder that only you can write to", path);
	return path;
}

static char *
lock_path(const char *tenant)
{
	char *folder = open_folder(), *name, *path;
	const char *host = strstr(tenant, "://");

	name = xstrdup(host != NULL ? host + 3 : tenant);
	for (char *p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '.' && *p != '-')
			*p = '_';
	path = xasprintf("%s/fetch-%s.lock", folder, name);
	free(folder);
	free(name);
	return path;
}

static _Noreturn void
refuse(int fd, const char *path, const char *tenant)
{
	char holder[128] = "";
	ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);

	if (n > 0)
		holder[strcspn(holder, "\n")] = '\0';
	die(EXIT_TEMPORARY,
	    "another fetch of %s is running (%s); one process has the "
	    "tenant's whole budget.  Lock: %s",
	    tenant, holder[0] != '\0' ? holder : "unknown", path);
}

void
lock_tenant(const char *tenant)
{
	char *path = lock_path(tenant), now[CLOCK_TEXT], text[128];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int n;

	if (fd < 0)
		die(EXIT_TEMPORARY, "cannot open %s: %s", path,
		    strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		refuse(fd, path, tenant);
	clock_rfc3339(clock_wall_ms(), now);
	n = snprintf(
	    text, sizeof(text), "pid %ld, since %s\n", (long)getpid(), now);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		die(EXIT_TEMPORARY, "cannot write %s: %s", path,
		    strerror(errno));
	free(path);
	/* fd stays open: it is the lock. */
}
