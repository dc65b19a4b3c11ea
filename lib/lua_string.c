/*
 * lua_string.c - text functions whose time is bounded.
 *
 * A hook stops Lua code, never a library function, so those that can run
 * long are wrapped here.  Pattern matching goes back and forth between the
 * unbounded items of a pattern: its worst case is known from the lengths
 * before it starts, and one that could take seconds is refused.
 */

#include "lua_api.h"

#include <string.h>

#define SUBJECT_MAX 4096 /* bytes a pattern is matched against */
#define PATTERN_MAX 256
#define ITEMS_MAX 4 /* * + - and the like in one pattern */
#define STEPS_MAX 2e8 /* of a worst case; about a second */
#define PLAIN_MAX 65536
#define REP_MAX (1 << 20)
#define SORT_MAX 10000

/* What is wrapped, as Lua's library has it. */
#define ORIGINAL lua_upvalueindex(1)

/* Unbounded items of a pattern, and its optional ones. */
static void
count_items(const char *p, size_t len, int *items, int *optional)
{
	*items = *optional = 0;
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '%' && i + 1 < len) {
			*items += p[i + 1] == 'b' ||
				  (p[i + 1] >= '1' && p[i + 1] <= '9');
			i++;
			continue;
		}
		if (p[i] == '[') {
			for (i += p[i + 1] == '^' ? 2 : 1; i < len;) {
				size_t step = p[i] == '%' ? 2 : 1;

				i += step;
				if (i < len && p[i] == ']')
					break;
			}
			continue;
		}
		*items += p[i] == '*' || p[i] == '+' || p[i] == '-';
		*optional += p[i] == '?';
	}
}

/* In how many ways `items` runs can share n bytes. */
static double
ways(double n, int items)
{
	double product = 1;

	for (int i = 1; i <= items; i++)
		product = product * (n + i) / i;
	return product;
}

static void
check_pattern(lua_State *L)
{
	size_t slen, plen;
	int items, optional;
	const char *p;
	double steps;

	luaL_checklstring(L, 1, &slen);
	p = luaL_checklstring(L, 2, &plen);
	if (slen > SUBJECT_MAX)
		luaL_error(L,
		    "a text of %d bytes is too long for a pattern (%d)",
		    (int)slen, SUBJECT_MAX);
	if (plen > PATTERN_MAX)
		luaL_error(L, "a pattern of more than %d bytes", PATTERN_MAX);
	count_items(p, plen, &items, &optional);
	if (items > ITEMS_MAX)
		luaL_error(L,
		    "the pattern has %d of * + - (at most %d): it could "
		    "match for hours",
		    items, ITEMS_MAX);
	if (plen == 0 || p[0] != '^')
		items++;
	steps = ways((double)slen, items) * (1 + (double)plen / 16);
	for (; optional > 0; optional--)
		steps *= 2;
	if (steps > STEPS_MAX)
		luaL_error(L,
		    "matching this pattern against %d bytes could take too "
		    "long: anchor it with ^ or use fewer * + - ?",
		    (int)slen);
}

static int
forward(lua_State *L)
{
	int n = lua_gettop(L);

	lua_pushvalue(L, ORIGINAL);
	lua_insert(L, 1);
	lua_call(L, n, LUA_MULTRET);
	return lua_gettop(L);
}

static int
string_find(lua_State *L)
{
	if (!lua_toboolean(L, 4))
		check_pattern(L);
	else if (luaL_len(L, 1) > PLAIN_MAX)
		return luaL_error(
		    L, "a text of more than %d bytes to search", PLAIN_MAX);
	return forward(L);
}

static int
string_pattern(lua_State *L)
{
	check_pattern(L);
	return forward(L);
}

static int
string_rep(lua_State *L)
{
	double len = (double)luaL_len(L, 1), sep = 0, n;

	if (lua_type(L, 3) == LUA_TSTRING)
		sep = (double)luaL_len(L, 3);
	n = (double)luaL_checkinteger(L, 2);
	if (n > REP_MAX || (len + sep) * n > REP_MAX)
		return luaL_error(
		    L, "string.rep would make more than %d bytes", REP_MAX);
	return forward(L);
}

/* Addresses differ from run to run, so what would print one is refused. */
static int
string_format(lua_State *L)
{
	const char *p = luaL_checkstring(L, 1);

	for (; *p != '\0'; p++) {
		if (*p != '%')
			continue;
		p += 1 + strspn(p + 1, "-+ #0123456789.");
		if (*p == 'p')
			return luaL_error(L, "%%p is not for rules");
		if (*p == '\0')
			break;
	}
	for (int i = 2; i <= lua_gettop(L); i++) {
		if (lua_type(L, i) == LUA_TTABLE ||
		    lua_type(L, i) == LUA_TFUNCTION)
			return luaL_argerror(L, i, "a text is needed");
	}
	return forward(L);
}

static int
table_sort(lua_State *L)
{
	if (luaL_len(L, 1) > SORT_MAX)
		return luaL_error(
		    L, "table.sort takes at most %d items", SORT_MAX);
	return forward(L);
}

const luaL_Reg lua_string_bounded[] = {
	{ "find", string_find },
	{ "match", string_pattern },
	{ "gmatch", string_pattern },
	{ "gsub", string_pattern },
	{ "rep", string_rep },
	{ "format", string_format },
	{ NULL, NULL },
};

const luaL_Reg lua_table_bounded[] = {
	{ "sort", table_sort },
	{ NULL, NULL },
};
