/*
 * diff_mesh.c - two meshes, object by object.
 *
 * diff_print.c walks through the difference, once to count and once to show.
 * Both databases are read in the order of type and id side by side, people
 * first and memberships last, so that no mesh has to fit into memory; where the
 * texts are the same nothing is parsed.
 */

#include "diff.h"

#include <string.h>

#include "json.h"
#include "outbox.h"

/* One of the two. */
struct side {
	struct store *s;
	sqlite3_stmt *rows;
	bool there;
	struct buf type, id, body;
	int64_t pk;
};

static void
next(struct side *x)
{
	x->there = store_row(x->s, x->rows) != 0;
	buf_clear(&x->type);
	buf_clear(&x->id);
	buf_clear(&x->body);
	if (!x->there)
		return;
	x->pk = sqlite3_column_int64(x->rows, 0);
	buf_str(&x->type, store_text(x->rows, 1));
	buf_str(&x->id, store_text(x->rows, 2));
}

/* As in the ORDER BY below. */
int
mesh_rank(const char *type)
{
	static const char *const first[] = { "User", "Group" };

	for (int i = 0; i < 2; i++)
		if (strcmp(type, first[i]) == 0)
			return i;
	return strcmp(type, "GroupMember") == 0 ? 3 : 2;
}

static void
open_side(struct side *x, struct store *s)
{
	*x = (struct side){ .s = s };
	x->rows = store_ask(s,
	    "SELECT m.pk, t.name, m.id FROM mesh m JOIN type t ON t.pk = m.type"
	    " LEFT JOIN attrs a ON a.pk = m.object"
	    " LEFT JOIN body b ON b.mesh = m.pk"
	    " WHERE a.pk IS NOT NULL OR b.mesh IS NOT NULL"
	    " ORDER BY CASE t.name WHEN 'User' THEN 0 WHEN 'Group' THEN 1"
	    " WHEN 'GroupMember' THEN 3 ELSE 2 END, t.name, m.id",
	    "");
	next(x);
}

static void
close_side(struct side *x)
{
	store_end(x->rows);
	buf_free(&x->type);
	buf_free(&x->id);
	buf_free(&x->body);
}

/* Which of the two comes first; 0: they are the same object. */
static int
order(const struct side *a, const struct side *b)
{
	int by;

	if (!a->there || !b->there)
		return a->there ? -1 : 1;
	by = mesh_rank(a->type.data) - mesh_rank(b->type.data);
	if (by == 0)
		by = strcmp(a->type.data, b->type.data);
	return by != 0 ? by : strcmp(a->id.data, b->id.data);
}

static yyjson_doc *
read_body(struct side *x)
{
	if (x->body.len == 0)
		body_object(x->s, x->pk, &x->body);
	return yyjson_read(
	    x->body.data, x->body.len, YYJSON_READ_NUMBER_AS_RAW);
}

/* Why it is in the new mesh no more. */
static const char *
why_gone(struct store *s, int64_t mesh, struct buf *out)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT coalesce(iif(m.state = 'alias', m.state, NULL), o.gone,"
	    " (SELECT p.gone FROM link l JOIN object p ON p.pk = l.object"
	    " WHERE l.mesh = m.pk AND p.gone IS NOT NULL"
	    " ORDER BY p.pk DESC LIMIT 1), m.state) FROM mesh m"
	    " LEFT JOIN object o ON o.pk = m.object WHERE m.pk = ?",
	    "i", mesh);
	const char *text = store_row(s, st) ? store_text(st, 0) : NULL;

	buf_clear(out);
	buf_str(out, text != NULL ? text : "held");
	store_end(st);
	return out->data;
}

/* The walk, and what each() is told. */
struct walk {
	struct side old, new;
	struct buf reason;
	bool (*each)(void *ctx, const struct mesh_diff *d);
	void *ctx;
};

static bool
is_leaving(yyjson_val *body)
{
	return json_text(body, MSG_STATE) != NULL;
}

static bool
tell(struct walk *w, struct side *old, struct side *new)
{
	yyjson_doc *was = old != NULL ? read_body(old) : NULL;
	yyjson_doc *is = new != NULL ? read_body(new) : NULL;
	yyjson_val *a = yyjson_doc_get_root(was), *b = yyjson_doc_get_root(is);
	struct side *x = old != NULL ? old : new;
	struct mesh_diff d = { .what = DIFFERS,
		.type = x->type.data,
		.id = x->id.data,
		.pk = x->pk,
		.old = json_get(a, MSG_OBJECT),
		.new = json_get(b, MSG_OBJECT),
		.had = json_get(a, MSG_CONTRIBUTORS),
		.has = json_get(b, MSG_CONTRIBUTORS) };
	bool go_on;

	if (old == NULL || (is_leaving(a) && !is_leaving(b) && new != NULL))
		d.what = COMES;
	else if (new == NULL || (is_leaving(b) && !is_leaving(a)))
		d.what = LEAVES;
	if (d.what == LEAVES)
		d.reason = why_gone(w->new.s, d.pk, &w->reason);
	go_on = w->each(w->ctx, &d);
	yyjson_doc_free(was);
	yyjson_doc_free(is);
	return go_on;
}

static bool
same(struct side *a, struct side *b)
{
	body_object(a->s, a->pk, &a->body);
	body_object(b->s, b->pk, &b->body);
	return a->body.len == b->body.len &&
	       memcmp(a->body.data, b->body.data, a->body.len) == 0;
}

static bool
step(struct walk *w)
{
	int by = order(&w->old, &w->new);
	bool go_on = true;

	if (by < 0) {
		go_on = tell(w, &w->old, NULL);
		next(&w->old);
	} else if (by > 0) {
		go_on = tell(w, NULL, &w->new);
		next(&w->new);
	} else {
		if (!same(&w->old, &w->new))
			go_on = tell(w, &w->old, &w->new);
		next(&w->old);
		next(&w->new);
	}
	return go_on;
}

void
mesh_compare(struct store *old, struct store *new,
    bool (*each)(void *ctx, const struct mesh_diff *d), void *ctx)
{
	struct walk w = { .each = each, .ctx = ctx };

	open_side(&w.old, old);
	open_side(&w.new, new);
	while ((w.old.there || w.new.there) && step(&w))
		continue;
	close_side(&w.old);
	close_side(&w.new);
	buf_free(&w.reason);
}

void
mesh_attributes(const struct mesh_diff *d,
    void (*each)(void *ctx, const char *name, yyjson_val *was, yyjson_val *is),
    void *ctx)
{
	yyjson_val *key, *was, *is;
	size_t i, n;

	yyjson_obj_foreach(d->new, i, n, key, is)
	{
		was = yyjson_obj_getn(
		    d->old, yyjson_get_str(key), yyjson_get_len(key));
		if (was == NULL || !yyjson_equals(was, is))
			each(ctx, yyjson_get_str(key), was, is);
	}
	yyjson_obj_foreach(d->old, i, n, key, was)
	{
		if (yyjson_obj_getn(d->new, yyjson_get_str(key),
			yyjson_get_len(key)) == NULL)
			each(ctx, yyjson_get_str(key), was, NULL);
	}
}

void
mesh_others(yyjson_val *a, yyjson_val *b,
    void (*each)(void *ctx, const char *contributor), void *ctx)
{
	yyjson_val *one, *other;
	size_t i, n, k, m;

	yyjson_arr_foreach(a, i, n, one)
	{
		bool there = false;

		yyjson_arr_foreach(b, k, m, other) there |=
		    yyjson_equals(one, other);
		if (!there)
			each(ctx, yyjson_get_str(one));
	}
}
