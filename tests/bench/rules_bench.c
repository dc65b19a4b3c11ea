/*
 * rules_bench.c - how fast the rules are, measured against a bare parse.
 *
 * rules_bench DIR [DIR...]: synthetic users in pages of 200 go through
 * yyjson alone, then through the rules of each folder; the best of five
 * rounds is printed as users a second and as a ratio.  One core, no I/O.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "log.h"
#include "mem.h"
#include "rules.h"

#define PAGES 100
#define USERS 200
#define ROUNDS 5

static uint32_t seed = 42;

static uint32_t
draw(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static const char *
pick(const char *const *words, size_t n)
{
	return words[draw((uint32_t)n)];
}

#define PICK(words) pick(words, sizeof(words) / sizeof(words[0]))

/* One user of the shape of Okta's lists, about 1,340 bytes. */
static void
add_user(struct buf *b, uint32_t i)
{
	static const char *const first[] = { "Ann", "Zo\xc3\xab", "John",
		"Mar\xc3\xad"
		"a",
		"Bob", "Christopher", "Li" };
	static const char *const last[] = { "Doe", "M\xc3\xbcller", "Smith",
		"O'Neill", "Featherstonehaugh", "Li" };
	static const char *const title[] = { "Engineer II", "Manager",
		"Vice President, Sales", "Analyst" };
	static const char *const department[] = { "R&D", "Sales", "Finance",
		"Human Resources" };
	static const char *const status[] = { "ACTIVE", "ACTIVE", "ACTIVE",
		"STAGED", "SUSPENDED" };
	const char *f = PICK(first), *l = PICK(last);

	buf_fmt(b,
	    "{\"id\":\"00u%08uAbCdEf5d7\",\"status\":\"%s\","
	    "\"created\":\"2021-03-%02uT08:01:48.000Z\",\"activated\":null,"
	    "\"statusChanged\":\"2022-05-%02uT09:20:48.000Z\","
	    "\"lastLogin\":\"2026-03-%02uT11:05:20.000Z\","
	    "\"lastUpdated\":\"2025-03-19T09:20:48.000Z\","
	    "\"passwordChanged\":\"2025-01-19T09:20:48.000Z\","
	    "\"type\":{\"id\":\"otynwlw0pkLLUgtNG5d7\"},\"profile\":{",
	    i, PICK(status), 1 + draw(28), 1 + draw(28), 1 + draw(28));
	buf_fmt(b,
	    "\"firstName\":\"%s\",\"lastName\":\"%s\",\"mobilePhone\":null,"
	    "\"secondEmail\":null,\"login\":\"user%u@example.com\","
	    "\"email\":\"user%u@example.com\",\"displayName\":\"%s %s\","
	    "\"nickName\":\"%s\",\"title\":\"%s\",\"department\":\"%s\","
	    "\"division\":\"EMEA\",\"costCenter\":\"CC-%04u\","
	    "\"employeeNumber\":\"E%06u\",\"organization\":\"Contoso\",",
	    f, l, i, i, f, l, f, PICK(title), PICK(department), draw(9999), i);
	buf_fmt(b,
	    "\"manager\":\"Jane Roe\",\"managerId\":\"00u%08uAbCdEf5d7\","
	    "\"primaryPhone\":\"+49 30 %07u\",\"streetAddress\":\"%u Main St\","
	    "\"city\":\"Berlin\",\"state\":\"BE\",\"zipCode\":\"1%04u\","
	    "\"countryCode\":\"DE\",\"postalAddress\":null,"
	    "\"preferredLanguage\":\"en\",\"locale\":\"en_US\","
	    "\"timezone\":\"Europe/Berlin\",\"userType\":\"%s\",",
	    draw(1000), draw(9999999), draw(999), draw(9999),
	    draw(4) == 0 ? "Temp" : "Employee");
	buf_fmt(b,
	    "\"floor\":%u,\"badge\":6196155389404%03u,\"fte\":0.%02u,"
	    "\"sites\":[\"BER\",\"MUC\"],\"contractor\":%s},"
	    "\"credentials\":{\"password\":{},\"provider\":{\"type\":\"OKTA\","
	    "\"name\":\"OKTA\"}},\"_links\":{\"self\":{\"href\":"
	    "\"https://contoso.okta.com/api/v1/users/00u%08uAbCdEf5d7\"}}}",
	    draw(40), draw(999), draw(99), draw(2) ? "true" : "false", i);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* All pages once; r NULL: parse only. */
static void
pass(const struct buf *pages, void *pool, size_t pool_len, struct rules *r,
    struct buf *out)
{
	struct rules_page page = { .connector = "okta",
		.source = "okta:bench",
		.stream = "User",
		.at = "2026-04-22T08:15:30.000Z" };
	struct buf errors = { 0 };

	for (size_t i = 0; i < PAGES; i++) {
		yyjson_alc alc;
		yyjson_doc *doc;
		yyjson_val *record;
		size_t j, n;

		yyjson_alc_pool_init(&alc, pool, pool_len);
		doc = yyjson_read_opts(pages[i].data, pages[i].len,
		    YYJSON_READ_NUMBER_AS_RAW, &alc, NULL);
		if (doc == NULL)
			die(EXIT_USAGE, "a page does not parse");
		if (r == NULL)
			continue;
		buf_clear(out);
		if (rules_page_begin(r, &page, &errors) < 0)
			die(EXIT_USAGE, "%s", errors.data);
		yyjson_arr_foreach(yyjson_doc_get_root(doc), j, n, record)
		{
			struct why why;

			if (rules_record(r, record, out, &why, NULL) ==
			    RULES_BAD)
				die(EXIT_USAGE, "%s %s", why.at, why.text);
		}
		rules_page_end(r);
	}
	buf_free(&errors);
}

static double
best(const struct buf *pages, void *pool, size_t len, struct rules *r)
{
	struct buf out = { 0 };
	double fastest = 0;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now(), rate;

		for (int again = 0; again < 10; again++)
			pass(pages, pool, len, r, &out);
		rate = 10.0 * PAGES * USERS / (now() - start);
		if (rate > fastest)
			fastest = rate;
	}
	buf_free(&out);
	return fastest;
}

int
main(int argc, char *argv[])
{
	static struct buf pages[PAGES];
	size_t longest = 0, pool_len, bytes = 0;
	struct buf errors = { 0 };
	double parse;
	void *pool;

	log_open("rules_bench");
	for (uint32_t i = 0; i < PAGES; i++) {
		for (uint32_t j = 0; j < USERS; j++) {
			buf_char(&pages[i], j == 0 ? '[' : ',');
			add_user(&pages[i], i * USERS + j);
		}
		buf_char(&pages[i], ']');
		bytes += pages[i].len;
		if (pages[i].len > longest)
			longest = pages[i].len;
	}
	pool_len = yyjson_read_max_memory_usage(longest, 0);
	pool = xmalloc(pool_len);
	parse = best(pages, pool, pool_len, NULL);
	printf("parse\t%.0f\t1.00\t(%zu bytes a user)\n", parse,
	    bytes / PAGES / USERS);
	for (int i = 1; i < argc; i++) {
		struct rules *r = rules_load(argv[i], &errors);
		struct rules_count count;
		double rate;

		if (r == NULL)
			die(EXIT_USAGE, "%s", errors.data);
		rules_count(r, &count);
		rate = best(pages, pool, pool_len, r);
		printf("%s\t%.0f\t%.2f\t(%zu functions)\n", argv[i], rate,
		    rate / parse, count.lua);
		rules_free(r);
	}
	for (size_t i = 0; i < PAGES; i++)
		buf_free(&pages[i]);
	free(pool);
	buf_free(&errors);
	return EXIT_DONE;
}
