/*
 * msg.c - reading and writing of the one message envelope.
 *
 * Every program reads with msg_read() what another wrote with msg_open() to
 * msg_close().  The envelope is checked here once, so that no stage has to
 * doubt the type of a header field.
 */

#include "msg.h"

#include <string.h>

#include "json.h"

static const char *const kinds[MSG_KINDS] = {
	[MSG_HELLO] = "hello",
	[MSG_STATE_ANSWER] = "state",
	[MSG_READY] = "ready",
	[MSG_BEAT] = "beat",
	[MSG_BYE] = "bye",
	[MSG_PAGE] = "page",
	[MSG_MAPPED] = "records",
	[MSG_END] = "end",
	[MSG_ACK] = "ack",
	[MSG_GAP] = "gap",
	[MSG_FENCED] = "fenced",
	[MSG_SCHEMA] = "schema",
	[MSG_CHANGE] = "change",
	[MSG_OPERATION] = "operation",
	[MSG_RESULT] = "result",
	[MSG_EVENT] = "event",
};

/* How a header field is read into its place in struct msg. */
enum field_type { TEXT, NUMBER, TRUTH, OBJECT, ARRAY, ANY };

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
};

#define AT(member) offsetof(struct msg, member)

static const struct field fields[] = {
	{ MSG_ROLE, TEXT, AT(role) },
	{ MSG_SOURCE, TEXT, AT(source) },
	{ MSG_STREAM, TEXT, AT(stream) },
	{ MSG_RUN, NUMBER, AT(run) },
	{ MSG_EPOCH, NUMBER, AT(epoch) },
	{ MSG_FIRST, NUMBER, AT(first) },
	{ MSG_SEQ, NUMBER, AT(seq) },
	{ MSG_N, NUMBER, AT(n) },
	{ MSG_TRY, NUMBER, AT(attempt) },
	{ MSG_ISOLATE, TRUTH, AT(isolate) },
	{ MSG_MODE, TEXT, AT(mode) },
	{ MSG_INSTANCE, TEXT, AT(instance) },
	{ MSG_BOOT, TEXT, AT(boot) },
	{ MSG_CREDIT, NUMBER, AT(credit) },
	{ MSG_AT, TEXT, AT(at) },
	{ MSG_REQUEST, TEXT, AT(request) },
	{ MSG_RULES, TEXT, AT(rules) },
	{ MSG_FILTER, OBJECT, AT(filter) },
	{ MSG_KEY, ARRAY, AT(key) },
	{ MSG_EXTERNAL_ID, TEXT, AT(external_id) },
	{ MSG_REMOVED, TEXT, AT(removed) },
	{ MSG_KEEP, ARRAY, AT(keep) },
	{ MSG_CONTEXT, OBJECT, AT(context) },
	{ MSG_PARTIAL, TRUTH, AT(partial) },
	{ MSG_LAST, TRUTH, AT(last) },
	{ MSG_STATE, OBJECT, AT(state) },
	{ MSG_COMPLETE, TRUTH, AT(complete) },
	{ MSG_SKIPPED, TRUTH, AT(skipped) },
	{ MSG_WHY, TEXT, AT(why) },
	{ MSG_PERMANENT, TRUTH, AT(permanent) },
	{ MSG_PAGES, NUMBER, AT(pages) },
	{ MSG_WATERMARK, ANY, AT(watermark) },
	{ MSG_CERTIFICATE, OBJECT, AT(certificate) },
	{ MSG_WARNINGS, ARRAY, AT(warnings) },
	{ MSG_STREAMS, ANY, AT(streams) },
	{ MSG_CURSOR, TEXT, AT(cursor) },
	{ MSG_TYPES, ARRAY, AT(types) },
	{ MSG_BAD, ARRAY, AT(bad) },
	{ MSG_RECORDS, ARRAY, AT(records) },
	{ MSG_CHANGES, ARRAY, AT(changes) },
};

static int
set_field(struct msg *m, const struct field *f, yyjson_val *v)
{
	char *place = (char *)m + f->offset;

	switch (f->type) {
	case TEXT:
		*(const char **)place = yyjson_get_str(v);
		return yyjson_is_str(v) &&
		       strlen(yyjson_get_str(v)) == yyjson_get_len(v);
	case NUMBER:
		*(int64_t *)place = json_int(v, -1);
		return *(int64_t *)place >= 0;
	case TRUTH:
		*(bool *)place = yyjson_is_true(v);
		return yyjson_is_bool(v);
	case OBJECT:
		*(yyjson_val **)place = v;
		return yyjson_is_obj(v);
	case ARRAY:
		*(yyjson_val **)place = v;
		return yyjson_is_arr(v);
	case ANY:
		*(yyjson_val **)place = v;
		return 1;
	}
	return 0;
}

static int
read_fields(struct msg *m, yyjson_val *root, struct why *why)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(root);
	size_t at = 0, n = sizeof(fields) / sizeof(fields[0]);

	for (;;) {
		yyjson_val *key = yyjson_obj_iter_next(&it);
		yyjson_val *v = yyjson_obj_iter_get_val(key);
		size_t tries = 0;

		if (key == NULL)
			return 0;
		/* Keys come in the order of the table, so this is a step. */
		while (tries < n && !yyjson_equals_str(key, fields[at].name)) {
			at = (at + 1) % n;
			tries++;
		}
		if (tries == n || yyjson_is_null(v))
			continue;
		if (!set_field(m, &fields[at], v))
			return why_set(why, "E_MESSAGE", m->source,
			    "message field \"%s\" has the wrong type",
			    fields[at].name);
	}
}

/* Which fields a kind cannot do without. */
static int
complete(const struct msg *m)
{
	int addressed = m->source != NULL && m->stream != NULL;

	switch (m->kind) {
	case MSG_PAGE:
	case MSG_MAPPED:
		return addressed && m->records != NULL && m->seq > 0;
	case MSG_END:
	case MSG_ACK:
	case MSG_GAP:
		return addressed;
	case MSG_CHANGE:
		return addressed && m->changes != NULL && m->seq > 0;
	case MSG_HELLO:
	case MSG_STATE_ANSWER:
	case MSG_FENCED:
		return m->source != NULL;
	case MSG_SCHEMA:
		return m->source != NULL && m->types != NULL;
	case MSG_READY:
	case MSG_BYE:
		return m->instance != NULL;
	case MSG_BEAT:
	case MSG_OPERATION:
	case MSG_RESULT:
	case MSG_EVENT:
	case MSG_KINDS:
		break;
	}
	return 1;
}

static int
read_kind(struct msg *m, yyjson_val *root, struct why *why)
{
	int64_t version = json_int(json_get(root, MSG_V), -1);
	const char *name = json_text(root, MSG_KIND);

	if (!yyjson_is_obj(root))
		return why_set(why, "E_MESSAGE", NULL,
		    "not a message of idmesh (no JSON object)");
	if (version < 0)
		return why_set(why, "E_VERSION", NULL,
		    "not a message of idmesh (no \"" MSG_V "\")");
	if (version != MSG_VERSION)
		return why_set(why, "E_VERSION", NULL,
		    "message version %lld; this program speaks %d: "
		    "use programs of one release",
		    (long long)version, MSG_VERSION);
	for (int i = 0; name != NULL && i < MSG_KINDS; i++) {
		if (strcmp(name, kinds[i]) == 0) {
			m->kind = (enum msg_kind)i;
			return 0;
		}
	}
	return why_set(why, "E_MESSAGE", NULL, "unknown message kind \"%.40s\"",
	    name != NULL ? name : "");
}

int
msg_read_in(struct msg *m, struct json_room *room, const char *bytes,
    size_t len, struct why *why)
{
	yyjson_read_err err;
	yyjson_val *root;

	*m = (struct msg){ .len = len, .room = room };
	if (len > MSG_MAX)
		return why_set(why, "E_MESSAGE", NULL,
		    "message of %zu bytes; the limit is %zu", len, MSG_MAX);
	m->doc = json_read(room, bytes, len, &err);
	if (m->doc == NULL)
		return why_set(why, "E_MESSAGE", NULL,
		    "not JSON at byte %zu: %s", err.pos, err.msg);
	root = yyjson_doc_get_root(m->doc);
	if (read_kind(m, root, why) < 0 || read_fields(m, root, why) < 0)
		goto fail;
	if (!complete(m)) {
		why_set(why, "E_MESSAGE", m->source,
		    "a \"%s\" message without its address or payload",
		    kinds[m->kind]);
		goto fail;
	}
	return 0;
fail:
	msg_free(m);
	return -1;
}

int
msg_read(struct msg *m, const char *bytes, size_t len, struct why *why)
{
	return msg_read_in(m, NULL, bytes, len, why);
}

enum exit_code
msg_code(const struct why *why)
{
	return strcmp(why->code, "E_VERSION") == 0 ? EXIT_USAGE
						   : EXIT_TEMPORARY;
}

void
msg_free(struct msg *m)
{
	json_done(m->room, m->doc);
	*m = (struct msg){ 0 };
}

const char *
msg_kind_name(enum msg_kind kind)
{
	return kinds[kind];
}

int64_t
msg_first(const struct msg *m)
{
	return m->first > 0 ? m->first : m->seq;
}

bool
msg_is_mode(const char *mode)
{
	return strcmp(mode, MSG_AUTO) == 0 || strcmp(mode, MSG_FULL) == 0 ||
	       strcmp(mode, MSG_DELTA) == 0;
}

void
msg_open(struct buf *b, enum msg_kind kind)
{
	buf_fmt(b, "{\"" MSG_V "\":%d,\"" MSG_KIND "\":\"%s\"", MSG_VERSION,
	    kinds[kind]);
}

static void
put_name(struct buf *b, const char *name)
{
	buf_add(b, ",\"", 2);
	buf_str(b, name);
	buf_add(b, "\":", 2);
}

void
msg_str(struct buf *b, const char *name, const char *value)
{
	if (value == NULL)
		return;
	put_name(b, name);
	buf_json(b, value, strlen(value));
}

void
msg_int(struct buf *b, const char *name, int64_t value)
{
	put_name(b, name);
	buf_int(b, value);
}

void
msg_bool(struct buf *b, const char *name, bool value)
{
	put_name(b, name);
	buf_str(b, value ? "true" : "false");
}

void
msg_val(struct buf *b, const char *name, yyjson_val *value)
{
	if (value == NULL)
		return;
	put_name(b, name);
	json_write(b, value);
}

void
msg_raw(struct buf *b, const char *name, const char *text, size_t len)
{
	if (text == NULL)
		return;
	put_name(b, name);
	buf_add(b, text, len);
}

void
msg_address(struct buf *b, const char *source, const char *stream, int64_t run,
    int64_t epoch)
{
	msg_str(b, MSG_SOURCE, source);
	msg_str(b, MSG_STREAM, stream);
	msg_int(b, MSG_RUN, run);
	msg_int(b, MSG_EPOCH, epoch);
}

void
msg_close(struct buf *b)
{
	buf_char(b, '}');
}

void
msg_short(struct buf *b, enum msg_kind kind, const char *source,
    const char *stream, int64_t run, int64_t epoch, int64_t seq)
{
	msg_open(b, kind);
	msg_address(b, source, stream, run, epoch);
	msg_int(b, MSG_SEQ, seq);
	msg_close(b);
}

void
msg_from(struct buf *b, enum msg_kind kind, const char *instance)
{
	msg_open(b, kind);
	msg_str(b, MSG_INSTANCE, instance);
	msg_close(b);
}
