/*
 * main.c - idmesh join: records in, changes out, one database between.
 *
 * The subcommands look at and steer the database; without one, join runs as
 * a filter, or as a service when it is given endpoints.
 */

#include "join.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "explain.h"
#include "clock.h"
#include "log.h"
#include "merge.h"
#include "opt.h"
#include "plan.h"
#include "raw.h"
#include "report.h"
#include "service.h"

/* A hole in seq this wide means that a page is lost, not late. */
#define REACH 4096

#define KEPT_BYTES (32 << 20)

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "begin", admin_begin },
	{ "watermark", admin_watermark },
	{ "approve", admin_approve },
	{ "plan", plan_main },
	{ "runs", report_runs },
	{ "dead", dead_main },
	{ "explain", explain_main },
	{ "held", held_main },
	{ "decide", decide_main },
	{ "diff", diff_main },
	{ "replay", replay_main },
	{ "rejoin", rejoin_main },
	{ "dump", report_dump },
};

/* A parsed page is large and short-lived: keep its memory. */
static void
keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	mallopt(M_TOP_PAD, 1 << 20);
}

struct settings {
	const char *db, *rules, *after;
	struct opt_list with;
	struct join_ends ends;
	struct keep keep;
	int keep_raw;
};

static const char synopsis[] =
    "idmesh join --db FILE [--rules DIR] [--after POS]\n"
    "idmesh join --db FILE [--rules DIR] --commit EP [--to EP]...\n"
    "idmesh join begin --db FILE [--mode MODE] "
    "[--streams LIST] SOURCE\n"
    "idmesh join watermark --db FILE SOURCE [JSON]\n"
    "idmesh join runs --db FILE [--json]\n"
    "idmesh join dead --db FILE [--json] [--retry] [ID]...\n"
    "idmesh join plan --db FILE [--all | --json] [PLAN|RUN]\n"
    "idmesh join approve --db FILE RUN|PLAN\n"
    "idmesh join explain --db FILE NAME [ATTRIBUTE]\n"
    "idmesh join held --db FILE [--json]\n"
    "idmesh join decide --db FILE join|never|alone A [B]\n"
    "idmesh join diff --db FILE [--rules DIR]\n"
    "idmesh join replay --db FILE\n"
    "idmesh join rejoin --db FILE --from-scratch --dry-run\n"
    "idmesh join dump --db FILE";

static void
parse(int argc, char **argv, struct settings *o)
{
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &o->db, "FILE",
		    "the database; made when it is new", 0, 0 },
		{ "rules", 0, OPT_TEXT, &o->rules, "DIR",
		    "folder of the rules ($IDMESH_RULES)", 0, 0 },
		{ "after", 0, OPT_TEXT, &o->after, "POS",
		    "where the target is: what 'idmesh sink cursor' says", 0,
		    0 },
		{ "commit", 0, OPT_LIST, &o->ends.commit, "EP",
		    "serve fetches and transforms at this endpoint", 0, 0 },
		{ "to", 0, OPT_LIST, &o->ends.to, "EP",
		    "send changes to the sink at EP; may be given again", 0,
		    0 },
		{ "drain", 0, OPT_INT, &o->ends.drain_s, "SECONDS",
		    "for which sinks are waited for at SIGTERM (10)", 0,
		    86400 },
		{ "keep-runs", 0, OPT_INT, &o->keep.runs, "N",
		    "runs of a source that are remembered (100)", 1, 1000000 },
		{ "keep-dead", 0, OPT_INT, &o->keep.dead_days, "DAYS",
		    "for which settled dead letters are (30)", 0, 36500 },
		{ "keep-gone", 0, OPT_INT, &o->keep.gone_days, "DAYS",
		    "for which the ids of what left are (90)", 0, 36500 },
		{ "keep-raw", 0, OPT_FLAG, &o->keep_raw, NULL,
		    "keep raw records, of transform --keep-raw", 0, 0 },
		{ "with", 0, OPT_LIST, &o->with, "S",
		    "source that a merge waits for; may be given again", 0, 0 },
		{ "key", 0, OPT_TEXT, &o->ends.key, "FILE",
		    "our key, for tcp:// between hosts", 0, 0 },
		{ "peers", 0, OPT_TEXT, &o->ends.peers, "DIR",
		    "public keys of the others, DIR/ROLE/NAME.pub", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh join",
		.synopsis = synopsis,
		.about = "Keeps the connector space and the mesh; turns "
			 "records into changes.",
		.options = options,
		.see = "Manual: idmesh-join(1)",
		.args_max = 0,
	};

	opt_parse(&use, &argc, argv);
	if (o->db == NULL)
		opt_wrong(&use, "--db is missing");
	if (o->ends.commit.n == 0 && o->ends.to.n > 0)
		opt_wrong(&use, "--to needs --commit");
	if (o->ends.commit.n == 0 &&
	    (o->ends.key != NULL || o->ends.peers != NULL))
		opt_wrong(&use, "--key and --peers are for --commit and --to");
	if (o->ends.commit.n > 0 && o->after != NULL)
		opt_wrong(&use, "--after is for a pipe, not for --commit");
	o->rules = rules_dir(o->rules);
}

static int
run(const struct settings *o)
{
	struct join j = { .barrier = o->ends.commit.n > 0,
		.with = &o->with,
		.begun_ms = clock_ms(),
		.rules_dir = o->rules,
		.keep = o->keep,
		.sweeping = true };
	int rc;

	if (join_load_rules(&j) != 0)
		return EXIT_USAGE;
	rc = store_open(&j.store, o->db, STORE_MAKE);
	if (rc == EXIT_DONE)
		rc = store_lock(j.store);
	if (rc == EXIT_DONE)
		rules_remember(j.store, o->rules);
	if (rc == EXIT_DONE)
		rc = raw_prepare(&j, o->keep_raw != 0);
	if (rc == EXIT_DONE)
		rc = merge_prepare(&j);
	if (rc == EXIT_DONE) {
		j.committer = committer_new(REACH);
		rc = o->ends.commit.n == 0 ? join_pipe(&j, o->after)
					   : join_service(&j, &o->ends);
	}
	committer_free(j.committer);
	flow_free_all(&j);
	merge_free(&j);
	raw_free(j.raw);
	store_close(j.store);
	rules_free(j.rules);
	free(o->ends.commit.items);
	free(o->ends.to.items);
	free(o->with.items);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct settings o = { .ends.drain_s = 10, .keep = { 100, 30, 90 } };

	log_open("idmesh-join");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* the write fails, and says so */
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (argc > 1 && strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	parse(argc, argv, &o);
	keep_memory();
	return run(&o);
}
