/*
 * targets.c - is every file that a run writes written by one program only?
 *
 * Two sinks on one file, or a sink on join's database, would spoil each
 * other, however differently the file is spelled.  main.c asks before
 * anything is started.
 */

#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "mem.h"

/* What is behind "sqlite:"; NULL for a target that is no file. */
static const char *
path_of(const char *sink)
{
	static const char *const kinds[] = { "sqlite:", "ndjson:" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(sink, kinds[i], strlen(kinds[i])) == 0)
			return sink + strlen(kinds[i]);
	return NULL;
}

/* A file may have two names. */
static bool
same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool
same(const char *a, const char *b)
{
	char *x, *y;
	bool equal;

	if (a == NULL || b == NULL)
		return false;
	x = folder_real(a);
	y = folder_real(b);
	equal =
	    (x != NULL && y != NULL && strcmp(x, y) == 0) || same_file(a, b);
	free(x);
	free(y);
	return equal;
}

static int
check_folder(const struct config_run *c, struct buf *errors)
{
	char *folder = folder_of(c->state);
	int rc = 0;

	/* A disk that went read-only comes back: join ends with 111 then. */
	if (access(folder, W_OK | X_OK) < 0 && errno != EROFS) {
		buf_fmt(errors,
		    "%s: the state file %s cannot be written: its folder: %s; "
		    "make it, or name another \"state\"\n",
		    c->path, c->state, strerror(errno));
		rc = -1;
	}
	free(folder);
	return rc;
}

int
targets_check(const struct config_run *c, struct buf *errors)
{
	int rc = check_folder(c, errors);

	for (size_t i = 0; i < c->sinks.n; i++) {
		const char *sink = c->sinks.items[i], *path = path_of(sink);

		if (same(path, c->state)) {
			buf_fmt(errors,
			    "%s: the sink %s is the state file; join keeps "
			    "everything there: name another file\n",
			    c->path, sink);
			rc = -1;
		}
		for (size_t k = 0; k < i; k++) {
			const char *other = c->sinks.items[k];

			if (!same(path, path_of(other)))
				continue;
			buf_fmt(errors,
			    "%s: the sinks %s and %s are one file; leave one "
			    "out\n",
			    c->path, other, sink);
			rc = -1;
		}
	}
	return rc;
}
