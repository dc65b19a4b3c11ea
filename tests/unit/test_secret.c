/*
 * test_secret.c - where a secret comes from, and which places are refused.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "mem.h"
#include "secret.h"

#define REF "secret://okta/contoso/apitoken"
#define VARIABLE "IDMESH_SECRET_OKTA_CONTOSO_APITOKEN"
#define PATH "files/okta/contoso/apitoken"

static char root[] = "/tmp/idmesh-secret-XXXXXX";

/* root/path, valid until the next call but three. */
static const char *
at(const char *path)
{
	static char names[4][256];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(names[turn], sizeof(names[turn]), "%s/%s", root, path);
	return names[turn];
}

static void
put_bytes(const char *path, const char *text, size_t len, mode_t mode)
{
	int fd = open(at(path), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(close(fd), 0);
	assert_int_equal(chmod(at(path), mode), 0);
}

static void
put(const char *path, const char *text, mode_t mode)
{
	put_bytes(path, text, strlen(text), mode);
}

/* The folders and the environment that every test begins with. */
static int
setup(void **state)
{
	(void)state;
	memcpy(root + strlen(root) - 6, "XXXXXX", 6);
	assert_non_null(mkdtemp(root));
	assert_int_equal(mkdir(at("cred"), 0700), 0);
	assert_int_equal(mkdir(at("files"), 0700), 0);
	assert_int_equal(mkdir(at("files/okta"), 0700), 0);
	assert_int_equal(mkdir(at("files/okta/contoso"), 0700), 0);
	setenv("CREDENTIALS_DIRECTORY", at("cred"), 1);
	setenv("IDMESH_SECRETS_DIR", at("files"), 1);
	unsetenv(VARIABLE);
	return 0;
}

static int
teardown(void **state)
{
	static const char *const files[] = { PATH, "files/okta/contoso/link",
		"cred/okta.contoso.apitoken", "files/okta/real", "real",
		"files/new/folder/token", "pipe" };
	static const char *const folders[] = { "files/okta/contoso",
		"files/okta", "files/new/folder", "files/new", "files", "cred",
		"deep/er/files", "deep/er", "deep", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(at(files[i]));
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		rmdir(at(folders[i]));
	assert_int_equal(access(root, F_OK), -1);
	return 0;
}

static void
expect(const char *value)
{
	struct why why = { 0 };
	struct secret *s = secret_resolve(REF, &why);

	if (s == NULL)
		fail_msg("%s", why.text);
	assert_string_equal(secret_value(s), value);
	assert_int_equal(secret_len(s), strlen(value));
	secret_free(s);
}

static void
expect_refusal(const char *says)
{
	struct why why = { 0 };
	struct buf out = { 0 };
	struct secret *s = secret_resolve(REF, &why);

	if (s != NULL)
		fail_msg("was taken, not refused with: %s", says);
	if (strstr(why.text, says) == NULL)
		fail_msg("%s", why.text);
	assert_null(strstr(why.text, "S3cr3t"));
	assert_int_equal(secret_which(REF, &out, &why), -1);
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

static void
expect_which(const char *place)
{
	struct why why = { 0 };
	struct buf out = { 0 };

	if (secret_which(REF, &out, &why) != 0)
		fail_msg("%s", why.text);
	assert_string_equal(out.data, place);
	buf_free(&out);
}

static void
names(void **state)
{
	static const char *const good[] = { REF, "secret://a",
		"secret://a/b/c/d/e/f/g/h", "secret://vault/app-role/secret_id",
		"secret://A1" };
	static const char *const bad[] = { "", "secret:/", "secret://",
		"secret:///a", "secret://a/", "secret://a//b", "secret://../x",
		"secret://a/../b", "secret://a.b", "secret://a b",
		"secret://a/b/c/d/e/f/g/h/i", "Secret://a", "00abcS3cr3t",
		"secret://a\n", "secret://\xc3\xa9" };
	char *longest = xmalloc(300);
	struct why why = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (secret_name_valid(good[i], &why) != 0)
			fail_msg("%s: %s", good[i], why.text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (secret_name_valid(bad[i], &why) == 0)
			fail_msg("%s: was taken", bad[i]);
		assert_non_null(
		    strstr(why.text, "secret://okta/contoso/apitoken"));
		assert_null(strstr(why.text, "S3cr3t"));
	}
	memset(longest, 'a', 299);
	longest[299] = '\0';
	memcpy(longest, "secret://", 9);
	assert_int_equal(secret_name_valid(longest, &why), -1);
	longest[200] = '\0';
	assert_int_equal(secret_name_valid(longest, &why), 0);
	free(longest);
}

static void
places_in_order(void **state)
{
	char *place;

	(void)state;
	setenv(VARIABLE, "S3cr3t-env", 1);
	expect_which("environment variable " VARIABLE);
	put(PATH, "S3cr3t-file\n", 0600);
	place = xasprintf("file %s/" PATH, root);
	expect_which(place);
	free(place);
	expect("S3cr3t-file");
	put("cred/okta.contoso.apitoken", "S3cr3t-cred", 0400);
	place = xasprintf("credential %s/cred/okta.contoso.apitoken", root);
	expect_which(place);
	free(place);
	expect("S3cr3t-cred");
	/* The variable was not needed, and is still there. */
	assert_string_equal(getenv(VARIABLE), "S3cr3t-env");
	unlink(at("cred/okta.contoso.apitoken"));
	unlink(at(PATH));
	expect("S3cr3t-env");
}

static void
environment_is_wiped(void **state)
{
	struct why why = { 0 };
	char *memory;

	(void)state;
	setenv(VARIABLE, "S3cr3t-env", 1);
	memory = getenv(VARIABLE);
	expect_which("environment variable " VARIABLE);
	assert_string_equal(memory, "S3cr3t-env");
	expect("S3cr3t-env");
	assert_null(getenv(VARIABLE));
	for (size_t i = 0; i < strlen("S3cr3t-env"); i++)
		assert_int_equal(memory[i], 0);
	assert_null(secret_resolve(REF, &why));
}

static void
nowhere_says_where(void **state)
{
	(void)state;
	expect_refusal("nowhere");
	expect_refusal("files/okta/contoso/apitoken");
	expect_refusal(VARIABLE);
	expect_refusal("`idmesh secret set okta/contoso/apitoken` stores it");
	/* A folder that is missing has nothing, and is no failure. */
	setenv("IDMESH_SECRETS_DIR", at("absent"), 1);
	unsetenv("CREDENTIALS_DIRECTORY");
	expect_refusal("nowhere");
	setenv(VARIABLE, "S3cr3t-env", 1);
	expect("S3cr3t-env");
}

/* Everything that must stop the search, though the variable has a value. */
static void
untrusted_files_stop(void **state)
{
	(void)state;
	setenv(VARIABLE, "S3cr3t-env", 1);
	put(PATH, "S3cr3t", 0640);
	expect_refusal("chmod 600");
	put(PATH, "S3cr3t", 0604);
	expect_refusal("chmod 600");
	put(PATH, "S3cr3t", 0620);
	expect_refusal("chmod 600");
	unlink(at(PATH));

	put("real", "S3cr3t", 0600);
	assert_int_equal(symlink(at("real"), at(PATH)), 0);
	expect_refusal("a link");
	unlink(at(PATH));
	assert_int_equal(mkfifo(at(PATH), 0600), 0);
	expect_refusal("no regular file");
	unlink(at(PATH));
	assert_int_equal(mkdir(at(PATH), 0700), 0);
	expect_refusal("no regular file");
	rmdir(at(PATH));

	put(PATH, "S3cr3t", 0600);
	assert_int_equal(chmod(at("files/okta"), 0770), 0);
	expect_refusal("files/okta: others may write");
	assert_int_equal(chmod(at("files/okta"), 0755), 0);
	expect("S3cr3t");
	assert_int_equal(chmod(at("files"), 0702), 0);
	expect_refusal("files: others may write");
	assert_int_equal(chmod(at("files"), 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(at(PATH), 65534, 65534), 0);
		expect_refusal("belongs to another user");
	}
	put("cred/okta.contoso.apitoken", "S3cr3t", 0460);
	expect_refusal("chmod 600");
	/* Nothing above took the value out of the environment. */
	assert_string_equal(getenv(VARIABLE), "S3cr3t-env");
}

static void
linked_folder_stops(void **state)
{
	(void)state;
	put(PATH, "S3cr3t", 0600);
	assert_int_equal(
	    rename(at("files/okta/contoso"), at("files/okta/real")), 0);
	assert_int_equal(symlink("real", at("files/okta/contoso")), 0);
	expect_refusal("files/okta/contoso: a link");
	unlink(at("files/okta/contoso"));
	assert_int_equal(
	    rename(at("files/okta/real"), at("files/okta/contoso")), 0);
	expect("S3cr3t");
	/* A file where a folder belongs. */
	unlink(at(PATH));
	rmdir(at("files/okta/contoso"));
	put("files/okta/contoso", "x", 0600);
	expect_refusal("no folder");
	unlink(at("files/okta/contoso"));
}

/* As systemd leaves a credential for its unit's user: 0440 by a mask. */
static void
access_list_of_a_credential(void **state)
{
	static const struct {
		uint32_t version;
		struct {
			uint16_t tag, perm;
			uint32_t id;
		} entries[5];
	} list = { 2, { { 0x01, 4, UINT32_MAX }, { 0x02, 4, 12345 },
			  { 0x04, 0, UINT32_MAX }, { 0x10, 4, UINT32_MAX },
			  { 0x20, 0, UINT32_MAX } } };
	struct stat st;

	(void)state;
	put("cred/okta.contoso.apitoken", "S3cr3t", 0400);
	if (setxattr(at("cred/okta.contoso.apitoken"),
		"system.posix_acl_access", &list, sizeof(list), 0) != 0) {
		print_message("# no access lists here: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(stat(at("cred/okta.contoso.apitoken"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0440);
	expect("S3cr3t");
	/* The same list gives nothing to a file of ours. */
	assert_int_equal(rename(at("cred/okta.contoso.apitoken"), at(PATH)), 0);
	expect_refusal("chmod 600");
}

/* The same bits where no list is to be seen, by both ways to a credential. */
static void
bits_of_a_credential(void **state)
{
	static const mode_t refused[] = { 0460, 0450, 0444, 0402, 0401 };
	const char *path;
	struct why why = { 0 };
	struct secret *s;

	(void)state;
	put("cred/okta.contoso.apitoken", "S3cr3t", 0440);
	expect("S3cr3t");
	path = at("cred/okta.contoso.apitoken");
	s = secret_read(path, &why);
	if (s == NULL)
		fail_msg("%s", why.text);
	secret_free(s);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		put("cred/okta.contoso.apitoken", "S3cr3t", refused[i]);
		expect_refusal("chmod 600");
		unlink(at("cred/okta.contoso.apitoken"));
	}
	put(PATH, "S3cr3t", 0440);
	expect_refusal("chmod 600");
	assert_null(secret_read(at(PATH), &why));
}

static void
values(void **state)
{
	static const struct {
		const char *text, *value, *says;
	} rows[] = {
		{ "00S3cr3t_-.~+/=", "00S3cr3t_-.~+/=", NULL },
		{ "00S3cr3t\n", "00S3cr3t", NULL },
		{ "00S3cr3t\n\n", NULL, "control character at byte 9" },
		{ "00S3cr3t\r\n", NULL, "control character at byte 9" },
		{ "00S3cr3t 1", NULL, "space" },
		{ " 00S3cr3t", NULL, "byte 1" },
		{ "00S3cr3t\nX-Evil: 1", NULL, "byte 9" },
		{ "00\tS3cr3t", NULL, "byte 3" },
		{ "00S3cr3t\x7f", NULL, "byte 9" },
		{ "", NULL, "empty" },
		{ "\n", NULL, "empty" },
		/* Keys and certificates have lines. */
		{ "-----BEGIN K-----\nS3cr3t+/=\r\n-----END K-----\n",
		    "-----BEGIN K-----\nS3cr3t+/=\r\n-----END K-----", NULL },
		{ "-----BEGIN K-----\nS3cr3t\x1b[0m", NULL, "byte 25" },
		{ "00S3cr3t-----BEGIN K-----", NULL, "space" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put(PATH, rows[i].text, 0600);
		if (rows[i].value != NULL)
			expect(rows[i].value);
		else
			expect_refusal(rows[i].says);
	}
	put_bytes(PATH, "00\0S3cr3t", 9, 0600);
	expect_refusal("byte 3");
	unlink(at(PATH));
	setenv(VARIABLE, "S3cr3t env", 1);
	expect_refusal("environment variable");
	assert_null(getenv(VARIABLE));
}

static void
size_is_bounded(void **state)
{
	size_t len = (size_t)64 * 1024;
	char *text = xmalloc(len + 3);

	(void)state;
	memset(text, 'a', len + 3);
	text[len] = '\n';
	put_bytes(PATH, text, len + 1, 0600);
	text[len] = '\0';
	expect(text);
	text[len] = 'a';
	put_bytes(PATH, text, len + 1, 0600);
	expect_refusal("more than 64 KiB");
	put_bytes(PATH, text, len + 3, 0600);
	expect_refusal("more than 64 KiB");
	free(text);
}

/* The descriptor of a pipe that holds the text and is at its end. */
static int
pipe_of(const char *text)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
	close(fds[1]);
	return fds[0];
}

static void
store(const char *ref, const char *text, int result)
{
	struct why why = { 0 };
	int fd = pipe_of(text), r = secret_store(ref, fd, &why);

	close(fd);
	if (r != result)
		fail_msg("%d %s", r, why.text);
}

static void
stores_whole_files(void **state)
{
	struct stat st;
	ino_t before;

	(void)state;
	store(REF, "S3cr3t-1\n", 0);
	expect("S3cr3t-1");
	assert_int_equal(stat(at(PATH), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	before = st.st_ino;
	store(REF, "S3cr3t-2", 0);
	expect("S3cr3t-2");
	assert_int_equal(stat(at(PATH), &st), 0);
	assert_int_not_equal(st.st_ino, before);
	/* What is refused leaves the old value. */
	store(REF, "", -1);
	store(REF, "two words", -1);
	store("S3cr3t", "x", -1);
	expect("S3cr3t-2");
	/* Nothing is left beside it. */
	unlink(at(PATH));
	assert_int_equal(rmdir(at("files/okta/contoso")), 0);

	store("secret://new/folder/token", "S3cr3t-3", 0);
	assert_int_equal(stat(at("files/new"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(at("files/new/folder"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static int
store_ref(const char *text, struct why *why)
{
	int p[2], r;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], text, strlen(text)), strlen(text));
	close(p[1]);
	r = secret_store(REF, p[0], why);
	close(p[0]);
	return r;
}

/* Who may not write there is told what to do; no room is no wrong use. */
static void
cannot_store(void **state)
{
	struct rlimit old, none;
	struct why why = { 0 };

	(void)state;
	setenv("IDMESH_SECRETS_DIR", "/dev/null/secrets", 1);
	assert_int_equal(store_ref("S3cr3t", &why), -1);
	assert_non_null(strstr(why.text, "sudo, or set IDMESH_SECRETS_DIR"));
	setenv("IDMESH_SECRETS_DIR", at("files"), 1);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = old;
	none.rlim_cur = 2;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(store_ref("S3cr3t", &why), -2);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(access(at(PATH), F_OK), -1);
}

static void
stores_into_a_new_place(void **state)
{
	struct stat st;

	(void)state;
	setenv("IDMESH_SECRETS_DIR", at("deep/er/files"), 1);
	store("secret://token", "S3cr3t", 0);
	assert_int_equal(stat(at("deep/er/files"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(unlink(at("deep/er/files/token")), 0);
	/* Where others may write, nothing is stored. */
	assert_int_equal(chmod(at("deep/er/files"), 0777), 0);
	store("secret://token", "S3cr3t", -1);
	assert_int_equal(access(at("deep/er/files/token"), F_OK), -1);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		TEST(places_in_order),
		TEST(environment_is_wiped),
		TEST(nowhere_says_where),
		TEST(untrusted_files_stop),
		TEST(linked_folder_stops),
		TEST(access_list_of_a_credential),
		TEST(bits_of_a_credential),
		TEST(values),
		TEST(size_is_bounded),
		TEST(stores_whole_files),
		TEST(stores_into_a_new_place),
		TEST(cannot_store),
	};

	umask(022);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
