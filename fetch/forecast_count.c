/*
 * forecast_count.c - how many calls a stream takes, from what the org showed.
 *
 * Called when forecast_ask.c has its answers.  The same decisions as
 * stream_list.c and stream_fan.c take, on numbers instead of listings; a
 * number that is not certain comes with a range.  Pure.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "forecast.h"
#include "json.h"

/* Member lists that stream_fan.c asks for before it believes a refusal. */
#define REFUSED_MAX 3
/* How far off an estimate from samples may be. */
#define ESTIMATE_LOW 0.8
#define ESTIMATE_HIGH 1.25

static int64_t
pages(int64_t rows, int64_t page)
{
	return rows <= 0 ? 1 : (rows + page - 1) / page;
}

static enum sure
worse(enum sure a, enum sure b)
{
	return a > b ? a : b;
}

static struct amount
plus(struct amount a, struct amount b)
{
	return (struct amount){ a.n + b.n, worse(a.sure, b.sure) };
}

/* One more listing of so many rows. */
static void
add_listing(struct forecast_item *it, struct amount rows, int64_t page)
{
	int64_t calls = pages(rows.n, page), low = calls, high = calls;

	if (rows.sure == SURE_ESTIMATE) {
		low = pages((int64_t)((double)rows.n * ESTIMATE_LOW), page);
		high = pages((int64_t)((double)rows.n * ESTIMATE_HIGH), page);
	}
	it->calls += calls;
	it->low += low;
	if (rows.sure == SURE_AT_LEAST)
		it->high = -1;
	else if (it->high >= 0)
		it->high += high;
	it->records = plus(it->records, rows);
}

/* The rows of one listing as far as it was seen. */
static struct amount
seen(const struct forecast_pass *p)
{
	if (!p->more)
		return (struct amount){ p->rows, SURE_EXACT };
	if (p->total.n >= p->rows)
		return p->total;
	return (struct amount){ p->rows + 1, SURE_AT_LEAST };
}

int64_t
forecast_everyone(const struct forecast_facts *facts)
{
	int64_t most = facts->everyone;

	for (size_t i = 0; i < facts->n_groups; i++)
		if (facts->groups[i].built_in &&
		    facts->groups[i].members > most)
			most = facts->groups[i].members;
	return most > 0 ? most : -1;
}

static struct amount
less(int64_t all, int64_t part, enum sure sure)
{
	return (struct amount){ all > part ? all - part : 0, sure };
}

/*
 * The plain list and the deprovisioned, which are known together where the
 * total holds both.  True: only the sum is right, the parts are not.
 */
static bool
everybody(
    const struct forecast_facts *f, struct amount *plain, struct amount *gone)
{
	const struct forecast_pass *p = &f->passes[PASS_PLAIN];
	int64_t everyone = forecast_everyone(f);
	struct amount all = f->users;

	*plain = seen(p);
	*gone = seen(&f->passes[PASS_GONE]);
	if (!p->more)
		return false;
	if (everyone >= 0)
		all = (struct amount){ everyone, SURE_COUNTED };
	if (all.n <= p->rows)
		return false;
	if (everyone >= 0 && !f->keeps_gone) {
		*plain = all;
		return false;
	}
	*plain = less(all.n, gone->n, all.sure);
	gone->sure = worse(gone->sure, all.sure);
	if (gone->sure == SURE_AT_LEAST)
		gone->sure = all.sure;
	return f->passes[PASS_GONE].more;
}

/* Two listings; `had` rows were read by an earlier process. */
static void
count_everybody(struct forecast_item *it, int64_t had)
{
	int64_t page = it->facts->user.page;
	struct amount plain, gone;
	bool sum = everybody(it->facts, &plain, &gone);

	if (had > 0 && had >= plain.n) {
		gone = less(gone.n, had - plain.n, gone.sure);
	} else {
		plain = less(plain.n, had, plain.sure);
		add_listing(it, plain, page);
	}
	add_listing(it, gone, page);
	/* Two pages that are not full, instead of one. */
	if (sum && it->high >= 0)
		it->high++;
}

static void
count_users(struct forecast_item *it)
{
	const struct forecast_facts *f = it->facts;
	const char *pass = json_text(it->resume, "pass");
	int64_t had = json_int(json_get(it->resume, "n"), 0);
	enum pass_kind kind = it->mode == MODE_DELTA ? PASS_DELTA : PASS_SCOPE;
	const struct forecast_pass *p = &f->passes[kind];
	struct amount rows;

	it->latency_ms = f->user.ms;
	if (p->denied || f->passes[PASS_PLAIN].denied) {
		it->denied = true;
		it->calls = it->low = it->high = 1;
	} else if (pass != NULL && strcmp(pass, "done") == 0) {
		return;
	} else if (p->asked && !p->refused) {
		rows = seen(p);
		add_listing(it, less(rows.n, had, rows.sure), f->user.page);
	} else {
		/* One call finds out that the expression is refused. */
		it->calls = it->low = it->high = p->refused;
		count_everybody(it, had);
	}
}

/* Would a delta of this stream bring the group? */
static bool
is_new(const struct forecast_item *it, const struct forecast_group *g)
{
	int64_t since;

	if (it->mode != MODE_DELTA ||
	    clock_parse_rfc3339(it->since, strlen(it->since), &since) < 0)
		return true;
	if (it->stream->entity->parent != NULL)
		return g->moved_ms >= since ||
		       (it->facts->scoped && g->updated_ms >= since);
	return g->updated_ms > since || g->moved_ms > since;
}

static int64_t
new_groups(const struct forecast_item *it)
{
	int64_t n = 0;

	for (size_t i = 0; i < it->facts->n_groups; i++)
		n += is_new(it, &it->facts->groups[i]);
	return n;
}

static void
count_groups(struct forecast_item *it)
{
	const struct forecast_facts *f = it->facts;
	const char *pass = json_text(it->resume, "pass");
	int64_t had = json_int(json_get(it->resume, "n"), 0);
	struct amount rows = { new_groups(it), SURE_EXACT };
	int64_t page = it->stream->source->config.page_size;

	it->latency_ms = f->group.ms;
	if (pass != NULL && strcmp(pass, "done") == 0)
		return;
	if (page > f->group.page)
		page = f->group.page;
	add_listing(it, less(rows.n, had, rows.sure), page);
}

/* Did an earlier process of this run finish the group? */
static bool
was_done(const struct forecast_item *it, const char *id)
{
	const char *floor = json_text(it->resume, "group");
	yyjson_val *pending = json_get(it->resume, "pending"), *v;
	size_t i, n;

	if (floor == NULL || strcmp(id, floor) > 0)
		return false;
	yyjson_arr_foreach(pending, i, n, v)
	{
		if (yyjson_equals_str(v, id))
			return false;
	}
	return true;
}

bool
forecast_lists(const struct forecast_item *it, const struct forecast_group *g)
{
	bool none =
	    g->members == 0 && it->first_import && it->mode == MODE_FULL;

	return !g->out && !none && is_new(it, g) && !was_done(it, g->id);
}

bool
forecast_fed(const struct forecast_item *it, const struct forecast_run *run)
{
	const char *parent = it->stream->entity->parent;

	for (size_t i = 0; parent != NULL && i < run->n; i++) {
		const struct forecast_item *p = &run->items[i];

		if (p->stream->source == it->stream->source &&
		    strcmp(p->stream->entity->name, parent) == 0)
			return !p->done && p->resume == NULL &&
			       p->mode == it->mode &&
			       strcmp(p->since, it->since) == 0;
	}
	return false;
}

/* Between a page with few rows and a full one: by the straight line. */
static int64_t
latency(const struct forecast_pace *p, int64_t rows)
{
	if (p->rows <= p->few_rows || p->ms <= p->few_ms)
		return p->ms;
	if (rows < p->few_rows)
		return p->few_ms;
	return p->few_ms + (p->ms - p->few_ms) * (rows - p->few_rows) /
			       (p->rows - p->few_rows);
}

static void
count_members(struct forecast_item *it, const struct forecast_run *run)
{
	const struct forecast_facts *f = it->facts;
	struct amount rows = { 0, SURE_COUNTED };
	int64_t lists;

	if (!forecast_fed(it, run)) {
		add_listing(it, (struct amount){ new_groups(it), SURE_EXACT },
		    f->group.page);
		it->lists = it->calls;
		it->records = (struct amount){ 0, SURE_EXACT };
	}
	for (size_t i = 0; i < f->n_groups; i++) {
		const struct forecast_group *g = &f->groups[i];

		if (!forecast_lists(it, g))
			continue;
		rows.n = g->members;
		rows.sure = g->members >= 0 ? SURE_COUNTED : SURE_AT_LEAST;
		if (rows.n < 0)
			rows.n = 0;
		add_listing(it, rows, f->member.page);
	}
	lists = it->calls - it->lists;
	if (f->members_denied && lists > REFUSED_MAX)
		lists = REFUSED_MAX;
	if (f->members_denied) {
		it->denied = true;
		it->calls = it->low = it->high = it->lists + lists;
		it->records.n = 0;
	}
	it->latency_ms =
	    latency(&f->member, lists > 0 ? it->records.n / lists : 0);
}

struct forecast_pass *
forecast_other(struct forecast_facts *facts, const struct stream *s)
{
	return s->entity->delta == NULL
		   ? &facts->others[s - facts->source->streams]
		   : NULL;
}

static void
count_other(struct forecast_item *it)
{
	const struct forecast_pass *p = forecast_other(it->facts, it->stream);
	const char *pass = json_text(it->resume, "pass");
	int64_t had = json_int(json_get(it->resume, "n"), 0);
	struct amount rows = seen(p);

	it->latency_ms = p->pace->ms;
	it->denied = p->denied;
	if (p->denied)
		it->calls = it->low = it->high = 1;
	else if (pass == NULL || strcmp(pass, "done") != 0)
		add_listing(it, less(rows.n, had, rows.sure), p->pace->page);
}

void
forecast_count(struct forecast_item *it, const struct forecast_run *run)
{
	it->calls = it->low = it->high = it->lists = 0;
	it->records = (struct amount){ 0, SURE_EXACT };
	it->denied = false;
	it->latency_ms = 0;
	if (it->done)
		return;
	if (it->stream->entity->filtered) {
		count_users(it);
	} else if (forecast_other(it->facts, it->stream) != NULL) {
		count_other(it);
	} else if (it->facts->groups_denied) {
		it->denied = true;
		it->calls = it->low = it->high = 1;
		it->lists = it->stream->entity->parent != NULL;
	} else if (it->stream->entity->parent == NULL) {
		count_groups(it);
	} else {
		count_members(it, run);
	}
}

/* Rows for each ms; 0 where it cannot be told. */
static double
density(const struct forecast_sample *s)
{
	int64_t span = s->to_ms - s->from_ms;

	return s->ok && span > 0 ? (double)s->rows / (double)span : 0;
}

struct amount
forecast_estimate(const struct forecast_sample *s, size_t n)
{
	struct amount a = { -1, SURE_ESTIMATE };
	const struct forecast_sample *first = &s[0], *last = &s[1];
	int64_t gap = last->from_ms - first->to_ms, at = first->to_ms;
	double sum, was = density(first), is;

	if (!first->ok || !last->ok)
		return a;
	if (!first->more)
		return (struct amount){ first->rows, SURE_EXACT };
	sum = (double)(first->rows + last->rows);
	/* All of one time: there may be any number between the two pages. */
	if (gap <= 0)
		return a;
	for (size_t i = 2; i <= n; i++) {
		const struct forecast_sample *p = i < n ? &s[i] : last;
		int64_t to = i < n ? p->from_ms : last->from_ms;

		is = density(p);
		if (is <= 0)
			continue;
		if (was <= 0)
			was = is;
		sum += (was + is) / 2 * (double)(to - at);
		was = is;
		at = to;
	}
	a.n = llround(sum);
	return a;
}
