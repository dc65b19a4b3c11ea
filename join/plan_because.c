/*
 * plan_because.c - why a plan would do what it would do to somebody.
 *
 * plan.c asks for everything that it shows: the source that let somebody go or
 * disabled them, the key or the decision that joins or parts them with its
 * line of the rules, the values that change.
 */

#include "plan.h"

#include <stdio.h>
#include <string.h>

#include "find.h"
#include "json.h"
#include "json_copy.h"

static int64_t
pk_of(const struct plan_walk *w, size_t i)
{
	return w->world.pk[w->part.objects[i]];
}

/* " by employeeNumber (rules/merge.lua:3)" */
static void
add_key(const struct plan_walk *w, const char *word, int key,
    struct plan_because *b)
{
	const struct policy_key *k;

	if (key == MATCH_DECIDED)
		buf_fmt(&b->text, "%sa decision", word);
	if (key < 0)
		return;
	k = &w->t->policy->keys[key];
	b->key = k->label;
	buf_clear(&b->at);
	buf_fmt(&b->at, "%s:%d", k->file, k->line);
	buf_fmt(&b->text, "%s%s (%s)", word, k->label, b->at.data);
}

/* The conflict that an object is in, the one that holds or parts it first. */
static const struct match_conflict *
conflict_of(const struct plan_walk *w, size_t i, enum match_why why)
{
	const struct match_output *out = &w->part.out;
	const struct match_conflict *found = NULL;

	for (size_t k = 0; k < out->nconflicts; k++) {
		const struct match_conflict *c = &out->conflicts[k];

		if (c->a != i && c->b != i)
			continue;
		if (c->why == why)
			return c;
		found = found != NULL ? found : c;
	}
	return found;
}

/* "as it shares email (rules.lua:3) with okta:contoso/00u1, but ..." */
static void
add_conflict(const struct plan_walk *w, size_t i, enum match_why why,
    struct plan_because *b)
{
	const struct match_conflict *c = conflict_of(w, i, why);

	if (c == NULL) {
		if (why == MATCH_UNMATCHED)
			buf_str(&b->text,
			    ", for it matches nobody and its source may not "
			    "stand alone");
		return;
	}
	snprintf(b->reason, sizeof(b->reason), "%s", match_why_word(c->why));
	if (c->key >= 0)
		add_key(w, ", though it shares ", c->key, b);
	if (c->a != c->b) {
		buf_str(&b->text, c->key >= 0 ? " with " : ", beside ");
		find_called(w->s, pk_of(w, c->a == i ? c->b : c->a), &b->text);
	}
	if (c->against >= 0)
		add_key(w, ": they differ in ", c->against, b);
	else if (c->why == MATCH_AMBIGUOUS)
		buf_str(&b->text, ", as others do");
	else if (c->why == MATCH_RETURNED)
		buf_str(&b->text, ", who left");
}

/* Was the leaving approved when an object of theirs was swept?  The guard does
 * not count it again. */
static bool
was_let_go(const struct plan_walk *w, int64_t mesh)
{
	for (size_t i = 0; i < w->part.n; i++) {
		uint32_t o = w->part.objects[i];

		if (w->world.mesh[o] == mesh &&
		    (w->world.flags[o] & MERGE_IS_LET_GO) != 0)
			return true;
	}
	return false;
}

static void
because_leaves(const struct plan_walk *w, const struct plan_item *item,
    struct plan_because *b)
{
	sqlite3_stmt *st = store_ask(w->s,
	    "SELECT gone FROM object WHERE pk = ?", "i", pk_of(w, item->i));
	const char *gone = store_row(w->s, st) ? store_text(st, 0) : NULL;

	snprintf(b->reason, sizeof(b->reason), "%s", gone != NULL ? gone : "");
	store_end(st);
	find_name(w->s, pk_of(w, item->i), &b->text);
	if (b->reason[0] != '\0') {
		buf_fmt(&b->text, " has left (%s)%s", b->reason,
		    was_let_go(w, item->mesh) ? ", which was approved" : "");
		return;
	}
	snprintf(b->reason, sizeof(b->reason), "held");
	buf_str(&b->text, " would be held");
	add_conflict(w, item->i, w->part.out.places[item->i].held, b);
}

/* Did an operator say that it is not one of those that it was with? */
static bool
is_decided_apart(const struct plan_walk *w, size_t i)
{
	uint32_t o = w->part.objects[i];

	for (size_t k = 0; k < w->world.ndecisions; k++) {
		const struct match_decision *d = &w->world.decisions[k];

		if (d->verb == MATCH_ALONE && d->a == o)
			return true;
		if (d->verb == MATCH_NEVER && (d->a == o || d->b == o))
			return true;
	}
	return false;
}

static void
because_parted(const struct plan_walk *w, const struct plan_item *item,
    struct plan_because *b)
{
	const struct match_place *place = &w->part.out.places[item->i];

	find_name(w->s, pk_of(w, item->i), &b->text);
	if (place->held != MATCH_FINE) {
		buf_str(&b->text, " would be held");
		add_conflict(w, item->i, place->held, b);
		return;
	}
	buf_str(&b->text, " would go on without them");
	if (place->with != MATCH_NOBODY) {
		buf_str(&b->text, " as one person with ");
		find_called(w->s, pk_of(w, place->with), &b->text);
		add_key(w, " by ", place->evidence, b);
	} else if (is_decided_apart(w, item->i)) {
		buf_str(&b->text, ", as was decided");
	} else {
		add_conflict(w, item->i, MATCH_UNJOINED, b);
	}
}

static void
because_joined(const struct plan_walk *w, const struct plan_item *item,
    struct plan_because *b)
{
	const struct match_output *out = &w->part.out;
	const struct match_place *place = &out->places[item->i];
	size_t i = 0;
	int64_t was = w->world.mesh[w->part.objects[item->i]];

	find_name(w->s, pk_of(w, item->i), &b->text);
	buf_str(&b->text, " would become part of them");
	if (was != 0)
		buf_fmt(&b->text, ", who is %s now,", merge_mesh_id(w->s, was));
	if (place->with != MATCH_NOBODY) {
		add_key(w, " by ", place->evidence, b);
		return;
	}
	/* It leads: the link is with one of those that follow. */
	while (i < w->part.n && (out->places[i].person != place->person ||
				    out->places[i].with != item->i))
		i++;
	if (i < w->part.n)
		add_key(w, " by ", out->places[i].evidence, b);
}

static yyjson_doc *
read_text(struct store *s, sqlite3_stmt *st)
{
	const char *text = store_row(s, st) ? store_text(st, 0) : NULL;
	yyjson_doc *doc = text != NULL ? yyjson_read(text, strlen(text),
					     YYJSON_READ_NUMBER_AS_RAW)
				       : NULL;

	store_end(st);
	return doc;
}

static void
add_json(struct buf *b, yyjson_val *v)
{
	if (v == NULL || yyjson_is_null(v))
		buf_str(b, "nothing");
	else
		json_copy(b, v);
}

/* What the source says now, beside what the mesh has. */
static void
because_changed(const struct plan_walk *w, const struct plan_item *item,
    struct plan_because *b)
{
	const struct policy_limit *guard = &w->t->policy->change;
	yyjson_doc *now = read_text(
	    w->s, store_ask(w->s, "SELECT text FROM attrs WHERE pk = ?", "i",
		      pk_of(w, item->i)));
	yyjson_doc *mesh = read_text(
	    w->s, store_ask(w->s, "SELECT text FROM body WHERE mesh = ?", "i",
		      item->mesh));
	const char *before = " says ";

	find_name(w->s, pk_of(w, item->i), &b->text);
	for (size_t i = 0; i < guard->nattrs; i++) {
		const char *name = guard->attrs[i];
		yyjson_val *is = json_get(yyjson_doc_get_root(now), name);
		yyjson_val *has = json_get(yyjson_doc_get_root(mesh), name);

		if (is == NULL || has == NULL ? is == has
					      : yyjson_equals(is, has))
			continue;
		buf_fmt(&b->text, "%s%s ", before, name);
		add_json(&b->text, is);
		buf_str(&b->text, ", the mesh has ");
		add_json(&b->text, has);
		before = "; ";
	}
	if (before[0] == ' ')
		buf_str(&b->text, " says again what the mesh has");
	if (guard->file != NULL)
		buf_fmt(&b->at, "%s:%d", guard->file, guard->line);
	yyjson_doc_free(now);
	yyjson_doc_free(mesh);
}

static void
because_new(const struct plan_walk *w, const struct plan_item *item,
    struct plan_because *b)
{
	const struct match_place *place = &w->part.out.places[item->i];

	find_name(w->s, pk_of(w, item->i), &b->text);
	if (place->held != MATCH_FINE) {
		snprintf(b->reason, sizeof(b->reason), "%s",
		    match_why_word(place->held));
		buf_str(&b->text, " would be held");
		add_conflict(w, item->i, place->held, b);
		return;
	}
	if (w->part.out.persons[place->person].n < 2)
		return;
	for (size_t i = 0; i < w->part.n; i++)
		if (i != item->i &&
		    w->part.out.places[i].person == place->person) {
			buf_str(&b->text, " + ");
			find_name(w->s, pk_of(w, i), &b->text);
			add_key(w, " by ", w->part.out.places[i].evidence, b);
		}
}

void
plan_explain(const struct plan_walk *w, const struct plan_item *item,
    struct plan_because *b)
{
	b->key = NULL;
	b->reason[0] = '\0';
	buf_clear(&b->text);
	buf_clear(&b->at);
	switch (item->what) {
	case PLAN_LEAVE:
		because_leaves(w, item, b);
		break;
	case PLAN_DISABLE:
		snprintf(b->reason, sizeof(b->reason), "disabled");
		find_name(w->s, pk_of(w, item->i), &b->text);
		buf_str(&b->text, " says " MERGE_ENABLED " false");
		break;
	case PLAN_PART:
		because_parted(w, item, b);
		break;
	case PLAN_JOIN:
		because_joined(w, item, b);
		break;
	case PLAN_CHANGE:
		because_changed(w, item, b);
		break;
	default:
		because_new(w, item, b);
	}
}
