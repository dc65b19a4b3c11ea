/*
 * merge_body.c - attributes of mesh objects, and what the sinks hear of them.
 *
 * merge.c calls it when all links of a merge are there, so that references
 * find their ends.  Groups of stale rows are never cut by a transaction: the
 * two halves of a join or a parting leave in one.
 */

#include "merge_private.h"

#include <stdlib.h>
#include <string.h>

#include "blend.h"
#include "clock.h"
#include "json_copy.h"
#include "log.h"
#include "mem.h"

#define BODY_CHUNK 8000

struct part {
	struct blend_part blend;
	int64_t object, stream;
	size_t rank;
	char *id; /* owned */
	yyjson_doc *doc; /* owned */
};

struct body {
	struct store *s;
	struct join *j;
	struct merge *m;
	struct merge_type *t;
	const char *type; /* its name */
	int64_t mesh, leave_at;
	char state[16]; /* "" living */
	struct part parts[BLEND_PARTS_MAX];
	size_t n;
	bool had; /* a body before */
	struct buf old, old_contributors, old_state; /* owned */
	struct buf text, contributors, changed; /* owned */
	yyjson_doc *was; /* owned */
};

void
merge_stale(struct store *s, int64_t grp, int64_t mesh)
{
	store_do(s, "INSERT OR IGNORE INTO stale(grp, mesh) VALUES(?, ?)", "ii",
	    grp, mesh);
}

static void
keep_column(struct buf *b, sqlite3_stmt *st, int column)
{
	buf_clear(b);
	if (sqlite3_column_type(st, column) != SQLITE_NULL)
		buf_add(b, sqlite3_column_text(st, column),
		    (size_t)sqlite3_column_bytes(st, column));
}

/* The mesh object as it is; 0 when there is no such row. */
static int
read_mesh(struct body *b)
{
	sqlite3_stmt *st = store_ask(b->s,
	    "SELECT m.type, m.state, m.leave_at, b.text, b.contributors,"
	    " b.state FROM mesh m LEFT JOIN body b ON b.mesh = m.pk"
	    " WHERE m.pk = ?",
	    "i", b->mesh);
	const char *state;

	if (!store_row(b->s, st))
		return 0;
	b->t = merge_type_by_pk(b->m, sqlite3_column_int64(st, 0));
	state = store_text(st, 1);
	snprintf(b->state, sizeof(b->state), "%s", state != NULL ? state : "");
	b->leave_at = sqlite3_column_int64(st, 2);
	b->had = sqlite3_column_type(st, 3) != SQLITE_NULL;
	keep_column(&b->old, st, 3);
	keep_column(&b->old_contributors, st, 4);
	keep_column(&b->old_state, st, 5);
	store_end(st);
	return b->t != NULL;
}

static int
by_rank(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->id, y->id);
}

static void
read_parts(struct body *b)
{
	sqlite3_stmt *st = store_ask(b->s,
	    "SELECT o.pk, o.stream, o.id, a.text FROM link l"
	    " JOIN object o ON o.pk = l.object JOIN attrs a ON a.pk = o.pk"
	    " WHERE l.mesh = ? AND o.gone IS NULL",
	    "i", b->mesh);

	b->n = 0;
	while (store_row(b->s, st)) {
		struct part *p;

		if (b->n == BLEND_PARTS_MAX)
			continue;
		p = &b->parts[b->n++];
		p->object = sqlite3_column_int64(st, 0);
		p->stream = sqlite3_column_int64(st, 1);
		p->id = xstrdup(store_text(st, 2));
		p->rank = merge_rank(b->t, p->stream);
		p->doc = yyjson_read(store_text(st, 3),
		    (size_t)sqlite3_column_bytes(st, 3),
		    YYJSON_READ_NUMBER_AS_RAW);
		p->blend.attrs = yyjson_doc_get_root(p->doc);
	}
	qsort(b->parts, b->n, sizeof(b->parts[0]), by_rank);
	for (size_t i = 0; i < b->n; i++) {
		struct part *p = &b->parts[i];

		p->blend.id = p->id;
		p->blend.source =
		    p->rank < b->t->nsources ? b->t->sources[p->rank].name : "";
	}
}

static void
free_parts(struct body *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->parts[i].id);
		yyjson_doc_free(b->parts[i].doc);
	}
	b->n = 0;
}

static const char *
resolve(void *ctx, const struct blend_part *part, const struct policy_flow *f,
    const char *text, size_t len)
{
	struct body *b = ctx;
	const struct part *p = b->parts;
	struct merge_ref ref = { .flow = f,
		.to = merge_type_named(b->m, f->ref) };

	while (&p->blend != part && p->blend.id != part->id)
		p++;
	ref.stream = p->stream;
	ref.object = p->object;
	return merge_mesh_id(b->s, merge_ref_resolve(b->s, &ref, text, len));
}

static void
blend_parts(struct body *b)
{
	struct blend_part parts[BLEND_PARTS_MAX];
	struct blend_input in = { .policy = b->t->policy,
		.rules = b->j->rules,
		.parts = parts,
		.n = b->n,
		.old = yyjson_doc_get_root(b->was),
		.resolve = resolve,
		.ctx = b };
	struct why why;
	size_t failed;

	for (size_t i = 0; i < b->n; i++) {
		parts[i] = b->parts[i].blend;
		if (b->t->policy->has_ref)
			merge_ref_clear(b->s, b->parts[i].object);
	}
	failed = blend(&in, &b->text, NULL, &why);
	if (failed > 0 && b->m->failures == 0)
		log_warn("%s: %s (%s); the attribute stays as it was",
		    b->parts[0].id, why.text, why.at);
	b->m->failures += (int64_t)failed;
}

/* The object with accountEnabled false, when the type has it. */
static void
disable(struct body *b, const char *text, size_t len)
{
	const struct policy *p = b->t->policy;
	yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NUMBER_AS_RAW);
	yyjson_val *object = yyjson_doc_get_root(doc);
	struct buf out = { 0 };

	for (size_t i = 0; i < p->nflows; i++) {
		const struct policy_flow *f = &p->flows[i];
		yyjson_val *v = yyjson_obj_get(object, f->attr);

		if (strcmp(f->attr, MERGE_ENABLED) == 0) {
			buf_add(&out, f->key, f->key_len);
			buf_str(&out, "false");
		} else if (v != NULL) {
			json_copy_member(&out, f->key, f->key_len, v);
		}
	}
	yyjson_doc_free(doc);
	if (out.len == 0)
		buf_char(&out, '{');
	out.data[0] = '{';
	buf_char(&out, '}');
	buf_clear(&b->text);
	buf_add(&b->text, out.data, out.len);
	buf_free(&out);
}

static void
list_contributors(struct body *b)
{
	struct buf name = { 0 };

	buf_clear(&b->contributors);
	buf_char(&b->contributors, '[');
	for (size_t i = 0; i < b->n; i++) {
		buf_clear(&name);
		buf_str(&name, b->parts[i].blend.source);
		buf_char(&name, '/');
		buf_str(&name, b->parts[i].id);
		if (i > 0)
			buf_char(&b->contributors, ',');
		buf_json(&b->contributors, name.data, name.len);
	}
	buf_char(&b->contributors, ']');
	buf_free(&name);
}

static bool
same(const struct buf *a, const char *text, size_t len)
{
	return a->len == len && (len == 0 || memcmp(a->data, text, len) == 0);
}

/* How many attributes differ that a target wants to hear of. */
static size_t
compare(struct body *b)
{
	struct buf record = { 0 }, scratch = { 0 };
	yyjson_doc *doc;
	size_t loud;

	buf_clear(&b->changed);
	if (same(&b->text, b->old.data, b->old.len))
		return 0;
	buf_str(&record, "{\"" MSG_ATTRS "\":");
	buf_add(&record, b->text.data, b->text.len);
	buf_char(&record, '}');
	doc = yyjson_read(record.data, record.len, YYJSON_READ_NUMBER_AS_RAW);
	loud = diff_attrs(b->j->rules, b->type, b->old.data, b->old.len,
	    yyjson_doc_get_root(doc), &scratch, &b->changed);
	yyjson_doc_free(doc);
	buf_free(&record);
	buf_free(&scratch);
	return loud;
}

/* The time that functions of the type's flows were told; 0: it has none. */
static int64_t
asked_at(const struct body *b)
{
	const struct policy *p = b->t->policy;

	for (size_t i = 0; b->t != &b->m->edge && i < p->nflows; i++)
		if (p->flows[i].function >= 0)
			return b->m->now_ms;
	return 0;
}

static void
write_body(struct body *b)
{
	int64_t at = asked_at(b);
	bool other = !same(&b->contributors, b->old_contributors.data,
			 b->old_contributors.len) ||
		     strcmp(b->state,
			 b->old_state.len > 0 ? b->old_state.data : "") != 0;
	size_t loud = b->had ? compare(b) : 1;

	b->m->bodies++;
	if (b->had && !other && at == 0 &&
	    same(&b->text, b->old.data, b->old.len))
		return;
	store_do(b->s,
	    "INSERT INTO body(mesh, text, contributors, state, at)"
	    " VALUES(?, ?, ?, nullif(?, ''), nullif(?, 0))"
	    " ON CONFLICT(mesh) DO UPDATE SET text = excluded.text,"
	    " contributors = excluded.contributors, state = excluded.state,"
	    " at = excluded.at",
	    "issti", b->mesh, b->text.data, b->text.len, b->contributors.data,
	    b->contributors.len, b->state, at);
	if (loud == 0 && !other)
		return;
	b->m->told++;
	if (!b->had)
		change_add(b->s, b->mesh, MSG_PUT, NULL);
	else
		change_add(b->s, b->mesh, MSG_PUT,
		    b->changed.len > 0 ? b->changed.data : "[]");
}

static void
drop_body(struct body *b)
{
	if (b->had) {
		store_do(b->s, "DELETE FROM body WHERE mesh = ?", "i", b->mesh);
		change_add(b->s, b->mesh, MSG_DELETE, NULL);
		b->m->told++;
	}
	/* A person is remembered; a membership has the same id again. */
	if (b->t == &b->m->edge)
		store_do(b->s,
		    "INSERT OR REPLACE INTO tombstone(pk, number, at)"
		    " VALUES(-?, ?, ?)",
		    "iii", b->mesh, b->s->newest, clock_wall_ms());
}

static void
make_text(struct body *b)
{
	bool leaving = b->state[0] != '\0';

	if (b->t == &b->m->edge)
		merge_edge_body(b->s, b->parts[0].stream,
		    b->parts[0].blend.attrs, &b->text);
	else if (b->n > 0)
		blend_parts(b);
	else
		buf_add(&b->text, b->old.data, b->old.len);
	if (!leaving || b->text.len == 0 || b->t == &b->m->edge)
		return;
	disable(b, b->text.data, b->text.len);
}

static void
remake(struct body *b)
{
	if (!read_mesh(b))
		return;
	if (strcmp(b->state, "gone") == 0 || strcmp(b->state, "alias") == 0) {
		drop_body(b);
		return;
	}
	read_parts(b);
	/* Who has no part and is not leaving is still to be merged. */
	if (b->n == 0 && (b->state[0] == '\0' || !b->had))
		return;
	b->type = b->t == &b->m->edge ? "GroupMember" : b->t->policy->type;
	if (b->had)
		b->was = yyjson_read(
		    b->old.data, b->old.len, YYJSON_READ_NUMBER_AS_RAW);
	buf_clear(&b->text);
	make_text(b);
	list_contributors(b);
	if (b->text.len > 0)
		write_body(b);
	yyjson_doc_free(b->was);
	b->was = NULL;
	free_parts(b);
}

struct row {
	int64_t grp, mesh;
};

/* Types that a guard has still to judge, or has stopped: what has come of them
 * shows in nobody, not even in who refers to it.  Memberships have no guard. */
#define UNJUDGED                                                              \
	"(SELECT y.pk FROM type y LEFT JOIN merge g ON g.type = y.pk"         \
	" WHERE y.name <> 'GroupMember' AND (g.state IN ('due', 'stopped')"   \
	" OR g.state IS NULL AND EXISTS (SELECT 1 FROM run r"                 \
	" JOIN checkpoint c ON c.run = r.pk JOIN stream t ON t.pk = c.stream" \
	" WHERE r.state = 'running' AND c.phase = 'reading'"                  \
	" AND t.name = y.name)))"

/* Whole groups behind `after`. */
static size_t
rows_behind(struct store *s, int64_t after, struct row rows[BODY_CHUNK])
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT s.grp, s.mesh FROM stale s CROSS JOIN mesh m"
	    " ON m.pk = s.mesh WHERE s.grp > ? AND m.type NOT IN " UNJUDGED
	    " ORDER BY s.grp, s.mesh LIMIT ?",
	    "ii", after, (int64_t)BODY_CHUNK);
	size_t n = 0, whole;

	while (store_row(s, st))
		rows[n++] = (struct row){ sqlite3_column_int64(st, 0),
			sqlite3_column_int64(st, 1) };
	whole = n;
	while (n == BODY_CHUNK && whole > 0 &&
	       rows[whole - 1].grp == rows[n - 1].grp)
		whole--;
	return whole > 0 ? whole : n;
}

/* Rows of these types stay, so each chunk begins behind the one before;
 * what another process put there since is found in the end. */
static size_t
next_rows(struct store *s, struct merge *m, struct row rows[BODY_CHUNK])
{
	size_t n = rows_behind(s, m->stale, rows);

	if (n == 0 && m->stale != 0)
		n = rows_behind(s, 0, rows);
	/* A group that did not go in whole goes on. */
	m->stale = n > 0 ? rows[n - 1].grp - (n == BODY_CHUNK) : 0;
	return n;
}

static void
body_free(struct body *b)
{
	buf_free(&b->old);
	buf_free(&b->old_contributors);
	buf_free(&b->old_state);
	buf_free(&b->text);
	buf_free(&b->contributors);
	buf_free(&b->changed);
}

int
merge_bodies(struct join *j, struct merge *m)
{
	struct row *rows = xmalloc(BODY_CHUNK * sizeof(*rows));
	struct body *b = xcalloc(1, sizeof(*b));
	size_t n = next_rows(j->store, m, rows);
	char now[CLOCK_TEXT];

	b->s = j->store;
	b->j = j;
	b->m = m;
	clock_rfc3339(m->now_ms, now);
	blend_begin(j->rules, now);
	for (size_t i = 0; i < n && !j->store->failed; i++) {
		b->mesh = rows[i].mesh;
		remake(b);
		store_do(j->store,
		    "DELETE FROM stale WHERE grp = ? AND mesh = ?", "ii",
		    rows[i].grp, rows[i].mesh);
	}
	blend_end(j->rules);
	body_free(b);
	free(b);
	free(rows);
	return n > 0;
}

/* Whoever refers to those whose grace is over. */
static void
forget_refs(struct store *s, int64_t now_ms)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT l.object FROM mesh m JOIN link l ON l.mesh = m.pk"
	    " WHERE m.leave_at <= ? AND m.state = 'leaving'",
	    "i", now_ms);
	int64_t *list = NULL;
	size_t n = 0, cap = 0;

	while (store_row(s, st)) {
		if (n == cap) {
			cap = cap == 0 ? 64 : cap * 2;
			list = xrealloc(list, cap * sizeof(*list));
		}
		list[n++] = sqlite3_column_int64(st, 0);
	}
	for (size_t i = 0; i < n; i++)
		merge_ref_moved(s, list[i]);
	free(list);
}

int64_t
merge_grace(struct store *s, int64_t now_ms)
{
	if (merge_ref_any(s))
		forget_refs(s, now_ms);
	store_do(s,
	    "INSERT OR IGNORE INTO stale(grp, mesh) SELECT pk, pk FROM mesh"
	    " WHERE leave_at <= ? AND state = 'leaving'",
	    "i", now_ms);
	return store_do(s,
	    "UPDATE mesh SET state = 'gone', leave_at = NULL"
	    " WHERE leave_at <= ? AND state = 'leaving'",
	    "i", now_ms);
}
