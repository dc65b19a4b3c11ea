/*
 * conflict.c - what the last merge could not decide, in words.
 *
 * merge_commit.c keeps the rows; held.c prints them all, explain.c those of
 * one person.
 */

#include "explain.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "merge_private.h"
#include "msg.h"

/* As merge_commit.c writes them, worst first. */
static const struct reason {
	const char *why, *text, *many; /* of one, of several */
	bool decide; /* join or never settles it */
} reasons[] = {
	{ "unjoined", "was one person with", "were one person with", true },
	{ "impossible", "was decided to be one person with",
	    "were decided to be one person with", false },
	{ "contradicted", "shares", "share", true },
	{ "ambiguous", "shares", "share", true },
	{ "returned", "has what somebody who left had:",
	    "have what somebody who left had:", true },
	{ "unmatched", "matches nobody, and its source may not stand alone",
	    "match nobody, and their source may not stand alone", false },
	{ "proposed", "may be one person with", "may be one person with",
	    true },
};
#define REASONS (sizeof(reasons) / sizeof(reasons[0]))

static size_t
rank_of(const char *why)
{
	size_t i = 0;

	while (i < REASONS && strcmp(reasons[i].why, why) != 0)
		i++;
	return i;
}

static char *
name_of(struct store *s, int64_t object)
{
	struct buf b = { 0 };

	find_name(s, object, &b);
	return buf_take(&b);
}

static char *
known_as(struct store *s, int64_t object)
{
	struct buf b = { 0 };

	find_object_name(s, object, &b);
	return b.len > 0 ? buf_take(&b) : NULL;
}

static char *
value_of(struct store *s, int64_t object, int64_t key)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT min(value) FROM matchkey WHERE object = ? AND key = ?",
	    "ii", object, key);
	char *value = NULL;

	if (store_row(s, st)) {
		value = store_text_dup(st, 0);
		store_end(st);
	}
	return value;
}

/* The decision that is about them and newer than the conflict: both are there
 * only until the merge is done that a plan of their type stops. */
static void
find_decision(struct store *s, struct conflict *c)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT d.pk, p.hash FROM decision d JOIN plan p"
	    " ON p.type = d.type AND p.state = 'stopped'"
	    " WHERE d.undone_at IS NULL AND ((d.b IS NULL AND d.a IN (?1, ?2))"
	    " OR (d.a = ?1 AND d.b = ?2) OR (d.a = ?2 AND d.b = ?1))"
	    " ORDER BY d.pk DESC LIMIT 1",
	    "tt", c->object, c->other);

	if (!store_row(s, st))
		return;
	c->decision = sqlite3_column_int64(st, 0);
	c->plan = store_text_dup(st, 1);
	store_end(st);
}

/* The one that had no effect. */
static void
find_impossible(struct store *s, struct conflict *c)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT pk FROM decision WHERE undone_at IS NULL"
	    " AND verb = 'join' AND ((a = ?1 AND b = ?2)"
	    " OR (a = ?2 AND b = ?1)) ORDER BY pk DESC LIMIT 1",
	    "tt", c->object, c->other);

	if (!store_row(s, st))
		return;
	c->decision = sqlite3_column_int64(st, 0);
	store_end(st);
}

struct row {
	int64_t object, other, key, against;
	char *why, *value;
	bool held;
};

static void
fill(struct store *s, const struct rules *r, const struct row *row,
    struct conflict *c)
{
	*c = (struct conflict){
		.why = row->why, .value = row->value, .held = row->held
	};
	c->object = name_of(s, row->object);
	c->other = name_of(s, row->other);
	c->object_name = known_as(s, row->object);
	c->other_name = known_as(s, row->other);
	merge_key_name(s, r, row->key, &c->label, &c->place);
	merge_key_name(s, r, row->against, &c->against, NULL);
	if (c->against != NULL) {
		c->object_has = value_of(s, row->object, row->against);
		c->other_has = value_of(s, row->other, row->against);
	}
	if (strcmp(c->why, "impossible") == 0)
		find_impossible(s, c);
	else
		find_decision(s, c);
}

static int
order_of(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static int
worse(const void *a, const void *b)
{
	const struct conflict *x = a, *y = b;
	size_t i = rank_of(x->why), k = rank_of(y->why);
	int order;

	if (i != k)
		return i < k ? -1 : 1;
	if (x->held != y->held)
		return x->held ? -1 : 1;
	order = order_of(x->object, y->object);
	if (order == 0)
		order = order_of(x->label, y->label);
	if (order == 0)
		order = order_of(x->value, y->value);
	return order != 0 ? order : strcmp(x->other, y->other);
}

/* An object that matches nobody has its source in common with others. */
static bool
same_source(const char *a, const char *b)
{
	size_t len = strcspn(a, "/");

	return strncmp(a, b, len) == 0 && b[len] == '/';
}

bool
conflict_same(const struct conflict *a, const struct conflict *b)
{
	if (strcmp(a->why, b->why) != 0 || a->held != b->held ||
	    a->decision != b->decision)
		return false;
	if (strcmp(a->why, "unmatched") == 0)
		return same_source(a->object, b->object);
	return strcmp(a->object, b->object) == 0 &&
	       order_of(a->label, b->label) == 0 &&
	       order_of(a->value, b->value) == 0;
}

/* The rows first, for statements do not nest. */
static size_t
read_rows(struct store *s, int64_t object, struct row **rows)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT c.object, c.other, c.key, c.against, c.why, c.value,"
	    " EXISTS (SELECT 1 FROM held h WHERE h.object = c.object"
	    " OR h.object = c.other) FROM conflict c"
	    " WHERE ?1 = 0 OR c.object = ?1 OR c.other = ?1",
	    "i", object);
	size_t n = 0;

	*rows = NULL;
	while (store_row(s, st)) {
		if ((n & (n - 1)) == 0)
			*rows = xrealloc(
			    *rows, (n > 0 ? 2 * n : 1) * sizeof(**rows));
		(*rows)[n++] = (struct row){
			.object = sqlite3_column_int64(st, 0),
			.other = sqlite3_column_int64(st, 1),
			.key = sqlite3_column_int64(st, 2),
			.against = sqlite3_column_int64(st, 3),
			.why = store_text_dup(st, 4),
			.value = store_text_dup(st, 5),
			.held = sqlite3_column_int(st, 6) != 0,
		};
	}
	return n;
}

size_t
conflict_load(
    struct store *s, struct rules *r, int64_t object, struct conflict **list)
{
	struct row *rows;
	size_t n = read_rows(s, object, &rows);

	*list = xcalloc(n + 1, sizeof(**list));
	for (size_t i = 0; i < n; i++)
		fill(s, r, &rows[i], &(*list)[i]);
	free(rows);
	qsort(*list, n, sizeof(**list), worse);
	return n;
}

void
conflict_free(struct conflict *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].why);
		free(list[i].object);
		free(list[i].other);
		free(list[i].object_name);
		free(list[i].other_name);
		free(list[i].label);
		free(list[i].value);
		free(list[i].place);
		free(list[i].against);
		free(list[i].object_has);
		free(list[i].other_has);
		free(list[i].plan);
	}
	free(list);
}

static void
quoted(struct buf *out, const char *label, const char *value)
{
	buf_fmt(out, "%s", label != NULL ? label : "");
	if (value == NULL)
		return;
	/* As it is: U+001F between the parts of a key is for report_text(). */
	buf_fmt(out, " \"%s\"", value);
}

/* "Ann Li (okta:contoso/00u1)" */
static void
called(struct buf *out, const char *name, const char *id)
{
	if (name != NULL)
		buf_fmt(out, "%s (%s)", name, id);
	else
		buf_str(out, id);
}

/* What stands behind "X shares": the key and the other one. */
static void
add_common(const struct conflict *c, struct buf *out)
{
	if (strcmp(c->why, "unmatched") == 0)
		return;
	buf_char(out, ' ');
	if (strcmp(c->why, "contradicted") == 0 ||
	    strcmp(c->why, "ambiguous") == 0) {
		quoted(out, c->label, c->value);
		buf_str(out, " with ");
		called(out, c->object_name, c->object);
	} else if (strcmp(c->why, "returned") == 0) {
		quoted(out, c->label, c->value);
		buf_str(out, ", ");
		called(out, c->object_name, c->object);
	} else {
		called(out, c->object_name, c->object);
		if (c->label != NULL)
			buf_str(out, " by ");
		quoted(out, c->label, c->value);
	}
}

static void
add_difference(const struct conflict *c, struct buf *out)
{
	if (c->against != NULL)
		buf_fmt(out, ", but %s \"%s\" is not \"%s\"", c->against,
		    c->other_has != NULL ? c->other_has : "",
		    c->object_has != NULL ? c->object_has : "");
}

static void
add_place(const struct conflict *c, struct buf *out)
{
	if (strcmp(c->why, "impossible") == 0)
		buf_str(out, ", which another decision, or a source that both "
			     "have, forbids");
	if (c->place != NULL)
		buf_fmt(out, " (%s)", c->place);
}

void
conflict_text(const struct conflict *c, struct buf *out)
{
	size_t rank = rank_of(c->why);

	called(out, c->other_name, c->other);
	buf_fmt(out, " %s", rank < REASONS ? reasons[rank].text : c->why);
	add_common(c, out);
	add_difference(c, out);
	if (c->against == NULL && strcmp(c->why, "ambiguous") == 0)
		buf_str(out, ", and so does another one");
	add_place(c, out);
}

void
conflict_head(const struct conflict *c, size_t n, struct buf *out)
{
	size_t rank = rank_of(c->why);

	buf_fmt(out, "%zu objects %s", n,
	    rank < REASONS ? reasons[rank].many : c->why);
	add_common(c, out);
	add_place(c, out);
}

void
conflict_member(const struct conflict *c, struct buf *out)
{
	called(out, c->other_name, c->other);
	add_difference(c, out);
}

void
conflict_json(const struct conflict *c, struct buf *out)
{
	msg_str(out, "why", c->why);
	msg_str(out, "object", c->object);
	msg_str(out, "objectName", c->object_name);
	msg_str(out, "other", c->other);
	msg_str(out, "otherName", c->other_name);
	msg_str(out, "key", c->label);
	msg_str(out, "value", c->value);
	msg_str(out, "at", c->place);
	msg_str(out, "against", c->against);
	msg_str(out, "objectHas", c->object_has);
	msg_str(out, "otherHas", c->other_has);
	msg_bool(out, "held", c->held);
	if (c->decision != 0)
		msg_int(out, "decision", c->decision);
	msg_str(out, "plan", c->plan);
}

void
conflict_way_out(const struct conflict *c, const char *db, struct buf *out)
{
	size_t rank = rank_of(c->why);

	if (c->plan != NULL)
		buf_fmt(out, "decision %lld waits for plan %s",
		    (long long)c->decision, c->plan);
	else if (c->decision != 0)
		buf_fmt(out, "idmesh join decide --db %s --undo %lld", db,
		    (long long)c->decision);
	else if (strcmp(c->why, "unmatched") == 0)
		buf_fmt(
		    out, "idmesh join decide --db %s alone %s", db, c->other);
	else if (rank < REASONS && reasons[rank].decide)
		buf_fmt(out,
		    "idmesh join decide --db %s join %s %s  # or never", db,
		    c->object, c->other);
}
