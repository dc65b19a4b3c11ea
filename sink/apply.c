/*
 * apply.c - messages of join in, calls of a target out.
 *
 * pipe.c and service.c bring every message here in order.  This file knows
 * the change log: numbers without a hole, no change twice, a rebuild that
 * counts only when it is whole, a batch that is committed with its cursor.
 * Owns the open target.
 */

#include "sink.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum exit_code
sink_fail(struct why *why, enum exit_code code, const char *fmt, ...)
{
	char text[sizeof(why->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	why_set(why, "E_SINK", NULL, "%s", text);
	return code;
}

enum exit_code
sink_open(struct sink *s, const char *text, struct why *why)
{
	const char *place;
	enum exit_code code;

	*s = (struct sink){ .name = text };
	s->target = sink_target(text, &place, why);
	if (s->target == NULL)
		return EXIT_USAGE;
	s->at.number = SINK_NOWHERE;
	code = s->target->open(place, &s->h, &s->at, why);
	s->durable = s->at;
	/* An earlier run may have ended before its first pause. */
	s->unsettled = true;
	return code;
}

void
sink_close(struct sink *s)
{
	if (s->target != NULL)
		s->target->close(s->h);
	s->h = NULL;
}

enum exit_code
sink_welcome(
    const struct sink *s, const char *store, int64_t newest, struct why *why)
{
	if (s->at.number < 0)
		return EXIT_DONE;
	if (strcmp(s->at.store, store) != 0)
		return sink_fail(why, EXIT_USAGE,
		    "%s holds the mesh of store %s, and this is store %s: "
		    "join with the database it was made from, or name a new "
		    "target (or remove this one) to have it built anew",
		    s->name, s->at.store, store);
	if (newest < s->at.number)
		return sink_fail(why, EXIT_USAGE,
		    "%s is at change %lld, but the log of store %s ends at "
		    "%lld: join's database was restored from a backup; "
		    "remove the target to have it built anew",
		    s->name, (long long)s->at.number, store, (long long)newest);
	return EXIT_DONE;
}

int64_t
sink_due(const struct sink *s)
{
	if (!s->batch)
		return -1;
	if (s->messages >= s->messages_max || s->bytes >= s->bytes_max)
		return s->since_ms;
	return s->since_ms + SINK_BATCH_MS;
}

static enum exit_code
begin(struct sink *s, int64_t now_ms, struct why *why)
{
	enum exit_code code;

	if (s->batch)
		return EXIT_DONE;
	code = s->target->begin(s->h, why);
	if (code != EXIT_DONE)
		return code;
	s->batch = true;
	s->messages = s->bytes = 0;
	s->since_ms = now_ms;
	return EXIT_DONE;
}

enum exit_code
sink_commit(struct sink *s, struct why *why)
{
	enum exit_code code;

	if (!s->batch)
		return EXIT_DONE;
	code = s->target->commit(s->h, &s->at, why);
	if (code != EXIT_DONE)
		return code;
	s->batch = false;
	s->unsettled = true;
	s->durable = s->at;
	s->committed = s->counts;
	return EXIT_DONE;
}

enum exit_code
sink_settle(struct sink *s, struct why *why)
{
	if (!s->unsettled || s->batch)
		return EXIT_DONE;
	s->unsettled = false;
	if (s->target->settle == NULL)
		return EXIT_DONE;
	return s->target->settle(s->h, why);
}

/* The members of one change; 0 when it is none. */
static int
read_change(yyjson_val *v, struct change *c)
{
	const char *op = json_text(v, MSG_OP);

	c->type = json_text(v, MSG_TYPE);
	c->id = json_text(v, MSG_ID);
	c->object = json_get(v, MSG_OBJECT);
	c->contributors = json_get(v, MSG_CONTRIBUTORS);
	c->state = json_text(v, MSG_STATE);
	c->leave_at = json_text(v, MSG_LEAVE_AT);
	c->changed = json_get(v, MSG_CHANGED);
	c->reason = json_text(v, MSG_REASON);
	if (op == NULL || c->type == NULL || c->id == NULL)
		return 0;
	c->put = strcmp(op, MSG_PUT) == 0;
	if (c->put)
		return yyjson_is_obj(c->object);
	return strcmp(op, MSG_DELETE) == 0;
}

/* Hands the changes of m over; the last of them completes `to`. */
static enum exit_code
apply_changes(struct sink *s, const struct msg *m, const struct position *to,
    struct why *why)
{
	size_t n = yyjson_arr_size(m->changes), i, max;
	yyjson_val *v;

	yyjson_arr_foreach(m->changes, i, max, v)
	{
		struct change c = { .at = i + 1 < n ? &s->at : to };
		enum exit_code code;
		int hit = 1;

		if (!read_change(v, &c))
			return sink_fail(why, EXIT_TEMPORARY,
			    "change %lld of store %s: entry %zu is neither a "
			    "put with its object nor a delete",
			    (long long)m->seq, m->source, i);
		code = s->target->change(s->h, &c, &hit, why);
		if (code != EXIT_DONE)
			return code;
		s->counts.puts += c.put;
		s->counts.deletes += !c.put && hit;
		s->counts.unknown += !c.put && !hit;
	}
	return EXIT_DONE;
}

static int
same_store(const struct sink *s, const struct msg *m)
{
	return s->at.number < 0 || strcmp(s->at.store, m->source) == 0;
}

/* A log from its very first number is the whole mesh: begin with nothing. */
static enum exit_code
wipe(struct sink *s, struct why *why)
{
	enum exit_code code = s->target->rebuild(s->h, why);
	int64_t gone;

	if (code != EXIT_DONE)
		return code;
	return s->target->sweep(s->h, &s->at, &gone, why);
}

/* May m follow what the target has?  *skip: it has it already. */
static enum exit_code
check_place(struct sink *s, const struct msg *m, int *skip, struct why *why)
{
	int64_t first = msg_first(m);

	*skip = 0;
	if (s->at.number == SINK_ANYWHERE)
		return EXIT_DONE;
	if (s->at.number == SINK_NOWHERE) {
		if (first == 1)
			return wipe(s, why);
		return sink_fail(why, EXIT_USAGE,
		    "%s is empty, and the first change that came is %lld: "
		    "use join --after \"$(idmesh sink cursor %s)\"",
		    s->name, (long long)first, s->name);
	}
	if (m->seq <= s->at.number) {
		s->repeated++;
		*skip = 1;
		return EXIT_DONE;
	}
	if (first <= s->at.number + 1)
		return EXIT_DONE;
	if (!s->started)
		return sink_fail(why, EXIT_USAGE,
		    "%s is at change %lld, and the first one that came is "
		    "%lld: use join --after \"$(idmesh sink cursor %s)\"",
		    s->name, (long long)s->at.number, (long long)first,
		    s->name);
	return sink_fail(why, EXIT_TEMPORARY,
	    "changes %lld to %lld of store %s are missing",
	    (long long)s->at.number + 1, (long long)first - 1, m->source);
}

static enum exit_code
take_delta(struct sink *s, const struct msg *m, struct why *why)
{
	struct position to = { .number = m->seq };
	enum exit_code code;
	int skip;

	/* A rebuild that stops in the middle leaves the old cursor. */
	s->run = 0;
	if (m->seq > s->last)
		s->last = m->seq;
	code = check_place(s, m, &skip, why);
	if (code != EXIT_DONE || skip)
		return code;
	s->started = true;
	snprintf(to.store, sizeof(to.store), "%s", m->source);
	code = apply_changes(s, m, &to, why);
	s->at = to;
	return code;
}

static enum exit_code
take_full(struct sink *s, const struct msg *m, struct why *why)
{
	enum exit_code code;

	if (m->run != s->run) {
		if (msg_first(m) != 1)
			return sink_fail(why, EXIT_TEMPORARY,
			    "rebuild %lld of store %s begins with message "
			    "%lld instead of 1",
			    (long long)m->run, m->source,
			    (long long)msg_first(m));
		code = s->target->rebuild(s->h, why);
		if (code != EXIT_DONE)
			return code;
		s->run = m->run;
		s->next = 1;
	}
	if (m->seq < s->next) {
		s->repeated++;
		return EXIT_DONE;
	}
	if (msg_first(m) > s->next)
		return sink_fail(why, EXIT_TEMPORARY,
		    "message %lld of the rebuild of store %s is missing",
		    (long long)s->next, m->source);
	s->started = true;
	s->next = m->seq + 1;
	return apply_changes(s, m, &s->at, why);
}

/* The end of a rebuild; of nothing else is an end expected here. */
static enum exit_code
take_end(struct sink *s, const struct msg *m, struct why *why)
{
	struct position to;
	enum exit_code code;
	int64_t gone = 0;

	if (m->run == 0 || strcmp(m->stream, MSG_MESH) != 0)
		return EXIT_DONE;
	if (m->run != s->run && m->seq == 1) {
		/* An empty mesh: the end is all there is. */
		code = s->target->rebuild(s->h, why);
		if (code != EXIT_DONE)
			return code;
		s->run = m->run;
		s->next = 1;
	}
	if (m->run != s->run || m->seq > s->next)
		return sink_fail(why, EXIT_TEMPORARY,
		    "the rebuild of store %s ended without its beginning",
		    m->source);
	s->run = 0;
	if (!m->complete) {
		log_warn("the rebuild of %s did not end complete: %s", s->name,
		    m->why != NULL ? m->why : "join does not say why");
		return EXIT_DONE;
	}
	if (m->cursor == NULL || position_read(m->cursor, &to) < 0 ||
	    strcmp(to.store, m->source) != 0)
		return sink_fail(why, EXIT_TEMPORARY,
		    "the rebuild of store %s ended without "
		    "a cursor of that store",
		    m->source);
	code = s->target->sweep(s->h, &to, &gone, why);
	if (code != EXIT_DONE)
		return code;
	s->counts.deletes += gone;
	s->started = true;
	s->at = to;
	if (to.number > s->last)
		s->last = to.number;
	return EXIT_DONE;
}

/* What only a wrong set of stages brings here. */
static enum exit_code
stray(const struct msg *m, struct why *why)
{
	if (m->kind != MSG_PAGE && m->kind != MSG_MAPPED)
		return EXIT_DONE;
	return sink_fail(why, EXIT_USAGE,
	    "a \"%s\" message of %s came to the sink: %s must stand before "
	    "it",
	    msg_kind_name(m->kind), m->source,
	    m->kind == MSG_PAGE ? "idmesh transform and idmesh join"
				: "idmesh join");
}

enum exit_code
sink_take(struct sink *s, const struct msg *m, int64_t now_ms, struct why *why)
{
	enum exit_code code;

	if (m->kind != MSG_SCHEMA && m->kind != MSG_CHANGE &&
	    m->kind != MSG_END)
		return stray(m, why);
	if (strlen(m->source) >= SINK_STORE_MAX)
		return sink_fail(why, EXIT_TEMPORARY,
		    "a store id of %zu bytes; the limit is %d",
		    strlen(m->source), SINK_STORE_MAX - 1);
	if (!same_store(s, m))
		return sink_welcome(s, m->source, INT64_MAX, why);
	code = begin(s, now_ms, why);
	if (code != EXIT_DONE)
		return code;
	s->messages++;
	s->bytes += m->len;
	if (m->kind == MSG_SCHEMA)
		return s->target->schema(s->h, m->types, why);
	if (m->kind == MSG_END)
		return take_end(s, m, why);
	return m->run == 0 ? take_delta(s, m, why) : take_full(s, m, why);
}

void
sink_report(const struct sink *s)
{
	/* What a failure took back was never done. */
	const struct sink_counts *c = &s->committed;
	struct buf at = { 0 };

	position_write(&at, &s->durable);
	log_info("%s: %lld put, %lld deleted, %lld deletes of unknown "
		 "objects, %lld messages seen before; now at %s",
	    s->name, (long long)c->puts, (long long)c->deletes,
	    (long long)c->unknown, (long long)s->repeated, at.data);
	buf_free(&at);
}
