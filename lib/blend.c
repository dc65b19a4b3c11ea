/*
 * blend.c - whose word counts for each attribute.
 *
 * join calls it with the contributors of one person in rank order.  Each
 * attribute is decided by its flow alone; defaults come last, for they are
 * made of the others.
 */

#include "blend_private.h"

#include <string.h>

#include "clock.h"
#include "json_copy.h"

bool
blend_named(const struct blend_work *w, const struct policy_flow *f,
    size_t name, size_t part)
{
	return (w->named[part] >> f->names[name] & 1) != 0;
}

void
blend_tell(struct blend_work *w, size_t part, enum blend_why why)
{
	if (w->said != NULL)
		w->said->parts[part].why = why;
}

static void
win(struct blend_work *w, struct blend_choice *c, size_t part)
{
	c->value = w->values[part];
	c->winner = (int)part;
	blend_tell(w, part, BLEND_WON);
}

/* The first value in the order of the names; else the first empty answer. */
static void
choose_first(
    struct blend_work *w, const struct policy_flow *f, struct blend_choice *c)
{
	int empty = -1;

	for (size_t k = 0; k < f->n; k++) {
		for (size_t i = 0; i < w->n; i++) {
			if (!blend_named(w, f, k, i) || w->values[i] == NULL)
				continue;
			if (!policy_is_value(w->values[i])) {
				blend_tell(w, i, BLEND_EMPTY);
				empty = empty < 0 ? (int)i : empty;
			} else if (c->value == NULL) {
				win(w, c, i);
			} else if ((int)i != c->winner) {
				blend_tell(w, i, BLEND_LATER);
			}
		}
	}
	if (c->value == NULL && empty >= 0)
		c->value = w->values[empty];
}

/* Where the owner knows the person, its answer counts, even an empty one. */
static void
choose_own(
    struct blend_work *w, const struct policy_flow *f, struct blend_choice *c)
{
	size_t owner = 0;

	while (owner < w->n && !blend_named(w, f, 0, owner))
		owner++;
	if (owner == w->n) {
		choose_first(w, f, c);
		return;
	}
	for (size_t i = 0; i < w->n; i++)
		if (i != owner && w->values[i] != NULL &&
		    ((f->n > 1 && blend_named(w, f, 1, i)) ||
			blend_named(w, f, 0, i)))
			blend_tell(w, i, BLEND_OWNED);
	if (w->values[owner] != NULL)
		win(w, c, owner);
}

static bool
is_named(const struct blend_work *w, const struct policy_flow *f, size_t part)
{
	for (size_t k = 0; k < f->n; k++)
		if (blend_named(w, f, k, part))
			return true;
	return false;
}

static bool
is_yes(yyjson_val *v)
{
	return yyjson_is_true(v) || yyjson_equals_str(v, "true");
}

/* An empty answer is no yes; without any answer there is nothing to say. */
static void
choose_truth(
    struct blend_work *w, const struct policy_flow *f, struct blend_choice *c)
{
	bool any = f->how == POLICY_ANY, truth = !any, valued = false;
	size_t first = w->n;

	for (size_t i = 0; i < w->n; i++) {
		if (w->values[i] == NULL || !is_named(w, f, i))
			continue;
		first = first == w->n ? i : first;
		valued |= policy_is_value(w->values[i]);
		blend_tell(w, i, BLEND_JOINED);
		truth = any ? truth || is_yes(w->values[i])
			    : truth && is_yes(w->values[i]);
	}
	if (first == w->n)
		return;
	if (!valued) {
		c->value = w->values[first];
		return;
	}
	c->winner = (int)first;
	c->text = truth ? "true" : "false";
	c->len = strlen(c->text);
}

/* -1: no time that can be read. */
static int64_t
time_of(const struct blend_part *part, const char *attr)
{
	yyjson_val *v = yyjson_obj_get(part->attrs, attr);
	int64_t ms;

	if (!yyjson_is_str(v) ||
	    clock_parse_rfc3339(yyjson_get_str(v), yyjson_get_len(v), &ms) != 0)
		return -1;
	return ms;
}

static void
choose_newest(
    struct blend_work *w, const struct policy_flow *f, struct blend_choice *c)
{
	int64_t newest = -2;
	size_t at = w->n;

	for (size_t k = 0; k < f->n; k++) {
		for (size_t i = 0; i < w->n; i++) {
			int64_t ms;

			if (!blend_named(w, f, k, i) ||
			    !policy_is_value(w->values[i]))
				continue;
			blend_tell(w, i, BLEND_OLDER);
			ms = time_of(&w->in->parts[i], f->clocks[k]);
			if (ms <= newest)
				continue;
			newest = ms;
			at = i;
		}
	}
	if (at < w->n)
		win(w, c, at);
	else
		choose_first(w, f, c);
}

/* A reference is a mesh id, or null as long as nobody is known. */
static void
refer(struct blend_work *w, const struct policy_flow *f, struct blend_choice *c)
{
	const char *id = NULL, *text = yyjson_get_str(c->value);

	if (f->ref == NULL || w->in->resolve == NULL || c->value == NULL ||
	    c->text != NULL)
		return;
	if (text == NULL && yyjson_is_raw(c->value))
		text = yyjson_get_raw(c->value);
	if (text != NULL && c->winner >= 0 && policy_is_value(c->value))
		id = w->in->resolve(w->in->ctx, &w->in->parts[c->winner], f,
		    text, yyjson_get_len(c->value));
	buf_clear(&w->text);
	buf_json_str(&w->text, id);
	c->text = w->text.data;
	c->len = w->text.len;
}

static void
choose(
    struct blend_work *w, const struct policy_flow *f, struct blend_choice *c)
{
	switch (f->how) {
	case POLICY_FIRST:
		choose_first(w, f, c);
		break;
	case POLICY_OWN:
		choose_own(w, f, c);
		break;
	case POLICY_ALL:
	case POLICY_ANY:
		choose_truth(w, f, c);
		break;
	case POLICY_UNION:
		blend_union(w, f, c);
		break;
	case POLICY_NEWEST:
		choose_newest(w, f, c);
		break;
	}
	if (f->function >= 0 && c->text == NULL && c->winner < 0 &&
	    !policy_is_value(c->value))
		blend_function(w, f, c);
	refer(w, f, c);
}

static void
look_up(struct blend_work *w, const struct policy_flow *f)
{
	size_t len = strlen(f->attr);

	for (size_t i = 0; i < w->n; i++)
		w->values[i] = yyjson_obj_iter_getn(&w->iters[i], f->attr, len);
	if (w->said == NULL)
		return;
	*w->said = (struct blend_said){ .flow = f };
	for (size_t i = 0; i < w->n; i++) {
		w->said->parts[i].value = w->values[i];
		w->said->parts[i].why = BLEND_NOT_ASKED;
	}
}

/* Appends ,"name":value unless there is none. */
static bool
put(struct buf *out, const struct policy_flow *f, const struct blend_choice *c)
{
	size_t start = out->len;

	if (c->text != NULL) {
		buf_add(out, f->key, f->key_len);
		buf_add(out, c->text, c->len);
		return true;
	}
	if (c->value == NULL)
		return false;
	if (json_copy_member(out, f->key, f->key_len, c->value) == JSON_FINE)
		return true;
	out->len = start;
	return false;
}

static bool
wants_default(const struct policy_flow *f, const struct blend_choice *c)
{
	/* What an owner leaves empty is meant to be. */
	return f->text != NULL && c->text == NULL &&
	       !policy_is_value(c->value) &&
	       !(f->how == POLICY_OWN && c->winner >= 0);
}

/* Every attribute by its sources; how many of them want their default. */
static size_t
first_pass(struct blend_work *w, struct buf *out, struct blend_said *trace)
{
	const struct policy *p = w->in->policy;
	size_t defaults = 0;

	for (size_t i = 0; i < p->nflows; i++) {
		struct blend_choice c = { .winner = BLEND_NOBODY };
		bool present, wants;

		w->said = trace != NULL ? &trace[i] : NULL;
		look_up(w, &p->flows[i]);
		choose(w, &p->flows[i], &c);
		wants = wants_default(&p->flows[i], &c);
		defaults += wants;
		buf_char(&w->wants, wants ? '1' : '0');
		present = put(out, &p->flows[i], &c);
		if (w->said != NULL) {
			w->said->winner = c.winner;
			w->said->present = present;
		}
	}
	return defaults;
}

/* Once more, with what the templates make where nothing was. */
static void
fill_defaults(struct blend_work *w, struct buf *out, size_t start,
    struct blend_said *trace)
{
	const struct policy *p = w->in->policy;
	yyjson_doc *doc = yyjson_read_opts(out->data + start, out->len - start,
	    YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);
	yyjson_val *object = yyjson_doc_get_root(doc);

	out->len = start;
	for (size_t i = 0; i < p->nflows; i++) {
		const struct policy_flow *f = &p->flows[i];
		struct blend_choice c = { .value =
					      yyjson_obj_get(object, f->attr) };

		w->said = trace != NULL ? &trace[i] : NULL;
		if (w->wants.data[i] == '1' &&
		    blend_template(w, f, object, &c) && w->said != NULL)
			w->said->winner = BLEND_DEFAULT;
		if (put(out, f, &c) && w->said != NULL)
			w->said->present = true;
	}
	yyjson_doc_free(doc);
}

static void
close_object(struct buf *out, size_t start)
{
	if (out->len == start)
		buf_char(out, '{');
	else
		out->data[start] = '{';
	buf_char(out, '}');
}

static void
prepare(struct blend_work *w)
{
	const struct policy *p = w->in->policy;

	w->n = w->in->n < BLEND_PARTS_MAX ? w->in->n : BLEND_PARTS_MAX;
	for (size_t i = 0; i < w->n; i++) {
		w->iters[i] = yyjson_obj_iter_with(w->in->parts[i].attrs);
		for (size_t k = 0; k < p->nnames; k++)
			if (policy_names_source(
				p->names[k], w->in->parts[i].source))
				w->named[i] |= (uint64_t)1 << k;
	}
}

/* A source that the join does not name stands for itself in everything. */
static void
name_strangers(struct blend_work *w)
{
	const struct policy *p = w->in->policy;

	for (size_t i = 0; i < w->n; i++)
		if (policy_entry(p, w->in->parts[i].source) == p->nsources)
			w->named[i] = UINT64_MAX;
}

size_t
blend(const struct blend_input *in, struct buf *out, struct blend_said *trace,
    struct why *why)
{
	struct blend_work w = { .in = in, .why = why };
	size_t start = out->len;

	prepare(&w);
	name_strangers(&w);
	if (first_pass(&w, out, trace) > 0) {
		close_object(out, start);
		fill_defaults(&w, out, start, trace);
	}
	close_object(out, start);
	buf_free(&w.text);
	buf_free(&w.words);
	buf_free(&w.wants);
	return w.failed;
}
