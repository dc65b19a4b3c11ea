/*
 * merge_mark.c - what a page leaves behind for the merge.
 *
 * apply.c and leave.c call it inside of their transaction.  Key values are
 * kept beside the objects so that a merge never reads attributes to find out
 * who is who; an object that gave up a value marks those that still have it,
 * for they may have become unambiguous.
 */

#include "merge_private.h"

#include <string.h>

#include "clock.h"
#include "json.h"

enum merge_kind
merge_kind(const struct rules *r, const char *stream)
{
	if (strcmp(stream, "GroupMember") == 0)
		return rules_policy(r, "User") != NULL ||
			       rules_policy(r, "Group") != NULL
			   ? MERGE_EDGE
			   : MERGE_NOT;
	return rules_policy(r, stream) != NULL ? MERGE_JOINED : MERGE_NOT;
}

/* What was before the first change is what the last merge knew. */
static void
mark(
    struct store *s, int64_t type, int64_t object, int changed, const char *was)
{
	store_do(s,
	    "INSERT INTO dirty(type, object, changed, was) VALUES(?, ?, ?, ?)"
	    " ON CONFLICT DO UPDATE SET changed = changed | excluded.changed,"
	    " was = iif(changed & ?5, was, ifnull(was, excluded.was))",
	    "iiiti", type, object, (int64_t)changed, was,
	    (int64_t)MERGE_DIRTY_CHANGED);
}

/* The values of one key. */
struct values {
	struct store *s;
	int64_t type, key, object;
	bool lookup, fresh, moved;
	struct buf now; /* NUL-terminated values */
};

static void
add_value(void *ctx, const char *text, size_t len)
{
	struct values *v = ctx;
	bool added;

	buf_add(&v->now, text, len);
	buf_char(&v->now, '\0');
	added = store_do(v->s,
		    "INSERT OR IGNORE INTO matchkey(key, value, object)"
		    " VALUES(?, ?, ?)",
		    "isi", v->key, text, len, v->object) > 0;
	v->moved |= added;
	/* Of one that is back the value was there, and meant nobody. */
	if (v->lookup && (added || v->fresh))
		merge_ref_valued(
		    v->s, v->key, v->now.data + v->now.len - len - 1);
}

static bool
has(const struct buf *list, const char *value)
{
	for (size_t at = 0; at < list->len; at += strlen(list->data + at) + 1)
		if (strcmp(list->data + at, value) == 0)
			return true;
	return false;
}

/* Whoever still has the value may be unambiguous now.  The value makes them one
 * component, so that one of them stands for all, however many there are. */
static void
drop_value(struct values *v, const char *value)
{
	store_do(v->s,
	    "DELETE FROM matchkey WHERE key = ? AND value = ? AND object = ?",
	    "iti", v->key, value, v->object);
	v->moved = true;
	if (v->lookup)
		merge_ref_valued(v->s, v->key, value);
	else
		store_do(v->s,
		    "INSERT OR IGNORE INTO dirty(type, object)"
		    " SELECT ?, object FROM matchkey"
		    " WHERE key = ? AND value = ? ORDER BY object LIMIT 1",
		    "iit", v->type, v->key, value);
}

/* Values that the object had and has no more. */
static void
drop_values(struct values *v)
{
	sqlite3_stmt *st = store_ask(v->s,
	    "SELECT value FROM matchkey WHERE object = ? AND key = ?", "ii",
	    v->object, v->key);
	struct buf gone = { 0 };

	while (store_row(v->s, st)) {
		const char *value = store_text(st, 0);

		if (!has(&v->now, value))
			buf_add(&gone, value, strlen(value) + 1);
	}
	for (size_t at = 0; at < gone.len; at += strlen(gone.data + at) + 1)
		drop_value(v, gone.data + at);
	buf_free(&gone);
}

bool
merge_values_put(struct store *s, const struct merge_type *t, size_t key,
    const struct merge_news *news)
{
	struct values v = { .s = s,
		.type = t->pk,
		.key = t->keys[key],
		.object = news->object,
		.lookup = key >= t->policy->nkeys,
		.fresh = news->fresh };

	policy_values(t->policy, key, news->attrs, add_value, &v);
	if (!news->fresh || news->changed != NULL)
		drop_values(&v);
	buf_free(&v.now);
	return v.moved && !v.lookup;
}

/* What the guards count: a change of one of their attributes, and that the
 * source does not let somebody sign in any more. */
static int
guarded_changes(const struct policy *p, const struct merge_news *news)
{
	yyjson_doc *doc;
	yyjson_val *name;
	size_t i, n;
	int is = 0;

	if (news->changed == NULL)
		return 0;
	doc = yyjson_read(news->changed, strlen(news->changed), 0);
	yyjson_arr_foreach(yyjson_doc_get_root(doc), i, n, name)
	{
		for (size_t k = 0; k < p->change.nattrs; k++)
			if (yyjson_equals_str(name, p->change.attrs[k]))
				is |= MERGE_DIRTY_CHANGED;
		if (yyjson_equals_str(name, MERGE_ENABLED) &&
		    yyjson_is_false(yyjson_obj_get(news->attrs, MERGE_ENABLED)))
			is |= MERGE_DIRTY_DISABLED;
	}
	yyjson_doc_free(doc);
	return is;
}

/* Only the body of its person is to be made again, if it has one. */
static bool
is_linked(struct store *s, int64_t object)
{
	sqlite3_stmt *st =
	    store_ask(s, "SELECT mesh FROM link WHERE object = ? AND mesh <> 0",
		"i", object);
	int64_t mesh = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	if (mesh != 0)
		merge_stale(s, mesh, mesh);
	return mesh != 0;
}

/* The guarded attributes, to be compared. */
static void
write_guarded(const struct policy *p, yyjson_val *attrs, struct buf *b)
{
	for (size_t k = 0; k < p->change.nattrs; k++) {
		yyjson_val *v = json_get(attrs, p->change.attrs[k]);

		buf_fmt(b, ",\"%s\":", p->change.attrs[k]);
		if (v != NULL)
			json_write(b, v);
	}
}

/* Does it have again what the last merge knew? */
static bool
is_as_before(
    struct store *s, const struct merge_type *t, const struct merge_news *news)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT was FROM dirty WHERE type = ? AND object = ?"
	    " AND was IS NOT NULL",
	    "ii", t->pk, news->object);
	struct buf now = { 0 };
	bool same = false;

	if (store_row(s, st)) {
		write_guarded(t->policy, news->attrs, &now);
		same = now.len > 0 && strcmp(now.data, store_text(st, 0)) == 0;
		store_end(st);
	}
	buf_free(&now);
	return same;
}

/* What it was counted for before and is not any more: it is there, may sign in
 * again, or has what it had; *guarded is what it is counted for now. */
static void
take_back(struct store *s, const struct merge_type *t,
    const struct merge_news *news, int *guarded)
{
	yyjson_val *enabled = yyjson_obj_get(news->attrs, MERGE_ENABLED);
	int over = MERGE_DIRTY_LET_GO;

	if (!yyjson_is_false(enabled))
		over |= MERGE_DIRTY_DISABLED;
	if (is_as_before(s, t, news))
		over |= MERGE_DIRTY_CHANGED;
	*guarded &= ~over;
	store_do(s,
	    "UPDATE dirty SET changed = changed & ~?1"
	    " WHERE type = ?2 AND object = ?3 AND changed & ?1 <> 0",
	    "iii", (int64_t)over, t->pk, news->object);
}

static void
mark_changed(struct store *s, const struct merge_type *t,
    const struct merge_news *news, int guarded)
{
	struct buf was = { 0 };
	yyjson_doc *doc = NULL;

	if ((guarded & MERGE_DIRTY_CHANGED) != 0 && news->was != NULL) {
		doc = yyjson_read(
		    news->was, strlen(news->was), YYJSON_READ_NUMBER_AS_RAW);
		write_guarded(t->policy, yyjson_doc_get_root(doc), &was);
	}
	mark(s, t->pk, news->object, guarded, was.len > 0 ? was.data : NULL);
	yyjson_doc_free(doc);
	buf_free(&was);
}

void
merge_put(struct join *j, const struct flow *f, const struct merge_news *news)
{
	const struct merge_type *t = merge_type_named(j->merge, f->stream);
	bool moved = false;
	int guarded;

	if (t == NULL) {
		mark(j->store, f->type_pk, news->object, 0, NULL);
		return;
	}
	for (size_t k = 0; k < t->nkeys; k++)
		moved |= merge_values_put(j->store, t, k, news);
	guarded = guarded_changes(t->policy, news);
	if (news->changed != NULL)
		take_back(j->store, t, news, &guarded);
	if (news->fresh || moved || guarded != 0 ||
	    !is_linked(j->store, news->object))
		mark_changed(j->store, t, news, guarded);
}

void
merge_gone(struct store *s, int64_t object)
{
	store_do(s,
	    "INSERT INTO dirty(type, object, changed)"
	    " SELECT y.pk, o.pk, ? FROM object o"
	    " JOIN stream t ON t.pk = o.stream"
	    " JOIN type y ON y.name = t.name WHERE o.pk = ?"
	    " ON CONFLICT DO UPDATE SET changed = changed | excluded.changed",
	    "ii", (int64_t)(s->let_go ? MERGE_DIRTY_LET_GO : 0), object);
}

void
merge_due_dirty(struct store *s, const char *stream)
{
	store_do(s,
	    "INSERT INTO merge(type, state) SELECT y.pk, 'due' FROM type y"
	    " WHERE y.name = ? AND y.rules IS NOT NULL AND EXISTS"
	    " (SELECT 1 FROM dirty d WHERE d.type = y.pk)"
	    " ON CONFLICT(type) DO UPDATE SET state = 'due'",
	    "t", stream);
}

void
merge_due(struct store *s, int64_t type, const char *at)
{
	int64_t ms = 0;

	if (at == NULL || clock_parse_rfc3339(at, strlen(at), &ms) != 0)
		ms = 0;
	store_do(s,
	    "INSERT INTO merge(type, state, at) VALUES(?, 'due', ?)"
	    " ON CONFLICT(type) DO UPDATE SET state = 'due',"
	    " at = max(at, excluded.at)",
	    "ii", type, ms);
}
