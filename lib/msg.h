#ifndef IDMESH_MSG_H
#define IDMESH_MSG_H

/*
 * msg.h - the one dictionary of messages between the programs.
 *
 * layer 2.  One message is one JSON object: a line in a pipe, a frame in
 * ZeroMQ, the same bytes.  message(5) describes it for other languages; no
 * wire name stands anywhere else in the code.
 *
 * The law of ownership: a struct msg owns its document; all that is read out
 * of it is borrowed and dies with it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "buf.h"
#include "json.h"
#include "log.h"
#include "why.h"

#define MSG_VERSION 1
#define MSG_MAX ((size_t)8 << 20) /* bytes of a frame or line */

/* Header keys, in the order in which they are written. */
#define MSG_V "v"
#define MSG_KIND "kind"
#define MSG_ROLE "role" /* hello: who asks */
#define MSG_SOURCE "source" /* "okta:contoso", or the store of join */
#define MSG_STREAM "stream" /* "User", ...; "mesh" behind join */
#define MSG_RUN "run"
#define MSG_EPOCH "epoch"
#define MSG_FIRST "first" /* first number that it covers */
#define MSG_SEQ "seq"
#define MSG_N "n" /* records of the page; ready: pages received */
#define MSG_TRY "try" /* how often the page was handed out */
#define MSG_ISOLATE "isolate"
#define MSG_MODE "mode"
#define MSG_INSTANCE "instance" /* host:pid:random of a process */
#define MSG_BOOT "boot" /* the committer's instance */
#define MSG_CREDIT "credit"
#define MSG_AT "at" /* server time of the response */
#define MSG_REQUEST "request" /* X-Okta-Request-Id of the response */
#define MSG_RULES "rules" /* version of the rules that mapped */
#define MSG_FILTER "filter"
#define MSG_KEY "key" /* paths that make the connector key */
#define MSG_EXTERNAL_ID "externalId"
#define MSG_REMOVED "removed" /* path that only a removed record has */
#define MSG_KEEP "keep" /* paths of which absence says nothing */
#define MSG_CONTEXT "context"
#define MSG_PARTIAL "partial" /* came to and left the context, not all */
#define MSG_LAST "last" /* last page of its context */
#define MSG_STATE "state" /* where to resume behind this page */
#define MSG_COMPLETE "complete"
#define MSG_SKIPPED "skipped" /* the token may not read the entity */
#define MSG_WHY "why"
#define MSG_PERMANENT "permanent" /* fenced: trying again will not help */
#define MSG_PAGES "pages"
#define MSG_WATERMARK "watermark"
#define MSG_CERTIFICATE "certificate"
#define MSG_WARNINGS "warnings"
#define MSG_STREAMS "streams"
#define MSG_CURSOR "cursor"
#define MSG_TYPES "types"
#define MSG_BAD "bad"
#define MSG_RECORDS "records"
#define MSG_CHANGES "changes"

/* Members of `filter`, `context` and `certificate`. */
#define MSG_TEXT "text"
#define MSG_ROUTE "route"
#define MSG_GROUP_ID "groupId"
#define MSG_USERS_COUNT "usersCount" /* more than the list had */
#define MSG_CHAIN "chain" /* one unbroken listing */
#define MSG_RESTARTS "restarts"

/* Of each of `streams` in a state, beside mode, seq and state. */
#define MSG_SINCE "since"
#define MSG_DONE "done"
#define MSG_EXPECTED "expected" /* records, as many as the last time */
/* Of `watermark` in a state: of User; of Group and, unless it has one of its
 * own, of GroupMember. */
#define MSG_MARK_USERS "u"
#define MSG_MARK_GROUPS "g"
#define MSG_MARK_MEMBERS "m"

/* Of each of `types`. */
#define MSG_TYPE "type"
#define MSG_ATTRIBUTES "attributes"

/* Of each of `records` and `changes`. */
#define MSG_ID "id"
#define MSG_OP "op"
#define MSG_HASH "hash" /* 32 hexadecimal digits */
#define MSG_ERRORS "errors" /* {attribute: {"at","message"}} */
#define MSG_KEPT "kept" /* names of attributes that stay as they were */
#define MSG_ATTRS "attrs"
#define MSG_REASON "reason" /* of a delete */
#define MSG_OBJECT "object"
#define MSG_CONTRIBUTORS "contributors"
#define MSG_CHANGED "changed" /* names of attributes */
#define MSG_LEAVE_AT "leaveAt" /* beside state: until when it stays */

/* Of each of `bad`, beside id and at. */
#define MSG_INDEX "index"
#define MSG_CODE "code"
#define MSG_MESSAGE "message"
#define MSG_RAW "raw"

/* Values: of op, of mode, of role, and the stream behind join. */
#define MSG_PUT "put"
#define MSG_DELETE "delete"
#define MSG_OUT_OF_SCOPE "out-of-scope"
#define MSG_AUTO "auto" /* only in a hello */
#define MSG_FULL "full"
#define MSG_DELTA "delta"
#define MSG_FETCH "fetch"
#define MSG_JOIN "join"
#define MSG_TRANSFORM "transform" /* a role of keys only, like sink */
#define MSG_SINK "sink"
#define MSG_MESH "mesh"

enum msg_kind {
	MSG_HELLO,
	MSG_STATE_ANSWER, /* "state" */
	MSG_READY,
	MSG_BEAT,
	MSG_BYE,
	MSG_PAGE,
	MSG_MAPPED, /* "records" */
	MSG_END,
	MSG_ACK,
	MSG_GAP,
	MSG_FENCED,
	MSG_SCHEMA,
	MSG_CHANGE,
	MSG_OPERATION,
	MSG_RESULT,
	MSG_EVENT,
	MSG_KINDS
};

/*
 * A message that was read.  Strings are NULL and numbers 0 when absent;
 * values are NULL when absent or JSON null.
 */
struct msg {
	enum msg_kind kind;
	const char *role, *source, *stream, *mode, *instance, *boot, *at,
	    *request, *rules, *external_id, *removed, *why, *cursor;
	int64_t run, epoch, first, seq, n, attempt, credit, pages;
	bool isolate, partial, last, complete, skipped, permanent;
	yyjson_val *filter, *key, *keep, *context, *state, *watermark,
	    *certificate, *warnings, *streams, *types, *bad, *records, *changes;
	size_t len; /* bytes of the message */
	yyjson_doc *doc; /* owned */
	struct json_room *room; /* borrowed: where it is, or NULL */
};

/*
 * Reads one message; numbers stay raw text (json.h reads them).  `bytes` is
 * not kept.  -1 with a reason for what is no message of this version: wrong
 * JSON, unknown v or kind, a field of the wrong type, over MSG_MAX.
 * Matched by msg_open() to msg_close().
 */
int msg_read(struct msg *m, const char *bytes, size_t len, struct why *why);
/* The same in a room of json.h, which is kept for the next one. */
int msg_read_in(struct msg *m, struct json_room *room, const char *bytes,
    size_t len, struct why *why);
/*
 * The exit code for what could not be read: another version is for a person
 * to mend, anything else for the next run.
 */
enum exit_code msg_code(const struct why *why);
void msg_free(struct msg *m);
const char *msg_kind_name(enum msg_kind kind);
/* The first number that it covers: a message without `first` covers one. */
int64_t msg_first(const struct msg *m);
/* Is it auto, full or delta?  What a hello and `--mode` may say. */
bool msg_is_mode(const char *mode);

/*
 * Writing: open, fields in the order of the dictionary, close.  Nothing is
 * written for a NULL string or value.  Matched by msg_read().
 */
void msg_open(struct buf *b, enum msg_kind kind);
void msg_str(struct buf *b, const char *name, const char *value);
void msg_int(struct buf *b, const char *name, int64_t value);
void msg_bool(struct buf *b, const char *name, bool value);
void msg_val(struct buf *b, const char *name, yyjson_val *value);
/* JSON text as it is. */
void msg_raw(struct buf *b, const char *name, const char *text, size_t len);
/* source, stream, run, epoch: where a message belongs. */
void msg_address(struct buf *b, const char *source, const char *stream,
    int64_t run, int64_t epoch);
void msg_close(struct buf *b);

/* ack, gap and fenced carry no more than an address and a seq. */
void msg_short(struct buf *b, enum msg_kind kind, const char *source,
    const char *stream, int64_t run, int64_t epoch, int64_t seq);
/* beat and bye carry no more than who speaks. */
void msg_from(struct buf *b, enum msg_kind kind, const char *instance);

#endif
