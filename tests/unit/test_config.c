/*
 * test_config.c - source and run files: what is read, and every error with
 * its file, its line and the right form.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mem.h"

/* For the tables, which the man page is compared with. */
#include "lib/config_source.c"
#undef AT
#undef COUNT
#include "lib/config_run.c"

static char folder[] = "/tmp/idmesh-config-XXXXXX";
static char path[64];

static int
setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/okta.json", folder);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void
put(const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

#define AUTH                                                 \
	"\"AuthJson\": { \"Mode\": \"ApiKey\", \"ApiKey\": " \
	"\"secret://okta/contoso/apitoken\" }"
#define HEAD "{ \"connector\": \"okta\", \"name\": \"contoso\",\n"
/* A good file but for what is put into ConfigJson, on line 3. */
#define WITH(text)                                                           \
	HEAD "\"ConfigJson\": { \"OrgDomain\": \"contoso.okta.com\",\n" text \
	     " },\n" AUTH " }\n"
#define DOMAIN(text) \
	HEAD "\"ConfigJson\": {\n\"OrgDomain\": \"" text "\" },\n" AUTH "}"

static void
minimal_source(void **state)
{
	static const char text[] = HEAD
	    "\"ConfigJson\": {\"OrgDomain\": \"contoso.okta.com\"}," AUTH "}";
	struct config_source c;
	struct buf errors = { 0 };

	(void)state;
	put(text, strlen(text));
	if (config_source_read(path, &c, &errors) != 0)
		fail_msg("%s", errors.data);
	assert_int_equal(errors.len, 0);
	assert_string_equal(c.path, path);
	assert_string_equal(c.connector, "okta");
	assert_string_equal(c.name, "contoso");
	assert_string_equal(c.org_domain, "contoso.okta.com");
	assert_string_equal(c.base_url, "https://contoso.okta.com");
	assert_null(c.user_search_filter);
	assert_string_equal(c.external_id_attribute, "id");
	assert_int_equal(c.page_size, 200);
	assert_true(c.import_users && c.import_groups && c.import_memberships);
	assert_false(c.import_group_rules);
	assert_true(config_source_imports(&c, "ImportUsers"));
	assert_false(config_source_imports(&c, "ImportGroupRules"));
	assert_false(config_source_imports(&c, "PageSize"));
	assert_true(c.rate_limit_share > 0.79 && c.rate_limit_share < 0.81);
	assert_int_equal(c.rate_limit_reserve, 0);
	assert_int_equal(c.max_in_flight, 8);
	assert_string_equal(c.auth_mode, "ApiKey");
	assert_string_equal(c.api_key, "secret://okta/contoso/apitoken");
	config_source_free(&c);
	config_source_free(&c);
}

static void
full_source(void **state)
{
	static const char text[] = WITH(
	    "\"UserSearchFilter\": \"profile.city eq \\\"K\\u00f6ln\\\"\",\n"
	    "\"PageSize\": 1, \"ImportUsers\": false, \"ImportGroups\": false,"
	    "\"ImportMemberships\": false, \"ImportGroupRules\": true,"
	    "\"ExternalIdAttribute\": \"login\","
	    "\"BaseUrl\": \"http://127.0.0.1:8080/\", \"RateLimitShare\": 1,"
	    "\"RateLimitReserve\": 5, \"MaxInFlight\": 300");
	struct config_source c;
	struct buf errors = { 0 };

	(void)state;
	put(text, strlen(text));
	if (config_source_read(path, &c, &errors) != 0)
		fail_msg("%s", errors.data);
	assert_string_equal(
	    c.user_search_filter, "profile.city eq \"K\xc3\xb6ln\"");
	assert_string_equal(c.base_url, "http://127.0.0.1:8080");
	assert_string_equal(c.external_id_attribute, "login");
	assert_int_equal(c.page_size, 1);
	assert_false(c.import_users || c.import_groups || c.import_memberships);
	assert_false(config_source_imports(&c, "ImportUsers"));
	assert_true(config_source_imports(&c, "ImportGroupRules"));
	assert_true(c.rate_limit_share == 1.0);
	assert_int_equal(c.rate_limit_reserve, 5);
	assert_int_equal(c.max_in_flight, 300);
	config_source_free(&c);
}

/* What one wrong value must say, and on which line. */
static const struct fault {
	const char *text;
	int line;
	const char *says, *also;
} faults[] = {
	/* values */
	{ WITH("\"PageSize\": 0"), 3, "PageSize is 0", "from 1 to 200" },
	{ WITH("\"PageSize\": 201"), 3, "PageSize is 201", "from 1 to 200" },
	{ WITH("\"PageSize\": 200.0"), 3, "PageSize is a number",
	    "\"PageSize\": 200" },
	{ WITH("\"PageSize\": 18446744073709551615"), 3, "PageSize is 1.8",
	    "from 1 to 200" },
	{ WITH("\"PageSize\": \"200\""), 3, "PageSize is a string",
	    "write \"PageSize\": 200" },
	{ WITH("\"PageSize\": null"), 3, "PageSize is null", "whole number" },
	{ WITH("\"ImportUsers\": \"yes\""), 3, "ImportUsers is a string",
	    "true or false" },
	{ WITH("\"ImportUsers\": 1"), 3, "ImportUsers is a whole number",
	    "true or false" },
	{ WITH("\"RateLimitShare\": 0"), 3, "RateLimitShare is 0",
	    "above 0 and at most 1" },
	{ WITH("\"RateLimitShare\": 1.01"), 3, "RateLimitShare is 1.01",
	    "at most 1" },
	{ WITH("\"RateLimitReserve\": -1"), 3, "RateLimitReserve is -1",
	    "from 0" },
	{ WITH("\"MaxInFlight\": 301"), 3, "MaxInFlight is 301",
	    "from 1 to 300" },
	{ WITH("\"ExternalIdAttribute\": \"email\""), 3, "ExternalIdAttribute",
	    "\"id\" or \"login\"" },
	{ WITH("\"ExternalIdAttribute\": \"Login\""), 3, "ExternalIdAttribute",
	    "did you mean \"login\"?" },
	{ WITH("\"UserSearchFilter\": \"status ne \\\"ACTIVE\\\"\""), 3,
	    "UserSearchFilter: column 8: 'ne'", "status lt \"ACTIVE\"" },
	{ WITH("\n\n\"UserSearchFilter\":\n\"\""), 6,
	    "UserSearchFilter: the expression is empty", "leave it out" },
	{ WITH("\"UserSearchFilter\": false"), 3, "UserSearchFilter is false",
	    "or null" },
	{ WITH("\"UserSearchFilter\": \"id pr\\u0000\""), 3, "UserSearchFilter",
	    "U+0000" },
	{ WITH("\"BaseUrl\": \"http://contoso.okta.com\""), 3, "BaseUrl",
	    "loopback only; write https://" },
	{ WITH("\"BaseUrl\": \"http://128.0.0.1\""), 3, "BaseUrl", "loopback" },
	{ WITH("\"BaseUrl\": \"http://127.0.0.1.evil.example\""), 3, "BaseUrl",
	    "loopback" },
	{ WITH("\"BaseUrl\": \"http://127.0.0.1@evil.example\""), 3, "BaseUrl",
	    "only scheme, host and port" },
	{ WITH("\"BaseUrl\": \"http://127.0.0.1:80/api/v1\""), 3, "BaseUrl",
	    "only scheme, host and port" },
	{ WITH("\"BaseUrl\": \"http://127.0.0.1:0\""), 3, "BaseUrl", "port" },
	{ WITH("\"BaseUrl\": \"http://127.0.0.1:65536\""), 3, "BaseUrl",
	    "port" },
	{ WITH("\"BaseUrl\": \"http://[::1\""), 3, "BaseUrl", "port" },
	{ WITH("\"BaseUrl\": \"https://\""), 3, "BaseUrl", "host" },
	{ WITH("\"BaseUrl\": \"contoso.okta.com\""), 3, "BaseUrl",
	    "https://contoso.okta.com" },
	{ WITH("\"BaseUrl\": \"ftp://127.0.0.1\""), 3, "BaseUrl",
	    "write scheme and host" },
	{ DOMAIN("https://contoso.okta.com"), 3, "OrgDomain: only the host",
	    "write \"contoso.okta.com\"" },
	{ DOMAIN("contoso.okta.com/"), 3, "OrgDomain: only the host",
	    "write \"contoso.okta.com\"" },
	{ DOMAIN("https://contoso.okta.com/api/v1?x"), 3, "OrgDomain",
	    "write \"contoso.okta.com\"" },
	{ DOMAIN("contoso.okta.com:443"), 3, "OrgDomain",
	    "write \"contoso.okta.com\"" },
	{ DOMAIN("contoso-admin.okta.com"), 3, "admin console",
	    "write \"contoso.okta.com\"" },
	{ DOMAIN("contoso-admin.oktapreview.com"), 3, "admin console",
	    "write \"contoso.oktapreview.com\"" },
	{ DOMAIN("contoso"), 3, "OrgDomain", "no host name" },
	{ DOMAIN("contoso okta.com"), 3, "OrgDomain", "no host name" },
	{ DOMAIN(".okta.com"), 3, "OrgDomain", "no host name" },
	{ DOMAIN("contoso.okta.com-"), 3, "OrgDomain", "no host name" },
	{ DOMAIN(""), 3, "OrgDomain", "no host name" },
	/* keys */
	{ WITH("\"Pagesize\": 200"), 3, "ConfigJson has no key \"Pagesize\"",
	    "did you mean \"PageSize\"?" },
	{ WITH("\"ImportEveryone\": true"), 3, "no key \"ImportEveryone\"",
	    "ImportMemberships" },
	{ WITH("\"zzz\": true"), 3, "no key \"zzz\"", "OrgDomain" },
	{ WITH("\"ApiKey\": \"00S3cr3t\""), 3, "no key \"ApiKey\"",
	    "belongs into AuthJson" },
	{ WITH("\"connector\": \"okta\""), 3, "no key \"connector\"",
	    "belongs into the outer object" },
	{ WITH("\"PageSize\": 1,\n\"PageSize\": 1"), 4, "PageSize is given",
	    "first on line 3" },
	{ WITH("\"OrgDomain\": \"b.okta.com\""), 3, "OrgDomain is given twice",
	    "first on line 2" },
	{ WITH("\"a\\u0000b\\n\": 1"), 3, "no key \"a\"", "there are" },
	/* objects */
	{ HEAD "\"ConfigJson\": {\n},\n" AUTH "}", 2,
	    "ConfigJson.OrgDomain is missing",
	    "write \"OrgDomain\": \"contoso.okta.com\"" },
	{ HEAD "\"ConfigJson\": \"{}\",\n" AUTH "}", 2,
	    "ConfigJson is a string", "must be an object" },
	{ HEAD "\"ConfigJson\": {\"OrgDomain\": \"a.okta.com\"}}", 1,
	    "AuthJson is missing", "secret://okta/contoso/apitoken" },
	{ HEAD "\"PageSize\": 1, \"ConfigJson\": {\"OrgDomain\": "
	       "\"a.okta.com\"}," AUTH "}",
	    2, "there is no key \"PageSize\"", "belongs into ConfigJson" },
	{ "[]", 1, "the file holds an array", "object" },
	{ "\n\n7", 1, "the file holds a whole number", "object" },
	/* JSON */
	{ "", 1, "no JSON", "" },
	{ "{\n\"connector\": \"okta\",\n}", 2, "column 20: this is no JSON",
	    "trailing comma" },
	{ "{\n  \"connector\": 'okta' }", 2, "column 16: this is no JSON", "" },
	{ "{\n// note\n}", 2, "no JSON", "" },
	{ HEAD "\"ConfigJson\": {\"OrgDomain\": \"\xff\"}}", 2, "no JSON", "" },
	{ WITH("\"PageSize\": 1") "x", 5, "no JSON", "" },
	{ "\xef\xbb\xbf{}", 1, "byte order mark", "without" },
};

static void
faults_name_line_and_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		const struct fault *f = &faults[i];
		struct config_source c;
		struct buf errors = { 0 };
		char *place = xasprintf("%s:%d: ", path, f->line);

		put(f->text, strlen(f->text));
		if (config_source_read(path, &c, &errors) != -1)
			fail_msg("was taken: %s", f->text);
		if (strncmp(errors.data, place, strlen(place)) != 0 ||
		    strstr(errors.data, f->says) == NULL ||
		    strstr(errors.data, f->also) == NULL)
			fail_msg("%s\n%s", f->text, errors.data);
		/* One fault, one line. */
		if (strchr(errors.data, '\n') != errors.data + errors.len - 1)
			fail_msg("%s\n%s", f->text, errors.data);
		assert_null(strstr(errors.data, "S3cr3t"));
		assert_null(c.name);
		assert_null(c.api_key);
		buf_free(&errors);
		free(place);
	}
}

static void
no_message_repeats_a_token(void **state)
{
	static const char *const keys[] = { "\"00S3cr3t\"", "\"SSWS 00S3cr3t\"",
		"\"secret:00S3cr3t\"", "\"secret://00S3cr3t!\"",
		"\"secret://okta contoso S3cr3t\"", "[\"00S3cr3t\"]",
		"{\"x\": \"00S3cr3t\"}" };

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct config_source c;
		struct buf errors = { 0 };
		char *text = xasprintf(HEAD
		    "\"ConfigJson\": {\"OrgDomain\": \"a.okta.com\"},\n"
		    "\"AuthJson\": {\"Mode\": \"ApiKey\", \"ApiKey\":\n%s}}",
		    keys[i]);

		put(text, strlen(text));
		assert_int_equal(config_source_read(path, &c, &errors), -1);
		assert_null(strstr(errors.data, "S3cr3t"));
		assert_non_null(strstr(errors.data, "ApiKey"));
		assert_non_null(
		    strstr(errors.data, "secret://okta/contoso/apitoken"));
		buf_free(&errors);
		free(text);
	}
}

static void
all_errors_at_once(void **state)
{
	static const char text[] = "{\n"
				   "  \"connector\": \"octa\",\n"
				   "  \"name\": \"Contoso\",\n"
				   "  \"ConfigJson\": {\n"
				   "    \"PageSize\": \"many\",\n"
				   "    \"ImportUser\": true,\n"
				   "    \"UserSearchFilter\": \"x eq 1\"\n"
				   "  },\n"
				   "  \"AuthJson\": {\n"
				   "    \"Mode\": \"OAuth\",\n"
				   "    \"ApiKey\": \"00S3cr3t\"\n"
				   "  }\n"
				   "}\n";
	static const char *const says[] = { ":2: connector: ",
		"did you mean \"okta\"?", ":3: name: ", ":5: PageSize is a",
		":6: ConfigJson has no key \"ImportUser\"; did you",
		":7: UserSearchFilter: column 1: 'x'",
		":4: ConfigJson.OrgDomain is missing",
		":10: Mode: ", "\"ApiKey\"", ":11: ApiKey: " };
	struct config_source c;
	struct buf errors = { 0 };

	(void)state;
	put(text, strlen(text));
	assert_int_equal(config_source_read(path, &c, &errors), -1);
	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++)
		if (strstr(errors.data, says[i]) == NULL)
			fail_msg("%s is not in\n%s", says[i], errors.data);
	assert_null(strstr(errors.data, "S3cr3t"));
	buf_free(&errors);
}

static void
bounded(void **state)
{
	struct config_source c;
	struct buf errors = { 0 }, text = { 0 };
	size_t lines = 0;

	(void)state;
	buf_char(&text, '{');
	for (int i = 0; i < 50000; i++)
		buf_fmt(&text, "\"key%d\":\n1,", i);
	buf_str(&text, "\"name\": 1}");
	put(text.data, text.len);
	assert_int_equal(config_source_read(path, &c, &errors), -1);
	for (size_t i = 0; i < errors.len; i++)
		lines += errors.data[i] == '\n';
	assert_int_equal(lines, 101);
	assert_non_null(strstr(errors.data, "further errors are left out"));
	buf_clear(&errors);
	while (text.len <= (size_t)1024 * 1024)
		buf_add(&text, "                ", 16);
	put(text.data, text.len);
	assert_int_equal(config_source_read(path, &c, &errors), -1);
	assert_non_null(strstr(errors.data, "File too large"));
	buf_free(&errors);
	buf_free(&text);
}

static void
unreadable(void **state)
{
	struct config_source c;
	struct config_run r;
	struct buf errors = { 0 };

	(void)state;
	assert_int_equal(
	    config_source_read("/nonexistent/okta.json", &c, &errors), -1);
	assert_string_equal(errors.data,
	    "/nonexistent/okta.json: cannot be read: No such file or "
	    "directory\n");
	buf_clear(&errors);
	assert_int_equal(config_run_read(folder, &r, &errors), -1);
	assert_non_null(strstr(errors.data, "Is a directory"));
	buf_free(&errors);
}

static void
expect_path(const char *have, const char *before, const char *name)
{
	char *want = xasprintf("%s%s/%s", before, folder, name);

	assert_string_equal(have, want);
	free(want);
}

static void
run_file(void **state)
{
	static const char text[] =
	    "{ \"sources\": [\"okta.json\", \"/abs/b.json\", \"../c.json\"],\n"
	    "\"rules\": \"rules\", \"state\": \"state.db\",\n"
	    "\"sinks\": [\"sqlite:mesh.db\", \"ndjson:/x/changes.ndjson\", "
	    "\"ndjson:-\"],\n\"workers\": 4 }";
	static const char least[] =
	    "{\"sources\": [\"a\"], \"sinks\": [\"sqlite:m\"]}";
	struct config_run c;
	struct buf errors = { 0 };

	(void)state;
	put(text, strlen(text));
	if (config_run_read(path, &c, &errors) != 0)
		fail_msg("%s", errors.data);
	assert_int_equal(c.sources.n, 3);
	expect_path(c.sources.items[0], "", "okta.json");
	assert_string_equal(c.sources.items[1], "/abs/b.json");
	expect_path(c.sources.items[2], "", "../c.json");
	expect_path(c.rules, "", "rules");
	expect_path(c.state, "", "state.db");
	assert_int_equal(c.sinks.n, 3);
	expect_path(c.sinks.items[0], "sqlite:", "mesh.db");
	assert_string_equal(c.sinks.items[1], "ndjson:/x/changes.ndjson");
	assert_string_equal(c.sinks.items[2], "ndjson:-");
	assert_int_equal(c.workers, 4);
	config_run_free(&c);
	put(least, strlen(least));
	assert_int_equal(config_run_read(path, &c, &errors), 0);
	assert_null(c.rules);
	expect_path(c.state, "", "state.db");
	assert_int_equal(c.workers, 2);
	config_run_free(&c);
}

static void
run_faults(void **state)
{
	static const struct fault rows[] = {
		{ "{}", 1, "sources is missing", "sinks is missing" },
		{ "{\"sources\":\n[], \"sinks\": [\"sqlite:m\"]}", 1,
		    "sources is empty", "[\"okta.json\"]" },
		{ "{\"sources\": \"a\", \"sinks\": [\"sqlite:m\"]}", 1,
		    "sources is a string", "array of strings" },
		{ "{\"sources\": [\"a\",\n7], \"sinks\": [\"sqlite:m\"]}", 1,
		    "sources is a whole number", "array of strings" },
		{ "{\"sources\": [\"a\",\n\"a\"], \"sinks\": [\"sqlite:m\"]}",
		    2, "sources holds the same twice", "" },
		{ "{\"sources\": [\"a\"],\n\"sinks\": [\"mesh.db\"]}", 2,
		    "sinks: a sink is a kind and a path", "sqlite:mesh.db" },
		{ "{\"sources\": [\"a\"], \"sinks\": [\"sqlite:\"]}", 1,
		    "sinks", "a kind and a path" },
		{ "{\"sources\": [\"a\"], \"sinks\": [\"sqlit:m\"]}", 1,
		    "sinks", "did you mean \"sqlite:m\"?" },
		{ "{\"sources\": [\"a\"], \"sinks\": [\"postgres:m\"]}", 1,
		    "sinks", "write sqlite:PATH or ndjson:PATH" },
		{ "{\"sources\": [\"\"], \"sinks\": [\"sqlite:m\"]}", 1,
		    "sources: is empty", "path" },
		{ "{\"sources\": [\"a\"], \"sinks\": [\"sqlite:m\"],\n"
		  "\"workers\": 65}",
		    2, "workers is 65", "from 1 to 64" },
		{ "{\"sources\": [\"a\"], \"sinks\": [\"sqlite:m\"],\n"
		  "\"worker\": 2}",
		    2, "no key \"worker\"", "did you mean \"workers\"?" },
		{ "{\"sources\": [\"a\"], \"sinks\": [\"sqlite:m\"],\n"
		  "\"sources\": [\"b\"]}",
		    2, "sources is given twice", "line 1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_run c;
		struct buf errors = { 0 };
		char *place = xasprintf("%s:%d: ", path, rows[i].line);

		put(rows[i].text, strlen(rows[i].text));
		if (config_run_read(path, &c, &errors) != -1)
			fail_msg("was taken: %s", rows[i].text);
		if (strncmp(errors.data, place, strlen(place)) != 0 ||
		    strstr(errors.data, rows[i].says) == NULL ||
		    strstr(errors.data, rows[i].also) == NULL)
			fail_msg("%s\n%s", rows[i].text, errors.data);
		assert_null(c.sources.items);
		buf_free(&errors);
		free(place);
	}
}

static char *
man_page(void)
{
	struct buf page = { 0 };
	FILE *f = fopen("lib/config.5", "r");
	size_t n;

	assert_non_null(f);
	do {
		buf_reserve(&page, 4096);
		n = fread(page.data + page.len, 1, 4096, f);
		page.len += n;
	} while (n > 0);
	fclose(f);
	page.data[page.len] = '\0';
	return buf_take(&page);
}

static void
man_page_names_every_key(void **state)
{
	static const struct option *const tables[] = { source, config_json,
		auth_json, run };
	char *page = man_page();

	(void)state;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct option *o = tables[i]; o->name != NULL; o++) {
			char *item = xasprintf(".It Cm %s\n", o->name);

			if (strstr(page, item) == NULL)
				fail_msg("config.5 lacks %s", o->name);
			free(item);
		}
	free(page);
}

/* The text of a .Bd -literal block as troff would print it. */
static void
put_example(const char *block, const char *end)
{
	struct buf text = { 0 };

	for (const char *s = block; s < end; s++) {
		buf_char(&text, *s);
		if (s[0] == '\\' && s[1] == 'e')
			s++;
	}
	put(text.data, text.len);
	buf_free(&text);
}

static void
man_page_examples_are_read(void **state)
{
	char *page = man_page(), *block;
	struct buf errors = { 0 };
	int sources = 0, runs = 0;

	(void)state;
	for (block = strstr(page, "offset indent\n{"); block != NULL;
	     block = strstr(block, "offset indent\n{")) {
		struct config_source s;
		struct config_run r;

		block = strchr(block, '{');
		put_example(block, strstr(block, "\n.Ed"));
		if (strncmp(block, "{\n  \"sources\"", 13) == 0)
			runs += config_run_read(path, &r, &errors) == 0;
		else
			sources += config_source_read(path, &s, &errors) == 0;
		if (errors.len > 0)
			fail_msg("%s", errors.data);
		if (strncmp(block, "{\n  \"sources\"", 13) == 0)
			config_run_free(&r);
		else
			config_source_free(&s);
	}
	assert_int_equal(sources, 4);
	assert_int_equal(runs, 2);
	free(page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(minimal_source),
		cmocka_unit_test(full_source),
		cmocka_unit_test(faults_name_line_and_form),
		cmocka_unit_test(no_message_repeats_a_token),
		cmocka_unit_test(all_errors_at_once),
		cmocka_unit_test(bounded),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(run_file),
		cmocka_unit_test(run_faults),
		cmocka_unit_test(man_page_names_every_key),
		cmocka_unit_test(man_page_examples_are_read),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("config", tests, setup, teardown);
}
