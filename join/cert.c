/*
 * cert.c - does the end of a stream prove that everything was read?
 *
 * end.c asks before it lets a watermark move or a sweep be judged.  The
 * evidence: the chain of the listing, as fetch says it, without a break; no
 * fewer records and pages committed than the end tells; no page with records
 * missing; and what was there before, where a list comes back empty.  seq has
 * no holes by the committer, so nothing is lost in between.
 */

#include "join.h"

#include <stdio.h>

#include "json.h"
#include "leave.h"
#include "log.h"
#include "sweep.h"

/* An empty listing of a stream with this many objects is not believed. */
#define CERT_EMPTY_OF 10

/* What it proves, and what is wrong with it if it proves nothing. */
static enum certificate
weigh(struct store *s, const struct flow *f, const struct msg *m, char *why,
    size_t len)
{
	const struct counts *c = &f->counts;

	if (m->certificate != NULL && !json_true(m->certificate, MSG_CHAIN))
		snprintf(
		    why, len, "the listing was broken off and begun again");
	else if ((f->unsure & UNSURE_PAGE) != 0)
		snprintf(why, len, "a page came with records missing");
	else if (c->records < m->n)
		snprintf(why, len, "%lld records were listed, %lld came",
		    (long long)m->n, (long long)c->records);
	else if (c->pages < m->pages)
		snprintf(why, len, "%lld pages were sent, %lld came",
		    (long long)m->pages, (long long)c->pages);
	else if ((f->unsure & UNSURE_REJECT) != 0)
		return CERT_UNSEEN;
	else if (f->full && c->records == 0 &&
		 f->alive - edges_waiting(s, f) >= CERT_EMPTY_OF)
		return CERT_EMPTY;
	else
		return CERT_WHOLE;
	return CERT_NONE;
}

enum certificate
cert_judge(
    struct store *s, struct flow *f, const struct msg *m, char *why, size_t len)
{
	char what[200];
	enum certificate is = weigh(s, f, m, what, sizeof(what));

	switch (is) {
	case CERT_WHOLE:
		return is;
	case CERT_EMPTY:
		snprintf(why, len,
		    "held: %s was %lld, now 0: an empty list alone is no "
		    "proof; "
		    "nothing was deleted",
		    f->stream, (long long)f->alive);
		return is;
	case CERT_UNSEEN:
		if (!f->full)
			return CERT_WHOLE;
		snprintf(
		    why, len, "not swept: records without an id were rejected");
		break;
	case CERT_NONE:
		f->unsure |= UNSURE_END;
		snprintf(why, len, "not certified: %s; %s", what,
		    f->full ? "nothing absent was deleted"
			    : "the next run reads it again");
		break;
	}
	log_warn(
	    "%s %s run %lld: %s", f->source, f->stream, (long long)f->run, why);
	return is;
}
