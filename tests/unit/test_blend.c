/*
 * test_blend.c - key values, and several objects becoming one.
 *
 * Rules are loaded from a folder as an operator writes them, so that the
 * compiler, the keys and the flows are tested together.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "blend.h"
#include "log.h"
#include "mem.h"

#define MAPS                                                               \
	"map \"okta.User\" { id = \"id\", email = \"e\", emails = \"es\"," \
	" no = \"n\", title = \"t\", first = \"f\", last = \"l\","         \
	" name = \"d\", on = \"on\", boss = \"b\", at = \"at\" }\n"        \
	"map \"entra.User\" { email = \"e\", title = \"t\", on = \"on\" }\n"

static char dir[] = "/tmp/idmesh-blend.XXXXXX";

static void
put_rules(const char *text)
{
	char *path = xasprintf("%s/a.lua", dir);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(MAPS, f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	free(path);
}

static struct rules *
load(const char *text)
{
	struct buf errors = { 0 };
	struct rules *r;

	put_rules(text);
	r = rules_load(dir, &errors);
	if (r == NULL)
		fail_msg("%s", errors.data);
	buf_free(&errors);
	return r;
}

static void
refuses(const char *text, const char *part)
{
	struct buf errors = { 0 };

	put_rules(text);
	assert_null(rules_load(dir, &errors));
	if (strstr(errors.data, part) == NULL)
		fail_msg("%s\ndoes not say: %s", errors.data, part);
	buf_free(&errors);
}

static yyjson_doc *
parse(const char *json)
{
	yyjson_doc *doc =
	    yyjson_read(json, strlen(json), YYJSON_READ_NUMBER_AS_RAW);

	assert_non_null(doc);
	return doc;
}

static void
collect(void *ctx, const char *text, size_t len)
{
	struct buf *b = ctx;

	buf_char(b, '<');
	buf_add(b, text, len);
	buf_char(b, '>');
}

static void
values_are(
    const struct policy *p, size_t key, const char *json, const char *expect)
{
	yyjson_doc *doc = parse(json);
	struct buf b = { 0 };

	policy_values(p, key, yyjson_doc_get_root(doc), collect, &b);
	assert_string_equal(b.len > 0 ? b.data : "", expect);
	buf_free(&b);
	yyjson_doc_free(doc);
}

#define JOIN "join \"User\" { sources = { \"okta\", \"entra\" } }\n"

static void
test_keys(void **state)
{
	struct rules *r =
	    load("join \"User\" { sources = { \"okta\", \"entra\" },"
		 " { \"no\", norm = { \"trim\", \"strip0\" } },"
		 " { \"email\", norm = \"lower\","
		 "   except = { \"Info@\", \"@test.example\", \"a@b.c\" } },"
		 " { \"emails\", norm = { \"smtp\", \"lower\" } },"
		 " { \"last\", \"first\", norm = \"fold\", propose = true },"
		 " { \"email\", norm = \"before(@)\" } }");
	const struct policy *p = rules_policy(r, "User");
	(void)state;

	assert_int_equal(p->nkeys, 5);
	assert_string_equal(p->keys[3].label, "last+first");
	assert_true(p->keys[3].propose);
	values_are(p, 0, "{\"no\":\" 0012 \"}", "<12>");
	values_are(p, 0, "{\"no\":7}", "<7>");
	values_are(p, 0, "{\"no\":\"  \"}", "");
	values_are(p, 0, "{\"no\":null}", "");
	values_are(p, 1, "{\"email\":\"Ann@X.org\"}", "<ann@x.org>");
	values_are(p, 1, "{\"email\":\"INFO@x.org\"}", "");
	values_are(p, 1, "{\"email\":\"x@TEST.example\"}", "");
	values_are(p, 1, "{\"email\":\"A@b.c\"}", "");
	values_are(p, 1, "{\"email\":\"xinfo@x.org\"}", "<xinfo@x.org>");
	values_are(p, 2,
	    "{\"emails\":[\"SMTP:A@x\",\"smtp:b@x\",\"X500:/o=1\",\"c@x\"]}",
	    "<a@x><b@x><c@x>");
	values_are(p, 3,
	    "{\"last\":\"Stra\xc3\x9f"
	    "e\",\"first\":\"Ann\"}",
	    "<strasse\x1f"
	    "ann>");
	values_are(p, 3, "{\"last\":\"Li\"}", "");
	values_are(p, 4, "{\"email\":\"ann@x.org\"}", "<ann>");
	rules_free(r);
}

static void
test_sources(void **state)
{
	struct rules *r = load("join \"User\" { sources = { \"okta:b\","
			       " \"okta\", \"entra\" },"
			       " unmatched = { entra = \"hold\" } }");
	const struct policy *p = rules_policy(r, "User");
	(void)state;

	assert_int_equal(policy_entry(p, "okta:b"), 0);
	assert_int_equal(policy_entry(p, "okta:a"), 1);
	assert_int_equal(policy_entry(p, "okta:bb"), 1);
	assert_int_equal(policy_entry(p, "entra:x"), 2);
	assert_int_equal(policy_entry(p, "ldap:x"), 3);
	assert_false(p->sources[1].hold);
	assert_true(p->sources[2].hold);
	assert_null(rules_policy(r, "Group"));
	rules_free(r);
}

static const char *
resolve(void *ctx, const struct blend_part *part,
    const struct policy_flow *flow, const char *text, size_t len)
{
	static char out[128];
	(void)ctx;

	assert_string_equal(flow->ref, "User");
	if (strncmp(text, "nobody", len) == 0)
		return NULL;
	snprintf(
	    out, sizeof(out), "mesh-%s-%.*s", part->source, (int)len, text);
	return out;
}

/* Blends okta:a and entra:b; NULL leaves a source out. */
static void
blends(struct rules *r, const char *okta, const char *entra, const char *old,
    const char *expect)
{
	yyjson_doc *docs[3] = { NULL };
	struct blend_part parts[2];
	struct blend_input in = { .policy = rules_policy(r, "User"),
		.rules = r,
		.parts = parts,
		.resolve = resolve };
	struct buf out = { 0 };
	struct why why;

	if (okta != NULL)
		docs[0] = parse(okta);
	if (entra != NULL)
		docs[1] = parse(entra);
	if (old != NULL)
		docs[2] = parse(old);
	if (okta != NULL)
		parts[in.n++] = (struct blend_part){ "okta:a", "1",
			yyjson_doc_get_root(docs[0]) };
	if (entra != NULL)
		parts[in.n++] = (struct blend_part){ "entra:b", "2",
			yyjson_doc_get_root(docs[1]) };
	in.old = yyjson_doc_get_root(docs[2]);
	blend_begin(r, "2026-01-01T00:00:00Z");
	blend(&in, &out, NULL, &why);
	blend_end(r);
	assert_string_equal(out.data, expect);
	buf_free(&out);
	for (int i = 0; i < 3; i++)
		yyjson_doc_free(docs[i]);
}

static void
test_first(void **state)
{
	struct rules *r = load(JOIN "flow \"User\" { [\"*\"] = { \"okta\","
				    " \"entra\" }, title = { \"entra\","
				    " \"okta\" } }");
	(void)state;

	/* In map order, the first value in flow order. */
	blends(r, "{\"title\":\"o\",\"email\":\"a\"}",
	    "{\"email\":\"b\",\"title\":\"e\"}", NULL,
	    "{\"email\":\"a\",\"title\":\"e\"}");
	/* Blank and null give way; what nobody reports is absent. */
	blends(r, "{\"email\":\" \",\"title\":\"o\"}",
	    "{\"email\":\"b\",\"title\":null}", NULL,
	    "{\"email\":\"b\",\"title\":\"o\"}");
	blends(r, "{\"email\":null}", "{\"title\":\"\"}", NULL,
	    "{\"email\":null,\"title\":\"\"}");
	/* false and 0 are values. */
	blends(r, "{\"on\":false,\"no\":0}", "{\"on\":true,\"no\":1}", NULL,
	    "{\"no\":0,\"on\":false}");
	rules_free(r);
}

static void
test_own(void **state)
{
	struct rules *r = load(
	    JOIN "flow \"User\" { title = { own = \"entra\", backup = \"okta\","
		 " default = \"none\" } }");
	(void)state;

	blends(r, "{\"title\":\"o\"}", "{\"title\":null}", NULL,
	    "{\"title\":null}");
	/* The owner is there and does not say: neither does the mesh. */
	blends(r, "{\"title\":\"o\"}", "{}", NULL, "{\"title\":\"none\"}");
	blends(r, "{\"title\":\"o\"}", NULL, NULL, "{\"title\":\"o\"}");
	blends(r, "{\"title\":null}", NULL, NULL, "{\"title\":\"none\"}");
	rules_free(r);
}

static void
test_truth(void **state)
{
	struct rules *r = load(JOIN "flow \"User\" {"
				    " on = { all = { \"okta\", \"entra\" } },"
				    " boss = { any = { \"okta\", \"entra\" } }"
				    " }");
	(void)state;

	blends(r, "{\"on\":true,\"boss\":false}", "{\"on\":true,\"boss\":true}",
	    NULL, "{\"on\":true,\"boss\":true}");
	blends(r, "{\"on\":true,\"boss\":false}", "{\"on\":false}", NULL,
	    "{\"on\":false,\"boss\":false}");
	blends(r, "{\"on\":true}", "{\"on\":null}", NULL, "{\"on\":false}");
	blends(r, "{\"on\":true}", "{}", NULL, "{\"on\":true}");
	blends(r, "{\"on\":null}", "{}", NULL, "{\"on\":null}");
	rules_free(r);
}

static void
test_union(void **state)
{
	struct rules *r = load(
	    JOIN "flow \"User\" { emails = { union = { \"okta\", \"entra\" },"
		 " norm = \"lower\" } }");
	(void)state;

	blends(r, "{\"emails\":[\"z@x\",\"B@x\"]}",
	    "{\"emails\":[\"b@x\",\"a@x\",\"Z@x\"]}", NULL,
	    "{\"emails\":[\"z@x\",\"a@x\",\"B@x\"]}");
	blends(r, "{\"emails\":[\"c\"]}", "{\"emails\":\"a\"}", NULL,
	    "{\"emails\":[\"c\",\"a\"]}");
	blends(r, "{\"emails\":null}", "{}", NULL, "{\"emails\":[]}");
	blends(r, "{}", "{}", NULL, "{}");
	blends(r, "{\"emails\":[{\"v\":1},{\"v\":2,\"primary\":true}]}", "{}",
	    NULL, "{\"emails\":[{\"v\":2,\"primary\":true},{\"v\":1}]}");
	rules_free(r);
}

static void
test_default(void **state)
{
	struct rules *r =
	    load(JOIN "flow \"User\" { name = { \"okta\", \"entra\","
		      " default = \"{first} {last}\" } }");
	(void)state;

	blends(r, "{\"first\":\"Ann\",\"last\":\"Li\"}", "{\"name\":\"\"}",
	    NULL, "{\"first\":\"Ann\",\"last\":\"Li\",\"name\":\"Ann Li\"}");
	blends(r, "{\"first\":\"Ann\"}", "{}", NULL,
	    "{\"first\":\"Ann\",\"name\":\"Ann\"}");
	blends(r, "{\"first\":\"Ann\",\"name\":\"X\"}", "{}", NULL,
	    "{\"first\":\"Ann\",\"name\":\"X\"}");
	blends(r, "{\"email\":\"e\"}", "{}", NULL, "{\"email\":\"e\"}");
	rules_free(r);
}

static void
test_function(void **state)
{
	struct rules *r = load(JOIN
	    "flow \"User\" {\n"
	    " title = { \"okta\", function(v) return \"was \" .. v.entra end },"
	    "\n name = function(v) return v[\"okta:a\"] .. v.entra end }");
	struct buf list = { 0 };
	(void)state;

	rules_list_lua(r, &list);
	assert_non_null(strstr(list.data, "flow User.title"));
	buf_free(&list);
	blends(r, "{\"name\":\"a\"}", "{\"name\":\"b\",\"title\":\"t\"}", NULL,
	    "{\"title\":\"was t\",\"name\":\"ab\"}");
	blends(r, "{\"name\":\"a\",\"title\":\"o\"}", "{\"name\":\"b\"}", NULL,
	    "{\"title\":\"o\",\"name\":\"ab\"}");
	/* It fails: the mesh keeps what it had. */
	blends(r, "{\"name\":\"a\"}", "{}", "{\"name\":\"old\"}",
	    "{\"name\":\"old\"}");
	rules_free(r);
}

static void
test_ref(void **state)
{
	struct rules *r = load(JOIN "flow \"User\" { boss = { own = \"entra\","
				    " backup = \"okta\", ref = \"User\" } }");
	(void)state;

	blends(r, "{\"boss\":\"9\"}", "{\"boss\":\"8\"}", NULL,
	    "{\"boss\":\"mesh-entra:b-8\"}");
	blends(
	    r, "{\"boss\":\"9\"}", NULL, NULL, "{\"boss\":\"mesh-okta:a-9\"}");
	blends(r, "{\"boss\":\"nobody\"}", NULL, NULL, "{\"boss\":null}");
	blends(
	    r, "{\"boss\":\"9\"}", "{\"boss\":null}", NULL, "{\"boss\":null}");
	rules_free(r);
	r = load(JOIN "flow \"User\" { boss = { \"okta\", ref = { \"User\","
		      " by = { \"email\", \"no\" } } } }");
	assert_int_equal(rules_policy(r, "User")->nkeys, 0);
	assert_int_equal(rules_policy(r, "User")->nlookups, 2);
	rules_free(r);
}

static void
test_newest(void **state)
{
	struct rules *r = load(
	    JOIN "flow \"User\" { title = { newest = { \"okta\", \"entra\" },"
		 " clock = { okta = \"at\", entra = \"at\" } } }");
	(void)state;

	blends(r, "{\"title\":\"o\",\"at\":\"2026-01-01T00:00:00Z\"}",
	    "{\"title\":\"e\",\"at\":\"2026-01-02T00:00:00Z\"}", NULL,
	    "{\"title\":\"e\",\"at\":\"2026-01-01T00:00:00Z\"}");
	blends(r, "{\"title\":\"o\"}", "{\"title\":\"e\"}", NULL,
	    "{\"title\":\"o\"}");
	rules_free(r);
	refuses(JOIN
	    "flow \"User\" { title = { newest = { \"okta\", \"entra\" },"
	    " clock = { okta = \"at\" } } }",
	    "a.lua:4: flow: newest needs clock");
	refuses(JOIN "flow \"User\" { title = { newest = { \"entra\" } } }",
	    "Graph tells no such time");
}

static void
test_refusals(void **state)
{
	(void)state;
	refuses(JOIN "flow \"User\" { title = { \"okta\", all = { \"entra\" } "
		     "} }",
	    "takes one of");
	refuses(JOIN "flow \"User\" { title = { \"okta\", ref = \"Usr\" } }",
	    "User");
	refuses(
	    JOIN "life \"User\" { back = { same_id = \"ask\" } }", "same_id");
	refuses(JOIN "flow \"User\" { boss = { function() end, \"okta\" } }",
	    "last resort");
}

static void
test_life(void **state)
{
	struct rules *r =
	    load(JOIN "life \"User\" { gone = \"any\", grace = \"7d\","
		      " back = { same_key = \"revive\" } }\n"
		      "guard { unjoin = { max = 20 }, change = { percent = 20,"
		      " attributes = { \"email\" } } }");
	const struct policy *p = rules_policy(r, "User");
	(void)state;

	assert_true(p->any);
	assert_true(p->grace_ms == (int64_t)7 * 86400000);
	assert_int_equal(p->same_key, POLICY_REVIVE);
	assert_int_equal(p->leave.max, 500);
	assert_int_equal(p->unjoin.max, 20);
	assert_int_equal(p->change.max, -1);
	assert_int_equal(p->change.nattrs, 1);
	assert_int_equal(rules_guard_leave(r).max, 500);
	rules_free(r);
}

/* The trace says who lost, and why. */
static void
test_trace(void **state)
{
	struct rules *r = load(JOIN "flow \"User\" { title = { own = \"entra\","
				    " backup = \"okta\" } }");
	const struct policy *p = rules_policy(r, "User");
	struct blend_said *trace = xcalloc(p->nflows, sizeof(*trace));
	yyjson_doc *okta = parse("{\"email\":\"a\",\"title\":\"o\"}");
	yyjson_doc *entra = parse("{\"email\":\"b\",\"title\":\"e\"}");
	struct blend_part parts[] = {
		{ "okta:a", "1", yyjson_doc_get_root(okta) },
		{ "entra:b", "2", yyjson_doc_get_root(entra) },
	};
	struct blend_input in = { .policy = p, .parts = parts, .n = 2 };
	struct buf out = { 0 };
	struct why why;
	(void)state;

	assert_int_equal(blend(&in, &out, trace, &why), 0);
	assert_string_equal(trace[1].flow->attr, "email");
	assert_int_equal(trace[1].winner, 0);
	assert_int_equal(trace[1].parts[1].why, BLEND_LATER);
	assert_string_equal(trace[4].flow->attr, "title");
	assert_int_equal(trace[4].winner, 1);
	assert_int_equal(trace[4].parts[0].why, BLEND_OWNED);
	assert_int_equal(trace[0].winner, BLEND_NOBODY);
	assert_false(trace[0].present);
	buf_free(&out);
	free(trace);
	yyjson_doc_free(okta);
	yyjson_doc_free(entra);
	rules_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_truth),
		cmocka_unit_test(test_union),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_function),
		cmocka_unit_test(test_ref),
		cmocka_unit_test(test_newest),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_trace),
	};
	int failed;
	char *path;

	log_open("test_blend");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (mkdtemp(dir) == NULL)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	path = xasprintf("%s/a.lua", dir);
	unlink(path);
	free(path);
	rmdir(dir);
	return failed;
}
