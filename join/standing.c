/*
 * standing.c - what an undo takes back: links as they were before a decision.
 *
 * decide.c calls it.  The table `decided` has the link of each object that had
 * to do with the decision.  Persons of the objects that it named come apart
 * as they were; who was held and is not any more is judged again; links of
 * others are none of its work and stay.
 */

#include "standing.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "match.h"
#include "mem.h"
#include "merge_private.h"

/* Whoever has to do with an object, as merge_reach.c finds them: by a value
 * that two share or a person that both are part of, and so on. */
#define NEAR                                                           \
	"(WITH RECURSIVE r(object, key, value) AS (SELECT ?2, 0, NULL" \
	" UNION SELECT 0, x.key, x.value FROM r JOIN matchkey x"       \
	" ON x.object = r.object WHERE r.object <> 0"                  \
	" UNION SELECT x.object, 0, NULL FROM r JOIN matchkey x"       \
	" ON x.key = r.key AND x.value = r.value WHERE r.object = 0"   \
	" UNION SELECT l.object, 0, NULL FROM r JOIN link n"           \
	" ON n.object = r.object JOIN link l ON l.mesh = n.mesh"       \
	" WHERE r.object <> 0 AND n.mesh <> 0)"                        \
	" SELECT object FROM r WHERE object <> 0)"

/* Who is in a person only by a decision that was undone was in none. */
void
standing_note(struct store *s, int64_t decision, int64_t object)
{
	store_do(s,
	    "INSERT OR IGNORE INTO decided(decision, object, run, mesh, key,"
	    " other) SELECT ?1, k.object, ?3, iif(k.key = ?4, 0, k.mesh),"
	    " k.key, k.other FROM link k WHERE k.object IN " NEAR,
	    "iiii", decision, object, s->generation, (int64_t)MATCH_UNDONE);
	store_do(s,
	    "INSERT OR IGNORE INTO decided(decision, object, run, mesh)"
	    " VALUES(?, ?, ?, 0)",
	    "iii", decision, object, s->generation);
}

/* A link that is not what it was. */
struct changed {
	int64_t object, mesh, key, other; /* as it is to be */
	int64_t now; /* the person that it is of */
	bool was; /* a person's, before the decision */
};

struct changes {
	struct changed *v; /* owned */
	size_t n;
};

static void
add(struct changes *c, sqlite3_stmt *st)
{
	int64_t object = sqlite3_column_int64(st, 0);

	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].object == object)
			return;
	c->v = xrealloc(c->v, (c->n + 1) * sizeof(*c->v));
	c->v[c->n++] = (struct changed){ object, sqlite3_column_int64(st, 1),
		sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3),
		sqlite3_column_int64(st, 4), sqlite3_column_int64(st, 5) != 0 };
}

/* Was it, or is it, in a person of the object that the decision names, or did
 * the merge of the decision itself move it? */
#define CONCERNED                                         \
	"(k.run = d.run OR k.object = ?2"                 \
	" OR (k.mesh <> 0 AND k.mesh ="                   \
	" (SELECT mesh FROM link WHERE object = ?2))"     \
	" OR (d.mesh <> 0 AND d.mesh = (SELECT mesh FROM" \
	" decided WHERE decision = ?1 AND object = ?2)))"

static void
find_changed(
    struct store *s, int64_t decision, int64_t object, struct changes *c)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT k.object, d.mesh, d.key, d.other, k.mesh, 1 FROM decided d"
	    " JOIN link k ON k.object = d.object"
	    " WHERE d.decision = ?1 AND d.mesh <> 0 AND " CONCERNED
	    " AND (k.mesh, k.key, k.other) IS NOT (d.mesh, d.key, d.other)",
	    "ii", decision, object);

	while (store_row(s, st))
		add(c, st);
	/* Who was held: a person since, or part of one of these. */
	st = store_ask(s,
	    "SELECT k.object, k.mesh, ?3, 0, k.mesh, 0 FROM decided d"
	    " JOIN link k ON k.object = d.object"
	    " JOIN object o ON o.pk = k.object AND o.gone IS NULL"
	    " WHERE d.decision = ?1 AND d.mesh = 0 AND k.mesh <> 0",
	    "iii", decision, object, (int64_t)MATCH_UNDONE);
	while (store_row(s, st))
		add(c, st);
	/* Who came later stays, but not by the decision alone. */
	st = store_ask(s,
	    "SELECT k.object, k.mesh, ?4, 0, k.mesh, 0 FROM link k"
	    " JOIN object o ON o.pk = k.object AND o.gone IS NULL"
	    " WHERE k.mesh = (SELECT mesh FROM link WHERE object = ?2)"
	    " AND k.mesh <> 0 AND k.key = ?3 AND NOT EXISTS (SELECT 1"
	    " FROM decided d WHERE d.decision = ?1 AND d.object = k.object)",
	    "iiii", decision, object, (int64_t)MATCH_DECIDED,
	    (int64_t)MATCH_UNDONE);
	while (store_row(s, st))
		add(c, st);
}

/* Decisions that were made later found what this one had made: to them, too,
 * it was what it was before. */
static void
restore(
    struct store *s, int64_t decision, int64_t type, const struct changed *c)
{
	store_do(s,
	    "UPDATE link SET mesh = ?, key = ?, other = ? WHERE object = ?",
	    "iiii", c->mesh, c->key, c->other, c->object);
	store_do(s,
	    "UPDATE decided SET mesh = ?, key = ?, other = ?"
	    " WHERE object = ? AND decision > ?",
	    "iiiii", c->was ? c->mesh : (int64_t)0, c->key, c->other, c->object,
	    decision);
	store_do(s, "INSERT OR IGNORE INTO dirty(type, object) VALUES(?, ?)",
	    "ii", type, c->object);
}

/* A person that the decision made and of whom nobody is left: the id leads to
 * where they are now. */
static void
end_person(struct store *s, int64_t type, const struct changed *c)
{
	store_do(s,
	    "INSERT OR IGNORE INTO dirty(type, object)"
	    " SELECT ?, object FROM link WHERE mesh = ?",
	    "ii", type, c->now);
	if (c->now == 0 || c->now == c->mesh ||
	    store_do(s,
		"UPDATE mesh SET state = 'alias', leave_at = NULL"
		" WHERE pk = ?1 AND state IS NULL AND NOT EXISTS"
		" (SELECT 1 FROM link WHERE mesh = ?1)",
		"i", c->now) == 0)
		return;
	store_do(
	    s, "UPDATE type SET people = people - 1 WHERE pk = ?", "i", type);
	store_do(s, "UPDATE alias SET mesh = ? WHERE mesh = ?", "ii", c->mesh,
	    c->now);
	store_do(s,
	    "INSERT OR REPLACE INTO alias(id, mesh, at)"
	    " SELECT id, ?, ? FROM mesh WHERE pk = ?",
	    "iii", c->mesh, clock_wall_ms(), c->now);
	merge_stale(s, c->now, c->now);
}

void
standing_restore(struct store *s, int64_t decision, int64_t type,
    const int64_t *objects, size_t n)
{
	struct changes c = { 0 };

	for (size_t i = 0; i < n; i++)
		find_changed(s, decision, objects[i], &c);
	for (size_t i = 0; i < c.n; i++)
		restore(s, decision, type, &c.v[i]);
	for (size_t i = 0; i < c.n; i++)
		end_person(s, type, &c.v[i]);
	free(c.v);
	merge_due(s, type, NULL);
	store_do(s, "DELETE FROM decided WHERE decision = ?", "i", decision);
}
