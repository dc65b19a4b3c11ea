/*
 * diff_print.c - what new rules would change, for people and for programs.
 *
 * diff_main.c calls it with both meshes.  The first walk counts, because the
 * summary comes first; the second shows the objects, for people only some.
 */

#include "diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "find.h"
#include "json.h"
#include "mem.h"
#include "report.h"

/* What is counted, in the order in which it is told. */
enum kind { CHANGE, ATTRIBUTE, COME, LEAVE, REASON, JOIN, PART, KINDS };

struct counter {
	char *type, *name; /* owned */
	enum kind kind;
	int64_t n;
};

struct tally {
	const struct diff_view *v;
	struct counter *list; /* owned */
	size_t n;
	int64_t objects, shown;
	const struct mesh_diff *d; /* that is looked at */
	size_t some; /* contributors that came, or members that were written */
	struct buf text;
};

static void
count(struct tally *t, enum kind kind, const char *name)
{
	for (size_t i = 0; i < t->n; i++) {
		struct counter *c = &t->list[i];

		if (c->kind != kind || strcmp(c->type, t->d->type) != 0 ||
		    strcmp(c->name, name) != 0)
			continue;
		c->n++;
		return;
	}
	t->list = xrealloc(t->list, (t->n + 1) * sizeof(*t->list));
	t->list[t->n++] =
	    (struct counter){ xstrdup(t->d->type), xstrdup(name), kind, 1 };
}

static void
count_attribute(void *ctx, const char *name, yyjson_val *was, yyjson_val *is)
{
	(void)was;
	(void)is;
	count(ctx, ATTRIBUTE, name);
}

static void
count_some(void *ctx, const char *contributor)
{
	struct tally *t = ctx;

	(void)contributor;
	t->some++;
}

static size_t
others(struct tally *t, yyjson_val *a, yyjson_val *b)
{
	t->some = 0;
	mesh_others(a, b, count_some, t);
	return t->some;
}

static bool
count_one(void *ctx, const struct mesh_diff *d)
{
	struct tally *t = ctx;

	t->d = d;
	t->objects++;
	if (d->what == COMES)
		count(t, COME, "");
	if (d->what == LEAVES) {
		count(t, LEAVE, "");
		count(t, REASON, d->reason);
		return true;
	}
	if (d->what == DIFFERS) {
		count(t, CHANGE, "");
		mesh_attributes(d, count_attribute, t);
		if (others(t, d->had, d->has) > 0)
			count(t, PART, "");
	}
	/* Who comes of two sources is joined too. */
	if (d->what == DIFFERS ? others(t, d->has, d->had) > 0
			       : yyjson_arr_size(d->has) > 1)
		count(t, JOIN, "");
	return true;
}

static int
by_type(const void *a, const void *b)
{
	const struct counter *x = a, *y = b;
	int by = mesh_rank(x->type) - mesh_rank(y->type);

	if (by == 0)
		by = strcmp(x->type, y->type);
	if (by == 0)
		by = (int)x->kind - (int)y->kind;
	if (by == 0 && x->n != y->n)
		by = x->n < y->n ? 1 : -1;
	return by != 0 ? by : strcmp(x->name, y->name);
}

/* " (title 12, city 3)" behind what it belongs to. */
static void
print_text(const struct tally *t)
{
	static const char *const words[KINDS] = { [CHANGE] = "change",
		[COME] = "come",
		[LEAVE] = "leave",
		[JOIN] = "are joined",
		[PART] = "are parted" };
	bool inside = false;

	for (size_t i = 0; i < t->n; i++) {
		const struct counter *c = &t->list[i];
		bool first = i == 0 || strcmp(c->type, c[-1].type) != 0;
		bool detail = c->kind == ATTRIBUTE || c->kind == REASON;

		if (inside && (!detail || first))
			putchar(')');
		if (first)
			printf("%s%s: ", i > 0 ? "\n" : "", c->type);
		if (detail)
			printf("%s%s %lld", inside ? ", " : " (", c->name,
			    (long long)c->n);
		else
			printf("%s%lld %s", first ? "" : ", ", (long long)c->n,
			    words[c->kind]);
		inside = detail;
	}
	if (inside)
		putchar(')');
	if (t->n > 0)
		putchar('\n');
}

static void
print_lines(const char *before, const struct buf *lines)
{
	const char *at = lines->len > 0 ? lines->data : "", *end;

	for (; (end = strchr(at, '\n')) != NULL; at = end + 1)
		printf("%s%.*s\n", before, (int)(end - at), at);
}

static void
summary_text(const struct tally *t)
{
	const struct trial *trial = t->v->trial;

	if (trial->records > 0)
		printf("%lld raw records were mapped again: ",
		    (long long)trial->records);
	if (t->objects == 0)
		printf("nothing changes\n");
	else
		printf("%lld mesh object%s differ%s\n", (long long)t->objects,
		    t->objects == 1 ? "" : "s", t->objects == 1 ? "s" : "");
	print_text(t);
	if (trial->without > 0)
		printf("not shown: what the maps and the scope make of %lld "
		       "objects whose raw record is not kept; run with "
		       "keepRaw (in a pipe --keep-raw), in full once\n",
		    (long long)trial->without);
	if (trial->waits.len > 0)
		printf("waiting to be approved:\n");
	print_lines("  ", &trial->waits);
	if (trial->why.len > 0)
		printf("a run would be stopped:\n");
	print_lines("  ", &trial->why);
}

/* An object of numbers, or a number when it is alone. */
static void
json_type(const struct tally *t, size_t *i, struct buf *b)
{
	static const char *const words[KINDS] = { "change", "attributes",
		"come", "leave", "reasons", "join", "part" };
	const char *type = t->list[*i].type;

	buf_json_str(b, type);
	buf_str(b, ":{");
	for (size_t n = 0; *i < t->n && strcmp(t->list[*i].type, type) == 0;) {
		enum kind kind = t->list[*i].kind;

		if (n++ > 0)
			buf_char(b, ',');
		buf_fmt(b, "\"%s\":", words[kind]);
		if (kind != ATTRIBUTE && kind != REASON) {
			buf_int(b, t->list[(*i)++].n);
			continue;
		}
		for (size_t k = 0; *i < t->n && t->list[*i].kind == kind &&
				   strcmp(t->list[*i].type, type) == 0;
		     k++, (*i)++) {
			buf_char(b, k == 0 ? '{' : ',');
			buf_json_str(b, t->list[*i].name);
			buf_char(b, ':');
			buf_int(b, t->list[*i].n);
		}
		buf_char(b, '}');
	}
	buf_char(b, '}');
}

/* An array of lines. */
static void
json_lines(const struct buf *lines, struct buf *b)
{
	const char *at = lines->len > 0 ? lines->data : "", *end;

	buf_char(b, '[');
	for (; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		if (b->data[b->len - 1] != '[')
			buf_char(b, ',');
		buf_json(b, at, (size_t)(end - at));
	}
	buf_char(b, ']');
}

static void
summary_json(const struct tally *t)
{
	const struct trial *trial = t->v->trial;
	struct buf b = { 0 };
	size_t i = 0;

	buf_fmt(&b, "{\"summary\":{\"objects\":%lld,\"rawRecords\":%lld,",
	    (long long)t->objects, (long long)trial->records);
	buf_fmt(&b, "\"withoutRaw\":%lld,\"stopped\":%s,\"why\":",
	    (long long)trial->without, trial->stopped ? "true" : "false");
	json_lines(&trial->why, &b);
	buf_str(&b, ",\"waiting\":");
	json_lines(&trial->waits, &b);
	buf_str(&b, ",\"types\":{");
	while (i < t->n) {
		if (i > 0)
			buf_char(&b, ',');
		json_type(t, &i, &b);
	}
	buf_str(&b, "}}}");
	report_line(&b);
	buf_free(&b);
}

static void
value_text(const struct tally *t, struct buf *b, yyjson_val *v)
{
	(void)t;
	if (v == NULL)
		buf_str(b, "(absent)");
	else
		json_write(b, v);
}

static void
show_attribute(void *ctx, const char *name, yyjson_val *was, yyjson_val *is)
{
	struct tally *t = ctx;
	const struct diff_view *v = t->v;
	struct places places = { v->old, v->new, v->rules };
	char at[512];

	place_find(&places, t->d, name, at, sizeof(at));
	if (!v->json) {
		buf_fmt(&t->text, "  %s: ", name);
		value_text(t, &t->text, was);
		buf_str(&t->text, " -> ");
		value_text(t, &t->text, is);
		buf_fmt(&t->text, "%s%s\n", at[0] != '\0' ? "  " : "", at);
		return;
	}
	buf_char(&t->text, t->some++ == 0 ? '{' : ',');
	buf_json_str(&t->text, name);
	buf_char(&t->text, ':');
	buf_char(&t->text, '{');
	if (was != NULL) {
		buf_str(&t->text, "\"old\":");
		json_write(&t->text, was);
		buf_char(&t->text, ',');
	}
	if (is != NULL) {
		buf_str(&t->text, "\"new\":");
		json_write(&t->text, is);
		buf_char(&t->text, ',');
	}
	buf_str(&t->text, "\"at\":");
	buf_json_str(&t->text, at[0] != '\0' ? at : NULL);
	buf_char(&t->text, '}');
}

static void
show_contributor(void *ctx, const char *contributor)
{
	struct tally *t = ctx;

	if (t->v->json) {
		buf_char(&t->text, t->some++ == 0 ? '[' : ',');
		buf_json_str(&t->text, contributor);
	} else {
		buf_fmt(
		    &t->text, "%s%s", t->some++ == 0 ? "" : ", ", contributor);
	}
}

/* Contributors of a that b has not, under a word. */
static void
show_others(struct tally *t, const char *word, yyjson_val *a, yyjson_val *b)
{
	if (others(t, a, b) == 0)
		return;
	t->some = 0;
	buf_fmt(&t->text, t->v->json ? ",\"%s\":" : "  %s: ", word);
	mesh_others(a, b, show_contributor, t);
	buf_str(&t->text, t->v->json ? "]" : "\n");
}

static void
show_all(struct tally *t, yyjson_val *list)
{
	yyjson_val *v;
	size_t i, n;

	yyjson_arr_foreach(list, i, n, v)
	    buf_fmt(&t->text, "%s%s", i > 0 ? ", " : "", yyjson_get_str(v));
}

static const char *const words[] = {
	[DIFFERS] = "changes", [COMES] = "comes", [LEAVES] = "leaves"
};

/* Who leaves is who they were. */
static const char *
name_of(const struct mesh_diff *d)
{
	const char *name = find_known_as(d->what == LEAVES ? d->old : d->new);

	return name != NULL ? name : find_known_as(d->old);
}

static yyjson_val *
contributors_of(const struct mesh_diff *d)
{
	return d->what == LEAVES || d->has == NULL ? d->had : d->has;
}

static void
show_text(struct tally *t, const struct mesh_diff *d)
{
	const char *name = name_of(d);

	buf_fmt(&t->text, "%s ", d->type);
	if (name != NULL)
		buf_fmt(&t->text, "%s  ", name);
	buf_str(&t->text, d->id);
	if (yyjson_arr_size(contributors_of(d)) > 0) {
		buf_str(&t->text, " (");
		show_all(t, contributors_of(d));
		buf_char(&t->text, ')');
	}
	buf_fmt(&t->text, " %s%s%s\n", words[d->what],
	    d->reason != NULL ? ": " : "", d->reason != NULL ? d->reason : "");
	if (d->what != DIFFERS)
		return;
	mesh_attributes(d, show_attribute, t);
	show_others(t, "joined", d->has, d->had);
	show_others(t, "parted", d->had, d->has);
}

static void
show_json(struct tally *t, const struct mesh_diff *d)
{
	struct buf *b = &t->text;

	buf_fmt(b, "{\"difference\":\"%s\"", words[d->what]);
	msg_str(b, MSG_TYPE, d->type);
	msg_str(b, MSG_ID, d->id);
	msg_str(b, "name", name_of(d));
	msg_str(b, MSG_REASON, d->reason);
	msg_val(b, MSG_CONTRIBUTORS, contributors_of(d));
	if (d->what == DIFFERS) {
		t->some = 0;
		buf_str(b, ",\"" MSG_ATTRIBUTES "\":");
		mesh_attributes(d, show_attribute, t);
		buf_str(b, t->some > 0 ? "}" : "{}");
		show_others(t, "joined", d->has, d->had);
		show_others(t, "parted", d->had, d->has);
	} else if (d->what == COMES) {
		msg_val(b, MSG_OBJECT, d->new);
	}
	buf_str(b, "}\n");
}

static bool
show_one(void *ctx, const struct mesh_diff *d)
{
	struct tally *t = ctx;

	if (t->v->limit >= 0 && t->shown == t->v->limit)
		return false;
	t->shown++;
	t->d = d;
	buf_clear(&t->text);
	if (t->v->json)
		show_json(t, d);
	else
		show_text(t, d);
	if (t->v->json)
		fwrite(t->text.data, 1, t->text.len, stdout);
	else
		report_print("%s", t->text.data);
	return true;
}

int64_t
diff_print(const struct diff_view *v)
{
	struct tally t = { .v = v };

	mesh_compare(v->old, v->new, count_one, &t);
	if (t.n > 0)
		qsort(t.list, t.n, sizeof(*t.list), by_type);
	if (v->json)
		summary_json(&t);
	else
		summary_text(&t);
	if (!v->json && t.objects > 0 && v->limit != 0)
		putchar('\n');
	if (t.objects > 0)
		mesh_compare(v->old, v->new, show_one, &t);
	/* Who asks for none knows. */
	if (!v->json && v->limit != 0 && t.shown < t.objects)
		printf("and %lld more: --limit 0 shows the summary alone, "
		       "--json everything\n",
		    (long long)(t.objects - t.shown));
	for (size_t i = 0; i < t.n; i++) {
		free(t.list[i].type);
		free(t.list[i].name);
	}
	free(t.list);
	buf_free(&t.text);
	return t.objects;
}
