/*
 * rejoin.c - links that today's data would not make any more.
 *
 * `join rejoin --from-scratch --dry-run` matches everybody in a private copy
 * of the database as if nobody had ever been linked, and names each link that
 * is remembered and would not come about: its evidence, and why that is gone.
 * A decision of an operator counts today as well.  It parts nobody.
 */

#include "diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "merge_private.h"
#include "opt.h"
#include "report.h"

struct rejoin {
	struct store *old, *new; /* the database, its copy */
	const struct merge_type *t;
	const struct merge_world *w;
	struct merge_part *p;
	const int64_t *mesh; /* of each object of the world, as it is now */
	bool json;
	int64_t links, lost;
	struct buf text;
};

/* Everybody is looked at. */
static void
mark_all(struct store *s, const struct merge_type *t)
{
	if (store_begin(s) != 0)
		return;
	store_do(s,
	    "INSERT OR IGNORE INTO dirty(type, object) SELECT ?, o.pk"
	    " FROM object o JOIN stream t ON t.pk = o.stream"
	    " WHERE t.name = ? AND o.gone IS NULL",
	    "it", t->pk, t->policy->type);
	(void)store_commit(s);
}

/* "okta:contoso/00u1" */
static void
add_name(const struct rejoin *r, uint32_t object, struct buf *b)
{
	sqlite3_stmt *st = store_ask(r->new,
	    "SELECT s.name || '/' || o.id FROM object o"
	    " JOIN stream t ON t.pk = o.stream JOIN source s ON s.pk = t.source"
	    " WHERE o.pk = ?",
	    "i", r->w->pk[object]);

	if (store_row(r->new, st))
		buf_str(b, store_text(st, 0));
	store_end(st);
}

/* The link as it is remembered. */
struct link {
	int64_t key; /* keydef, or negative */
	char label[256];
	char place[512]; /* of the key in the rules, "" when they lack it */
	int rule; /* its number in the rules, -1 */
};

static void
read_link(const struct rejoin *r, uint32_t object, struct link *l)
{
	sqlite3_stmt *st = store_ask(r->old,
	    "SELECT l.key, k.label FROM link l"
	    " LEFT JOIN keydef k ON k.pk = l.key WHERE l.object = ?",
	    "i", r->w->pk[object]);
	const char *label = NULL;

	*l = (struct link){ .key = MATCH_NONE, .rule = -1 };
	if (store_row(r->old, st)) {
		l->key = sqlite3_column_int64(st, 0);
		label = store_text(st, 1);
	}
	if (l->key == MATCH_DECIDED)
		label = "decision";
	snprintf(
	    l->label, sizeof(l->label), "%s", label != NULL ? label : "id");
	store_end(st);
	for (size_t k = 0; k < r->t->policy->nkeys; k++) {
		const struct policy_key *key = &r->t->policy->keys[k];

		if (r->t->keys[k] != l->key)
			continue;
		l->rule = (int)k;
		snprintf(
		    l->place, sizeof(l->place), "%s:%d", key->file, key->line);
	}
}

/* The values of a key that an object has now, as "a, b". */
static void
add_values(const struct rejoin *r, uint32_t object, int64_t key, struct buf *b)
{
	sqlite3_stmt *st = store_ask(r->new,
	    "SELECT group_concat(value, ', ') FROM matchkey"
	    " WHERE object = ? AND key = ?",
	    "ii", r->w->pk[object], key);
	const char *text = store_row(r->new, st) ? store_text(st, 0) : NULL;

	if (text != NULL)
		buf_fmt(b, "\"%s\"", text);
	else
		buf_str(b, "nothing");
	store_end(st);
}

static bool
share_value(const struct rejoin *r, uint32_t a, uint32_t b, int key)
{
	const struct merge_world *w = r->w;

	for (uint32_t i = w->first[a]; i < w->first[a + 1]; i++)
		for (uint32_t k = w->first[b]; k < w->first[b + 1]; k++)
			if ((int)w->values[i].key == key &&
			    (int)w->values[k].key == key &&
			    w->values[i].text == w->values[k].text)
				return true;
	return false;
}

/* A conflict that the object is in, NULL without one. */
static const struct match_conflict *
conflict_of(const struct rejoin *r, size_t i)
{
	for (size_t k = 0; k < r->p->out.nconflicts; k++) {
		const struct match_conflict *c = &r->p->out.conflicts[k];

		if (c->a == i || c->b == i)
			return c;
	}
	return NULL;
}

static const char *
label_of(const struct rejoin *r, int key)
{
	return key >= 0 ? r->t->policy->keys[key].label : "id";
}

/* Why the evidence between object i and its lead is none today. */
static void
add_why(const struct rejoin *r, size_t i, size_t lead, const struct link *l,
    struct buf *b)
{
	uint32_t a = r->p->objects[i], other = r->p->objects[lead];
	const struct match_conflict *c = conflict_of(r, i);

	if (l->rule < 0 && l->key >= 0) {
		buf_fmt(b, "the rules have no key %s", l->label);
	} else if (l->rule >= 0 && !share_value(r, a, other, l->rule)) {
		buf_fmt(b, "%s is ", l->label);
		add_values(r, a, l->key, b);
		buf_str(b, " here and ");
		add_values(r, other, l->key, b);
		buf_str(b, " there");
	} else if (c != NULL && c->against >= 0) {
		buf_fmt(b, "they differ in the stronger key %s",
		    label_of(r, c->against));
	} else if (c != NULL) {
		buf_fmt(b, "several objects share its %s", label_of(r, c->key));
	} else {
		buf_str(b, "another object is the better match");
	}
}

static void
print_lost(struct rejoin *r, size_t i, size_t lead)
{
	uint32_t object = r->p->objects[i];
	const char *mesh = merge_mesh_id(r->old, r->mesh[object]);
	struct buf a = { 0 }, b = { 0 }, why = { 0 };
	struct link l;

	read_link(r, object, &l);
	add_name(r, object, &a);
	add_name(r, r->p->objects[lead], &b);
	add_why(r, i, lead, &l, &why);
	if (r->json) {
		buf_str(&r->text, "{\"" MSG_TYPE "\":");
		buf_json_str(&r->text, r->t->policy->type);
		msg_str(&r->text, MSG_ID, mesh);
		msg_str(&r->text, "contributor", a.data);
		msg_str(&r->text, "with", b.data);
		msg_str(&r->text, MSG_KEY, l.label);
		if (l.place[0] != '\0')
			msg_str(&r->text, MSG_AT, l.place);
		msg_str(&r->text, MSG_WHY, why.data);
		buf_char(&r->text, '}');
	} else {
		buf_fmt(&r->text, "%s %s: %s is with %s by %s%s%s: %s",
		    r->t->policy->type, mesh != NULL ? mesh : "", a.data,
		    b.data, l.label, l.place[0] != '\0' ? ", " : "", l.place,
		    why.data);
	}
	report_line(&r->text);
	buf_free(&a);
	buf_free(&b);
	buf_free(&why);
}

/* Who leads the person that object i is of now: the highest rank. */
static size_t
lead_of(const struct rejoin *r, size_t i)
{
	int64_t mesh = r->mesh[r->p->objects[i]];
	size_t lead = i;

	for (size_t k = 0; k < r->p->n; k++) {
		uint32_t o = r->p->objects[k], best = r->p->objects[lead];

		if (r->mesh[o] != mesh || (r->w->flags[o] & MERGE_IS_GONE) != 0)
			continue;
		if (r->w->rank[o] < r->w->rank[best] ||
		    (r->w->rank[o] == r->w->rank[best] && o < best))
			lead = k;
	}
	return lead;
}

static void
look_at_part(struct rejoin *r)
{
	const struct match_output *out = &r->p->out;

	for (size_t i = 0; i < r->p->n; i++) {
		uint32_t o = r->p->objects[i];
		size_t lead;

		if (r->mesh[o] == 0 || (r->w->flags[o] & MERGE_IS_GONE) != 0)
			continue;
		lead = lead_of(r, i);
		if (lead == i)
			continue;
		r->links++;
		if (out->places[i].person >= 0 &&
		    out->places[i].person == out->places[lead].person)
			continue;
		r->lost++;
		print_lost(r, i, lead);
	}
}

static void
match_type(struct rejoin *r, struct merge_type *t)
{
	const struct policy *usual = t->policy;
	struct policy policy = *usual;
	struct merge_world w;
	struct merge_part part = { 0 };
	int64_t *mesh;

	merge_type_load(r->new, t->policy, t->policy->type, t);
	mark_all(r->new, t);
	merge_world_load(r->new, t, &w);
	policy.strict = true;
	t->policy = &policy;
	mesh = w.mesh;
	w.mesh = xcalloc(w.n + 1, sizeof(*w.mesh));
	r->t = t;
	r->w = &w;
	r->p = &part;
	r->mesh = mesh;
	r->links = r->lost = 0;
	for (size_t c = 0; c < w.ncomponents; c++) {
		merge_match(t, &w, c, &part);
		look_at_part(r);
	}
	if (!r->json)
		printf("%s: %lld of %lld links would not be made today\n",
		    policy.type, (long long)r->lost, (long long)r->links);
	t->policy = usual;
	merge_part_free(&part);
	merge_world_free(&w);
	free(mesh);
}

static int
match_all(struct rejoin *r, const char *rules)
{
	struct join j = { .rules_dir = rules };
	int rc = EXIT_USAGE;

	if (join_load_rules(&j) != 0)
		return EXIT_USAGE;
	j.store = r->new;
	rc = merge_prepare(&j);
	if (rc == EXIT_DONE && j.merge->ntypes == 0) {
		log_error(
		    "%s: no type has a join rule, so nobody is linked", rules);
		rc = EXIT_USAGE;
	}
	for (size_t i = 0; rc == EXIT_DONE && i < j.merge->ntypes; i++)
		match_type(r, &j.merge->types[i]);
	merge_free(&j);
	rules_free(j.rules);
	return rc;
}

static int
rejoin(const char *db, const char *rules, bool json)
{
	struct rejoin r = { .json = json };
	int rc = store_open(&r.old, db, STORE_READ), closed;

	if (rc != EXIT_DONE)
		return rc;
	store_do(r.old, "BEGIN", "");
	store_refresh(r.old);
	r.new = store_copy(r.old);
	rc = r.new != NULL ? match_all(&r, rules) : EXIT_TEMPORARY;
	if (r.new != NULL && r.new->failed)
		rc = EXIT_TEMPORARY;
	store_close(r.new);
	buf_free(&r.text);
	store_do(r.old, "COMMIT", "");
	closed = report_close(r.old);
	return rc != EXIT_DONE ? rc : closed;
}

int
rejoin_main(int argc, char **argv)
{
	const char *db = NULL, *rules = NULL;
	int json = 0, scratch = 0, dry = 0;
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &db, "FILE", "join's database", 0, 0 },
		{ "rules", 0, OPT_TEXT, &rules, "DIR",
		    "folder of the rules ($IDMESH_RULES)", 0, 0 },
		{ "from-scratch", 0, OPT_FLAG, &scratch, NULL,
		    "as if nobody had ever been linked", 0, 0 },
		{ "dry-run", 0, OPT_FLAG, &dry, NULL,
		    "only say it; there is no other way", 0, 0 },
		{ "json", 0, OPT_FLAG, &json, NULL, "one JSON object a line", 0,
		    0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh join rejoin",
		.synopsis = "idmesh join rejoin --db FILE --from-scratch "
			    "--dry-run [--json]",
		.about = "Links that today's data would not make any more, "
			 "with the evidence they had.\nIt parts nobody: that "
			 "is for `idmesh join decide never A B`.",
		.options = options,
		.see = "Manual: idmesh-join(1)",
	};

	opt_parse(&use, &argc, argv);
	if (db == NULL)
		opt_wrong(&use, "--db is missing");
	if (!scratch || !dry)
		opt_wrong(&use,
		    "it takes --from-scratch and --dry-run: links are parted "
		    "one by one, by `idmesh join decide never A B`");
	return rejoin(db, rules_of(db, rules), json != 0);
}
