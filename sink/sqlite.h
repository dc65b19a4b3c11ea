#ifndef IDMESH_SINK_SQLITE_H
#define IDMESH_SINK_SQLITE_H

/*
 * sqlite.h - the parts of the sqlite target.
 *
 * target_sqlite.c writes rows; sqlite_schema.c makes what people see,
 * sqlite_error.c says what went wrong, and seen.c stands in for the index over
 * the ids during a first import.
 */

#include <stdint.h>

#include "log.h"
#include "why.h"

#include <sqlite3.h>
#include <yyjson.h>

/* The table of a type and the unique index over its ids; -1: sqlite3_errmsg. */
int schema_table(sqlite3 *db, const char *type);
int schema_id_index(sqlite3 *db, const char *type);
/* Makes a database of format 2 one of ours; -1 when it stays as it was. */
int schema_upgrade(sqlite3 *db);
/*
 * Views as the types of a schema message say.  Fails with a reason where the
 * names are at fault, with an empty one where SQLite is.
 */
enum exit_code schema_apply(sqlite3 *db, yyjson_val *types, struct why *why);
/* Indexes on the usual columns that there are; -1: sqlite3_errmsg. */
int schema_settle(sqlite3 *db);

/* Fills why from the last error of db, at `place`, when `doing` that. */
enum exit_code sqlite_failed(
    sqlite3 *db, const char *place, const char *doing, struct why *why);

struct seen; /* ids that were put, by the number of their table */
struct seen *seen_new(void);
void seen_free(struct seen *s);
/* 0 is certain; 1 may be another id. */
int seen_has(struct seen *s, uint64_t table, const char *id);
/* 1 when the id is new for certain; 0 when it may be there, or all is full. */
int seen_add(struct seen *s, uint64_t table, const char *id);

#endif
