/*
 * store_schema.c - the tables of join's database.
 *
 * store.c runs it on a new file; the version is user_version, and
 * store_migrate.c brings an older one here.  Rows that a
 * full pass touches are narrow (object, seen) and their JSON lies apart
 * (attrs), so that an unchanged pass writes some ten bytes an object.
 */

#include "join.h"

const char store_schema[] =
    /* One row: numbers of the change log that are kept, and the counter
     * from which runs and group listings take their generation. */
    "CREATE TABLE store(id TEXT NOT NULL, newest INTEGER NOT NULL,"
    " oldest INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " made TEXT NOT NULL);"
    /* Numbers above low and up to high were given out before the database was
     * restored, as a target showed that was ahead of it: they mean other
     * changes and are not given out again. */
    "CREATE TABLE restored(low INTEGER PRIMARY KEY, high INTEGER NOT NULL);"
    "CREATE TABLE source(pk INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " run INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0,"
    " instance TEXT);"
    /* rules: the folder that the last join had them from. */
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL)"
    " WITHOUT ROWID;"
    /* value: {\"u\":..,\"g\":..}, by hand editable. */
    "CREATE TABLE watermark(source TEXT PRIMARY KEY, value TEXT NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE stream(pk INTEGER PRIMARY KEY, source INTEGER NOT NULL,"
    " name TEXT NOT NULL, full_run INTEGER, alive INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE(source, name));"
    /* asked: auto, full or delta; NULL for a run that join began itself.
     * state: running, done, incomplete, held. */
    /* log, until: the newest number of the change log when it began, and when
     * what it brought was merged. */
    "CREATE TABLE run(pk INTEGER PRIMARY KEY, source INTEGER NOT NULL,"
    " number INTEGER NOT NULL, asked TEXT, state TEXT NOT NULL,"
    " generation INTEGER NOT NULL, started TEXT NOT NULL, ended TEXT,"
    " log INTEGER, until INTEGER, UNIQUE(source, number));"
    /* phase: reading, sweeping, done, held, incomplete, skipped.  swept: the
     * last object that the sweep has looked at.  certified: whether the end
     * was complete and what it says agrees with what was committed. */
    "CREATE TABLE checkpoint(pk INTEGER PRIMARY KEY, run INTEGER NOT NULL,"
    " stream INTEGER NOT NULL, mode TEXT NOT NULL, since TEXT,"
    " seq INTEGER NOT NULL DEFAULT 0, state TEXT,"
    " phase TEXT NOT NULL DEFAULT 'reading',"
    " swept INTEGER NOT NULL DEFAULT 0, watermark TEXT,"
    " pages INTEGER NOT NULL DEFAULT 0, records INTEGER NOT NULL DEFAULT 0,"
    " added INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL DEFAULT 0,"
    " same INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0,"
    " spared INTEGER NOT NULL DEFAULT 0, rejects INTEGER NOT NULL DEFAULT 0,"
    " errors INTEGER NOT NULL DEFAULT 0, unsure INTEGER NOT NULL DEFAULT 0,"
    " why TEXT, warnings TEXT, certified INTEGER, UNIQUE(run, stream));"
    /* A group whose members are listed; listing: the generation of the
     * listing that is under way. */
    "CREATE TABLE container(pk INTEGER PRIMARY KEY, stream INTEGER NOT NULL,"
    " id TEXT NOT NULL, listing INTEGER, unsure INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE(stream, id));"
    /* The connector space.  gone: why it left; such a row is a tombstone and
     * has no attrs and no seen. */
    "CREATE TABLE object(pk INTEGER PRIMARY KEY, stream INTEGER NOT NULL,"
    " id TEXT NOT NULL, hash BLOB, mesh INTEGER NOT NULL, container INTEGER,"
    " rules INTEGER NOT NULL, gone TEXT, UNIQUE(stream, id));"
    "CREATE INDEX object_container ON object(container)"
    " WHERE container IS NOT NULL;"
    "CREATE TABLE attrs(pk INTEGER PRIMARY KEY, text TEXT NOT NULL);"
    "CREATE TABLE seen(pk INTEGER PRIMARY KEY, generation INTEGER NOT NULL);"
    /* Living objects that a run took out and that its guard has not let go
     * yet.  generation: of the run; 0 for a membership that its group does not
     * list any more, and that waits for its user or its group to be decided.
     * reason: as in object.gone. */
    "CREATE TABLE leaving(pk INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " reason TEXT NOT NULL, PRIMARY KEY(pk, generation)) WITHOUT ROWID;"
    /* When what left did so, and as which number of the change log.  pk: of
     * the object; of a membership that was merged that of the mesh, negative.
     */
    "CREATE TABLE tombstone(pk INTEGER PRIMARY KEY, number INTEGER NOT NULL,"
    " at INTEGER NOT NULL);"
    "CREATE TABLE rules(pk INTEGER PRIMARY KEY,"
    " version TEXT NOT NULL UNIQUE);"
    /* people: living mesh objects of a type with a join rule; rules: the
     * version that its keys and bodies were made with. */
    "CREATE TABLE type(pk INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " people INTEGER NOT NULL DEFAULT 0, rules TEXT);"
    /* object: the only contributor, of a type without a join rule; the
     * others' are in link, and state (NULL: living, leaving, gone, alias),
     * leave_at (ms) and minter, the object whose id theirs was made of for
     * the nth time, are only theirs. */
    "CREATE TABLE mesh(pk INTEGER PRIMARY KEY, type INTEGER NOT NULL,"
    " id TEXT NOT NULL, object INTEGER, state TEXT, leave_at INTEGER,"
    " minter INTEGER, nth INTEGER);"
    /* changed: JSON array of attributes, NULL when the object is new. */
    "CREATE TABLE change(number INTEGER PRIMARY KEY, mesh INTEGER NOT NULL,"
    " op TEXT NOT NULL, changed TEXT, at INTEGER NOT NULL);"
    /* Dead letters.  header: of the page that the raw record came in;
     * generation and container: of the object that it would have become;
     * tries: how often it was mapped again by hand; resolved: when it came
     * right, in ms, and how. */
    "CREATE TABLE reject(pk INTEGER PRIMARY KEY, stream INTEGER NOT NULL,"
    " id TEXT NOT NULL, stage TEXT NOT NULL, code TEXT, place TEXT,"
    " message TEXT, raw TEXT, rules TEXT, first_run INTEGER NOT NULL,"
    " last_run INTEGER NOT NULL, at TEXT, header TEXT, first_at TEXT,"
    " generation INTEGER NOT NULL DEFAULT 0, container INTEGER,"
    " tries INTEGER NOT NULL DEFAULT 0, resolved INTEGER, how TEXT,"
    " UNIQUE(stream, id));"
    "CREATE INDEX reject_open ON reject(stream) WHERE resolved IS NULL;"
#include "store_merge.h"
#include "store_raw.h"
    ;
