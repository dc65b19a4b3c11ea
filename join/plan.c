/*
 * plan.c - `join plan`: whom a plan that its guard stopped would touch.
 *
 * What an operator reads between the stop and `join approve`.  It is printed
 * as it is found: kind by kind for people, which takes a walk through the plan
 * each, and in one for programs.
 */

#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "find.h"
#include "log.h"
#include "mem.h"
#include "msg.h"
#include "opt.h"
#include "report.h"

static const struct kind {
	const char *word, *one, *many;
} kinds[PLAN_KINDS] = {
	[PLAN_LEAVE] = { "leave", "would leave", "would leave" },
	[PLAN_DISABLE] = { "disable", "was disabled at a source",
	    "were disabled at a source" },
	[PLAN_PART] = { "part", "would be parted from an object",
	    "would be parted from an object" },
	[PLAN_JOIN] = { "join", "would be joined with another object",
	    "would be joined with another object" },
	[PLAN_CHANGE] = { "change",
	    "has a guarded attribute changed at a source",
	    "have a guarded attribute changed at a source" },
	[PLAN_HOLD] = { "hold", "new object would be held",
	    "new objects would be held" },
	[PLAN_COME] = { "come", "new person would come",
	    "new persons would come" },
};

struct asking {
	struct plan_show show;
	const char *name; /* of a plan or a run, NULL: all that are stopped */
};

/* A row of the table. */
struct stopped {
	char hash[20], type[64];
	char *at, *why; /* owned */
};

struct showing {
	const struct asking *q;
	const struct stopped *plan;
	struct plan_walk walk;
	int64_t counts[PLAN_KINDS];
	enum plan_what what; /* the kind that is shown */
	int64_t shown;
	struct plan_because because;
	struct buf line, name;
};

static bool
count_one(void *ctx, const struct plan_item *item)
{
	struct showing *x = ctx;

	x->counts[item->what]++;
	return true;
}

/* A person is called by what the mesh has, a new one by what a source says. */
static void
take_name(struct showing *x, const struct plan_item *item)
{
	struct store *s = x->walk.s;

	buf_clear(&x->name);
	if (item->mesh != 0)
		find_mesh_name(s, item->mesh, &x->name);
	if (x->name.len == 0)
		find_object_name(s, plan_object(&x->walk, item), &x->name);
}

static bool
show_text(void *ctx, const struct plan_item *item)
{
	struct showing *x = ctx;
	const char *id;

	if (item->what != x->what)
		return true;
	if (!x->q->show.all && x->shown == PLAN_SHOWN)
		return false;
	x->shown++;
	take_name(x, item);
	plan_explain(&x->walk, item, &x->because);
	id = merge_mesh_id(x->walk.s, item->mesh);
	buf_fmt(&x->line, "  %s%s%s", x->name.len > 0 ? x->name.data : "",
	    x->name.len > 0 && id != NULL ? "  " : "", id != NULL ? id : "");
	buf_fmt(&x->line, "%s%s", x->line.len > 2 ? ": " : "",
	    x->because.text.data);
	report_text(&x->line);
	return true;
}

static bool
show_json(void *ctx, const struct plan_item *item)
{
	struct showing *x = ctx;
	struct plan_because *b = &x->because;
	struct buf object = { 0 };

	take_name(x, item);
	plan_explain(&x->walk, item, b);
	find_name(x->walk.s, plan_object(&x->walk, item), &object);
	buf_fmt(&x->line, "{\"what\":\"%s\"", kinds[item->what].word);
	msg_str(&x->line, "plan", x->plan->hash);
	msg_str(&x->line, MSG_TYPE, x->plan->type);
	msg_str(&x->line, MSG_ID, merge_mesh_id(x->walk.s, item->mesh));
	msg_str(&x->line, "name", x->name.len > 0 ? x->name.data : NULL);
	msg_str(&x->line, MSG_OBJECT, object.data);
	msg_str(&x->line, MSG_REASON, b->reason[0] != '\0' ? b->reason : NULL);
	msg_str(&x->line, "key", b->key);
	msg_str(&x->line, MSG_AT, b->at.len > 0 ? b->at.data : NULL);
	msg_str(&x->line, "because", b->text.data);
	buf_char(&x->line, '}');
	report_line(&x->line);
	buf_free(&object);
	return true;
}

static void
show_kinds(struct showing *x)
{
	for (int k = 0; k < PLAN_KINDS; k++) {
		int64_t n = x->counts[k];

		if (n == 0)
			continue;
		report_print("\n%lld %s\n", (long long)n,
		    n == 1 ? kinds[k].one : kinds[k].many);
		x->what = (enum plan_what)k;
		x->shown = 0;
		plan_each(&x->walk, show_text, x);
		if (x->shown < n)
			report_print("  and %lld more: idmesh join plan --db "
				     "%s --all %s\n",
			    (long long)(n - x->shown), x->q->show.db,
			    x->plan->hash);
	}
}

/* What the merge would do now is what was stopped, or it says so. */
static bool
is_same(const struct showing *x, const char *hash)
{
	if (strcmp(hash, x->plan->hash) == 0)
		return true;
	log_warn("%s: the data has moved on: what follows is plan %s, which "
		 "the next run will judge; plan %s cannot be approved any more",
	    x->plan->type, hash, x->plan->hash);
	return false;
}

void
plan_way_out(const char *db, const char *name)
{
	report_print("\n");
	if (name != NULL)
		report_print(
		    "if that is right: idmesh join approve --db %s %s\n", db,
		    name);
	report_print("if it is wrong: mend the source, or narrow the rule, "
		     "and run again; nothing was changed\n");
}

static int
show_plan(struct store *s, struct rules *r, const struct asking *q,
    const struct stopped *plan)
{
	struct showing x = { .q = q, .plan = plan };
	struct merge_type *t = xcalloc(1, sizeof(*t));
	char hash[17];
	bool same;

	if (plan_type(s, r, plan->type, t) != 0) {
		log_error("%s: the plan was made by other rules than these; "
			  "say which with --rules, or run again with these",
		    plan->type);
		free(t);
		return EXIT_USAGE;
	}
	plan_open(&x.walk, s, t, hash);
	same = is_same(&x, hash);
	if (q->show.json) {
		plan_each(&x.walk, show_json, &x);
	} else {
		report_print("plan %s of %s, stopped at %s\n  %s\n", plan->hash,
		    plan->type, plan->at, plan->why);
		plan_each(&x.walk, count_one, &x);
		show_kinds(&x);
		plan_way_out(q->show.db, same ? plan->hash : NULL);
	}
	plan_close(&x.walk);
	buf_free(&x.because.text);
	buf_free(&x.because.at);
	buf_free(&x.line);
	buf_free(&x.name);
	free(t);
	return same ? EXIT_DONE : EXIT_PARTLY;
}

/* The stopped plans first, for a statement does not nest. */
static size_t
read_plans(struct store *s, const char *plan, struct stopped **list)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT p.hash, t.name, p.at, json_extract(p.summary, '$.why')"
	    " FROM plan p JOIN type t ON t.pk = p.type"
	    " WHERE p.state = 'stopped' AND coalesce(?1, p.hash) = p.hash"
	    " ORDER BY p.pk",
	    "t", plan);
	size_t n = 0;

	*list = NULL;
	while (store_row(s, st)) {
		struct stopped *p;

		*list = xrealloc(*list, (n + 1) * sizeof(**list));
		p = &(*list)[n++];
		snprintf(p->hash, sizeof(p->hash), "%s", store_text(st, 0));
		snprintf(p->type, sizeof(p->type), "%s", store_text(st, 1));
		p->at = store_text_dup(st, 2);
		p->why = store_text_dup(st, 3);
	}
	return n;
}

static int
show_plans(struct store *s, struct rules *r, const struct asking *q)
{
	struct stopped *list;
	size_t n = read_plans(s, q->name, &list);
	int rc = EXIT_DONE, one;

	for (size_t i = 0; i < n; i++) {
		if (i > 0 && !q->show.json)
			report_print("\n");
		one = show_plan(s, r, q, &list[i]);
		rc = one > rc ? one : rc;
		free(list[i].at);
		free(list[i].why);
	}
	free(list);
	n += plan_runs(s, q->name, &q->show, n == 0);
	if (n == 0 && q->name != NULL && !s->failed) {
		log_error("nothing called %s is stopped (any more): see "
			  "`idmesh join held --db %s`",
		    q->name, q->show.db);
		rc = EXIT_USAGE;
	} else if (n == 0 && !q->show.json && !s->failed) {
		report_print("nothing is stopped\n");
	}
	return rc;
}

int
plan_main(int argc, char **argv)
{
	struct asking q = { 0 };
	const char *dir = NULL;
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &q.show.db, "FILE", "join's database", 0,
		    0 },
		{ "rules", 0, OPT_TEXT, &dir, "DIR",
		    "folder of the rules ($IDMESH_RULES)", 0, 0 },
		{ "all", 0, OPT_FLAG, &q.show.all, NULL,
		    "everybody, not only the first 20 of each kind", 0, 0 },
		{ "json", 0, OPT_FLAG, &q.show.json, NULL,
		    "everybody, one JSON object a line", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh join plan",
		.synopsis = "idmesh join plan --db FILE [--rules DIR] "
			    "[--all | --json] [PLAN | RUN]",
		.about = "Whom the plans and runs would touch that a guard has "
			 "stopped, and why.\nNothing is written.",
		.options = options,
		.see = "Manual: idmesh-join(1)",
		.args_max = 1,
	};
	struct join j = { 0 };
	int rc, closed;

	opt_parse(&use, &argc, argv);
	if (q.show.db == NULL)
		opt_wrong(&use, "--db is missing");
	q.name = argc > 1 ? argv[1] : NULL;
	j.rules_dir = rules_of(q.show.db, dir);
	if (join_load_rules(&j) != 0)
		return EXIT_USAGE;
	rc = store_open(&j.store, q.show.db, STORE_READ);
	if (rc == EXIT_DONE) {
		/* All that is read is of one moment, whoever writes. */
		store_do(j.store, "BEGIN", "");
		store_refresh(j.store);
		rc = show_plans(j.store, j.rules, &q);
		store_do(j.store, "COMMIT", "");
		closed = report_close(j.store);
		rc = rc == EXIT_DONE ? closed : rc;
	}
	rules_free(j.rules);
	return rc;
}
