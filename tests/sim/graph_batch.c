/*
 * graph_batch.c - POST /v1.0/$batch: up to twenty requests in one.
 *
 * Each inner request is a call of its own, through the same routes, token
 * and units, so it can be throttled alone; the outer answer is 200 all the
 * same.  Answers come in reverse, for clients may not rely on an order;
 * dependsOn is obeyed.
 */

#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "mem.h"

#define BATCH_MAX 20

/* One that has been answered. */
struct done {
	yyjson_val *id;
	unsigned status;
	struct buf text; /* owned */
};

static int
hex(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch = (char)(ch | 0x20);
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static char *
unescape(const char *s, size_t len)
{
	struct buf b = { 0 };

	buf_reserve(&b, len);
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '%' && i + 2 < len && hex(s[i + 1]) >= 0 &&
		    hex(s[i + 2]) >= 0) {
			buf_char(
			    &b, (char)(hex(s[i + 1]) * 16 + hex(s[i + 2])));
			i += 2;
		} else {
			buf_char(&b, s[i] == '+' ? ' ' : s[i]);
		}
	}
	return b.len > 0 ? buf_take(&b) : (buf_free(&b), xstrdup(""));
}

static void
params_add(struct params *p, char *name, char *value)
{
	if (p->n == sizeof(p->v) / sizeof(p->v[0])) {
		free(name);
		free(value);
		return;
	}
	p->v[p->n].name = name;
	p->v[p->n++].value = value;
}

static void
params_free(struct params *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].name);
		free(p->v[i].value);
	}
}

static void
read_query(struct params *p, const char *s)
{
	while (*s != '\0') {
		size_t len = strcspn(s, "&"), name = strcspn(s, "=&");

		if (name < len)
			params_add(p, unescape(s, name),
			    unescape(s + name + 1, len - name - 1));
		s += len + (s[len] == '&');
	}
}

static void
put_header(void *ctx, const char *name, const char *value)
{
	struct buf *b = ctx;

	buf_char(b, ',');
	buf_json_str(b, name);
	buf_char(b, ':');
	buf_json_str(b, value);
}

static void
put_answer(struct call *c, yyjson_val *id, struct buf *out)
{
	buf_str(out, "{\"id\":");
	buf_json_str(out, yyjson_get_str(id));
	buf_fmt(out,
	    ",\"status\":%u,\"headers\":{\"Content-Type\":", c->answer.status);
	buf_json_str(out, c->answer.type);
	if (c->answer.retry_after_s > 0)
		buf_fmt(out, ",\"Retry-After\":\"%d\"",
		    (int)c->answer.retry_after_s);
	graph_headers(c, put_header, out);
	buf_str(out, "},\"body\":");
	buf_add(out, c->answer.body.data, c->answer.body.len);
	buf_char(out, '}');
}

static void
count(struct call *c)
{
	c->tally->calls++;
	if (c->answer.status == 429)
		c->tally->limited++;
	else if (c->answer.status < 300)
		c->tally->ok++;
	else
		c->tally->other++;
}

/* Has one of those it depends on failed, or not been there? */
static bool
may_run(yyjson_val *request, const struct done *done, size_t n_done)
{
	yyjson_val *id;
	size_t i, n;

	yyjson_arr_foreach(yyjson_obj_get(request, "dependsOn"), i, n, id)
	{
		size_t k = 0;

		while (k < n_done && !yyjson_equals(done[k].id, id))
			k++;
		if (k == n_done || done[k].status >= 400)
			return false;
	}
	return true;
}

static bool
run_one(
    struct call *outer, yyjson_val *request, struct done *done, size_t n_done)
{
	const char *url = yyjson_get_str(yyjson_obj_get(request, "url"));
	const char *method = yyjson_get_str(yyjson_obj_get(request, "method"));
	yyjson_val *id = yyjson_obj_get(request, "id"), *name, *value;
	struct params query = { 0 }, headers = { 0 };
	struct call c = { .sim = outer->sim,
		.conn = outer->conn,
		.query = &query,
		.headers = &headers,
		.outer = outer };
	size_t len, i, n;

	if (url == NULL || method == NULL || !yyjson_is_str(id))
		return false;
	len = strcspn(url, "?");
	if (url[len] == '?')
		read_query(&query, url + len + 1);
	yyjson_obj_foreach(yyjson_obj_get(request, "headers"), i, n, name,
	    value) if (yyjson_is_str(value)) params_add(&headers,
	    xstrdup(yyjson_get_str(name)), xstrdup(yyjson_get_str(value)));
	c.method = xstrdup(method);
	c.path =
	    xasprintf("/v1.0%s%.*s", url[0] == '/' ? "" : "/", (int)len, url);
	route_find(&c);
	if (!may_run(request, done, n_done))
		graph_error(&c, 424, "FailedDependency",
		    "A request this one depends on has failed.");
	else if (c.route != NULL && c.route->run == graph_batch)
		graph_error(&c, 400, "BadRequest", "A batch in a batch.");
	else if (graph_admit(&c))
		c.route->run(&c);
	graph_fault(&c, c.fault.kind, c.fault.retry_after_s);
	count(&c);
	done[n_done].id = id;
	done[n_done].status = c.answer.status;
	put_answer(&c, id, &done[n_done].text);
	buf_free(&c.answer.body);
	free(c.answer.location);
	free(c.method);
	free(c.path);
	free(c.arg);
	params_free(&query);
	params_free(&headers);
	return true;
}

void
graph_batch(struct call *c)
{
	yyjson_doc *doc =
	    c->body.len > 0 ? yyjson_read(c->body.data, c->body.len, 0) : NULL;
	yyjson_val *requests =
	    yyjson_obj_get(yyjson_doc_get_root(doc), "requests");
	size_t n = yyjson_arr_size(requests);
	struct done done[BATCH_MAX] = { 0 };
	bool good = n > 0 && n <= BATCH_MAX;

	for (size_t i = 0; good && i < n; i++)
		good = run_one(c, yyjson_arr_get(requests, i), done, i);
	if (good) {
		graph_ok(c);
		c->answer.type = "application/json";
		buf_str(&c->answer.body, "{\"responses\":[");
		for (size_t i = n; i-- > 0;) {
			buf_add(&c->answer.body, done[i].text.data,
			    done[i].text.len);
			buf_char(&c->answer.body, i > 0 ? ',' : ']');
		}
		buf_char(&c->answer.body, '}');
	} else {
		graph_error(c, 400, "BadRequest",
		    "Invalid batch payload format: 1 to %d requests with id, "
		    "method and url.",
		    BATCH_MAX);
	}
	for (size_t i = 0; i < BATCH_MAX; i++)
		buf_free(&done[i].text);
	yyjson_doc_free(doc);
}
