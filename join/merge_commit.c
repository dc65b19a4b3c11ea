/*
 * merge_commit.c - one component into the database: ids, links, what is held.
 *
 * merge.c calls it inside of a chunk's transaction.  Bodies and the change log
 * come behind it (merge_body.c); all mesh objects of a component are one group
 * there, so that a sink never sees half of a join.
 */

#include "merge_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct commit {
	struct store *s;
	struct join *j;
	struct merge *m;
	const struct merge_type *t;
	const struct merge_world *w;
	struct merge_part *p;
	int64_t *mesh; /* owned; of each person */
	int64_t grp, people; /* people: how many more there are */
};

static int64_t
object_pk(const struct commit *c, size_t i)
{
	return c->w->pk[c->p->objects[i]];
}

/* Whoever refers to somebody that was this person is made again. */
static void
tell_refs(const struct commit *c, int64_t mesh)
{
	for (size_t i = 0; c->m->refs && i < c->p->n; i++)
		if (c->w->mesh[c->p->objects[i]] == mesh)
			merge_ref_moved(c->s, object_pk(c, i));
}

/* Back to life, whatever became of it. */
static void
revive(struct commit *c, int64_t mesh)
{
	sqlite3_stmt *st = store_ask(
	    c->s, "SELECT state, id FROM mesh WHERE pk = ?", "i", mesh);
	bool dead = false;
	char id[128] = "";

	if (store_row(c->s, st)) {
		dead = store_text(st, 0) != NULL;
		snprintf(id, sizeof(id), "%s", store_text(st, 1));
	}
	store_end(st);
	if (!dead)
		return;
	store_do(c->s,
	    "UPDATE mesh SET state = NULL, leave_at = NULL WHERE pk = ?", "i",
	    mesh);
	store_do(c->s, "DELETE FROM alias WHERE id = ?", "t", id);
	tell_refs(c, mesh);
	c->people++;
}

/* A mesh id that this object has made and that nobody has, neither alive nor
 * left; 0: none, and *nth is the next number. */
static int64_t
old_mint(struct commit *c, int64_t object, int64_t *nth)
{
	sqlite3_stmt *st = store_ask(c->s,
	    "SELECT pk, state, nth, state = 'leaving' AND EXISTS"
	    " (SELECT 1 FROM link l WHERE l.mesh = m.pk)"
	    " FROM mesh m WHERE minter = ? ORDER BY nth",
	    "i", object);
	int64_t found = 0;

	*nth = 0;
	while (store_row(c->s, st)) {
		const char *state = store_text(st, 1);

		*nth = sqlite3_column_int64(st, 2) + 1;
		if (found == 0 && state != NULL &&
		    sqlite3_column_int(st, 3) == 0)
			found = sqlite3_column_int64(st, 0);
	}
	return found;
}

/*
 * The id of a new person is that of its lead.  One that lives on without it
 * has that already: then the number of the attempt is part of the name.
 */
static int64_t
mint(struct commit *c, size_t lead)
{
	int64_t object = object_pk(c, lead), nth, mesh;
	char id[MESH_ID_LEN + 1], name[64] = "";
	struct buf text = { 0 };
	sqlite3_stmt *st;

	mesh = old_mint(c, object, &nth);
	if (mesh != 0) {
		revive(c, mesh);
		return mesh;
	}
	st = store_ask(c->s, "SELECT id FROM object WHERE pk = ?", "i", object);
	if (store_row(c->s, st))
		buf_str(&text, store_text(st, 0));
	store_end(st);
	if (nth > 0)
		/* No UTF-8, so that it is no id of a source. */
		snprintf(name, sizeof(name), "\xff%lld", (long long)nth);
	buf_str(&text, name);
	mesh_id(c->t->sources[c->w->rank[c->p->objects[lead]]].name,
	    c->t->policy->type, text.len > 0 ? text.data : "", id);
	buf_free(&text);
	store_do(c->s,
	    "INSERT INTO mesh(type, id, minter, nth) VALUES(?, ?, ?, ?)",
	    "isii", c->t->pk, id, (size_t)MESH_ID_LEN, object, nth);
	c->people++;
	return sqlite3_last_insert_rowid(c->s->db);
}

/* gone = "any": without all who were part of it nobody comes back. */
static bool
is_short(const struct commit *c, int64_t mesh)
{
	for (size_t i = 0; c->t->policy->any && i < c->p->n; i++)
		if (c->p->in[i].gone && c->p->in[i].mesh == mesh)
			return true;
	return false;
}

static void
place_persons(struct commit *c)
{
	for (size_t i = 0; i < c->p->out.npersons; i++) {
		const struct match_person *p = &c->p->out.persons[i];

		c->mesh[i] = p->mesh != 0 ? p->mesh : mint(c, p->lead);
		if (p->mesh != 0 && !is_short(c, p->mesh))
			revive(c, p->mesh);
		if (c->grp == 0 || c->mesh[i] < c->grp)
			c->grp = c->mesh[i];
	}
	for (size_t i = 0; i < c->p->n; i++) {
		int64_t mesh = c->w->mesh[c->p->objects[i]];

		if (mesh != 0 && (c->grp == 0 || mesh < c->grp))
			c->grp = mesh;
	}
	for (size_t i = 0; i < c->p->out.npersons; i++)
		merge_stale(c->s, c->grp, c->mesh[i]);
}

static void
make_aliases(struct commit *c)
{
	for (size_t i = 0; i < c->p->out.naliases; i++) {
		const struct match_alias *a = &c->p->out.aliases[i];
		int64_t to = c->mesh[a->person];

		c->people -= store_do(c->s,
		    "UPDATE mesh SET state = 'gone', leave_at = NULL"
		    " WHERE pk = ? AND state IS NULL",
		    "i", a->mesh);
		store_do(c->s,
		    "UPDATE mesh SET state = 'alias', leave_at = NULL"
		    " WHERE pk = ?",
		    "i", a->mesh);
		store_do(c->s, "UPDATE alias SET mesh = ? WHERE mesh = ?", "ii",
		    to, a->mesh);
		store_do(c->s,
		    "INSERT OR REPLACE INTO alias(id, mesh, at)"
		    " SELECT id, ?, ? FROM mesh WHERE pk = ?",
		    "iii", to, c->m->now_ms, a->mesh);
		merge_stale(c->s, c->grp, a->mesh);
	}
}

/* Where a tombstone belongs now: to whoever its person became part of. */
static int64_t
ghost_of(const struct commit *c, int64_t mesh)
{
	for (size_t i = 0; i < c->p->out.naliases; i++)
		if (c->p->out.aliases[i].mesh == mesh)
			return c->mesh[c->p->out.aliases[i].person];
	return mesh;
}

static int64_t
keydef_of(const struct commit *c, int key)
{
	return key >= 0 ? c->t->keys[key] : key;
}

static void
write_link(struct commit *c, size_t i, int64_t mesh, int key, uint32_t with)
{
	store_do(c->s,
	    "INSERT INTO link(object, mesh, key, other, run)"
	    " VALUES(?, ?, ?, ?, ?) ON CONFLICT(object) DO UPDATE SET"
	    " mesh = excluded.mesh, key = excluded.key,"
	    " other = excluded.other, run = excluded.run",
	    "iiiii", object_pk(c, i), mesh, keydef_of(c, key),
	    with < c->w->n ? c->w->pk[with] : (int64_t)0, c->s->generation);
}

static void
link_object(struct commit *c, size_t i)
{
	const struct match_place *place = &c->p->out.places[i];
	uint32_t o = c->p->objects[i], with = c->w->with[o];
	int64_t was = c->w->mesh[o], mesh = was, pk = c->w->pk[o];
	int key = c->w->evidence[o];
	bool dirty = (c->w->flags[o] & MERGE_IS_DIRTY) != 0;

	if (c->p->in[i].gone) {
		mesh = ghost_of(c, was);
	} else {
		mesh = place->person >= 0 ? c->mesh[place->person] : 0;
		key = place->evidence;
		with = place->with != MATCH_NOBODY ? c->p->objects[place->with]
						   : (uint32_t)c->w->n;
	}
	if (mesh != was || key != c->w->evidence[o] || with != c->w->with[o] ||
	    ((c->w->flags[o] & MERGE_IS_LINKED) == 0 && !c->p->in[i].gone))
		write_link(c, i, mesh, key, with);
	/* Who left is not found by its values any more. */
	if (c->m->refs && (mesh != was || (c->p->in[i].gone && dirty)))
		merge_ref_moved(c->s, pk);
	if (dirty)
		store_do(c->s,
		    "DELETE FROM dirty WHERE type = ? AND object = ?", "ii",
		    c->t->pk, pk);
}

static void
hold_object(struct commit *c, size_t i)
{
	enum match_why why = c->p->out.places[i].held;
	int64_t pk = object_pk(c, i);

	if (why != MATCH_FINE)
		store_do(c->s,
		    "INSERT OR REPLACE INTO held(object, why) VALUES(?, ?)",
		    "it", pk, match_why_word(why));
	else if (c->m->helds)
		store_do(c->s, "DELETE FROM held WHERE object = ?", "i", pk);
	if (c->m->conflicts)
		store_do(
		    c->s, "DELETE FROM conflict WHERE object = ?", "i", pk);
}

static void
write_conflict(struct commit *c, const struct match_conflict *x)
{
	int64_t a = object_pk(c, x->a), b = object_pk(c, x->b);

	store_do(c->s,
	    "INSERT INTO conflict(object, other, why, key, value, against)"
	    " VALUES(?1, ?2, ?3, ?4, (SELECT x.value FROM matchkey x"
	    " JOIN matchkey y ON y.key = x.key AND y.value = x.value"
	    " WHERE x.object = ?1 AND x.key = ?4 AND y.object = ?2 ORDER BY "
	    "x.value LIMIT 1),"
	    " ?5)",
	    "iitii", a, b, match_why_word(x->why), keydef_of(c, x->key),
	    keydef_of(c, x->against));
}

/* Someone else goes on without an object, or nobody is left. */
static void
let_leave(struct commit *c, const struct merge_leaver *l)
{
	int64_t grace = c->t->policy->grace_ms;

	if (grace > 0)
		store_do(c->s,
		    "UPDATE mesh SET state = 'leaving', leave_at = ?"
		    " WHERE pk = ? AND state IS NULL",
		    "ii", c->m->now_ms + grace, l->mesh);
	else
		store_do(c->s, "UPDATE mesh SET state = 'gone' WHERE pk = ?",
		    "i", l->mesh);
	c->people--;
	merge_stale(c->s, c->grp, l->mesh);
	if (grace == 0)
		tell_refs(c, l->mesh);
}

void
merge_commit(struct join *j, struct merge *m, struct merge_part *p)
{
	struct merge_leaver *leavers = xcalloc(p->n + 1, sizeof(*leavers));
	struct commit c = { .s = j->store,
		.j = j,
		.m = m,
		.t = m->type,
		.w = &m->world,
		.p = p,
		.mesh = xcalloc(p->out.npersons + 1, sizeof(*c.mesh)) };
	size_t n = merge_leavers(c.s, c.t, p, leavers);

	place_persons(&c);
	make_aliases(&c);
	for (size_t i = 0; i < p->n; i++) {
		link_object(&c, i);
		hold_object(&c, i);
	}
	for (size_t i = 0; i < p->out.nconflicts; i++)
		write_conflict(&c, &p->out.conflicts[i]);
	for (size_t i = 0; i < n; i++)
		let_leave(&c, &leavers[i]);
	m->people += c.people;
	free(c.mesh);
	free(leavers);
}
