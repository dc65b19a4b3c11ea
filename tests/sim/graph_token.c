/*
 * graph_token.c - $skiptoken and $deltatoken: a wish as an opaque text.
 *
 * graph_delta.c writes one into each link and reads it back.  The server
 * remembers nothing: all a round needs is inside, behind a checksum and a
 * veil so that nobody is tempted to read it.  It knows when it was made.
 */

#include "graph.h"

#include <stdio.h>
#include <string.h>

#define MAGIC 0x6f64656cu

/* What is written: wish.only follows, as far as it goes. */
struct packed {
	uint64_t check;
	uint64_t select;
	int64_t issued_s;
	uint32_t magic, epoch;
	uint32_t since, upto, pos, member, page, page_no;
	uint8_t dir, delta, full, edge, minimal, n_only, spare[2];
};

static void
veil(const struct call *c, char *p, size_t len, uint64_t key)
{
	struct rng rng = { c->sim->tenant.key ^ key };

	for (size_t i = 0; i < len; i++)
		p[i] = (char)(p[i] ^ (char)rng_next(&rng));
}

void
token_write(
    const struct call *c, const struct wish *w, bool delta, struct buf *out)
{
	const struct graph *g = c->sim->graph;
	struct packed p = { .select = w->select,
		.issued_s = sim_now(c->sim) / 1000,
		.magic = MAGIC,
		.epoch = delta ? g->delta_epoch : g->skip_epoch,
		.since = w->since,
		.upto = w->upto,
		.pos = w->pos,
		.member = w->member,
		.page = (uint32_t)w->page,
		.page_no = w->page_no,
		.dir = (uint8_t)w->dir,
		.delta = delta,
		.full = w->full,
		.edge = w->edge,
		.minimal = w->minimal,
		.n_only = (uint8_t)w->n_only };
	struct buf b = { 0 };

	buf_add(&b, &p, sizeof(p));
	buf_add(&b, w->only, w->n_only * sizeof(w->only[0]));
	p.check = rng_hash(b.data + 8, b.len - 8, c->sim->tenant.key);
	memcpy(b.data, &p.check, sizeof(p.check));
	veil(c, b.data + 8, b.len - 8, p.check);
	base64url(b.data, b.len, out);
	buf_free(&b);
}

static bool
unpack(const struct call *c, struct buf *b, struct packed *p, struct wish *w)
{
	if (b->len < sizeof(*p))
		return false;
	memcpy(&p->check, b->data, sizeof(p->check));
	veil(c, b->data + 8, b->len - 8, p->check);
	if (rng_hash(b->data + 8, b->len - 8, c->sim->tenant.key) != p->check)
		return false;
	memcpy(p, b->data, sizeof(*p));
	if (p->magic != MAGIC || p->n_only > 50 ||
	    b->len != sizeof(*p) + p->n_only * sizeof(w->only[0]))
		return false;
	memcpy(w->only, b->data + sizeof(*p), b->len - sizeof(*p));
	return true;
}

int
token_read(const struct call *c, const char *text, bool delta, struct wish *w)
{
	const struct graph *g = c->sim->graph;
	struct buf b = { 0 };
	struct packed p = { 0 };
	int dir = w->dir;
	bool good;

	good =
	    base64url_read(text, strlen(text), &b) == 0 && unpack(c, &b, &p, w);
	buf_free(&b);
	if (!good || p.dir != dir || p.delta != delta)
		return TOKEN_BAD;
	w->select = p.select;
	w->edge = p.edge;
	w->minimal = p.minimal;
	w->page = p.page;
	w->n_only = p.n_only;
	w->full = p.full;
	w->since = p.since;
	w->upto = p.upto;
	w->pos = p.pos;
	w->member = p.member;
	w->page_no = p.page_no;
	if (p.epoch != (delta ? g->delta_epoch : g->skip_epoch) ||
	    sim_now(c->sim) / 1000 - p.issued_s > c->sim->opt.delta_life_s)
		return TOKEN_EXPIRED;
	return TOKEN_OK;
}
