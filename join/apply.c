/*
 * apply.c - one page of mapped records into the open transaction.
 *
 * batch.c calls it in the order of seq.  An object whose hash is the stored
 * one is only marked as seen; what is new or differs is written and becomes a
 * row of the change log; what fetch or the rules take out is marked until the
 * end of the stream.  The page's seq and resume state go into the same
 * transaction.
 */

#include "join.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "json_copy.h"
#include "leave.h"
#include "log.h"
#include "merge.h"
#include "raw.h"

struct page {
	struct join *j;
	struct store *s;
	struct flow *f;
	const struct msg *m;
	int64_t container; /* the group whose members these are, or 0 */
	int64_t generation;
	int unsure; /* UNSURE_*: something in it cannot be marked as seen */
	enum merge_kind kind;
	struct letter *letter; /* it is a dead letter that was mapped again */
	struct buf text, changed, was;
};

static int
nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
read_hash(yyjson_val *v, uint8_t out[16])
{
	const char *hex = yyjson_get_str(v);

	if (yyjson_get_len(v) != 32)
		return -1;
	for (int i = 0; i < 16; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static void
mark_seen(struct page *p, int64_t pk)
{
	/* A dead letter is older than what was seen since. */
	store_do(p->s,
	    "UPDATE seen SET generation = max(generation, ?) WHERE pk = ?",
	    "ii", p->generation, pk);
}

/* A rejected object keeps what it had and counts as seen. */
static void
reject(struct page *p, yyjson_val *bad, const char *id, const char *stage)
{
	struct reject r = { p->m, bad, id, stage, p->generation, p->container };
	struct object o;

	if (p->letter != NULL) {
		/* Under the name that it has, which may be a place only. */
		r.id = p->letter->id;
		p->letter->again = true;
	}
	if (!reject_put(p->j, p->f, &r))
		p->unsure |= UNSURE_REJECT;
	else if (id != NULL &&
		 object_find(p->s, p->f->stream_pk, id, strlen(id), &o) &&
		 o.living)
		mark_seen(p, o.pk);
}

/* A record that join itself cannot take. */
static void
refuse(struct page *p, yyjson_val *record, const char *id, const char *code,
    const char *text)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *bad = yyjson_mut_obj(doc);
	yyjson_doc *fixed;

	yyjson_mut_obj_add_str(doc, bad, MSG_CODE, code);
	yyjson_mut_obj_add_str(doc, bad, MSG_MESSAGE, text);
	yyjson_mut_obj_add_val(
	    doc, bad, MSG_RAW, yyjson_val_mut_copy(doc, record));
	yyjson_mut_doc_set_root(doc, bad);
	fixed = yyjson_mut_doc_imut_copy(doc, NULL);
	reject(p, yyjson_doc_get_root(fixed), id, "join");
	yyjson_doc_free(fixed);
	yyjson_mut_doc_free(doc);
}

static void
write_attrs(struct page *p, int64_t pk)
{
	store_do(p->s,
	    "INSERT INTO attrs(pk, text) VALUES(?, ?)"
	    " ON CONFLICT(pk) DO UPDATE SET text = excluded.text",
	    "is", pk, p->text.data, p->text.len);
}

/* The merge will look at it, with what the store has of its attributes. */
static void
tell_merge(struct page *p, int64_t pk, yyjson_val *record, bool fresh)
{
	bool partly = json_get(record, MSG_ERRORS) != NULL ||
		      json_get(record, MSG_KEPT) != NULL;
	yyjson_doc *doc = NULL;
	struct merge_news news = { .object = pk,
		.attrs = json_get(record, MSG_ATTRS),
		.changed = p->changed.len > 0 ? p->changed.data : NULL,
		.was = p->was.len > 0 ? p->was.data : NULL,
		.fresh = fresh };

	if (partly) {
		doc = yyjson_read(
		    p->text.data, p->text.len, YYJSON_READ_NUMBER_AS_RAW);
		news.attrs = yyjson_doc_get_root(doc);
	}
	merge_put(p->j, p->f, &news);
	yyjson_doc_free(doc);
}

/* An object is new, is back or has changed. */
static void
tell(struct page *p, int64_t pk, int64_t mesh, yyjson_val *record, bool fresh)
{
	if (p->kind != MERGE_NOT)
		tell_merge(p, pk, record, fresh);
	else
		change_add(p->s, mesh, MSG_PUT,
		    !fresh && p->changed.len > 0 ? p->changed.data : NULL);
}

static void
add(struct page *p, yyjson_val *record, const char *id, size_t len,
    const uint8_t hash[16])
{
	int64_t pk = store_next_object(p->s);
	int64_t mesh =
	    p->kind == MERGE_NOT ? project_add(p->s, p->f, id, pk) : 0;

	store_do(p->s,
	    "INSERT INTO object(pk, stream, id, hash, mesh, rules, container)"
	    " VALUES(?, ?, ?, ?, ?, ?, nullif(?, 0))",
	    "iisbiii", pk, p->f->stream_pk, id, len, hash, (size_t)16, mesh,
	    p->j->rules_pk, p->container);
	store_do(p->s, "INSERT INTO attrs(pk, text) VALUES(?, ?)", "is", pk,
	    p->text.data, p->text.len);
	store_do(p->s, "INSERT INTO seen(pk, generation) VALUES(?, ?)", "ii",
	    pk, p->generation);
	buf_clear(&p->changed);
	buf_clear(&p->was);
	tell(p, pk, mesh, record, true);
	p->f->counts.added++;
	p->f->alive++;
}

/* The same id again: the tombstone lives, with the mesh id it had. */
static void
revive(struct page *p, const struct object *o, yyjson_val *record,
    const uint8_t hash[16])
{
	store_do(p->s,
	    "UPDATE object SET hash = ?, gone = NULL, rules = ?,"
	    " container = nullif(?, 0) WHERE pk = ?",
	    "biii", hash, (size_t)16, p->j->rules_pk, p->container, o->pk);
	write_attrs(p, o->pk);
	store_do(p->s,
	    "INSERT OR REPLACE INTO seen(pk, generation)"
	    " VALUES(?, ?)",
	    "ii", o->pk, p->generation);
	store_do(p->s, "DELETE FROM tombstone WHERE pk = ?", "i", o->pk);
	buf_clear(&p->changed);
	buf_clear(&p->was);
	buf_str(&p->changed, "[]");
	tell(p, o->pk, o->mesh, record, true);
	p->f->counts.added++;
	p->f->alive++;
}

static void
update(struct page *p, const struct object *o, yyjson_val *record,
    const uint8_t hash[16])
{
	sqlite3_stmt *st =
	    store_ask(p->s, "SELECT text FROM attrs WHERE pk = ?", "i", o->pk);
	size_t loud = 1;

	buf_clear(&p->changed);
	buf_clear(&p->was);
	if (store_row(p->s, st)) {
		buf_add(&p->was, store_text(st, 0),
		    (size_t)sqlite3_column_bytes(st, 0));
		loud = diff_attrs(p->j->rules, p->f->stream, p->was.data,
		    p->was.len, record, &p->text, &p->changed);
	}
	store_end(st);
	store_do(p->s, "UPDATE object SET hash = ?, rules = ? WHERE pk = ?",
	    "bii", hash, (size_t)16, p->j->rules_pk, o->pk);
	mark_seen(p, o->pk);
	write_attrs(p, o->pk);
	if (loud == 0) {
		/* A merged object has its own copy of what is quiet. */
		if (p->kind != MERGE_NOT)
			tell(p, o->pk, o->mesh, record, false);
		p->f->counts.same++;
		return;
	}
	tell(p, o->pk, o->mesh, record, false);
	p->f->counts.changed++;
}

static void
put(struct page *p, yyjson_val *record, const char *id, size_t len, bool anew)
{
	enum json_fault fault;
	struct object o;
	uint8_t hash[16];
	bool known;

	p->f->counts.errors +=
	    (int64_t)yyjson_obj_size(json_get(record, MSG_ERRORS));
	if (read_hash(json_get(record, MSG_HASH), hash) != 0 ||
	    !yyjson_is_obj(json_get(record, MSG_ATTRS))) {
		refuse(p, record, id, "E_RECORD",
		    "a put without attrs or without a hash of 32 hex digits");
		return;
	}
	known = object_find(p->s, p->f->stream_pk, id, len, &o);
	if (known && o.living)
		leaving_clear(p->s, p->f, o.pk);
	if (!anew && known && o.living && memcmp(o.hash, hash, 16) == 0) {
		mark_seen(p, o.pk);
		p->f->counts.same++;
		raw_put(p->j, p->f, p->m, record, RAW_SAME);
		return;
	}
	buf_clear(&p->text);
	fault = json_copy(&p->text, json_get(record, MSG_ATTRS));
	if (fault != JSON_FINE)
		refuse(p, record, id, "E_RECORD", json_fault_text(fault));
	else if (!known)
		add(p, record, id, len, hash);
	else if (!o.living)
		revive(p, &o, record, hash);
	else
		update(p, &o, record, hash);
	if (fault == JSON_FINE)
		raw_put(p->j, p->f, p->m, record, anew ? RAW_ANEW : RAW_MADE);
}

/*
 * In a full run silence means nothing only about what came before in it: a
 * fetch that went on in the middle no longer knows who came.
 */
static bool
comes_first(const struct page *p, const char *id, size_t len)
{
	struct object o;
	sqlite3_stmt *st;
	bool found;

	if (p->letter != NULL || p->m->mode == NULL ||
	    strcmp(p->m->mode, MSG_FULL) != 0)
		return false;
	if (!object_find(p->s, p->f->stream_pk, id, len, &o) || !o.living)
		return true;
	st = store_ask(p->s,
	    "SELECT 1 FROM seen WHERE pk = ? AND generation >= ?", "ii", o.pk,
	    p->generation);
	found = store_row(p->s, st);
	store_end(st);
	return !found;
}

/* As if what nothing was said of were not there. */
static void
put_anew(struct page *p, yyjson_val *record, const char *id, size_t len)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *whole = yyjson_val_mut_copy(doc, record);
	yyjson_doc *fixed;

	yyjson_mut_obj_remove_key(whole, MSG_KEPT);
	yyjson_mut_doc_set_root(doc, whole);
	fixed = yyjson_mut_doc_imut_copy(doc, NULL);
	put(p, yyjson_doc_get_root(fixed), id, len, true);
	yyjson_doc_free(fixed);
	yyjson_mut_doc_free(doc);
}

/* No end of a run will judge it: as many as the guard allows leave at once. */
static void
letter_leave(struct page *p, const struct object *o, yyjson_val *record,
    const char *id, const char *reason)
{
	if (p->letter->may_leave <= 0) {
		refuse(p, record, id, "E_GUARD",
		    "it would leave, with more than the guard allows; the "
		    "next run judges it");
		return;
	}
	p->letter->may_leave--;
	edge_leave(p->s, p->f, edge_wait(p->s, p->f), o, reason);
}

/* It leaves with the run's end, when the guard has seen how many do. */
static void
leave(struct page *p, yyjson_val *record, const char *id, size_t len)
{
	const char *reason = json_text(record, MSG_REASON);
	struct object o;

	reason = reason != NULL ? reason : "removed";
	/* Of what was removed a record says only that. */
	if (strcmp(reason, "removed") != 0 && strcmp(reason, "restorable") != 0)
		raw_put(p->j, p->f, p->m, record, RAW_OUT);
	if (!object_find(p->s, p->f->stream_pk, id, len, &o) || !o.living)
		return;
	mark_seen(p, o.pk);
	if (p->letter != NULL)
		letter_leave(p, &o, record, id, reason);
	else if (p->m->partial)
		/* As when the group is listed: nobody leaves, only an edge. */
		edge_leave(p->s, p->f, edge_wait(p->s, p->f), &o, reason);
	else
		leaving_mark(p->s, p->f, o.pk, reason);
}

static void
apply_record(struct page *p, yyjson_val *record)
{
	yyjson_val *key = json_get(record, MSG_ID);
	const char *id = yyjson_get_str(key), *op = json_text(record, MSG_OP);
	size_t len = yyjson_get_len(key);

	if (id == NULL || op == NULL || len == 0 || strlen(id) != len) {
		refuse(p, record, NULL, "E_RECORD", "no id or no op");
		return;
	}
	if (p->f->dead > 0)
		reject_resolve(p->s, p->f, id, len,
		    p->letter != NULL ? "retried" : "came again");
	if (strcmp(op, MSG_PUT) == 0 && json_get(record, MSG_KEPT) != NULL &&
	    comes_first(p, id, len))
		put_anew(p, record, id, len);
	else if (strcmp(op, MSG_PUT) == 0)
		put(p, record, id, len, false);
	else if (strcmp(op, MSG_DELETE) == 0 ||
		 strcmp(op, MSG_OUT_OF_SCOPE) == 0)
		leave(p, record, id, len);
	else
		refuse(p, record, id, "E_RECORD", "an op that is none");
}

/* Rules without a map for this stream: nothing of it may be lost or swept. */
static bool
has_map(const struct page *p)
{
	const char *type;

	if (p->j->rules == NULL)
		return true;
	for (size_t i = 0; (type = rules_type(p->j->rules, i)) != NULL; i++)
		if (strcmp(type, p->f->stream) == 0)
			return true;
	return false;
}

static void
rules_seen(struct page *p)
{
	const char *version = p->m->rules != NULL ? p->m->rules : "";
	sqlite3_stmt *st;

	if (p->j->rules_pk != 0 && strcmp(version, p->j->rules_seen) == 0)
		return;
	store_do(p->s, "INSERT OR IGNORE INTO rules(version) VALUES(?)", "t",
	    version);
	st = store_ask(
	    p->s, "SELECT pk FROM rules WHERE version = ?", "t", version);
	if (store_row(p->s, st))
		p->j->rules_pk = sqlite3_column_int64(st, 0);
	store_end(st);
	snprintf(p->j->rules_seen, sizeof(p->j->rules_seen), "%s", version);
}

static void
apply_records(struct page *p)
{
	bool mapped = has_map(p);
	yyjson_val *v;
	size_t i, n;

	yyjson_arr_foreach(p->m->records, i, n, v)
	{
		if (mapped)
			apply_record(p, v);
		else
			refuse(p, v, json_text(v, MSG_ID), "E_NO_MAP",
			    "join's rules have no map for this stream; give "
			    "transform and join the same --rules");
	}
	yyjson_arr_foreach(p->m->bad, i, n, v)
	    reject(p, v, json_text(v, MSG_ID), "transform");
}

void
apply_page(struct join *j, struct flow *f, const struct msg *m)
{
	struct page p = { .j = j, .s = j->store, .f = f, .m = m };
	size_t n = yyjson_arr_size(m->records) + yyjson_arr_size(m->bad);

	p.generation = f->generation;
	p.kind = merge_kind(j->rules, f->stream);
	rules_seen(&p);
	container_open(j->store, f, m, &p.container, &p.generation);
	apply_records(&p);
	if ((size_t)m->n != n) {
		log_warn("%s %s page %lld holds %zu of %lld records; nothing "
			 "is swept after this run",
		    f->source, f->stream, (long long)m->seq, n,
		    (long long)m->n);
		p.unsure |= UNSURE_PAGE;
	}
	f->unsure |= p.unsure;
	if (p.container != 0)
		container_close(j->store, f, m, p.container, p.unsure != 0);
	f->counts.pages++;
	f->counts.records += (int64_t)n;
	f->seq = m->seq;
	if (m->state != NULL) {
		buf_clear(&f->state);
		json_write(&f->state, m->state);
	}
	f->dirty = true;
	buf_free(&p.text);
	buf_free(&p.changed);
	buf_free(&p.was);
}

void
apply_letter(
    struct join *j, struct flow *f, const struct msg *m, struct letter *letter)
{
	struct page p = { .j = j,
		.s = j->store,
		.f = f,
		.m = m,
		.container = letter->container,
		.generation = f->generation,
		.kind = merge_kind(j->rules, f->stream),
		.letter = letter };

	letter->again = false;
	rules_seen(&p);
	apply_records(&p);
	buf_free(&p.text);
	buf_free(&p.changed);
	buf_free(&p.was);
}
