/*
 * loop.c - one event loop a process over zmq_poll.
 *
 * Every program that waits for more than one thing runs one.  Owns its items
 * and timers; items that callbacks remove are freed after the round.
 */

#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <zmq.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

struct loop_item {
	int fd;
	void *socket; /* borrowed; NULL for a descriptor */
	short events;
	int gone;
	void (*fn)(void *arg, short events);
	void *arg;
};

struct loop_timer {
	int64_t at_ms;
	int gone;
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	struct loop_item **items; /* owned, each too */
	size_t n_items;
	struct loop_timer **timers; /* owned, each too */
	size_t n_timers;
	zmq_pollitem_t *polled; /* owned; as many as items */
	int stopped;
	int signal_fd;
	void (*signal_fn)(void *arg, int signal);
	void *signal_arg;
};

struct loop *
loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	l->signal_fd = -1;
	return l;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n_items; i++)
		free(l->items[i]);
	for (size_t i = 0; i < l->n_timers; i++)
		free(l->timers[i]);
	if (l->signal_fd >= 0)
		close(l->signal_fd);
	free(l->items);
	free(l->timers);
	free(l->polled);
	free(l);
}

static struct loop_item *
add(struct loop *l, const struct loop_item *model)
{
	struct loop_item *item = xmalloc(sizeof(*item));

	*item = *model;
	l->items =
	    xrealloc(l->items, (l->n_items + 1) * sizeof(struct loop_item *));
	l->items[l->n_items++] = item;
	return item;
}

struct loop_item *
loop_fd(struct loop *l, int fd, short events,
    void (*fn)(void *arg, short events), void *arg)
{
	struct loop_item item = {
		.fd = fd, .events = events, .fn = fn, .arg = arg
	};

	return add(l, &item);
}

struct loop_item *
loop_socket(struct loop *l, void *socket, void (*fn)(void *arg, short events),
    void *arg)
{
	struct loop_item item = {
		.socket = socket, .events = LOOP_IN, .fn = fn, .arg = arg
	};

	return add(l, &item);
}

void
loop_events(struct loop_item *item, short events)
{
	item->events = events;
}

void
loop_remove(struct loop *l, struct loop_item *item)
{
	(void)l;
	if (item != NULL)
		item->gone = 1;
}

struct loop_timer *
loop_timer(struct loop *l, int64_t at_ms, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));

	*t = (struct loop_timer){ .at_ms = at_ms, .fn = fn, .arg = arg };
	l->timers = xrealloc(
	    l->timers, (l->n_timers + 1) * sizeof(struct loop_timer *));
	l->timers[l->n_timers++] = t;
	return t;
}

void
loop_timer_at(struct loop_timer *t, int64_t at_ms)
{
	t->at_ms = at_ms;
}

void
loop_timer_remove(struct loop *l, struct loop_timer *t)
{
	(void)l;
	if (t != NULL)
		t->gone = 1;
}

static void
on_signal(void *arg, short events)
{
	struct loop *l = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(l->signal_fd, &info, sizeof(info)) == sizeof(info))
		l->signal_fn(l->signal_arg, (int)info.ssi_signo);
}

void
loop_signals(struct loop *l, void (*fn)(void *arg, int signal), void *arg)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD,
		SIGUSR1, SIGUSR2 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	l->signal_fn = fn;
	l->signal_arg = arg;
	l->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (l->signal_fd < 0)
		die(EXIT_TEMPORARY, "signalfd: %s", strerror(errno));
	loop_fd(l, l->signal_fd, LOOP_IN, on_signal, l);
}

/* Forgets what callbacks removed. */
static void
sweep(struct loop *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n_items; i++) {
		if (l->items[i]->gone)
			free(l->items[i]);
		else
			l->items[kept++] = l->items[i];
	}
	l->n_items = kept;
	kept = 0;
	for (size_t i = 0; i < l->n_timers; i++) {
		if (l->timers[i]->gone)
			free(l->timers[i]);
		else
			l->timers[kept++] = l->timers[i];
	}
	l->n_timers = kept;
}

static int64_t
until_next_timer(const struct loop *l, int64_t wait_ms)
{
	int64_t now = clock_ms();

	for (size_t i = 0; i < l->n_timers; i++) {
		int64_t at = l->timers[i]->at_ms, left = at - now;

		if (at < 0)
			continue;
		if (left < 0)
			left = 0;
		if (wait_ms < 0 || left < wait_ms)
			wait_ms = left;
	}
	return wait_ms;
}

static void
fire_timers(struct loop *l)
{
	int64_t now = clock_ms();
	size_t n = l->n_timers;

	for (size_t i = 0; i < n; i++) {
		struct loop_timer *t = l->timers[i];

		if (t->gone || t->at_ms < 0 || t->at_ms > now)
			continue;
		t->at_ms = -1;
		t->fn(t->arg);
	}
}

void
loop_once(struct loop *l, int64_t wait_ms)
{
	size_t n;

	sweep(l);
	n = l->n_items;
	l->polled = xrealloc(l->polled, n * sizeof(*l->polled));
	for (size_t i = 0; i < n; i++)
		l->polled[i] = (zmq_pollitem_t){ .socket = l->items[i]->socket,
			.fd = l->items[i]->fd,
			.events = l->items[i]->events };
	if (zmq_poll(l->polled, (int)n, (long)until_next_timer(l, wait_ms)) <
		0 &&
	    errno != EINTR)
		die(EXIT_TEMPORARY, "zmq_poll: %s", zmq_strerror(errno));
	for (size_t i = 0; i < n; i++) {
		struct loop_item *item = l->items[i];

		if (l->polled[i].revents != 0 && !item->gone)
			item->fn(item->arg, l->polled[i].revents);
	}
	fire_timers(l);
}

void
loop_run(struct loop *l)
{
	while (!l->stopped)
		loop_once(l, -1);
}

void
loop_stop(struct loop *l)
{
	l->stopped = 1;
}

int
loop_stopped(const struct loop *l)
{
	return l->stopped;
}
