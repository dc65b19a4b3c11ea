/*
 * secret_file.c - secrets as files below a folder.
 *
 * secret.c asks it to open or write one.  Every step is openat(2) below a
 * held descriptor and follows no link, so what was judged is what is read;
 * a new value replaces the old one whole, also through a crash.
 */

#include "secret_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "mem.h"

#define ELSEWHERE \
	"run it with sudo, or set IDMESH_SECRETS_DIR to a folder of yours"
#define FOLDER (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* Where we are below the folder, for messages. */
struct place {
	const char *dir;
	const char *name;
	size_t len; /* of name, as far as we have come */
};

/* errno is 0 behind a judgement of ours; the system's own stays. */
static int
refuse(struct why *why, const struct place *p, const char *text)
{
	errno = 0;
	return why_set(why, SECRET_CODE, NULL, "%s%s%.*s: %s", p->dir,
	    p->len > 0 ? "/" : "", (int)p->len, p->name, text);
}

static int
refuse_errno(struct why *why, const struct place *p)
{
	int saved = errno;

	if (errno == ELOOP || errno == ENOTDIR)
		return refuse(why, p,
		    "a link or no folder; put the folder or file itself there");
	if (errno == EACCES || errno == EPERM)
		refuse(why, p, "you may not; " ELSEWHERE);
	else
		refuse(why, p, strerror(errno));
	errno = saved;
	return -1;
}

static int
is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* A folder in which others could exchange the file is no safe place. */
static int
check_folder(int fd, const struct place *p, struct why *why)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return refuse_errno(why, p);
	if (!is_ours(&st))
		return refuse(why, p,
		    "belongs to another user; it must belong to root or to "
		    "the user of this program");
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return refuse(
		    why, p, "others may write in this folder; chmod go-w it");
	return 0;
}

/*
 * systemd makes a credential of root's that its unit's user may read by an
 * access list: the group bits are then the mask of that list and say nothing
 * about a group.  Others never pass through its folder.
 */
static int
check_file(int fd, const struct place *p, int credential, struct why *why)
{
	mode_t open_bits = S_IRWXG | S_IRWXO;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return refuse_errno(why, p);
	if (!S_ISREG(st.st_mode))
		return refuse(why, p, "is no regular file");
	if (!is_ours(&st))
		return refuse(why, p,
		    "belongs to another user; it must belong to root or to "
		    "the user of this program");
	if (credential)
		open_bits &= ~(mode_t)S_IRGRP;
	if (st.st_mode & open_bits)
		return refuse(why, p,
		    "others may use this file; chmod 600 it, and think about "
		    "a new secret");
	return 0;
}

/* A new folder is durable once its parent is. */
static int
make_part(int fd, const char *part)
{
	if (mkdirat(fd, part, 0700) != 0)
		return errno == EEXIST ? 0 : -1;
	return fsync(fd);
}

/*
 * Opens the folder that the last part of the name lies in; make: creates what
 * is missing.  The descriptor, -1 with why filled, or -2 when it is missing.
 */
static int
open_folder(struct place *p, int make, struct why *why)
{
	int fd = open(p->dir, FOLDER), next;
	const char *slash;

	p->len = 0;
	if (fd < 0)
		return errno == ENOENT ? -2 : refuse_errno(why, p);
	for (;;) {
		char *part;

		if (check_folder(fd, p, why) != 0)
			break;
		slash = strchr(p->name + p->len + (p->len > 0), '/');
		if (slash == NULL)
			return fd;
		part = xstrndup(p->name + p->len + (p->len > 0),
		    (size_t)(slash - p->name) - p->len - (p->len > 0));
		p->len = (size_t)(slash - p->name);
		if (make && make_part(fd, part) != 0) {
			refuse_errno(why, p);
			free(part);
			break;
		}
		next = openat(fd, part, FOLDER | O_NOFOLLOW);
		free(part);
		close(fd);
		fd = next;
		if (fd < 0)
			return errno == ENOENT ? -2 : refuse_errno(why, p);
	}
	close(fd);
	return -1;
}

/* The last part of a name. */
static const char *
base(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash != NULL ? slash + 1 : name;
}

int
secret_file_open(
    const char *dir, const char *name, int credential, int *fd, struct why *why)
{
	struct place p = { dir, name, 0 };
	int folder = open_folder(&p, 0, why);

	if (folder < 0)
		return folder == -2 ? 0 : -1;
	p.len = strlen(name);
	/* O_NONBLOCK: a FIFO must not hold us before it is refused. */
	*fd = openat(
	    folder, base(name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0) {
		int missing = errno == ENOENT;

		if (!missing)
			refuse_errno(why, &p);
		close(folder);
		return missing ? 0 : -1;
	}
	close(folder);
	if (check_file(*fd, &p, credential, why) != 0) {
		close(*fd);
		return -1;
	}
	return 1;
}

/* The folder itself: its parents as mkdir -p makes them, itself 0700. */
static int
make_folder(const char *dir, struct why *why)
{
	char *path = xstrdup(dir);
	int error = 0;

	for (char *s = path + 1; *s != '\0' && error == 0; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		if (mkdir(path, 0755) != 0 && access(path, F_OK) != 0)
			error = errno;
		*s = '/';
	}
	if (error == 0 && mkdir(dir, 0700) != 0 && errno != EEXIST)
		error = errno;
	free(path);
	if (error == 0)
		return 0;
	why_set(why, SECRET_CODE, NULL, "%s cannot be made (%s); %s", dir,
	    strerror(error),
	    folder_temporary(error) ? "make room on its disk" : ELSEWHERE);
	return folder_temporary(error) ? -2 : -1;
}

/* Writes `temp` in the folder, makes it durable, gives it its name. */
static int
replace(int folder, const char *temp, const char *name, const struct secret *s)
{
	int fd;
	int r = -1, saved;

	/* Left by a crash of a process that had our number. */
	unlinkat(folder, temp, 0);
	fd = openat(folder, temp,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (fchmod(fd, 0600) == 0 &&
	    folder_write(fd, secret_value(s), secret_len(s)) == 0 &&
	    fsync(fd) == 0)
		r = 0;
	saved = errno;
	if (close(fd) != 0 && r == 0) {
		saved = errno;
		r = -1;
	}
	if (r == 0 && renameat(folder, temp, folder, name) == 0 &&
	    fsync(folder) == 0)
		return 0;
	if (r == 0)
		saved = errno;
	unlinkat(folder, temp, 0);
	errno = saved;
	return -1;
}

int
secret_file_write(
    const char *dir, const char *name, const struct secret *s, struct why *why)
{
	struct place p = { dir, name, 0 };
	char *temp;
	int folder, r = make_folder(dir, why);

	if (r != 0)
		return r;
	folder = open_folder(&p, 1, why);
	if (folder == -2)
		return refuse(why, &p, "cannot be made");
	if (folder < 0)
		return folder_temporary(errno) ? -2 : -1;
	p.len = strlen(name);
	temp = xasprintf(".%s.%ld", base(name), (long)getpid());
	if (replace(folder, temp, base(name), s) != 0) {
		r = folder_temporary(errno) ? -2 : -1;
		refuse_errno(why, &p);
	}
	free(temp);
	close(folder);
	return r;
}
