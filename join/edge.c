/*
 * edge.c - memberships that wait for their user and their group.
 *
 * leave.c and sweep.c come here when a membership is to leave.  While its
 * user or its group is held back by a guard the membership stays too, or
 * people whom nobody has let go would lose their access.  The streams of a
 * run end in any order, so it also waits for those that are not decided.  A
 * waiting one is a row of `leaving` with generation 0; end.c, sweep.c and
 * run.c have them looked at again whenever something was decided.
 */

#include "join.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "leave.h"
#include "log.h"
#include "mem.h"
#include "run.h"

#define EDGE_CHUNK 512
#define EDGE_STREAM "GroupMember"

static enum wait
waiting(struct store *s, int64_t source)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT max(CASE WHEN c.phase IN ('reading', 'sweeping')"
	    " AND r.state = 'running' AND r.number = s.run THEN 2"
	    " WHEN c.phase IN ('held', 'sweeping') THEN 1 ELSE 0 END)"
	    " FROM source s JOIN run r ON r.source = s.pk"
	    " JOIN checkpoint c ON c.run = r.pk"
	    " JOIN stream t ON t.pk = c.stream"
	    " WHERE s.pk = ? AND t.name IN ('User', 'Group')",
	    "i", source);
	enum wait w = WAIT_NONE;

	if (store_row(s, st))
		w = (enum wait)sqlite3_column_int(st, 0);
	store_end(st);
	return w;
}

/* Is this object of the source held back by the guard of a run? */
static bool
held(struct store *s, int64_t source, const char *stream, const char *id)
{
	sqlite3_stmt *st;
	bool is;

	if (id == NULL)
		return false;
	st = store_ask(s,
	    "SELECT 1 FROM stream t JOIN object o ON o.stream = t.pk"
	    " WHERE t.source = ?1 AND t.name = ?2 AND o.id = ?3"
	    " AND o.gone IS NULL AND (EXISTS (SELECT 1 FROM leaving l"
	    " WHERE l.pk = o.pk AND l.generation > 0)"
	    " OR EXISTS (SELECT 1 FROM checkpoint c JOIN run r ON r.pk = c.run"
	    " JOIN seen n ON n.pk = o.pk WHERE c.stream = t.pk"
	    " AND c.phase IN ('held', 'sweeping') AND c.mode = 'full'"
	    " AND c.unsure = 0 AND n.generation < r.generation))",
	    "itt", source, stream, id);
	is = store_row(s, st);
	store_end(st);
	return is;
}

static bool
ends_held(struct store *s, int64_t source, const char *group, const char *attrs)
{
	yyjson_doc *doc;
	bool is;

	if (held(s, source, "Group", group))
		return true;
	if (attrs == NULL)
		return false;
	doc = yyjson_read(attrs, strlen(attrs), YYJSON_READ_NUMBER_AS_RAW);
	is = held(
	    s, source, "User", json_text(yyjson_doc_get_root(doc), "memberId"));
	yyjson_doc_free(doc);
	return is;
}

/* Is the membership's user or group held?  Not asked while all is well. */
static bool
must_stay(struct store *s, int64_t source, int64_t pk)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT k.id, a.text FROM object o"
	    " LEFT JOIN container k ON k.pk = o.container"
	    " LEFT JOIN attrs a ON a.pk = o.pk WHERE o.pk = ?",
	    "i", pk);
	char *group = NULL, *attrs = NULL;
	bool is;

	if (store_row(s, st)) {
		if (store_text(st, 0) != NULL)
			group = xstrdup(store_text(st, 0));
		if (store_text(st, 1) != NULL)
			attrs = xstrdup(store_text(st, 1));
	}
	store_end(st);
	is = ends_held(s, source, group, attrs);
	free(group);
	free(attrs);
	return is;
}

enum wait
edge_wait(struct store *s, const struct flow *f)
{
	if (strcmp(f->stream, EDGE_STREAM) != 0)
		return WAIT_NONE;
	return waiting(s, f->source_pk);
}

void
edge_leave(struct store *s, struct flow *f, enum wait w, const struct object *o,
    const char *why)
{
	if (w == WAIT_NONE ||
	    (w == WAIT_HELD && !must_stay(s, f->source_pk, o->pk))) {
		object_leave(s, f, o, why);
		return;
	}
	store_do(s,
	    "INSERT OR IGNORE INTO leaving(pk, generation, reason)"
	    " VALUES(?, 0, ?)",
	    "it", o->pk, why);
	f->leaving = true;
}

int64_t
edges_waiting(struct store *s, const struct flow *f)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT count(*) FROM leaving l JOIN object o ON o.pk = l.pk"
	    " WHERE o.stream = ? AND l.generation = 0",
	    "i", f->stream_pk);
	int64_t n = store_row(s, st) ? sqlite3_column_int64(st, 0) : 0;

	store_end(st);
	return n;
}

/* Those behind *after that wait; at most EDGE_CHUNK. */
static size_t
waiting_edges(struct store *s, int64_t source, int64_t *after,
    struct object *out, char **why)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT o.pk, o.mesh, l.reason FROM leaving l"
	    " JOIN object o ON o.pk = l.pk JOIN stream t ON t.pk = o.stream"
	    " WHERE l.generation = 0 AND l.pk > ? AND t.source = ?"
	    " ORDER BY l.pk LIMIT ?",
	    "iii", *after, source, (int64_t)EDGE_CHUNK);
	size_t n = 0;

	while (store_row(s, st)) {
		out[n].pk = *after = sqlite3_column_int64(st, 0);
		out[n].mesh = sqlite3_column_int64(st, 1);
		why[n++] = xstrdup(store_text(st, 2));
	}
	return n;
}

/* So many left the stream outside of its own pages. */
static void
tell(struct store *s, struct join *j, int64_t source, int64_t gone)
{
	if (gone == 0)
		return;
	store_do(s,
	    "UPDATE stream SET alive = alive - ?"
	    " WHERE source = ? AND name = '" EDGE_STREAM "'",
	    "ii", gone, source);
	store_do(s,
	    "UPDATE checkpoint SET gone = gone + ?1 WHERE pk = (SELECT c.pk"
	    " FROM source s JOIN run r ON r.source = s.pk AND r.number = s.run"
	    " JOIN checkpoint c ON c.run = r.pk"
	    " JOIN stream t ON t.pk = c.stream"
	    " WHERE s.pk = ?2 AND t.name = '" EDGE_STREAM "')",
	    "ii", gone, source);
	for (struct flow *f = j != NULL ? j->flows : NULL; f != NULL;
	     f = f->next) {
		if (f->source_pk != source ||
		    strcmp(f->stream, EDGE_STREAM) != 0)
			continue;
		f->alive -= gone;
		f->counts.gone += gone;
	}
}

/* Once, when the run is over: each stream's end settles. */
static void
warn(struct store *s, int64_t source, int64_t stay)
{
	sqlite3_stmt *st = store_ask(s,
	    "SELECT name FROM source s WHERE pk = ? AND NOT EXISTS"
	    " (SELECT 1 FROM run r LEFT JOIN checkpoint c ON c.run = r.pk"
	    " WHERE r.source = s.pk AND (c.phase = 'sweeping'"
	    " OR (r.state = 'running' AND r.number = s.run)))",
	    "i", source);

	if (store_row(s, st))
		log_warn("%s: %lld memberships stay as long as their users or "
			 "groups are held back",
		    store_text(st, 0), (long long)stay);
	store_end(st);
}

/* How many still stay. */
static int64_t
let_go(struct store *s, struct join *j, int64_t source)
{
	struct object o[EDGE_CHUNK];
	char *why[EDGE_CHUNK];
	struct flow scratch = { 0 };
	enum wait w = waiting(s, source);
	int64_t after = 0, stay = 0;
	size_t n;

	if (w == WAIT_RUN)
		return 0;
	do {
		n = waiting_edges(s, source, &after, o, why);
		for (size_t i = 0; i < n; i++) {
			if (w == WAIT_HELD && must_stay(s, source, o[i].pk))
				stay++;
			else
				object_leave(s, &scratch, &o[i], why[i]);
			free(why[i]);
		}
	} while (n == EDGE_CHUNK);
	tell(s, j, source, scratch.counts.gone);
	return stay;
}

void
edges_settle(struct store *s, struct join *j, int64_t source)
{
	int64_t stay = let_go(s, j, source);

	if (stay > 0)
		warn(s, source, stay);
}

void
edges_close(struct join *j, int64_t source, int64_t run, bool closing)
{
	/* Who leaves with the run counts in it; who stays is told behind it. */
	let_go(j->store, j, source);
	run_settle(j->store, run, closing);
	edges_settle(j->store, j, source);
}
