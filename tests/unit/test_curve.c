/*
 * test_curve.c - key files, the folder of peers, and sockets that use them.
 */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zmq.h>

#include "bus.h"
#include "curve.h"
#include "mem.h"
#include "peers.h"

static char *root; /* a folder of its own for each test */

static int
set_up(void **state)
{
	(void)state;
	root = xstrdup("/tmp/idmesh-curve.XXXXXX");
	return mkdtemp(root) == NULL;
}

static int
tear_down(void **state)
{
	char *command = xasprintf("rm -r '%s'", root);
	FILE *rm = popen(command, "w");

	(void)state;
	free(command);
	free(root);
	return rm == NULL || pclose(rm) != 0;
}

/* A path below the folder; the caller frees it. */
static char *
below(const char *name)
{
	return xasprintf("%s/%s", root, name);
}

static void
folder(const char *name)
{
	char *path = below(name);

	assert_int_equal(mkdir(path, 0755), 0);
	free(path);
}

static void
file(const char *name, const char *text, mode_t mode)
{
	char *path = below(name);
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, mode), 0);
	free(path);
}

/* A pair in `name`, whose public key is known as `as`. */
static void
keygen(const char *name, const char *as, char key[CURVE_TEXT])
{
	char *path = below(name);
	struct why why;

	assert_int_equal(curve_make(path, key, &why), 0);
	if (as != NULL)
		file(as, key, 0644);
	free(path);
}

static void
a_pair_is_read_as_it_was_made(void **state)
{
	char key[CURVE_TEXT], again[CURVE_TEXT];
	char *path = below("one"), *public_path = below("one.pub");
	struct curve_pair pair;
	struct why why;

	(void)state;
	keygen("one", NULL, key);
	assert_int_equal(curve_read(path, &pair, &why), 0);
	assert_string_equal(pair.public_key, key);
	curve_forget(&pair);
	assert_int_equal(curve_read_public(public_path, again, &why), 0);
	assert_string_equal(again, key);
	assert_int_equal(curve_make(path, again, &why), -1);
	assert_non_null(strstr(why.text, "is there already"));
	free(path);
	free(public_path);
}

static void
keys_that_cannot_be_trusted_are_refused(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
	} wrong[] = {
		{ "", 0644 },
		{ "short\n", 0644 },
		{ "0123456789012345678901234567890123456789x\n", 0644 },
		{ "~123456789012345678901234567890123456789\n", 0644 },
		{ "0123456789012345678901234567890123456789\n", 0666 },
		{ "0123456789012345678901234567890123456789\n", 0664 },
	};
	char *path = below("x.pub"), key[CURVE_TEXT];
	struct curve_pair pair;
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		file("x.pub", wrong[i].text, wrong[i].mode);
		assert_int_equal(curve_read_public(path, key, &why), -1);
		assert_non_null(strstr(why.text, "x.pub"));
	}
	/* A public key is none that anybody could keep secret. */
	file("x.pub", "0123456789012345678901234567890123456789\n", 0644);
	assert_int_equal(curve_read_public(path, key, &why), 0);
	assert_int_equal(curve_read(path, &pair, &why), -1);
	assert_null(strstr(why.text, "0123456789"));
	free(path);
}

static void
a_key_has_a_role_and_a_name(void **state)
{
	char a[CURVE_TEXT], b[CURVE_TEXT], c[CURVE_TEXT], user[PEERS_USER];
	struct why why;
	char *open;

	(void)state;
	folder("fetch");
	folder("transform");
	folder("join");
	keygen("a", "fetch/oslo.pub", a);
	keygen("b", "transform/bergen-1.pub", b);
	keygen("c", "join/.hidden.pub", c);
	file("fetch/broken.pub", "no key", 0644);
	file("fetch/readme", a, 0644);
	assert_int_equal(peers_who(root, "fetch,transform", a, user), 1);
	assert_string_equal(user, "fetch/oslo");
	assert_int_equal(peers_who(root, "fetch,transform", b, user), 1);
	assert_string_equal(user, "transform/bergen-1");
	assert_int_equal(peers_who(root, "fetch", b, user), 0);
	assert_int_equal(peers_who(root, "join,sink", a, user), 0);
	assert_int_equal(peers_who(root, "join", c, user), 0);
	assert_int_equal(peers_count(root, "fetch,transform,sink", &why), 2);
	file("transform/other-name.pub", a, 0644);
	assert_int_equal(peers_who(root, "fetch,transform", a, user), 1);
	assert_string_equal(user, "fetch,transform/oslo");
	assert_int_equal(peers_who(root, "transform", a, user), 1);
	assert_string_equal(user, "transform/other-name");
	open = below("transform");
	assert_int_equal(chmod(open, 0777), 0);
	assert_int_equal(peers_who(root, "transform", b, user), 0);
	free(open);
}

static void
the_key_of_an_endpoint(void **state)
{
	char a[CURVE_TEXT], b[CURVE_TEXT], c[CURVE_TEXT], key[CURVE_TEXT];
	struct why why;

	(void)state;
	folder("join");
	assert_int_equal(
	    peers_key(root, "join", "tcp://h:7000", key, &why), -1);
	assert_non_null(strstr(why.text, "no key in"));
	keygen("a", "join/main.pub", a);
	assert_int_equal(peers_key(root, "join", "tcp://h:7000", key, &why), 0);
	assert_string_equal(key, a);
	keygen("b", "join/h.pub", b);
	assert_int_equal(peers_key(root, "join", "tcp://h:7000", key, &why), 0);
	assert_string_equal(key, b);
	keygen("c", "join/h:7001.pub", c);
	assert_int_equal(
	    peers_key(root, "join", "tcp://1.2.3.4:0;h:7001", key, &why), 0);
	assert_string_equal(key, c);
	assert_int_equal(
	    peers_key(root, "join", "tcp://g:7000", key, &why), -1);
	assert_non_null(strstr(why.text, "holds 3 keys"));
	assert_non_null(strstr(why.text, "g:7000.pub"));
}

/* --- sockets */

struct pair {
	struct bus *near, *far;
	struct bus_socket *router, *dealer;
};

static const struct bus_client clients[] = {
	{ MSG_TRANSFORM, BUS_KIND(MSG_BEAT) | BUS_KIND(MSG_READY) },
	{ MSG_JOIN, BUS_KIND(MSG_HELLO) },
	{ 0 },
};

static void
open_pair(struct pair *p, const char *key, const char *their_key)
{
	const char *peers = key != NULL ? root : NULL;
	char at[128], *there;
	size_t len = sizeof(at);
	struct why why;

	p->near = bus_new();
	p->far = bus_new();
	assert_int_equal(bus_keys(p->near, key, peers, &why), 0);
	assert_int_equal(bus_keys(p->far, their_key, peers, &why), 0);
	p->router = bus_bind_for(p->near, "tcp://127.0.0.1:*", clients, &why);
	assert_non_null(p->router);
	assert_int_equal(
	    zmq_getsockopt(bus_raw(p->router), ZMQ_LAST_ENDPOINT, at, &len), 0);
	/* It is said in the form of IPv6. */
	there = xasprintf("tcp://127.0.0.1%s", strrchr(at, ':'));
	p->dealer = bus_connect_to(p->far, there, MSG_FETCH, &why);
	free(there);
	assert_non_null(p->dealer);
}

static void
close_pair(struct pair *p)
{
	bus_close(p->dealer);
	bus_close(p->router);
	bus_free(p->far);
	bus_free(p->near);
}

static void
say(struct pair *p, const char *bytes, size_t len)
{
	int tries = 0;

	while (bus_send(p->dealer, NULL, bytes, len) != 0) {
		assert_true(tries++ < 1000);
		poll(NULL, 0, 10);
	}
}

/* What bus_message() makes of the next frame. */
static int
hear(struct pair *p, struct msg *m)
{
	zmq_pollitem_t item = { bus_raw(p->router), 0, ZMQ_POLLIN, 0 };

	assert_int_equal(zmq_poll(&item, 1, 10000), 1);
	return bus_message(p->router, NULL, m);
}

/* A beat that is `len` bytes long. */
static char *
beat(size_t len)
{
	static const char head[] =
	    "{\"v\":1,\"kind\":\"beat\",\"instance\":\"x\"";
	char *text = xmalloc(len);

	memset(text, ' ', len);
	memcpy(text, head, sizeof(head) - 1);
	text[len - 1] = '}';
	return text;
}

static void
sizes(struct pair *p)
{
	static const size_t lens[] = { 100, MSG_MAX, MSG_MAX + 1, 100 };
	static const int results[] = { 1, 1, -1, 1 };
	struct msg m;

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		char *text = beat(lens[i]);

		say(p, text, lens[i]);
		assert_int_equal(hear(p, &m), results[i]);
		if (results[i] == 1) {
			assert_int_equal(m.kind, MSG_BEAT);
			assert_int_equal(m.len, lens[i]);
			msg_free(&m);
		}
		free(text);
	}
	assert_int_equal(bus_counts(p->router).dropped, 1);
}

static void
a_message_may_be_as_large_as_it_may(void **state)
{
	char key[CURVE_TEXT], *near = below("near"), *far = below("far");
	struct pair p;

	(void)state;
	open_pair(&p, NULL, NULL);
	sizes(&p);
	close_pair(&p);
	folder("fetch");
	folder("transform");
	keygen("near", "fetch/near.pub", key);
	keygen("far", "transform/far.pub", key);
	open_pair(&p, near, far);
	sizes(&p);
	close_pair(&p);
	free(near);
	free(far);
}

static void
a_role_sends_its_own_kinds(void **state)
{
	static const char *const texts[] = {
		"{\"v\":1,\"kind\":\"hello\",\"source\":\"x\"}",
		"{\"v\":1,\"kind\":\"state\",\"source\":\"x\"}",
		"{\"v\":1,\"kind\":\"event\"}",
		"{\"v\":1,\"kind\":\"bye\",\"instance\":\"x\"}",
	};
	static const int results[] = { -1, -1, 1, -1 };
	char key[CURVE_TEXT], *near = below("near"), *far = below("far");
	struct pair p;
	struct msg m;

	(void)state;
	folder("fetch");
	folder("transform");
	keygen("near", "fetch/near.pub", key);
	keygen("far", "transform/far.pub", key);
	open_pair(&p, near, far);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		say(&p, texts[i], strlen(texts[i]));
		assert_int_equal(hear(&p, &m), results[i]);
		if (results[i] == 1)
			msg_free(&m);
	}
	assert_int_equal(bus_counts(p.router).dropped, 3);
	assert_int_equal(bus_counts(p.router).refused, 0);
	close_pair(&p);
	/* With another role, too, it may what either may. */
	folder("join");
	file("join/far.pub", key, 0644);
	open_pair(&p, near, far);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		say(&p, texts[i], strlen(texts[i]));
		assert_int_equal(hear(&p, &m), i == 1 || i == 3 ? -1 : 1);
		if (i == 0 || i == 2)
			msg_free(&m);
	}
	close_pair(&p);
	free(near);
	free(far);
}

static void
keys_open_the_way_off_this_machine(void **state)
{
	char key[CURVE_TEXT], *near = below("near");
	struct bus *bus = bus_new();
	struct bus_socket *s;
	struct why why;

	(void)state;
	folder("fetch");
	keygen("near", "fetch/near.pub", key);
	assert_null(bus_connect_to(bus, "tcp://192.0.2.1:5", "fetch", &why));
	assert_int_equal(bus_keys(bus, near, root, &why), 0);
	s = bus_connect_to(bus, "tcp://192.0.2.1:5", "fetch", &why);
	assert_non_null(s);
	bus_close(s);
	/* Without roles nobody could be let in. */
	assert_null(bus_connect(bus, "tcp://192.0.2.1:5", &why));
	assert_null(bus_bind(bus, "tcp://127.0.0.1:*", &why));
	assert_int_equal(bus_code(&why), EXIT_USAGE);
	bus_free(bus);
	free(near);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pair_is_read_as_it_was_made),
		TEST(keys_that_cannot_be_trusted_are_refused),
		TEST(a_key_has_a_role_and_a_name),
		TEST(the_key_of_an_endpoint),
		TEST(a_message_may_be_as_large_as_it_may),
		TEST(a_role_sends_its_own_kinds),
		TEST(keys_open_the_way_off_this_machine),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
