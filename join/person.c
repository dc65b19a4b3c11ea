/*
 * person.c - one person out of the database, with a trace of their values.
 *
 * explain.c calls it.  Links are stored with the key that made them; what the
 * evidence is worth today, and where each value comes from, is made again.
 */

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "explain.h"
#include "log.h"
#include "mem.h"
#include "merge_private.h"

static yyjson_doc *
parse(const char *text)
{
	return text != NULL
		   ? yyjson_read(text, strlen(text), YYJSON_READ_NUMBER_AS_RAW)
		   : NULL;
}

static void
load_mesh(struct store *s, int64_t mesh, struct person *p)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT m.id, t.name, t.pk, m.state, m.leave_at, b.text, b.at"
	    " FROM mesh m JOIN type t ON t.pk = m.type"
	    " LEFT JOIN body b ON b.mesh = m.pk WHERE m.pk = ?",
	    "i", mesh);

	if (!store_row(s, st))
		return;
	p->mesh = mesh;
	p->id = store_text_dup(st, 0);
	p->type = store_text_dup(st, 1);
	p->type_pk = sqlite3_column_int64(st, 2);
	p->state = store_text_dup(st, 3);
	p->leave_at = sqlite3_column_int64(st, 4);
	p->body = parse(store_text(st, 5));
	p->made_ms = sqlite3_column_int64(st, 6);
	store_end(st);
}

/* An object that is in no person: its type is its stream. */
static void
load_alone(struct store *s, int64_t object, struct person *p)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT t.name, y.pk, h.why FROM object o"
	    " JOIN stream t ON t.pk = o.stream"
	    " JOIN type y ON y.name = t.name"
	    " LEFT JOIN held h ON h.object = o.pk WHERE o.pk = ?",
	    "i", object);

	if (!store_row(s, st))
		return;
	p->type = store_text_dup(st, 0);
	p->type_pk = sqlite3_column_int64(st, 1);
	p->held = store_text_dup(st, 2);
	store_end(st);
}

static void
add_contributor(struct person *p, sqlite3_stmt *st)
{
	struct contributor *c;

	p->of = xrealloc(p->of, (p->n + 1) * sizeof(*p->of));
	c = &p->of[p->n++];
	*c = (struct contributor){ .pk = sqlite3_column_int64(st, 0),
		.stream = sqlite3_column_int64(st, 1),
		.source = store_text_dup(st, 2),
		.id = store_text_dup(st, 3),
		.gone = store_text_dup(st, 4),
		.key = sqlite3_column_int64(st, 5),
		.attrs = parse(store_text(st, 6)),
		.run = store_text_dup(st, 7) };
	c->entry = p->policy != NULL ? policy_entry(p->policy, c->source) : 0;
}

#define COLUMNS                                                               \
	"SELECT o.pk, o.stream, s.name, o.id, o.gone, coalesce(l.key, -1),"   \
	" a.text, (SELECT 'run ' || r.number || ' of ' || rs.name FROM run r" \
	" JOIN source rs ON rs.pk = r.source WHERE r.generation <= l.run"     \
	" ORDER BY r.generation DESC LIMIT 1) FROM object o"                  \
	" JOIN stream t ON t.pk = o.stream JOIN source s ON s.pk = t.source"  \
	" LEFT JOIN link l ON l.object = o.pk"                                \
	" LEFT JOIN attrs a ON a.pk = o.pk"

static void
load_contributors(struct store *s, const struct found *f, struct person *p)
{
	sqlite3_stmt *st =
	    p->mesh == 0
		? store_ask(s, COLUMNS " WHERE o.pk = ?", "i", f->object)
		: store_ask(s,
		      COLUMNS " WHERE l.mesh = ?1 UNION ALL " COLUMNS
			      " WHERE o.pk ="
			      " (SELECT object FROM mesh"
			      " WHERE pk = ?1)",
		      "i", p->mesh);

	while (store_row(s, st))
		add_contributor(p, st);
}

static int
by_rank(const void *a, const void *b)
{
	const struct contributor *x = a, *y = b;
	int order;

	if ((x->gone != NULL) != (y->gone != NULL))
		return x->gone != NULL ? 1 : -1;
	if (x->entry != y->entry)
		return x->entry < y->entry ? -1 : 1;
	order = strcmp(x->source, y->source);
	return order != 0 ? order : strcmp(x->id, y->id);
}

/* Who decided the link, and why. */
static void
load_decision(struct store *s, struct contributor *c)
{
	struct buf name = { 0 };
	sqlite3_stmt *st;

	find_name(s, c->pk, &name);
	st = store_ask(s,
	    "SELECT pk || ' by ' || who || coalesce(': ' || why, '')"
	    " FROM decision WHERE undone_at IS NULL AND verb = 'join'"
	    " AND ?1 IN (a, b) ORDER BY pk DESC LIMIT 1",
	    "t", name.data);
	if (store_row(s, st)) {
		c->place = store_text_dup(st, 0);
		store_end(st);
	}
	buf_free(&name);
	/* That the merge behind it was in some run says nothing. */
	free(c->run);
	c->run = NULL;
}

/* The key of the link: its name, its line, and whether it still holds. */
static void
load_evidence(struct store *s, const struct rules *r, const struct person *p,
    struct contributor *c)
{
	sqlite3_stmt *st;

	if (c->key == MATCH_DECIDED)
		load_decision(s, c);
	if (c->key < 0)
		return;
	merge_key_name(s, r, c->key, &c->label, &c->place);
	st = store_ask(s,
	    "SELECT min(a.value) FROM matchkey a JOIN matchkey b"
	    " ON b.key = a.key AND b.value = a.value AND b.object <> a.object"
	    " JOIN link l ON l.object = b.object AND l.mesh = ?"
	    " WHERE a.object = ? AND a.key = ?",
	    "iii", p->mesh, c->pk, c->key);
	if (store_row(s, st)) {
		c->value = store_text_dup(st, 0);
		store_end(st);
	}
}

struct resolving {
	struct store *s;
	const struct rules *r;
	const struct person *p;
};

/* What merge_body.c does, without a trace in the database. */
static const char *
resolve(void *ctx, const struct blend_part *part,
    const struct policy_flow *flow, const char *text, size_t len)
{
	const struct resolving *r = ctx;
	const struct policy *to = rules_policy(r->r, flow->ref);
	const struct contributor *c = r->p->of;
	struct merge_type type;
	struct merge_ref ref = { .flow = flow, .to = &type };

	while (strcmp(c->source, part->source) != 0 ||
	       strcmp(c->id, part->id) != 0)
		c++;
	merge_type_keys(r->s, to, &type);
	ref.stream = c->stream;
	return merge_mesh_id(r->s, merge_ref_resolve(r->s, &ref, text, len));
}

/* The values once more, with who won and who lost. */
static void
trace(struct store *s, struct rules *r, struct person *p)
{
	struct resolving ctx = { s, r, p };
	struct blend_input in = { .policy = p->policy,
		.rules = r,
		.parts = p->parts,
		.resolve = resolve,
		.ctx = &ctx };
	char now[CLOCK_TEXT] = "";
	struct why why;

	for (size_t i = 0; i < p->n && p->nparts < BLEND_PARTS_MAX; i++)
		if (p->of[i].attrs != NULL)
			p->parts[p->nparts++] =
			    (struct blend_part){ p->of[i].source, p->of[i].id,
				    yyjson_doc_get_root(p->of[i].attrs) };
	if (p->policy == NULL || p->nparts == 0)
		return;
	in.n = p->nparts;
	in.old = yyjson_doc_get_root(p->body);
	p->said = xcalloc(p->policy->nflows + 1, sizeof(*p->said));
	/* Functions are told the time that the merge told them. */
	if (p->made_ms != 0)
		clock_rfc3339(p->made_ms, now);
	blend_begin(r, now);
	blend(&in, &p->text, p->said, &why);
	blend_end(r);
	yyjson_doc_free(p->body);
	p->body = parse(p->text.data);
}

bool
person_gone(const struct person *p)
{
	return p->state != NULL && strcmp(p->state, "gone") == 0;
}

bool
person_disabled(const struct person *p, const char *attribute)
{
	return p->state != NULL && strcmp(p->state, "leaving") == 0 &&
	       p->nparts > 0 && strcmp(attribute, MERGE_ENABLED) == 0;
}

/* gone = "any": they leave though some of their sources know them. */
static void
disable(struct person *p)
{
	yyjson_mut_doc *doc = yyjson_doc_mut_copy(p->body, NULL);
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *key;

	for (size_t i = 0; p->policy != NULL && i < p->policy->nflows; i++) {
		if (!person_disabled(p, p->policy->flows[i].attr))
			continue;
		key = yyjson_mut_str(doc, MERGE_ENABLED);
		yyjson_mut_obj_put(root, key, yyjson_mut_false(doc));
		yyjson_doc_free(p->body);
		p->body = yyjson_mut_doc_imut_copy(doc, NULL);
	}
	yyjson_mut_doc_free(doc);
}

int
person_load(
    struct store *s, struct rules *r, const struct found *f, struct person *p)
{
	*p = (struct person){ 0 };
	if (f->mesh != 0)
		load_mesh(s, f->mesh, p);
	else
		load_alone(s, f->object, p);
	if (p->type == NULL)
		return -1;
	p->policy = rules_policy(r, p->type);
	load_contributors(s, f, p);
	qsort(p->of, p->n, sizeof(*p->of), by_rank);
	for (size_t i = 0; i < p->n; i++)
		load_evidence(s, r, p, &p->of[i]);
	trace(s, r, p);
	disable(p);
	return 0;
}

void
person_free(struct person *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct contributor *c = &p->of[i];

		free(c->source);
		free(c->id);
		free(c->gone);
		free(c->label);
		free(c->place);
		free(c->value);
		free(c->run);
		yyjson_doc_free(c->attrs);
	}
	free(p->of);
	free(p->type);
	free(p->id);
	free(p->state);
	free(p->held);
	free(p->said);
	yyjson_doc_free(p->body);
	buf_free(&p->text);
}
