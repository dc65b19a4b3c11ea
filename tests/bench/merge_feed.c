/*
 * merge_feed.c - two sources of people as records messages, for bench/merge.
 *
 * merge_feed WHAT N: N people of okta:a and N of entra:b, in another order, of
 * whom 95 % are the same, most by their number and some only by their mail.
 * WHAT is pages (all of them, without ends), ends (which make the merge due),
 * or delta (one in a hundred of the second source has another title).
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 200
#define OVERLAP 950 /* of a thousand */

static uint64_t
mixed(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static void
open_message(const char *kind, const char *source, long seq)
{
	printf("{\"v\":1,\"kind\":\"%s\",\"source\":\"%s\",\"stream\":\"User\","
	       "\"run\":0,\"epoch\":0,\"seq\":%ld",
	    kind, source, seq);
}

/* One person; those whose number is not shared are someone else. */
static void
person(char kind, long i, bool number, int version)
{
	uint64_t h = mixed((uint64_t)i * 2 + (kind == 'e')) + (uint64_t)version;

	printf("{\"id\":\"%c%08lx-%04lx\",\"op\":\"put\",\"hash\":\"%016llx"
	       "%016llx\",\"attrs\":{\"login\":\"user%ld@%s.example.com\","
	       "\"email\":\"First%ld.Last%ld@example.com\","
	       "\"firstName\":\"First%ld\",\"lastName\":\"Last%ld\","
	       "\"displayName\":\"First%ld Last%ld\",\"title\":\"Engineer "
	       "%ld.%d\",\"department\":\"Department %ld\","
	       "\"accountEnabled\":true,\"city\":\"City %ld\","
	       "\"countryCode\":\"DE\",\"mobilePhone\":\"+49 30 %ld\","
	       "\"organization\":\"Example Organisation\"",
	    kind, (long)(mixed((uint64_t)i) & 0xffffffff), i & 0xffff,
	    (unsigned long long)h, (unsigned long long)mixed(h), i,
	    kind == 'o' ? "okta" : "entra", i, i, i, i, i, i, i % 977, version,
	    i % 53, i % 211, i);
	if (number)
		printf(",\"employeeNumber\":\"%08ld\"", i);
	printf("}}");
}

struct feed {
	char kind;
	const char *source, *mode;
	long seq, in_page;
};

static void
add(struct feed *f, long i, bool number, int version)
{
	if (f->in_page == 0) {
		open_message("records", f->source, ++f->seq);
		printf(
		    ",\"n\":%d,\"mode\":\"%s\",\"rules\":\"r1\",\"records\":[",
		    PAGE, f->mode);
	} else {
		putchar(',');
	}
	person(f->kind, i, number, version);
	if (++f->in_page == PAGE) {
		printf("]}\n");
		f->in_page = 0;
	}
}

static void
finish(struct feed *f)
{
	open_message("end", f->source, ++f->seq);
	printf(",\"n\":0,\"mode\":\"%s\",\"complete\":true,\"watermark\":"
	       "\"2026-04-22T08:10:30.000Z\",\"certificate\":{\"chain\":true}}"
	       "\n",
	    f->mode);
}

/* The second source's people, every `step`th, until `until` of them. */
static void
second(struct feed *f, long n, long until, int version)
{
	const long step = 7919;

	for (long k = 0, i = 0; k < until; k++, i = (i + step) % n) {
		bool same = mixed((uint64_t)i) % 1000 < OVERLAP;

		add(f, same ? i : i + n, true, version);
	}
	/* A page is full or not there. */
	while (f->in_page != 0)
		add(f, n * 3 + f->in_page, true, version);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	long n = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
	bool pages = strcmp(what, "pages") == 0;
	struct feed o = { 'o', "okta:a", pages ? "full" : "delta", 0, 0 };
	struct feed e = { 'e', "entra:b", pages ? "full" : "delta", 0, 0 };

	n -= n % PAGE;
	if (n <= 0 || n % 7919 == 0) {
		fprintf(stderr, "merge_feed pages|ends|delta N\n");
		return 100;
	}
	for (long i = 0; pages && i < n; i++)
		add(&o, i, i % 10 != 3, 0);
	if (strcmp(what, "ends") != 0)
		second(&e, n, pages ? n : n / 100, !pages);
	if (strcmp(what, "ends") == 0)
		finish(&o);
	if (!pages)
		finish(&e);
	return 0;
}
