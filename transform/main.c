/*
 * main.c - transform: pages in, records out.
 *
 * Stage 2 of 4: <- fetch, -> join.  Maps and scopes records by the rules;
 * holds nothing durable, touches no network but its ZeroMQ endpoints, and may
 * be killed at any byte.
 */

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "transform.h"

static const char *const synopsis =
    "idmesh transform [--rules DIR] [-j N] [--keep-raw] < pages\n"
    "idmesh transform [--rules DIR] [-j N] [--keep-raw] --jobs ENDPOINT...\n"
    "    --commit ENDPOINT\n"
    "idmesh transform describe [--rules DIR]\n"
    "idmesh transform check [--rules DIR]\n"
    "idmesh transform try [--rules DIR] --object FILE\n"
    "idmesh transform test [--rules DIR]";

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} commands[] = {
	{ "check", check_main },
	{ "describe", describe_main },
	{ "try", try_main },
	{ "test", test_main },
	{ NULL, NULL },
};

static void
on_stop(int sig)
{
	static const char text[] =
	    "idmesh-transform: error: stopped by a signal before the end of "
	    "stdin\n";

	(void)sig;
	/* There is nobody left to tell when this fails. */
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_TEMPORARY);
	_exit(EXIT_TEMPORARY);
}

/*
 * Before the rules are loaded, so that a signal that comes early is obeyed:
 * in a pipe at once, in a service as soon as it runs.
 */
static void
catch_signals(int service)
{
	sigset_t set;

	/* More or fewer processes: nothing to a single one. */
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	reload_watch();
	signal(SIGTERM, on_stop);
	signal(SIGINT, on_stop);
	if (!service)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static enum exit_code
carry(struct mapper *m, const struct endpoints *e, size_t workers)
{
	if (e->commit != NULL)
		return workers > 1 ? supervise_run(m, e, workers)
				   : worker_run(m, e);
	return workers > 1 ? dispatch_run(m, workers) : pipe_run(m);
}

static int
transform(int argc, char **argv)
{
	struct endpoints e = { 0 };
	const char *dir = NULL;
	int64_t workers = 1;
	int keep_raw = 0;
	const struct opt options[] = {
		{ "rules", 'r', OPT_TEXT, &dir, "DIR",
		    "folder of the rules ($IDMESH_RULES)", 0, 0 },
		{ "workers", 'j', OPT_INT, &workers, "N",
		    "processes that map (1)", 1, TRANSFORM_CHILDREN },
		{ "jobs", 0, OPT_LIST, &e.jobs, "ENDPOINT",
		    "take pages from a fetch; may be given again", 0, 0 },
		{ "commit", 0, OPT_TEXT, &e.commit, "ENDPOINT",
		    "send records to this join", 0, 0 },
		{ "keep-raw", 0, OPT_FLAG, &keep_raw, NULL,
		    "send the raw records along, for join --keep-raw", 0, 0 },
		{ "key", 0, OPT_TEXT, &e.key, "FILE",
		    "our key, for tcp:// between hosts", 0, 0 },
		{ "peers", 0, OPT_TEXT, &e.peers, "DIR",
		    "public keys of the others, DIR/ROLE/NAME.pub", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh transform",
		.synopsis = synopsis,
		.about = "Maps the records of an API to those of the mesh, by "
			 "the rules.",
		.options = options,
		.see = "Manual: idmesh-transform(1), rules(7), message(5)",
	};
	enum exit_code code;
	struct mapper m;

	opt_parse(&use, &argc, argv);
	if ((e.jobs.n > 0) != (e.commit != NULL))
		opt_wrong(&use, "--jobs and --commit go together");
	if (e.commit == NULL && (e.key != NULL || e.peers != NULL))
		opt_wrong(
		    &use, "--key and --peers are for --jobs and --commit");
	catch_signals(e.commit != NULL);
	if (mapper_open(&m, rules_dir(dir)) < 0)
		return EXIT_USAGE;
	m.keep_raw = keep_raw != 0;
	code = carry(&m, &e, (size_t)workers);
	mapper_close(&m);
	return code;
}

int
main(int argc, char **argv)
{
	log_open("idmesh-transform");
	signal(SIGPIPE, SIG_IGN);
	mem_open();
	for (size_t i = 0; argc > 1 && commands[i].name != NULL; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].main(argc - 1, argv + 1);
	return transform(argc, argv);
}
