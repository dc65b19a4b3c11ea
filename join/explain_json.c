/*
 * explain_json.c - a person as `join explain --json` prints them.
 *
 * The same that explain.c says in words, for programs.
 */

#include "explain.h"

#include <string.h>

#include "clock.h"
#include "json.h"
#include "msg.h"
#include "report.h"

static const char *const why_words[] = {
	[BLEND_WON] = "won",
	[BLEND_JOINED] = "joined",
	[BLEND_LATER] = "later",
	[BLEND_EMPTY] = "empty",
	[BLEND_OWNED] = "owned",
	[BLEND_OLDER] = "older",
	[BLEND_NOT_ASKED] = "not asked",
};

static void
add_contributor(struct buf *b, const struct contributor *c, bool lead)
{
	buf_str(b, "{\"" MSG_SOURCE "\":");
	buf_json_str(b, c->source);
	msg_str(b, MSG_ID, c->id);
	msg_str(b, "gone", c->gone);
	if (lead)
		msg_bool(b, "leads", true);
	else if (c->key == MATCH_DECIDED)
		msg_str(b, "decision", c->place != NULL ? c->place : "undone");
	if (!lead && c->label != NULL) {
		msg_str(b, "key", c->label);
		msg_str(b, "value", c->value);
		msg_str(b, "at", c->place);
		msg_bool(b, "fresh", c->value != NULL);
	}
	msg_str(b, "run", c->run);
	buf_char(b, '}');
}

static const char *
winner(const struct person *p, const struct blend_said *said)
{
	if (person_disabled(p, said->flow->attr))
		return "leaving";
	switch (said->winner) {
	case BLEND_NOBODY:
		return NULL;
	case BLEND_DEFAULT:
		return "default";
	case BLEND_LUA:
		return "function";
	case BLEND_KEPT:
		return "kept";
	default:
		return p->parts[said->winner].source;
	}
}

static void
add_said(struct buf *b, const struct person *p, const struct blend_said *said)
{
	msg_str(b, "from", winner(p, said));
	buf_fmt(b, ",\"at\":\"%s:%d\",\"sources\":{", said->flow->file,
	    said->flow->line);
	for (size_t i = 0, first = 1; i < p->nparts; i++) {
		if (said->parts[i].value == NULL)
			continue;
		if (!first)
			buf_char(b, ',');
		first = 0;
		buf_json_str(b, p->parts[i].source);
		buf_str(b, ":{\"value\":");
		json_write(b, said->parts[i].value);
		msg_str(b, "why", why_words[said->parts[i].why]);
		buf_char(b, '}');
	}
	buf_char(b, '}');
}

static void
add_attributes(struct buf *b, const struct person *p, const char *only)
{
	yyjson_val *root = yyjson_doc_get_root(p->body), *key, *value;
	size_t i, n;
	bool first = true;

	if (root == NULL && p->nparts > 0)
		root = p->parts[0].attrs;
	buf_str(b, ",\"attributes\":{");
	yyjson_obj_foreach(root, i, n, key, value)
	{
		const char *name = yyjson_get_str(key);

		if (only != NULL && strcmp(name, only) != 0)
			continue;
		if (!first)
			buf_char(b, ',');
		first = false;
		buf_json_str(b, name);
		buf_str(b, ":{\"value\":");
		json_write(b, value);
		for (size_t k = 0; p->said != NULL && k < p->policy->nflows;
		     k++)
			if (strcmp(p->policy->flows[k].attr, name) == 0)
				add_said(b, p, &p->said[k]);
		buf_char(b, '}');
	}
	buf_char(b, '}');
}

static void
add_conflicts(
    struct buf *b, struct store *s, struct rules *r, const struct person *p)
{
	bool first = true;

	buf_str(b, ",\"conflicts\":[");
	for (size_t i = 0; i < p->n; i++) {
		struct conflict *list;
		size_t n = conflict_load(s, r, p->of[i].pk, &list);

		for (size_t k = 0; k < n; k++) {
			size_t at;

			buf_str(b, first ? "{" : ",{");
			first = false;
			at = b->len;
			conflict_json(&list[k], b);
			/* The first member has no comma before it. */
			memmove(b->data + at, b->data + at + 1, b->len - at);
			b->len--;
			buf_char(b, '}');
		}
		conflict_free(list, n);
	}
	buf_char(b, ']');
}

void
explain_json(
    struct store *s, struct rules *r, struct person *p, const char *attribute)
{
	char when[CLOCK_TEXT];
	struct buf b = { 0 };

	buf_str(&b, "{\"" MSG_TYPE "\":");
	buf_json_str(&b, p->type);
	msg_str(&b, MSG_ID, p->id);
	msg_str(&b, "state", p->state);
	msg_str(&b, "held", p->held);
	if (p->leave_at != 0) {
		clock_rfc3339(p->leave_at, when);
		msg_str(&b, "leaveAt", when);
	}
	buf_str(&b, ",\"contributors\":[");
	for (size_t i = 0; i < p->n; i++) {
		if (i > 0)
			buf_char(&b, ',');
		add_contributor(&b, &p->of[i],
		    i == 0 && p->mesh != 0 && p->of[i].gone == NULL);
	}
	buf_char(&b, ']');
	add_attributes(&b, p, attribute);
	if (p->mesh != 0 && attribute == NULL && person_gone(p))
		buf_str(&b, ",\"groups\":[]");
	else if (p->mesh != 0 && attribute == NULL)
		explain_groups_json(s, p->mesh, &b);
	explain_decided_json(s, p, &b);
	add_conflicts(&b, s, r, p);
	buf_char(&b, '}');
	report_line(&b);
	buf_free(&b);
}
