#ifndef IDMESH_CLOCK_H
#define IDMESH_CLOCK_H

/*
 * clock.h - monotonic milliseconds, and the two date forms of the APIs.
 *
 * layer 0.  Waiting is done on the monotonic clock; instants of the outside
 * world are milliseconds since the epoch as the *server* tells them.
 */

#include <stddef.h>
#include <stdint.h>

#define CLOCK_TEXT 32 /* room for either text form and its NUL */

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t clock_ms(void);
/* Milliseconds since the epoch by the local clock; for log lines only. */
int64_t clock_wall_ms(void);

/* "2026-04-22T08:15:30.000Z" of an instant. */
void clock_rfc3339(int64_t wall_ms, char out[CLOCK_TEXT]);
/* Reads RFC 3339 (with or without fraction, Z or offset); -1 when it is not. */
int clock_parse_rfc3339(const char *s, size_t len, int64_t *wall_ms);
/* Reads "Thu, 11 Sep 2025 16:21:50 GMT" (RFC 9110 5.6.7); -1 when it is not. */
int clock_parse_http(const char *s, int64_t *wall_ms);

#endif
