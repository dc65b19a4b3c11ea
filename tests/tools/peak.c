/*
 * peak.c - runs a command and tells what it and its children needed.
 *
 * Used by tests/bench/run and tests/pipe/memory.sh: `peak FILE COMMAND...`
 * writes one JSON object to FILE: wall and CPU seconds, the exit code, and the
 * largest resident size in KB of every program below the command, by name.
 * Sizes are read from /proc every few milliseconds; they only grow, so the
 * last one counts.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE_NS 20000000
#define PROGRAMS_MAX 32
#define DEPTH_MAX 8

struct program {
	char name[32];
	long kb;
};

static struct program programs[PROGRAMS_MAX];
static size_t n_programs;

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
note(const char *name, long kb)
{
	size_t i = 0;

	while (i < n_programs && strcmp(programs[i].name, name) != 0)
		i++;
	if (i == PROGRAMS_MAX)
		return;
	if (i == n_programs)
		snprintf(programs[n_programs++].name, sizeof(programs[0].name),
		    "%s", name);
	if (kb > programs[i].kb)
		programs[i].kb = kb;
}

/* The file name of its program; a zombie has none. */
static int
name_of(pid_t pid, char *name, size_t size)
{
	char path[64], exe[1024];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n <= 0)
		return -1;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	snprintf(name, size, "%.31s", slash != NULL ? slash + 1 : exe);
	return 0;
}

/* The high-water mark of one process. */
static void
look_at(pid_t pid)
{
	char path[64], line[256], name[sizeof(programs[0].name)];
	long kb = 0;
	FILE *f;

	if (name_of(pid, name, sizeof(name)) < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmHWM: %ld", &kb) == 1)
			break;
	fclose(f);
	if (kb > 0)
		note(name, kb);
}

static void
look_below(pid_t pid, int depth)
{
	char path[64];
	int child;
	FILE *f;

	look_at(pid);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid,
	    (int)pid);
	f = depth < DEPTH_MAX ? fopen(path, "r") : NULL;
	if (f == NULL)
		return;
	while (fscanf(f, "%d", &child) == 1)
		look_below(child, depth + 1);
	fclose(f);
}

/* Looks again and again until the command has ended; its exit code. */
static int
watch(pid_t pid, struct rusage *usage)
{
	struct timespec pause = { .tv_nsec = SAMPLE_NS };
	sigset_t chld;
	int status;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	while (wait4(pid, &status, WNOHANG, usage) == 0) {
		look_below(pid, 0);
		sigtimedwait(&chld, NULL, &pause);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static double
timeval_seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static int
report(const char *path, double wall, int code, const struct rusage *usage)
{
	FILE *f = fopen(path, "w");

	if (f == NULL) {
		fprintf(stderr, "peak: %s: %s\n", path, strerror(errno));
		return 111;
	}
	fprintf(f,
	    "{\"seconds\":%.3f,\"cpu\":%.3f,\"exit\":%d,\"largest\":%ld,"
	    "\"programs\":{",
	    wall,
	    timeval_seconds(&usage->ru_utime) +
		timeval_seconds(&usage->ru_stime),
	    code, usage->ru_maxrss);
	for (size_t i = 0; i < n_programs; i++)
		fprintf(f, "%s\"%s\":%ld", i > 0 ? "," : "", programs[i].name,
		    programs[i].kb);
	fputs("}}\n", f);
	return fclose(f) == 0 ? code : 111;
}

int
main(int argc, char *argv[])
{
	struct rusage usage;
	sigset_t chld;
	double start;
	pid_t pid;
	int code;

	if (argc < 3) {
		fputs("usage: peak FILE COMMAND...\n", stderr);
		return 100;
	}
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	start = seconds();
	pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, &chld, NULL);
		execvp(argv[2], argv + 2);
		fprintf(stderr, "peak: %s: %s\n", argv[2], strerror(errno));
		_exit(100);
	}
	if (pid < 0)
		return 111;
	code = watch(pid, &usage);
	return report(argv[1], seconds() - start, code, &usage);
}
