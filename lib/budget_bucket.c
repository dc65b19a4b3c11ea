/*
 * budget_bucket.c - one counter of the server, as its headers describe it.
 *
 * Budget, part 3.  A bucket is live until the reset its last answers named;
 * then one request goes alone, and its answer tells the new limit, count and
 * reset.  Whatever is in flight counts as not yet seen by the server, so the
 * count can only be too low, never too high (okta-api 3.2).
 */

#include <string.h>

#include "budget_private.h"
#include "mem.h"

/* Okta's windows last a minute; a longer wait is a wrong clock. */
#define WAIT_MAX_MS 61000
/* Nodes of one server disagree about a reset by at most this. */
#define JITTER_S 2
#define MARGIN_MS 250
/* Still the old window so soon behind its reset: resets are rounded down. */
#define BEHIND_MS 1500
#define MARGIN_ROUNDED_MS 1000
#define MARGIN_MAX_MS 8000
/*
 * Good answers without headers, one by one, after which there is no limit to
 * learn: few for a server that never sent one, many for one that stopped.
 */
#define BARE_ANSWERS 3
#define BARE_ANSWERS_KNOWN 30
#define CAREFUL_ANSWERS 3
/*
 * Looks whether others still take what was left to them.  One that finds
 * that they do has cost them a request, so there are few of those.
 */
#define LOOK_PARTS 8 /* of the window until the first */
#define LOOK_PARTS_AGAIN 2
#define LOOKS_IN_VAIN 2
#define LOOK_MIN_MS 50
#define BACKOFF_MS 1000
#define BACKOFF_MAX_MS 60000
#define RETRY_AFTER_MAX_MS 3600000

void
bucket_init(struct bucket *k, const char *name, bool unknown)
{
	memset(k, 0, sizeof(*k));
	k->name = xstrdup(name);
	k->careful = unknown ? CAREFUL_ANSWERS : 0;
	k->limit = -1;
	k->remaining = -1;
	k->reset_s = -1;
	k->margin_ms = MARGIN_MS;
	k->twin = -1;
	k->wanted_ms = -1;
}

/* Does the answer carry counts of a bucket?  0/0 is concurrency's. */
bool
bucket_counted(const struct budget_answer *a)
{
	return a->limit > 0 && a->remaining >= 0 && a->reset_s > 0;
}

/* Is the reset within the minute that may follow a request sent at sent_ms? */
static bool
bucket_clocked(const struct budget *b, const struct budget_answer *a,
    int64_t sent_ms, int64_t now_ms)
{
	int64_t offset = offset_middle(&b->offset);
	int64_t reset;

	if (!b->offset.known || a->reset_s > INT64_MAX / 1000)
		return false;
	reset = a->reset_s * 1000 - offset;
	return reset >= sent_ms - 2000 && reset <= now_ms + WAIT_MAX_MS + 1000;
}

int64_t
bucket_opens(const struct budget *b, const struct bucket *k)
{
	int64_t opens = k->seen_ms + WAIT_MAX_MS;
	int64_t reset;

	if (k->reset_s < 0)
		return 0;
	if (!k->clocked)
		return opens;
	reset = offset_latest(&b->offset, k->reset_s * 1000) + k->margin_ms;
	if (reset < opens)
		opens = reset;
	return opens;
}

static bool
bucket_live(const struct budget *b, const struct bucket *k, int64_t now_ms)
{
	return k->reset_s >= 0 && now_ms < bucket_opens(b, k);
}

/* Ours in one window: the share less the reserve, but never nothing. */
static int64_t
bucket_cap(const struct budget *b, const struct bucket *k)
{
	double share = b->limits.share * (double)k->limit + 1e-6;
	int64_t cap = (int64_t)share - b->limits.reserve;

	return cap < 1 ? 1 : cap;
}

/*
 * The rest of the window is left to others.  As our count of it ages, one
 * request goes to look whether they really took it.
 */
static enum budget_verdict
bucket_look(const struct budget *b, const struct bucket *k, int64_t now_ms,
    int64_t *wake_ms)
{
	int64_t opens = *wake_ms;
	int parts = k->looks == 0 ? LOOK_PARTS : LOOK_PARTS_AGAIN;
	int64_t look =
	    k->noted_ms + (opens - k->noted_ms) / parts + LOOK_MIN_MS;

	if (k->in_flight > 0)
		return BUDGET_FLIGHT; /* it looks */
	if (k->looks >= LOOKS_IN_VAIN)
		return BUDGET_WAIT;
	if (now_ms < look && look < opens)
		*wake_ms = look;
	if (now_ms < look ||
	    k->remaining - foreign_feared(k, now_ms) <= b->limits.reserve)
		return BUDGET_WAIT;
	return BUDGET_GO;
}

/* A live bucket: is one of the counted requests left for us? */
static enum budget_verdict
bucket_usable(const struct budget *b, const struct bucket *k, int64_t now_ms,
    int64_t *wake_ms)
{
	int64_t yield, remaining = k->remaining;
	int others;

	*wake_ms = bucket_opens(b, k);
	if (k->sent >= bucket_cap(b, k) || remaining <= b->limits.reserve)
		return BUDGET_WAIT;
	yield = foreign_expected(k, *wake_ms);
	if (remaining <= yield)
		return bucket_look(b, k, now_ms, wake_ms);
	if (yield < b->limits.reserve)
		yield = b->limits.reserve;
	others = learn_suspects(b, k, &remaining);
	if (remaining - k->in_flight - others <= yield)
		return BUDGET_FLIGHT;
	return BUDGET_GO;
}

/* No live window: may those sent without a count have used one up? */
static enum budget_verdict
bucket_dark(const struct bucket *k, int64_t now_ms, int64_t *wake_ms)
{
	*wake_ms = k->blind_ms + WAIT_MAX_MS;
	if (k->limit > 0 && k->blind >= k->limit && now_ms < *wake_ms)
		return BUDGET_WAIT;
	return BUDGET_GO;
}

/* Must the next request be awaited before another one leaves? */
static bool
bucket_alone(const struct budget *b, const struct bucket *k, int64_t now_ms)
{
	if (k->reprobe || k->careful > 0)
		return true;
	return !k->headerless && !bucket_live(b, k, now_ms);
}

enum budget_verdict
bucket_allows(const struct budget *b, const struct bucket *k, int64_t now_ms,
    int64_t *wake_ms)
{
	if (k->held_ms > now_ms) {
		*wake_ms = k->held_ms;
		return BUDGET_WAIT;
	}
	if (!k->headerless) {
		enum budget_verdict verdict =
		    bucket_live(b, k, now_ms)
			? bucket_usable(b, k, now_ms, wake_ms)
			: bucket_dark(k, now_ms, wake_ms);

		if (verdict != BUDGET_GO)
			return verdict;
	}
	return k->probes > 0 ? BUDGET_FLIGHT : BUDGET_GO;
}

/* Is all that the window still has left to others? */
static bool
bucket_yields(const struct budget *b, const struct bucket *k)
{
	return k->remaining <= foreign_expected(k, bucket_opens(b, k));
}

void
bucket_send(
    const struct budget *b, struct bucket *k, struct slot *slot, int64_t now_ms)
{
	slot->probe = bucket_alone(b, k, now_ms);
	slot->sent_ms = now_ms;
	k->probes += slot->probe;
	if (now_ms >= k->blind_ms + WAIT_MAX_MS)
		k->blind = 0;
	if (bucket_live(b, k, now_ms))
		k->looks = bucket_yields(b, k) ? k->looks + 1 : 0;
	k->in_flight++;
	k->sent++;
}

static void
bucket_return(struct bucket *k, const struct slot *slot)
{
	k->in_flight--;
	k->probes -= slot->probe;
}

static void
bucket_uncharge(struct bucket *k)
{
	if (k->sent > 0)
		k->sent--;
}

void
bucket_cancel(struct bucket *k, const struct slot *slot)
{
	bucket_return(k, slot);
	bucket_uncharge(k);
}

/* One request that the server may have counted without telling. */
static void
bucket_charge(struct bucket *k)
{
	if (k->remaining > 0)
		k->remaining--;
}

/* The answer is the first of a window: everything starts from it. */
static void
bucket_rebase(const struct budget *b, struct bucket *k, int64_t sent_ms,
    int64_t now_ms, const struct budget_answer *a)
{
	foreign_close(k);
	k->limit = a->limit;
	k->remaining = a->remaining < a->limit ? a->remaining : a->limit;
	k->reset_s = a->reset_s;
	k->seen_ms = now_ms;
	k->told = a->status != 429; /* those are not counted */
	k->clocked = bucket_clocked(b, a, sent_ms, now_ms);
	/* This one, and all those in flight may count in it. */
	k->sent = 1 + k->in_flight + k->blind;
	k->blind = 0;
	k->looks = 0;
	k->first_ms = now_ms;
	foreign_open(k, now_ms, bucket_opens(b, k));
}

/* An answer of the window we know: the count only falls. */
static void
bucket_merge(struct bucket *k, int64_t now_ms, const struct budget_answer *a)
{
	if (a->reset_s > k->reset_s)
		k->reset_s = a->reset_s;
	k->told += a->status != 429;
	k->limit = a->limit;
	if (a->remaining < k->remaining)
		k->remaining = a->remaining;
	foreign_note(k, now_ms);
}

/*
 * An answer of an earlier window; or, when a request that was sent alone into
 * the next window says so, a reset that went back.
 */
static void
bucket_older(const struct budget *b, struct bucket *k, const struct slot *slot,
    int64_t now_ms, const struct budget_answer *a)
{
	bool clocked = bucket_clocked(b, a, slot->sent_ms, now_ms);
	bool alone = slot->probe && slot->sent_ms > k->first_ms;

	if (alone || (clocked && !k->clocked)) {
		bucket_rebase(b, k, slot->sent_ms, now_ms, a);
		return;
	}
	if (slot->sent_ms < k->first_ms)
		bucket_uncharge(k); /* counted where it belongs */
	else
		bucket_charge(k);
}

static void
bucket_count(const struct budget *b, struct bucket *k, const struct slot *slot,
    int64_t now_ms, const struct budget_answer *a)
{
	bool live = bucket_live(b, k, now_ms);
	int64_t step = k->reset_s < 0 ? INT64_MAX : a->reset_s - k->reset_s;

	k->bare = 0;
	k->headerless = false;
	if (step > JITTER_S || (step > 0 && !live))
		bucket_rebase(b, k, slot->sent_ms, now_ms, a);
	else if (step < -JITTER_S)
		bucket_older(b, k, slot, now_ms, a);
	else if (slot->probe && !live && !k->clocked)
		bucket_rebase(b, k, slot->sent_ms, now_ms, a);
	else
		bucket_merge(k, now_ms, a);
}

/* An answer without counts, or none at all. */
static void
bucket_uncounted(const struct budget *b, struct bucket *k, int64_t now_ms,
    const struct budget_answer *a)
{
	if (bucket_live(b, k, now_ms)) {
		bucket_charge(k);
		return;
	}
	if (a->status == 429 && a->limit == 0)
		return; /* refused before it was counted */
	if (k->blind++ == 0)
		k->blind_ms = now_ms;
	if (a->status < 200 || a->status >= 300)
		return;
	k->bare++;
	if (k->bare >= (k->limit < 0 ? BARE_ANSWERS : BARE_ANSWERS_KNOWN))
		k->headerless = true;
}

static void
bucket_hold(struct bucket *k, int64_t until_ms)
{
	k->reprobe = true;
	if (until_ms > k->held_ms)
		k->held_ms = until_ms;
}

static int64_t
backoff(int64_t first_ms, int strikes)
{
	int64_t wait = first_ms << (strikes < 9 ? strikes - 1 : 8);

	return wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS;
}

/* 429 of this bucket; one strike for all that were sent before the last. */
static void
bucket_limited(const struct budget *b, struct bucket *k,
    const struct slot *slot, int64_t now_ms, const struct budget_answer *a)
{
	k->limited++;
	k->remaining = k->reset_s < 0 ? -1 : 0;
	if (k->strikes == 0 || slot->sent_ms >= k->struck_ms) {
		k->strikes++;
		k->struck_ms = now_ms;
	}
	if (a->retry_after_ms > 0)
		return;
	if (b->limits.units > 0)
		bucket_hold(k, now_ms + units_jitter(&b->units,
					    backoff(BACKOFF_MS, k->strikes)));
	else if (!bucket_counted(a))
		bucket_hold(k, now_ms + backoff(BACKOFF_MS, k->strikes));
	else if (!bucket_live(b, k, now_ms))
		bucket_hold(k, now_ms + backoff(MARGIN_MS, k->strikes));
}

/* Was a request that left right behind the reset still counted before it? */
static bool
bucket_behind(const struct budget *b, const struct bucket *k,
    const struct slot *slot, const struct budget_answer *a)
{
	int64_t opens = bucket_opens(b, k);

	return k->clocked && slot->probe && a->reset_s == k->reset_s &&
	       slot->sent_ms >= opens - MARGIN_MS &&
	       slot->sent_ms < opens + BEHIND_MS;
}

static void
bucket_widen(struct bucket *k)
{
	if (k->margin_ms < MARGIN_ROUNDED_MS)
		k->margin_ms = MARGIN_ROUNDED_MS;
	else if (k->margin_ms < MARGIN_MAX_MS)
		k->margin_ms *= 2;
}

void
bucket_settle(const struct budget *b, struct bucket *k, const struct slot *slot,
    int64_t now_ms, const struct budget_answer *a)
{
	bool zero = a->limit == 0 && a->remaining == 0;
	bool limited = a->status == 429 && !zero;
	bool behind = bucket_behind(b, k, slot, a);

	bucket_return(k, slot);
	k->calls++;
	if (a->status > 0 && k->careful > 0)
		k->careful--;
	if (bucket_counted(a))
		bucket_count(b, k, slot, now_ms, a);
	else
		bucket_uncounted(b, k, now_ms, a);
	if (behind)
		bucket_widen(k);
	if (a->retry_after_ms > 0 && (a->status == 429 || a->status == 503)) {
		int64_t wait = a->retry_after_ms;

		if (wait > RETRY_AFTER_MAX_MS)
			wait = RETRY_AFTER_MAX_MS;
		bucket_hold(k, now_ms + wait);
	}
	if (limited) {
		bucket_limited(b, k, slot, now_ms, a);
	} else if (zero && a->status == 429) {
		k->concurrency++;
	} else if (a->status > 0 && slot->sent_ms >= k->held_ms &&
		   a->status != 503) {
		k->strikes = 0;
		k->reprobe = false;
	}
}
