/*
 * store.c - the database file: opening, transactions, statements.
 *
 * Every other file of join reads and writes through it.  Owns the connection
 * and its prepared statements, which are found again by the address of their
 * text.  A failure is logged here, once, and sticks until the process ends:
 * whatever was not committed is rolled back, and the next run goes on from
 * the checkpoint.
 */

#include "join.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "folder.h"
#include "log.h"
#include "mem.h"

#define STORE_APPLICATION 0x49444d4a /* "IDMJ" */
#define STORE_BUSY_MS 30000
#ifndef STORE_QUERIES
#define STORE_QUERIES 512 /* a power of two, over the statements in use */
#endif

struct store_query {
	const char *sql;
	sqlite3_stmt *st;
};

/* What a person can do about an error of SQLite. */
static const char *
advice(int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return "make room on its disk and run again; what was "
		       "committed is intact";
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return "make it and its folder writable and run again";
	case SQLITE_CORRUPT:
		return "look at its disk; restore a backup of it, or move it "
		       "away and the next run begins anew";
	case SQLITE_NOTADB:
		return "if it was the state before, its beginning is damaged: "
		       "restore a backup, or move it away and the next run "
		       "begins anew; else name another file";
	case SQLITE_NOMEM:
		return "make room in memory and run again";
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return "another process is at work in it; run again when it "
		       "is done";
	default:
		return "look at its disk and run again; what was committed "
		       "is intact";
	}
}

static void
broken(struct store *s, const char *what)
{
	int code = sqlite3_errcode(s->db);

	/* Also told to those who only read. */
	if (!s->failed && code == SQLITE_NOTADB)
		log_error("%s is no database of idmesh join; %s", s->path,
		    advice(code));
	else if (!s->failed)
		log_error("%s: %s: %s; %s", s->path, what,
		    sqlite3_errmsg(s->db), advice(code));
	s->failed = true;
}

/* A file that did not open: is it the wrong one, or will it do later? */
static int
unopened(const char *path, int error)
{
	bool wrong = error == ENOENT || error == ENOTDIR || error == EISDIR;

	log_error("%s: %s; %s", path, strerror(error),
	    wrong ? "name a file in a folder that is there"
		  : "see to its disk and to who may write to it, then run "
		    "again");
	return wrong ? EXIT_USAGE : EXIT_TEMPORARY;
}

static int
execute(struct store *s, const char *sql)
{
	if (s->failed)
		return -1;
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	broken(s, "cannot write");
	return -1;
}

/* The prepared statement of a literal: one for each address. */
static sqlite3_stmt *
prepared(struct store *s, const char *sql)
{
	size_t at = ((uintptr_t)sql >> 2) * 0x9e3779b1u;

	for (;; at++) {
		struct store_query *q = &s->queries[at % STORE_QUERIES];

		if (q->sql == sql)
			return q->st;
		if (q->sql != NULL)
			continue;
		if (sqlite3_prepare_v3(s->db, sql, -1,
			SQLITE_PREPARE_PERSISTENT, &q->st, NULL) != SQLITE_OK) {
			broken(s, sql);
			return NULL;
		}
		q->sql = sql;
		return q->st;
	}
}

static sqlite3_stmt *
bind(struct store *s, const char *sql, const char *types, va_list ap)
{
	sqlite3_stmt *st = s->failed ? NULL : prepared(s, sql);
	const char *p;

	if (st == NULL)
		return NULL;
	for (int i = 1; types[i - 1] != '\0'; i++) {
		switch (types[i - 1]) {
		case 'i':
			sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
			break;
		case 't':
			p = va_arg(ap, const char *);
			sqlite3_bind_text(st, i, p, -1, SQLITE_STATIC);
			break;
		case 's':
			p = va_arg(ap, const char *);
			sqlite3_bind_text(
			    st, i, p, (int)va_arg(ap, size_t), SQLITE_STATIC);
			break;
		default:
			p = va_arg(ap, const char *);
			sqlite3_bind_blob(
			    st, i, p, (int)va_arg(ap, size_t), SQLITE_STATIC);
		}
	}
	return st;
}

sqlite3_stmt *
store_ask(struct store *s, const char *sql, const char *types, ...)
{
	sqlite3_stmt *st;
	va_list ap;

	va_start(ap, types);
	st = bind(s, sql, types, ap);
	va_end(ap);
	return st;
}

int
store_row(struct store *s, sqlite3_stmt *st)
{
	int rc;

	if (st == NULL || s->failed)
		return 0;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		broken(s, sqlite3_sql(st));
	sqlite3_reset(st);
	return 0;
}

void
store_end(sqlite3_stmt *st)
{
	if (st != NULL)
		sqlite3_reset(st);
}

int64_t
store_do(struct store *s, const char *sql, const char *types, ...)
{
	sqlite3_stmt *st;
	va_list ap;

	va_start(ap, types);
	st = bind(s, sql, types, ap);
	va_end(ap);
	if (st == NULL)
		return 0;
	if (sqlite3_step(st) != SQLITE_DONE)
		broken(s, sqlite3_sql(st));
	sqlite3_reset(st);
	return s->failed ? 0 : sqlite3_changes64(s->db);
}

const char *
store_text(sqlite3_stmt *st, int column)
{
	return (const char *)sqlite3_column_text(st, column);
}

char *
store_text_dup(sqlite3_stmt *st, int column)
{
	const char *text = store_text(st, column);

	return text != NULL ? xstrdup(text) : NULL;
}

void
store_refresh(struct store *s)
{
	sqlite3_stmt *st;

	st = store_ask(s,
	    "SELECT newest, oldest, generation,"
	    " (SELECT max(high) FROM restored) FROM store",
	    "");
	if (store_row(s, st)) {
		s->newest = sqlite3_column_int64(st, 0);
		s->oldest = sqlite3_column_int64(st, 1);
		s->generation = sqlite3_column_int64(st, 2);
		s->taken = sqlite3_column_int64(st, 3);
	}
	store_end(st);
}

int
store_begin(struct store *s)
{
	s->object = 0;
	store_do(s, "BEGIN IMMEDIATE", "");
	store_refresh(s);
	return s->failed ? -1 : 0;
}

int
store_commit(struct store *s)
{
	store_do(s, "UPDATE store SET newest = ?, oldest = ?, generation = ?",
	    "iii", s->newest, s->oldest, s->generation);
	store_do(s, "COMMIT", "");
	return s->failed ? -1 : 0;
}

int64_t
store_next_object(struct store *s)
{
	sqlite3_stmt *st;

	if (s->object == 0) {
		st = store_ask(s, "SELECT max(pk) FROM object", "");
		if (store_row(s, st))
			s->object = sqlite3_column_int64(st, 0);
		store_end(st);
	}
	return ++s->object;
}

void
store_rollback(struct store *s)
{
	sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

static int64_t
pragma(struct store *s, const char *sql)
{
	sqlite3_stmt *st = store_ask(s, sql, "");
	int64_t n = store_row(s, st) ? sqlite3_column_int64(st, 0) : -1;

	store_end(st);
	return n;
}

/* It is written into the file: only when that is known to be ours. */
static const char write_ahead[] = "PRAGMA journal_mode = WAL";

/* Makes the tables of an empty file. */
static void
create(struct store *s)
{
	char made[CLOCK_TEXT], id[20], sql[96];
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint64_t)clock_wall_ms();
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)random);
	clock_rfc3339(clock_wall_ms(), made);
	execute(s, "PRAGMA page_size = 8192");
	execute(s, write_ahead);
	execute(s, "BEGIN IMMEDIATE");
	execute(s, store_schema);
	store_do(s, "INSERT INTO store VALUES(?, 0, 1, 0, ?)", "tt", id, made);
	snprintf(sql, sizeof(sql),
	    "PRAGMA application_id = %d; PRAGMA user_version = %d",
	    STORE_APPLICATION, STORE_VERSION);
	execute(s, sql);
	execute(s, "COMMIT");
	if (!s->failed && folder_sync(s->path) != 0) {
		log_error("%s: cannot sync its folder: %s; see to its disk "
			  "and run again",
		    s->path, strerror(errno));
		s->failed = true;
	}
}

/* A database of ours, of another version. */
static int
other_version(struct store *s, enum store_mode mode, int64_t version)
{
	int64_t pid;

	if (version > STORE_VERSION || version < 1) {
		log_error("%s has version %lld, this program knows up to %d: "
			  "use the newer idmesh that made it",
		    s->path, (long long)version, STORE_VERSION);
		return EXIT_USAGE;
	}
	if (mode != STORE_MAKE) {
		log_error("%s has version %lld of an older idmesh: the next "
			  "run or `idmesh join begin` brings it to version %d",
		    s->path, (long long)version, STORE_VERSION);
		return EXIT_USAGE;
	}
	if (store_locked(s, &pid)) {
		log_error("%s has version %lld, and an older join (process "
			  "%lld) is at work on it: stop that one first",
		    s->path, (long long)version, (long long)pid);
		return EXIT_TEMPORARY;
	}
	return store_migrate(s, version) == 0 ? EXIT_DONE : EXIT_TEMPORARY;
}

/* Is this file ours, of our version? Makes it so when it is new. */
static int
check(struct store *s, enum store_mode mode)
{
	int64_t version, application, things;
	bool notadb;

	/* At one moment: another process may be making it. */
	execute(s, "BEGIN");
	version = pragma(s, "PRAGMA user_version");
	application = pragma(s, "PRAGMA application_id");
	things = pragma(s, "SELECT count(*) FROM sqlite_schema");
	notadb = sqlite3_errcode(s->db) == SQLITE_NOTADB;
	execute(s, "ROLLBACK");
	if (s->failed)
		return notadb ? EXIT_USAGE : EXIT_TEMPORARY;
	if (version == 0 && application == 0 && mode == STORE_MAKE &&
	    things == 0) {
		create(s);
	} else if (application != STORE_APPLICATION) {
		log_error("%s is no database of idmesh join", s->path);
		return EXIT_USAGE;
	} else if (version != STORE_VERSION) {
		return other_version(s, mode, version);
	}
	return s->failed ? EXIT_TEMPORARY : EXIT_DONE;
}

static int
open_file(struct store *s, enum store_mode mode)
{
	sqlite3_stmt *st;
	int rc;

	if (mode == STORE_MAKE) {
		/* Personal data: nobody else may read it. */
		int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0)
			return unopened(s->path, errno);
		close(fd);
	}
	if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK) {
		broken(s, "cannot open");
		return EXIT_TEMPORARY;
	}
	sqlite3_busy_timeout(s->db, STORE_BUSY_MS);
	if (mode == STORE_READ)
		execute(s, "PRAGMA query_only = 1");
	execute(s, "PRAGMA synchronous = FULL; PRAGMA cache_size = -32768;"
		   "PRAGMA wal_autocheckpoint = 4000;"
		   "PRAGMA temp_store = MEMORY");
	rc = check(s, mode);
	if (rc != EXIT_DONE)
		return rc;
	if (mode != STORE_READ)
		execute(s, write_ahead);
	st = store_ask(s, "SELECT id FROM store", "");
	if (store_row(s, st))
		snprintf(s->id, sizeof(s->id), "%s", store_text(st, 0));
	store_end(st);
	store_refresh(s);
	return s->failed ? EXIT_TEMPORARY : EXIT_DONE;
}

/*
 * `begin` and join open a new file at the same time: one makes it first.  The
 * lock is beside the file itself, or a link to it would be another database.
 */
static int
open_lock(struct store *s)
{
	struct flock first = { .l_type = F_WRLCK, .l_len = 1 };
	char *real = folder_real(s->path);
	char *path = xasprintf("%s.lock", real != NULL ? real : s->path);

	free(real);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0 || fcntl(s->lock_fd, F_OFD_SETLKW, &first) != 0) {
		int rc = unopened(path, errno);

		free(path);
		return rc;
	}
	free(path);
	return EXIT_DONE;
}

int
store_open(struct store **out, const char *path, enum store_mode mode)
{
	struct flock none = { .l_type = F_UNLCK, .l_len = 1 };
	struct store *s = xcalloc(1, sizeof(*s));
	int rc = EXIT_DONE;
	struct stat st;

	/* One thread uses SQLite; its mutexes and statistics cost 5 %. */
	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	s->path = xstrdup(path);
	s->lock_fd = -1;
	s->queries = xcalloc(STORE_QUERIES, sizeof(*s->queries));
	if (mode != STORE_MAKE && stat(path, &st) != 0) {
		log_error("%s: %s", path, strerror(errno));
		rc = EXIT_USAGE;
	} else if (mode != STORE_MAKE && S_ISDIR(st.st_mode)) {
		rc = unopened(path, EISDIR);
	} else if (mode != STORE_READ) {
		rc = open_lock(s);
	}
	if (rc == EXIT_DONE)
		rc = open_file(s, mode);
	if (s->lock_fd >= 0)
		fcntl(s->lock_fd, F_OFD_SETLK, &none);
	if (rc != EXIT_DONE) {
		store_close(s);
		s = NULL;
	}
	*out = s;
	return rc;
}

struct store *
store_copy(struct store *of)
{
	struct store *s = xcalloc(1, sizeof(*s));
	sqlite3_backup *backup = NULL;

	s->path = xstrdup(of->path);
	s->queries = xcalloc(STORE_QUERIES, sizeof(*s->queries));
	s->lock_fd = memfd_create("idmesh-lock", MFD_CLOEXEC);
	/* SQLite removes a file without a name as soon as it has opened it. */
	if (sqlite3_open_v2("", &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
		NULL) == SQLITE_OK) {
		execute(s, "PRAGMA temp_store = MEMORY");
		backup = sqlite3_backup_init(s->db, "main", of->db, "main");
	}
	if (backup == NULL || sqlite3_backup_step(backup, -1) != SQLITE_DONE)
		s->failed = true;
	if (sqlite3_backup_finish(backup) != SQLITE_OK || s->failed) {
		s->failed = false;
		broken(s, "cannot copy it into the folder for temporary files "
			  "($SQLITE_TMPDIR, $TMPDIR)");
		store_close(s);
		return NULL;
	}
	execute(s, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;"
		   "PRAGMA cache_size = -65536");
	memcpy(s->id, of->id, sizeof(s->id));
	store_refresh(s);
	return s;
}

static void
names_free(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->of[i]);
	free(names->of);
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < STORE_QUERIES; i++)
		sqlite3_finalize(s->queries[i].st);
	sqlite3_close(s->db);
	names_free(&s->types);
	names_free(&s->sources);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->queries);
	free(s->path);
	free(s);
}
