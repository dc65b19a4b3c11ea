/*
 * merge_approve.c - a plan that its guard stopped may be done after all.
 *
 * `join approve` calls it with the hash that the stop named.  The plan is made
 * again and must come out the same: whoever approves has seen these numbers
 * and no others.
 */

#include "merge_private.h"

#include <stdio.h>
#include <string.h>

#include "log.h"

/* The type that a stopped plan is of; 0 when there is none. */
static int64_t
type_of(struct store *s, const char *plan)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT type FROM plan WHERE hash = ? AND state = 'stopped'", "t",
	    plan);
	int64_t type = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return type;
}

static int
make_again(struct join *j, struct merge_type *t, char hash[17])
{
	struct merge_world w;
	struct merge_plan p;

	merge_type_load(j->store, t->policy, t->policy->type, t);
	merge_world_load(j->store, t, &w);
	merge_plan_make(j->store, t, &w, &p);
	snprintf(hash, 17, "%s", p.hash);
	merge_plan_free(&p);
	merge_world_free(&w);
	return j->store->failed ? EXIT_TEMPORARY : EXIT_DONE;
}

static int
let_pass(struct join *j, int64_t type, const char *plan)
{
	if (store_begin(j->store) != 0)
		return EXIT_TEMPORARY;
	store_do(j->store,
	    "UPDATE plan SET state = 'approved' WHERE type = ? AND hash = ?"
	    " AND state = 'stopped'",
	    "it", type, plan);
	/* Not running: whoever merges makes the plan again, and stops when it
	 * has become another one. */
	store_do(j->store,
	    "UPDATE merge SET state = 'due', plan = ? WHERE type = ?", "ti",
	    plan, type);
	return store_commit(j->store) == 0 ? EXIT_DONE : EXIT_TEMPORARY;
}

/* Data that came since makes another plan of it: which one is it now? */
static void
no_such_plan(struct store *s, const char *plan)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT group_concat(hash, ', ') FROM plan WHERE state = 'stopped'",
	    "");
	const char *now = store_row(s, st) ? store_text(st, 0) : NULL;

	log_error("no plan %s is stopped (any more)%s%s: see `idmesh join held "
		  "--db %s`",
	    plan, now != NULL ? "; stopped is " : "", now != NULL ? now : "",
	    s->path);
	store_end(st);
}

int
merge_approve(struct join *j, const char *plan)
{
	int64_t type = type_of(j->store, plan), pid;
	struct merge_type *t = merge_type_by_pk(j->merge, type);
	char hash[17];
	int rc, left = 1;

	if (type == 0 || t == NULL) {
		no_such_plan(j->store, plan);
		return EXIT_USAGE;
	}
	rc = make_again(j, t, hash);
	if (rc == EXIT_DONE && strcmp(hash, plan) != 0) {
		log_error("%s: what would be done now is another plan, %s: "
			  "look at it, then approve that one",
		    t->policy->type, hash);
		return EXIT_USAGE;
	}
	if (rc == EXIT_DONE)
		rc = let_pass(j, type, plan);
	if (rc != EXIT_DONE || store_locked(j->store, &pid))
		return rc;
	rc = store_lock(j->store);
	j->may_merge = true;
	while (rc == EXIT_DONE && left > 0)
		left = merge_chunk(j);
	return left < 0 ? EXIT_TEMPORARY : rc;
}
