/*
 * try.c - `transform try`: one raw record through the rules.
 *
 * Beside the flow: shows what becomes of a record, where each value comes from
 * and which ones a Lua function made, before anything is fetched or written.
 */

#include "transform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "printed.h"
#include "rules_tests.h"
#include "utf8.h"

#define OBJECT_MAX (8 << 20)

struct trial {
	const char *map; /* "okta.User" */
	yyjson_val *record, *context;
	enum rules_result result;
	struct why why;
	yyjson_val *mapped; /* what rules_record() wrote, or NULL */
};

/* One JSON value from a file or stdin. */
static yyjson_doc *
read_object(const char *path)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	struct buf text = { 0 };
	yyjson_read_err err;
	yyjson_doc *doc = NULL;
	size_t got = 1;

	if (in == NULL) {
		log_error("%s: %s", path, strerror(errno));
		return NULL;
	}
	while (got > 0 && text.len <= OBJECT_MAX) {
		buf_reserve(&text, 65536);
		got = fread(text.data + text.len, 1, 65536, in);
		text.len += got;
	}
	if (ferror(in)) {
		log_error("cannot read %s: %s", path, strerror(errno));
	} else {
		doc = yyjson_read_opts(
		    text.data, text.len, YYJSON_READ_NUMBER_AS_RAW, NULL, &err);
		if (doc == NULL)
			log_error("%s: no JSON: %s at byte %zu", path, err.msg,
			    err.pos);
	}
	if (in != stdin)
		fclose(in);
	buf_free(&text);
	return doc;
}

static const char *
made_by(const struct rules_place *place)
{
	if (place->lua)
		return "Lua";
	return place->path != NULL ? place->path : "computed";
}

static void
text_line(const struct mapper *m, const struct trial *t, const char *name,
    yyjson_val *value)
{
	struct rules_place place = { 0 };
	struct buf text = { 0 };

	json_write(&text, value);
	printf("  %-18s %-*s", name, utf8_width(text.data, 30), text.data);
	if (rules_place(m->rules, t->map, name, &place) == 0)
		printf(
		    "  %-22s %s:%d", made_by(&place), place.file, place.line);
	putchar('\n');
	buf_free(&text);
}

/* What was rejected has only the id that its source gave it. */
static const char *
id_of(const struct trial *t)
{
	const char *id = json_text(t->mapped, MSG_ID);

	return id != NULL ? id : json_text(t->record, "id");
}

static void
write_text(const struct mapper *m, const struct trial *t)
{
	const char *id = id_of(t);
	const char *reason = json_text(t->mapped, MSG_REASON);
	yyjson_val *key, *value;
	size_t i, n;

	printf("%s %s: %s", t->map, id != NULL ? id : "-",
	    rules_verdict(t->result));
	if (t->result == RULES_BAD)
		printf(t->why.at[0] != '\0' ? ": %s  %s" : ": %s", t->why.text,
		    t->why.at);
	printf(reason != NULL ? " (%s)\n" : "\n", reason);
	yyjson_obj_foreach(json_get(t->mapped, MSG_ATTRS), i, n, key, value)
	    text_line(m, t, yyjson_get_str(key), value);
	yyjson_obj_foreach(json_get(t->mapped, MSG_ERRORS), i, n, key, value)
	    printf("  %-18s failed: %s  %s\n", yyjson_get_str(key),
		json_text(value, MSG_MESSAGE), json_text(value, MSG_AT));
}

static void
json_attribute(const struct mapper *m, const struct trial *t, const char *name,
    yyjson_val *value, struct buf *out)
{
	struct rules_place place = { 0 };

	buf_json_str(out, name);
	buf_str(out, ":{\"value\":");
	json_write(out, value);
	if (rules_place(m->rules, t->map, name, &place) == 0) {
		buf_fmt(out, ",\"at\":\"%s:%d\",\"lua\":%s", place.file,
		    place.line, place.lua ? "true" : "false");
		buf_str(out, ",\"path\":");
		buf_json_str(out, place.path);
	}
	buf_char(out, '}');
}

static void
write_json(const struct mapper *m, const struct trial *t)
{
	struct buf out = { 0 };
	yyjson_val *key, *value;
	size_t i, n;

	buf_str(&out, "{\"map\":");
	buf_json_str(&out, t->map);
	buf_str(&out, ",\"id\":");
	buf_json_str(&out, id_of(t));
	buf_fmt(
	    &out, ",\"verdict\":\"%s\",\"reason\":", rules_verdict(t->result));
	buf_json_str(&out, t->result == RULES_BAD
			       ? t->why.text
			       : json_text(t->mapped, MSG_REASON));
	if (t->result == RULES_BAD) {
		buf_str(&out, ",\"code\":");
		buf_json_str(&out, t->why.code);
		buf_str(&out, ",\"at\":");
		buf_json_str(&out, t->why.at);
	}
	buf_str(&out, ",\"attributes\":{");
	yyjson_obj_foreach(json_get(t->mapped, MSG_ATTRS), i, n, key, value)
	{
		if (i > 0)
			buf_char(&out, ',');
		json_attribute(m, t, yyjson_get_str(key), value, &out);
	}
	buf_str(&out, "},\"errors\":");
	value = json_get(t->mapped, MSG_ERRORS);
	if (value != NULL)
		json_write(&out, value);
	else
		buf_str(&out, "{}");
	buf_str(&out, "}\n");
	fwrite(out.data, 1, out.len, stdout);
	buf_free(&out);
}

/* What a page of a run would have said and --context does not. */
static void
hint(const struct mapper *m, const struct trial *t)
{
	struct buf absent = { 0 };

	rules_try_absent(m->rules, t->map, &absent);
	if (absent.len > 0)
		log_warn("%s reads %s of its page, which is not given and "
			 "stays empty: --context '{\"NAME\":\"VALUE\"}'",
		    t->map, absent.data);
	buf_free(&absent);
}

static enum exit_code
try_record(struct mapper *m, struct trial *t, int json)
{
	struct buf text = { 0 };
	yyjson_doc *doc;

	t->result = rules_try(
	    m->rules, t->map, NULL, t->record, t->context, &text, &t->why);
	doc = yyjson_read(text.data, text.len, YYJSON_READ_NUMBER_AS_RAW);
	t->mapped = yyjson_doc_get_root(doc);
	if (json)
		write_json(m, t);
	else
		write_text(m, t);
	yyjson_doc_free(doc);
	buf_free(&text);
	hint(m, t);
	if (t->result != RULES_BAD)
		return printed_end(EXIT_DONE);
	return printed_end(
	    strcmp(t->why.code, "E_NO_MAP") == 0 ? EXIT_USAGE : EXIT_PARTLY);
}

static enum exit_code
try_file(const char *dir, const char *object, const char *context,
    struct trial *t, int json)
{
	yyjson_doc *record = read_object(object), *page = NULL;
	enum exit_code code = EXIT_USAGE;
	struct mapper m;

	if (context != NULL) {
		page = yyjson_read(context, strlen(context), 0);
		if (!yyjson_is_obj(yyjson_doc_get_root(page)))
			log_error("--context: no JSON object: %s", context);
	}
	t->record = yyjson_doc_get_root(record);
	t->context = yyjson_doc_get_root(page);
	if (record != NULL && (context == NULL || yyjson_is_obj(t->context)) &&
	    mapper_open(&m, rules_dir(dir)) == 0) {
		code = try_record(&m, t, json);
		mapper_close(&m);
	}
	yyjson_doc_free(record);
	yyjson_doc_free(page);
	return code;
}

int
try_main(int argc, char **argv)
{
	const char *dir = NULL, *object = NULL, *context = NULL;
	struct trial t = { .map = "okta.User" };
	int json = 0;
	const struct opt options[] = {
		{ "rules", 'r', OPT_TEXT, &dir, "DIR",
		    "folder of the rules ($IDMESH_RULES)", 0, 0 },
		{ "object", 0, OPT_TEXT, &object, "FILE",
		    "the raw record; - for stdin", 0, 0 },
		{ "map", 0, OPT_TEXT, &t.map, "MAP",
		    "which map takes it (okta.User)", 0, 0 },
		{ "context", 0, OPT_TEXT, &context, "JSON",
		    "what its page would say, {\"groupId\":...}", 0, 0 },
		{ "json", 0, OPT_FLAG, &json, NULL, "one line of JSON", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh transform try",
		.synopsis = "idmesh transform try [--rules DIR] [--map MAP]\n"
			    "    [--context JSON] [--json] --object FILE",
		.about = "One raw record through the rules: what becomes of "
			 "it, and by which line.",
		.options = options,
		.see = "Manual: idmesh-transform(1), rules(7)",
	};

	opt_parse(&use, &argc, argv);
	if (object == NULL)
		opt_wrong(&use, "--object FILE, or --object - for stdin");
	return try_file(dir, object, context, &t, json);
}
