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
#include "msg.h"

/* As merge_commit.c writes them, worst first. */
static const struct reason {
	const char *why, *text;
	bool decide; /* join or never settles it */
} reasons[] = {
	{ "unjoined", "was one person with", true },
	{ "impossible", "was decided to be one person with", false },
	{ "contradicted", "shares", true },
	{ "ambiguous", "shares", true },
	{ "returned", "has what somebody who left had:", true },
	{ "unmatched", "matches nobody", false },
	{ "proposed", "may be one person with", true },
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

/* Label of a keydef, and where the rules have it now. */
static void
key_of(struct store *s, const struct rules *r, int64_t key, char **label,
    char **place)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT k.label, k.print, t.name FROM keydef k"
	    " JOIN type t ON t.pk = k.type WHERE k.pk = ?",
	    "i", key);
	const struct policy *p;
	char print[17];

	if (!store_row(s, st))
		return;
	*label = store_text_dup(st, 0);
	p = r != NULL ? rules_policy(r, store_text(st, 2)) : NULL;
	for (size_t i = 0; p != NULL && place != NULL && i < p->nkeys; i++) {
		policy_key_print(&p->keys[i], print);
		if (strcmp(print, store_text(st, 1)) == 0)
			*place = xasprintf(
			    "%s:%d", p->keys[i].file, p->keys[i].line);
	}
	store_end(st);
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
	key_of(s, r, row->key, &c->label, &c->place);
	key_of(s, r, row->against, &c->against, NULL);
	if (c->against != NULL) {
		c->object_has = value_of(s, row->object, row->against);
		c->other_has = value_of(s, row->other, row->against);
	}
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
	order = strcmp(x->other, y->other);
	return order != 0 ? order : strcmp(x->object, y->object);
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
		free(list[i].label);
		free(list[i].value);
		free(list[i].place);
		free(list[i].against);
		free(list[i].object_has);
		free(list[i].other_has);
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

void
conflict_text(const struct conflict *c, struct buf *out)
{
	size_t rank = rank_of(c->why);

	buf_fmt(out, "%s %s ", c->other,
	    rank < REASONS ? reasons[rank].text : c->why);
	if (strcmp(c->why, "unmatched") == 0) {
		buf_str(out, "and its source may not stand alone");
		return;
	}
	if (strcmp(c->why, "contradicted") == 0 ||
	    strcmp(c->why, "ambiguous") == 0) {
		quoted(out, c->label, c->value);
		buf_fmt(out, " with %s", c->object);
	} else if (strcmp(c->why, "returned") == 0) {
		quoted(out, c->label, c->value);
		buf_fmt(out, ", %s", c->object);
	} else {
		buf_str(out, c->object);
		if (c->label != NULL)
			buf_str(out, " by ");
		quoted(out, c->label, c->value);
	}
	if (c->against != NULL) {
		buf_fmt(out, ", but %s \"%s\" is not \"%s\"", c->against,
		    c->other_has != NULL ? c->other_has : "",
		    c->object_has != NULL ? c->object_has : "");
	} else if (strcmp(c->why, "ambiguous") == 0) {
		buf_str(out, ", and so does another one");
	}
	if (c->place != NULL)
		buf_fmt(out, " (%s)", c->place);
}

void
conflict_json(const struct conflict *c, struct buf *out)
{
	msg_str(out, "why", c->why);
	msg_str(out, "object", c->object);
	msg_str(out, "other", c->other);
	msg_str(out, "key", c->label);
	msg_str(out, "value", c->value);
	msg_str(out, "at", c->place);
	msg_str(out, "against", c->against);
	msg_str(out, "objectHas", c->object_has);
	msg_str(out, "otherHas", c->other_has);
	msg_bool(out, "held", c->held);
}

void
conflict_way_out(const struct conflict *c, const char *db, struct buf *out)
{
	size_t rank = rank_of(c->why);

	if (strcmp(c->why, "unmatched") == 0)
		buf_fmt(
		    out, "idmesh join decide --db %s alone %s", db, c->other);
	else if (rank < REASONS && reasons[rank].decide)
		buf_fmt(out,
		    "idmesh join decide --db %s join %s %s  # or never", db,
		    c->object, c->other);
}
