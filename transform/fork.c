/*
 * fork.c - children that die with their parent.
 *
 * dispatch.c and supervise.c begin their processes here.  A child starts with
 * clean signals, whatever the parent's loop has blocked.
 */

#include "transform.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "mem.h"

pid_t
fork_child(void)
{
	pid_t parent = getpid(), pid = fork();
	sigset_t none;

	if (pid < 0)
		log_error("cannot start a process: %s", strerror(errno));
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_TEMPORARY);
	/* A SIGHUP that came meanwhile is pending and finds its handler. */
	reload_watch();
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}

/* Who is told of the two signals. */
struct listener {
	int fd;
	void (*fn)(void *arg, int signal);
	void *arg;
};

static void
on_event(void *arg, short events)
{
	struct listener *l = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(l->fd, &info, sizeof(info)) == sizeof(info))
		l->fn(l->arg, (int)info.ssi_signo);
}

void
fork_signals(struct loop *l, void (*fn)(void *arg, int signal), void *arg)
{
	static struct listener listener;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	listener = (struct listener){ .fn = fn, .arg = arg };
	listener.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (listener.fd < 0)
		log_warn(
		    "SIGUSR1 and SIGUSR2 have no effect: %s", strerror(errno));
	else
		loop_fd(l, listener.fd, LOOP_IN, on_event, &listener);
}
