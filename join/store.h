#ifndef IDMESH_JOIN_STORE_H
#define IDMESH_JOIN_STORE_H

/*
 * store.h - the database of join: opening, locking, transactions, statements.
 *
 * The tables are described in store_schema.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#define STORE_VERSION 10

/* store.c: the database.  An error is logged once and sticks: from then on
 * nothing is executed, no row is found and store_commit() fails. */
enum store_mode { STORE_READ, STORE_WRITE, STORE_MAKE };

struct store {
	sqlite3 *db;
	char *path; /* owned */
	int lock_fd;
	bool failed;
	bool let_go; /* who leaves now does so by an operator's word */
	struct store_query *queries; /* prepared statements by their text */
	char id[20];
	struct names {
		char **of; /* owned, by primary key */
		size_t n;
	} types, sources; /* names that the outbox needs for every object */
	int64_t object; /* last key given out in this transaction, 0 unknown */
	int64_t newest, oldest, generation; /* read at each store_begin() */
	int64_t taken; /* newer numbers up to here are not given out */
};

/* EXIT_DONE with *s, or the exit code; the reason was logged. */
int store_open(struct store **s, const char *path, enum store_mode mode);
void store_close(struct store *s);
/* A copy as of the store's present transaction that nobody else sees and that
 * is gone with its process; NULL after a line. */
struct store *store_copy(struct store *of);
/* One join a database; EXIT_TEMPORARY names who holds it. */
int store_lock(struct store *s);
/* Is a join at work on it?  Then *pid is its process. */
int store_locked(struct store *s, int64_t *pid);
/* The lock file says which sources a join works on; 1 when it is taken. */
void store_claim(struct store *s, const char *source);
int store_claimed(struct store *s, const char *source, int64_t *pid);
/* A write transaction. */
int store_begin(struct store *s);
int store_commit(struct store *s);
void store_rollback(struct store *s);
/* Reads the counters again that another process may have moved. */
void store_refresh(struct store *s);
/* The key of an object that is about to be inserted. */
int64_t store_next_object(struct store *s);
/* Binds `i` int64_t, `t` string, `s` string and length, `b` blob and length
 * of a literal statement; store_row() is 1 for a row, store_end() resets. */
sqlite3_stmt *store_ask(
    struct store *s, const char *sql, const char *types, ...);
int store_row(struct store *s, sqlite3_stmt *st);
void store_end(sqlite3_stmt *st);
/* The same without rows; returns how many rows it changed. */
int64_t store_do(struct store *s, const char *sql, const char *types, ...);
const char *store_text(sqlite3_stmt *st, int column);
/* A copy that the caller frees, or NULL. */
char *store_text_dup(sqlite3_stmt *st, int column);
extern const char store_schema[];
/* Brings an older version to STORE_VERSION in one transaction; -1 when the
 * database stays as it was. */
int store_migrate(struct store *s, int64_t version);

#endif
