/*
 * end.c - the end of a stream: what it proves and what follows from it.
 *
 * batch.c calls it like a page, in the order of seq.  Only a complete full
 * stream that cert.c certifies proves absence; what was marked in the pages
 * leaves behind any complete one.  The sweep is decided here, in the same
 * transaction, and done by sweep.c.
 */

#include "join.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "leave.h"
#include "log.h"
#include "merge.h"
#include "raw.h"
#include "run.h"
#include "sweep.h"

/* Rejects of earlier runs whose objects no longer come. */
static void
forget_rejects(struct join *j, struct flow *f)
{
	f->dead -= store_do(j->store,
	    "UPDATE reject SET resolved = ?, how = 'gone'"
	    " WHERE stream = ? AND last_run < ? AND resolved IS NULL",
	    "iii", clock_wall_ms(), f->stream_pk, f->run);
}

/* The stream's watermark; half a reading has none. */
static const char *
mark_of(const struct msg *m, enum certificate is)
{
	if (is != CERT_WHOLE && is != CERT_UNSEEN)
		return NULL;
	return yyjson_get_str(m->watermark);
}

/* The phase behind a complete end; why is filled when there is one. */
static const char *
whole(struct join *j, struct flow *f, const struct msg *m, enum certificate is,
    char *why, size_t len)
{
	const char *phase;

	if (f->full && (is == CERT_WHOLE || is == CERT_UNSEEN)) {
		store_do(j->store,
		    "UPDATE stream SET full_run = ? WHERE pk = ?", "ii", f->run,
		    f->stream_pk);
		forget_rejects(j, f);
		raw_forget(j, f);
	}
	if (is == CERT_NONE)
		j->doubtful = true;
	phase = sweep_judge(j, f, mark_of(m, is), is == CERT_EMPTY, why, len);
	held_review(j, f->stream_pk, f->run_pk);
	return phase;
}

static const char *
phase_of(struct join *j, struct flow *f, const struct msg *m,
    enum certificate *is, char *why, size_t len)
{
	const char *phase = "incomplete";

	*is = CERT_NONE;
	snprintf(why, len, "%s", m->why != NULL ? m->why : "");
	if (m->skipped) {
		phase = "skipped";
		j->skipped = true;
	} else if (m->complete) {
		*is = cert_judge(j->store, f, m, why, len);
		return whole(j, f, m, *is, why, len);
	} else {
		j->incomplete = true;
	}
	log_warn("%s %s run %lld is %s%s%s", f->source, f->stream,
	    (long long)f->run, phase, why[0] != '\0' ? ": " : "", why);
	return phase;
}

/* Where no delta was to be had, fetch has read everything instead. */
static void
note_full(struct join *j, struct flow *f, const struct msg *m)
{
	if (f->full || m->mode == NULL || strcmp(m->mode, MSG_FULL) != 0)
		return;
	f->full = true;
	store_do(j->store, "UPDATE checkpoint SET mode = ? WHERE pk = ?", "ti",
	    MSG_FULL, f->checkpoint_pk);
}

void
apply_end(struct join *j, struct flow *f, const struct msg *m)
{
	char why[512] = "";
	struct buf warnings = { 0 };
	enum certificate is;
	const char *phase;

	note_full(j, f, m);
	phase = phase_of(j, f, m, &is, why, sizeof(why));
	if (m->warnings != NULL && yyjson_arr_size(m->warnings) > 0)
		json_write(&warnings, m->warnings);
	f->seq = m->seq;
	flow_save(j, f);
	store_do(j->store,
	    "UPDATE checkpoint SET phase = ?, why = nullif(?, ''),"
	    " warnings = ?, watermark = ?, certified = ? WHERE pk = ?",
	    "ttstii", phase, why, warnings.data, warnings.len, mark_of(m, is),
	    (int64_t)(is == CERT_WHOLE), f->checkpoint_pk);
	if (merge_kind(j->rules, f->stream) != MERGE_NOT)
		merge_due(j->store, f->type_pk,
		    m->at != NULL ? m->at : yyjson_get_str(m->watermark));
	edges_close(j, f->source_pk, f->run_pk, false);
	f->over = true;
	buf_free(&warnings);
}
