/*
 * graph_delta.c - GET /v1.0/users/delta and /v1.0/groups/delta.
 *
 * A first round walks the directory in order of creation; a later one walks
 * the part of the directory's log between two versions, and meets an object
 * at the last of its entries there.  Everything between two pages is in the
 * token of the link.  Edges are cut into slices, so a large group comes on
 * many pages, each time with other members.
 */

#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define PAGE 200
#define REPLAYED 5 /* versions that --entra-quirks replay goes back */

/* One page on its way. */
struct page_of {
	struct call *c;
	struct wish *w;
	struct buf rows; /* owned */
	size_t n, links;
	uint32_t first; /* ref of the first object; NO_REF: none */
};

static struct directory *
dir_of(const struct page_of *p)
{
	return &p->c->sim->tenant.dirs[p->w->dir];
}

static void
next_row(struct page_of *p, const struct object *o)
{
	if (p->n++ > 0)
		buf_char(&p->rows, ',');
	buf_fmt(&p->rows, "{\"id\":\"%s\"", o->id);
	if (p->first == NO_REF)
		p->first = (uint32_t)(o - dir_of(p)->v);
}

static void
put_removed(struct page_of *p, const struct object *o)
{
	next_row(p, o);
	buf_fmt(&p->rows, ",\"@removed\":{\"reason\":\"%s\"}}",
	    o->state == OBJECT_SOFT ? "changed" : "deleted");
}

/* Those selected and ever set; with `minimal` only what is news. */
static void
put_props(struct page_of *p, const struct object *o, bool all)
{
	const struct kind *k = &tenant_kinds[p->w->dir];

	for (size_t i = 1; i < k->n_props; i++) {
		const char *s;
		size_t len;

		if (!(p->w->select >> i & 1) ||
		    (!all && object_touched(o, i) <= p->w->since))
			continue;
		s = object_value(o, i, &len);
		if (len == 0)
			continue;
		buf_fmt(&p->rows, ",\"%s\":", k->props[i].name);
		buf_add(&p->rows, s, len);
	}
}

/* A restored object comes with all it has, for it was taken away. */
static bool
edge_is_news(const struct wish *w, const struct object *o, const struct edge *e)
{
	if (w->full)
		return e->state == EDGE_PRESENT;
	return e->version > w->since ||
	       (o->moved > w->since && e->state == EDGE_PRESENT);
}

/* Edges from w->member on; the ref to go on with, 0 when all are out. */
static uint32_t
put_edges(struct page_of *p, const struct object *o)
{
	const struct edges *e = &o->edges;
	struct buf *b = &p->rows;
	bool some = false;

	for (uint32_t i = edges_from(e, p->w->member); i < e->n; i++) {
		const struct edge *at = &e->v[i];

		if (!edge_is_news(p->w, o, at))
			continue;
		if (p->links >= p->c->sim->opt.slice && p->n > 0 && some) {
			buf_char(b, ']');
			return at->ref;
		}
		p->links++;
		if (!some)
			buf_fmt(
			    b, ",\"%s@delta\":[", tenant_kinds[p->w->dir].edge);
		else
			buf_char(b, ',');
		some = true;
		buf_fmt(b,
		    "{\"@odata.type\":\"#microsoft.graph.%s\",\"id\":\"%s\"",
		    tenant_kinds[REF_DIR(at->ref)].type,
		    tenant_object(&p->c->sim->tenant, at->ref)->id);
		if (at->state != EDGE_PRESENT)
			buf_str(b, ",\"@removed\":{\"reason\":\"deleted\"}");
		buf_char(b, '}');
	}
	if (some)
		buf_char(b, ']');
	return 0;
}

/* Has anything that was selected changed since? */
static bool
is_news(const struct wish *w, const struct object *o)
{
	if (w->full || o->created > w->since || o->moved > w->since)
		return true;
	for (int i = 0; i < o->n_touches; i++)
		if (o->touches[i].version > w->since &&
		    (w->select >> o->touches[i].prop & 1))
			return true;
	for (uint32_t i = 0; w->edge && i < o->edges.n; i++)
		if (o->edges.v[i].version > w->since)
			return true;
	return false;
}

/* False: the page is full in the middle of its edges. */
static bool
put_object(struct page_of *p, const struct object *o)
{
	struct wish *w = p->w;
	bool all = !w->minimal || w->full || o->created > w->since ||
		   o->moved > w->since;

	if (o->state != OBJECT_LIVE) {
		if (w->full ? o->state == OBJECT_SOFT &&
				  (p->c->sim->opt.quirks & QUIRK_REMOVED)
			    : o->moved > w->since)
			put_removed(p, o);
		return true;
	}
	if (!is_news(w, o))
		return true;
	next_row(p, o);
	put_props(p, o, all);
	w->member = w->edge ? put_edges(p, o) : 0;
	buf_char(&p->rows, '}');
	return w->member == 0;
}

static bool
is_wanted(const struct wish *w, uint32_t index)
{
	for (size_t i = 0; i < w->n_only; i++)
		if (w->only[i] == index)
			return true;
	return w->n_only == 0;
}

static bool
page_has_room(const struct page_of *p)
{
	return p->n < p->w->page && p->links < p->c->sim->opt.slice;
}

/* Is this the last entry of its object that the round may see? */
static bool
is_last(const struct directory *d, const struct entry *e, uint32_t upto)
{
	return e->next == 0 || d->log[e->next].version > upto;
}

/* Fills the page; true when the round is over. */
static bool
walk(struct page_of *p)
{
	struct directory *d = dir_of(p);
	struct wish *w = p->w;

	for (; w->full ? w->pos < d->n
		       : w->pos < d->n_log && d->log[w->pos].version <= w->upto;
	     w->pos++) {
		uint32_t i = w->full ? w->pos : d->log[w->pos].object;

		if (!page_has_room(p))
			return false;
		if (!is_wanted(w, i) ||
		    (!w->full && !is_last(d, &d->log[w->pos], w->upto)))
			continue;
		if (!put_object(p, &d->v[i]))
			return false;
	}
	return true;
}

/* The first log entry behind a version. */
static uint32_t
log_from(const struct directory *d, uint32_t since)
{
	size_t low = 0, high = d->n_log;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (d->log[mid].version <= since)
			low = mid + 1;
		else
			high = mid;
	}
	return (uint32_t)low;
}

static void
put_link(struct page_of *p, const char *name, const char *parameter, bool delta)
{
	struct buf *b = &p->c->answer.body;

	buf_fmt(b, "\"@odata.%s\":\"", name);
	answer_base(p->c, b);
	buf_fmt(b, "%s?$%s=", p->c->path, parameter);
	token_write(p->c, p->w, delta, b);
	buf_str(b, "\",");
}

static void
put_next(struct page_of *p)
{
	p->w->page_no++;
	put_link(p, "nextLink", "skiptoken", false);
}

/* The link to the next round: since this one began, or a little before. */
static void
put_delta(struct page_of *p)
{
	struct wish w = *p->w, *was = p->w;

	w.full = false;
	w.since = was->upto;
	if (p->c->sim->opt.quirks & QUIRK_REPLAY)
		w.since -= w.since < REPLAYED ? w.since : REPLAYED;
	w.upto = w.pos = w.member = w.page_no = 0;
	p->w = &w;
	put_link(p, "deltaLink", "deltatoken", true);
	p->w = was;
}

/* An object of the page before, once more and without its edges. */
static void
repeat(struct page_of *p)
{
	const struct directory *d = dir_of(p);
	struct wish *w = p->w;
	uint32_t i;

	if (!(p->c->sim->opt.quirks & QUIRK_REPEAT) || w->page_no == 0 ||
	    w->pos == 0 || w->member != 0)
		return;
	i = w->full ? w->pos - 1 : d->log[w->pos - 1].object;
	if (!is_wanted(w, i) || d->v[i].state != OBJECT_LIVE ||
	    !is_news(w, &d->v[i]))
		return;
	next_row(p, &d->v[i]);
	put_props(p, &d->v[i], !w->minimal || w->full);
	buf_char(&p->rows, '}');
}

static void
answer_page(struct call *c, struct wish *w)
{
	struct page_of p = { .c = c, .w = w, .first = NO_REF };
	struct wish here = *w;
	struct buf *b = &c->answer.body;
	bool done = false;

	graph_ok(c);
	c->answer.minimal = w->minimal;
	buf_char(b, '{');
	graph_context(c, tenant_kinds[w->dir].plural);
	if ((c->sim->opt.quirks & QUIRK_EMPTY) && w->page_no % 3 == 1) {
		put_next(&p);
	} else if (c->fault.kind == FAULT_EMPTYNEXT) {
		put_next(&p);
	} else {
		repeat(&p);
		done = walk(&p);
		if (c->fault.kind == FAULT_DUPCURSOR) {
			*w = here;
			w->page_no--;
			done = false;
		}
		if (done)
			put_delta(&p);
		else
			put_next(&p);
	}
	buf_str(b, "\"value\":[");
	buf_add(b, p.rows.data != NULL ? p.rows.data : "", p.rows.len);
	buf_str(b, "]}");
	buf_free(&p.rows);
}

/* The request that begins anew, in the Location of a 410. */
static void
set_location(struct call *c, const struct wish *w)
{
	const struct kind *k = &tenant_kinds[w->dir];
	struct buf b = { 0 };
	bool some = false;

	answer_base(c, &b);
	buf_fmt(&b, "%s?$select=", c->path);
	for (size_t i = 0; i < k->n_props; i++) {
		if (!(w->select >> i & 1))
			continue;
		buf_fmt(&b, "%s%s", some ? "," : "", k->props[i].name);
		some = true;
	}
	if (w->edge)
		buf_fmt(&b, "%s%s", some ? "," : "", k->edge);
	buf_str(&b, "&$deltatoken=");
	c->answer.location = buf_take(&b);
}

static void
refuse_token(struct call *c, const struct wish *w, int how)
{
	enum fault_kind kind =
	    c->fault.kind == FAULT_GONE ? FAULT_GONE : c->sim->graph->expired;

	if (how == TOKEN_BAD) {
		graph_error(c, 400, "BadRequest",
		    "Badly formed token: it is none of this resource.");
		return;
	}
	if (kind == FAULT_GONE) {
		graph_error(c, 410, "Gone", "The delta token is gone.");
		set_location(c, w);
		return;
	}
	graph_fault(c, kind, 0);
	if (kind == FAULT_RESYNC)
		set_location(c, w);
}

/* Begins a round behind version `since`. */
static void
begin(struct call *c, struct wish *w, uint32_t since)
{
	struct tenant *t = &c->sim->tenant;

	w->full = false;
	w->since = since;
	w->upto = t->version;
	if ((c->sim->opt.quirks & QUIRK_LATE) && t->seen >= since)
		w->upto = t->seen;
	t->seen = t->version;
	w->pos = log_from(&t->dirs[w->dir], since);
	w->member = w->page_no = 0;
}

static void
begin_full(struct call *c, struct wish *w)
{
	struct tenant *t = &c->sim->tenant;

	w->full = true;
	w->since = w->pos = w->member = w->page_no = 0;
	w->upto = t->seen = t->version;
}

/* What only the first request of all may say. */
static bool
read_wish(struct call *c, struct wish *w)
{
	static const char *const refused[] = { "$top", "$expand", "$orderby",
		"$search", "$count" };
	const char *prefer = call_header(c, "Prefer");
	const char *size =
	    prefer != NULL ? strstr(prefer, "odata.maxpagesize=") : NULL;
	const char *filter = call_query(c, "$filter");

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (call_query(c, refused[i]) == NULL)
			continue;
		graph_error(c, 400, "Request_UnsupportedQuery",
		    "%s is not supported on delta.", refused[i]);
		return false;
	}
	w->page = c->sim->opt.page_max > 0 && c->sim->opt.page_max < PAGE
		      ? c->sim->opt.page_max
		      : PAGE;
	if (size != NULL) {
		long n = strtol(size + strlen("odata.maxpagesize="), NULL, 10);

		if (n > 0 && (size_t)n < w->page)
			w->page = (size_t)n;
	}
	w->minimal = prefer != NULL && strstr(prefer, "return=minimal") != NULL;
	return wish_select(c, w, call_query(c, "$select")) &&
	       (filter == NULL || wish_ids(c, w, filter));
}

static void
delta(struct call *c, int dir)
{
	const char *skip = call_query(c, "$skiptoken");
	const char *from = call_query(c, "$deltatoken");
	struct wish w = { .dir = dir };
	int how;

	if (from != NULL && strcmp(from, "latest") == 0) {
		if (!read_wish(c, &w))
			return;
		begin(c, &w, c->sim->tenant.version);
	} else if (skip != NULL || (from != NULL && *from != '\0')) {
		how =
		    token_read(c, skip != NULL ? skip : from, skip == NULL, &w);
		if (how != TOKEN_OK || c->fault.kind == FAULT_GONE) {
			if (how == TOKEN_OK)
				how = TOKEN_EXPIRED;
			refuse_token(c, &w, how);
			return;
		}
		if (skip == NULL)
			begin(c, &w, w.since);
	} else {
		if (!read_wish(c, &w))
			return;
		begin_full(c, &w);
	}
	answer_page(c, &w);
}

void
graph_users_delta(struct call *c)
{
	delta(c, DIR_USERS);
}

void
graph_groups_delta(struct call *c)
{
	delta(c, DIR_GROUPS);
}
