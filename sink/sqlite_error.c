/*
 * sqlite_error.c - SQLite's last error as a line for people.
 *
 * target_sqlite.c asks it whenever a call on its database has failed: what
 * happened, and what to do about it.  Owns nothing.
 */

#include "sqlite.h"

#include "sink.h"

enum exit_code
sqlite_failed(
    sqlite3 *db, const char *place, const char *doing, struct why *why)
{
	const char *text = sqlite3_errmsg(db);

	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return sink_fail(why, EXIT_TEMPORARY,
		    "another process is writing to %s; run again when it is "
		    "done",
		    place);
	case SQLITE_FULL:
		return sink_fail(why, EXIT_TEMPORARY,
		    "no room on the disk of %s; make room and run again, what "
		    "was committed is intact",
		    place);
	case SQLITE_NOTADB:
		return sink_fail(why, EXIT_USAGE,
		    "%s is no SQLite database; if it was the mesh before, "
		    "its beginning is damaged: remove it and the next run "
		    "builds it anew; else name another file",
		    place);
	case SQLITE_CORRUPT:
		/* SQLite says so of sectors that cannot be read, too. */
		return sink_fail(why, EXIT_TEMPORARY,
		    "%s is damaged (%s); if its disk is well, remove it and "
		    "the next run builds it anew",
		    place, text);
	default:
		return sink_fail(why, EXIT_TEMPORARY,
		    "%s: cannot %s: %s; see to its disk, to memory and to who "
		    "may write there, then run again",
		    place, doing, text);
	}
}
