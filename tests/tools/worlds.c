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

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "buf.h"
#include "mem.h"

#define USERS 16
#define GROUPS 5
#define SOURCES 4
#define NO (-1) /* no such attribute */
#define NIL (-2) /* null */
#define BLANK (-3)

static const char *const sources[SOURCES] = { "hr:main", "okta:contoso",
	"okta:other", "entra:contoso" };

struct user {
	bool alive;
	int source, number, mail, login, last, first, title, form;
	int aliases[3], naliases;
	int manager; /* user, or NO */
	bool by_login; /* how the manager is named */
	bool enabled;
};

struct group {
	bool alive;
	int source, name, form;
	uint32_t members; /* bits of users */
	int nested; /* group, or NO */
};

struct world {
	int number, kind;
	uint64_t seed;
	struct user u[USERS];
	struct group g[GROUPS];
	int users, spread;
};

static uint64_t
draw(uint64_t *seed)
{
	*seed += 0x9e3779b97f4a7c15;
	uint64_t z = (*seed ^ *seed >> 30) * 0xbf58476d1ce4e5b9;

	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static int
roll(uint64_t *seed, int n)
{
	return (int)(draw(seed) % (uint64_t)n);
}

/* One of the world's few values, or one of the ways to have none. */
static int
any_value(struct world *w)
{
	static const int none[] = { NO, NO, NIL, BLANK };
	int lack = w->kind == 7 ? 2 : 4;

	if (roll(&w->seed, lack) == 0)
		return none[roll(&w->seed, 4)];
	return roll(&w->seed, w->spread);
}

static void
any_keys(struct world *w, struct user *u)
{
	u->number = w->kind == 3 ? NO : any_value(w);
	u->mail = any_value(w);
	u->naliases = w->kind == 5 ? roll(&w->seed, 4) : roll(&w->seed, 8) - 5;
	for (int i = 0; i < 3; i++)
		u->aliases[i] = roll(&w->seed, w->spread);
	u->last = any_value(w);
	u->first = roll(&w->seed, 2);
	u->form = roll(&w->seed, 4);
}

static void
any_rest(struct world *w, struct user *u)
{
	u->title = roll(&w->seed, 6) - 3;
	u->enabled = roll(&w->seed, 3) > 0;
	u->login = roll(&w->seed, 20);
	u->manager = roll(&w->seed, 3) == 0 ? NO : roll(&w->seed, USERS);
	u->by_login = roll(&w->seed, 3) == 0;
}

static void
any_group(struct world *w, struct group *g)
{
	g->name = roll(&w->seed, 3);
	g->form = roll(&w->seed, 3);
	g->members = (uint32_t)draw(&w->seed) & (uint32_t)draw(&w->seed);
	g->nested = roll(&w->seed, 3) == 0 ? roll(&w->seed, GROUPS) : NO;
}

static void
world_begin(struct world *w, uint64_t seed, int number)
{
	*w = (struct world){ .number = number, .kind = number % 9 };
	w->seed = seed * 1000003 + (uint64_t)number;
	w->users = w->kind == 6 ? USERS : 2 + roll(&w->seed, 9);
	w->spread = w->kind == 1 ? 2 : w->kind == 6 ? 4 : 6;
	for (int i = 0; i < USERS; i++) {
		struct user *u = &w->u[i];

		/* The same one everywhere, but for what a roll changes. */
		if (w->kind == 2 && i % SOURCES != 0 && roll(&w->seed, 3) > 0)
			*u = w->u[i - 1];
		else
			any_keys(w, u);
		any_rest(w, u);
		u->source =
		    w->kind == 2 ? i % SOURCES : roll(&w->seed, SOURCES);
		u->alive = i < w->users && roll(&w->seed, 6) > 0;
	}
	for (int i = 0; i < GROUPS; i++) {
		any_group(w, &w->g[i]);
		w->g[i].source = roll(&w->seed, SOURCES);
		w->g[i].alive = roll(&w->seed, 3) > 0;
	}
}

/* Keys go from one to another: a swap, a leaver's mail, a merger. */
static void
recycle(struct world *w, struct user *a, struct user *b)
{
	int x;

	switch (roll(&w->seed, 4)) {
	case 0:
		x = a->mail;
		a->mail = b->mail;
		b->mail = x;
		break;
	case 1:
		a->number = b->number;
		b->alive = false;
		break;
	case 2:
		a->mail = b->mail;
		a->number = b->number;
		break;
	default:
		a->number = NO;
		b->mail = a->mail;
	}
}

static void
world_change(struct world *w)
{
	struct user *u = &w->u[roll(&w->seed, w->users)];
	struct user *other = &w->u[roll(&w->seed, w->users)];
	struct group *g = &w->g[roll(&w->seed, GROUPS)];

	switch (roll(&w->seed, w->kind == 4 ? 4 : 9)) {
	case 0:
		any_keys(w, u);
		break;
	case 1:
		u->mail = any_value(w);
		break;
	case 2:
		recycle(w, u, other);
		break;
	case 3:
		u->number = any_value(w);
		break;
	case 4:
	case 5:
		u->alive = !u->alive;
		break;
	case 6:
		any_rest(w, u);
		break;
	case 7:
		any_group(w, g);
		break;
	default:
		g->alive = !g->alive;
	}
}

static void
world_round(struct world *w)
{
	for (int n = roll(&w->seed, 4); n > 0; n--)
		world_change(w);
}

/* Ids with all that an id may have in it. */
static void
user_id(const struct world *w, int i, struct buf *b)
{
	static const char *const first[] = { "u", "u/", "u:", "\xc3\xbc", "u" };
	static const char *const then[] = { "-", "/", ":", " \xe2\x82\xac",
		"\"\\" };
	int form = (w->number + i) % 5;

	buf_fmt(b, "%s%d%s%d", first[form], w->number, then[form], i);
}

static void
group_id(const struct world *w, int i, struct buf *b)
{
	buf_fmt(b, "g%s%d:%d", w->number % 2 == 0 ? "" : ":", w->number, i);
}

static void
member(struct buf *b, const char *name)
{
	buf_char(b, b->len == 0 || b->data[b->len - 1] == '{' ? ' ' : ',');
	buf_fmt(b, "\"%s\":", name);
}

/* Blank, null, nothing at all, or text. */
static bool
absent(struct buf *b, const char *name, int value)
{
	if (value == NO)
		return true;
	member(b, name);
	if (value == NIL)
		buf_str(b, "null");
	else if (value == BLANK)
		buf_str(b, "\"\"");
	return value < 0;
}

static void
put_text(struct buf *b, const struct buf *text)
{
	buf_json(b, text->data, text->len);
}

static void
put_number(struct buf *b, const struct world *w, const struct user *u)
{
	static const char *const first[] = { "E", "e", " E", "e" };
	static const char *const last[] = { "", "", " ", "\\t" };

	if (!absent(b, "employeeNumber", u->number))
		buf_fmt(b, "\"%s%d.%d%s\"", first[u->form], w->number,
		    u->number, last[u->form]);
}

/* Every world has one mail that is as long as they get. */
static void
mail_text(const struct world *w, int mail, int form, struct buf *text)
{
	buf_fmt(text, form % 2 == 0 ? "m%d.%d" : "M%d.%d", w->number, mail);
	for (int i = 0; mail == 0 && i < 3000 && w->number % 5 == 0; i++)
		buf_char(text, "abc"[i % 3]);
	buf_str(text, form % 2 == 0 ? "@ex.org" : "@Ex.ORG");
}

static void
put_mails(struct buf *b, const struct world *w, const struct user *u)
{
	struct buf text = { 0 };

	if (!absent(b, "email", u->mail)) {
		if (u->mail == 5 && w->kind % 2 == 0)
			buf_str(&text, "Info@ex.org");
		else
			mail_text(w, u->mail, u->form, &text);
		put_text(b, &text);
	}
	if (u->naliases >= 0) {
		member(b, "aliases");
		for (int i = 0; i < u->naliases; i++) {
			buf_clear(&text);
			mail_text(w, u->aliases[i], i, &text);
			buf_char(b, i == 0 ? '[' : ',');
			put_text(b, &text);
		}
		buf_str(b, u->naliases == 0 ? "[]" : "]");
	}
	buf_free(&text);
}

static void
put_names(struct buf *b, const struct world *w, const struct user *u)
{
	static const char *const last[] = { "M\xc3\xbcller", "M\xc3\x9cLLER",
		"\xc3\x85ngstr\xc3\xb6m", "\xe6\x9d\x8e", "O'Neil",
		"de \\u0041" };

	if (!absent(b, "lastName", u->last))
		buf_fmt(b, "\"%s%d\"", last[u->last], w->number);
	member(b, "firstName");
	buf_str(b, u->first == 0 ? "\"Ann\"" : "\"ANN\"");
}

static void
login_text(const struct world *w, const struct user *u, int i, struct buf *b)
{
	buf_fmt(b, "l%d.%d", w->number, u->login < 14 ? i : u->login);
}

/* A source takes the id of a manager who left away; a login it keeps. */
static bool
is_named(const struct world *w, const struct user *u)
{
	return u->manager != NO && (u->by_login || u->manager >= w->users ||
				       w->u[u->manager].source != u->source ||
				       w->u[u->manager].alive);
}

static void
user_attrs(const struct world *w, int i, struct buf *b)
{
	const struct user *u = &w->u[i];
	struct buf text = { 0 };

	buf_char(b, '{');
	put_number(b, w, u);
	put_mails(b, w, u);
	put_names(b, w, u);
	login_text(w, u, i, &text);
	member(b, "login");
	put_text(b, &text);
	if (!absent(b, "title", u->title))
		buf_fmt(b, "\"T%d\"", u->title);
	member(b, "accountEnabled");
	buf_str(b, u->enabled ? "true" : "false");
	if (is_named(w, u)) {
		buf_clear(&text);
		if (u->by_login)
			login_text(w, &w->u[u->manager], u->manager, &text);
		else
			user_id(w, u->manager, &text);
		member(b, "manager");
		put_text(b, &text);
	}
	buf_char(b, '}');
	buf_free(&text);
}

static void
group_attrs(const struct world *w, int i, struct buf *b)
{
	static const char *const forms[] = { "Sales \xc3\x84", "SALES \xc3\xa4",
		"sales \xc3\x84" };

	buf_fmt(b, "{\"name\":\"%s %d.%d\"}", forms[w->g[i].form], w->number,
	    w->g[i].name);
}

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
