/*
 * rules_of.c - the rules that a database is merged by.
 *
 * Join writes down the folder of its rules; the subcommands that look at or
 * change the database use the same one, unless they are told another.
 */

#include "join.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
rules_remember(struct store *s, const char *dir)
{
	char path[PATH_MAX];
	sqlite3_stmt *st;
	bool same;

	if (realpath(dir, path) == NULL)
		return;
	st = store_ask(s,
	    "SELECT 1 FROM setting WHERE name = 'rules' AND value = ?", "t",
	    path);
	same = store_row(s, st) != 0;
	store_end(st);
	if (same || store_begin(s) != 0)
		return;
	store_do(s,
	    "INSERT OR REPLACE INTO setting(name, value) VALUES('rules', ?)",
	    "t", path);
	store_commit(s);
}

const char *
rules_of(const char *db, const char *option)
{
	const char *env = getenv("IDMESH_RULES");
	static char path[PATH_MAX];
	sqlite3 *file = NULL;
	sqlite3_stmt *st = NULL;

	path[0] = '\0';
	if (option != NULL || (env != NULL && env[0] != '\0'))
		return rules_dir(option);
	/* Whatever is wrong with the file is told when it is opened. */
	if (sqlite3_open_v2(db, &file, SQLITE_OPEN_READWRITE, NULL) ==
		SQLITE_OK &&
	    sqlite3_prepare_v2(file,
		"SELECT value FROM setting WHERE name = 'rules'", -1, &st,
		NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		snprintf(path, sizeof(path), "%s",
		    (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	sqlite3_close(file);
	return path[0] != '\0' ? path : rules_dir(NULL);
}
