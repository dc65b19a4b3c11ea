/*
 * plan_walk.c - the components of a plan, person by person.
 *
 * plan.c walks through them once for each thing that it tells, so that nothing
 * but the world of the merge is in memory, however many there are.  Who leaves
 * and who is parted is found as merge_plan.c counts them.
 */

#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

int
plan_type(
    struct store *s, struct rules *r, const char *type, struct merge_type *t)
{
	const struct policy *p = rules_policy(r, type);
	sqlite3_stmt *st =
	    store_ask(s, "SELECT rules FROM type WHERE name = ?", "t", type);
	bool same = p != NULL && store_row(s, st) &&
		    store_text(st, 0) != NULL &&
		    strcmp(store_text(st, 0), rules_version(r)) == 0;

	store_end(st);
	if (!same)
		return -1;
	merge_type_keys(s, p, t);
	merge_type_load(s, p, type, t);
	return 0;
}

void
plan_open(
    struct plan_walk *w, struct store *s, struct merge_type *t, char hash[17])
{
	struct merge_plan p;

	*w = (struct plan_walk){ .s = s, .t = t };
	merge_world_load(s, t, &w->world);
	merge_plan_make(s, t, &w->world, &p);
	snprintf(hash, 17, "%s", p.hash);
	merge_plan_free(&p);
}

void
plan_close(struct plan_walk *w)
{
	merge_part_free(&w->part);
	merge_world_free(&w->world);
}

int64_t
plan_object(const struct plan_walk *w, const struct plan_item *item)
{
	return w->world.pk[w->part.objects[item->i]];
}

/* Who is told, and whether they want to hear more. */
struct telling {
	const struct plan_walk *w;
	bool (*each)(void *ctx, const struct plan_item *item);
	void *ctx;
	bool more;
};

static void
tell(struct telling *t, enum plan_what what, int64_t mesh, size_t i)
{
	struct plan_item item = { what, mesh, i };

	if (t->more)
		t->more = t->each(t->ctx, &item);
}

static void
tell_leavers(struct telling *t, struct merge_leaver *list)
{
	const struct merge_part *p = &t->w->part;
	size_t n = merge_leavers(t->w->s, t->w->t, p, list);

	for (size_t k = 0; k < n; k++) {
		size_t i = 0;

		while (p->objects[i] != list[k].object)
			i++;
		tell(t, PLAN_LEAVE, list[k].mesh, i);
	}
}

/* Of a person that is there before and behind, and has more objects then. */
static bool
is_joined(const struct merge_part *p, size_t i, int64_t was)
{
	const struct match_place *place = &p->out.places[i];
	const struct match_person *person = &p->out.persons[place->person];

	return person->n > 1 && person->mesh != 0 && person->mesh != was;
}

static void
tell_place(struct telling *t, size_t i)
{
	const struct merge_part *p = &t->w->part;
	const struct match_place *place = &p->out.places[i];
	uint32_t flags = p->w->flags[p->objects[i]];
	int64_t was = p->w->mesh[p->objects[i]];
	int kept = was != 0 ? match_kept_by(&p->out, i, was) : -1;

	if (place->held != MATCH_FINE) {
		if ((flags & MERGE_IS_LINKED) == 0)
			tell(t, PLAN_HOLD, 0, i);
		else if (kept >= 0)
			tell(t, PLAN_PART, was, i);
	} else if (kept >= 0 && kept != place->person) {
		tell(t, PLAN_PART, was, i);
	} else if (is_joined(p, i, was)) {
		tell(t, PLAN_JOIN, p->out.persons[place->person].mesh, i);
	} else if (p->out.persons[place->person].mesh == 0 &&
		   p->out.persons[place->person].lead == i) {
		tell(t, PLAN_COME, 0, i);
	}
}

static void
tell_object(struct telling *t, size_t i)
{
	const struct merge_part *p = &t->w->part;
	uint32_t flags = p->w->flags[p->objects[i]];
	int64_t mesh = p->w->mesh[p->objects[i]];

	/* Who was changed before he left counts as the guard counts him. */
	if ((flags & MERGE_IS_CHANGED) != 0)
		tell(t, PLAN_CHANGE, mesh, i);
	if (p->in[i].gone)
		return;
	if ((flags & MERGE_IS_DISABLED) != 0)
		tell(t, PLAN_DISABLE, mesh, i);
	tell_place(t, i);
}

void
plan_each(struct plan_walk *w,
    bool (*each)(void *ctx, const struct plan_item *item), void *ctx)
{
	struct merge_leaver *list = xcalloc(w->world.n + 1, sizeof(*list));
	struct telling t = { w, each, ctx, true };

	for (size_t c = 0; t.more && c < w->world.ncomponents; c++) {
		merge_match(w->t, &w->world, c, &w->part);
		tell_leavers(&t, list);
		for (size_t i = 0; t.more && i < w->part.n; i++)
			tell_object(&t, i);
	}
	free(list);
}
