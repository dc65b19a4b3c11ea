/*
 * raw_zstd.c - raw records as small as their values.
 *
 * raw.c packs with it, replay.c unpacks.  Records of one stream look alike,
 * so each is compressed against a dictionary of their keys: a record without
 * its values, for a dictionary outlives the people whose records it packs.
 */

#include "raw.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "log.h"
#include "mem.h"

#define RAW_LEVEL 3
#define DICT_MAX ((size_t)32 << 10)
#define DEPTH_MAX 16

struct dict {
	struct dict *next;
	int64_t pk, stream;
	char *text; /* owned */
	size_t len;
	ZSTD_CDict *pack; /* owned; made when it is needed */
	ZSTD_DDict *unpack;
};

struct raw_pack {
	struct store *s;
	struct dict *dicts; /* owned */
	ZSTD_CCtx *in; /* owned */
	ZSTD_DCtx *out; /* owned */
};

struct raw_pack *
raw_pack_new(struct store *s)
{
	struct raw_pack *p = xcalloc(1, sizeof(*p));

	p->s = s;
	p->in = ZSTD_createCCtx();
	p->out = ZSTD_createDCtx();
	if (p->in == NULL || p->out == NULL)
		die(EXIT_TEMPORARY, "no memory for zstd");
	return p;
}

void
raw_pack_free(struct raw_pack *p)
{
	if (p == NULL)
		return;
	while (p->dicts != NULL) {
		struct dict *d = p->dicts;

		p->dicts = d->next;
		ZSTD_freeCDict(d->pack);
		ZSTD_freeDDict(d->unpack);
		free(d->text);
		free(d);
	}
	ZSTD_freeCCtx(p->in);
	ZSTD_freeDCtx(p->out);
	free(p);
}

static struct dict *
take_row(struct raw_pack *p, sqlite3_stmt *st)
{
	struct dict *d = xcalloc(1, sizeof(*d));

	d->pk = sqlite3_column_int64(st, 0);
	d->stream = sqlite3_column_int64(st, 1);
	d->text = xstrdup(store_text(st, 2));
	d->len = strlen(d->text);
	store_end(st);
	d->next = p->dicts;
	p->dicts = d;
	return d;
}

static struct dict *
by_pk(struct raw_pack *p, int64_t pk)
{
	struct dict *d = p->dicts;
	sqlite3_stmt *st;

	while (d != NULL && d->pk != pk)
		d = d->next;
	if (d != NULL)
		return d;
	st = store_ask(p->s,
	    "SELECT pk, stream, text FROM raw_dict WHERE pk = ?", "i", pk);
	return store_row(p->s, st) ? take_row(p, st) : NULL;
}

static struct dict *
by_stream(struct raw_pack *p, int64_t stream)
{
	struct dict *d = p->dicts;
	sqlite3_stmt *st;

	while (d != NULL && d->stream != stream)
		d = d->next;
	if (d != NULL)
		return d;
	st = store_ask(p->s,
	    "SELECT pk, stream, text FROM raw_dict WHERE stream = ?", "i",
	    stream);
	return store_row(p->s, st) ? take_row(p, st) : NULL;
}

/* The record with its keys and without its values. */
static void
skeleton(yyjson_val *v, int depth, struct buf *out)
{
	yyjson_val *key, *value;
	bool object = yyjson_is_obj(v);
	size_t i, n, first;

	if (depth > DEPTH_MAX || out->len > DICT_MAX || !yyjson_is_ctn(v)) {
		buf_str(out, yyjson_is_str(v) ? "\"\"" : "null");
		return;
	}
	buf_char(out, object ? '{' : '[');
	first = out->len;
	yyjson_obj_foreach(v, i, n, key, value)
	{
		if (out->len > first)
			buf_char(out, ',');
		buf_json(out, yyjson_get_str(key), yyjson_get_len(key));
		buf_char(out, ':');
		skeleton(value, depth + 1, out);
	}
	yyjson_arr_foreach(v, i, n, value)
	{
		if (out->len > first)
			buf_char(out, ',');
		skeleton(value, depth + 1, out);
	}
	buf_char(out, object ? '}' : ']');
}

int64_t
raw_pack_dict(struct raw_pack *p, int64_t stream, yyjson_val *like)
{
	struct dict *d = by_stream(p, stream);
	struct buf text = { 0 };

	if (d != NULL)
		return d->pk;
	skeleton(like, 0, &text);
	store_do(p->s, "INSERT INTO raw_dict(stream, text) VALUES(?, ?)", "is",
	    stream, text.data, text.len);
	buf_free(&text);
	d = by_stream(p, stream);
	return d != NULL ? d->pk : 0;
}

void
raw_pack(
    struct raw_pack *p, int64_t dict, const struct buf *text, struct buf *out)
{
	struct dict *d = by_pk(p, dict);
	size_t n;

	if (d == NULL)
		return; /* the store has failed */
	if (d->pack == NULL)
		d->pack = ZSTD_createCDict(d->text, d->len, RAW_LEVEL);
	buf_reserve(out, ZSTD_compressBound(text->len));
	n = ZSTD_compress_usingCDict(p->in, out->data + out->len,
	    out->cap - out->len, text->data, text->len, d->pack);
	if (ZSTD_isError(n))
		die(EXIT_TEMPORARY, "zstd: %s", ZSTD_getErrorName(n));
	out->len += n;
}

int
raw_unpack(struct raw_pack *p, int64_t dict, const void *bytes, size_t len,
    struct buf *out)
{
	unsigned long long size = ZSTD_getFrameContentSize(bytes, len);
	struct dict *d = by_pk(p, dict);
	size_t n;

	if (d == NULL || size > MSG_MAX)
		return -1;
	if (d->unpack == NULL)
		d->unpack = ZSTD_createDDict(d->text, d->len);
	buf_reserve(out, (size_t)size);
	n = ZSTD_decompress_usingDDict(
	    p->out, out->data + out->len, (size_t)size, bytes, len, d->unpack);
	if (ZSTD_isError(n))
		return -1;
	out->len += n;
	return 0;
}
