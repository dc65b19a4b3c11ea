/*
 * target_sqlite.c - the mesh in a SQLite database.
 *
 * apply.c calls it through target_sqlite.  Each type is a table with the
 * object as JSON, and a view with a column per attribute (sqlite_schema.c).
 * The cursor is a row of the same database, written in the same transaction
 * as the objects.  Owns the database, its lock and its statements.
 */

#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "mem.h"
#include "sink.h"

#define APPLICATION_ID 0x69646d73 /* "idms" */
#define USER_VERSION 3
#define OLDER_VERSION 2 /* has no meshState and leaveAt; made ours */
#define BUSY_MS 5000

/*
 * WAL lets readers go on while we write, FULL survives a power cut.  Pages
 * of 8 KiB hold some objects each; the cache is the memory of this process.
 */
static const char setup[] = "PRAGMA journal_mode=WAL;"
			    "PRAGMA synchronous=FULL;"
			    "PRAGMA cache_size=-16384;"
			    "PRAGMA wal_autocheckpoint=2000;"
			    "PRAGMA journal_size_limit=33554432;";

/* To sort takes as much again as the cache, and is no faster with more. */
static const char sorting[] = "PRAGMA cache_size=-4096",
		  writing[] = "PRAGMA cache_size=-16384";

static const char create[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE idmesh_cursor("
    "one INTEGER PRIMARY KEY CHECK (one = 1), store TEXT, number INTEGER,"
    "generation INTEGER NOT NULL);"
    "INSERT INTO idmesh_cursor VALUES(1, NULL, NULL, 1);"
    "PRAGMA application_id=1768189299;"
    "PRAGMA user_version=3;"
    "COMMIT;";

/*
 * One type.  Its ids are random, and an index over them would be written
 * anew with every batch: a table that begins empty gets it only when an id
 * comes back or the input pauses.  Until then `seen` knows the ids.
 */
struct table {
	char *type; /* owned */
	uint64_t number; /* in `seen` */
	int indexed; /* there is the index over its ids */
	sqlite3_stmt *put, *remove; /* owned; remove only with an index */
	struct table *next;
};

struct database {
	const char *place; /* for people; borrowed */
	char *path; /* owned */
	sqlite3 *db; /* owned */
	int lock_fd; /* open on the database itself, or -1 */
	sqlite3_stmt *cursor; /* owned */
	struct table *tables; /* owned, the last one used in front */
	struct seen *seen; /* owned; ids of the tables without an index */
	uint64_t numbers; /* given to tables */
	int64_t generation; /* of a rebuild: the mark of its objects */
	bool older; /* of the format before ours */
};

static enum exit_code
failed(const struct database *d, const char *doing, struct why *why)
{
	return sqlite_failed(d->db, d->place, doing, why);
}

static int
run(const struct database *d, const char *sql)
{
	return sqlite3_exec(d->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static sqlite3_stmt *
prepare(const struct database *d, const char *sql)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v3(d->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt,
		NULL) != SQLITE_OK)
		return NULL;
	return stmt;
}

/* A number out of the database; *ok is 0 when it cannot be asked. */
static int64_t
number(const struct database *d, const char *sql, int *ok)
{
	sqlite3_stmt *stmt = prepare(d, sql);
	int64_t n = 0;

	*ok = stmt != NULL && sqlite3_step(stmt) == SQLITE_ROW;
	if (*ok)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

static enum exit_code
judge_ours(struct database *d, int *fresh, struct why *why)
{
	int ok;
	int64_t id = number(d, "PRAGMA application_id", &ok), version, things;

	*fresh = 0;
	if (!ok)
		return failed(d, "read it", why);
	version = number(d, "PRAGMA user_version", &ok);
	if (!ok)
		return failed(d, "read it", why);
	things = number(d, "SELECT count(*) FROM sqlite_master", &ok);
	if (!ok)
		return failed(d, "read it", why);
	if (id == 0 && version == 0 && things == 0) {
		*fresh = 1;
		return EXIT_DONE;
	}
	if (id != APPLICATION_ID)
		return sink_fail(why, EXIT_USAGE,
		    "%s is a database of another program; name another file",
		    d->place);
	d->older = version == OLDER_VERSION;
	if (version != USER_VERSION && !d->older)
		return sink_fail(why, EXIT_USAGE,
		    "%s has format %lld and this program knows %d: use the "
		    "program that made it, or remove it to have it built anew",
		    d->place, (long long)version, USER_VERSION);
	return EXIT_DONE;
}

/*
 * Is the database ours (*fresh 0) or empty (*fresh 1)?  Asked at one moment,
 * for a sink may be making it while another process asks for its cursor.
 */
static enum exit_code
check_ours(struct database *d, int *fresh, struct why *why)
{
	enum exit_code code;

	if (run(d, "BEGIN") < 0)
		return failed(d, "read it", why);
	code = judge_ours(d, fresh, why);
	run(d, "ROLLBACK");
	return code;
}

static enum exit_code
read_cursor(struct database *d, struct position *at, struct why *why)
{
	sqlite3_stmt *stmt =
	    prepare(d, "SELECT store, number, generation FROM idmesh_cursor");

	at->number = SINK_NOWHERE;
	at->store[0] = '\0';
	if (stmt == NULL || sqlite3_step(stmt) != SQLITE_ROW) {
		sqlite3_finalize(stmt);
		return failed(d, "read its cursor", why);
	}
	d->generation = sqlite3_column_int64(stmt, 2);
	if (sqlite3_column_type(stmt, 1) == SQLITE_INTEGER) {
		at->number = sqlite3_column_int64(stmt, 1);
		snprintf(at->store, sizeof(at->store), "%s",
		    (const char *)sqlite3_column_text(stmt, 0));
	}
	sqlite3_finalize(stmt);
	return EXIT_DONE;
}

static struct database *
new_database(const char *place)
{
	struct database *d = xcalloc(1, sizeof(*d));

	/* One thread uses SQLite: it needs no locks and no statistics. */
	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	d->place = place;
	/* "./" keeps SQLite from reading a meaning into ":memory:". */
	d->path = xasprintf("%s%s", *place == '/' ? "" : "./", place);
	d->lock_fd = -1;
	return d;
}

static void
sqlite_close(void *h)
{
	struct database *d = h;

	if (d == NULL)
		return;
	while (d->tables != NULL) {
		struct table *t = d->tables;

		d->tables = t->next;
		sqlite3_finalize(t->put);
		sqlite3_finalize(t->remove);
		free(t->type);
		free(t);
	}
	seen_free(d->seen);
	sqlite3_finalize(d->cursor);
	sqlite3_close(d->db);
	/* Only now: closing it earlier would drop SQLite's own locks. */
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	free(d->path);
	free(d);
}

static enum exit_code
sqlite_cursor(const char *place, struct position *at, struct why *why)
{
	struct database *d;
	enum exit_code code;
	struct stat st;
	int fresh;

	at->number = SINK_NOWHERE;
	if (stat(place, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return EXIT_DONE;
		return sink_fail(
		    why, EXIT_TEMPORARY, "%s: %s", place, strerror(errno));
	}
	if (S_ISDIR(st.st_mode))
		return sink_fail(why, EXIT_USAGE,
		    "cannot open %s: %s; name another file", place,
		    strerror(EISDIR));
	if (st.st_size == 0)
		return EXIT_DONE;
	d = new_database(place);
	/* Not read-only: what a writer that died has left must be undone. */
	if (sqlite3_open_v2(d->path, &d->db, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK) {
		code = failed(d, "open it", why);
		goto out;
	}
	sqlite3_busy_timeout(d->db, BUSY_MS);
	run(d, "PRAGMA query_only = 1");
	code = check_ours(d, &fresh, why);
	if (code == EXIT_DONE && !fresh)
		code = read_cursor(d, at, why);
out:
	sqlite_close(d);
	return code;
}

/* One sink at a time, with a lock that SQLite's readers do not see. */
static enum exit_code
lock(struct database *d, struct why *why)
{
	d->lock_fd = open(d->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->lock_fd < 0)
		return sink_fail(why,
		    errno == ENOENT || errno == ENOTDIR || errno == EISDIR
			? EXIT_USAGE
			: EXIT_TEMPORARY,
		    "cannot open %s: %s; see to its disk, to its folder and "
		    "to who may write there, then run again",
		    d->place, strerror(errno));
	if (flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return sink_fail(why, EXIT_TEMPORARY,
		    "another sink is writing to %s; stop that one first",
		    d->place);
	return EXIT_DONE;
}

static enum exit_code
sqlite_open(const char *place, void **h, struct position *at, struct why *why)
{
	struct database *d = new_database(place);
	enum exit_code code = lock(d, why);
	int fresh;

	*h = d;
	if (code != EXIT_DONE)
		return code;
	if (sqlite3_open_v2(d->path, &d->db, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK)
		return failed(d, "open it", why);
	sqlite3_busy_timeout(d->db, BUSY_MS);
	code = check_ours(d, &fresh, why);
	if (code != EXIT_DONE)
		return code;
	if (fresh && run(d, "PRAGMA page_size=8192") < 0)
		return failed(d, "set it up", why);
	if (run(d, setup) < 0 || (fresh && run(d, create) < 0) ||
	    (d->older && schema_upgrade(d->db) < 0))
		return failed(d, "set it up", why);
	if (fresh && folder_sync(d->path) < 0)
		return sink_fail(why, EXIT_TEMPORARY,
		    "cannot sync the folder of %s: %s; see to its disk and "
		    "run again",
		    d->place, strerror(errno));
	d->cursor = prepare(d, "UPDATE idmesh_cursor SET store=?1, number=?2, "
			       "generation=?3");
	if (d->cursor == NULL)
		return failed(d, "read its cursor", why);
	return read_cursor(d, at, why);
}

static enum exit_code
sqlite_begin(void *h, struct why *why)
{
	struct database *d = h;

	if (run(d, "BEGIN IMMEDIATE") < 0)
		return failed(d, "begin a transaction", why);
	return EXIT_DONE;
}

static enum exit_code
sqlite_schema(void *h, yyjson_val *types, struct why *why)
{
	enum exit_code code;

	why->text[0] = '\0';
	code = schema_apply(((struct database *)h)->db, types, why);
	if (code != EXIT_DONE && why->text[0] == '\0')
		return failed(h, "make its views", why);
	return code;
}

/* A statement about the table of a type; the format has one %w for it. */
static sqlite3_stmt *
prepare_for(struct database *d, const char *format, const char *type)
{
	char *sql = sqlite3_mprintf(format, type);
	sqlite3_stmt *stmt = prepare(d, sql);

	sqlite3_free(sql);
	return stmt;
}

#define INSERT                                                         \
	"INSERT INTO \"mesh_%w\"(meshId, object, contributors, mark, " \
	"meshState, leaveAt) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"

/* Makes the index unless it is there, and the statements that need it. */
static int
use_index(struct database *d, struct table *t)
{
	t->indexed = 1;
	if (schema_id_index(d->db, t->type) < 0)
		return -1;
	sqlite3_finalize(t->put);
	t->put = prepare_for(d,
	    INSERT " ON CONFLICT(meshId) DO UPDATE SET object=excluded.object, "
		   "contributors=excluded.contributors, mark=excluded.mark, "
		   "meshState=excluded.meshState, leaveAt=excluded.leaveAt",
	    t->type);
	t->remove =
	    prepare_for(d, "DELETE FROM \"mesh_%w\" WHERE meshId=?1", t->type);
	return t->put != NULL && t->remove != NULL ? 0 : -1;
}

static int
is_empty(struct database *d, const char *type, int *empty)
{
	sqlite3_stmt *stmt =
	    prepare_for(d, "SELECT 1 FROM \"mesh_%w\" LIMIT 1", type);
	int rc = stmt != NULL ? sqlite3_step(stmt) : SQLITE_ERROR;

	sqlite3_finalize(stmt);
	*empty = rc == SQLITE_DONE;
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -1;
}

static struct table *
new_table(struct database *d, const char *type)
{
	struct table *t;
	int empty;

	if (schema_table(d->db, type) < 0 || is_empty(d, type, &empty) < 0)
		return NULL;
	t = xcalloc(1, sizeof(*t));
	t->type = xstrdup(type);
	t->next = d->tables;
	d->tables = t;
	if (!empty)
		return use_index(d, t) == 0 ? t : NULL;
	t->number = ++d->numbers;
	if (d->seen == NULL)
		d->seen = seen_new();
	t->put = prepare_for(d, INSERT, type);
	return t->put != NULL ? t : NULL;
}

static struct table *
find_table(struct database *d, const char *type)
{
	struct table **at = &d->tables, *t;

	while (*at != NULL && strcmp((*at)->type, type) != 0)
		at = &(*at)->next;
	if (*at == NULL)
		return new_table(d, type);
	t = *at;
	*at = t->next;
	t->next = d->tables;
	d->tables = t;
	return t;
}

static int
put(struct database *d, struct table *t, const struct change *c)
{
	size_t len, len_from = 0;
	char *object = yyjson_val_write(c->object, 0, &len);
	char *from = c->contributors != NULL
			 ? yyjson_val_write(c->contributors, 0, &len_from)
			 : NULL;
	int rc;

	if (object == NULL)
		die(EXIT_TEMPORARY, "out of memory");
	sqlite3_bind_text(t->put, 1, c->id, -1, SQLITE_STATIC);
	sqlite3_bind_text(t->put, 2, object, (int)len, SQLITE_STATIC);
	sqlite3_bind_text(t->put, 3, from, (int)len_from, SQLITE_STATIC);
	sqlite3_bind_int64(t->put, 4, d->generation);
	sqlite3_bind_text(t->put, 5, c->state, -1, SQLITE_STATIC);
	sqlite3_bind_text(t->put, 6, c->leave_at, -1, SQLITE_STATIC);
	rc = sqlite3_step(t->put);
	sqlite3_reset(t->put);
	free(object);
	free(from);
	return rc == SQLITE_DONE ? 0 : -1;
}

static int
removal(struct database *d, struct table *t, const char *id, int *hit)
{
	int rc;

	sqlite3_bind_text(t->remove, 1, id, -1, SQLITE_STATIC);
	rc = sqlite3_step(t->remove);
	*hit = sqlite3_changes(d->db) > 0;
	sqlite3_reset(t->remove);
	return rc == SQLITE_DONE ? 0 : -1;
}

static enum exit_code
sqlite_change(void *h, const struct change *c, int *hit, struct why *why)
{
	struct database *d = h;
	struct table *t = find_table(d, c->type);

	if (t == NULL)
		return failed(d, "make a table", why);
	*hit = c->put;
	if (!c->put && !t->indexed && !seen_has(d->seen, t->number, c->id))
		return EXIT_DONE;
	if (!t->indexed && (!c->put || !seen_add(d->seen, t->number, c->id)) &&
	    use_index(d, t) < 0)
		return failed(d, "make an index", why);
	if (c->put)
		return put(d, t, c) == 0 ? EXIT_DONE
					 : failed(d, "write an object", why);
	return removal(d, t, c->id, hit) == 0
		   ? EXIT_DONE
		   : failed(d, "delete an object", why);
}

static enum exit_code
sqlite_rebuild(void *h, struct why *why)
{
	struct database *d = h;

	(void)why;
	/* Objects of this rebuild carry the new mark; commit() keeps it. */
	d->generation++;
	return EXIT_DONE;
}

static enum exit_code
sqlite_sweep(void *h, const struct position *at, int64_t *gone, struct why *why)
{
	struct database *d = h;
	sqlite3_stmt *names =
	    prepare(d, "SELECT name FROM sqlite_master WHERE type='table' AND "
		       "name LIKE 'mesh\\_%' ESCAPE '\\'");
	int rc;

	(void)at;
	*gone = 0;
	if (names == NULL)
		return failed(d, "list its tables", why);
	for (rc = sqlite3_step(names); rc == SQLITE_ROW;
	     rc = sqlite3_step(names)) {
		char *sql = sqlite3_mprintf(
		    "DELETE FROM \"%w\" WHERE mark <> %lld",
		    sqlite3_column_text(names, 0), (long long)d->generation);
		int ok = run(d, sql) == 0;

		sqlite3_free(sql);
		if (!ok)
			break;
		*gone += sqlite3_changes(d->db);
	}
	if (rc == SQLITE_DONE) {
		sqlite3_finalize(names);
		return EXIT_DONE;
	}
	failed(d, "delete what is not in the mesh", why);
	sqlite3_finalize(names);
	return EXIT_TEMPORARY;
}

static enum exit_code
sqlite_commit(void *h, const struct position *at, struct why *why)
{
	struct database *d = h;
	int rc;

	if (at->number < 0) {
		sqlite3_bind_null(d->cursor, 1);
		sqlite3_bind_null(d->cursor, 2);
	} else {
		sqlite3_bind_text(d->cursor, 1, at->store, -1, SQLITE_STATIC);
		sqlite3_bind_int64(d->cursor, 2, at->number);
	}
	sqlite3_bind_int64(d->cursor, 3, d->generation);
	rc = sqlite3_step(d->cursor);
	sqlite3_reset(d->cursor);
	if (rc != SQLITE_DONE || run(d, "COMMIT") < 0)
		return failed(d, "commit", why);
	return EXIT_DONE;
}

static void
sqlite_rollback(void *h)
{
	struct database *d = h;

	if (d->db != NULL && !sqlite3_get_autocommit(d->db))
		run(d, "ROLLBACK");
}

static enum exit_code
sqlite_settle(void *h, struct why *why)
{
	struct database *d = h;
	int rc;

	/* First the ids, for sorting wants memory too. */
	seen_free(d->seen);
	d->seen = NULL;
	rc = run(d, sorting) < 0 ? -1 : run(d, "BEGIN IMMEDIATE");

	for (struct table *t = d->tables; rc == 0 && t != NULL; t = t->next)
		if (!t->indexed)
			rc = use_index(d, t);
	if (rc < 0 || schema_settle(d->db) < 0 || run(d, "COMMIT") < 0 ||
	    run(d, writing) < 0)
		return failed(d, "make its indexes", why);
	return EXIT_DONE;
}

const struct target target_sqlite = {
	.name = "sqlite",
	.place = "FILE",
	.cursor = sqlite_cursor,
	.open = sqlite_open,
	.begin = sqlite_begin,
	.schema = sqlite_schema,
	.change = sqlite_change,
	.rebuild = sqlite_rebuild,
	.sweep = sqlite_sweep,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.settle = sqlite_settle,
	.close = sqlite_close,
};
