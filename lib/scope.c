/*
 * scope.c - the rules' scope as fetch knows it.
 *
 * Reads what rules_describe() writes.  fetch asks before it lists the members
 * of a group; the answer "out" is certain, "in" means that transform decides.
 * Owns the parsed JSON; everything borrows from it.
 */

#include "scope.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mem.h"
#include "predicate.h"

#define TYPES_MAX 256
#define VALUES_MAX 4096 /* of one test */

struct scope {
	yyjson_doc *doc; /* owned */
	yyjson_val *types, *reads; /* borrowed */
};

static int
bad(struct why *why, const char *type, const char *text)
{
	return why_set(why, "E_SCOPE", type,
	    "the scope file is not what `transform describe` prints: %s", text);
}

/* [path, test, [values]] */
static int
check_item(yyjson_val *item, const char *type, struct why *why)
{
	const char *path = yyjson_get_str(yyjson_arr_get(item, 0));
	const char *test = yyjson_get_str(yyjson_arr_get(item, 1));
	yyjson_val *values = yyjson_arr_get(item, 2);

	if (yyjson_arr_size(item) != 3 || path == NULL || path[0] == '\0')
		return bad(why, type, "a test is [path, test, values]");
	if (test == NULL || test_of(test) < 0)
		return bad(why, type, "a test of an unknown name");
	if (yyjson_arr_size(values) == 0 ||
	    yyjson_arr_size(values) > VALUES_MAX)
		return bad(why, type, "a test without values");
	return 0;
}

/* [[item, ...], ...] */
static int
check_any(yyjson_val *any, const char *type, struct why *why)
{
	yyjson_val *all, *item;
	size_t i, n, j, m;

	if (any == NULL)
		return 0;
	if (yyjson_arr_size(any) == 0)
		return bad(why, type, "keep and drop are lists");
	yyjson_arr_foreach(any, i, n, all)
	{
		if (yyjson_arr_size(all) == 0)
			return bad(why, type, "an alternative without tests");
		yyjson_arr_foreach(all, j, m, item)
		{
			if (check_item(item, type, why) < 0)
				return -1;
		}
	}
	return 0;
}

/* {"paths": ["id"], "functions": true} */
static int
check_reads(yyjson_val *reads, const char *type, struct why *why)
{
	yyjson_val *paths = json_get(reads, "paths"), *path;
	size_t i, n;

	if (paths != NULL && !yyjson_is_arr(paths))
		return bad(why, type, "paths are a list");
	yyjson_arr_foreach(paths, i, n, path)
	{
		if (!yyjson_is_str(path))
			return bad(why, type, "a path is a string");
	}
	return 0;
}

static int
check_type(yyjson_val *key, yyjson_val *value, struct why *why)
{
	const char *type = yyjson_get_str(key);
	yyjson_val *search = yyjson_obj_get(value, "search");

	if (!yyjson_is_obj(value))
		return bad(why, type, "a type is an object");
	if (search != NULL && !yyjson_is_str(search))
		return bad(why, type, "search is a string");
	if (check_any(yyjson_obj_get(value, "keep"), type, why) < 0)
		return -1;
	return check_any(yyjson_obj_get(value, "drop"), type, why);
}

static int
check(struct scope *s, struct why *why)
{
	yyjson_val *root = yyjson_doc_get_root(s->doc), *key, *value;
	size_t i, n;

	if (json_int(json_get(root, "v"), 0) != 1)
		return bad(why, NULL, "\"v\" is not 1");
	if (!yyjson_is_str(yyjson_obj_get(root, "rules")))
		return bad(why, NULL, "\"rules\" is missing");
	s->reads = yyjson_obj_get(root, "reads");
	yyjson_obj_foreach(s->reads, i, n, key, value)
	{
		if (check_reads(value, yyjson_get_str(key), why) < 0)
			return -1;
	}
	s->types = yyjson_obj_get(root, "types");
	if (!yyjson_is_obj(s->types) || yyjson_obj_size(s->types) > TYPES_MAX)
		return bad(why, NULL, "\"types\" is no object");
	yyjson_obj_foreach(s->types, i, n, key, value)
	{
		if (check_type(key, value, why) < 0)
			return -1;
	}
	return 0;
}

struct scope *
scope_parse(const char *json, size_t len, struct why *why)
{
	struct scope *s = xcalloc(1, sizeof(*s));
	yyjson_read_err err = { 0 };
	char *copy = xstrndup(json, len);

	/* The text is copied by yyjson; only its type wants to be writable. */
	s->doc =
	    yyjson_read_opts(copy, len, YYJSON_READ_NUMBER_AS_RAW, NULL, &err);
	free(copy);
	if (s->doc == NULL) {
		why_set(why, "E_SCOPE", NULL,
		    "the scope file is no JSON: %s at byte %zu", err.msg,
		    err.pos);
		scope_free(s);
		return NULL;
	}
	if (check(s, why) < 0) {
		scope_free(s);
		return NULL;
	}
	return s;
}

void
scope_free(struct scope *s)
{
	if (s == NULL)
		return;
	yyjson_doc_free(s->doc);
	free(s);
}

const char *
scope_search(const struct scope *s, const char *type)
{
	return yyjson_get_str(
	    yyjson_obj_get(yyjson_obj_get(s->types, type), "search"));
}

int
scope_tests(const struct scope *s, const char *type)
{
	yyjson_val *t = yyjson_obj_get(s->types, type);

	return yyjson_obj_get(t, "keep") != NULL ||
	       yyjson_obj_get(t, "drop") != NULL;
}

yyjson_val *
scope_paths(const struct scope *s, const char *type)
{
	return json_get(json_get(s->reads, type), "paths");
}

int
scope_functions(const struct scope *s, const char *type)
{
	return json_true(json_get(s->reads, type), "functions");
}

/* The value at "profile.name". */
static yyjson_val *
at_path(yyjson_val *record, const char *path)
{
	yyjson_val *v = record;

	while (v != NULL) {
		size_t len = strcspn(path, ".");

		v = yyjson_obj_getn(v, path, len);
		if (path[len] == '\0')
			break;
		path += len + 1;
	}
	return v;
}

static int
match_item(yyjson_val *item, yyjson_val *record, struct arena *arena)
{
	yyjson_val *values = yyjson_arr_get(item, 2), *one;
	struct value v, *list;
	struct test test = { 0 };
	size_t i, n;

	v = value_of(
	    at_path(record, yyjson_get_str(yyjson_arr_get(item, 0))), arena);
	list = arena_take(arena, yyjson_arr_size(values) * sizeof(*list));
	test.op =
	    (enum test_op)test_of(yyjson_get_str(yyjson_arr_get(item, 1)));
	test.values = list;
	yyjson_arr_foreach(values, i, n, one)
	{
		list[test.n++] = value_of(one, arena);
	}
	/* A test that is none says nothing for certain. */
	if (test_fault(&test) != NULL)
		return -1;
	return test_match(&test, &v, arena);
}

/* 1 some alternative holds, 0 none does, -1 not certain. */
static int
match_any(yyjson_val *any, yyjson_val *record, struct arena *arena)
{
	yyjson_val *all, *item;
	size_t i, n, j, m;
	int result = 0;

	yyjson_arr_foreach(any, i, n, all)
	{
		int matched = 1;

		yyjson_arr_foreach(all, j, m, item)
		{
			if (matched == 1)
				matched = match_item(item, record, arena);
		}
		if (matched == 1)
			return 1;
		if (matched < 0)
			result = -1;
	}
	return result;
}

int
scope_match(const struct scope *s, const char *type, yyjson_val *record)
{
	yyjson_val *t = yyjson_obj_get(s->types, type);
	yyjson_val *keep = yyjson_obj_get(t, "keep");
	yyjson_val *drop = yyjson_obj_get(t, "drop");
	struct arena arena = { 0 };
	int in = 1;

	if (keep != NULL && match_any(keep, record, &arena) == 0)
		in = 0;
	else if (drop != NULL && match_any(drop, record, &arena) == 1)
		in = 0;
	arena_free(&arena);
	return in;
}
