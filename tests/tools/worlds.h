#ifndef TESTS_TOOLS_WORLDS_H
#define TESTS_TOOLS_WORLDS_H

/*
 * worlds.h - hostile worlds and what happens in them, for worlds.c.
 *
 * A world is a pure function of a seed, its number and the round.  Its values
 * are its own, but for addresses that every rule excepts; what kind it is
 * comes from its number.
 */

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

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

	/* As the name of another one whose id was made twice. */
	if (form == 0 && i == 5)
		buf_fmt(b, "u%d-0\n1", w->number);
	else
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

#endif
