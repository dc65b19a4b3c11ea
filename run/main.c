/*
 * main.c - `idmesh run`: the whole pipeline from one configuration.
 *
 * Beside the flow, not in it: starts fetch, transform, join and sink, joined
 * by ZeroMQ over ipc, once or on a schedule, and answers for them with one
 * summary and one exit code.
 */

#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "folder.h"
#include "log.h"
#include "mem.h"
#include "msg.h"
#include "notify.h"
#include "opt.h"

static struct run_options options = { .mode = MSG_AUTO,
	.restarts = RUN_RESTARTS };

static const struct opt table[] = {
	{ "workers", 'j', OPT_INT, &options.workers, "N",
	    "transform processes (the configuration's)", 1, 64 },
	{ "mode", 'm', OPT_TEXT, &options.mode, "MODE",
	    "auto, full or delta; auto decides per stream", 0, 0 },
	{ "every", 'e', OPT_TEXT, &options.every, "TIME",
	    "begin a round each 15m, 1h, 1d ... until SIGTERM", 0, 0 },
	{ "full-every", 0, OPT_TEXT, &options.full_every, "TIME",
	    "make a round full when the last full one is older", 0, 0 },
	{ "restarts", 0, OPT_INT, &options.restarts, "N",
	    "of one program in a round before giving up (10)", 0, 1000 },
	{ "stop-within", 0, OPT_TEXT, &options.stop_within, "TIME",
	    "end this long after SIGTERM, drained or not (30s)", 0, 0 },
	{ "json", 0, OPT_FLAG, &options.json, NULL,
	    "the summary as one line of JSON on stdout", 0, 0 },
	{ "quiet", 'q', OPT_FLAG, &options.quiet, NULL,
	    "only warnings, errors and the summary", 0, 0 },
	{ 0 },
};

static const struct opt_use use = {
	.name = "idmesh run",
	.synopsis = "idmesh run CONFIG.json [-j N] [--mode auto|full|delta]\n"
		    "idmesh run CONFIG.json [--every 1h] [--full-every 7d]",
	.about = "Runs fetch, transform, join and sink together, restarts what "
		 "dies,\nand ends with one summary and one exit code.",
	.options = table,
	.see = "The configuration is described in config(5).",
	.args_min = 1,
	.args_max = 1,
};

/* "90s", "15m", "1h", "7d" as milliseconds; 0 when not given. */
static int64_t
duration(const char *name, const char *text)
{
	static const char units[] = "smhd";
	static const int64_t ms[] = { 1000, 60000, 3600000, 86400000 };
	const char *unit;
	char *end;
	long n;

	if (text == NULL)
		return 0;
	errno = 0;
	n = strtol(text, &end, 10);
	unit = *end != '\0' ? strchr(units, *end) : NULL;
	if (errno != 0 || n < 1 || n > 100000 || unit == NULL || end[1] != '\0')
		opt_wrong(&use,
		    "%s: %s is no time; write a number and s, m, h or d, as in "
		    "90s, 15m, 1h or 7d",
		    name, text);
	return n * ms[unit - units];
}

static void
check_mode(const char *mode)
{
	if (!msg_is_mode(mode))
		opt_wrong(&use, "--mode: %s is not auto, full or delta", mode);
}

/*
 * One run a state file, however it is spelled; join itself holds another lock
 * while it writes.
 */
static int
lock_state(const char *state)
{
	char *real = folder_real(state);
	char *path = xasprintf("%s.run", real != NULL ? real : state);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		die(errno == EACCES || errno == EISDIR ? EXIT_USAGE
						       : EXIT_TEMPORARY,
		    "cannot lock %s: %s; see to its disk and to who may write "
		    "to it, then run again",
		    path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		die(EXIT_TEMPORARY,
		    "another idmesh run works on %s; stop it or wait for it",
		    state);
	free(real);
	free(path);
	return fd;
}

static int
read_config(struct run *r, const char *path)
{
	struct buf errors = { 0 };
	int rc = config_run_read(path, &r->config, &errors);

	if (rc == 0)
		rc = targets_check(&r->config, &errors);
	if (rc < 0)
		fwrite(errors.data, 1, errors.len, stderr);
	buf_free(&errors);
	return rc;
}

static void
read_times(struct run *r)
{
	r->every_ms = duration("--every", options.every);
	r->full_every_ms = duration("--full-every", options.full_every);
	r->stop_within_ms = duration("--stop-within", options.stop_within);
	if (r->stop_within_ms == 0)
		r->stop_within_ms = RUN_STOP_MS;
}

int
main(int argc, char *argv[])
{
	struct run r = { .options = &options,
		.full_ms = -1,
		.runtime_fd = -1,
		.code = EXIT_USAGE };

	log_open("idmesh-run");
	opt_parse(&use, &argc, argv);
	check_mode(options.mode);
	read_times(&r);
	if (options.quiet)
		log_level(LOG_WARN);
	notify_open();
	supervise_open(&r);
	if (read_config(&r, argv[1]) < 0)
		goto out;
	r.code = EXIT_DONE;
	r.lock_fd = lock_state(r.config.state);
	if (set_build(&r) == 0)
		r.code = supervise(&r);
	set_free(&r);
	close(r.lock_fd);
out:
	config_run_free(&r.config);
	loop_free(r.loop);
	notify_close();
	return r.code;
}
