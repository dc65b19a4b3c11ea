/*
 * explain.c - `join explain`: why a person looks as they do.
 *
 * Who contributes, joined by which key at which line of the rules, each value
 * with those that lost, and what is held.  Only reads; the running join is
 * not disturbed.
 */

#include "explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "join.h"
#include "json.h"
#include "log.h"
#include "mem.h"
#include "opt.h"
#include "plan.h"
#include "report.h"
#include "utf8.h"
#include "why.h"

/* The name that people know them by, or NULL. */
static const char *
known_as(const struct person *p)
{
	yyjson_val *root = yyjson_doc_get_root(p->body);

	if (root == NULL && p->nparts > 0)
		root = p->parts[0].attrs;
	return find_known_as(root);
}

/* Of an object that is in no person. */
static const char *
standing(const struct person *p)
{
	if (p->of[0].gone != NULL)
		return "left, and is in no person";
	return p->held != NULL ? "is held: it is in no person"
			       : "waits for the end of its run";
}

static void
print_head(const struct person *p)
{
	const char *name = known_as(p);
	char when[CLOCK_TEXT];

	report_print("%s %s", p->type, name != NULL ? name : "");
	report_print("%s%s\n", name != NULL ? "  " : "",
	    p->id != NULL ? p->id : standing(p));
	if (p->leave_at != 0) {
		clock_rfc3339(p->leave_at, when);
		report_print(
		    "  has left; what they have stays until %s\n", when);
	} else if (person_gone(p)) {
		report_print("  has left\n");
	}
}

/* The links and values below are then not yet those of the mesh. */
static void
print_stopped(struct store *s, const struct person *p)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT hash FROM plan WHERE type = ? AND state = 'stopped'", "i",
	    p->type_pk);

	if (!store_row(s, st))
		return;
	report_print(
	    "  plan %s of this type is stopped: the mesh stays as it was, "
	    "values are those of the sources\n",
	    store_text(st, 0));
	store_end(st);
}

/* Of the living ones: gone is why the others left. */
static void
print_held_runs(struct store *s, const struct person *p)
{
	char run[300];

	for (size_t i = 0; i < p->n; i++) {
		const struct contributor *c = &p->of[i];

		if (c->gone == NULL && plan_run_of(s, c->pk, run, sizeof(run)))
			report_print("  run %s would let %s/%s go and waits to "
				     "be approved\n",
			    run, c->source, c->id);
	}
}

static void
print_link(const struct contributor *c)
{
	if (c->key == MATCH_DECIDED) {
		report_print("joined by decision %s",
		    c->place != NULL ? c->place : "that was undone");
	} else if (c->key == MATCH_UNDONE) {
		report_print("is here by a decision that was undone, until "
			     "the next merge");
	} else if (c->label == NULL) {
		report_print("stands for itself");
	} else {
		report_print("joined by %s", c->label);
		if (c->value != NULL)
			report_print(" \"%s\"", c->value);
		if (c->place != NULL)
			report_print(" (%s)", c->place);
	}
	if (c->run != NULL)
		report_print(" in %s", c->run);
	if (c->label != NULL && c->value == NULL)
		report_print(
		    "; it no longer shares one, and stays until a stronger "
		    "key objects");
}

static void
print_contributors(const struct person *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct contributor *c = &p->of[i];

		report_print("  %s/%s  ", c->source, c->id);
		if (c->gone != NULL)
			report_print("left (%s)", c->gone);
		else if (p->mesh == 0)
			report_print("in no person");
		else if (i == 0)
			report_print(p->n > 1 && p->of[1].gone == NULL
					 ? "leads"
					 : "is the only one");
		else
			print_link(c);
		report_print("\n");
	}
}

static void
print_aliases(struct store *s, const struct person *p)
{
	sqlite3_stmt *st = store_ask(
	    s, "SELECT id FROM alias WHERE mesh = ? ORDER BY id", "i", p->mesh);

	while (store_row(s, st))
		report_print("  was also %s\n", store_text(st, 0));
}

static void
print_conflicts(
    struct store *s, struct rules *r, const struct person *p, const char *db)
{
	struct buf line = { 0 };

	for (size_t i = 0; i < p->n; i++) {
		struct conflict *list;
		size_t n = conflict_load(s, r, p->of[i].pk, &list);

		for (size_t k = 0; k < n; k++) {
			buf_str(&line, list[k].held ? "  held: " : "  open: ");
			conflict_text(&list[k], &line);
			report_text(&line);
			buf_str(&line, "        ");
			conflict_way_out(&list[k], db, &line);
			if (line.len > 8)
				report_text(&line);
			buf_clear(&line);
		}
		conflict_free(list, n);
	}
	buf_free(&line);
}

static void
add_value(struct buf *b, yyjson_val *v)
{
	if (v == NULL)
		buf_str(b, "(none)");
	else if (yyjson_is_null(v))
		buf_str(b, "(empty)");
	else
		json_write(b, v);
}

/* "okta:contoso profile.title", where the source has it. */
static void
add_origin(struct buf *b, const struct rules *r, const struct person *p,
    size_t part, const char *attribute)
{
	const char *source = p->parts[part].source;
	struct rules_place place;
	char map[128];

	buf_str(b, source);
	snprintf(map, sizeof(map), "%.*s.%s", (int)strcspn(source, ":"), source,
	    p->type);
	if (rules_place(r, map, attribute, &place) != 0)
		return;
	if (place.path != NULL)
		buf_fmt(b, " %s", place.path);
	else
		buf_fmt(b, " (%s %s:%d)", place.lua ? "Lua" : "computed",
		    place.file, place.line);
}

static void
add_other(struct buf *b, const struct person *p, size_t part,
    const struct blend_said *said)
{
	static const char *const words[] = {
		[BLEND_WON] = "",
		[BLEND_JOINED] = "",
		[BLEND_LATER] = "",
		[BLEND_EMPTY] = "",
		[BLEND_OWNED] = " which does not count",
		[BLEND_OLDER] = " which is older",
		[BLEND_NOT_ASKED] = " which is not asked",
	};

	yyjson_val *value = said->parts[part].value;

	buf_fmt(b, "%s says ", p->parts[part].source);
	if (value == NULL)
		buf_str(b, "nothing");
	else if (said->winner >= 0 && (size_t)said->winner != part &&
		 yyjson_equals(value, said->parts[said->winner].value))
		buf_str(b, "the same");
	else
		add_value(b, value);
	/* A function is asked with what all of them say. */
	if (said->winner != BLEND_LUA || said->flow->n > 0)
		buf_str(b, words[said->parts[part].why]);
}

/* Who gave the value; of one that several made, what the first had to say. */
static void
add_winner(struct buf *b, const struct rules *r, const struct person *p,
    yyjson_val *value, const struct blend_said *said)
{
	const size_t part = said->winner >= 0 ? (size_t)said->winner : 0;

	switch (said->winner) {
	case BLEND_NOBODY:
		break;
	case BLEND_DEFAULT:
		buf_str(b, "by default, no source has one");
		break;
	case BLEND_LUA:
		buf_str(b, "by a function");
		break;
	case BLEND_KEPT:
		buf_str(b, "as it was: its function failed");
		break;
	default:
		add_origin(b, r, p, part, said->flow->attr);
		if (said->flow->how == POLICY_OWN &&
		    policy_names_source(p->policy->names[said->flow->names[0]],
			p->parts[part].source))
			buf_str(b, ", which owns it");
		if (said->parts[part].why == BLEND_JOINED &&
		    !yyjson_equals(value, said->parts[part].value)) {
			buf_str(b, " says ");
			add_value(b, said->parts[part].value);
		}
	}
}

static void
add_story(struct buf *b, const struct rules *r, const struct person *p,
    yyjson_val *value, const struct blend_said *said)
{
	bool disabled = person_disabled(p, said->flow->attr);
	size_t start = b->len;

	if (disabled)
		buf_str(b, "for they leave");
	else
		add_winner(b, r, p, value, said);
	for (size_t i = 0; i < p->nparts; i++) {
		if ((!disabled && (int)i == said->winner) ||
		    (said->parts[i].value == NULL &&
			said->parts[i].why != BLEND_OWNED &&
			said->parts[i].why != BLEND_WON))
			continue;
		if (b->len > start)
			buf_str(b, "; ");
		add_other(b, p, i, said);
	}
}

static void
print_value(const struct rules *r, const struct person *p, const char *name,
    yyjson_val *value, const struct blend_said *said)
{
	struct buf text = { 0 }, story = { 0 };
	struct rules_place place;

	add_value(&text, value);
	if (said != NULL)
		add_story(&story, r, p, value, said);
	else if (p->nparts > 0)
		add_origin(&story, r, p, 0, name);
	else
		buf_str(&story, "as it was when they left");
	report_print("  %-17s %-*s %s", name, utf8_width(text.data, 28),
	    text.data, story.data != NULL ? story.data : "");
	if (said != NULL && p->nparts > 1)
		report_print("  (%s:%d)", said->flow->file, said->flow->line);
	else if (said == NULL && p->nparts > 0 &&
		 rules_place(r, p->type, name, &place) == 0)
		report_print("  (%s:%d)", place.file, place.line);
	report_print("\n");
	buf_free(&text);
	buf_free(&story);
}

/* All values, or that of one attribute. */
static void
print_values(const struct rules *r, const struct person *p, const char *only)
{
	yyjson_val *root = yyjson_doc_get_root(p->body), *key, *value;
	size_t i, n;

	if (p->said != NULL) {
		for (i = 0; i < p->policy->nflows; i++) {
			const char *name = p->policy->flows[i].attr;

			value = json_get(root, name);
			if (only != NULL ? strcmp(only, name) != 0
					 : value == NULL)
				continue;
			print_value(r, p, name, value, &p->said[i]);
		}
		return;
	}
	if (root == NULL && p->nparts > 0)
		root = p->parts[0].attrs;
	yyjson_obj_foreach(root, i, n, key, value)
	{
		const char *name = yyjson_get_str(key);

		if (only != NULL && strcmp(only, name) != 0)
			continue;
		print_value(r, p, name, value, NULL);
	}
}

/* Says which one may be meant when the person has no such attribute. */
static bool
has_attribute(const struct person *p, const char *name)
{
	yyjson_val *root = yyjson_doc_get_root(p->body), *key, *value;
	const char **names, *near;
	size_t i, all, n = 0;
	bool found = false;

	if (root == NULL && p->nparts > 0)
		root = p->parts[0].attrs;
	names = xcalloc(yyjson_obj_size(root) +
			    (p->said != NULL ? p->policy->nflows : 0) + 1,
	    sizeof(*names));
	for (i = 0; p->said != NULL && i < p->policy->nflows; i++)
		names[n++] = p->policy->flows[i].attr;
	yyjson_obj_foreach(root, i, all, key, value) names[n++] =
	    yyjson_get_str(key);
	for (i = 0; i < n; i++)
		found |= strcmp(names[i], name) == 0;
	near = found ? NULL : why_nearest(name, names, n);
	if (!found)
		log_error("%s has no attribute %s%s%s%s", p->type, name,
		    near != NULL ? "; did you mean " : "",
		    near != NULL ? near : "", near != NULL ? "?" : "");
	free(names);
	return found;
}

struct explaining {
	const char *db, *name, *attribute;
	int json;
};

static int
explain_one(struct store *s, struct rules *r, const struct found *f,
    const struct explaining *e)
{
	struct person p;
	int code = EXIT_DONE;

	if (person_load(s, r, f, &p) != 0) {
		person_free(&p);
		return EXIT_DONE;
	}
	if (e->attribute != NULL && !has_attribute(&p, e->attribute)) {
		code = EXIT_USAGE;
	} else if (e->json) {
		explain_json(s, r, &p, e->attribute);
	} else {
		print_head(&p);
		print_stopped(s, &p);
		print_held_runs(s, &p);
		print_contributors(&p);
		print_aliases(s, &p);
		explain_decided(s, &p);
		print_conflicts(s, r, &p, e->db);
		print_values(r, &p, e->attribute);
		if (e->attribute == NULL && p.mesh != 0 && !person_gone(&p))
			explain_groups(s, p.mesh);
	}
	person_free(&p);
	return code;
}

static int
explain(struct store *s, struct rules *r, const struct explaining *e)
{
	struct found found[FIND_MAX];
	size_t n = find(s, e->name, found);
	int code = EXIT_DONE, one;

	if (n == 0 && !s->failed) {
		log_error("%s has nobody called %s: give a login, an e-mail, "
			  "an id, or source/id such as okta:contoso/00u1",
		    e->db, e->name);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && !e->json)
			report_print("\n");
		one = explain_one(s, r, &found[i], e);
		if (one != EXIT_DONE)
			code = one;
	}
	fflush(stdout);
	if (n == FIND_MAX)
		log_info("%d are shown, and there may be more: give source/id "
			 "such as okta:contoso/00u1",
		    FIND_MAX);
	return code;
}

int
explain_main(int argc, char **argv)
{
	struct explaining e = { 0 };
	const char *dir = NULL;
	const struct opt options[] = {
		{ "db", 0, OPT_TEXT, &e.db, "FILE", "join's database", 0, 0 },
		{ "rules", 0, OPT_TEXT, &dir, "DIR",
		    "folder of the rules ($IDMESH_RULES)", 0, 0 },
		{ "json", 0, OPT_FLAG, &e.json, NULL,
		    "one JSON object a person", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh join explain",
		.synopsis = "idmesh join explain --db FILE [--rules DIR] "
			    "[--json] NAME [ATTRIBUTE]",
		.about = "Why a person looks as they do: who contributes, "
			 "joined by which key,\nand each value with those that "
			 "lost.",
		.options = options,
		.see = "Manual: idmesh-join(1)",
		.args_min = 1,
		.args_max = 2,
	};
	struct join j = { 0 };
	int rc, closed;

	opt_parse(&use, &argc, argv);
	if (e.db == NULL)
		opt_wrong(&use, "--db is missing");
	e.name = argv[1];
	e.attribute = argc > 2 ? argv[2] : NULL;
	j.rules_dir = rules_of(e.db, dir);
	if (join_load_rules(&j) != 0)
		return EXIT_USAGE;
	rc = store_open(&j.store, e.db, STORE_READ);
	if (rc == EXIT_DONE) {
		rc = explain(j.store, j.rules, &e);
		closed = report_close(j.store);
		if (rc == EXIT_DONE)
			rc = closed;
	}
	rules_free(j.rules);
	return rc;
}
