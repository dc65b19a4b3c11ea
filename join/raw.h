#ifndef IDMESH_JOIN_RAW_H
#define IDMESH_JOIN_RAW_H

/*
 * raw.h - raw records, kept so that new rules can be tried on them.
 *
 * Only with `--keep-raw`, and only what `transform --keep-raw` sends.  apply.c
 * hands every record over in the page's transaction; replay.h makes pages of
 * them again.  Personal data: compressed, in join's own database alone, gone
 * with its object and when the option is.
 *
 *   raw.c       what is kept, and when it goes
 *   raw_zstd.c  how a text is packed
 */

#include "join.h"

/* raw_zstd.c: one packer or unpacker a process. */
struct raw_pack;
struct raw_pack *raw_pack_new(struct store *s);
void raw_pack_free(struct raw_pack *p);
/* The dictionary of a stream; made of `like` when it has none. */
int64_t raw_pack_dict(struct raw_pack *p, int64_t stream, yyjson_val *like);
/* Appends; `dict` as above. */
void raw_pack(
    struct raw_pack *p, int64_t dict, const struct buf *text, struct buf *out);
/* -1 when the bytes are damaged. */
int raw_unpack(struct raw_pack *p, int64_t dict, const void *bytes, size_t len,
    struct buf *out);

/*
 * Once, when the database was opened and in no transaction: begins to keep, or
 * empties the tables.  EXIT_DONE or the exit code.
 */
int raw_prepare(struct join *j, bool keep);
/* Keeps them where the last join did: for dead letters. */
void raw_follow(struct join *j);
void raw_free(struct raw *r);

/* What a record came to. */
enum raw_fate {
	RAW_SAME, /* an object is as it was */
	RAW_MADE, /* an object is new, or differs */
	RAW_ANEW, /* the same, and what it does not say it has not */
	RAW_OUT, /* the rules or its source left it out */
};
/* Does nothing without --keep-raw. */
void raw_put(struct join *j, const struct flow *f, const struct msg *m,
    yyjson_val *record, enum raw_fate fate);
/* An object left; what says why stays until a full listing lacks it. */
void raw_gone(struct store *s, int64_t object);
/* Behind a complete full listing: records that it had not. */
void raw_forget(struct join *j, const struct flow *f);

#endif
