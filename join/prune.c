/*
 * prune.c - what the database need not remember any longer.
 *
 * pipe.c and service.c call it when a run begins.  Every kind of row that
 * time alone would add to has its bound: the change log (project.c), runs,
 * dead letters that are settled, tombstones and the groups behind them.  What
 * is held back, open or under way stays, however old.  Short transactions, so
 * that nobody waits for it; SQLite uses the room again.
 */

#include "join.h"

#include "clock.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#ifndef PRUNE_ROWS
#define PRUNE_ROWS 1000
#endif

/* All runs but the newest; what a run holds back stays with it. */
static int64_t
prune_runs(struct store *s, int64_t keep)
{
	int64_t rows = store_do(s,
	    "DELETE FROM run WHERE pk IN (SELECT r.pk FROM run r"
	    " JOIN source s ON s.pk = r.source"
	    " WHERE r.number <= s.run - ?1 AND NOT EXISTS"
	    " (SELECT 1 FROM checkpoint c WHERE c.run = r.pk"
	    " AND c.phase IN ('held', 'sweeping')) LIMIT ?2)",
	    "ii", keep, (int64_t)PRUNE_ROWS);

	if (rows > 0)
		store_do(s,
		    "DELETE FROM checkpoint WHERE run NOT IN"
		    " (SELECT pk FROM run)",
		    "");
	return rows;
}

static int64_t
prune_letters(struct store *s, int64_t before_ms)
{
	return store_do(s,
	    "DELETE FROM reject WHERE pk IN (SELECT pk FROM reject"
	    " WHERE resolved < ? LIMIT ?)",
	    "ii", before_ms, (int64_t)PRUNE_ROWS);
}

/*
 * A tombstone must outlive the rows of the change log that say it; and whoever
 * is linked to a mesh object is remembered as long as it is there.
 */
static int64_t
prune_tombstones(struct store *s, int64_t before_ms)
{
	static const char old[] =
	    "CREATE TEMP TABLE IF NOT EXISTS old(pk INTEGER PRIMARY KEY,"
	    " mesh INTEGER NOT NULL)";
	int64_t rows;

	store_do(s, old, "");
	store_do(s, "DELETE FROM temp.old", "");
	rows = store_do(s,
	    "INSERT INTO temp.old SELECT o.pk, o.mesh FROM tombstone d"
	    " JOIN object o ON o.pk = d.pk JOIN mesh m ON m.pk = o.mesh"
	    " WHERE d.at < ? AND d.number < ? AND o.gone IS NOT NULL"
	    " AND m.object = o.pk LIMIT ?",
	    "iii", before_ms, s->oldest, (int64_t)PRUNE_ROWS);
	/* Of a type with a join rule: whoever is not linked any more. */
	rows += store_do(s,
	    "INSERT OR IGNORE INTO temp.old SELECT o.pk, 0 FROM tombstone d"
	    " JOIN object o ON o.pk = d.pk WHERE o.mesh = 0 AND d.at < ?"
	    " AND o.gone IS NOT NULL AND NOT EXISTS"
	    " (SELECT 1 FROM link l WHERE l.object = o.pk) AND NOT EXISTS"
	    " (SELECT 1 FROM dirty w WHERE w.object = o.pk) AND NOT EXISTS"
	    " (SELECT 1 FROM mesh m WHERE m.minter = o.pk) LIMIT ?",
	    "ii", before_ms, (int64_t)PRUNE_ROWS - rows);
	store_do(s,
	    "DELETE FROM matchkey WHERE object IN (SELECT pk FROM temp.old)",
	    "");
	store_do(
	    s, "DELETE FROM ref WHERE object IN (SELECT pk FROM temp.old)", "");
	store_do(
	    s, "DELETE FROM mesh WHERE pk IN (SELECT mesh FROM temp.old)", "");
	store_do(
	    s, "DELETE FROM object WHERE pk IN (SELECT pk FROM temp.old)", "");
	store_do(s,
	    "DELETE FROM tombstone WHERE pk IN (SELECT pk FROM temp.old)", "");
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

static int64_t
prune_some(struct join *j, int64_t now_ms)
{
	const struct keep *k = &j->keep;
	struct store *s = j->store;
	int64_t most, rows;

	if (store_begin(s) != 0)
		return 0;
	most = prune_runs(s, k->runs);
	rows = prune_letters(s, now_ms - k->dead_days * DAY_MS);
	if (rows > most)
		most = rows;
	rows = prune_tombstones(s, now_ms - k->gone_days * DAY_MS);
	if (rows > most)
		most = rows;
	rows = prune_containers(s);
	if (rows > most)
		most = rows;
	return store_commit(s) == 0 ? most : 0;
}

void
prune(struct join *j, int64_t acked)
{
	int64_t now_ms = clock_wall_ms();

	change_prune(j->store, acked);
	while (prune_some(j, now_ms) == PRUNE_ROWS)
		;
}
