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
#include <unistd.h>

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
