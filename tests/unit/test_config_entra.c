/*
 * test_config_entra.c - the source file of an Entra tenant, cloud by cloud.
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

#include "lib/config.h"
#include "lib/mem.h"

#define SECRET                                             \
	"{\"Mode\":\"ClientSecret\",\"ClientId\":\"app\"," \
	"\"ClientSecret\":\"secret://entra/x/secret\"}"

static char path[] = "/tmp/idmesh-entra.XXXXXX";

/* Reads a file with these two objects; the errors are the caller's. */
static int
read_file(const char *config, const char *auth, struct config_source *out,
    struct buf *errors)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f,
	    "{\"connector\":\"entra\",\n\"name\":\"x\",\n"
	    "\"ConfigJson\":%s,\n\"AuthJson\":%s}",
	    config, auth);
	assert_int_equal(fclose(f), 0);
	return config_source_read(path, out, errors);
}

static void
each_cloud_has_its_hosts(void **state)
{
	static const struct {
		const char *cloud, *graph, *authority;
	} clouds[] = {
		{ "global", "https://graph.microsoft.com",
		    "https://login.microsoftonline.com" },
		{ "usgov", "https://graph.microsoft.us",
		    "https://login.microsoftonline.us" },
		{ "dod", "https://dod-graph.microsoft.us",
		    "https://login.microsoftonline.us" },
		{ "china", "https://microsoftgraph.chinacloudapi.cn",
		    "https://login.chinacloudapi.cn" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(clouds) / sizeof(clouds[0]); i++) {
		char *config = xasprintf(
		    "{\"TenantId\":\"contoso.example\",\"Cloud\":\"%s\"}",
		    clouds[i].cloud);
		char *scope = xasprintf("%s/.default", clouds[i].graph);
		struct config_source c;
		struct buf errors = { 0 };

		assert_int_equal(read_file(config, SECRET, &c, &errors), 0);
		assert_string_equal(c.base_url, clouds[i].graph);
		assert_string_equal(c.authority_url, clouds[i].authority);
		assert_string_equal(c.token_scope, scope);
		assert_string_equal(c.client_secret, "secret://entra/x/secret");
		assert_null(c.certificate);
		config_source_free(&c);
		free(config);
		free(scope);
	}
}

static void
a_simulator_stands_in_for_the_hosts(void **state)
{
	struct config_source c;
	struct buf errors = { 0 };

	(void)state;
	assert_int_equal(read_file("{\"TenantId\":\"T\",\"ImportGroups\":false,"
				   "\"BaseUrl\":\"http://127.0.0.1:1/\","
				   "\"AuthorityUrl\":\"http://127.0.0.1:2/\"}",
			     "{\"Mode\":\"Certificate\",\"ClientId\":\"app\","
			     "\"Certificate\":\"secret://a\","
			     "\"PrivateKey\":\"secret://b\"}",
			     &c, &errors),
	    0);
	assert_string_equal(c.base_url, "http://127.0.0.1:1");
	assert_string_equal(c.authority_url, "http://127.0.0.1:2");
	assert_string_equal(c.tenant, "http://127.0.0.1:1/t");
	/* The token is still one for Graph. */
	assert_string_equal(
	    c.token_scope, "https://graph.microsoft.com/.default");
	assert_true(c.import_users);
	assert_false(c.import_groups);
	assert_string_equal(c.algorithm, "PS256");
	assert_int_equal(c.resource_units, 3500);
	assert_null(c.client_secret);
	assert_null(c.api_key);
	config_source_free(&c);
}

static void
what_is_wrong_has_its_place(void **state)
{
	static const struct {
		const char *config, *auth, *place, *says;
	} rows[] = {
		{ "{}", SECRET, ":3: ", "ConfigJson.TenantId is missing" },
		{ "{\"TenantId\":\"a/../b\"}", SECRET, ":3: ", "TenantId" },
		{ "{\"TenantId\":\"t\",\n\"Cloud\":\"globl\"}", SECRET,
		    ":4: ", "\"global\"" },
		{ "{\"TenantId\":\"t\",\"ResourceUnits\":0}", SECRET,
		    ":3: ", "must be from 1" },
		{ "{\"TenantId\":\"t\"}",
		    "{\"Mode\":\"Secret\",\"ClientId\":\"a\","
		    "\"ClientSecret\":\"secret://s\"}",
		    ":4: ", "ClientSecret" },
		{ "{\"TenantId\":\"t\"}",
		    "{\"Mode\":\"ClientSecret\",\"ClientId\":\"a b\","
		    "\"ClientSecret\":\"secret://s\"}",
		    ":4: ", "ClientId" },
		{ "{\"TenantId\":\"t\"}",
		    "{\"Mode\":\"Certificate\",\"ClientId\":\"a\","
		    "\"Certificate\":\"secret://c\"}",
		    ":4: ", "AuthJson.PrivateKey is missing" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_source c;
		struct buf errors = { 0 };

		assert_int_equal(
		    read_file(rows[i].config, rows[i].auth, &c, &errors), -1);
		if (strstr(errors.data, rows[i].place) == NULL ||
		    strstr(errors.data, rows[i].says) == NULL)
			fail_msg("%s: %s", rows[i].says, errors.data);
		assert_null(c.tenant_id);
		buf_free(&errors);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cloud_has_its_hosts),
		cmocka_unit_test(a_simulator_stands_in_for_the_hosts),
		cmocka_unit_test(what_is_wrong_has_its_place),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0 || close(fd) < 0)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
