/*
 * outbox.c - the change log as messages for a sink.
 *
 * pipe.c writes them to stdout after each COMMIT, link.c keeps a window of
 * them for every sink.  A sink that knows where it is gets what came since
 * (delta); a new, outdated or restored one gets the whole mesh in pages
 * (rebuild), whose end names the number where deltas go on.
 */

#include "outbox.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"

#ifndef CHANGES_MAX
#define CHANGES_MAX 200
#endif
#ifndef CHANGES_BYTES
#define CHANGES_BYTES ((size_t)4 << 20)
#endif

void
outbox_schema(const struct join *j, struct buf *out)
{
	const char *type, *attribute;
	struct buf types = { 0 };

	buf_char(&types, '[');
	for (size_t i = 0; (type = rules_type(j->rules, i)) != NULL; i++) {
		buf_str(&types,
		    i > 0 ? ",{\"" MSG_TYPE "\":" : "{\"" MSG_TYPE "\":");
		buf_json_str(&types, type);
		buf_str(&types, ",\"" MSG_ATTRIBUTES "\":[");
		for (size_t k = 0;
		     (attribute = rules_attribute(j->rules, type, k)) != NULL;
		     k++) {
			if (k > 0)
				buf_char(&types, ',');
			buf_json_str(&types, attribute);
		}
		buf_str(&types, "]}");
	}
	buf_char(&types, ']');
	msg_open(out, MSG_SCHEMA);
	msg_str(out, MSG_SOURCE, j->store->id);
	msg_raw(out, MSG_TYPES, types.data, types.len);
	msg_close(out);
	buf_free(&types);
}

static void
write_change(struct store *s, struct buf *out, const char *mode, int64_t run,
    int64_t epoch, int64_t first, int64_t seq, const struct buf *changes)
{
	msg_open(out, MSG_CHANGE);
	msg_address(out, s->id, MSG_MESH, run, epoch);
	msg_int(out, MSG_FIRST, first);
	msg_int(out, MSG_SEQ, seq);
	msg_str(out, MSG_MODE, mode);
	msg_raw(out, MSG_CHANGES, changes->data, changes->len);
	msg_close(out);
}

int
outbox_delta(struct store *s, int64_t epoch, int64_t *number, struct buf *out)
{
	struct buf changes = { 0 };
	int64_t first = *number + 1, last;

	buf_char(&changes, '[');
	last = body_changes(s, *number, CHANGES_MAX, CHANGES_BYTES, &changes);
	buf_char(&changes, ']');
	if (last > *number && !s->failed) {
		write_change(
		    s, out, MSG_DELTA, 0, epoch, first, last, &changes);
		*number = last;
	}
	buf_free(&changes);
	return last >= first && !s->failed;
}

struct rebuild
rebuild_new(struct store *s)
{
	struct rebuild r = { .until = s->newest };
	uint32_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint32_t)clock_wall_ms();
	r.run = (int64_t)(random >> 1) + 1;
	return r;
}

int
outbox_rebuild(
    struct store *s, int64_t epoch, struct rebuild *r, struct buf *out)
{
	struct buf changes = { 0 };
	char cursor[64];
	int more;

	buf_char(&changes, '[');
	more = body_page(s, &r->pk, CHANGES_MAX, CHANGES_BYTES, &changes) > 0;
	buf_char(&changes, ']');
	r->seq++;
	if (more) {
		write_change(
		    s, out, MSG_FULL, r->run, epoch, r->seq, r->seq, &changes);
	} else {
		snprintf(cursor, sizeof(cursor), "%s:%lld", s->id,
		    (long long)r->until);
		msg_open(out, MSG_END);
		msg_address(out, s->id, MSG_MESH, r->run, epoch);
		msg_int(out, MSG_SEQ, r->seq);
		msg_bool(out, MSG_COMPLETE, true);
		msg_str(out, MSG_CURSOR, cursor);
		msg_close(out);
	}
	buf_free(&changes);
	return more;
}

/* Was the number given out before the database was restored? */
static bool
is_taken(struct store *s, int64_t number)
{
	sqlite3_stmt *st =
	    store_ask(s, "SELECT 1 FROM restored WHERE low < ?1 AND ?1 <= high",
		"i", number);
	bool taken = store_row(s, st);

	store_end(st);
	return taken;
}

/* Once the log has passed the target nobody could tell any more. */
static void
remember_ahead(struct store *s, int64_t number)
{
	if (store_begin(s) != 0)
		return;
	store_do(s,
	    "INSERT INTO restored(low, high) VALUES(?, ?) ON CONFLICT(low)"
	    " DO UPDATE SET high = max(high, excluded.high)",
	    "ii", s->newest, number);
	if (store_commit(s) == 0)
		store_refresh(s);
}

int
outbox_place(
    struct store *s, const char *cursor, int64_t *number, struct why *why)
{
	size_t len = strlen(s->id);
	char *end;
	long long n;

	if (strcmp(cursor, "-") == 0)
		return 1;
	if (strncmp(cursor, s->id, len) != 0 || cursor[len] != ':')
		return why_set(why, "E_STORE", cursor,
		    "the target stands at %s, which is of another database "
		    "than %s (%s): name the right --db, or begin a new target",
		    cursor, s->path, s->id);
	n = strtoll(cursor + len + 1, &end, 10);
	if (*end != '\0' || n < 0)
		return why_set(why, "E_CURSOR", cursor,
		    "%s is no cursor; give what `idmesh sink cursor` prints",
		    cursor);
	if (n > s->newest)
		remember_ahead(s, n);
	if (n > s->newest || is_taken(s, n))
		return why_set(why, "E_AHEAD", cursor,
		    "the target stands at %lld, ahead of %s at %lld: the "
		    "database was restored; begin a new target, or restore the "
		    "newer database",
		    n, s->path, (long long)s->newest);
	*number = n;
	return n < s->oldest - 1;
}
