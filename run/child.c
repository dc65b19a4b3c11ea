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
#include "folder.h"
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
child_program(const char *name)
{
	char *path = folder_program(name);

	if (path == NULL)
		die(EXIT_TEMPORARY, "cannot find the programs: %s",
		    strerror(errno));
	return path;
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

/* What a new program finds: which descriptors, and whether secrets. */
struct place {
	int out_fd, err_fd, event_fd; /* -1: as ours, none */
	bool keep_secrets;
};

/* `to` becomes `fd`, which stays open over exec even when they are one. */
static void
put_fd(int fd, int to)
{
	if (fd == to)
		(void)fcntl(fd, F_SETFD, 0);
	else if (fd >= 0)
		(void)dup2(fd, to);
}

static _Noreturn void
become(char *const argv[], const struct place *place, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t later;

	/* ^C on the terminal is for run, which stops the set in order. */
	(void)setpgid(0, 0);
	/* A join that is asked to finish before it listens hears of it then. */
	sigemptyset(&later);
	sigaddset(&later, SIGUSR1);
	sigprocmask(SIG_SETMASK, &later, NULL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_TEMPORARY);
	put_fd(null, STDIN_FILENO);
	put_fd(place->out_fd, STDOUT_FILENO);
	put_fd(place->err_fd, STDERR_FILENO);
	put_fd(place->event_fd, RUN_EVENT_FD);
	if (!place->keep_secrets)
		forget_secrets();
	execv(argv[0], argv);
	log_error("cannot run %s: %s", argv[0], strerror(errno));
	_exit(EXIT_USAGE);
}

void
child_start(struct child *c)
{
	const struct place place = { .out_fd = -1,
		.err_fd = c->words.write_fd,
		.event_fd = c->role == ROLE_FETCH ? c->events.write_fd : -1,
		.keep_secrets = c->role == ROLE_FETCH };
	pid_t own = getpid(), pid = fork();

	c->started_ms = clock_ms();
	c->due_ms = 0;
	c->term_ms = 0;
	words_forget(c);
	if (pid < 0) {
		log_error("cannot fork for %s: %s", role_name(c->role),
		    strerror(errno));
		c->code = EXIT_TEMPORARY;
		c->due_ms = clock_ms() + RUN_BACKOFF_MAX_MS;
		return;
	}
	if (pid == 0)
		become(c->argv, &place, own);
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
			words_drain(c);
			return c;
		}
	}
}

int
child_capture(char *const argv[], struct buf *out, bool silent)
{
	struct place place = { .err_fd = -1, .event_fd = -1 };
	int p[2], status = 0;
	ssize_t n;
	pid_t own = getpid(), pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return EXIT_TEMPORARY;
	place.out_fd = p[1];
	pid = fork();
	if (pid == 0) {
		if (silent)
			place.err_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		become(argv, &place, own);
	}
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
