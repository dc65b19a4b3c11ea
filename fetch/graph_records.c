/*
 * graph_records.c - objects and edges of a delta answer become records.
 *
 * graph_round.c brings the array of an answer here, stream.c takes the pages.
 * Graph leaves out what an object never had: it is written as null, so that a
 * record says all there is, whatever round it came in.  Relationships come as
 * annotations: a manager becomes a member of the user's record, members
 * become records of their own.  Source: entra 1.2, rules 5 to 8.
 */

#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "json.h"
#include "log.h"
#include "stream.h"

#define REMOVED "@removed"
#define MANAGER "manager"
#define MANAGER_DELTA "manager@delta"
#define MEMBERS_DELTA "members@delta"
#define KIND "@odata.type"

/* An object on its way to being a record. */
struct object {
	yyjson_val *from;
	struct buf *to;
	bool alone; /* no manager is told: it has none */
};

static void
put_name(struct buf *b, const char *name, size_t len)
{
	if (b->data[b->len - 1] != '{')
		buf_char(b, ',');
	buf_json(b, name, len);
	buf_char(b, ':');
}

/* {"id": ...} of the one who came last, null when that one left. */
static void
put_manager(struct buf *b, yyjson_val *delta)
{
	yyjson_val *edge, *now = NULL;
	size_t i, n;

	yyjson_arr_foreach(delta, i, n, edge)
	{
		if (json_get(edge, REMOVED) == NULL)
			now = edge;
	}
	put_name(b, MANAGER, strlen(MANAGER));
	if (json_text(now, "id") == NULL) {
		buf_str(b, "null");
		return;
	}
	buf_str(b, "{\"id\":");
	buf_json_str(b, json_text(now, "id"));
	buf_char(b, '}');
}

/* What was asked for and did not come. */
static void
put_missing(void *arg, const char *name, size_t len)
{
	struct object *o = arg;

	if (yyjson_obj_getn(o->from, name, len) != NULL)
		return;
	if (len == strlen(MANAGER) && memcmp(name, MANAGER, len) == 0 &&
	    !o->alone)
		return;
	put_name(o->to, name, len);
	buf_str(o->to, "null");
}

/*
 * Only a relationship that changed is told.  Nothing told is null where the
 * round begins with everything and the object comes for the first time.
 */
static bool
is_alone(yyjson_val *v, struct graph_seen *seen)
{
	const char *id = json_text(v, "id");

	if (seen == NULL || id == NULL)
		return false;
	return graph_seen_first(seen, id) && json_get(v, MANAGER_DELTA) == NULL;
}

static void
put_object(struct buf *b, yyjson_val *v, const struct graph_select *select,
    struct graph_seen *seen)
{
	struct object o = { v, b, is_alone(v, seen) };
	yyjson_val *key, *member;
	size_t i, n;

	buf_char(b, '{');
	yyjson_obj_foreach(v, i, n, key, member)
	{
		if (yyjson_equals_str(key, MANAGER_DELTA)) {
			put_manager(b, member);
			continue;
		}
		put_name(b, yyjson_get_str(key), yyjson_get_len(key));
		json_write(b, member);
	}
	if (json_get(v, REMOVED) == NULL)
		graph_select_each(select, put_missing, &o);
	buf_char(b, '}');
}

/* Hands on what is an array of records as text. */
static void
put_page(struct stream *s, struct buf *text, struct page *p)
{
	yyjson_doc *doc = yyjson_read_opts(
	    text->data, text->len, YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);

	if (doc == NULL)
		die(EXIT_TEMPORARY, "out of memory");
	p->records = yyjson_doc_get_root(doc);
	p->text = text->data;
	p->len = text->len;
	p->removed = GRAPH_REMOVED;
	stream_page(s, p);
	yyjson_doc_free(doc);
}

void
graph_objects(struct stream *s, const struct graph_select *select,
    struct graph_seen *seen, const struct graph_answer *a,
    struct graph_counts *counts)
{
	bool managers = graph_select_has(select, MANAGER);
	struct page p = { .request = a->request,
		.state = a->state,
		.keep = managers ? "[\"" MANAGER "\"]" : NULL };
	struct buf text = { 0 };
	yyjson_val *v;
	size_t i, n;

	buf_char(&text, '[');
	yyjson_arr_foreach(a->value, i, n, v)
	{
		if (i > 0)
			buf_char(&text, ',');
		if (yyjson_is_obj(v))
			put_object(&text, v, select, managers ? seen : NULL);
		else
			json_write(&text, v);
	}
	buf_char(&text, ']');
	counts->records += (int64_t)yyjson_arr_size(a->value);
	put_page(s, &text, &p);
	buf_free(&text);
}

/* "User" of "#microsoft.graph.user"; NULL for what is left out. */
static const char *
kind_of(yyjson_val *edge)
{
	const char *type = json_text(edge, KIND);

	if (type != NULL && strcmp(type, "#microsoft.graph.user") == 0)
		return "User";
	if (type != NULL && strcmp(type, "#microsoft.graph.group") == 0)
		return "Group";
	return NULL;
}

static void
put_edge(struct buf *b, yyjson_val *edge, struct graph_counts *counts)
{
	yyjson_val *removed = json_get(edge, REMOVED);
	const char *kind = kind_of(edge);

	if (removed == NULL && kind == NULL) {
		counts->others++;
		return;
	}
	if (b->len > 1)
		buf_char(b, ',');
	buf_str(b, "{\"id\":");
	buf_json_str(b, json_text(edge, "id"));
	if (removed != NULL) {
		buf_str(b, ",\"" REMOVED "\":");
		json_write(b, removed);
	} else {
		buf_str(b, ",\"memberType\":");
		buf_json_str(b, kind);
	}
	buf_char(b, '}');
	counts->records++;
}

/*
 * What came to a group and left it.  A group that is gone has no members: an
 * empty list that is whole.
 */
static void
put_group(struct stream *s, yyjson_val *group, const char *request,
    struct graph_counts *counts)
{
	bool gone = json_get(group, REMOVED) != NULL;
	yyjson_val *edges = json_get(group, MEMBERS_DELTA), *edge;
	struct buf text = { 0 }, context = { 0 };
	struct page p = { .request = request, .partial = !gone, .last = gone };
	int64_t before = counts->records;
	size_t i, n;

	buf_char(&text, '[');
	if (!gone)
		yyjson_arr_foreach(edges, i, n, edge)
		    put_edge(&text, edge, counts);
	buf_char(&text, ']');
	if (gone || counts->records > before) {
		buf_str(&context, "{\"" MSG_GROUP_ID "\":");
		buf_json_str(&context, json_text(group, "id"));
		buf_char(&context, '}');
		p.context = context.data;
		put_page(s, &text, &p);
	}
	buf_free(&text);
	buf_free(&context);
}

void
graph_edges(
    struct stream *s, const struct graph_answer *a, struct graph_counts *counts)
{
	struct page p = { .request = a->request, .state = a->state };
	struct buf none = { 0 };
	yyjson_val *group;
	size_t i, n;

	yyjson_arr_foreach(a->value, i, n, group)
	{
		if (json_text(group, "id") != NULL)
			put_group(s, group, a->request, counts);
	}
	/* Behind all of them, for the state is that of the whole answer. */
	buf_str(&none, "[]");
	put_page(s, &none, &p);
	buf_free(&none);
}

void
graph_count(yyjson_val *value, struct graph_counts *counts)
{
	yyjson_val *group, *edge;
	size_t i, n, k, m;

	yyjson_arr_foreach(value, i, n, group)
	{
		if (json_get(group, REMOVED) != NULL ||
		    json_text(group, "id") == NULL)
			continue;
		yyjson_arr_foreach(json_get(group, MEMBERS_DELTA), k, m, edge)
		{
			if (json_get(edge, REMOVED) == NULL &&
			    kind_of(edge) == NULL)
				counts->others++;
			else
				counts->records++;
		}
	}
}
