/*
 * child.c - starting, ending and reaping the programs of the set.
 *
 * supervise.c decides, this file forks.  A child dies with run, has clean
 * signals, and sees a secret's environment only when it is fetch.
 */

#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

extern char **environ;

const char *
role_name(enum role role)
{
	static const char *const names[ROLES] = { "sink", "join", "transform",
		"fetch" };

	return names[role];
}

char *
child_program(const struct run *r, const char *name)
{
	return xasprintf("%s/idmesh-%s", r->folder, name);
}

/* Only fetch may see where secrets are, or what they are. */
static void
forget_secrets(void)
{
	size_t i = 0;

	while (environ[i] != NULL) {
		const char *entry = environ[i];
		char *name;

		if (strncmp(entry, "IDMESH_SECRET", 13) != 0 &&
		    strncmp(entry, "CREDENTIALS_DIRECTORY=", 22) != 0) {
			i++;
			continue;
		}
		name = xstrndup(entry, strcspn(entry, "="));
		unsetenv(name);
		free(name);
	}
}

static _Noreturn void
become(char *const argv[], int keep_secrets, int out_fd)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (out_fd >= 0)
		dup2(out_fd, STDOUT_FILENO);
	if (!keep_secrets)
		forget_secrets();
	execv(argv[0], argv);
	log_error("cannot run %s: %s", argv[0], strerror(errno));
	_exit(EXIT_USAGE);
}

void
child_start(struct child *c)
{
	pid_t pid = fork();

	c->due_ms = 0;
	c->term_ms = 0;
	if (pid < 0) {
		log_error("cannot fork for %s: %s", role_name(c->role),
		    strerror(errno));
		c->code = EXIT_TEMPORARY;
		c->due_ms = clock_ms() + RUN_BACKOFF_MAX_MS;
		return;
	}
	if (pid == 0)
		become(c->argv, c->role == ROLE_FETCH, -1);
	c->pid = pid;
	log_debug("started %s, pid %d", role_name(c->role), (int)pid);
}

void
child_signal(struct child *c, int signal)
{
	if (c->pid > 0)
		kill(c->pid, signal);
}

static int
exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct child *
child_reap(struct run *r)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid <= 0)
			return NULL;
		for (size_t i = 0; i < r->n; i++) {
			struct child *c = &r->children[i];

			if (c->pid != pid)
				continue;
			c->pid = 0;
			c->code = exit_code(status);
			return c;
		}
	}
}

int
child_capture(char *const argv[], struct buf *out)
{
	int p[2], status = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return EXIT_TEMPORARY;
	pid = fork();
	if (pid == 0)
		become(argv, 0, p[1]);
	close(p[1]);
	if (pid < 0) {
		close(p[0]);
		return EXIT_TEMPORARY;
	}
	do {
		buf_reserve(out, 4096);
		n = read(p[0], out->data + out->len, 4096);
		if (n > 0)
			out->len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	out->data[out->len] = '\0';
	close(p[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return exit_code(status);
}
