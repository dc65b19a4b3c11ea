/*
 * peers.c - the folder of public keys: who may speak to us, and to whom we
 * speak.
 *
 * Called by zap.c for each connection, and by bus.c before an endpoint is
 * opened.  Keeps nothing.
 */

#include "peers.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

/* What is being looked for in the folder of one role, and what was found. */
struct search {
	const char *key; /* of whom; NULL counts all */
	char name[PEERS_USER]; /* of the one with the key */
	char *only; /* owned: path of the last key */
	int n; /* found */
};

static int
is_key_file(const char *name)
{
	size_t len = strlen(name), end = strlen(CURVE_PUBLIC);

	return name[0] != '.' && len > end &&
	       strcmp(name + len - end, CURVE_PUBLIC) == 0;
}

static void
look_at(struct search *s, const char *folder, const char *name)
{
	char *path = xasprintf("%s/%s", folder, name), key[CURVE_TEXT];
	int len = (int)(strlen(name) - strlen(CURVE_PUBLIC));
	struct why why;

	if (curve_read_public(path, key, &why) != 0) {
		/* Once, at the start: not for each stranger who knocks. */
		if (s->key == NULL)
			log_warn("%s; left out", why.text);
	} else if (s->key == NULL || strcmp(key, s->key) == 0) {
		s->n++;
		snprintf(s->name, sizeof(s->name), "%.*s", len, name);
		free(s->only);
		s->only = xstrdup(path);
	}
	free(path);
}

/* A folder of others could hold anybody's key. */
static int
is_ours(DIR *folder)
{
	struct stat st;

	return fstat(dirfd(folder), &st) == 0 &&
	       (st.st_uid == 0 || st.st_uid == geteuid()) &&
	       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static void
look_in(struct search *s, const char *dir, const char *role, int role_len)
{
	char *path = xasprintf("%s/%.*s", dir, role_len, role);
	DIR *folder = opendir(path);

	if (folder != NULL && !is_ours(folder)) {
		if (s->key == NULL)
			log_warn("%s: others may write in this folder; chown "
				 "it to you and chmod go-w it; left out",
			    path);
	} else if (folder != NULL) {
		for (;;) {
			struct dirent *e = readdir(folder);

			if (e == NULL || (s->key != NULL && s->n > 0))
				break;
			if (is_key_file(e->d_name))
				look_at(s, path, e->d_name);
		}
	}
	if (folder != NULL)
		closedir(folder);
	free(path);
}

int
peers_who(const char *dir, const char *roles, const char key[CURVE_TEXT],
    char user[PEERS_USER])
{
	char name[PEERS_USER] = "";
	size_t at = 0;

	for (const char *p = roles; *p != '\0'; p += *p == ',') {
		size_t len = strcspn(p, ",");
		struct search s = { .key = key };

		look_in(&s, dir, p, (int)len);
		free(s.only);
		if (s.n > 0 && at + len + 2 < PEERS_USER) {
			if (at > 0)
				user[at++] = ',';
			else
				memcpy(name, s.name, sizeof(name));
			memcpy(user + at, p, len);
			at += len;
		}
		p += len;
	}
	snprintf(user + at, PEERS_USER - at, "/%s", name);
	return at > 0;
}

int
peers_count(const char *dir, const char *roles, struct why *why)
{
	struct search s = { 0 };

	if (access(dir, R_OK | X_OK) != 0)
		return why_set(
		    why, PEERS_CODE, dir, "%s: %s", dir, strerror(errno));
	for (const char *p = roles; *p != '\0'; p += *p == ',') {
		size_t len = strcspn(p, ",");

		look_in(&s, dir, p, (int)len);
		p += len;
	}
	free(s.only);
	return s.n;
}

/* The key in the file that is named after the host, if there is one. */
static int
named(const char *dir, const char *role, const char *host, size_t len,
    char key[CURVE_TEXT], struct why *why)
{
	char *path =
	    xasprintf("%s/%s/%.*s" CURVE_PUBLIC, dir, role, (int)len, host);
	int rc = 0;

	if (access(path, F_OK) == 0)
		rc = curve_read_public(path, key, why) == 0 ? 1 : -1;
	free(path);
	return rc;
}

int
peers_key(const char *dir, const char *role, const char *endpoint,
    char key[CURVE_TEXT], struct why *why)
{
	const char *host = strstr(endpoint, "://") + 3;
	const char *source = strchr(host, ';'), *colon;
	struct search s = { 0 };
	int rc;

	if (source != NULL)
		host = source + 1;
	colon = strrchr(host, ':');
	rc = named(dir, role, host, strlen(host), key, why);
	if (rc == 0 && colon != NULL)
		rc = named(dir, role, host, (size_t)(colon - host), key, why);
	if (rc != 0)
		return rc > 0 ? 0 : -1;
	look_in(&s, dir, role, (int)strlen(role));
	if (s.n == 1)
		rc = curve_read_public(s.only, key, why);
	else if (s.n == 0)
		rc = why_set(why, PEERS_CODE, endpoint,
		    "%s: there is no key in %s/%s; copy the .pub file of that "
		    "%s there",
		    endpoint, dir, role, role);
	else
		rc = why_set(why, PEERS_CODE, endpoint,
		    "%s: %s/%s holds %d keys; name the right one "
		    "%s" CURVE_PUBLIC " there",
		    endpoint, dir, role, s.n, host);
	free(s.only);
	return rc;
}
