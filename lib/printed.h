#ifndef IDMESH_PRINTED_H
#define IDMESH_PRINTED_H

/*
 * printed.h - did what a command prints arrive?
 *
 * layer 0.  A write to stdout may fail long before the last one, on a full
 * disk for instance; stdio remembers that there was an error, and not which.
 * Every command that prints ends through here.
 */

#include "log.h"

/*
 * Flushes stdout.  `code`, or EXIT_TEMPORARY behind a line that says so when
 * something could not be written; wrong use stays what it is.  Without the
 * line when the reader of a pipe is gone (EPIPE): it has seen enough.  The
 * stages, whose readers may not leave, do not end through here.
 */
enum exit_code printed_end(enum exit_code code);

#endif
