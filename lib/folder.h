#ifndef IDMESH_FOLDER_H
#define IDMESH_FOLDER_H

/*
 * folder.h - a new file's name, made as durable as what is in the file.
 *
 * layer 0.  fsync(2) of a file says nothing of its entry in the folder: after
 * a power cut a file that was just made may be missing.  Whoever makes one
 * that must be found again calls this before anybody relies on it.
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * Syncs the folder that holds `path`; -1 with errno.  Where a file system
 * cannot sync folders there is nothing to do, and 0.
 */
int folder_sync(const char *path);

/* The folder that holds `path`, "." without one; the caller frees it. */
char *folder_of(const char *path);

/*
 * The one spelling of a path, behind all links, of a file that is not there yet
 * too: then that of its folder, and its name.  The caller frees it; NULL with
 * errno.
 */
char *folder_real(const char *path);

/*
 * The path of idmesh-NAME, which stands beside the program that runs; the
 * caller frees it.  NULL with errno.
 */
char *folder_program(const char *name);

/* Writes all of it to a file; -1 with errno. */
int folder_write(int fd, const void *bytes, size_t len);

/*
 * Is `error` of a call on a file one that passes, as a full disk does?  Then
 * the place is right, and a later attempt may do.
 */
bool folder_temporary(int error);

#endif
