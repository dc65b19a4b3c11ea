/*
 * test_fetch_judge.c - what an answer of the API means: the table of okta-api
 * 9.2, with bodies as Okta and the edges in front of it write them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fetch/judge.c"
#include "fetch/judge_common.c"
#include "fetch/url.c"

#define BASE "https://contoso.okta.com"
#define OKTA(code, summary)                                       \
	"{\"errorCode\":\"" code "\",\"errorSummary\":\"" summary \
	"\",\"errorLink\":\"" code                                \
	"\",\"errorId\":\"oae1\",\"errorCauses\":[]}"
#define CAUSE(code, cause)                                                     \
	"{\"errorCode\":\"" code "\",\"errorSummary\":\"s\",\"errorCauses\":[" \
	"{\"errorSummary\":\"" cause "\"}]}"

static const struct row {
	int status;
	const char *body;
	enum verdict verdict;
	const char *says; /* must be in the reason */
} rows[] = {
	{ 200, "[]", VERDICT_OK, NULL },
	{ 400, OKTA("E0000001", "Api validation failed"), VERDICT_FAILED,
	    "E0000001 Api validation failed" },
	{ 400, OKTA("E0000029", "Invalid paging request"), VERDICT_RESTART,
	    "E0000029" },
	{ 400, CAUSE("E0000031", "Invalid cursor."), VERDICT_RESTART,
	    "Invalid cursor" },
	{ 400, CAUSE("E0000031", "Invalid operator"), VERDICT_FILTER,
	    "Invalid operator" },
	{ 400, OKTA("E0000031", "Invalid search criteria."), VERDICT_FILTER,
	    "E0000031" },
	{ 400, OKTA("E0000053", "Invalid filter"), VERDICT_FILTER, "E0000053" },
	{ 400, OKTA("E0000094", "Unsupported filter"), VERDICT_FILTER,
	    "E0000094" },
	{ 400, OKTA("E0000033", "search and filter"), VERDICT_FILTER,
	    "E0000033" },
	{ 401, OKTA("E0000011", "Invalid token provided"), VERDICT_TOKEN,
	    "idmesh secret set" },
	{ 401, OKTA("E0000004", "Authentication failed"), VERDICT_TOKEN, BASE },
	{ 401, "", VERDICT_TOKEN, "HTTP 401" },
	{ 401, OKTA("E0000015", "You do not have permission"), VERDICT_DENIED,
	    "feature" },
	{ 403, OKTA("E0000006", "You do not have permission"), VERDICT_DENIED,
	    "read-only administrator" },
	{ 403, OKTA("E0000005", "Invalid session"), VERDICT_DENIED,
	    "E0000005" },
	{ 403, "<html>blocked</html>", VERDICT_FAILED, "HTTP 403" },
	{ 404, OKTA("E0000007", "Not found"), VERDICT_GONE, "E0000007" },
	{ 404, OKTA("E0000008", "The requested path was not found"),
	    VERDICT_CONFIG, "OrgDomain" },
	{ 404, "{\"status\":404,\"message\":\"Resource not found\"}",
	    VERDICT_CONFIG, "OrgDomain" },
	{ 405, OKTA("E0000022", "method"), VERDICT_FAILED, "E0000022" },
	{ 408, "", VERDICT_RETRY, "HTTP 408" },
	{ 409, OKTA("E0000145", "schema changed"), VERDICT_RETRY, "E0000145" },
	{ 409, OKTA("E0000055", "duplicate"), VERDICT_FAILED, "E0000055" },
	{ 423, OKTA("E0000239", "reconciled"), VERDICT_RETRY, "E0000239" },
	{ 429, OKTA("E0000047", "too many requests"), VERDICT_LIMITED,
	    "E0000047" },
	{ 500, OKTA("E0000009", "Internal Server Error"), VERDICT_RETRY,
	    "E0000009" },
	{ 502, "<html></html>", VERDICT_RETRY, "HTTP 502" },
	{ 503, OKTA("E0000010", "read-only"), VERDICT_RETRY, "E0000010" },
	{ 302, "", VERDICT_CONFIG, "https://elsewhere.example/" },
	{ 301, "", VERDICT_CONFIG, "goes nowhere but to OrgDomain" },
};

static void
test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_answer a = { .status = rows[i].status };
		struct why why = { .text = "" };

		snprintf(a.location, sizeof(a.location), "%s",
		    "https://elsewhere.example/");
		buf_str(&a.body, rows[i].body);
		assert_int_equal(judge(&a, BASE, &why), rows[i].verdict);
		if (rows[i].says != NULL)
			assert_non_null(strstr(why.text, rows[i].says));
		buf_free(&a.body);
	}
}

static void
test_network(void **state)
{
	struct http_answer a = { .status = 0 };
	struct why why;

	(void)state;
	snprintf(a.error, sizeof(a.error), "Connection reset by peer");
	assert_int_equal(judge(&a, BASE, &why), VERDICT_RETRY);
	assert_string_equal(why.text, BASE ": Connection reset by peer");
	a.hopeless = true;
	assert_int_equal(judge(&a, BASE, &why), VERDICT_CONFIG);
	/* An answer that is too large is not the configuration's fault. */
	buf_str(&a.body, "[");
	assert_int_equal(judge(&a, BASE, &why), VERDICT_FAILED);
	buf_free(&a.body);
}

static void
test_timeout(void **state)
{
	struct http_answer a = { .status = 500 };

	(void)state;
	buf_str(&a.body, OKTA("E0000009", "Internal Server Error"));
	assert_true(judge_timeout(&a));
	a.status = 503;
	assert_false(judge_timeout(&a));
	a.status = 500;
	buf_clear(&a.body);
	buf_str(&a.body, "oops");
	assert_false(judge_timeout(&a));
	buf_free(&a.body);
}

/* A body cannot break out of its line, whatever is in it. */
static void
test_hostile_body(void **state)
{
	struct http_answer a = { .status = 400 };
	struct why why;

	(void)state;
	buf_str(&a.body,
	    "{\"errorCode\":\"E\\n0000001 and much more than fits\","
	    "\"errorSummary\":\"a\\nb\\u001b[31m\",\"errorCauses\":{}}");
	assert_int_equal(judge(&a, BASE, &why), VERDICT_FAILED);
	assert_null(strchr(why.text, '\n'));
	assert_null(strchr(why.text, '\033'));
	buf_free(&a.body);
}

static void
test_url(void **state)
{
	struct buf b = { 0 };
	char *s;

	(void)state;
	buf_str(&b, "/api/v1/users");
	url_add(&b, "limit", "200");
	url_add(&b, "filter", "status eq \"A+B\"");
	assert_string_equal(
	    b.data, "/api/v1/users?limit=200&filter=status%20eq%20%22A%2BB%22");
	assert_int_equal(url_limit(b.data), 200);
	s = url_with_limit(b.data, 50);
	assert_string_equal(
	    s, "/api/v1/users?limit=50&filter=status%20eq%20%22A%2BB%22");
	free(s);
	buf_free(&b);
	assert_int_equal(url_limit("/a?unlimit=3"), 0);
	assert_int_equal(url_limit("/a?x=1&limit=7"), 7);
	s = url_with_limit("/a?x=1", 5);
	assert_string_equal(s, "/a?x=1");
	free(s);
	s = url_fill("/api/v1/groups/{id}/users", "00g/../x");
	assert_string_equal(s, "/api/v1/groups/00g%2F..%2Fx/users");
	free(s);
	/* The same cursor in another order of parameters is the same place. */
	assert_true(url_cursor("/a?limit=2&after=xy") ==
		    url_cursor("/a?after=xy&limit=2&sortOrder=0"));
	assert_true(url_cursor("/a?after=xy") != url_cursor("/a?after=xyz"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_hostile_body),
		cmocka_unit_test(test_url),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
