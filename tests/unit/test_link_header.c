/*
 * test_link_header.c - the next page in every shape of header that Okta, a
 * proxy or an HTTP library may make of it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "link_header.h"

#define NEXT "; rel=\"next\""
#define SELF "<https://org.example/api/v1/users?limit=2>; rel=\"self\""

static const struct row {
	const char *header, *path; /* NULL: none */
	int answer;
} rows[] = {
	{ "", NULL, 0 },
	{ " \r\n ", NULL, 0 },
	{ SELF, NULL, 0 },
	{ "<https://org.example/api/v1/users?after=00u1&limit=2>" NEXT,
	    "/api/v1/users?after=00u1&limit=2", 1 },
	/* several lines, and the same joined by a comma */
	{ SELF "\n<https://org.example/a?after=1>" NEXT, "/a?after=1", 1 },
	{ SELF "\r\n<https://org.example/a?after=1>" NEXT "\r\n", "/a?after=1",
	    1 },
	{ SELF ", <https://org.example/a?after=1>" NEXT, "/a?after=1", 1 },
	{ SELF ",<https://org.example/a?after=1>" NEXT, "/a?after=1", 1 },
	{ ", ," SELF ",, <https://org.example/a>" NEXT ",", "/a", 1 },
	{ "<https://org.example/a?after=1>" NEXT ", " SELF, "/a?after=1", 1 },
	/* structure inside the URL */
	{ "<https://org.example/a?f=x,y;z=\"q\",rel=\"next\">; rel=self, "
	  "<https://org.example/b?f=1,2;3>" NEXT,
	    "/b?f=1,2;3", 1 },
	/* parameters */
	{ "<https://org.example/a>;rel=next", "/a", 1 },
	{ "<https://org.example/a> ; REL = \"NEXT\"", "/a", 1 },
	{ "<https://org.example/a>; rel=\"self next\"", "/a", 1 },
	{ "<https://org.example/a>; rel=\"  next  \"", "/a", 1 },
	{ "<https://org.example/a>; rel=\"nextish prenext\"", NULL, 0 },
	{ "<https://org.example/a>; title=\"a, b; rel=\\\"next\\\"\"; "
	  "rel=self",
	    NULL, 0 },
	{ "<https://org.example/a>; title=\"x;y\"; rel=next", "/a", 1 },
	{ "<https://org.example/a>; rel=self; rel=next", NULL, 0 },
	{ "<https://org.example/a>; crossorigin; rel=next", "/a", 1 },
	{ "<https://org.example/a>; rev=next", NULL, 0 },
	{ "<https://org.example/a>", NULL, 0 },
	{ "<https://org.example/a>;; rel=next;", "/a", 1 },
	/* the origin never counts */
	{ "<https://org-admin.example/api/v1/iam/roles?after=x>" NEXT,
	    "/api/v1/iam/roles?after=x", 1 },
	{ "<http://evil.example:8080/a>" NEXT, "/a", 1 },
	{ "<HTTPS://u:p@org.example/a>" NEXT, "/a", 1 },
	{ "<https://org.example>" NEXT, "/", 1 },
	{ "<https://org.example?after=1>" NEXT, "/?after=1", 1 },
	{ "</api/v1/users?after=1>" NEXT, "/api/v1/users?after=1", 1 },
	{ "<https://org.example/a?b=1#c>" NEXT, "/a?b=1", 1 },
	/* no URL that we may follow */
	{ "<ftp://org.example/a>" NEXT, NULL, -1 },
	{ "<file:///etc/passwd>" NEXT, NULL, -1 },
	{ "<//evil.example/a>" NEXT, NULL, -1 },
	{ "<users?after=1>" NEXT, NULL, -1 },
	{ "<?after=1>" NEXT, NULL, -1 },
	{ "<>" NEXT, NULL, -1 },
	{ "<#a>" NEXT, NULL, -1 },
	{ "<https://>" NEXT, NULL, -1 },
	{ "<https:///a>" NEXT, NULL, -1 },
	{ "<https://org.example/a b>" NEXT, NULL, -1 },
	{ "<https://org.example/a\r\nX: y>" NEXT, NULL, -1 },
	/* a self of whatever kind harms nothing */
	{ "<ftp://x>; rel=self, </a>" NEXT, "/a", 1 },
	/* torn */
	{ "<https://org.example/a", NULL, -1 },
	{ "https://org.example/a; rel=next", NULL, -1 },
	{ "<https://org.example/a>; rel=\"next", NULL, -1 },
	{ "<https://org.example/a> rel=next", NULL, -1 },
	{ "<https://org.example/a>; rel=\"self\" x", NULL, -1 },
};

static void
finds_the_next_page(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct buf path = { 0 };
		int answer = link_next(r->header, strlen(r->header), &path);

		if (answer != r->answer)
			fail_msg("%s: %d", r->header, answer);
		if (r->path != NULL && strcmp(path.data, r->path) != 0)
			fail_msg("%s: %s", r->header, path.data);
		if (r->path == NULL)
			assert_int_equal(path.len, 0);
		buf_free(&path);
	}
}

/* The buffer of the last page is used again, not added to. */
static void
replaces_what_the_buffer_held(void **state)
{
	struct buf path = { 0 };
	const char *header = "</a?after=2>" NEXT;

	(void)state;
	buf_str(&path, "/a?after=1&something=long");
	assert_int_equal(link_next(header, strlen(header), &path), 1);
	assert_string_equal(path.data, "/a?after=2");
	buf_free(&path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_next_page),
		cmocka_unit_test(replaces_what_the_buffer_held),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("link_header", tests, NULL, NULL);
}
