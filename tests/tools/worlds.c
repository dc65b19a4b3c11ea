/*
 * worlds.c - hostile worlds for the merge, as transform would send them.
 *
 * worlds SEED WORLDS ROUND HOW [SHUFFLE [SOURCE]] writes round ROUND (from 0)
 * of the history of so many small worlds, which share nothing: every world has
 * a few people in four sources with shared, recycled, empty, long and lost key
 * values, managers, groups and memberships.  HOW is full, delta (what changed
 * since the round before) or pages (full, before transform).  SHUFFLE changes
 * nothing but the order of sources and records, where pages end and what is
 * sent though it is the same.  SOURCE is the only one that is written.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "mem.h"
#include "worlds.h"

/* What is written of one stream of one source. */
struct out {
	const char *how;
	const struct world *now, *before; /* before: NULL for all */
	int worlds, source, seq, round;
	uint64_t seed; /* of the shuffle, 0: none */
	struct buf *records; /* owned; each */
	int n, cap;
};

static struct buf *
next_record(struct out *o)
{
	if (o->n == o->cap) {
		o->cap = o->cap == 0 ? 256 : o->cap * 2;
		o->records =
		    xrealloc(o->records, (size_t)o->cap * sizeof(*o->records));
	}
	o->records[o->n] = (struct buf){ 0 };
	return &o->records[o->n++];
}

static bool
is_raw(const struct out *o)
{
	return strcmp(o->how, "pages") == 0;
}

/* The record of an object that is there: transform's hash is of its text. */
static void
put_record(struct out *o, const struct buf *id, const struct buf *attrs)
{
	struct buf *b = next_record(o);
	XXH128_hash_t h = XXH3_128bits(attrs->data, attrs->len);

	buf_str(b, "{\"id\":");
	put_text(b, id);
	if (is_raw(o)) {
		buf_char(b, attrs->len > 2 ? ',' : ' ');
		buf_add(b, attrs->data + 1, attrs->len - 1);
		return;
	}
	buf_fmt(b, ",\"op\":\"put\",\"hash\":\"%016llx%016llx\",\"attrs\":",
	    (unsigned long long)h.high64, (unsigned long long)h.low64);
	buf_add(b, attrs->data, attrs->len);
	buf_char(b, '}');
}

static void
gone_record(struct out *o, const struct buf *id)
{
	struct buf *b = next_record(o);

	buf_str(b, "{\"id\":");
	put_text(b, id);
	buf_str(b, ",\"op\":\"delete\",\"reason\":\"removed\"}");
}

static bool
sometimes(struct out *o)
{
	return o->seed != 0 && roll(&o->seed, 10) == 0;
}

typedef void put_attrs(const struct world *w, int i, struct buf *b);

static void
add_object(struct out *o, int world, int i, bool was, bool is, put_attrs *attrs,
    const struct buf *id)
{
	struct buf now = { 0 }, before = { 0 };

	attrs(&o->now[world], i, &now);
	if (o->before != NULL)
		attrs(&o->before[world], i, &before);
	if (is &&
	    (!was || now.len != before.len ||
		memcmp(now.data, before.data, now.len) != 0 || sometimes(o)))
		put_record(o, id, &now);
	else if (was && !is)
		gone_record(o, id);
	buf_free(&now);
	buf_free(&before);
}

static void
add_users(struct out *o, int world)
{
	struct buf id = { 0 };

	for (int i = 0; i < USERS; i++) {
		if (o->now[world].u[i].source != o->source)
			continue;
		buf_clear(&id);
		user_id(&o->now[world], i, &id);
		add_object(o, world, i,
		    o->before != NULL && o->before[world].u[i].alive,
		    o->now[world].u[i].alive, user_attrs, &id);
	}
	buf_free(&id);
}

static void
add_groups(struct out *o, int world)
{
	struct buf id = { 0 };

	for (int i = 0; i < GROUPS; i++) {
		if (o->now[world].g[i].source != o->source)
			continue;
		buf_clear(&id);
		group_id(&o->now[world], i, &id);
		add_object(o, world, i,
		    o->before != NULL && o->before[world].g[i].alive,
		    o->now[world].g[i].alive, group_attrs, &id);
	}
	buf_free(&id);
}

static void
shuffle(struct out *o)
{
	for (int i = o->n; o->seed != 0 && i > 1; i--) {
		int k = roll(&o->seed, i);
		struct buf swap = o->records[i - 1];

		o->records[i - 1] = o->records[k];
		o->records[k] = swap;
	}
}

static void
head(struct out *o, const char *kind, const char *stream, int n)
{
	const char *how = is_raw(o) ? "full" : o->how;

	printf("{\"v\":1,\"kind\":\"%s\",\"source\":\"%s\",\"stream\":\"%s\","
	       "\"run\":0,\"epoch\":0,\"seq\":%d,\"n\":%d,\"mode\":\"%s\","
	       "\"at\":\"2026-04-%02dT08:00:00.000Z\"",
	    kind, sources[o->source], stream, ++o->seq, n, how,
	    1 + o->round % 28);
}

static void
write_page(struct out *o, const char *stream, int from, int to,
    const struct buf *group, bool last)
{
	head(o, is_raw(o) ? "page" : "records", stream, to - from);
	if (!is_raw(o))
		printf(",\"rules\":\"r1\"");
	if (group != NULL)
		printf(",\"context\":{\"groupId\":\"%s\"}%s", group->data,
		    last ? ",\"last\":true" : "");
	printf(",\"state\":{\"after\":%d},\"records\":[", o->seq);
	for (int i = from; i < to; i++)
		printf("%s%s", i > from ? "," : "", o->records[i].data);
	printf("]}\n");
}

/* All records, in pages of some size. */
static void
write_pages(struct out *o, const char *stream, const struct buf *group)
{
	int from = 0;

	shuffle(o);
	do {
		int size = o->seed == 0 ? 200 : 1 + roll(&o->seed, 300);
		int to = from + size < o->n ? from + size : o->n;

		write_page(o, stream, from, to, group, to == o->n);
		from = to;
	} while (from < o->n);
	for (int i = 0; i < o->n; i++)
		buf_free(&o->records[i]);
	o->n = 0;
}

static void
write_end(struct out *o, const char *stream)
{
	head(o, "end", stream, 0);
	printf(",\"complete\":true,"
	       "\"watermark\":\"2026-04-%02dT08:00:00.000Z\","
	       "\"certificate\":{\"chain\":true}}\n",
	    1 + o->round % 28);
	o->seq = 0;
}

/* Of this group, those that the source knows. */
static uint32_t
members_of(const struct world *w, int group)
{
	uint32_t known = 0;

	for (int i = 0; i < USERS; i++)
		if (w->u[i].alive && w->u[i].source == w->g[group].source)
			known |= (uint32_t)1 << i;
	return w->g[group].alive ? w->g[group].members & known : 0;
}

/* A nested group is one of the same source; it may be itself. */
static int
nested_of(const struct world *w, int group)
{
	int n = w->g[group].nested;

	return n != NO && w->g[group].alive && w->g[n].alive &&
		       w->g[n].source == w->g[group].source
		   ? n
		   : NO;
}

static void
add_member(struct out *o, const struct buf *group, const struct buf *id,
    const char *type)
{
	struct buf both = { 0 }, attrs = { 0 };

	buf_add(&both, group->data, group->len);
	buf_char(&both, '/');
	buf_add(&both, id->data, id->len);
	buf_str(&attrs, "{\"groupId\":");
	put_text(&attrs, group);
	buf_str(&attrs, ",\"memberId\":");
	put_text(&attrs, id);
	buf_fmt(&attrs, ",\"memberType\":\"%s\"}", type);
	put_record(o, &both, &attrs);
	buf_free(&both);
	buf_free(&attrs);
}

static void
write_members(struct out *o, int world, int group)
{
	const struct world *w = &o->now[world];
	uint32_t members = members_of(w, group);
	int nested = nested_of(w, group);
	struct buf id = { 0 }, name = { 0 };

	if (o->before != NULL && o->before[world].g[group].alive &&
	    members == members_of(&o->before[world], group) &&
	    nested == nested_of(&o->before[world], group) && !sometimes(o))
		return;
	group_id(w, group, &name);
	for (int i = 0; i < USERS; i++) {
		if ((members >> i & 1) == 0)
			continue;
		buf_clear(&id);
		user_id(w, i, &id);
		add_member(o, &name, &id, "User");
	}
	if (nested != NO) {
		buf_clear(&id);
		group_id(w, nested, &id);
		add_member(o, &name, &id, "Group");
	}
	write_pages(o, "GroupMember", &name);
	buf_free(&id);
	buf_free(&name);
}

/* Who was deleted in between has no members any more. */
static bool
is_listed(const struct out *o, int world, int group)
{
	return o->now[world].g[group].source == o->source &&
	       (o->now[world].g[group].alive ||
		   (o->before != NULL && o->before[world].g[group].alive));
}

/* The worlds one after the other, or in any order. */
static int *
order_of(struct out *o)
{
	int *order = xcalloc((size_t)o->worlds + 1, sizeof(*order));

	for (int i = 0; i < o->worlds; i++) {
		int k = o->seed == 0 ? i : roll(&o->seed, i + 1);

		order[i] = order[k];
		order[k] = i;
	}
	return order;
}

static void
write_source(struct out *o)
{
	int *order = order_of(o);

	for (int i = 0; i < o->worlds; i++)
		add_users(o, order[i]);
	write_pages(o, "User", NULL);
	write_end(o, "User");
	for (int i = 0; i < o->worlds; i++)
		add_groups(o, order[i]);
	write_pages(o, "Group", NULL);
	write_end(o, "Group");
	for (int i = 0; i < o->worlds; i++)
		for (int g = 0; g < GROUPS; g++)
			if (is_listed(o, order[i], g))
				write_members(o, order[i], g);
	write_end(o, "GroupMember");
	free(order);
}

static void
write_all(struct out *o, const char *only)
{
	int list[SOURCES] = { 0, 1, 2, 3 };

	for (int i = SOURCES; o->seed != 0 && i > 1; i--) {
		int k = roll(&o->seed, i), swap = list[i - 1];

		list[i - 1] = list[k];
		list[k] = swap;
	}
	for (int i = 0; i < SOURCES; i++) {
		o->source = list[i];
		if (only == NULL || strcmp(only, sources[o->source]) == 0)
			write_source(o);
	}
	free(o->records);
}

int
main(int argc, char **argv)
{
	uint64_t seed, mix;
	struct world *now, *before;
	struct out o = { 0 };

	if (argc < 5) {
		fputs(
		    "usage: worlds SEED WORLDS ROUND HOW [SHUFFLE [SOURCE]]\n",
		    stderr);
		return 100;
	}
	seed = strtoull(argv[1], NULL, 10);
	o.worlds = (int)strtol(argv[2], NULL, 10);
	o.round = (int)strtol(argv[3], NULL, 10);
	o.how = argv[4];
	mix = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
	o.seed = mix == 0 ? 0 : seed * 7919 + mix * 104729 + (uint64_t)o.round;
	now = xcalloc((size_t)o.worlds + 1, sizeof(*now));
	before = xcalloc((size_t)o.worlds + 1, sizeof(*before));
	for (int i = 0; i < o.worlds; i++) {
		world_begin(&now[i], seed, i);
		for (int r = 0; r < o.round; r++) {
			before[i] = now[i];
			world_round(&now[i]);
		}
	}
	o.now = now;
	o.before = strcmp(o.how, "delta") == 0 && o.round > 0 ? before : NULL;
	write_all(&o, argc > 6 ? argv[6] : NULL);
	free(now);
	free(before);
	return 0;
}
