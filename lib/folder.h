#ifndef IDMESH_FOLDER_H
#define IDMESH_FOLDER_H

/*
 * folder.h - a new file's name, made as durable as what is in the file.
 *
 * layer 0.  fsync(2) of a file says nothing of its entry in the folder: after
 * a power cut a file that was just made may be missing.  Whoever makes one
 * that must be found again calls this before anybody relies on it.
 */

/*
 * Syncs the folder that holds `path`; -1 with errno.  Where a file system
 * cannot sync folders there is nothing to do, and 0.
 */
int folder_sync(const char *path);

#endif
