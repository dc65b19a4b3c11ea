/*
 * test_filter.c - Okta's expressions: what is taken, where it is routed, what
 * is said about the rest, and which records satisfy it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter.h"
#include "mem.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct filter *
parse(const char *text, enum filter_entity entity, struct why *why)
{
	*why = (struct why){ 0 };
	return filter_parse(text, strlen(text), entity, why);
}

/* What Okta takes, and by which parameter. */
static const struct {
	enum filter_entity entity;
	const char *text;
	enum filter_route route;
} taken[] = {
	{ FILTER_USER, "status eq \"ACTIVE\"", FILTER_BY_FILTER },
	{ FILTER_USER, "  status EQ \"ACTIVE\"  ", FILTER_BY_FILTER },
	{ FILTER_USER, "id eq \"00u1\"", FILTER_BY_FILTER },
	{ FILTER_USER, "profile.login eq \"a@b.example\"", FILTER_BY_FILTER },
	{ FILTER_USER, "profile.email eq \"a\"", FILTER_BY_FILTER },
	{ FILTER_USER, "profile.firstName eq \"a\"", FILTER_BY_FILTER },
	{ FILTER_USER, "profile.lastName eq \"a\"", FILTER_BY_FILTER },
	{ FILTER_USER, "lastUpdated ge \"2026-04-22T08:15:30.000Z\"",
	    FILTER_BY_FILTER },
	{ FILTER_USER, "lastUpdated lt \"2026-04-22T08:15:30Z\"",
	    FILTER_BY_FILTER },
	{ FILTER_USER,
	    "(status eq \"ACTIVE\" or status eq \"SUSPENDED\") and "
	    "lastUpdated gt \"2026-04-22T08:15:30.000Z\"",
	    FILTER_BY_FILTER },
	{ FILTER_USER, "( status eq \"A\" )", FILTER_BY_FILTER },
	{ FILTER_USER, "status lt \"X\" or status gt \"X\"", FILTER_BY_SEARCH },
	{ FILTER_USER, "status pr", FILTER_BY_SEARCH },
	{ FILTER_USER, "id pr", FILTER_BY_SEARCH },
	{ FILTER_USER, "profile.login sw \"a\"", FILTER_BY_SEARCH },
	{ FILTER_USER, "profile.login co \"abc\"", FILTER_BY_SEARCH },
	{ FILTER_USER, "profile.userType eq \"Employee\"", FILTER_BY_SEARCH },
	{ FILTER_USER, "profile.department eq \"Engineering\"",
	    FILTER_BY_SEARCH },
	{ FILTER_USER, "profile.shoe_size gt 42", FILTER_BY_SEARCH },
	{ FILTER_USER, "profile.shoe-size le -4.5e1", FILTER_BY_SEARCH },
	{ FILTER_USER, "profile.contractor eq true", FILTER_BY_SEARCH },
	{ FILTER_USER, "created gt \"1970-01-01T00:00:00.000Z\"",
	    FILTER_BY_SEARCH },
	{ FILTER_USER, "type.id eq \"oty1\"", FILTER_BY_SEARCH },
	{ FILTER_USER, "realmId eq \"guo1\"", FILTER_BY_SEARCH },
	{ FILTER_USER, "status eq \"ACTIVE\" and profile.city eq \"X\"",
	    FILTER_BY_SEARCH },
	{ FILTER_GROUP, "type eq \"OKTA_GROUP\"", FILTER_BY_FILTER },
	{ FILTER_GROUP,
	    "lastUpdated gt \"2026-04-22T08:15:30.000Z\" or "
	    "lastMembershipUpdated gt \"2026-04-22T08:15:30.000Z\"",
	    FILTER_BY_FILTER },
	{ FILTER_GROUP, "lastUpdated ge \"2026-04-22T08:15:30.000Z\"",
	    FILTER_BY_SEARCH },
	{ FILTER_GROUP, "type sw \"OKTA\"", FILTER_BY_SEARCH },
	{ FILTER_GROUP, "profile.name sw \"IM-\"", FILTER_BY_SEARCH },
	{ FILTER_GROUP, "profile.name co \"IM\"", FILTER_BY_SEARCH },
	{ FILTER_GROUP, "profile.description co \"x\"", FILTER_BY_SEARCH },
	{ FILTER_GROUP, "source.id pr", FILTER_BY_SEARCH },
	{ FILTER_GROUP, "created le \"2026-04-22T08:15:30.000Z\"",
	    FILTER_BY_SEARCH },
};

static void
routes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(taken); i++) {
		struct why why;
		struct filter *f = parse(taken[i].text, taken[i].entity, &why);

		if (f == NULL)
			fail_msg("%s: %s", taken[i].text, why.text);
		if (filter_route(f) != taken[i].route)
			fail_msg("%s: wrong route", taken[i].text);
		assert_string_equal(filter_text(f), taken[i].text);
		filter_free(f);
	}
	assert_string_equal(filter_route_name(FILTER_BY_FILTER), "filter");
	assert_string_equal(filter_route_name(FILTER_BY_SEARCH), "search");
	filter_free(NULL);
}

/* What each refusal must say: column and token, and the way out. */
static const struct refusal {
	enum filter_entity entity;
	const char *text, *says, *also;
} refusals[] = {
	{ FILTER_USER, "status ne \"ACTIVE\"", "column 8: 'ne'",
	    "(status lt \"ACTIVE\" or status gt \"ACTIVE\")" },
	{ FILTER_USER, "profile.temp ne true", "column 14: 'ne'",
	    "write profile.temp eq false" },
	{ FILTER_USER, "status != \"ACTIVE\"", "column 8: '!='", "status lt" },
	{ FILTER_USER, "not (status eq \"ACTIVE\")", "column 1: 'not'",
	    "status lt" },
	{ FILTER_USER, "id eq \"1\" and not (status eq \"A\")",
	    "column 15: 'not'", "turn the comparison round" },
	{ FILTER_USER, "profile.login ew \"x\"", "column 15: 'ew'", "sw" },
	{ FILTER_USER, "profile.title co \"abc\"", "column 15: 'co'",
	    "profile.firstName, lastName, email and login" },
	{ FILTER_USER, "status co \"ACT\"", "column 8: 'co'", "use sw" },
	{ FILTER_USER, "profile.login co \"ab\"", "column 18: '\"ab\"'",
	    "at least 3 characters" },
	{ FILTER_USER, "profile.login co \"\xc3\xa9\xc3\xa9\"",
	    "column 18:", "at least 3 characters" },
	{ FILTER_GROUP, "profile.dn co \"abc\"", "column 12: 'co'",
	    "profile.name and profile.description" },
	{ FILTER_USER, "lastUpdated gt \"yesterday\"",
	    "column 16: '\"yesterday\"'", "\"2026-04-22T08:15:30.000Z\"" },
	{ FILTER_USER, "lastUpdated gt \"2026-02-30T00:00:00.000Z\"",
	    "column 16:", "no date" },
	{ FILTER_USER, "lastUpdated gt \"2025-02-29T00:00:00.000Z\"",
	    "column 16:", "no date" },
	{ FILTER_USER, "lastUpdated gt \"2026-04-22\"",
	    "column 16:", "no date" },
	{ FILTER_USER, "lastUpdated gt 5", "column 16: '5'", "no date" },
	{ FILTER_USER, "created sw \"2026\"", "column 9: 'sw'", "ge lt le" },
	{ FILTER_USER, "profile.city eq \"\xf0\x9f\x98\x80\"",
	    "column 18:", "beyond U+FFFF" },
	{ FILTER_USER, "profile.city eq \"\\ud83d\\ude00\"",
	    "column 18: '\\ud83d'", "beyond U+FFFF" },
	{ FILTER_USER, "profile.city eq \"\\u00g0\"", "column 18: '\\u00g0'",
	    "four hex digits" },
	{ FILTER_USER, "profile.city eq \"\\u12\"", "column 18: '\\u12'",
	    "four hex digits" },
	{ FILTER_USER, "profile.city eq \"\\u0000\"", "column 18:", "U+0000" },
	{ FILTER_USER, "profile.city eq \"a\\x\"", "column 19: '\\x'",
	    "no such escape" },
	{ FILTER_USER, "profile.city eq \"a\nb\"", "column 19: '?'",
	    "control character" },
	{ FILTER_USER, "profile.city eq \"\xff\"", "column 18:", "UTF-8" },
	{ FILTER_USER, "profile.city eq \"\xc0\xaf\"", "column 18:", "UTF-8" },
	{ FILTER_USER, "profile.city eq \"\xed\xa0\x80\"",
	    "column 18:", "UTF-8" },
	{ FILTER_USER, "profile.city eq \"abc", "column 17: '\"abc'",
	    "closing quote" },
	{ FILTER_USER, "profile.city eq \"abc\\\"",
	    "column 17:", "closing quote" },
	{ FILTER_USER, "profile.city eq \"", "column 17:", "closing quote" },
	{ FILTER_USER, "profile.city eq \"a\"b\"", "column 20: 'b'",
	    "written \\\"" },
	{ FILTER_USER, "status eq ACTIVE", "column 11: 'ACTIVE'",
	    "\"ACTIVE\"" },
	{ FILTER_USER, "status eq 'ACTIVE'", "column 11: ''ACTIVE''",
	    "\"ACTIVE\"" },
	{ FILTER_USER, "status eq null", "column 11: 'null'", "pr" },
	{ FILTER_USER, "profile.x eq TRUE", "column 14: 'TRUE'",
	    "true or false" },
	{ FILTER_USER, "status eq 5", "column 11: '5'", "\"5\"" },
	{ FILTER_USER, "profile.employeeNumber eq 1234", "column 27: '1234'",
	    "\"1234\"" },
	{ FILTER_USER, "profile.size sw 1", "column 17: '1'", "\"1\"" },
	{ FILTER_USER, "profile.size eq 01", "column 17: '01'", "\"01\"" },
	{ FILTER_USER, "profile.temp gt true", "column 17: 'true'", "only eq" },
	{ FILTER_USER, "status eq", "column 10: the end", "value is missing" },
	{ FILTER_USER, "status", "column 7: the end", "operator is missing" },
	{ FILTER_USER, "status \"ACTIVE\"",
	    "column 8:", "operator is missing" },
	{ FILTER_USER, "status = \"ACTIVE\"", "column 8: '='", "as eq" },
	{ FILTER_USER, "status equals \"ACTIVE\"", "column 8: 'equals'",
	    "as eq" },
	{ FILTER_USER, "profile.login startswith \"a\"",
	    "column 15:", "as sw" },
	{ FILTER_USER, "status foo \"ACTIVE\"", "column 8: 'foo'",
	    "eq gt ge lt le sw co pr" },
	{ FILTER_USER, "status eq\"ACTIVE\"", "column 10:", "space" },
	{ FILTER_USER, "status eq \"A\"or id pr", "column 14: 'or'", "space" },
	{ FILTER_USER, "(id pr)and id pr", "column 8: 'and'", "space" },
	{ FILTER_USER, "id pr and(id pr)", "column 10: '('", "space" },
	{ FILTER_USER, "Status eq \"A\"", "column 1: 'Status'",
	    "did you mean status?" },
	{ FILTER_USER, "profile.firstname eq \"A\"",
	    "column 1: 'profile.firstname'",
	    "did you mean profile.firstName?" },
	{ FILTER_USER, "Profile.login eq \"A\"",
	    "column 1:", "did you mean profile.login?" },
	{ FILTER_USER, "firstName eq \"A\"", "column 1: 'firstName'",
	    "did you mean profile.firstName?" },
	{ FILTER_USER, "statsu eq \"A\"", "column 1: 'statsu'",
	    "did you mean status?" },
	{ FILTER_USER, "credentials.provider.type eq \"A\"",
	    "column 1:", "profile.NAME" },
	{ FILTER_USER, "profile.a.b eq \"A\"", "column 1: 'profile.a.b'",
	    "one name" },
	{ FILTER_USER, "emails[type eq \"work\"]", "column 1: 'emails[type'",
	    "no [ ]" },
	{ FILTER_USER, "9lives eq \"A\"", "column 1: '9lives'",
	    "no attribute" },
	{ FILTER_USER, "profile. eq \"A\"", "column 1: 'profile.'",
	    "no attribute" },
	{ FILTER_USER, "profile..a eq \"A\"", "column 1:", "no attribute" },
	{ FILTER_GROUP, "status eq \"A\"", "column 1: 'status'",
	    "select groups" },
	{ FILTER_GROUP, "objectClass eq \"A\"", "column 1: 'objectClass'",
	    "source.id" },
	{ FILTER_USER, "(status eq \"A\"", "column 15: the end",
	    "a ) is missing" },
	{ FILTER_USER, "status eq \"A\")", "column 14: ')'", "no (" },
	{ FILTER_USER, "(status eq \"A\" status)", "column 16: 'status'",
	    "and, or, or )" },
	{ FILTER_USER, "()", "column 2: ')'", "no attribute" },
	{ FILTER_USER, "id pr && id pr", "column 7: '&&'", "as and" },
	{ FILTER_USER, "id pr || id pr", "column 7: '||'", "as or" },
	{ FILTER_USER, "id pr and", "column 10: the end", "attribute" },
	{ FILTER_USER, "or id pr", "column 1: 'or'", "comparison is missing" },
	{ FILTER_USER, "id pr id pr", "column 7: 'id'", "and, or, or the end" },
	{ FILTER_USER, "", "empty", "status eq" },
	{ FILTER_USER, "   ", "empty", "status eq" },
	{ FILTER_USER, "profile.city eq \"\xc3\xa9\" x", "column 21: 'x'",
	    "the end" },
};

static void
refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refusals); i++) {
		const struct refusal *r = &refusals[i];
		struct why why;

		if (parse(r->text, r->entity, &why) != NULL)
			fail_msg("%s: was taken", r->text);
		if (strstr(why.text, r->says) == NULL ||
		    strstr(why.text, r->also) == NULL)
			fail_msg("%s: %s", r->text, why.text);
		assert_string_equal(why.code, "E_FILTER");
	}
}

static const char alice[] =
    "{\"id\":\"00uAlice\",\"status\":\"ACTIVE\",\"activated\":null,"
    "\"created\":\"2020-01-01T00:00:00.000Z\","
    "\"lastUpdated\":\"2026-04-22T08:15:30.000Z\",\"type\":{\"id\":\"oty1\"},"
    "\"statusChanged\":\"not a date\","
    "\"profile\":{\"login\":\"Alice@Example.com\",\"firstName\":\"Zo\xc3\xab\","
    "\"lastName\":\"\xc3\x96ZT\xc3\x9cRK\",\"title\":null,\"city\":\"\","
    "\"nickName\":\"say \\\"hi\\\" \\\\o/\","
    "\"tags\":[\"blue\",\"Feature\"],\"none\":[],\"nulls\":[null],"
    "\"sizes\":[40,42.5],\"empty\":{},\"age\":41,\"big\":9007199254740993,"
    "\"low\":-3,\"ratio\":0.5,\"temp\":true,\"perm\":false,"
    "\"organization\":\"\xd0\x9c\xd0\xb8\xd1\x80\"}}";

/* A row: the expression, then whether `filter` and `search` match alice. */
static const struct verdict {
	const char *text;
	int filter, search;
} verdicts[] = {
	{ "status eq \"ACTIVE\"", 1, 1 },
	{ "status eq \"active\"", 0, 1 },
	{ "status eq \"ACTIV\"", 0, 0 },
	{ "status eq \"ACTIVEX\"", 0, 0 },
	{ "status lt \"SUSPENDED\" or status gt \"SUSPENDED\"", 1, 1 },
	{ "status lt \"ACTIVE\" or status gt \"ACTIVE\"", 0, 0 },
	{ "status lt \"active\" or status gt \"active\"", 1, 0 },
	{ "status ge \"ACTIVE\"", 1, 1 },
	{ "status le \"ACTIVE\"", 1, 1 },
	{ "status gt \"ACTIV\"", 1, 1 },
	{ "status lt \"ACTIVEX\"", 1, 1 },
	{ "id eq \"00ualice\"", 0, 1 },
	{ "profile.login sw \"alice@\"", 0, 1 },
	{ "profile.login sw \"Alice@\"", 1, 1 },
	{ "profile.login sw \"Alice@Example.com!\"", 0, 0 },
	{ "profile.login co \"EXAMPLE\"", 0, 1 },
	{ "profile.login co \"Example\"", 1, 1 },
	{ "profile.login co \"exampel\"", 0, 0 },
	{ "profile.firstName eq \"ZO\xc3\x8b\"", 0, 1 },
	{ "profile.firstName eq \"Zo\\u00eb\"", 1, 1 },
	{ "profile.firstName eq \"zoe\"", 0, 0 },
	{ "profile.lastName eq \"\xc3\xb6zt\xc3\xbcrk\"", 0, 1 },
	{ "profile.organization eq \"\xd0\xbc\xd0\x98\xd0\xa0\"", 0, 1 },
	{ "profile.nickName eq \"say \\\"hi\\\" \\\\o\\/\"", 1, 1 },
	{ "profile.nickName eq \"SAY \\\"hi\\\" \\\\o/\"", 0, 1 },
	{ "profile.tags eq \"Feature\"", 1, 1 },
	{ "profile.tags eq \"feature\"", 0, 1 },
	{ "profile.tags eq \"red\"", 0, 0 },
	{ "profile.tags sw \"bl\"", 1, 1 },
	{ "profile.tags pr", 1, 1 },
	{ "profile.none pr", 0, 0 },
	{ "profile.nulls pr", 0, 0 },
	{ "profile.empty pr", 0, 0 },
	{ "profile.none eq \"\"", 0, 0 },
	{ "profile.title pr", 0, 0 },
	{ "profile.title eq \"\"", 0, 0 },
	{ "profile.title lt \"x\" or profile.title gt \"x\"", 0, 0 },
	{ "profile.city pr", 0, 0 },
	{ "profile.city eq \"\"", 1, 1 },
	{ "profile.absent pr", 0, 0 },
	{ "profile.absent eq \"x\"", 0, 0 },
	{ "profile.sizes eq 42.5", 1, 1 },
	{ "profile.sizes gt 42.5", 0, 0 },
	{ "profile.sizes lt 41", 1, 1 },
	{ "profile.age eq 41", 1, 1 },
	{ "profile.age eq 41.0", 1, 1 },
	{ "profile.age eq 4.1e1", 1, 1 },
	{ "profile.age eq \"41\"", 0, 0 },
	{ "profile.age gt 40", 1, 1 },
	{ "profile.age ge 42", 0, 0 },
	{ "profile.age pr", 1, 1 },
	{ "profile.age sw \"4\"", 0, 0 },
	{ "profile.big eq 9007199254740993", 1, 1 },
	{ "profile.big eq 9007199254740992", 0, 0 },
	{ "profile.big lt 18446744073709551615", 1, 1 },
	{ "profile.low lt 0", 1, 1 },
	{ "profile.low lt -4", 0, 0 },
	{ "profile.low lt 18446744073709551615", 1, 1 },
	{ "profile.ratio le 0.5", 1, 1 },
	{ "profile.temp eq true", 1, 1 },
	{ "profile.temp eq false", 0, 0 },
	{ "profile.perm eq false", 1, 1 },
	{ "profile.perm pr", 1, 1 },
	{ "profile.temp eq \"true\"", 0, 0 },
	{ "profile.temp eq 1", 0, 0 },
	{ "type.id eq \"oty1\"", 1, 1 },
	{ "realmId pr", 0, 0 },
	{ "lastUpdated eq \"2026-04-22T10:15:30+02:00\"", 1, 1 },
	{ "lastUpdated gt \"2026-04-22T08:15:29.999Z\"", 1, 1 },
	{ "lastUpdated gt \"2026-04-22T08:15:30.000Z\"", 0, 0 },
	{ "lastUpdated ge \"2026-04-22T08:15:30Z\"", 1, 1 },
	{ "lastUpdated lt \"2026-04-22T07:15:31.000-01:00\"", 1, 1 },
	{ "lastUpdated lt \"2026-04-22T07:15:31.000-02:00\"", 1, 1 },
	{ "lastUpdated lt \"2026-04-22T10:15:30.000+02:00\"", 0, 0 },
	{ "created pr", 1, 1 },
	{ "activated pr", 0, 0 },
	{ "activated gt \"1970-01-01T00:00:00.000Z\"", 0, 0 },
	{ "statusChanged gt \"1970-01-01T00:00:00.000Z\"", 0, 0 },
	/* and binds tighter than or */
	{ "id pr or id pr and realmId pr", 1, 1 },
	{ "(id pr or id pr) and realmId pr", 0, 0 },
	{ "realmId pr and id pr or id pr", 1, 1 },
	{ "realmId pr and (id pr or id pr)", 0, 0 },
	{ "realmId pr or realmId pr or id pr", 1, 1 },
	{ "id pr AND created pr And type.id pr", 1, 1 },
	{ "id pr and created pr and realmId pr", 0, 0 },
	{ "((((id pr))))", 1, 1 },
};

static void
matches(void **state)
{
	yyjson_doc *doc = yyjson_read(alice, strlen(alice), 0);

	(void)state;
	assert_non_null(doc);
	for (size_t i = 0; i < COUNT(verdicts); i++) {
		const struct verdict *v = &verdicts[i];
		yyjson_val *record = yyjson_doc_get_root(doc);
		struct why why;
		struct filter *f = parse(v->text, FILTER_USER, &why);

		if (f == NULL)
			fail_msg("%s: %s", v->text, why.text);
		if (filter_match(f, FILTER_BY_FILTER, record) != v->filter)
			fail_msg("%s: wrong under filter", v->text);
		if (filter_match(f, FILTER_BY_SEARCH, record) != v->search)
			fail_msg("%s: wrong under search", v->text);
		filter_free(f);
	}
	yyjson_doc_free(doc);
}

/* Letters of several blocks; long values leave the stack buffer. */
static void
folds(void **state)
{
	static const char *const pairs[][2] = {
		{ "\xc3\x80\xc3\x9e", "\xc3\xa0\xc3\xbe" }, /* A grave, thorn */
		{ "\xc5\x81\xc5\xbb",
		    "\xc5\x82\xc5\xbc" }, /* L stroke, Z dot */
		{ "\xc4\xb9\xc5\xb8",
		    "\xc4\xba\xc3\xbf" }, /* L acute, Y dots */
		{ "\xe1\xba\xa0", "\xe1\xba\xa1" }, /* A with dot below */
		{ "\xe1\xba\x9e", "\xc3\x9f" }, /* capital sharp s */
		{ "\xce\xa3\xcf\x82", "\xcf\x83\xcf\x83" }, /* sigmas */
		{ "\xd0\x81", "\xd1\x91" }, /* Io */
	};
	char *text, *json, *upper = xmalloc(1001);

	(void)state;
	memset(upper, 'Q', 1000);
	upper[1000] = '\0';
	for (size_t i = 0; i <= COUNT(pairs); i++) {
		const char *a = i < COUNT(pairs) ? pairs[i][0] : upper;
		const char *b = i < COUNT(pairs) ? pairs[i][1] : "qqq";
		struct why why;
		struct filter *f;
		yyjson_doc *doc;

		text = xasprintf("profile.nickName sw \"%s\"", b);
		json = xasprintf("{\"profile\":{\"nickName\":\"%s\"}}", a);
		f = parse(text, FILTER_USER, &why);
		doc = yyjson_read(json, strlen(json), 0);
		assert_non_null(f);
		assert_true(filter_match(
		    f, FILTER_BY_SEARCH, yyjson_doc_get_root(doc)));
		assert_false(filter_match(
		    f, FILTER_BY_FILTER, yyjson_doc_get_root(doc)));
		yyjson_doc_free(doc);
		filter_free(f);
		free(text);
		free(json);
	}
	free(upper);
}

static char *
nested(int depth)
{
	struct buf b = { 0 };

	for (int i = 0; i < depth; i++)
		buf_char(&b, '(');
	buf_str(&b, "id pr");
	for (int i = 0; i < depth; i++)
		buf_char(&b, ')');
	return buf_take(&b);
}

static void
hostile_input_is_bounded(void **state)
{
	struct buf b = { 0 };
	struct why why;
	struct filter *f;
	char *text;

	(void)state;
	text = nested(32);
	f = parse(text, FILTER_USER, &why);
	assert_non_null(f);
	filter_free(f);
	free(text);
	text = nested(33);
	assert_null(parse(text, FILTER_USER, &why));
	assert_non_null(strstr(why.text, "column 33: '('"));
	free(text);
	text = nested(4000);
	assert_null(parse(text, FILTER_USER, &why));
	free(text);

	buf_str(&b, "id pr");
	while (b.len + 10 <= 8192)
		buf_str(&b, " or id pr");
	f = parse(b.data, FILTER_USER, &why);
	assert_non_null(f);
	filter_free(f);
	while (b.len <= 8192)
		buf_char(&b, ' ');
	assert_null(parse(b.data, FILTER_USER, &why));
	assert_non_null(strstr(why.text, "8193 bytes"));
	buf_free(&b);
	/* A NUL is no end. */
	assert_null(filter_parse("id pr\0 x", 8, FILTER_USER, &why));
	assert_non_null(strstr(why.text, "column 6: '?'"));
}

/* A long token is cut at a whole character, and the message still ends. */
static void
long_tokens_are_cut(void **state)
{
	struct buf b = { 0 };
	struct why why;

	(void)state;
	buf_str(&b, "status eq ");
	for (int i = 0; i < 500; i++)
		buf_str(&b, "\xe2\x82\xac");
	assert_null(parse(b.data, FILTER_USER, &why));
	assert_non_null(strstr(why.text, "\xe2\x82\xac...'"));
	assert_non_null(strstr(why.text, "double quotes"));
	buf_free(&b);
}

static void
both_must_hold(void **state)
{
	struct why why;
	struct filter *a = parse("id pr or id pr", FILTER_USER, &why);
	struct filter *b = parse("status eq \"ACTIVE\"", FILTER_USER, &why);
	struct filter *f;

	(void)state;
	f = filter_and(a, b, FILTER_USER, &why);
	assert_non_null(f);
	assert_string_equal(
	    filter_text(f), "(id pr or id pr) and (status eq \"ACTIVE\")");
	assert_int_equal(filter_route(f), FILTER_BY_SEARCH);
	filter_free(f);
	f = filter_and(NULL, b, FILTER_USER, &why);
	assert_string_equal(filter_text(f), "status eq \"ACTIVE\"");
	assert_int_equal(filter_route(f), FILTER_BY_FILTER);
	filter_free(f);
	f = filter_and(a, NULL, FILTER_USER, &why);
	assert_string_equal(filter_text(f), "id pr or id pr");
	filter_free(f);
	assert_null(filter_and(NULL, NULL, FILTER_USER, &why));
	filter_free(a);
	filter_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes),
		cmocka_unit_test(refuses),
		cmocka_unit_test(matches),
		cmocka_unit_test(folds),
		cmocka_unit_test(hostile_input_is_bounded),
		cmocka_unit_test(long_tokens_are_cut),
		cmocka_unit_test(both_must_hold),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
