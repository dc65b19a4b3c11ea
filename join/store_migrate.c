/*
 * store_migrate.c - a database of an older version becomes one of today's.
 *
 * store.c calls it before anything else is read.  One step a version, all of
 * them and the new version in one transaction: a crash or a full disk leaves
 * the old database as it was.  What a step does must give the tables that
 * store_schema.c makes.
 */

#include "join.h"

#include <stdio.h>

#include "log.h"

/* steps[n] makes version n + 2 out of n + 1. */
static const char *const steps[] = {
	"CREATE TABLE leaving(pk INTEGER PRIMARY KEY, reason TEXT NOT NULL,"
	" generation INTEGER NOT NULL);",

	"CREATE TABLE restored(low INTEGER PRIMARY KEY,"
	" high INTEGER NOT NULL);",

	"ALTER TABLE leaving RENAME TO leaving_3;"
	"CREATE TABLE leaving(pk INTEGER NOT NULL,"
	" generation INTEGER NOT NULL, reason TEXT NOT NULL,"
	" PRIMARY KEY(pk, generation)) WITHOUT ROWID;"
	"INSERT INTO leaving SELECT pk, generation, reason FROM leaving_3;"
	"DROP TABLE leaving_3;"
	"CREATE TABLE tombstone(pk INTEGER PRIMARY KEY,"
	" number INTEGER NOT NULL, at INTEGER NOT NULL);"
	/* Nobody wrote down when they left: their time begins now. */
	"INSERT INTO tombstone SELECT o.pk, s.newest, strftime('%s', 'now') * "
	"1000"
	" FROM object o, store s WHERE o.gone IS NOT NULL;"
	"ALTER TABLE checkpoint ADD COLUMN certified INTEGER;"
	"ALTER TABLE reject ADD COLUMN header TEXT;"
	"ALTER TABLE reject ADD COLUMN first_at TEXT;"
	"ALTER TABLE reject ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE reject ADD COLUMN container INTEGER;"
	"ALTER TABLE reject ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE reject ADD COLUMN resolved INTEGER;"
	"ALTER TABLE reject ADD COLUMN how TEXT;"
	"UPDATE reject SET first_at = at, generation = ifnull((SELECT"
	" r.generation FROM stream t JOIN run r ON r.source = t.source"
	" WHERE t.pk = reject.stream AND r.number = reject.last_run), 0);"
	"CREATE INDEX reject_open ON reject(stream) WHERE resolved IS NULL;",

	"ALTER TABLE type ADD COLUMN people INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE type ADD COLUMN rules TEXT;"
	"ALTER TABLE mesh ADD COLUMN state TEXT;"
	"ALTER TABLE mesh ADD COLUMN leave_at INTEGER;"
	"ALTER TABLE mesh ADD COLUMN minter INTEGER;"
	"ALTER TABLE mesh ADD COLUMN nth INTEGER;"
#include "store_merge.h"
	,

	"ALTER TABLE run ADD COLUMN log INTEGER;"
	"CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL)"
	" WITHOUT ROWID;"
#include "store_raw.h"
	,

	"CREATE INDEX IF NOT EXISTS edge_mesh ON edge(mesh);"
	"INSERT OR IGNORE INTO tombstone SELECT -m.pk, s.newest,"
	" strftime('%s', 'now') * 1000 FROM mesh m JOIN type y ON y.pk = "
	"m.type,"
	" store s WHERE y.name = 'GroupMember' AND y.rules IS NOT NULL"
	" AND m.state = 'gone';"
	"ALTER TABLE body RENAME TO body_6;"
	"CREATE TABLE body(mesh INTEGER PRIMARY KEY, text TEXT NOT NULL,"
	" contributors TEXT NOT NULL, state TEXT, at INTEGER);"
	"INSERT INTO body(mesh, text, contributors, state)"
	" SELECT mesh, text, contributors, state FROM body_6;"
	"DROP TABLE body_6;"
	"ALTER TABLE run ADD COLUMN until INTEGER;"
	/* Nobody wrote it down: where the next run began. */
	"UPDATE run SET until = ifnull((SELECT n.log FROM run n"
	" WHERE n.source = run.source AND n.number > run.number"
	" ORDER BY n.number LIMIT 1), iif(log IS NULL, -1,"
	" (SELECT newest FROM store))) WHERE state <> 'running';",

	"CREATE TABLE IF NOT EXISTS decided(decision INTEGER NOT NULL,"
	" object INTEGER NOT NULL, run INTEGER NOT NULL,"
	" mesh INTEGER NOT NULL, PRIMARY KEY(decision, object))"
	" WITHOUT ROWID;",

	"ALTER TABLE decided RENAME TO decided_8;"
	"CREATE TABLE decided(decision INTEGER NOT NULL,"
	" object INTEGER NOT NULL, run INTEGER NOT NULL,"
	" mesh INTEGER NOT NULL, key INTEGER NOT NULL DEFAULT -1,"
	" other INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(decision, object))"
	" WITHOUT ROWID;"
	/* Without one it did not say that there was no person. */
	"INSERT INTO decided(decision, object, run, mesh)"
	" SELECT decision, object, run, mesh FROM decided_8"
	" WHERE mesh <> 0;"
	"DROP TABLE decided_8;",

	"ALTER TABLE dirty RENAME TO dirty_9;"
	"CREATE TABLE dirty(type INTEGER NOT NULL, object INTEGER NOT NULL,"
	" changed INTEGER NOT NULL DEFAULT 0, was TEXT,"
	" PRIMARY KEY(type, object)) WITHOUT ROWID;"
	"INSERT INTO dirty(type, object, changed)"
	" SELECT type, object, changed FROM dirty_9;"
	"DROP TABLE dirty_9;",
};

int
store_migrate(struct store *s, int64_t version)
{
	char pragma[64];
	int rc = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	for (int64_t n = version; rc == SQLITE_OK && n < STORE_VERSION; n++)
		rc = sqlite3_exec(s->db, steps[n - 1], NULL, NULL, NULL);
	snprintf(
	    pragma, sizeof(pragma), "PRAGMA user_version = %d", STORE_VERSION);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(s->db, pragma, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
	if (rc == SQLITE_OK) {
		log_info("%s: version %lld became version %d", s->path,
		    (long long)version, STORE_VERSION);
		return 0;
	}
	log_error("%s: version %lld cannot become version %d, and is what it "
		  "was: %s",
	    s->path, (long long)version, STORE_VERSION, sqlite3_errmsg(s->db));
	sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}
