#ifndef IDMESH_LOOP_H
#define IDMESH_LOOP_H

/*
 * loop.h - one event loop a process: descriptors, ZeroMQ sockets, timers and
 * signals over zmq_poll.
 *
 * layer 1.  Callbacks run one at a time and may add and remove anything,
 * themselves too.
 */

#include <stdint.h>

struct loop;
struct loop_item;
struct loop_timer;

struct loop *loop_new(void);
void loop_free(struct loop *l);

/* What a callback waits for and is told; the numbers are libzmq's. */
#define LOOP_IN 1
#define LOOP_OUT 2
#define LOOP_ERR 4

struct loop_item *loop_fd(struct loop *l, int fd, short events,
    void (*fn)(void *arg, short events), void *arg);
/* A ZeroMQ socket; fn is called while it can be read. */
struct loop_item *loop_socket(struct loop *l, void *socket,
    void (*fn)(void *arg, short events), void *arg);
void loop_events(struct loop_item *item, short events);
void loop_remove(struct loop *l, struct loop_item *item);

/* A timer at a monotonic time in ms; -1 is "not now".  It fires once. */
struct loop_timer *loop_timer(
    struct loop *l, int64_t at_ms, void (*fn)(void *arg), void *arg);
void loop_timer_at(struct loop_timer *t, int64_t at_ms);
void loop_timer_remove(struct loop *l, struct loop_timer *t);

/*
 * SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1 and SIGUSR2 are blocked and come
 * as calls of fn from here on; SIGPIPE is ignored.
 */
void loop_signals(struct loop *l, void (*fn)(void *arg, int signal), void *arg);

/* Until loop_stop(), which counts before it, too. */
void loop_run(struct loop *l);
/* One round, at most wait_ms (-1 for ever). */
void loop_once(struct loop *l, int64_t wait_ms);
void loop_stop(struct loop *l);
int loop_stopped(const struct loop *l);

#endif
