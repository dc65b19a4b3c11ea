/*
 * explain_path.c - why a source has somebody in a group.
 *
 * explain_groups.c asks for each membership that a source has itself.  A
 * source says who is in a group and never why; what is certain follows from
 * what the group is: an app's import fills it, or a rule of its own.  Into a
 * group of Okta's own people come by hand or by group rules, and Okta tells
 * nobody which: only where no active rule fills the group, or each one leaves
 * the member out, is it certain.  Source: okta-api 5 and 8.
 */

#include <stdlib.h>
#include <string.h>

#include "explain_path.h"
#include "json.h"
#include "mem.h"
#include "msg.h"

static const char *const how_words[] = {
	[PATH_DIRECT] = "direct",
	[PATH_RULE] = "direct-or-rule",
	[PATH_UNKNOWN] = "not-known",
	[PATH_IMPORT] = "app-import",
	[PATH_BUILT_IN] = "built-in",
	[PATH_DYNAMIC] = "dynamic",
};

/*
 * The run whose listing of group rules is the newest one, 0: there is none;
 * *newest is false where runs have ended since that did not list them.
 */
static int64_t
rules_run(struct store *s, int64_t source, bool *newest)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT t.full_run, (SELECT max(number) FROM run"
	    " WHERE source = t.source AND state = 'done')"
	    " FROM stream t WHERE t.source = ? AND t.name = 'GroupRule'",
	    "i", source);
	int64_t run = 0;

	*newest = true;
	if (!store_row(s, st))
		return 0;
	run = sqlite3_column_int64(st, 0);
	*newest = run >= sqlite3_column_int64(st, 1);
	store_end(st);
	return run;
}

static void
load_rules(struct store *s, struct path *p)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT o.id, json_extract(a.text, '$.name'),"
	    " json_extract(a.text, '$.expression'),"
	    " EXISTS (SELECT 1 FROM json_each(a.text, '$.excludedUsers') x"
	    " WHERE x.value = ?3)"
	    " FROM stream t JOIN object o ON o.stream = t.pk"
	    " AND o.gone IS NULL JOIN attrs a ON a.pk = o.pk"
	    " WHERE t.source = ?1 AND t.name = 'GroupRule'"
	    " AND json_extract(a.text, '$.status') = 'ACTIVE'"
	    " AND EXISTS (SELECT 1 FROM json_each(a.text, '$.groupIds') g"
	    " WHERE g.value = ?2) ORDER BY o.id",
	    "itt", p->source_pk, p->group, p->member);

	while (store_row(s, st)) {
		if ((p->n & (p->n - 1)) == 0)
			p->rules = xrealloc(p->rules,
			    (p->n > 0 ? 2 * p->n : 1) * sizeof(*p->rules));
		p->rules[p->n++] = (struct path_rule){
			.id = store_text_dup(st, 0),
			.name = store_text_dup(st, 1),
			.expression = store_text_dup(st, 2),
			.excluded = sqlite3_column_int(st, 3) != 0,
		};
	}
}

/* Does anybody of the source have it?  Else no map brings it, and that one
 * member lacks it says nothing. */
static bool
is_known(struct store *s, const struct path *p, const char *name, size_t len)
{
	struct buf at = { 0 };
	sqlite3_stmt *st;
	bool is;

	buf_fmt(&at, "$.%.*s", (int)len, name);
	st = store_ask(s,
	    "SELECT 1 FROM stream t JOIN object o ON o.stream = t.pk"
	    " JOIN attrs a ON a.pk = o.pk WHERE t.source = ?"
	    " AND t.name = 'User' AND json_extract(a.text, ?) IS NOT NULL"
	    " LIMIT 1",
	    "it", p->source_pk, at.data);
	is = store_row(s, st) != 0;
	if (is)
		store_end(st);
	buf_free(&at);
	return is;
}

/* Notes an attribute that an expression asks for, once. */
static void
note_has(struct store *s, struct path *p, yyjson_val *attrs, const char *name,
    size_t len)
{
	yyjson_val *v = yyjson_obj_getn(attrs, name, len);
	struct buf value = { 0 };

	for (size_t i = 0; i < p->n_has; i++)
		if (strncmp(p->has[i].name, name, len) == 0 &&
		    p->has[i].name[len] == '\0')
			return;
	if (len == 0 || p->n_has == PATH_HAS_MAX ||
	    (v == NULL && !is_known(s, p, name, len)))
		return;
	if (v != NULL)
		json_write(&value, v);
	else
		buf_str(&value, "null");
	p->has[p->n_has++] = (struct path_has){
		.name = xstrndup(name, len),
		.value = buf_take(&value),
	};
}

/* What the member has where the expression asks for user.name. */
static void
note_all(
    struct store *s, struct path *p, yyjson_val *attrs, const char *expression)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_";
	const char *at = expression;
	size_t len;

	for (;;) {
		at = strstr(at, "user.");
		if (at == NULL)
			break;
		at += strlen("user.");
		len = strspn(at, letters);
		note_has(s, p, attrs, at, len);
		at += len;
	}
}

static void
load_has(struct store *s, struct path *p)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT a.text FROM stream t JOIN object o ON o.stream = t.pk"
	    " JOIN attrs a ON a.pk = o.pk"
	    " WHERE t.source = ? AND t.name = 'User' AND o.id = ?",
	    "it", p->source_pk, p->member);
	const char *text;
	yyjson_doc *doc;

	if (!store_row(s, st))
		return;
	text = store_text(st, 0);
	doc = yyjson_read(text, strlen(text), YYJSON_READ_NUMBER_AS_RAW);
	store_end(st);
	for (size_t i = 0; i < p->n; i++)
		if (!p->rules[i].excluded && p->rules[i].expression != NULL)
			note_all(s, p, yyjson_doc_get_root(doc),
			    p->rules[i].expression);
	yyjson_doc_free(doc);
}

/* Of a group of Okta's own. */
static enum path_how
judge_rules(struct store *s, struct path *p)
{
	bool newest;
	int64_t run = rules_run(s, p->source_pk, &newest);

	if (run == 0)
		return PATH_UNKNOWN;
	if (!newest)
		p->rules_of = run;
	load_rules(s, p);
	load_has(s, p);
	for (size_t i = 0; i < p->n; i++)
		if (!p->rules[i].excluded)
			return PATH_RULE;
	return PATH_DIRECT;
}

void
path_judge(struct store *s, struct path *p)
{
	if (p->type != NULL && strcmp(p->type, "APP_GROUP") == 0)
		p->how = PATH_IMPORT;
	else if (p->type != NULL && strcmp(p->type, "BUILT_IN") == 0)
		p->how = PATH_BUILT_IN;
	else if (p->classes != NULL &&
		 strstr(p->classes, "DynamicMembership") != NULL)
		p->how = PATH_DYNAMIC;
	else if (strncmp(p->source, "okta:", 5) == 0)
		p->how = judge_rules(s, p);
	else
		p->how = PATH_DIRECT;
}

void
path_free(struct path *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->rules[i].id);
		free(p->rules[i].name);
		free(p->rules[i].expression);
	}
	for (size_t i = 0; i < p->n_has; i++) {
		free(p->has[i].name);
		free(p->has[i].value);
	}
	free(p->rules);
	free(p->source);
	free(p->group);
	free(p->member);
	free(p->type);
	free(p->classes);
}

static const char *
or_empty(const char *s)
{
	return s != NULL ? s : "";
}

/* The rules that leave the member out, or those that do not. */
static void
add_rules(const struct path *p, bool excluded, struct buf *out)
{
	const char *between = p->n > 1 ? "group rules " : "group rule ";

	for (size_t i = 0; i < p->n; i++) {
		const struct path_rule *r = &p->rules[i];

		if (r->excluded != excluded)
			continue;
		buf_fmt(out, "%s\"%s\" (%s", between, or_empty(r->name), r->id);
		if (!excluded)
			buf_fmt(out, ", ACTIVE: %s", or_empty(r->expression));
		buf_char(out, ')');
		between = excluded ? " and " : " or ";
	}
}

/* What is certain because of the rules, or for want of them. */
static void
add_direct(const struct path *p, struct buf *out)
{
	buf_str(out, " directly");
	if (strncmp(p->source, "okta:", 5) != 0)
		return;
	if (p->n == 0) {
		buf_str(out, ", no active group rule fills it");
		return;
	}
	buf_str(out, ", left out by ");
	add_rules(p, true, out);
}

/* Okta alone knows which; the reader may judge by what the member has. */
static void
add_either(const struct path *p, struct buf *out)
{
	buf_str(out, " directly or by ");
	add_rules(p, false, out);
	buf_str(out, ", Okta does not say which");
	for (size_t i = 0; i < p->n_has; i++)
		buf_fmt(out, "%s%s is %s", i > 0 ? ", " : ": ", p->has[i].name,
		    strcmp(p->has[i].value, "null") == 0 ? "empty"
							 : p->has[i].value);
	buf_str(out, p->n_has > 0 ? " now" : "");
}

void
path_text(const struct path *p, struct buf *out)
{
	buf_fmt(out, "%s/%s", p->source, or_empty(p->group));
	switch (p->how) {
	case PATH_DIRECT:
		add_direct(p, out);
		break;
	case PATH_RULE:
		add_either(p, out);
		break;
	case PATH_UNKNOWN:
		buf_str(out, " directly or by a group rule");
		break;
	case PATH_IMPORT:
		buf_str(out, " by an app's import");
		break;
	case PATH_BUILT_IN:
		buf_str(out, " built in");
		break;
	case PATH_DYNAMIC:
		buf_str(out, " by the group's own rule");
		break;
	}
	if (p->rules_of != 0)
		buf_fmt(out, " (rules of run %lld)", (long long)p->rules_of);
}

void
path_json(const struct path *p, struct buf *out)
{
	buf_str(out, "{\"" MSG_SOURCE "\":");
	buf_json_str(out, p->source);
	msg_str(out, "group", p->group);
	msg_str(out, "how", how_words[p->how]);
	if (p->rules_of != 0)
		msg_int(out, "rulesOfRun", p->rules_of);
	for (size_t i = 0; i < p->n; i++) {
		const struct path_rule *r = &p->rules[i];

		buf_str(out, i > 0 ? ",{\"id\":" : ",\"rules\":[{\"id\":");
		buf_json_str(out, r->id);
		msg_str(out, "name", r->name);
		msg_str(out, "expression", r->expression);
		msg_bool(out, "excluded", r->excluded);
		buf_char(out, '}');
	}
	buf_str(out, p->n > 0 ? "]" : "");
	for (size_t i = 0; i < p->n_has; i++) {
		buf_str(out, i > 0 ? "," : ",\"has\":{");
		buf_json_str(out, p->has[i].name);
		buf_fmt(out, ":%s", p->has[i].value);
	}
	buf_str(out, p->n_has > 0 ? "}}" : "}");
}
