/*
 * reload.c - SIGHUP as a flag, for processes that have no event loop.
 *
 * pipe.c and child.c look at it between two pages, so that a page is mapped
 * by one set of rules from its first record to its last.
 */

#include "transform.h"

static volatile sig_atomic_t asked;

static void
on_hup(int sig)
{
	(void)sig;
	asked = 1;
}

void
reload_watch(void)
{
	struct sigaction sa = { .sa_handler = on_hup, .sa_flags = SA_RESTART };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGHUP, &sa, NULL);
}

void
reload_if_asked(struct mapper *m)
{
	if (!asked)
		return;
	asked = 0;
	mapper_reload(m);
}
