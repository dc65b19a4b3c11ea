/*
 * rules_source.c - the order and the lines that Lua tables forget.
 *
 * Called by the loader before a file runs (duplicate keys) and after
 * (order).  A scanner of Lua's tokens with just enough grammar to know where
 * a table constructor's entries begin and end.
 */

#include "rules_source.h"

#include <stdlib.h>
#include <string.h>

#include "rules_lex.h"

#define NESTING_MAX 200
#define ENTRIES_MAX 2000 /* of one table that a person wrote */

struct source_entry {
	const char *key; /* NULL: positional */
	int line;
	struct source_table *table; /* when the value is a constructor */
	struct source_entry *next;
};

struct source_table {
	struct source_entry *first, **last;
	size_t n;
};

struct source_noun {
	const char *noun, *name; /* name NULL: guard { } */
	struct source_table *table;
	struct source_noun *next;
};

struct source {
	struct source_noun *first, **last;
};

/* An open brace, parenthesis, bracket or block. */
struct frame {
	char closer; /* '}', ')', ']' or 'e' for end and until */
	struct source_table *table; /* of a brace */
	int fresh; /* the next token begins an entry */
	struct source_entry *awaits; /* its value comes next */
};

struct scan {
	struct load *load;
	const char *file;
	struct source *out;
	struct lex lex;
	struct lex_token now, last[4]; /* last[0] is the newest */
	struct frame frames[NESTING_MAX];
	int depth;
};

static struct frame *
top(struct scan *s)
{
	return s->depth > 0 ? &s->frames[s->depth - 1] : NULL;
}

static int
push(struct scan *s, char closer)
{
	if (s->depth == NESTING_MAX)
		return -1;
	s->frames[s->depth++] = (struct frame){ .closer = closer };
	return 0;
}

static int
is(const struct lex_token *t, const char *text)
{
	return t->kind != LEX_STRING && t->len == strlen(text) &&
	       memcmp(t->text, text, t->len) == 0;
}

static const struct source_entry *
find(const struct source_table *t, const char *key)
{
	for (const struct source_entry *e = t->first; e != NULL; e = e->next) {
		if (e->key != NULL && strcmp(e->key, key) == 0)
			return e;
	}
	return NULL;
}

static struct source_entry *
add_entry(struct scan *s, struct source_table *t, const char *key)
{
	struct source_entry *e = arena_take(&s->load->arena, sizeof(*e));
	const struct source_entry *twin = NULL;

	if (key != NULL && t->n < ENTRIES_MAX)
		twin = find(t, key);
	if (++t->n == ENTRIES_MAX)
		load_error(s->load, s->file, s->now.line,
		    "a table of more than %d entries is no rule", ENTRIES_MAX);
	if (twin != NULL)
		load_error(s->load, s->file, s->now.line,
		    "\"%s\" is given twice in one table; the first one is in "
		    "line %d",
		    key, twin->line);
	*e = (struct source_entry){ .key = key, .line = s->now.line };
	*t->last = e;
	t->last = &e->next;
	return e;
}

/* Does `map "okta.User"` or `map("okta.User")` stand before this brace? */
static void
name_noun(struct scan *s, struct source_table *t)
{
	const struct lex_token *noun = &s->last[0], *name = NULL;
	struct source_noun *n;

	if (noun->kind == LEX_STRING) {
		name = noun;
		noun = &s->last[1];
	} else if (is(noun, ")") && s->last[1].kind == LEX_STRING) {
		name = &s->last[1];
		noun = &s->last[3];
	}
	if (noun->kind != LEX_NAME)
		return;
	n = arena_take(&s->load->arena, sizeof(*n));
	*n = (struct source_noun){ .table = t };
	n->noun = load_copy(s->load, noun->text, noun->len);
	if (name != NULL)
		n->name = load_copy(s->load, name->text, name->len);
	*s->out->last = n;
	s->out->last = &n->next;
}

static int
open_brace(struct scan *s)
{
	struct source_table *t = arena_take(&s->load->arena, sizeof(*t));
	struct frame *f = top(s);

	*t = (struct source_table){ 0 };
	t->last = &t->first;
	if (f != NULL && f->awaits != NULL)
		f->awaits->table = t;
	else if (f == NULL)
		name_noun(s, t);
	if (push(s, '}') < 0)
		return -1;
	top(s)->table = t;
	top(s)->fresh = 1;
	return 0;
}

/* What follows the present token, without moving. */
static struct lex_token
peek(struct scan *s, int ahead)
{
	struct lex x = s->lex;
	struct lex_token t = { 0 };

	while (ahead-- > 0)
		t = lex_next(&x);
	return t;
}

/* `name =` and not `name ==`. */
static int
is_named(struct scan *s)
{
	struct lex_token a = peek(s, 1), b = peek(s, 2);

	return s->now.kind == LEX_NAME && is(&a, "=") &&
	       !(is(&b, "=") && b.text == a.text + 1);
}

static void
skip_tokens(struct scan *s, int n)
{
	while (n-- > 0)
		s->now = lex_next(&s->lex);
}

/* The first token of an entry: is there a key, and does a table follow? */
static void
begin_entry(struct scan *s, struct frame *f)
{
	f->fresh = 0;
	if (is_named(s)) {
		f->awaits = add_entry(
		    s, f->table, load_copy(s->load, s->now.text, s->now.len));
		skip_tokens(s, 2);
	} else if (is(&s->now, "[") && peek(s, 1).kind == LEX_STRING) {
		struct lex_token key = peek(s, 1), close = peek(s, 2);

		if (!is(&close, "]"))
			return;
		f->awaits = add_entry(
		    s, f->table, load_copy(s->load, key.text, key.len));
		skip_tokens(s, 4);
	} else if (!is(&s->now, "[")) {
		f->awaits = add_entry(s, f->table, NULL);
	}
}

static char
closer_of(const struct lex_token *t)
{
	static const char *const blocks[] = { "function", "if", "do",
		"repeat" };

	if (is(t, "("))
		return ')';
	if (is(t, "["))
		return ']';
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		if (t->kind == LEX_NAME && is(t, blocks[i]))
			return 'e';
	}
	return 0;
}

static int
closes(const struct lex_token *t, char closer)
{
	if (closer == 'e')
		return t->kind == LEX_NAME && (is(t, "end") || is(t, "until"));
	return t->kind == LEX_SYMBOL && t->text[0] == closer;
}

/* One token; -1 when the text cannot be Lua. */
static int
step(struct scan *s)
{
	struct frame *f = top(s);
	int brace = f != NULL && f->closer == '}';

	if (f != NULL && closes(&s->now, f->closer)) {
		s->depth--;
		return 0;
	}
	if (brace && (is(&s->now, ",") || is(&s->now, ";"))) {
		f->fresh = 1;
		f->awaits = NULL;
		return 0;
	}
	if (brace && f->fresh)
		begin_entry(s, f);
	if (is(&s->now, "{")) {
		if (open_brace(s) < 0)
			return -1;
	} else if (closer_of(&s->now) != 0) {
		if (push(s, closer_of(&s->now)) < 0)
			return -1;
	}
	if (brace)
		f->awaits = NULL;
	return 0;
}

struct source *
source_scan(struct load *l, const char *file, const char *text, size_t len)
{
	struct scan s = { .load = l, .file = file };

	s.lex = (struct lex){
		.p = text, .end = text + len, .line = 1, .arena = &l->arena
	};
	s.out = arena_take(&l->arena, sizeof(*s.out));
	s.out->first = NULL;
	s.out->last = &s.out->first;
	if (len > 0 && text[0] == '#') {
		while (s.lex.p < s.lex.end && *s.lex.p != '\n')
			s.lex.p++;
	}
	for (;;) {
		s.now = lex_next(&s.lex);
		if (s.now.kind == LEX_END)
			return s.out;
		if (s.now.kind == LEX_NAME && is(&s.now, "_ENV"))
			load_error(
			    l, file, s.now.line, "_ENV is not for rules");
		if (s.now.kind == LEX_BROKEN || step(&s) < 0)
			return NULL;
		memmove(&s.last[1], &s.last[0], 3 * sizeof(s.last[0]));
		s.last[0] = s.now;
	}
}

/* Where the n-th positional or the named entry stands, -1 unknown. */
static long
place(const struct source_table *t, const struct term_entry *e, size_t nth,
    const struct source_entry **found)
{
	long i = 0;
	size_t positional = 0;

	for (const struct source_entry *s = t->first; s != NULL; s = s->next) {
		int same = e->key != NULL && s->key != NULL &&
			   strcmp(e->key, s->key) == 0;

		if (s->key == NULL && e->key == NULL && positional++ == nth)
			same = 1;
		if (same) {
			*found = s;
			return i;
		}
		i++;
	}
	return -1;
}

static void order(
    struct load *l, const struct source_table *s, struct term *table);

/* Stable insertion by place; tables are as long as people write them. */
static void
sort_entries(struct term_entry *entries, long *places, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct term_entry e = entries[i];
		long p = places[i];
		size_t j = i;

		for (; j > 0 && places[j - 1] > p; j--) {
			entries[j] = entries[j - 1];
			places[j] = places[j - 1];
		}
		entries[j] = e;
		places[j] = p;
	}
}

static void
order(struct load *l, const struct source_table *s, struct term *table)
{
	long *places = arena_take(&l->arena, table->n * sizeof(*places));
	size_t nth = 0, behind = 0;

	for (size_t i = 0; i < table->n; i++) {
		struct term_entry *e = &table->entries[i];
		const struct source_entry *found = NULL;
		size_t n = e->key == NULL ? nth++ : 0;

		places[i] = place(s, e, n, &found);
		if (places[i] < 0) {
			places[i] = 1000000 + (long)behind++;
			continue;
		}
		e->line = found->line;
		if (found->table != NULL && e->value->kind == TERM_TABLE)
			order(l, found->table, e->value);
	}
	sort_entries(table->entries, places, table->n);
}

void
source_order(struct load *l, const struct source *s, struct statement *st)
{
	for (struct source_noun *n = s->first; n != NULL; n = n->next) {
		if (strcmp(n->noun, st->noun) != 0 ||
		    (n->name == NULL) != (st->name == NULL))
			continue;
		if (n->name != NULL && strcmp(n->name, st->name) != 0)
			continue;
		if (st->body->kind == TERM_TABLE)
			order(l, n->table, st->body);
		return;
	}
}
