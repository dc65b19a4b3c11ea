/*
 * end.c - the end of a stream: what it proves and what follows from it.
 *
 * batch.c calls it like a page, in the order of seq.  Only a complete full
 * stream with an unbroken listing proves absence; what was marked in the pages
 * leaves behind any complete one.  The sweep is decided here, in the same
 * transaction, and done by sweep.c.
 */

#include "join.h"

#include <stdio.h>

#include "json.h"
#include "log.h"

/* Rejects of earlier runs whose objects no longer come. */
static void
forget_rejects(struct join *j, struct flow *f)
{
	f->dead -= store_do(j->store,
	    "DELETE FROM reject WHERE stream = ? AND last_run < ?", "ii",
	    f->stream_pk, f->run);
}

/* The phase behind a complete end; why is filled when it is held. */
static const char *
whole(
    struct join *j, struct flow *f, const struct msg *m, char *why, size_t len)
{
	bool broken =
	    m->certificate != NULL && !json_true(m->certificate, MSG_CHAIN);

	if (f->full) {
		store_do(j->store,
		    "UPDATE stream SET full_run = ? WHERE pk = ?", "ii", f->run,
		    f->stream_pk);
		forget_rejects(j, f);
	}
	if (f->full && (broken || f->unsure)) {
		snprintf(why, len, "not swept: %s",
		    broken ? "the listing was broken off and begun again"
			   : "records without an id were rejected");
		log_warn("%s %s run %lld: %s", f->source, f->stream,
		    (long long)f->run, why);
		f->unsure = true;
	}
	return sweep_judge(j, f, why, len);
}

static const char *
phase_of(
    struct join *j, struct flow *f, const struct msg *m, char *why, size_t len)
{
	const char *phase = "incomplete";

	snprintf(why, len, "%s", m->why != NULL ? m->why : "");
	if (m->skipped) {
		phase = "skipped";
		j->skipped = true;
	} else if (m->complete) {
		return whole(j, f, m, why, len);
	} else {
		j->incomplete = true;
	}
	log_warn("%s %s run %lld is %s%s%s", f->source, f->stream,
	    (long long)f->run, phase, why[0] != '\0' ? ": " : "", why);
	return phase;
}

void
apply_end(struct join *j, struct flow *f, const struct msg *m)
{
	char why[512] = "";
	const char *phase = phase_of(j, f, m, why, sizeof(why));
	struct buf warnings = { 0 };

	if (m->warnings != NULL && yyjson_arr_size(m->warnings) > 0)
		json_write(&warnings, m->warnings);
	f->seq = m->seq;
	flow_save(j, f);
	store_do(j->store,
	    "UPDATE checkpoint SET phase = ?, why = nullif(?, ''),"
	    " warnings = ?, watermark = ? WHERE pk = ?",
	    "ttsti", phase, why, warnings.data, warnings.len,
	    m->complete && !m->skipped ? yyjson_get_str(m->watermark) : NULL,
	    f->checkpoint_pk);
	run_settle(j->store, f->run_pk, false);
	buf_free(&warnings);
}
