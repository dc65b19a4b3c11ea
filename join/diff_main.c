/*
 * diff_main.c - `idmesh join diff`: what would change, or what did.
 *
 * With the rules in a folder: what they would make of the data that is here,
 * beside what is (diff_copy.c, diff_mesh.c).  With two runs: what changed from
 * one to the other (diff_run.c).  Nothing is written to the database.
 */

#include "diff.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "opt.h"
#include "report.h"

struct question {
	const char *db, *rules, *source;
	int run, json;
	int64_t limit, runs[2];
};

static int
compare(struct store *old, struct store *new, const struct question *q)
{
	struct trial trial = { 0 };
	struct rules *rules = NULL;
	int rc = copy_try(new, old, q->rules, &rules, &trial);
	struct diff_view v = { .old = old,
		.new = new,
		.rules = rules,
		.trial = &trial,
		.json = q->json != 0,
		.limit = q->json != 0 ? -1 : q->limit };

	if (rc == EXIT_DONE)
		diff_print(&v);
	if (rc == EXIT_DONE && trial.stopped)
		rc = EXIT_PARTLY;
	rules_free(rules);
	buf_free(&trial.why);
	buf_free(&trial.waits);
	return rc;
}

static int
with_rules(struct store *old, const struct question *q)
{
	struct store *copy;
	int rc = EXIT_TEMPORARY;

	/* All that is read is of one moment, whoever writes meanwhile. */
	store_do(old, "BEGIN", "");
	store_refresh(old);
	copy = store_copy(old);
	if (copy != NULL)
		rc = compare(old, copy, q);
	if (copy != NULL && copy->failed)
		rc = EXIT_TEMPORARY;
	store_close(copy);
	store_do(old, "COMMIT", "");
	return rc;
}

/* 2, or okta:contoso/2 as the other commands call it, which names its source.
 */
static void
take_run(struct question *q, const struct opt_use *use, char *arg, int64_t *run)
{
	char *slash = strrchr(arg, '/'), *end;
	const char *number = slash != NULL ? slash + 1 : arg;

	*run = strtoll(number, &end, 10);
	if (*run <= 0 || *end != '\0')
		opt_wrong(use, "%s is no run: 3, or okta:contoso/3", arg);
	if (slash == NULL)
		return;
	*slash = '\0';
	if (q->source != NULL && strcmp(q->source, arg) != 0)
		opt_wrong(use, "runs of %s and of %s cannot be compared",
		    q->source, arg);
	q->source = arg;
}

static int
answer(struct question *q)
{
	struct store *s;
	int rc = store_open(&s, q->db, STORE_READ), closed;

	if (rc != EXIT_DONE)
		return rc;
	if (q->run)
		rc = diff_runs(
		    s, q->source, q->runs[0], q->runs[1], q->json != 0);
	else
		rc = with_rules(s, q);
	closed = report_close(s);
	return rc != EXIT_DONE ? rc : closed;
}

int
diff_main(int argc, char **argv)
{
	struct question q = { .limit = 20 };
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &q.db, "FILE", "join's database", 0, 0 },
		{ "rules", 0, OPT_TEXT, &q.rules, "DIR",
		    "the new rules ($IDMESH_RULES)", 0, 0 },
		{ "run", 0, OPT_FLAG, &q.run, NULL,
		    "what changed between two runs", 0, 0 },
		{ "source", 0, OPT_TEXT, &q.source, "SOURCE",
		    "whose runs, where there are several", 0, 0 },
		{ "limit", 0, OPT_INT, &q.limit, "N",
		    "objects that are shown (20); 0: the summary alone", 0,
		    INT64_MAX },
		{ "json", 0, OPT_FLAG, &q.json, NULL,
		    "everything, one JSON object a line", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh join diff",
		.synopsis = "idmesh join diff --db FILE [--rules DIR] "
			    "[--limit N | --json]\n"
			    "idmesh join diff --db FILE --run [--source "
			    "SOURCE] [--json] RUN1 RUN2",
		.about = "What new rules would change in the mesh, or what "
			 "changed between two runs.\nNothing is written.",
		.options = options,
		.see = "Manual: idmesh-join(1)",
		.args_max = 2,
	};

	opt_parse(&use, &argc, argv);
	if (q.db == NULL)
		opt_wrong(&use, "--db is missing");
	if (q.run && q.rules != NULL)
		opt_wrong(&use, "--run and --rules do not go together");
	if (q.run ? argc != 3 : argc != 1)
		opt_wrong(&use, "two runs go with --run, and only with it");
	if (!q.run && q.source != NULL)
		opt_wrong(&use, "--source is for --run");
	for (int i = 1; i < argc; i++)
		take_run(&q, &use, argv[i], &q.runs[i - 1]);
	q.rules = rules_of(q.db, q.rules);
	return answer(&q);
}
