/*
 * merge_plan.c - what a merge would do, and whether its guard lets it.
 *
 * Every component is matched once without a trace in the database; who would
 * leave, be parted or change is counted, and all outcomes go into one hash,
 * which is the name of the plan.  The sum of the components' hashes does not
 * depend on their order.
 */

#include "merge_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "mem.h"

#define TEXT 9 /* eight digits and a NUL */

static char *
digits(char *to, uint32_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 7; i >= 0; i--, n >>= 4)
		to[i] = hex[n & 15];
	to[8] = '\0';
	return to;
}

static void
reserve(struct merge_part *p, size_t n, size_t values)
{
	if (n > p->cap) {
		p->cap = n * 2;
		p->in = xrealloc(p->in, p->cap * sizeof(*p->in));
	}
	if (n + values > p->vcap) {
		p->vcap = (n + values) * 2;
		p->values = xrealloc(p->values, p->vcap * sizeof(*p->values));
		p->texts = xrealloc(p->texts, p->vcap * TEXT);
	}
}

/* Decisions are few: only a component with one looks through them. */
static size_t
find_decisions(const struct merge_world *w, struct merge_part *p)
{
	size_t n = 0;
	bool any = false;

	for (size_t i = 0; i < p->n; i++)
		any |= (w->flags[p->objects[i]] & MERGE_IS_DECIDED) != 0;
	for (size_t k = 0; any && k < w->ndecisions; k++) {
		struct match_decision d = w->decisions[k];
		size_t a = p->n, b = p->n;

		for (size_t i = 0; i < p->n; i++) {
			if (p->objects[i] == d.a)
				a = i;
			if (p->objects[i] == d.b)
				b = i;
		}
		if (a == p->n || b == p->n)
			continue;
		if (n == p->dcap) {
			p->dcap = p->dcap * 2 + 8;
			p->decisions = xrealloc(
			    p->decisions, p->dcap * sizeof(*p->decisions));
		}
		p->decisions[n++] = (struct match_decision){ d.verb, a, b };
	}
	return n;
}

/* Where an object of the world is in the component, whose order is the same. */
static size_t
place_in(const struct merge_part *p, uint32_t object)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p->objects[mid] < object)
			low = mid + 1;
		else
			high = mid;
	}
	return low < p->n && p->objects[low] == object ? low : MATCH_NOBODY;
}

static void
set_objects(const struct merge_world *w, struct merge_part *p)
{
	size_t v = 0, t = 0;

	for (size_t i = 0; i < p->n; i++) {
		uint32_t o = p->objects[i];
		uint32_t from = w->first[o], to = w->first[o + 1];

		p->in[i] = (struct match_object){
			.source = w->rank[o],
			.id = digits(p->texts + TEXT * t++, w->id[o]),
			.gone = (w->flags[o] & MERGE_IS_GONE) != 0,
			.mesh = w->mesh[o],
			.evidence =
			    w->mesh[o] != 0 ? w->evidence[o] : MATCH_NONE,
			.with = place_in(p, w->with[o]),
			.values = p->values + v,
			.nvalues = to - from,
		};
		for (uint32_t k = from; k < to; k++)
			p->values[v++] = (struct match_value){
				(int)w->values[k].key,
				digits(p->texts + TEXT * t++, w->values[k].text)
			};
	}
}

void
merge_match(const struct merge_type *t, const struct merge_world *w,
    size_t component, struct merge_part *p)
{
	bool propose[MERGE_KEYS_MAX], hold[MERGE_SOURCES_MAX];
	struct match_rules rules = { .nkeys = t->policy->nkeys,
		.propose = propose,
		.nsources = t->nsources,
		.hold = hold,
		.strict = t->policy->strict,
		.same_key = (enum match_back)t->policy->same_key };
	struct match_input in = { .rules = &rules };
	size_t values = 0;

	p->w = w;
	p->objects = w->order + w->start[component];
	p->n = w->start[component + 1] - w->start[component];
	for (size_t i = 0; i < p->n; i++)
		values += w->first[p->objects[i] + 1] - w->first[p->objects[i]];
	for (size_t k = 0; k < rules.nkeys; k++)
		propose[k] = t->policy->keys[k].propose;
	for (size_t i = 0; i < t->nsources; i++)
		hold[i] = t->sources[i].entry < t->policy->nsources &&
			  t->policy->sources[t->sources[i].entry].hold;
	reserve(p, p->n, values);
	set_objects(w, p);
	in.objects = p->in;
	in.n = p->n;
	in.ndecisions = find_decisions(w, p);
	in.decisions = p->decisions;
	match_free(&p->out);
	match(&in, &p->out);
}

void
merge_part_free(struct merge_part *p)
{
	match_free(&p->out);
	free(p->in);
	free(p->values);
	free(p->texts);
	free(p->decisions);
	*p = (struct merge_part){ 0 };
}

static bool
is_living(struct store *s, int64_t mesh)
{
	sqlite3_stmt *st = store_ask(
	    s, "SELECT 1 FROM mesh WHERE pk = ? AND state IS NULL", "i", mesh);
	bool is = store_row(s, st) != 0;

	store_end(st);
	return is;
}

static bool
is_alias(const struct match_output *out, int64_t mesh)
{
	for (size_t i = 0; i < out->naliases; i++)
		if (out->aliases[i].mesh == mesh)
			return true;
	return false;
}

static bool
is_listed(const struct merge_leaver *list, size_t n, int64_t mesh)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].mesh == mesh)
			return true;
	return false;
}

size_t
merge_leavers(struct store *s, const struct merge_type *t,
    const struct merge_part *p, struct merge_leaver *list)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		uint32_t o = p->objects[i];
		int64_t mesh = p->w->mesh[o];
		int person;

		if (mesh == 0 || is_listed(list, n, mesh))
			continue;
		person = match_kept_by(&p->out, i, mesh);
		if (person >= 0 &&
		    !(t->policy->any && (p->w->flags[o] & MERGE_IS_GONE) != 0))
			continue;
		if (person < 0 && is_alias(&p->out, mesh))
			continue;
		if (is_living(s, mesh))
			list[n++] = (struct merge_leaver){ mesh, o, person };
	}
	return n;
}

/* Reasons and how often, in the order in which they came. */
struct reasons {
	char text[16][160];
	int64_t n[16];
	size_t used;
};

static void
add_reason(struct store *s, const struct merge_type *t,
    const struct merge_world *w, uint32_t object, struct reasons *r)
{
	sqlite3_stmt *st = store_ask(
	    s, "SELECT gone FROM object WHERE pk = ?", "i", w->pk[object]);
	const char *gone = NULL;
	char text[160];
	size_t i = 0;

	if (store_row(s, st))
		gone = store_text(st, 0);
	if (gone == NULL)
		gone = (w->flags[object] & MERGE_IS_DISABLED) != 0 ? "disabled"
								   : "held";
	snprintf(text, sizeof(text), "%.100s %.50s",
	    t->sources[w->rank[object]].name, gone);
	store_end(st);
	while (i < r->used && strcmp(r->text[i], text) != 0)
		i++;
	if (i == 16)
		i = 15;
	else if (i == r->used)
		snprintf(r->text[r->used++], sizeof(r->text[0]), "%s", text);
	r->n[i]++;
}

/* Living objects that were disabled, at their own source's word. */
static int64_t
count_disabled(struct store *s, const struct merge_type *t,
    const struct merge_part *p, struct reasons *r)
{
	int64_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		uint32_t object = p->objects[i];

		if ((p->w->flags[object] & MERGE_IS_DISABLED) == 0 ||
		    p->in[i].gone)
			continue;
		add_reason(s, t, p->w, object, r);
		n++;
	}
	return n;
}

/* Was its leaving approved when its object was swept? */
static bool
was_let_go(const struct merge_part *p, int64_t mesh)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->w->mesh[p->objects[i]] == mesh &&
		    (p->w->flags[p->objects[i]] & MERGE_IS_LET_GO) != 0)
			return true;
	return false;
}

/* Living objects that would not be with those they were with. */
static int64_t
count_parted(const struct merge_part *p)
{
	int64_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		int64_t mesh = p->w->mesh[p->objects[i]];
		int person = p->out.places[i].person, kept;

		if (mesh == 0 || p->in[i].gone)
			continue;
		kept = match_kept_by(&p->out, i, mesh);
		n += kept >= 0 && kept != person;
	}
	return n;
}

static uint64_t
hash_part(const struct merge_part *p, const struct merge_leaver *leavers,
    size_t n, struct buf *b)
{
	buf_clear(b);
	for (size_t i = 0; i < p->n; i++) {
		const struct match_place *place = &p->out.places[i];
		const struct match_person *person =
		    place->person >= 0 ? &p->out.persons[place->person] : NULL;
		int64_t row[5] = { p->w->pk[p->objects[i]],
			person != NULL ? p->w->pk[p->objects[person->lead]] : 0,
			person != NULL ? person->mesh : 0, place->evidence,
			place->held };

		buf_add(b, row, sizeof(row));
	}
	for (size_t i = 0; i < n; i++)
		buf_add(b, &leavers[i].mesh, sizeof(leavers[i].mesh));
	return XXH3_64bits(b->data, b->len);
}

static uint64_t
hash_rows(struct store *s, const char *sql, int64_t type)
{
	sqlite3_stmt *st = store_ask(s, sql, "i", type);
	uint64_t sum = 0;

	while (store_row(s, st)) {
		const void *hash = sqlite3_column_blob(st, 1);
		int64_t pk = sqlite3_column_int64(st, 0);

		sum += XXH3_64bits_withSeed(hash != NULL ? hash : "",
		    (size_t)sqlite3_column_bytes(st, 1), (XXH64_hash_t)pk);
	}
	return sum;
}

/* What the records say is part of a plan, too: bodies are made of them. */
static uint64_t
hash_contents(struct store *s, int64_t type)
{
	return hash_rows(s,
		   "SELECT o.pk, o.hash FROM dirty d"
		   " JOIN object o ON o.pk = d.object WHERE d.type = ?",
		   type) +
	       hash_rows(s,
		   "SELECT DISTINCT o.pk, o.hash FROM stale x"
		   " JOIN mesh m ON m.pk = x.mesh JOIN link l ON l.mesh = m.pk"
		   " JOIN object o ON o.pk = l.object WHERE m.type = ?",
		   type);
}

/* For programs, and for the guard's sentence. */
static void
write_reasons(const struct reasons *r, struct merge_plan *p)
{
	for (size_t i = 0; i < r->used; i++) {
		if (i > 0)
			buf_char(&p->by, ',');
		buf_json_str(&p->by, r->text[i]);
		buf_fmt(&p->by, ":%lld", (long long)r->n[i]);
		buf_fmt(&p->reasons, "%s%s: %lld", i > 0 ? ", " : "",
		    r->text[i], (long long)r->n[i]);
	}
}

void
merge_plan_free(struct merge_plan *p)
{
	buf_free(&p->by);
	buf_free(&p->reasons);
}

static int64_t
people(struct store *s, int64_t type)
{
	sqlite3_stmt *st =
	    store_ask(s, "SELECT people FROM type WHERE pk = ?", "i", type);
	int64_t n = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return n;
}

void
merge_plan_make(struct store *s, const struct merge_type *t,
    const struct merge_world *w, struct merge_plan *p)
{
	struct merge_leaver *leavers = xcalloc(w->n + 1, sizeof(*leavers));
	struct merge_part part = { 0 };
	struct reasons reasons = { .used = 0 };
	struct buf b = { 0 };
	uint64_t sum = 0;

	*p = (struct merge_plan){ .persons = people(s, t->pk) };
	for (size_t c = 0; c < w->ncomponents; c++) {
		size_t n;

		merge_match(t, w, c, &part);
		n = merge_leavers(s, t, &part, leavers);
		for (size_t i = 0; i < n; i++) {
			if (was_let_go(&part, leavers[i].mesh))
				continue;
			add_reason(s, t, w, leavers[i].object, &reasons);
			p->leaves++;
		}
		p->disables += count_disabled(s, t, &part, &reasons);
		p->unjoins += count_parted(&part);
		p->objects += (int64_t)part.n;
		for (size_t i = 0; i < part.n; i++) {
			p->changed +=
			    (w->flags[part.objects[i]] & MERGE_IS_CHANGED) != 0;
			p->held += part.out.places[i].held != MATCH_FINE;
		}
		sum += hash_part(&part, leavers, n, &b);
	}
	sum += hash_contents(s, t->pk);
	snprintf(p->hash, sizeof(p->hash), "%016llx", (unsigned long long)sum);
	write_reasons(&reasons, p);
	merge_part_free(&part);
	buf_free(&b);
	free(leavers);
}

static bool
is_over(const struct policy_limit *l, int64_t n, int64_t of)
{
	return n > 0 && ((l->max >= 0 && n > l->max) ||
			    (l->percent >= 0 && of >= l->of_at_least &&
				(double)n * 100 > l->percent * (double)of));
}

/* Appends one limit that the plan breaks. */
static void
add_broken(const struct policy_limit *l, const char *name, const char *between,
    const char *what, int64_t n, int64_t of, struct buf *b)
{
	if (!is_over(l, n, of))
		return;
	buf_fmt(b, "%s%lld %s %lld %s; guard %s", b->len > 0 ? "; " : "",
	    (long long)n, between, (long long)of, what, name);
	if (l->file != NULL)
		buf_fmt(b, " (%s:%d)", l->file, l->line);
	buf_str(b, " allows");
	if (l->max >= 0)
		buf_fmt(b, " %lld", (long long)l->max);
	if (l->percent >= 0)
		buf_fmt(b, "%s%g %%", l->max >= 0 ? " or " : " ", l->percent);
}

/* All of them: who approves the plan lets all of it pass. */
int
merge_plan_judge(
    const struct merge_type *t, const struct merge_plan *p, struct why *why)
{
	const struct policy *y = t->policy;
	struct buf b = { 0 };
	int rc = 0;

	add_broken(&y->leave, "leave", "of",
	    p->disables > 0 ? "would leave, or were disabled at a source"
			    : "would leave",
	    p->leaves + p->disables, p->persons, &b);
	add_broken(&y->unjoin, "unjoin", "of",
	    "would be parted from their others", p->unjoins, p->persons, &b);
	add_broken(&y->change, "change", "objects behind",
	    "in the mesh have a guarded attribute changed at a source",
	    p->changed, p->persons, &b);
	if (b.len > 0)
		rc = why_set(why, "E_GUARD", t->policy->type,
		    "%s; nothing was done%s%s%s", b.data,
		    p->reasons.len > 0 ? " (" : "",
		    p->reasons.len > 0 ? p->reasons.data : "",
		    p->reasons.len > 0 ? ")" : "");
	buf_free(&b);
	return rc;
}
