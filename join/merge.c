/*
 * merge.c - where a merge is, and its next transaction.
 *
 * batch.c calls it when no page waits.  A type that is due is planned outside
 * of a transaction and judged by its guard; then come its components, the
 * memberships, the bodies, a chunk each time.  What is left after a crash is
 * what is dirty and stale, and the row in `merge` says that the guard has let
 * it pass.
 */

#include "merge_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "opt.h"
#include "run.h"

#define COMMIT_CHUNK 20000 /* objects */
/* Where everything is merged, rows are touched in no order of theirs. */
#define LARGE 100000 /* objects */
#define LARGE_CACHE "PRAGMA cache_size = -196608"
#define USUAL_CACHE "PRAGMA cache_size = -32768"

struct merge_type *
merge_type_by_pk(struct merge *m, int64_t pk)
{
	for (size_t i = 0; i < m->ntypes; i++)
		if (m->types[i].pk == pk)
			return &m->types[i];
	return m->edge.pk == pk && pk != 0 ? &m->edge : NULL;
}

struct merge_type *
merge_type_named(struct merge *m, const char *name)
{
	for (size_t i = 0; i < m->ntypes; i++)
		if (strcmp(m->types[i].policy->type, name) == 0)
			return &m->types[i];
	return NULL;
}

bool
merge_busy(const struct join *j)
{
	return j->merge != NULL && j->merge->active;
}

static void
unload(struct merge *m)
{
	merge_world_free(&m->world);
	merge_part_free(&m->part);
	m->loaded = false;
	m->next = 0;
}

void
merge_free(struct join *j)
{
	if (j->merge == NULL)
		return;
	unload(j->merge);
	free(j->merge->types);
	free(j->merge);
	j->merge = NULL;
}

static const char *
type_name(const struct merge *m, const struct merge_type *t)
{
	return t == &m->edge ? "GroupMember" : t->policy->type;
}

static bool
is_known(const struct join *j, const char *source)
{
	for (const struct flow *f = j->flows; f != NULL; f = f->next)
		if (strcmp(f->source, source) == 0)
			return true;
	return false;
}

/* A source that we were told of and have heard nothing of. */
static bool
is_awaited(const struct join *j)
{
	if (j->with == NULL || clock_ms() - j->begun_ms >= JOIN_SILENT_MS)
		return false;
	for (size_t i = 0; i < j->with->n; i++)
		if (!is_known(j, j->with->items[i]))
			return true;
	return false;
}

/* Have the streams of the type ended that this process knows of? */
static bool
is_ready(const struct join *j, const char *type)
{
	if (j->may_merge)
		return true;
	if (!j->barrier || is_awaited(j))
		return false;
	for (const struct flow *f = j->flows; f != NULL; f = f->next)
		if (strcmp(f->stream, type) == 0 && !f->over &&
		    clock_ms() - f->heard_ms < JOIN_SILENT_MS)
			return false;
	return true;
}

/* A row of merge that is wanted. */
struct due {
	struct merge_type *type;
	bool running;
	int64_t at;
};

/* The next type whose links are to be made. */
static int
next_due(struct join *j, struct due *d)
{
	sqlite3_stmt *st = store_ask(j->store,
	    "SELECT m.type, m.state, m.at, EXISTS (SELECT 1"
	    " FROM checkpoint c JOIN stream t ON t.pk = c.stream"
	    " WHERE c.phase = 'sweeping' AND t.name = y.name)"
	    " FROM merge m JOIN type y ON y.pk = m.type"
	    " WHERE m.state IN ('due', 'running') ORDER BY m.state DESC, "
	    "m.type",
	    "");
	int found = 0;

	while (!found && store_row(j->store, st)) {
		d->type =
		    merge_type_by_pk(j->merge, sqlite3_column_int64(st, 0));
		d->running = strcmp(store_text(st, 1), "running") == 0;
		d->at = sqlite3_column_int64(st, 2);
		if (d->type == NULL || sqlite3_column_int(st, 3) != 0)
			continue;
		found = d->running || is_ready(j, type_name(j->merge, d->type));
	}
	store_end(st);
	return found;
}

static void
set_state(struct store *s, int64_t type, const char *state, const char *plan)
{
	store_do(s, "UPDATE merge SET state = ?, plan = ? WHERE type = ?",
	    "tti", state, plan, type);
}

static int64_t
data_version(struct store *s)
{
	sqlite3_stmt *st = store_ask(s, "PRAGMA data_version", "");
	int64_t n = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return n;
}

static bool
any_row(struct store *s, const char *sql)
{
	sqlite3_stmt *st = store_ask(s, sql, "");
	bool any = store_row(s, st) != 0;

	store_end(st);
	return any;
}

bool
merge_waits(const struct join *j)
{
	return j->merge != NULL && j->merge->ntypes > 0 &&
	       any_row(j->store,
		   "SELECT 1 FROM merge WHERE state <> 'stopped' LIMIT 1");
}

bool
merge_stopped(struct store *s)
{
	return any_row(s, "SELECT 1 FROM plan WHERE state = 'stopped' LIMIT 1");
}

static void
load(struct join *j, struct merge *m, struct due *d)
{
	m->type = d->type;
	m->version = data_version(j->store);
	m->now_ms = d->at > 0 ? d->at : clock_wall_ms();
	m->next = 0;
	for (size_t i = 0; i < m->ntypes; i++)
		merge_type_load(j->store, m->types[i].policy,
		    m->types[i].policy->type, &m->types[i]);
	if (m->edge.pk != 0)
		merge_type_load(
		    j->store, m->edge.policy, "GroupMember", &m->edge);
	m->refs = merge_ref_any(j->store);
	m->helds = any_row(j->store, "SELECT 1 FROM held LIMIT 1");
	m->conflicts = any_row(j->store, "SELECT 1 FROM conflict LIMIT 1");
	if (m->type != &m->edge)
		merge_world_load(j->store, m->type, &m->world);
	m->loaded = true;
}

/* Has somebody let exactly this plan pass? */
static bool
is_approved(struct store *s, int64_t type, const char *hash)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT 1 FROM plan WHERE type = ? AND hash = ?"
	    " AND state = 'approved'",
	    "it", type, hash);
	bool is = store_row(s, st) != 0;

	store_end(st);
	return is;
}

static void
write_plan(struct store *s, const struct merge_type *t,
    const struct merge_plan *p, const struct why *why)
{
	struct buf b = { 0 };
	char at[CLOCK_TEXT];

	clock_rfc3339(clock_wall_ms(), at);
	buf_fmt(&b,
	    "{\"leave\":%lld,\"disable\":%lld,\"unjoin\":%lld,"
	    "\"change\":%lld,\"of\":%lld,"
	    "\"by\":{",
	    (long long)p->leaves, (long long)p->disables, (long long)p->unjoins,
	    (long long)p->changed, (long long)p->persons);
	buf_add(&b, p->by.data, p->by.len);
	buf_str(&b, "},\"why\":");
	buf_json_str(&b, why->text);
	buf_char(&b, '}');
	store_do(s,
	    "UPDATE plan SET state = 'outdated' WHERE type = ?"
	    " AND state = 'stopped' AND hash <> ?",
	    "it", t->pk, p->hash);
	store_do(s,
	    "INSERT INTO plan(hash, type, state, at, summary)"
	    " SELECT ?1, ?2, 'stopped', ?3, ?4 WHERE NOT EXISTS (SELECT 1"
	    " FROM plan WHERE hash = ?1 AND type = ?2 AND state = 'stopped')",
	    "titt", p->hash, t->pk, at, b.data);
	buf_free(&b);
}

static int
stop_plan(struct join *j, struct merge *m, const struct merge_plan *p,
    const struct why *why)
{
	const char *type = type_name(m, m->type);

	if (store_begin(j->store) != 0)
		return -1;
	write_plan(j->store, m->type, p, why);
	set_state(j->store, m->type->pk, "stopped", p->hash);
	run_note(j->store);
	if (store_commit(j->store) != 0)
		return -1;
	log_warn("%s: %s; whom it touches: idmesh join plan --db %s; if that "
		 "is right: idmesh join approve --db %s %s; if not: mend the "
		 "source or the rule, and run again",
	    type, why->text, j->store->path, j->store->path, p->hash);
	j->held = true;
	unload(m);
	return 1;
}

static void
set_cache(struct store *s, const char *pragma)
{
	sqlite3_stmt *st = store_ask(s, pragma, "");

	(void)store_row(s, st);
	store_end(st);
}

/* Plans and judges; the world stays for the commits that follow. */
static int
begin(struct join *j, struct due *d)
{
	struct merge *m = j->merge;
	struct merge_plan p = { .hash = "" };
	struct why why;
	int rc = 1;

	load(j, m, d);
	if (m->type != &m->edge) {
		merge_plan_make(j->store, m->type, &m->world, &p);
		if (!d->running && merge_plan_judge(m->type, &p, &why) != 0 &&
		    !is_approved(j->store, m->type->pk, p.hash)) {
			rc = stop_plan(j, m, &p, &why);
			merge_plan_free(&p);
			return rc;
		}
	}
	m->active = true;
	if (m->world.n > LARGE)
		set_cache(j->store, LARGE_CACHE);
	if (store_begin(j->store) != 0) {
		rc = -1;
	} else {
		/* What was stopped before is not what is done now. */
		store_do(j->store,
		    "UPDATE plan SET state = 'outdated' WHERE type = ?"
		    " AND state = 'stopped'",
		    "i", m->type->pk);
		set_state(j->store, m->type->pk, "running", p.hash);
		rc = store_commit(j->store) == 0 ? 1 : -1;
	}
	if (p.objects > 0)
		log_info("%s: %lld objects to merge, plan %s",
		    type_name(m, m->type), (long long)p.objects, p.hash);
	merge_plan_free(&p);
	return rc;
}

/* Links of some components; the last chunk closes the type. */
static int
commit_some(struct join *j, struct merge *m)
{
	const struct merge_world *w = &m->world;
	size_t done = 0;

	if (store_begin(j->store) != 0)
		return -1;
	if (data_version(j->store) != m->version) {
		/* Another process wrote: what was planned is outdated. */
		store_rollback(j->store);
		unload(m);
		return 1;
	}
	m->people = 0;
	while (m->next < w->ncomponents && done < COMMIT_CHUNK) {
		merge_match(m->type, w, m->next++, &m->part);
		merge_commit(j, m, &m->part);
		done += m->part.n;
	}
	store_do(j->store, "UPDATE type SET people = people + ? WHERE pk = ?",
	    "ii", m->people, m->type->pk);
	if (m->next == w->ncomponents) {
		store_do(j->store,
		    "UPDATE plan SET state = 'done' WHERE type = ?"
		    " AND state = 'approved'",
		    "i", m->type->pk);
		set_state(j->store, m->type->pk, "linked", NULL);
		unload(m);
	}
	return store_commit(j->store) == 0 ? 1 : -1;
}

static void
tell_done(struct join *j, struct merge *m)
{
	log_info("merged: %lld mesh object%s computed, %lld change%s",
	    (long long)m->bodies, m->bodies == 1 ? "" : "s", (long long)m->told,
	    m->told == 1 ? "" : "s");
	if (m->failures > 0)
		log_warn("functions of flow rules failed %lld times",
		    (long long)m->failures);
	if (any_row(j->store, "SELECT 1 FROM held LIMIT 1"))
		log_info("some objects are held: idmesh join held --db %s",
		    j->store->path);
	m->bodies = m->told = m->failures = 0;
}

/* The sources' time, which a process that died has left behind. */
static int64_t
server_ms(struct store *s)
{
	sqlite3_stmt *st = store_ask(
	    s, "SELECT max(at) FROM merge WHERE state = 'linked'", "");
	int64_t ms = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return ms > 0 ? ms : clock_wall_ms();
}

/* Memberships, leavers whose grace is over, bodies; then it is done. */
static int
finish_some(struct join *j, struct merge *m)
{
	int more;

	if (store_begin(j->store) != 0)
		return -1;
	m->now_ms = server_ms(j->store);
	more = m->edge.pk != 0 ? merge_edges(j, m) : 0;
	/* Memberships of those who left then are to be looked at. */
	if (!more)
		more = merge_grace(j->store, m->now_ms) > 0;
	if (!more)
		more = merge_bodies(j, m);
	if (!more) {
		store_do(
		    j->store, "DELETE FROM merge WHERE state = 'linked'", "");
		run_note(j->store);
		m->active = false;
	}
	if (store_commit(j->store) != 0)
		return -1;
	if (!more) {
		set_cache(j->store, USUAL_CACHE);
		tell_done(j, m);
	}
	return 1;
}

int
merge_chunk(struct join *j)
{
	struct merge *m = j->merge;
	struct due d;

	if (m == NULL || m->ntypes == 0)
		return 0;
	if (m->loaded)
		return commit_some(j, m);
	if (next_due(j, &d))
		return begin(j, &d);
	if (!any_row(j->store,
		"SELECT 1 FROM merge WHERE state = 'linked' LIMIT 1")) {
		m->active = false;
		return 0;
	}
	if (!m->active) {
		/* A process that died has made the links. */
		d.type = &m->edge;
		d.at = 0;
		load(j, m, &d);
		unload(m);
		m->active = true;
	}
	return finish_some(j, m);
}
