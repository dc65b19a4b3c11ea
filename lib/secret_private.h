#ifndef IDMESH_SECRET_PRIVATE_H
#define IDMESH_SECRET_PRIVATE_H

/*
 * secret_private.h - what secret*.c share, and nobody else.
 *
 * layer 1.  secret.c owns values and their memory and knows the places,
 * secret_file.c opens and writes files below a folder.
 */

#include "secret.h"

#define SECRET_MAX ((size_t)64 * 1024)
#define SECRET_CODE "E_SECRET"

/*
 * Opens `name` ("okta/contoso/apitoken") below the folder, following no link.
 * 1 with *fd open (the caller closes it), 0 when there is none, -1 with why
 * filled when it may not be trusted.  credential: a group may have the right to
 * read, as systemd leaves it.  secret_file.c
 */
int secret_file_open(const char *dir, const char *name, int credential, int *fd,
    struct why *why);

/*
 * Writes the value there; 0, or with why filled -1, or -2 when a later attempt
 * may do (a full disk).  secret_file.c
 */
int secret_file_write(
    const char *dir, const char *name, const struct secret *s, struct why *why);

#endif
