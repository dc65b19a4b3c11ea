/*
 * prune.c - what the database need not remember any longer.
 *
 * pipe.c and service.c begin it with a run.  Every kind of row that time alone
 * would add to has its bound: the change log (project.c), runs, plans, dead
 * letters that are settled, tombstones and the groups behind them.  What is
 * held back, open or under way stays, however old.  A step is one short
 * transaction, and the service does one whenever it has nothing else to do;
 * where it is ended in between, the next run goes on.  SQLite uses the room
 * again.
 */

#include "join.h"

#include "clock.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#ifndef PRUNE_ROWS
#define PRUNE_ROWS 1000
#endif

/*
 * All runs but the newest and, for `idmesh run --full-every`, the newest that
 * has read everything; what a run holds back stays with it.
 */
static int64_t
prune_runs(struct store *s, int64_t keep)
{
	int64_t rows = store_do(s,
	    "DELETE FROM run WHERE pk IN (SELECT r.pk FROM run r"
	    " JOIN source s ON s.pk = r.source"
	    " WHERE r.number <= s.run - ?1 AND NOT EXISTS"
	    " (SELECT 1 FROM checkpoint c WHERE c.run = r.pk"
	    " AND c.phase IN ('held', 'sweeping')) AND r.pk NOT IN"
	    " (SELECT max(f.pk) FROM run f JOIN checkpoint c ON c.run = f.pk"
	    " WHERE f.pk NOT IN (SELECT run FROM checkpoint WHERE"
	    " mode <> 'full' OR phase IN ('reading', 'incomplete'))"
	    " GROUP BY f.source) LIMIT ?2)",
	    "ii", keep, (int64_t)PRUNE_ROWS);

	if (rows > 0)
		store_do(s,
		    "DELETE FROM checkpoint WHERE run NOT IN"
		    " (SELECT pk FROM run)",
		    "");
	return rows;
}

/* Of plans that wait for nobody as many as of runs. */
static int64_t
prune_plans(struct store *s, int64_t keep)
{
	return store_do(s,
	    "DELETE FROM plan WHERE pk IN (SELECT pk FROM plan"
	    " WHERE state IN ('outdated', 'done') AND pk NOT IN"
	    " (SELECT pk FROM plan ORDER BY pk DESC LIMIT ?1) LIMIT ?2)",
	    "ii", keep, (int64_t)PRUNE_ROWS);
}

static int64_t
prune_letters(struct store *s, int64_t before_ms)
{
	return store_do(s,
	    "DELETE FROM reject WHERE pk IN (SELECT pk FROM reject"
	    " WHERE resolved < ? LIMIT ?)",
	    "ii", before_ms, (int64_t)PRUNE_ROWS);
}

/* What goes now: objects, and mesh objects, 0 for none. */
static void
old_begin(struct store *s)
{
	static const char old[] =
	    "CREATE TEMP TABLE IF NOT EXISTS old(pk INTEGER PRIMARY KEY,"
	    " mesh INTEGER NOT NULL)";

	store_do(s, old, "");
	store_do(s, "DELETE FROM temp.old", "");
}

/* Deletes it with all that belongs to it; `after` is the last that it was. */
static void
old_end(struct store *s, int64_t *after)
{
	sqlite3_stmt *st = store_ask(s, "SELECT max(pk) FROM temp.old", "");

	if (store_row(s, st) && sqlite3_column_type(st, 0) != SQLITE_NULL)
		*after = sqlite3_column_int64(st, 0);
	store_end(st);
	store_do(s,
	    "DELETE FROM matchkey WHERE object IN (SELECT pk FROM temp.old)",
	    "");
	store_do(
	    s, "DELETE FROM ref WHERE object IN (SELECT pk FROM temp.old)", "");
	store_do(s,
	    "DELETE FROM decided WHERE object IN (SELECT pk FROM temp.old)",
	    "");
	store_do(s,
	    "DELETE FROM edge WHERE mesh IN (SELECT mesh FROM temp.old)", "");
	store_do(
	    s, "DELETE FROM mesh WHERE pk IN (SELECT mesh FROM temp.old)", "");
	store_do(
	    s, "DELETE FROM object WHERE pk IN (SELECT pk FROM temp.old)", "");
	store_do(s,
	    "DELETE FROM tombstone WHERE pk IN (SELECT pk FROM temp.old)", "");
}

/* A tombstone must outlive the rows of the change log that say it. */
static int64_t
prune_projected(struct store *s, int64_t before_ms, int64_t *after)
{
	int64_t rows;

	old_begin(s);
	rows = store_do(s,
	    "INSERT INTO temp.old SELECT o.pk, o.mesh FROM tombstone d"
	    " CROSS JOIN object o ON o.pk = d.pk JOIN mesh m ON m.pk = o.mesh"
	    " WHERE d.pk > ? AND d.at < ? AND d.number < ?"
	    " AND o.gone IS NOT NULL AND m.object = o.pk ORDER BY d.pk LIMIT ?",
	    "iiii", *after, before_ms, s->oldest, (int64_t)PRUNE_ROWS);
	old_end(s, after);
	return rows;
}

/* Of a type with a join rule: whoever is not linked any more, for who is
 * linked to a mesh object is remembered as long as that is there. */
static int64_t
prune_unlinked(struct store *s, int64_t before_ms, int64_t *after)
{
	int64_t rows;

	old_begin(s);
	rows = store_do(s,
	    "INSERT INTO temp.old SELECT o.pk, 0 FROM tombstone d"
	    " CROSS JOIN object o ON o.pk = d.pk WHERE d.pk > ? AND d.at < ?"
	    " AND o.mesh = 0 AND o.gone IS NOT NULL AND NOT EXISTS"
	    " (SELECT 1 FROM link l WHERE l.object = o.pk) AND NOT EXISTS"
	    " (SELECT 1 FROM type y CROSS JOIN dirty w ON w.type = y.pk"
	    " AND w.object = o.pk) AND NOT EXISTS"
	    " (SELECT 1 FROM mesh m WHERE m.minter = o.pk)"
	    " ORDER BY d.pk LIMIT ?",
	    "iii", *after, before_ms, (int64_t)PRUNE_ROWS);
	old_end(s, after);
	return rows;
}

/* Merged memberships that nobody spoke of since; of one that is there again
 * only the tombstone. */
static int64_t
prune_edges(struct store *s, int64_t before_ms, int64_t *after)
{
	int64_t rows;

	old_begin(s);
	rows = store_do(s,
	    "INSERT INTO temp.old SELECT d.pk, iif(m.state = 'gone', m.pk, 0)"
	    " FROM tombstone d LEFT JOIN mesh m ON m.pk = -d.pk"
	    " WHERE d.pk < 0 AND d.pk > ? AND d.at < ? AND d.number < ?"
	    " AND NOT EXISTS (SELECT 1 FROM stale x WHERE x.grp = -d.pk"
	    " AND x.mesh = -d.pk) ORDER BY d.pk LIMIT ?",
	    "iiii", *after, before_ms, s->oldest, (int64_t)PRUNE_ROWS);
	old_end(s, after);
	return rows;
}

/* Groups that are gone with all of their members. */
static int64_t
prune_containers(struct store *s)
{
	return store_do(s,
	    "DELETE FROM container WHERE pk IN (SELECT k.pk FROM container k"
	    " JOIN stream t ON t.pk = k.stream WHERE k.listing IS NULL"
	    " AND NOT EXISTS (SELECT 1 FROM object o WHERE o.container = k.pk)"
	    " AND NOT EXISTS (SELECT 1 FROM reject x"
	    " WHERE x.stream = k.stream AND x.container = k.pk)"
	    " AND NOT EXISTS (SELECT 1 FROM stream g JOIN object o"
	    " ON o.stream = g.pk AND o.id = k.id WHERE g.source = t.source"
	    " AND g.name = 'Group') LIMIT ?)",
	    "i", (int64_t)PRUNE_ROWS);
}

enum stage {
	CHANGES,
	RUNS,
	PLANS,
	LETTERS,
	EDGES,
	UNLINKED,
	PROJECTED,
	CONTAINERS
};
#define STAGES (CONTAINERS + 1)

/* Some rows of a stage; few of them when that is done. */
static int64_t
prune_stage(struct join *j, enum stage stage, int64_t acked)
{
	const struct keep *k = &j->keep;
	struct pruning *p = &j->pruning;
	int64_t gone_ms = p->now_ms - k->gone_days * DAY_MS;

	switch (stage) {
	case CHANGES:
		return change_prune(j->store, acked, PRUNE_ROWS);
	case RUNS:
		return prune_runs(j->store, k->runs);
	case PLANS:
		return prune_plans(j->store, k->runs);
	case LETTERS:
		return prune_letters(
		    j->store, p->now_ms - k->dead_days * DAY_MS);
	case EDGES:
		return prune_edges(j->store, gone_ms, &p->after);
	case UNLINKED:
		return prune_unlinked(j->store, gone_ms, &p->after);
	case PROJECTED:
		return prune_projected(j->store, gone_ms, &p->after);
	case CONTAINERS:
		return prune_containers(j->store);
	}
	return 0;
}

void
prune_begin(struct join *j)
{
	j->pruning =
	    (struct pruning){ .left = STAGES, .now_ms = clock_wall_ms() };
}

int
prune_step(struct join *j, int64_t acked)
{
	struct pruning *p = &j->pruning;
	int64_t rows = 0;

	if (p->left == 0)
		return 0;
	if (store_begin(j->store) != 0)
		return -1;
	while (p->left > 0 && rows < PRUNE_ROWS) {
		enum stage stage = STAGES - p->left;
		int64_t n;

		if (p->after == 0 && stage == EDGES)
			p->after = INT64_MIN;
		n = prune_stage(j, stage, acked);
		rows += n;
		if (n < PRUNE_ROWS) {
			p->left--;
			p->after = 0;
		}
	}
	return store_commit(j->store) == 0 ? p->left > 0 : -1;
}
