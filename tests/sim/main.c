/*
 * main.c - orgsim, an Okta organisation and an Entra tenant to test against.
 *
 * A real HTTP server that holds a company made from --seed and answers as
 * Okta's API and Microsoft Graph do, limits included; /_sim/ is for the test
 * that drives it.  One thread, one loop: the daemon's descriptor, and the
 * requests that wait for their time.
 */

#include "sim.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "graph.h"
#include "limits.h"
#include "log.h"
#include "mem.h"

static volatile sig_atomic_t stopping;

static void
on_signal(int sig)
{
	(void)sig;
	stopping = 1;
}

int64_t
sim_now(const struct sim *sim)
{
	return clock_wall_ms() + sim->opt.skew_ms;
}

static void
sim_free(struct sim *sim)
{
	for (size_t i = 0; i < sim->opt.n_limits; i++)
		free((void *)(uintptr_t)sim->opt.limits[i].bucket);
	for (size_t i = 0; i < sim->opt.n_denied; i++)
		free((void *)(uintptr_t)sim->opt.denied[i].prefix);
	graph_free(sim->graph);
	tenant_free(&sim->tenant);
	org_free(&sim->org);
	limits_free(sim->limits);
	free(sim->waiting);
	free(sim->tallies);
}

/* Written whole or not at all: a test waits for the file to be there. */
static int
write_port(const char *path, uint16_t port)
{
	char *temp = xasprintf("%s.tmp", path);
	FILE *f = fopen(temp, "w");
	int r = -1;

	if (f != NULL) {
		fprintf(f, "%u\n", port);
		if (fclose(f) == 0)
			r = rename(temp, path);
	}
	if (r < 0)
		log_error(
		    "%s: cannot write the port: %s", path, strerror(errno));
	free(temp);
	return r;
}

static void
announce(const struct options *opt, uint16_t port)
{
	if (opt->port_file != NULL && write_port(opt->port_file, port) < 0)
		exit(EXIT_TEMPORARY);
	printf("orgsim: http://127.0.0.1:%u\n", port);
	if (fflush(stdout) != 0)
		die(EXIT_TEMPORARY, "cannot write to stdout");
}

/* Signals are let in only while the loop sleeps, so none is missed. */
static void
block_signals(sigset_t *old)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, old);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
}

static void
sleep_until(struct MHD_Daemon *daemon, int64_t due_ms, const sigset_t *mask)
{
	const union MHD_DaemonInfo *info =
	    MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd p = { .fd = info->epoll_fd, .events = POLLIN };
	MHD_UNSIGNED_LONG_LONG ms = 0;
	struct timespec ts;
	int64_t wait_ms = due_ms;

	if (MHD_get_timeout(daemon, &ms) == MHD_YES &&
	    (wait_ms < 0 || (int64_t)ms < wait_ms))
		wait_ms = (int64_t)ms;
	ts.tv_sec = wait_ms / 1000;
	ts.tv_nsec = wait_ms % 1000 * 1000000;
	ppoll(&p, 1, wait_ms < 0 ? NULL : &ts, mask);
}

static void
serve(struct sim *sim, struct MHD_Daemon *daemon, const sigset_t *mask)
{
	int64_t due_ms;

	while (!stopping) {
		due_ms = delay_run(sim);
		sleep_until(daemon, due_ms, mask);
		MHD_run(daemon);
	}
	/* A daemon must not be stopped while a connection is suspended. */
	for (size_t i = 0; i < sim->n_waiting; i++)
		MHD_resume_connection(sim->waiting[i]->conn);
	sim->n_waiting = 0;
}

int
main(int argc, char *argv[])
{
	static struct sim sim;
	struct MHD_Daemon *daemon;
	sigset_t old;
	uint16_t port;

	log_open("orgsim");
	options_read(argc, argv, &sim.opt);
	sim.rng.state = sim.opt.size.seed ^ 0x6f7267u;
	sim.limits = limits_new(&sim.opt);
	for (size_t i = 0; i < sim.opt.n_limits; i++)
		if (limits_find(sim.limits, sim.opt.limits[i].bucket) == NULL)
			die(EXIT_USAGE, "--limit: no bucket \"%s\"",
			    sim.opt.limits[i].bucket);
	route_count(&sim);
	if (org_seed(&sim.org, &sim.opt.size) < 0)
		die(EXIT_USAGE,
		    "--edges %zu: so many memberships do not fit in %zu "
		    "groups of %zu users",
		    sim.opt.size.edges, sim.opt.size.groups,
		    sim.opt.size.users);
	tenant_seed(&sim.tenant, &sim.org, &sim.opt.entra, sim.opt.size.seed);
	sim.graph = graph_new(&sim.opt);
	block_signals(&old);
	daemon = server_start(&sim, sim.opt.port, &port);
	if (daemon == NULL)
		die(EXIT_TEMPORARY, "cannot listen on 127.0.0.1:%u: %s",
		    sim.opt.port, strerror(errno));
	announce(&sim.opt, port);
	serve(&sim, daemon, &old);
	MHD_stop_daemon(daemon);
	sim_free(&sim);
	return EXIT_DONE;
}
