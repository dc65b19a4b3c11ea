/*
 * graph_list.c - Graph's plain listings and single objects.
 *
 * Here a property that was never set is null, or [] for a collection; in
 * delta it is absent.  A nextLink repeats the request's own parameters and
 * names the last object given, so it outlives every change.
 */

#include "graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define TOP_MAX 999
#define TOP_DEFAULT 100

void
graph_ok(struct call *c)
{
	c->answer.status = 200;
	c->answer.type = "application/json;odata.metadata=minimal;"
			 "odata.streaming=true;IEEE754Compatible=false;"
			 "charset=utf-8";
}

void
graph_context(struct call *c, const char *what)
{
	struct buf *b = &c->answer.body;

	buf_str(b, "\"@odata.context\":\"");
	answer_base(c, b);
	buf_fmt(b, "/v1.0/$metadata#%s\",", what);
}

/* The members of an object, without its braces. */
static void
put_members(
    const struct tenant *t, uint32_t ref, uint64_t select, struct buf *b)
{
	const struct object *o = tenant_object(t, ref);
	const struct kind *k = &tenant_kinds[REF_DIR(ref)];
	bool some = false;

	for (size_t i = 0; i < k->n_props; i++) {
		const char *s;
		size_t len;

		if (!(select >> i & 1))
			continue;
		buf_fmt(b, "%s\"%s\":", some ? "," : "", k->props[i].name);
		some = true;
		if (i == 0) {
			buf_json_str(b, o->id);
			continue;
		}
		s = object_value(o, i, &len);
		if (len > 0)
			buf_add(b, s, len);
		else
			buf_str(
			    b, k->props[i].flags & PROP_LIST ? "[]" : "null");
	}
}

void
graph_put(const struct tenant *t, uint32_t ref, uint64_t select, bool type,
    struct buf *b)
{
	buf_char(b, '{');
	if (type)
		buf_fmt(b, "\"@odata.type\":\"#microsoft.graph.%s\"%s",
		    tenant_kinds[REF_DIR(ref)].type, select != 0 ? "," : "");
	put_members(t, ref, select, b);
	buf_char(b, '}');
}

static void
put_escaped(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char ch = (unsigned char)*s;

		if ((ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') ||
		    (ch >= 'a' && ch <= 'z') || strchr("-_.,$", ch) != NULL)
			buf_char(b, (char)ch);
		else
			buf_fmt(b, "%%%02X", ch);
	}
}

void
list_next(struct call *c, uint32_t last)
{
	static const char *const kept[] = { "$select", "$top", "$filter",
		"$count" };
	struct buf *b = &c->answer.body;
	char place[16];

	buf_str(b, "\"@odata.nextLink\":\"");
	answer_base(c, b);
	buf_fmt(b, "%s?", c->path);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		const char *value = call_query(c, kept[i]);

		if (value == NULL)
			continue;
		buf_fmt(b, "%s=", kept[i]);
		put_escaped(b, value);
		buf_char(b, '&');
	}
	snprintf(place, sizeof(place), "%08x", last ^ 0x5a5a5a5au);
	buf_str(b, "$skiptoken=");
	base64url(place, 8, b);
	buf_str(b, "\",");
}

/* The ref behind which the page begins; false: refused. */
bool
list_skip(struct call *c, uint32_t *after, bool *some)
{
	const char *token = call_query(c, "$skiptoken");
	struct buf b = { 0 };
	unsigned x = 0;
	bool good;

	*some = token != NULL;
	if (token == NULL)
		return true;
	good = base64url_read(token, strlen(token), &b) == 0 && b.len == 8 &&
	       sscanf(b.data, "%8x", &x) == 1;
	buf_free(&b);
	*after = x ^ 0x5a5a5a5au;
	if (!good)
		graph_error(c, 400, "Directory_ExpiredPageToken",
		    "The specified page token value has expired and can no "
		    "longer be included in your request.");
	return good;
}

/* What a listing may say; false: refused. */
bool
list_wish(struct call *c, struct wish *w, size_t *top)
{
	static const char *const refused[] = { "$expand", "$orderby", "$search",
		"$skip" };
	const char *text = call_query(c, "$top");
	char *end;
	long n;

	*top = TOP_DEFAULT;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (call_query(c, refused[i]) == NULL)
			continue;
		graph_error(c, 400, "Request_UnsupportedQuery",
		    "%s is not played by orgsim.", refused[i]);
		return false;
	}
	if (text != NULL) {
		n = strtol(text, &end, 10);
		if (*end != '\0' || n < 1 || n > TOP_MAX) {
			graph_error(c, 400, "Request_UnsupportedQuery",
			    "Invalid page size specified: '%s'. Must be "
			    "between 1 and 999 inclusive.",
			    text);
			return false;
		}
		*top = (size_t)n;
	}
	if (c->sim->opt.page_max > 0 && *top > c->sim->opt.page_max)
		*top = c->sim->opt.page_max;
	return wish_select(c, w, call_query(c, "$select"));
}

/* The filter, NULL when there is none; false: refused. */
static bool
read_filter(struct call *c, int dir, struct filter **filter)
{
	const char *text = call_query(c, "$filter");

	*filter = NULL;
	if (text == NULL)
		return true;
	*filter = filter_parse(dir, text);
	if (*filter != NULL)
		return true;
	graph_error(c, 400, "Request_UnsupportedQuery",
	    "Unsupported or invalid query filter clause specified: orgsim "
	    "plays property eq literal, joined by and or by or.");
	return false;
}

static void
put_count(struct call *c, int dir, const struct filter *filter)
{
	const struct directory *d = &c->sim->tenant.dirs[dir];
	const char *count = call_query(c, "$count");
	const char *level = call_header(c, "ConsistencyLevel");
	size_t n = 0;

	if (count == NULL || strcmp(count, "true") != 0 || level == NULL ||
	    strcasecmp(level, "eventual") != 0)
		return;
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].state == OBJECT_LIVE &&
		    (filter == NULL || filter_hits(filter, &d->v[i])))
			n++;
	buf_fmt(&c->answer.body, "\"@odata.count\":%zu,", n);
}

static void
list(struct call *c, int dir)
{
	const struct tenant *t = &c->sim->tenant;
	struct wish w = { .dir = dir };
	struct buf rows = { 0 }, *b = &c->answer.body;
	struct filter *filter;
	size_t top, n = 0, i;
	uint32_t after = 0, last = 0;
	bool skip, more = false;

	if (!list_wish(c, &w, &top) || !list_skip(c, &after, &skip) ||
	    !read_filter(c, dir, &filter))
		return;
	for (i = skip ? REF_INDEX(after) + 1 : 0; i < t->dirs[dir].n; i++) {
		const struct object *o = &t->dirs[dir].v[i];

		if (o->state != OBJECT_LIVE ||
		    (filter != NULL && !filter_hits(filter, o)))
			continue;
		more = n == top;
		if (more)
			break;
		if (n++ > 0)
			buf_char(&rows, ',');
		last = REF(dir, i);
		graph_put(t, last, w.select, false, &rows);
	}
	graph_ok(c);
	buf_char(b, '{');
	graph_context(c, tenant_kinds[dir].plural);
	put_count(c, dir, filter);
	if (more)
		list_next(c, last);
	buf_str(b, "\"value\":[");
	buf_add(b, rows.data != NULL ? rows.data : "", rows.len);
	buf_str(b, "]}");
	buf_free(&rows);
	filter_free(filter);
}

/* The object of c->arg, by id or for users by name; NO_REF: answered. */
uint32_t
list_find(struct call *c, int dir)
{
	const struct tenant *t = &c->sim->tenant;
	uint32_t ref = tenant_find(t, dir, c->arg);

	if (ref == NO_REF && dir == DIR_USERS && strchr(c->arg, '@') != NULL)
		ref = tenant_match(t, dir,
		    (size_t)kind_prop(dir, "userPrincipalName", 17), c->arg,
		    strlen(c->arg));
	if (ref != NO_REF && tenant_object(t, ref)->state == OBJECT_LIVE)
		return ref;
	graph_not_found(c);
	return NO_REF;
}

static void
answer_one(struct call *c, uint32_t ref, bool type)
{
	struct wish w = { .dir = REF_DIR(ref) };
	struct buf *b = &c->answer.body;
	char context[64];

	if (!wish_select(c, &w, call_query(c, "$select")))
		return;
	graph_ok(c);
	buf_char(b, '{');
	snprintf(
	    context, sizeof(context), "%s/$entity", tenant_kinds[w.dir].plural);
	graph_context(c, context);
	if (type)
		buf_fmt(b, "\"@odata.type\":\"#microsoft.graph.%s\",",
		    tenant_kinds[w.dir].type);
	put_members(&c->sim->tenant, ref, w.select, b);
	buf_char(b, '}');
}

static void
one(struct call *c, int dir)
{
	uint32_t ref = list_find(c, dir);

	if (ref != NO_REF)
		answer_one(c, ref, false);
}

void
graph_users(struct call *c)
{
	list(c, DIR_USERS);
}

void
graph_groups(struct call *c)
{
	list(c, DIR_GROUPS);
}

void
graph_user(struct call *c)
{
	one(c, DIR_USERS);
}

void
graph_group(struct call *c)
{
	one(c, DIR_GROUPS);
}

void
graph_manager(struct call *c)
{
	uint32_t ref = list_find(c, DIR_USERS);

	if (ref == NO_REF)
		return;
	ref = object_manager(tenant_object(&c->sim->tenant, ref));
	if (ref != NO_REF)
		answer_one(c, ref, true);
	else
		graph_not_found(c);
}

void
graph_organization(struct call *c)
{
	graph_ok(c);
	buf_char(&c->answer.body, '{');
	graph_context(c, "organization");
	buf_str(&c->answer.body,
	    "\"value\":[{\"id\":\"" TENANT_ID
	    "\",\"displayName\":\"Orgsim Inc.\",\"verifiedDomains\":["
	    "{\"name\":\"" TENANT_NAME "\",\"isInitial\":true,"
	    "\"isDefault\":false},{\"name\":\"orgsim.example\","
	    "\"isInitial\":false,\"isDefault\":true}]}]}");
}
