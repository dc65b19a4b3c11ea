/*
 * test_fetch_entra.c - what fetch knows of Microsoft Graph, without a server.
 *
 * Answers and what they mean, properties and their fingerprint, objects and
 * edges as records, assertions as another reader checks them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fetch/assertion.c"
#include "fetch/entra.c"
#include "fetch/graph_judge.c"
#include "fetch/graph_records.c"
#undef REMOVED
#include "fetch/graph_seen.c"
#include "fetch/graph_select.c"
#include "fetch/judge_common.c"

#define BASE "https://graph.microsoft.com"
#define GRAPH(code, inner)                                          \
	"{\"error\":{\"code\":\"" code "\",\"message\":\"a text\"," \
	"\"innerError\":" inner "}}"

/* --- answers ------------------------------------------------------------- */

static const struct row {
	int status;
	const char *body;
	enum verdict verdict;
	const char *says; /* must be in the reason */
} rows[] = {
	{ 200, "{}", VERDICT_OK, NULL },
	{ 302, "", VERDICT_CONFIG, "BaseUrl" },
	{ 400, GRAPH("syncStateNotFound", "{}"), VERDICT_RESTART,
	    "syncStateNotFound" },
	{ 400, GRAPH("SyncStateNotFound", "{}"), VERDICT_RESTART, NULL },
	{ 400, GRAPH("BadRequest", "{\"code\":\"resyncRequired\"}"),
	    VERDICT_RESTART, "resyncRequired" },
	{ 400,
	    GRAPH("BadRequest",
		"{\"innerError\":{\"code\":\"resyncApplyDifferences\"}}"),
	    VERDICT_RESTART, "resyncApplyDifferences" },
	{ 400, GRAPH("Request_BadRequest", "{\"request-id\":\"r1\"}"),
	    VERDICT_FAILED, "Request_BadRequest a text" },
	{ 401, GRAPH("InvalidAuthenticationToken", "{}"), VERDICT_TOKEN,
	    "does not take a token" },
	{ 403, GRAPH("Authorization_RequestDenied", "{}"), VERDICT_DENIED,
	    "permission" },
	{ 403, "<html>blocked</html>", VERDICT_FAILED, "on the way" },
	{ 404, GRAPH("Request_ResourceNotFound", "{}"), VERDICT_FAILED, NULL },
	{ 404, "nothing here", VERDICT_CONFIG, "Cloud or BaseUrl" },
	{ 405, "", VERDICT_FAILED, "HTTP 405" },
	{ 410, GRAPH("resyncRequired", "{}"), VERDICT_RESTART, NULL },
	{ 410, "", VERDICT_RESTART, NULL },
	{ 429, GRAPH("TooManyRequests", "{}"), VERDICT_LIMITED, NULL },
	{ 500, "", VERDICT_RETRY, NULL },
	{ 501, GRAPH("NotImplemented", "{}"), VERDICT_FAILED,
	    "NotImplemented" },
	{ 503, "", VERDICT_RETRY, NULL },
	{ 504, "", VERDICT_RETRY, NULL },
	{ 509, "", VERDICT_RETRY, NULL },
};

static void
answers_mean_what_graph_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_answer a = { .status = rows[i].status };
		struct why why = { .text = "" };
		enum verdict v;

		buf_str(&a.body, rows[i].body);
		v = graph_judge(&a, BASE, &why);
		if (v != rows[i].verdict ||
		    (rows[i].says != NULL &&
			strstr(why.text, rows[i].says) == NULL))
			fail_msg("%d %s: %d %s", rows[i].status, rows[i].body,
			    (int)v, why.text);
		buf_free(&a.body);
	}
}

static void
the_request_is_named(void **state)
{
	struct http_answer a = { .status = 400 };
	struct why why;

	(void)state;
	buf_str(
	    &a.body, GRAPH("x", "{\"innerError\":{\"request-id\":\"deep\"}}"));
	graph_judge(&a, BASE, &why);
	assert_string_equal(why.at, "deep");
	snprintf(a.request_id, sizeof(a.request_id), "header");
	graph_judge(&a, BASE, &why);
	assert_string_equal(why.at, "header");
	buf_free(&a.body);
}

/* --- properties ------------------------------------------------------------
 */

static struct fetch fetch;
static struct source source = { .fetch = &fetch, .name = (char *)"entra:x" };
static struct stream stream = { .source = &source };

static void
select_of(const char *reads, size_t entity, struct graph_select *out)
{
	struct buf text = { 0 };
	struct why why;

	if (reads != NULL) {
		buf_fmt(&text,
		    "{\"v\":1,\"rules\":\"r\",\"reads\":{%s},\"types\":{}}",
		    reads);
		fetch.scope = scope_parse(text.data, text.len, &why);
		assert_non_null(fetch.scope);
	}
	stream.entity = entra_entity(entity);
	graph_select_make(out, &stream);
	scope_free(fetch.scope);
	fetch.scope = NULL;
	buf_free(&text);
}

static void
only_what_rules_read_is_selected(void **state)
{
	struct graph_select a, b;

	(void)state;
	select_of("\"entra.User\":{\"paths\":[\"mail\",\"manager.id\","
		  "\"employeeOrgData.division\",\"employeeOrgData.costCenter\","
		  "\"$x\",\"a b\"]}",
	    0, &a);
	assert_string_equal(a.text, "employeeOrgData,id,mail,manager");
	assert_true(graph_select_has(&a, "manager"));
	assert_false(graph_select_has(&a, "man"));
	/* The order of the rules is none of Graph's business. */
	select_of("\"entra.User\":{\"paths\":[\"manager.id\",\"mail\","
		  "\"employeeOrgData.costCenter\"]}",
	    0, &b);
	assert_string_equal(a.fingerprint, b.fingerprint);
	graph_select_free(&b);
	select_of("\"entra.User\":{\"paths\":[\"mail\"]}", 0, &b);
	assert_string_not_equal(a.fingerprint, b.fingerprint);
	graph_select_free(&b);
	graph_select_free(&a);
}

static void
a_function_may_read_what_is_usual(void **state)
{
	struct graph_select none, with, members;

	(void)state;
	select_of(NULL, 0, &none);
	assert_true(graph_select_has(&none, "accountEnabled"));
	assert_true(graph_select_has(&none, "manager"));
	select_of("\"entra.User\":{\"paths\":[\"officeLocation\"],"
		  "\"functions\":true}",
	    0, &with);
	assert_true(graph_select_has(&with, "officeLocation"));
	assert_true(graph_select_has(&with, "accountEnabled"));
	select_of("\"entra.GroupMember\":{\"paths\":[\"id\"]}", 2, &members);
	assert_string_equal(members.text, "id,members");
	graph_select_free(&none);
	graph_select_free(&with);
	graph_select_free(&members);
}

/* --- records
 * ------------------------------------------------------------------ */

/* What was handed on, a line a page. */
static struct buf pages;

void
stream_page(struct stream *s, const struct page *p)
{
	assert_ptr_equal(s, &stream);
	assert_string_equal(p->removed, "@removed");
	buf_fmt(&pages, "%s%s%s %s %.*s\n",
	    p->context != NULL ? p->context : "-", p->partial ? " partial" : "",
	    p->last ? " last" : "", p->state != NULL ? p->state : "-",
	    (int)p->len, p->text);
}

static const char *
objects(const char *value, struct graph_seen *seen)
{
	struct graph_select select = { .text = (char *)"id,mail,manager" };
	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)value,
	    strlen(value), YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);
	struct graph_answer a = { .value = yyjson_doc_get_root(doc),
		.state = "{}" };
	struct graph_counts counts = { 0 };

	buf_clear(&pages);
	graph_objects(&stream, &select, seen, &a, &counts);
	assert_int_equal(counts.records, yyjson_arr_size(a.value));
	yyjson_doc_free(doc);
	return pages.data;
}

static void
what_an_object_has_not_is_null(void **state)
{
	struct graph_seen *seen = graph_seen_new();

	(void)state;
	assert_string_equal(objects("[{\"id\":\"a\",\"n\":1.50}]", seen),
	    "- {} "
	    "[{\"id\":\"a\",\"n\":1.50,\"mail\":null,\"manager\":null}]\n");
	/* The second time it says nothing about relationships. */
	assert_string_equal(objects("[{\"id\":\"a\",\"mail\":\"m\"}]", seen),
	    "- {} [{\"id\":\"a\",\"mail\":\"m\"}]\n");
	/* In a difference it never does. */
	assert_string_equal(objects("[{\"id\":\"b\"}]", NULL),
	    "- {} [{\"id\":\"b\",\"mail\":null}]\n");
	assert_string_equal(
	    objects(
		"[{\"id\":\"c\",\"@removed\":{\"reason\":\"changed\"}}]", seen),
	    "- {} [{\"id\":\"c\",\"@removed\":{\"reason\":\"changed\"}}]\n");
	graph_seen_free(seen);
}

static void
a_manager_is_part_of_the_record(void **state)
{
	(void)state;
	assert_string_equal(
	    objects("[{\"id\":\"a\",\"mail\":null,\"manager@delta\":"
		    "[{\"@odata.type\":\"#microsoft.graph.user\","
		    "\"id\":\"m\"}]}]",
		NULL),
	    "- {} [{\"id\":\"a\",\"mail\":null,"
	    "\"manager\":{\"id\":\"m\"}}]\n");
	assert_string_equal(
	    objects("[{\"id\":\"a\",\"mail\":null,\"manager@delta\":"
		    "[{\"id\":\"m\",\"@removed\":{\"reason\":\"deleted\"}}]}]",
		NULL),
	    "- {} [{\"id\":\"a\",\"mail\":null,\"manager\":null}]\n");
	/* Who left and who came, in either order. */
	assert_string_equal(
	    objects("[{\"id\":\"a\",\"mail\":null,\"manager@delta\":"
		    "[{\"id\":\"new\"},{\"id\":\"m\",\"@removed\":"
		    "{\"reason\":\"deleted\"}}]}]",
		NULL),
	    "- {} [{\"id\":\"a\",\"mail\":null,"
	    "\"manager\":{\"id\":\"new\"}}]\n");
}

static void
edges_go_group_by_group(void **state)
{
	static const char value[] =
	    "[{\"id\":\"g\",\"members@delta\":["
	    "{\"@odata.type\":\"#microsoft.graph.user\",\"id\":\"u\"},"
	    "{\"@odata.type\":\"#microsoft.graph.group\",\"id\":\"h\"},"
	    "{\"@odata.type\":\"#microsoft.graph.device\",\"id\":\"d\"},"
	    "{\"@odata.type\":\"#microsoft.graph.user\",\"id\":\"v\","
	    "\"@removed\":{\"reason\":\"deleted\"}}]},"
	    "{\"id\":\"empty\"},"
	    "{\"id\":\"gone\",\"@removed\":{\"reason\":\"deleted\"}}]";
	yyjson_doc *doc = yyjson_read(value, strlen(value), 0);
	struct graph_answer a = { .value = yyjson_doc_get_root(doc),
		.state = "{}" };
	struct graph_counts counts = { 0 }, before = { 0 };

	(void)state;
	buf_clear(&pages);
	graph_count(a.value, &before);
	graph_edges(&stream, &a, &counts);
	assert_string_equal(pages.data,
	    "{\"groupId\":\"g\"} partial - ["
	    "{\"id\":\"u\",\"memberType\":\"User\"},"
	    "{\"id\":\"h\",\"memberType\":\"Group\"},"
	    "{\"id\":\"v\",\"@removed\":{\"reason\":\"deleted\"}}]\n"
	    "{\"groupId\":\"gone\"} last - []\n"
	    "- {} []\n");
	assert_int_equal(counts.records, 3);
	assert_int_equal(counts.others, 1);
	assert_int_equal(before.records, 3);
	assert_int_equal(before.others, 1);
	yyjson_doc_free(doc);
}

static void
many_are_remembered(void **state)
{
	struct graph_seen *seen = graph_seen_new();
	char id[32];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 20000; i++) {
			snprintf(id, sizeof(id), "user-%d", i);
			assert_int_equal(
			    graph_seen_first(seen, id), round == 0);
		}
	}
	graph_seen_free(seen);
}

/* --- assertions
 * ------------------------------------------------------------------ */

static char *
pem_of(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	char *text = xstrndup(data, (size_t)len);

	BIO_free(bio);
	return text;
}

/* A key and a certificate of its own that has `days` left. */
static EVP_PKEY *
make_pair(int days, char **certificate, char **key)
{
	EVP_PKEY *pair = EVP_RSA_gen(2048);
	X509 *x = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());

	X509_gmtime_adj(X509_getm_notBefore(x), -86400L * 2);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * days);
	X509_set_pubkey(x, pair);
	X509_sign(x, pair, EVP_sha256());
	PEM_write_bio_X509(bio, x);
	*certificate = pem_of(bio);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL);
	*key = pem_of(bio);
	X509_free(x);
	return pair;
}

static size_t
unbase64url(const char *s, size_t len, unsigned char *out)
{
	char text[4096];
	size_t padded = (len + 3) / 4 * 4;

	assert_true(padded < sizeof(text));
	for (size_t i = 0; i < padded; i++)
		text[i] = i >= len      ? '='
			  : s[i] == '-' ? '+'
			  : s[i] == '_' ? '/'
					: s[i];
	assert_true(
	    EVP_DecodeBlock(out, (unsigned char *)text, (int)padded) >= 0);
	return len * 3 / 4;
}

static void
check_signature(EVP_PKEY *pair, const char *jwt, bool pss)
{
	const char *dot = strrchr(jwt, '.');
	unsigned char signature[1024];
	size_t len = unbase64url(dot + 1, strlen(dot + 1), signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *padding;

	EVP_DigestVerifyInit(ctx, &padding, EVP_sha256(), NULL, pair);
	if (pss) {
		EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, 32);
	}
	assert_int_equal(EVP_DigestVerify(ctx, signature, len,
			     (const unsigned char *)jwt, (size_t)(dot - jwt)),
	    1);
	EVP_MD_CTX_free(ctx);
}

static yyjson_doc *
part_of(const char *jwt, int part)
{
	unsigned char text[4096];
	size_t len;

	for (; part > 0; part--)
		jwt = strchr(jwt, '.') + 1;
	len = unbase64url(jwt, strcspn(jwt, "."), text);
	return yyjson_read((char *)text, len, 0);
}

static void
an_assertion_is_as_entra_wants_it(void **state)
{
	char *certificate, *key, jti[2][40];
	EVP_PKEY *pair = make_pair(10, &certificate, &key);
	struct why why;

	(void)state;
	for (int i = 0; i < 2; i++) {
		bool pss = i == 0;
		struct assertion *a = assertion_new(
		    certificate, key, pss ? "PS256" : "RS256", &why);
		struct buf jwt = { 0 };
		yyjson_doc *head, *claims;
		yyjson_val *c;

		assert_non_null(a);
		assert_false(assertion_expired(a));
		assert_int_equal(assertion_write(a, "https://l/t/token", "app",
				     1700000000999, &jwt, &why),
		    0);
		check_signature(pair, jwt.data, pss);
		head = part_of(jwt.data, 0);
		claims = part_of(jwt.data, 1);
		c = yyjson_doc_get_root(claims);
		assert_string_equal(json_text(yyjson_doc_get_root(head), "alg"),
		    pss ? "PS256" : "RS256");
		assert_int_equal(
		    strlen(json_text(yyjson_doc_get_root(head), "x5t#S256")),
		    43);
		assert_string_equal(json_text(c, "aud"), "https://l/t/token");
		assert_string_equal(json_text(c, "iss"), "app");
		assert_string_equal(json_text(c, "sub"), "app");
		assert_int_equal(
		    yyjson_get_int(json_get(c, "nbf")), 1700000000);
		assert_int_equal(
		    yyjson_get_int(json_get(c, "exp")), 1700000300);
		snprintf(jti[i], sizeof(jti[i]), "%s", json_text(c, "jti"));
		assert_int_equal(strlen(jti[i]), 36);
		yyjson_doc_free(head);
		yyjson_doc_free(claims);
		buf_free(&jwt);
		assertion_free(a);
	}
	assert_string_not_equal(jti[0], jti[1]);
	EVP_PKEY_free(pair);
	free(certificate);
	free(key);
}

static void
what_is_no_pair_is_refused(void **state)
{
	char *certificate, *key, *other, *others;
	EVP_PKEY *pair = make_pair(-1, &certificate, &key);
	EVP_PKEY *second = make_pair(1, &other, &others);
	struct assertion *a;
	struct why why;

	(void)state;
	assert_null(assertion_new(certificate, others, "PS256", &why));
	assert_non_null(strstr(why.text, "not that of the certificate"));
	assert_null(assertion_new(key, key, "PS256", &why));
	assert_non_null(strstr(why.text, "no X.509 certificate"));
	assert_null(assertion_new(certificate, certificate, "PS256", &why));
	assert_non_null(strstr(why.text, "no unencrypted key"));
	a = assertion_new(certificate, key, "PS256", &why);
	assert_true(assertion_expired(a));
	assertion_free(a);
	EVP_PKEY_free(pair);
	EVP_PKEY_free(second);
	free(certificate);
	free(key);
	free(other);
	free(others);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_mean_what_graph_says),
		cmocka_unit_test(the_request_is_named),
		cmocka_unit_test(only_what_rules_read_is_selected),
		cmocka_unit_test(a_function_may_read_what_is_usual),
		cmocka_unit_test(what_an_object_has_not_is_null),
		cmocka_unit_test(a_manager_is_part_of_the_record),
		cmocka_unit_test(edges_go_group_by_group),
		cmocka_unit_test(many_are_remembered),
		cmocka_unit_test(an_assertion_is_as_entra_wants_it),
		cmocka_unit_test(what_is_no_pair_is_refused),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_free(&pages);
	return failed;
}
