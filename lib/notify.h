#ifndef IDMESH_NOTIFY_H
#define IDMESH_NOTIFY_H

/*
 * notify.h - tells the service manager how it goes.
 *
 * layer 1.  `idmesh run` calls it; without $NOTIFY_SOCKET nothing happens, so
 * nobody asks whether a manager is there.  A datagram that cannot be sent is
 * lost: the manager has a timeout for that.  Source: sd_notify(3) of systemd,
 * which promises the protocol, an AF_UNIX datagram of NAME=VALUE lines, for
 * ever and for everybody.
 */

#include <stdint.h>

/*
 * Takes $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID out of the
 * environment, so that what is started later does not speak for us.
 */
void notify_open(void);
void notify_close(void);

/* Everything that was begun stands. */
void notify_ready(void);
/* One line for people; sent only when it is another one. */
void notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The configuration is read again; notify_ready() ends it. */
void notify_reloading(void);
void notify_stopping(void);

/*
 * How often (ms) notify_alive() must be called, half of what the manager
 * allows; 0: it does not watch.
 */
int64_t notify_watchdog_ms(void);
void notify_alive(void);

#endif
