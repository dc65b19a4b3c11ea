#ifndef IDMESH_LINK_HEADER_H
#define IDMESH_LINK_HEADER_H

/*
 * link_header.h - where the next page of a listing is.
 *
 * layer 1.  fetch collects the Link lines of an answer and asks here.  Only
 * path and query of the next URL are used: links may name another host, and
 * a credential goes to the configured origin alone.  Pure.
 * Source: RFC 8288 3.
 */

#include <stddef.h>

#include "buf.h"

/*
 * Looks for rel="next" in the value of Link headers: one line, several joined
 * by commas, or several lines joined by newlines.  1: `path` then holds path
 * and query, beginning with '/'.  0: there is none, the listing ends.  -1:
 * there is one that no http or https URL or absolute path is in, or the
 * header is torn; the listing is neither complete nor can it go on.
 */
int link_next(const char *header, size_t len, struct buf *path);

/* The same of one URL or absolute path alone: 1, or -1. */
int link_path(const char *url, size_t len, struct buf *path);

#endif
