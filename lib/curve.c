/*
 * curve.c - CURVE key pairs, and the files they lie in.
 *
 * Called by `idmesh keygen`, and by bus.c before a tcp:// endpoint is opened.
 * Secret keys go from secret.h's pages to libzmq and nowhere else.
 */

#include "curve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zmq.h>

#include "folder.h"
#include "mem.h"
#include "secret.h"

#define CODE "E_KEY"
#define FILE_MAX 256 /* bytes of a file with a public key */

static int
failed(struct why *why, const char *path)
{
	return why_set(why, CODE, path, "%s: %s", path, strerror(errno));
}

static void
no_core(void)
{
	static const struct rlimit none = { 0, 0 };

	/* libzmq's own copy of the key is in no locked page. */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

/* -2: the place is right, and a later attempt may do. */
static int
not_written(struct why *why, const char *path)
{
	bool later = folder_temporary(errno);

	why_set(why, CODE, path, "%s cannot be written: %s; %s", path,
	    strerror(errno),
	    later ? "make room on its disk and try again"
		  : "name a folder in which you may write");
	return later ? -2 : -1;
}

/* A new file at `temp` with the key as its line; -1 with errno. */
static int
write_temp(const char *temp, const char *key, mode_t mode)
{
	char line[CURVE_TEXT + 1];
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int rc = -1, error;

	if (fd < 0)
		return -1;
	memcpy(line, key, CURVE_TEXT - 1);
	memcpy(line + CURVE_TEXT - 1, "\n", 2);
	if (fchmod(fd, mode) == 0 && folder_write(fd, line, CURVE_TEXT) == 0 &&
	    fsync(fd) == 0)
		rc = 0;
	error = errno;
	explicit_bzero(line, sizeof(line));
	if (close(fd) != 0 && rc == 0) {
		error = errno;
		rc = -1;
	}
	errno = error;
	return rc;
}

/* A link, unlike a rename, never replaces what has the name. */
static int
write_new(const char *path, const char *key, mode_t mode, struct why *why)
{
	char *temp = xasprintf("%s.%ld.new", path, (long)getpid());
	int rc = 0;

	if (write_temp(temp, key, mode) != 0)
		rc = not_written(why, path);
	else if (link(temp, path) != 0)
		rc = errno != EEXIST
			 ? not_written(why, path)
			 : why_set(why, CODE, path,
			       "%s is there already; a key is never replaced: "
			       "take another name, or remove it",
			       path);
	else if (folder_sync(path) != 0) {
		rc = not_written(why, path);
		unlink(path);
	}
	unlink(temp);
	free(temp);
	return rc;
}

int
curve_make(const char *path, char public_key[CURVE_TEXT], struct why *why)
{
	char *public_path = xasprintf("%s" CURVE_PUBLIC, path);
	char secret_key[CURVE_TEXT];
	int rc;

	no_core();
	if (zmq_curve_keypair(public_key, secret_key) != 0) {
		rc = why_set(why, CODE, NULL,
		    "this libzmq is built without CURVE; install another one");
	} else {
		rc = write_new(path, secret_key, 0600, why);
		if (rc == 0) {
			rc = write_new(public_path, public_key, 0644, why);
			if (rc != 0)
				unlink(path);
		}
	}
	explicit_bzero(secret_key, sizeof(secret_key));
	free(public_path);
	return rc;
}

int
curve_read(const char *path, struct curve_pair *pair, struct why *why)
{
	no_core();
	pair->secret_key = secret_read(path, why);
	if (pair->secret_key == NULL)
		return -1;
	if (secret_len(pair->secret_key) == CURVE_TEXT - 1 &&
	    zmq_curve_public(
		pair->public_key, secret_value(pair->secret_key)) == 0)
		return 0;
	curve_forget(pair);
	return why_set(why, CODE, path,
	    "%s holds no secret key; make one with 'idmesh keygen'", path);
}

void
curve_forget(struct curve_pair *pair)
{
	secret_free(pair->secret_key);
	pair->secret_key = NULL;
}

/* Whoever can write there decides who may speak to us. */
static int
check_public(int fd, const char *path, struct why *why)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return failed(why, path);
	if (!S_ISREG(st.st_mode))
		return why_set(why, CODE, path, "%s is no regular file", path);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return why_set(why, CODE, path,
		    "others may write %s; chown it to you and chmod go-w it",
		    path);
	return 0;
}

int
curve_read_public(
    const char *path, char public_key[CURVE_TEXT], struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char text[FILE_MAX];
	uint8_t key[CURVE_BYTES];
	ssize_t n;

	if (fd < 0)
		return failed(why, path);
	if (check_public(fd, path, why) != 0) {
		close(fd);
		return -1;
	}
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return failed(why, path);
	text[n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	if (strlen(text) != CURVE_TEXT - 1 || zmq_z85_decode(key, text) == NULL)
		return why_set(why, CODE, path,
		    "%s holds no public key: a line of %d characters, as "
		    "'idmesh keygen' writes it",
		    path, CURVE_TEXT - 1);
	memcpy(public_key, text, CURVE_TEXT);
	return 0;
}

void
curve_text(const uint8_t key[CURVE_BYTES], char text[CURVE_TEXT])
{
	zmq_z85_encode(text, key, CURVE_BYTES);
}
