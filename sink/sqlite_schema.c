/*
 * sqlite_schema.c - what a person sees in the sqlite target: views, indexes.
 *
 * target_sqlite.c calls it when a schema comes and when the input pauses.
 * Rows live in tables "mesh_<type>", objects as JSON; a view of the type's
 * own name gives every attribute a column.  Owns nothing.
 */

#include "sqlite.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "sink.h"

/*
 * The columns by which people look things up.  They are stored beside the
 * object, for to read all JSON again for each index is a tenth of an import;
 * the indexes are made in the first pause, behind the bulk.
 */
static const struct usual {
	const char *type, *attribute;
} usual[] = {
	{ "User", "ExternalId" },
	{ "User", "login" },
	{ "User", "email" },
	{ "User", "employeeNumber" },
	{ "User", "department" },
	{ "Group", "ExternalId" },
	{ "Group", "name" },
	{ "GroupMember", "groupId" },
	{ "GroupMember", "memberId" },
};

#define USUAL (sizeof(usual) / sizeof(usual[0]))

/* "name", with the quotes of an SQL identifier. */
static void
identifier(struct buf *b, const char *prefix, const char *name)
{
	buf_char(b, '"');
	buf_str(b, prefix);
	for (; *name != '\0'; name++) {
		if (*name == '"')
			buf_char(b, '"');
		buf_char(b, *name);
	}
	buf_char(b, '"');
}

/* The attribute of the object. */
static void
extract(struct buf *b, const char *attribute)
{
	buf_str(b, "json_extract(object,'$.\"");
	for (; *attribute != '\0'; attribute++) {
		if (*attribute == '\'')
			buf_char(b, '\'');
		buf_char(b, *attribute);
	}
	buf_str(b, "\"')");
}

static int
is_usual(const char *type, const char *attribute)
{
	for (size_t i = 0; i < USUAL; i++)
		if (strcmp(usual[i].type, type) == 0 &&
		    strcmp(usual[i].attribute, attribute) == 0)
			return 1;
	return 0;
}

int
schema_table(sqlite3 *db, const char *type)
{
	struct buf sql = { 0 };
	int rc;

	buf_str(&sql, "CREATE TABLE IF NOT EXISTS ");
	identifier(&sql, "mesh_", type);
	buf_str(&sql, "(pk INTEGER PRIMARY KEY, meshId TEXT NOT NULL, "
		      "mark INTEGER NOT NULL, contributors TEXT, "
		      "meshState TEXT, leaveAt TEXT, ");
	/* Before the object, so that an index need not read over it. */
	for (size_t i = 0; i < USUAL; i++) {
		if (strcmp(usual[i].type, type) != 0)
			continue;
		identifier(&sql, "", usual[i].attribute);
		buf_str(&sql, " AS (");
		extract(&sql, usual[i].attribute);
		buf_str(&sql, ") STORED, ");
	}
	buf_str(&sql, "object TEXT NOT NULL)");
	rc = sqlite3_exec(db, sql.data, NULL, NULL, NULL);
	buf_free(&sql);
	return rc == SQLITE_OK ? 0 : -1;
}

int
schema_id_index(sqlite3 *db, const char *type)
{
	struct buf sql = { 0 }, name = { 0 };
	int rc;

	buf_fmt(&name, "%s_meshId", type);
	buf_str(&sql, "CREATE UNIQUE INDEX IF NOT EXISTS ");
	identifier(&sql, "mesh_", name.data);
	buf_str(&sql, " ON ");
	identifier(&sql, "mesh_", type);
	buf_str(&sql, "(meshId)");
	rc = sqlite3_exec(db, sql.data, NULL, NULL, NULL);
	buf_free(&name);
	buf_free(&sql);
	return rc == SQLITE_OK ? 0 : -1;
}

/*
 * Names that would collide with our tables, or that JSON paths of SQLite
 * cannot spell, cannot be in a schema.
 */
static int
name_is_fine(const char *name)
{
	if (name == NULL || *name == '\0' ||
	    strncasecmp(name, "mesh_", 5) == 0 ||
	    strncasecmp(name, "idmesh_", 7) == 0 ||
	    strncasecmp(name, "sqlite_", 7) == 0)
		return 0;
	for (; *name != '\0'; name++)
		if ((unsigned char)*name < ' ' || *name == '"' || *name == '\\')
			return 0;
	return 1;
}

static enum exit_code
write_view(
    struct buf *sql, const char *type, yyjson_val *attributes, struct why *why)
{
	yyjson_val *v;
	size_t i, max;

	buf_str(sql, "CREATE VIEW ");
	identifier(sql, "", type);
	buf_str(sql, " AS SELECT meshId");
	yyjson_arr_foreach(attributes, i, max, v)
	{
		const char *name = yyjson_get_str(v);

		if (!name_is_fine(name) || strcasecmp(name, "meshId") == 0)
			return sink_fail(why, EXIT_USAGE,
			    "the sqlite target cannot have a column for the "
			    "attribute %s of %s: give it another name in the "
			    "rules",
			    name != NULL ? name : "(no name)", type);
		buf_str(sql, ", ");
		if (is_usual(type, name))
			identifier(sql, "", name);
		else
			extract(sql, name);
		buf_str(sql, " AS ");
		identifier(sql, "", name);
	}
	buf_str(sql, ", meshState, leaveAt FROM ");
	identifier(sql, "mesh_", type);
	return EXIT_DONE;
}

/* One text of one row, or NULL; the caller frees it. */
static char *
query_text(sqlite3 *db, const char *sql, const char *a, const char *b)
{
	sqlite3_stmt *stmt = NULL;
	char *text = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
		sqlite3_bind_text(stmt, 1, a, -1, SQLITE_STATIC);
		if (b != NULL)
			sqlite3_bind_text(stmt, 2, b, -1, SQLITE_STATIC);
		if (sqlite3_step(stmt) == SQLITE_ROW)
			text =
			    sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
	}
	sqlite3_finalize(stmt);
	return text;
}

static int
drop(sqlite3 *db, const char *what, const char *prefix, const char *name)
{
	struct buf sql = { 0 };
	int rc;

	buf_fmt(&sql, "DROP %s IF EXISTS ", what);
	identifier(&sql, prefix, name);
	rc = sqlite3_exec(db, sql.data, NULL, NULL, NULL);
	buf_free(&sql);
	return rc == SQLITE_OK ? 0 : -1;
}

static enum exit_code
apply_type(sqlite3 *db, yyjson_val *of, struct why *why)
{
	const char *type = json_text(of, MSG_TYPE);
	struct buf sql = { 0 };
	enum exit_code code;
	char *old = NULL;

	why->text[0] = '\0';
	if (!name_is_fine(type))
		return sink_fail(why, EXIT_USAGE,
		    "the sqlite target cannot have a view for the type %s: "
		    "give it another name in the rules",
		    type != NULL ? type : "(no name)");
	code = write_view(&sql, type, json_get(of, MSG_ATTRIBUTES), why);
	if (code != EXIT_DONE)
		goto out;
	code = EXIT_TEMPORARY;
	if (schema_table(db, type) < 0)
		goto out;
	old = query_text(db,
	    "SELECT sql FROM sqlite_master WHERE type='view' AND name=?1", type,
	    NULL);
	if (old != NULL && strcmp(old, sql.data) == 0)
		code = EXIT_DONE;
	else if (drop(db, "VIEW", "", type) == 0 &&
		 sqlite3_exec(db, sql.data, NULL, NULL, NULL) == SQLITE_OK)
		code = EXIT_DONE;
out:
	sqlite3_free(old);
	buf_free(&sql);
	return code;
}

/* Views of types that the rules do not have any more. */
static int
drop_others(sqlite3 *db, yyjson_val *types)
{
	struct buf names = { 0 };
	sqlite3_stmt *stmt = NULL;
	int rc = 0;

	json_write(&names, types);
	if (sqlite3_prepare_v2(db,
		"SELECT name FROM sqlite_master v WHERE type='view' AND "
		"EXISTS (SELECT 1 FROM sqlite_master t WHERE type='table' "
		"AND t.name='mesh_'||v.name) AND name NOT IN "
		"(SELECT json_extract(value,'$.type') FROM json_each(?1))",
		-1, &stmt, NULL) != SQLITE_OK)
		rc = -1;
	sqlite3_bind_text(stmt, 1, names.data, -1, SQLITE_STATIC);
	while (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
		char *name =
		    sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));

		/* DDL waits for open readers of the schema. */
		sqlite3_reset(stmt);
		rc = drop(db, "VIEW", "", name);
		sqlite3_free(name);
	}
	sqlite3_finalize(stmt);
	buf_free(&names);
	return rc;
}

/*
 * Who is in a group, through groups in it as well: for targets and people that
 * do not nest.  UNION drops what was there, so that a circle of groups ends.
 */
#define FLAT_VIEW                                                      \
	"CREATE VIEW GroupMemberFlat AS WITH RECURSIVE"                \
	" f(groupId, memberId, memberType) AS"                         \
	" (SELECT groupId, memberId, memberType FROM GroupMember"      \
	" UNION SELECT f.groupId, m.memberId, m.memberType FROM f"     \
	" JOIN GroupMember m ON f.memberType = 'Group'"                \
	" AND m.groupId = f.memberId) SELECT groupId, memberId FROM f" \
	" WHERE memberType = 'User' AND memberId IS NOT NULL"

static int
flat_view(sqlite3 *db)
{
	char *columns = query_text(db,
	    "SELECT count(*) FROM pragma_table_info('GroupMember')"
	    " WHERE name IN ('groupId', 'memberId', 'memberType')",
	    NULL, NULL);
	char *old = query_text(db,
	    "SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?1",
	    "GroupMemberFlat", NULL);
	bool wanted = columns != NULL && strcmp(columns, "3") == 0;
	int rc = 0;

	if (old != NULL && (!wanted || strcmp(old, FLAT_VIEW) != 0))
		rc = drop(db, "VIEW", "", "GroupMemberFlat");
	if (rc == 0 && wanted && (old == NULL || strcmp(old, FLAT_VIEW) != 0) &&
	    sqlite3_exec(db, FLAT_VIEW, NULL, NULL, NULL) != SQLITE_OK)
		rc = -1;
	sqlite3_free(columns);
	sqlite3_free(old);
	return rc;
}

/* Adds what format 3 has to the tables of format 2. */
int
schema_upgrade(sqlite3 *db)
{
	char *sql = query_text(db,
	    "SELECT group_concat('ALTER TABLE \"' || name ||"
	    " '\" ADD COLUMN meshState TEXT; ALTER TABLE \"' || name ||"
	    " '\" ADD COLUMN leaveAt TEXT;', '') FROM sqlite_master"
	    " WHERE type = 'table' AND name LIKE 'mesh\\_%' ESCAPE '\\'",
	    NULL, NULL);
	int rc;

	/* "" without a table; else they could not be read. */
	if (sql == NULL)
		return -1;
	rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc == SQLITE_OK && *sql != '\0')
		rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(
		    db, "PRAGMA user_version = 3; COMMIT", NULL, NULL, NULL);
	/* No ROLLBACK: the reason would be lost, and closing undoes it. */
	sqlite3_free(sql);
	return rc == SQLITE_OK ? 0 : -1;
}

enum exit_code
schema_apply(sqlite3 *db, yyjson_val *types, struct why *why)
{
	yyjson_val *v;
	size_t i, max;

	yyjson_arr_foreach(types, i, max, v)
	{
		enum exit_code code = apply_type(db, v, why);

		if (code != EXIT_DONE)
			return code;
	}
	if (drop_others(db, types) < 0 || flat_view(db) < 0)
		return EXIT_TEMPORARY;
	return EXIT_DONE;
}

/* Before its first row an index would only slow the bulk down. */
static int
is_empty(sqlite3 *db, const char *type)
{
	struct buf sql = { 0 };
	char *row;

	buf_str(&sql, "SELECT 1 FROM ");
	identifier(&sql, "mesh_", type);
	buf_str(&sql, " LIMIT 1");
	row = query_text(db, sql.data, NULL, NULL);
	sqlite3_free(row);
	buf_free(&sql);
	return row == NULL;
}

/* Makes the index unless it is there; drops it when the column is gone. */
static int
settle_one(sqlite3 *db, const struct usual *u)
{
	struct buf name = { 0 }, sql = { 0 };
	char *column, *index;
	int rc = 0;

	buf_fmt(&name, "mesh_%s_%s", u->type, u->attribute);
	column = query_text(db,
	    "SELECT name FROM pragma_table_info(?1) WHERE name=?2", u->type,
	    u->attribute);
	index = query_text(db,
	    "SELECT name FROM sqlite_master WHERE type='index' AND name=?1",
	    name.data, NULL);
	if (column == NULL && index != NULL)
		rc = drop(db, "INDEX", "", name.data);
	if (column != NULL && index == NULL && !is_empty(db, u->type)) {
		buf_str(&sql, "CREATE INDEX ");
		identifier(&sql, "", name.data);
		buf_str(&sql, " ON ");
		identifier(&sql, "mesh_", u->type);
		buf_char(&sql, '(');
		identifier(&sql, "", u->attribute);
		buf_char(&sql, ')');
		rc = sqlite3_exec(db, sql.data, NULL, NULL, NULL) == SQLITE_OK
			 ? 0
			 : -1;
	}
	sqlite3_free(column);
	sqlite3_free(index);
	buf_free(&name);
	buf_free(&sql);
	return rc;
}

int
schema_settle(sqlite3 *db)
{
	for (size_t i = 0; i < USUAL; i++)
		if (settle_one(db, &usual[i]) < 0)
			return -1;
	return 0;
}
