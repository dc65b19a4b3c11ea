/*
 * failure.c - attributes whose rule failed, told to the operator.
 *
 * map.c shows it what rules_record() made of each record; a failed attribute
 * travels in "errors" and costs nothing else, so that nobody would look for
 * it.  Each place in the rules is logged once, with the first object that it
 * failed on, and later how often.  The table is shared by all processes of
 * this program, so that they say it once together.
 */

#include "transform.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"

#define PLACES 64 /* further ones are counted by join alone */
#define TELL_MS 10000
#define HASH_DIGITS 32

enum { FREE, TAKEN, WHOLE };

struct place {
	atomic_int state; /* TAKEN while it is written: for others it is none */
	char map[80], attribute[80], at[128], id[80], message[256];
	atomic_llong n, told; /* records */
};

struct failures {
	atomic_llong tell_ms; /* when counts are told next */
	struct place places[PLACES];
};

struct failures *
failures_new(void)
{
	struct failures *f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (f == MAP_FAILED)
		die(EXIT_TEMPORARY, "no memory is left");
	return f;
}

void
failures_free(struct failures *f)
{
	if (f != NULL)
		munmap(f, sizeof(*f));
}

static const char *
text_of(yyjson_val *failure, const char *name)
{
	const char *text = yyjson_get_str(yyjson_obj_get(failure, name));

	return text != NULL ? text : "";
}

/* A process that dies in between leaves a place that nobody uses. */
static struct place *
new_place(struct place *p, const char *map, const char *id,
    const char *attribute, yyjson_val *failure)
{
	int want = FREE;

	if (!atomic_compare_exchange_strong(&p->state, &want, TAKEN))
		return NULL;
	snprintf(p->map, sizeof(p->map), "%s", map);
	snprintf(p->attribute, sizeof(p->attribute), "%s", attribute);
	snprintf(p->at, sizeof(p->at), "%s", text_of(failure, MSG_AT));
	snprintf(p->id, sizeof(p->id), "%s", id != NULL ? id : "without id");
	snprintf(p->message, sizeof(p->message), "%s",
	    text_of(failure, MSG_MESSAGE));
	atomic_store(&p->told, 1);
	atomic_store(&p->state, WHOLE);
	log_warn("%s %s.%s failed, first on %s: %s; its old value stays", p->at,
	    p->map, p->attribute, p->id, p->message);
	return p;
}

static void
count_one(struct failures *f, const char *map, const char *id,
    const char *attribute, yyjson_val *failure)
{
	const char *at = text_of(failure, MSG_AT);

	for (size_t i = 0; i < PLACES; i++) {
		struct place *p = &f->places[i];
		int state = atomic_load(&p->state);

		if (state == FREE)
			p = new_place(p, map, id, attribute, failure);
		else if (state == TAKEN || strcmp(p->at, at) != 0 ||
			 strcmp(p->attribute, attribute) != 0 ||
			 strcmp(p->map, map) != 0)
			p = NULL;
		if (p != NULL) {
			atomic_fetch_add(&p->n, 1);
			return;
		}
	}
}

/* The errors of a record as rules.h writes it; NULL when there are none. */
static const char *
find_errors(const char *record, size_t len)
{
	static const char hash[] = ",\"" MSG_HASH "\":\"";
	static const char errors[] = ",\"" MSG_ERRORS "\":";
	const size_t skip = sizeof(hash) - 1 + HASH_DIGITS + 1;
	const char *at = memmem(record, len, hash, sizeof(hash) - 1);

	if (at == NULL || (size_t)(record + len - at) < skip + sizeof(errors) ||
	    memcmp(at + skip, errors, sizeof(errors) - 1) != 0)
		return NULL;
	return at + skip + sizeof(errors) - 1;
}

void
failures_note(struct failures *f, const char *map, const char *id,
    const char *record, size_t len)
{
	const char *text = find_errors(record, len);
	yyjson_obj_iter it;
	yyjson_doc *doc;
	yyjson_val *key;

	if (text == NULL)
		return;
	doc = yyjson_read(
	    text, (size_t)(record + len - text), YYJSON_READ_STOP_WHEN_DONE);
	it = yyjson_obj_iter_with(yyjson_doc_get_root(doc));
	for (key = yyjson_obj_iter_next(&it); key != NULL;
	     key = yyjson_obj_iter_next(&it))
		count_one(f, map, id, yyjson_get_str(key),
		    yyjson_obj_iter_get_val(key));
	yyjson_doc_free(doc);
}

void
failures_report(struct failures *f)
{
	for (size_t i = 0; i < PLACES; i++) {
		struct place *p = &f->places[i];
		long long n = atomic_load(&p->n);

		if (atomic_load(&p->state) != WHOLE ||
		    atomic_exchange(&p->told, n) >= n)
			continue;
		log_warn("%s %s.%s failed on %lld records, first %s: %s", p->at,
		    p->map, p->attribute, n, p->id, p->message);
	}
}

void
failures_tick(struct failures *f)
{
	long long due = atomic_load(&f->tell_ms), now = clock_ms();

	if (now >= due &&
	    atomic_compare_exchange_strong(&f->tell_ms, &due, now + TELL_MS) &&
	    due != 0)
		failures_report(f);
}
