/*
 * blend_union.c - one list of what several sources say.
 *
 * The first item of the first source comes first, for it is the primary one
 * (or the item that says so); the others are sorted, so that the order in
 * which a source lists them means nothing.  Of two that are the same behind
 * the norm, the one of the source that is named earlier stays.
 */

#include "blend_private.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mem.h"

struct item {
	yyjson_val *value;
	char *text; /* owned; what it is compared by */
	size_t order;
};

struct list {
	struct item *items; /* owned */
	size_t n, cap;
};

static void
add(struct blend_work *w, const struct policy_flow *f, struct list *l,
    yyjson_val *v)
{
	if (!policy_is_value(v))
		return;
	buf_clear(&w->words);
	if (yyjson_is_str(v))
		policy_normalise(
		    &w->words, &f->norms, yyjson_get_str(v), yyjson_get_len(v));
	else
		json_write(&w->words, v);
	if (w->words.len == 0)
		return;
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 8 : l->cap * 2;
		l->items = xrealloc(l->items, l->cap * sizeof(*l->items));
	}
	l->items[l->n] =
	    (struct item){ v, xstrndup(w->words.data, w->words.len), l->n };
	l->n++;
}

static void
add_part(struct blend_work *w, const struct policy_flow *f, struct list *l,
    yyjson_val *v)
{
	yyjson_val *item;
	size_t i, n;

	if (!yyjson_is_arr(v)) {
		add(w, f, l, v);
		return;
	}
	yyjson_arr_foreach(v, i, n, item) add(w, f, l, item);
}

static int
by_text(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	return order != 0 ? order
			  : (x->order > y->order) - (x->order < y->order);
}

/* Which one leads: what is marked primary, else the first that was said. */
static size_t
primary(const struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (yyjson_is_true(json_get(l->items[i].value, "primary")))
			return l->items[i].order;
	return 0;
}

static void
write_item(struct buf *out, const struct item *item)
{
	buf_char(out, out->len == 0 ? '[' : ',');
	json_write(out, item->value);
}

static void
write_list(struct list *l, struct buf *out)
{
	size_t lead = primary(l);
	const char *led = NULL;

	if (l->n > 0) {
		led = l->items[lead].text;
		write_item(out, &l->items[lead]);
		qsort(l->items, l->n, sizeof(*l->items), by_text);
	}
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i].text, led) != 0 &&
		    (i == 0 ||
			strcmp(l->items[i].text, l->items[i - 1].text) != 0))
			write_item(out, &l->items[i]);
	if (out->len == 0)
		buf_char(out, '[');
	buf_char(out, ']');
}

void
blend_union(
    struct blend_work *w, const struct policy_flow *f, struct blend_choice *c)
{
	struct list l = { 0 };

	for (size_t k = 0; k < f->n; k++) {
		for (size_t i = 0; i < w->n; i++) {
			if (!blend_named(w, f, k, i) || w->values[i] == NULL)
				continue;
			c->winner = c->winner < 0 ? (int)i : c->winner;
			blend_tell(w, i,
			    policy_is_value(w->values[i]) ? BLEND_JOINED
							  : BLEND_EMPTY);
			add_part(w, f, &l, w->values[i]);
		}
	}
	if (c->winner < 0)
		return;
	buf_clear(&w->text);
	write_list(&l, &w->text);
	c->text = w->text.data;
	c->len = w->text.len;
	for (size_t i = 0; i < l.n; i++)
		free(l.items[i].text);
	free(l.items);
}
