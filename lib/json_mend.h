#ifndef IDMESH_JSON_MEND_H
#define IDMESH_JSON_MEND_H

/*
 * json_mend.h - text that is JSON but for characters that are no Unicode.
 *
 * layer 1.  A directory can hold half of a surrogate pair or bytes that are
 * no UTF-8 in one person's name; no JSON reader takes them.  fetch mends such
 * a page instead of losing the 199 others on it.  Pure.
 */

#include <stddef.h>

/*
 * Replaces, in place and without changing the length, every unpaired
 * \uD800-\uDFFF escape by \uFFFD (RFC 8259 8.2) and every byte that is not
 * part of valid UTF-8 by '?'.  Returns how many were replaced.
 */
size_t json_mend(char *text, size_t len);

#endif
