/*
 * reject.c - records that cannot be mapped, on their way to dead letters.
 *
 * map.c adds them; they travel in "bad" of the page's own message, so that
 * join writes them in the page's transaction.  Each distinct reason is logged
 * once, for the operator who watches.  Owns the list.
 */

#include "transform.h"

#include <stdio.h>
#include <string.h>

/* 1 when the reason is new; past the last place nothing is. */
static int
is_new(struct rejects *r, const struct why *why)
{
	char reason[sizeof(r->reasons[0])];

	snprintf(reason, sizeof(reason), "%s %.120s", why->code,
	    why->at[0] != '\0' ? why->at : why->text);
	for (size_t i = 0; i < r->n_reasons; i++)
		if (strcmp(r->reasons[i], reason) == 0)
			return 0;
	if (r->n_reasons == TRANSFORM_REASONS)
		return 0;
	memcpy(r->reasons[r->n_reasons++], reason, sizeof(reason));
	return 1;
}

/* All members are always there, but raw. */
static void
member(struct buf *b, const char *name, const char *value)
{
	msg_raw(b, name, "", 0);
	buf_json_str(b, value);
}

void
reject_add(struct rejects *r, const struct msg *page, size_t index,
    const char *id, const struct why *why, yyjson_val *raw)
{
	struct buf *b = &r->list;

	if (b->len > 0)
		buf_char(b, ',');
	buf_fmt(b, "{\"" MSG_INDEX "\":%zu", index);
	member(b, MSG_ID, id);
	member(b, MSG_CODE, why->code);
	member(b, MSG_AT, why->at[0] != '\0' ? why->at : NULL);
	member(b, MSG_MESSAGE, why->text);
	msg_val(b, MSG_RAW, raw);
	buf_char(b, '}');
	r->n++;
	if (is_new(r, why))
		log_warn("%s %s %s is rejected: %s%s%s (%s)", page->source,
		    page->stream, id != NULL ? id : "without id", why->at,
		    why->at[0] != '\0' ? ": " : "", why->text, why->code);
}

void
reject_free(struct rejects *r)
{
	buf_free(&r->list);
}
