/*
 * secret.c - from a reference to its value, and the memory that holds it.
 *
 * fetch and the `secret` command call it.  The value goes from the descriptor
 * or the environment straight into pages of its own, which are locked, left
 * out of core files, and wiped before they are given back.
 */

#include "secret.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "folder.h"
#include "mem.h"
#include "secret_private.h"

#define SCHEME "secret://"
#define NAMES_MAX 8
#define REF_MAX 200
#define ENV_PREFIX "IDMESH_SECRET_"
#define PEM "-----BEGIN "

struct secret {
	size_t room; /* of the whole mapping, this struct included */
	size_t len;
	char value[];
};

static const char *
secrets_dir(void)
{
	const char *dir = getenv("IDMESH_SECRETS_DIR");

	return dir != NULL && dir[0] != '\0' ? dir : SECRET_DIR;
}

static int
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_';
}

int
secret_name_valid(const char *ref, struct why *why)
{
	size_t names = 1;
	const char *s = ref + strlen(SCHEME);

	if (strncmp(ref, SCHEME, strlen(SCHEME)) != 0)
		return why_set(why, SECRET_CODE, NULL,
		    "this is no secret reference; write one like "
		    "secret://okta/contoso/apitoken and keep the value out of "
		    "the file");
	if (strlen(ref) > REF_MAX)
		return why_set(why, SECRET_CODE, NULL,
		    "the secret reference is longer than %d bytes", REF_MAX);
	for (; *s != '\0'; s++) {
		int ends = s[1] == '/' || s[1] == '\0';

		names += *s == '/';
		if (!is_name_char(*s) && (*s != '/' || ends))
			break;
	}
	/* A / at the end or the beginning stops the loop or ends here. */
	if (*s != '\0' || s == ref + strlen(SCHEME) ||
	    ref[strlen(SCHEME)] == '/' || names > NAMES_MAX)
		return why_set(why, SECRET_CODE, NULL,
		    "a secret reference is secret:// and at most %d names of "
		    "letters, digits, - and _, as in "
		    "secret://okta/contoso/apitoken",
		    NAMES_MAX);
	return 0;
}

/* Pages for room bytes of value; NULL when the system has none. */
static struct secret *
allocate(size_t room)
{
	size_t len = sizeof(struct secret) + room + 1;
	struct secret *s = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		return NULL;
	/* Best effort: a small memlock limit must not stop the import. */
	(void)mlock(s, len);
	(void)madvise(s, len, MADV_DONTDUMP);
	s->room = len;
	return s;
}

void
secret_free(struct secret *s)
{
	size_t room;

	if (s == NULL)
		return;
	room = s->room;
	explicit_bzero(s, room);
	munmap(s, room);
}

const char *
secret_value(const struct secret *s)
{
	return s->value;
}

size_t
secret_len(const struct secret *s)
{
	return s->len;
}

int
secret_is_pem(const struct secret *s)
{
	return strncmp(s->value, PEM, strlen(PEM)) == 0;
}

/*
 * One newline at the end is the editor's.  What is left goes into a request
 * header, where a control character or a space would begin another one; only
 * keys and certificates in PEM have lines.
 */
static int
check(struct secret *s, const char *place, struct why *why)
{
	int pem = secret_is_pem(s);

	if (s->len > 0 && s->value[s->len - 1] == '\n')
		s->value[--s->len] = '\0';
	if (s->len == 0)
		return why_set(why, SECRET_CODE, NULL,
		    "%s is empty; store the value again", place);
	if (s->len > SECRET_MAX)
		return why_set(why, SECRET_CODE, NULL,
		    "%s holds more than %zu KiB; this is no token", place,
		    SECRET_MAX / 1024);
	for (size_t i = 0; i < s->len; i++) {
		unsigned char c = (unsigned char)s->value[i];

		if (pem && c != '\0' && strchr("\r\n\t ", c) != NULL)
			continue;
		if (c <= ' ' || c == 127)
			return why_set(why, SECRET_CODE, NULL,
			    "%s holds a space or a control character at byte "
			    "%zu; a token has none: store it again without",
			    place, i + 1);
	}
	return 0;
}

/* Reads fd to its end into a new secret; NULL with why filled. */
static struct secret *
from_fd(int fd, const char *place, struct why *why)
{
	/* Room for the newline, and for one byte that tells too much. */
	struct secret *s = allocate(SECRET_MAX + 2);
	ssize_t n = 1;

	if (s == NULL) {
		why_set(why, SECRET_CODE, NULL, "no memory for %s: %s", place,
		    strerror(errno));
		return NULL;
	}
	while (n != 0 && s->len < SECRET_MAX + 2) {
		n = read(fd, s->value + s->len, SECRET_MAX + 2 - s->len);
		if (n < 0 && errno != EINTR) {
			why_set(why, SECRET_CODE, NULL, "%s: %s", place,
			    strerror(errno));
			secret_free(s);
			return NULL;
		}
		if (n > 0)
			s->len += (size_t)n;
	}
	if (check(s, place, why) != 0) {
		secret_free(s);
		return NULL;
	}
	return s;
}

/* IDMESH_SECRET_OKTA_CONTOSO_APITOKEN; the caller frees it. */
static char *
variable_name(const char *name)
{
	char *env = xasprintf(ENV_PREFIX "%s", name);

	for (char *s = env; *s != '\0'; s++) {
		if (*s >= 'a' && *s <= 'z')
			*s = (char)(*s - 32);
		else if (*s == '/' || *s == '-')
			*s = '_';
	}
	return env;
}

static struct secret *
from_text(const char *text, const char *place, struct why *why)
{
	size_t len = strlen(text);
	struct secret *s = allocate(len);

	if (s == NULL) {
		why_set(why, SECRET_CODE, NULL, "no memory for %s: %s", place,
		    strerror(errno));
		return NULL;
	}
	memcpy(s->value, text, len);
	s->len = len;
	if (check(s, place, why) != 0) {
		secret_free(s);
		return NULL;
	}
	return s;
}

/* -1 failed, 0 not here, 1 found; place then says where. */
static int
try_file(const char *dir, const char *name, int credential, struct secret **s,
    struct buf *place, struct why *why)
{
	int fd, r = secret_file_open(dir, name, credential, &fd, why);

	if (r <= 0)
		return r;
	buf_fmt(
	    place, "%s %s/%s", credential ? "credential" : "file", dir, name);
	*s = from_fd(fd, place->data, why);
	close(fd);
	return *s != NULL ? 1 : -1;
}

static int
try_credential(
    const char *name, struct secret **s, struct buf *place, struct why *why)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char *id;
	int r;

	if (dir == NULL || dir[0] == '\0')
		return 0;
	id = xstrdup(name);
	for (char *p = id; *p != '\0'; p++)
		if (*p == '/')
			*p = '.';
	r = try_file(dir, id, 1, s, place, why);
	free(id);
	return r;
}

/* wipe: take it out of the environment, where children would inherit it. */
static int
try_environment(const char *name, int wipe, struct secret **s,
    struct buf *place, struct why *why)
{
	char *env = variable_name(name), *value = getenv(env);

	if (value != NULL) {
		buf_fmt(place, "environment variable %s", env);
		*s = from_text(value, place->data, why);
		if (wipe) {
			explicit_bzero(value, strlen(value));
			unsetenv(env);
		}
	}
	free(env);
	return value == NULL ? 0 : *s != NULL ? 1 : -1;
}

/* The places in their order; NULL with why filled. */
static struct secret *
find(const char *ref, int wipe, struct buf *place, struct why *why)
{
	const char *name;
	struct secret *s = NULL;
	char *env;
	int r;

	if (secret_name_valid(ref, why) != 0)
		return NULL;
	name = ref + strlen(SCHEME);
	r = try_credential(name, &s, place, why);
	if (r == 0)
		r = try_file(secrets_dir(), name, 0, &s, place, why);
	if (r == 0)
		r = try_environment(name, wipe, &s, place, why);
	if (r != 0)
		return s;
	env = variable_name(name);
	why_set(why, SECRET_CODE, NULL,
	    "%s is nowhere: neither a credential of this service, nor a file "
	    "%s/%s, nor the variable %s; `idmesh secret set %s` stores it",
	    ref, secrets_dir(), name, env, name);
	free(env);
	return NULL;
}

struct secret *
secret_resolve(const char *ref, struct why *why)
{
	struct buf place = { 0 };
	struct secret *s = find(ref, 1, &place, why);

	buf_free(&place);
	return s;
}

struct secret *
secret_read(const char *path, struct why *why)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	char *dir = folder_of(path);
	struct secret *s = NULL;
	int fd, r;

	r = secret_file_open(dir, name,
	    credentials != NULL && strcmp(credentials, dir) == 0, &fd, why);
	if (r == 0)
		why_set(
		    why, SECRET_CODE, NULL, "%s: there is no such file", path);
	if (r == 1) {
		s = from_fd(fd, path, why);
		close(fd);
	}
	free(dir);
	return s;
}

int
secret_which(const char *ref, struct buf *out, struct why *why)
{
	struct buf place = { 0 };
	struct secret *s = find(ref, 0, &place, why);

	if (s != NULL)
		buf_add(out, place.data, place.len);
	buf_free(&place);
	secret_free(s);
	return s != NULL ? 0 : -1;
}

int
secret_store(const char *ref, int fd, struct why *why)
{
	struct secret *s;
	int r;

	if (secret_name_valid(ref, why) != 0)
		return -1;
	s = from_fd(fd, "the value", why);
	if (s == NULL)
		return -1;
	r = secret_file_write(secrets_dir(), ref + strlen(SCHEME), s, why);
	secret_free(s);
	return r;
}
