/*
 * lua_nouns.c - map, scope, join and the rest, as Lua sees them.
 *
 * While files load, a noun turns its table into a statement and a combinator
 * turns its arguments into a term; afterwards nouns are refused, and the
 * combinators that work on text do so at once: lower(u.profile.email).
 */

#include "lua_api.h"

#include <stdio.h>
#include <string.h>

#include "plan.h"
#include "utf8.h"

#define NESTING_MAX 16 /* tables in tables */
#define ENTRIES_MAX 2000 /* of one table */

static const char key_node; /* metatable of terms on their way */

/* The file and line of the Lua code that called us. */
static int
here(lua_State *L, const char **file)
{
	struct lua_host *h = lua_api_host(L);
	lua_Debug ar;

	*file = h->files[h->nfiles - 1].name;
	for (int level = 1; lua_getstack(L, level, &ar) != 0; level++) {
		if (lua_getinfo(L, "Sl", &ar) == 0 || ar.currentline <= 0)
			continue;
		for (size_t i = 0; i < h->nfiles; i++) {
			if (strcmp(ar.source + 1, h->files[i].name) == 0)
				*file = h->files[i].name;
		}
		return ar.currentline;
	}
	return 0;
}

static struct load *
loading(lua_State *L, const char *what)
{
	struct load *l = lua_api_host(L)->load;

	if (l == NULL)
		luaL_error(L,
		    "%s makes a rule: it stands in a file, not in a function",
		    what);
	return l;
}

/* The text at a stack index: UTF-8 without U+0000, as all rules are. */
static char *
text_of(lua_State *L, int at, size_t *len)
{
	const char *s = lua_tolstring(L, at, len);

	if (memchr(s, 0, *len) != NULL)
		luaL_error(L, "a text with U+0000 in a rule");
	if (!utf8_valid(s, *len))
		luaL_error(L, "a text that is not UTF-8 in a rule");
	return load_copy(lua_api_host(L)->load, s, *len);
}

static struct term *term_of(lua_State *L, int at, int depth);

static struct term *
number_term(lua_State *L, int at)
{
	const char *file;
	int line = here(L, &file);
	struct load *l = lua_api_host(L)->load;
	struct term *t = load_term(l, TERM_NUMBER, file, line);
	struct value v;

	lua_json_value(L, at, &l->arena, &v);
	t->text = v.text;
	t->len = v.len;
	return t;
}

static int
entry_before(const struct term_entry *a, const struct term_entry *b)
{
	return a->key == NULL || b->key == NULL
		   ? a->key == NULL && b->key != NULL
		   : strcmp(a->key, b->key) < 0;
}

/* By name; the order of the file comes later, from its tokens. */
static void
sort_entries(struct term_entry *e, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct term_entry moved = e[i];
		size_t j = i;

		for (; j > 0 && entry_before(&moved, &e[j - 1]); j--)
			e[j] = e[j - 1];
		e[j] = moved;
	}
}

static void
table_entry(lua_State *L, struct term *t, int depth)
{
	struct term_entry *e = &t->entries[t->n];
	size_t len;

	*e = (struct term_entry){ .line = t->line };
	if (lua_type(L, -2) != LUA_TSTRING)
		luaL_error(L, "a key of a rules table is a name, not a %s",
		    luaL_typename(L, -2));
	e->key = text_of(L, -2, &len);
	e->value = term_of(L, -1, depth + 1);
	t->n++;
}

static struct term *
table_term(lua_State *L, int at, int depth)
{
	const char *file;
	int line = here(L, &file);
	struct load *l = lua_api_host(L)->load;
	struct term *t = load_term(l, TERM_TABLE, file, line);
	lua_Integer count = (lua_Integer)lua_rawlen(L, at);
	size_t n = 0;

	luaL_checkstack(L, 10, "too deep");
	for (lua_pushnil(L); lua_next(L, at) != 0; lua_pop(L, 1))
		n++;
	if (n > ENTRIES_MAX || count > ENTRIES_MAX || depth > NESTING_MAX)
		luaL_error(L, "a table too large or too deep for a rule");
	t->entries = arena_take(&l->arena, (n + 1) * sizeof(*t->entries));
	for (lua_Integer i = 1; i <= count; i++) {
		lua_rawgeti(L, at, i);
		t->entries[t->n].key = NULL;
		t->entries[t->n].line = line;
		t->entries[t->n].value = term_of(L, -1, depth + 1);
		t->n++;
		lua_pop(L, 1);
	}
	for (lua_pushnil(L); lua_next(L, at) != 0; lua_pop(L, 1)) {
		if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 &&
		    lua_tointeger(L, -2) <= count)
			continue;
		table_entry(L, t, depth);
	}
	sort_entries(t->entries, t->n);
	return t;
}

static struct term *
other_term(lua_State *L, const char *what)
{
	const char *file;
	int line = here(L, &file);
	struct load *l = lua_api_host(L)->load;
	struct term *t = load_term(l, TERM_OTHER, file, line);

	t->text = load_copy(l, what, strlen(what));
	return t;
}

static struct term *
function_term(lua_State *L, int at)
{
	struct lua_host *h = lua_api_host(L);
	struct term *t;

	if (lua_iscfunction(L, at))
		return other_term(L, "a combinator without its argument");
	lua_pushvalue(L, at);
	t = load_term(h->load, TERM_FUNCTION, NULL, 0);
	t->function = lua_host_keep(L);
	lua_host_place(h, t->function, &t->file, &t->line);
	return t;
}

static struct term *
userdata_term(lua_State *L, int at)
{
	const char *file;
	int line = here(L, &file), is_node;

	if (lua_json_is_null(L, at))
		return load_term(lua_api_host(L)->load, TERM_NULL, file, line);
	if (!lua_getmetatable(L, at))
		return other_term(L, "a userdata");
	lua_rawgetp(L, LUA_REGISTRYINDEX, &key_node);
	is_node = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	if (!is_node)
		return other_term(L, "a userdata");
	return *(struct term **)lua_touserdata(L, at);
}

static struct term *
term_of(lua_State *L, int at, int depth)
{
	struct load *l = lua_api_host(L)->load;
	const char *file;
	int line = here(L, &file);
	struct term *t;

	at = lua_absindex(L, at);
	switch (lua_type(L, at)) {
	case LUA_TBOOLEAN:
		t = load_term(l, TERM_BOOL, file, line);
		t->truth = lua_toboolean(L, at);
		return t;
	case LUA_TNUMBER:
		return number_term(L, at);
	case LUA_TSTRING:
		t = load_term(l, TERM_STRING, file, line);
		t->text = text_of(L, at, &t->len);
		return t;
	case LUA_TTABLE:
		return table_term(L, at, depth);
	case LUA_TFUNCTION:
		return function_term(L, at);
	case LUA_TUSERDATA:
		return userdata_term(L, at);
	default:
		return other_term(L, luaL_typename(L, at));
	}
}

/* What a test gives and expects is data, not a rule. */
static struct term *
json_term(lua_State *L, int at)
{
	const char *file;
	int line = here(L, &file);
	struct load *l = lua_api_host(L)->load;
	struct term *t = load_term(l, TERM_STRING, file, line);
	struct value v;

	lua_json_value(L, at, &l->arena, &v);
	t->text = v.text;
	t->len = v.len;
	return t;
}

/* The call with the table: upvalues noun and name (nil for guard). */
static int
state(lua_State *L)
{
	const char *noun = lua_tostring(L, lua_upvalueindex(1));
	const char *name = lua_tostring(L, lua_upvalueindex(2)), *file;
	struct load *l = loading(L, noun);
	int line = here(L, &file);
	struct statement *st;
	size_t len;
	struct term *body;

	if (lua_type(L, 1) != LUA_TTABLE)
		return luaL_error(L, "%s takes a table: %s %s { ... }", noun,
		    noun, name != NULL ? "\"...\"" : "");
	body = strcmp(noun, "test") == 0 ? json_term(L, 1) : term_of(L, 1, 0);
	st = load_statement(l);
	st->noun = load_copy(l, noun, strlen(noun));
	st->name = name != NULL ? text_of(L, lua_upvalueindex(2), &len) : NULL;
	st->file = file;
	st->line = line;
	st->body = body;
	return 0;
}

static int
named(lua_State *L, const char *noun)
{
	loading(L, noun);
	if (lua_type(L, 1) != LUA_TSTRING)
		return luaL_error(L, "%s begins with a name: %s \"%s\" { ... }",
		    noun, noun,
		    strcmp(noun, "map") == 0 || strcmp(noun, "scope") == 0 ||
			    strcmp(noun, "test") == 0
			? "okta.User"
			: "User");
	lua_pushstring(L, noun);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, state, 2);
	if (lua_gettop(L) == 2)
		return 1;
	/* map("okta.User", { ... }) */
	lua_pushvalue(L, 2);
	lua_call(L, 1, 0);
	return 0;
}

#define NOUN(noun)                           \
	static int noun_##noun(lua_State *L) \
	{                                    \
		return named(L, #noun);      \
	}

NOUN(map)
NOUN(scope)
NOUN(join)
NOUN(flow)
NOUN(life)
NOUN(quiet)
NOUN(test)

static int
noun_guard(lua_State *L)
{
	loading(L, "guard");
	lua_pushliteral(L, "guard");
	lua_pushnil(L);
	lua_pushcclosure(L, state, 2);
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 0);
	return 0;
}

const luaL_Reg lua_nouns[] = {
	{ "map", noun_map },
	{ "scope", noun_scope },
	{ "join", noun_join },
	{ "flow", noun_flow },
	{ "life", noun_life },
	{ "guard", noun_guard },
	{ "quiet", noun_quiet },
	{ "test", noun_test },
	{ NULL, NULL },
};

static void
push_node(lua_State *L, struct term *t)
{
	struct term **box = lua_newuserdatauv(L, sizeof(struct term *), 0);

	*box = t;
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key_node) == LUA_TNIL) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushliteral(L, "rule");
		lua_setfield(L, -2, "__name");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
		lua_pushvalue(L, -1);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &key_node);
	}
	lua_setmetatable(L, -2);
}

/* While loading: a term of the call. */
static int
combine(lua_State *L, enum plan_op op)
{
	const char *name = plan_op_name(op), *file;
	struct load *l = loading(L, name);
	int line = here(L, &file), n = lua_gettop(L);
	struct term *t = load_term(l, TERM_CALL, file, line);

	t->text = name;
	t->function = (int)op;
	t->entries =
	    arena_take(&l->arena, (size_t)(n + 1) * sizeof(*t->entries));
	for (int i = 1; i <= n; i++) {
		t->entries[i - 1] = (struct term_entry){ .line = line };
		t->entries[i - 1].value = term_of(L, i, 0);
	}
	t->n = (size_t)n;
	push_node(L, t);
	return 1;
}

/* While running: text in, text out; what is no text stays as it is. */
static int
convert(lua_State *L, enum plan_op op)
{
	struct lua_host *h = lua_api_host(L);
	size_t len;
	const char *s;

	if (h->load != NULL)
		return combine(L, op);
	luaL_checkany(L, 1);
	lua_settop(L, 1);
	if (lua_type(L, 1) != LUA_TSTRING)
		return 1;
	s = lua_tolstring(L, 1, &len);
	if (!utf8_valid(s, len))
		return luaL_error(L, "%s: not UTF-8", plan_op_name(op));
	buf_clear(&h->text);
	if (op == PLAN_TRIM) {
		utf8_trim(&s, &len);
		buf_add(&h->text, s, len);
	} else if (op == PLAN_DIGITS) {
		for (size_t i = 0; i < len; i++) {
			if (s[i] >= '0' && s[i] <= '9')
				buf_char(&h->text, s[i]);
		}
	} else {
		utf8_case(&h->text, s, len,
		    op == PLAN_UPPER   ? UTF8_UPPER
		    : op == PLAN_LOWER ? UTF8_LOWER
				       : UTF8_FOLD);
	}
	lua_pushlstring(
	    L, h->text.data != NULL ? h->text.data : "", h->text.len);
	return 1;
}

#define COMBINATOR(name, how, op)     \
	static int name(lua_State *L) \
	{                             \
		return how(L, op);    \
	}

COMBINATOR(text_trim, convert, PLAN_TRIM)
COMBINATOR(text_upper, convert, PLAN_UPPER)
COMBINATOR(text_lower, convert, PLAN_LOWER)
COMBINATOR(text_casefold, convert, PLAN_CASEFOLD)
COMBINATOR(text_digits, convert, PLAN_DIGITS)
COMBINATOR(rule_first, combine, PLAN_FIRST)
COMBINATOR(rule_list, combine, PLAN_LIST)
COMBINATOR(rule_head, combine, PLAN_HEAD)
COMBINATOR(rule_concat, combine, PLAN_CONCAT)
COMBINATOR(rule_is, combine, PLAN_IS)
COMBINATOR(rule_bool, combine, PLAN_BOOL)
COMBINATOR(rule_int, combine, PLAN_INT)
COMBINATOR(rule_date, combine, PLAN_DATE)
COMBINATOR(rule_const, combine, PLAN_CONST)

const luaL_Reg lua_combinators[] = {
	{ "trim", text_trim },
	{ "upper", text_upper },
	{ "lower", text_lower },
	{ "casefold", text_casefold },
	{ "digits", text_digits },
	{ "first", rule_first },
	{ "list", rule_list },
	{ "head", rule_head },
	{ "concat", rule_concat },
	{ "is", rule_is },
	{ "bool", rule_bool },
	{ "int", rule_int },
	{ "date", rule_date },
	{ "const", rule_const },
	{ NULL, NULL },
};
