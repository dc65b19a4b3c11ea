/*
 * runtime.c - the private folder of a run: its sockets and the scope.
 *
 * A run that was killed leaves its folder behind.  Each holds a lock while
 * its run lives, so the next run can tell such a folder and take it away:
 * only one of this user, of this form, whose lock nobody holds.
 */

#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"
#include "tally.h"

#define PREFIX "idmesh-"
#define FORM PREFIX "XXXXXX"
#define LOCK "run.lock"
/* A socket's path has 107 bytes, and its name needs some of them. */
#define BASE_MAX 70
#define TRIES 3

/* The caller frees it. */
static char *
base_folder(void)
{
	static const char *const names[] = { "RUNTIME_DIRECTORY",
		"XDG_RUNTIME_DIR" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);
		size_t len;
		char *base;

		/* systemd names several with colons between them. */
		len = value != NULL ? strcspn(value, ":") : 0;
		if (len == 0 || len > BASE_MAX || value[0] != '/')
			continue;
		base = xstrndup(value, len);
		if (access(base, W_OK) == 0)
			return base;
		free(base);
	}
	return xstrdup("/tmp");
}

/* Everything in it is a socket or a file of a run. */
static void
empty(int dir_fd)
{
	DIR *dir = fdopendir(dup(dir_fd));
	const struct dirent *e;

	if (dir == NULL)
		return;
	rewinddir(dir);
	for (e = readdir(dir); e != NULL; e = readdir(dir))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)unlinkat(dir_fd, e->d_name, 0);
	closedir(dir);
}

static bool
is_own(int dir_fd)
{
	struct stat st;

	return fstat(dir_fd, &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

/* Takes one folder away, unless it is not ours or somebody lives there. */
static void
remove_stale(int base_fd, const char *name)
{
	int dir_fd = openat(
	    base_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int lock_fd = -1;

	if (dir_fd >= 0 && is_own(dir_fd))
		lock_fd = openat(dir_fd, LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (lock_fd >= 0 && flock(lock_fd, LOCK_EX | LOCK_NB) == 0) {
		empty(dir_fd);
		(void)unlinkat(base_fd, name, AT_REMOVEDIR);
		log_debug("took away %s, which a killed run had left", name);
	}
	if (lock_fd >= 0)
		close(lock_fd);
	if (dir_fd >= 0)
		close(dir_fd);
}

static void
remove_all_stale(const char *base)
{
	DIR *dir = opendir(base);
	const struct dirent *e;

	if (dir == NULL)
		return;
	for (e = readdir(dir); e != NULL; e = readdir(dir))
		if (strlen(e->d_name) == strlen(FORM) &&
		    strncmp(e->d_name, PREFIX, strlen(PREFIX)) == 0)
			remove_stale(dirfd(dir), e->d_name);
	closedir(dir);
}

/* Another start may see the folder before it is locked, and take it away. */
static int
hold(const char *folder)
{
	char *path = xasprintf("%s/" LOCK, folder);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	free(path);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
	    st.st_nlink > 0)
		return fd;
	close(fd);
	errno = EAGAIN;
	return -1;
}

/* Without a lock nobody could tell that it is stale. */
static void
give_back(const char *folder)
{
	int error = errno;

	(void)rmdir(folder);
	errno = error;
}

/* Without it the summary lacks some counts, and no more. */
static void
make_tally(const struct run *r)
{
	char *path = xasprintf("%s/tally", r->runtime);

	if (tally_make(path) != 0)
		log_warn("cannot make %s: %s", path, strerror(errno));
	free(path);
}

int
runtime_make(struct run *r)
{
	char *base = base_folder();

	remove_all_stale(base);
	for (int i = 0; i < TRIES && r->runtime_fd < 0; i++) {
		free(r->runtime);
		r->runtime = xasprintf("%s/" FORM, base);
		if (mkdtemp(r->runtime) == NULL)
			continue;
		r->runtime_fd = hold(r->runtime);
		if (r->runtime_fd < 0)
			give_back(r->runtime);
	}
	if (r->runtime_fd < 0) {
		log_error("cannot make a folder for sockets below %s: %s", base,
		    strerror(errno));
		r->code = EXIT_TEMPORARY;
		free(r->runtime);
		r->runtime = NULL;
	} else {
		make_tally(r);
	}
	free(base);
	return r->runtime_fd < 0 ? -1 : 0;
}

void
runtime_remove(struct run *r)
{
	int fd;

	if (r->runtime == NULL)
		return;
	fd = open(r->runtime, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		empty(fd);
		close(fd);
	}
	(void)rmdir(r->runtime);
	close(r->runtime_fd);
	free(r->runtime);
	r->runtime = NULL;
}
