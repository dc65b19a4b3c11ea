/*
 * forecast_rounds.c - what to ask the org, round after round.
 *
 * The first page of each listing of users is read, for listings tell no
 * totals; the groups are all listed, for their members are calls of their
 * own and the group Everyone knows how many users there are.  A later round
 * asks what only then is known to be needed.  When nothing is left, the
 * answers are counted and timed.  Source: okta-api 1.3, 10.2.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "forecast.h"
#include "json.h"
#include "link_header.h"
#include "mem.h"
#include "schedule.h"

#define USERS "/api/v1/users"
#define USER_GROUPS "/api/v1/users/{id}/groups"
#define GROUPS "/api/v1/groups"
#define MEMBERS "/api/v1/groups/{id}/users"
#define ME "/api/v1/users/me"
#define EVERYONE "type eq \"BUILT_IN\""
#define EVER "1970-01-01T00:00:00.000Z"
#define WINDOW_MS 60000 /* okta-api 3.6 */
#define FEW_GROUPS 8 /* so few lists take no time worth a sample */

/* Path of a list with a bound, and an expression where there is one. */
static char *
list_path(const char *list, int64_t limit, const char *name, const char *value)
{
	struct buf path = { 0 };
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)limit);
	buf_str(&path, list);
	url_add(&path, "limit", text);
	if (strcmp(list, GROUPS) == 0)
		url_add(&path, "expand", "stats");
	if (value != NULL)
		url_add(&path, name, value);
	return buf_take(&path);
}

/* "lastUpdated ge "@"" with the time in place of @. */
static char *
with_time(const char *expression, const char *since)
{
	struct buf b = { 0 };

	for (; *expression != '\0'; expression++) {
		if (*expression == '@')
			buf_str(&b, since);
		else
			buf_char(&b, *expression);
	}
	return buf_take(&b);
}

static void
note_pace(struct forecast_pace *p, const struct call_result *r, bool more)
{
	int64_t rows = (int64_t)yyjson_arr_size(yyjson_doc_get_root(r->doc));
	int64_t ms = r->answer->took_ms;

	if (more && rows > 0 && rows < p->page)
		p->page = rows; /* the server gives no more */
	if (rows > p->rows || (rows == p->rows && ms < p->ms)) {
		p->ms = ms;
		p->rows = rows;
	}
	if (p->few_ms == 0 || rows < p->few_rows) {
		p->few_ms = ms;
		p->few_rows = rows;
	}
}

/* Path of the next page, which the caller frees, or NULL. */
static char *
next_page(const struct call_result *r)
{
	const struct buf *link = &r->answer->link;
	struct buf next = { 0 };

	if (link_next(link->data, link->len, &next) == 1)
		return buf_take(&next);
	buf_free(&next);
	return NULL;
}

static void
on_pass(void *arg, const struct call_result *r)
{
	struct forecast_pass *p = arg;
	yyjson_val *rows = yyjson_doc_get_root(r->doc);
	const char *id = json_text(yyjson_arr_get_first(rows), "id");
	char *next;

	p->denied = r->verdict == VERDICT_DENIED;
	p->refused = r->verdict == VERDICT_FILTER;
	if (r->verdict != VERDICT_OK)
		return;
	next = next_page(r);
	p->more = next != NULL;
	p->rows = (int64_t)yyjson_arr_size(rows);
	snprintf(p->id, sizeof(p->id), "%s", id != NULL ? id : "");
	note_pace(&p->facts->user, r, p->more);
	free(next);
}

static void
ask_pass(struct forecast_facts *facts, enum pass_kind kind, const char *name,
    const char *expression)
{
	struct forecast_pass *p = &facts->passes[kind];

	if (p->asked)
		return;
	p->asked = true;
	forecast_ask(facts->forecast, facts->source,
	    list_path(USERS, facts->source->config.page_size, name, expression),
	    USERS, on_pass, p);
}

static void
ask_everybody(struct forecast_facts *facts)
{
	const struct entity *e = facts->source->streams[0].entity;

	ask_pass(facts, PASS_PLAIN, NULL, NULL);
	ask_pass(facts, PASS_GONE, "filter", e->second);
}

static void
ask_users(const struct forecast_item *it, struct forecast_facts *facts)
{
	const struct filter *filter = facts->source->filter;
	const char *pass = json_text(it->resume, "pass");
	char *text;

	if (it->mode == MODE_DELTA) {
		text = with_time(it->stream->entity->delta, it->since);
		ask_pass(facts, PASS_DELTA, "filter", text);
		facts->passes[PASS_DELTA].since = it->since;
		free(text);
	} else if (filter != NULL && (pass == NULL || *pass == 's')) {
		ask_pass(facts, PASS_SCOPE,
		    filter_route_name(filter_route(filter)),
		    filter_text(filter));
	} else {
		ask_everybody(facts);
	}
}

static int64_t
instant(yyjson_val *record, const char *name)
{
	const char *text = json_text(record, name);
	int64_t ms;

	if (text == NULL || clock_parse_rfc3339(text, strlen(text), &ms) < 0)
		return INT64_MAX; /* who knows: it counts as new */
	return ms;
}

static void
add_group(struct forecast_facts *facts, yyjson_val *record)
{
	const struct scope *scope = facts->forecast->fetch->scope;
	const char *id = json_text(record, "id");
	const char *type = json_text(record, "type");
	yyjson_val *count = json_path(record, "_embedded.stats.usersCount");
	char name[64];

	if (id == NULL)
		return;
	if (facts->n_groups == facts->cap_groups) {
		facts->cap_groups =
		    facts->cap_groups > 0 ? facts->cap_groups * 2 : 256;
		facts->groups = xrealloc(
		    facts->groups, facts->cap_groups * sizeof(*facts->groups));
	}
	snprintf(
	    name, sizeof(name), "%s.Group", facts->source->config.connector);
	facts->groups[facts->n_groups++] = (struct forecast_group){
		.id = xstrdup(id),
		.members = json_int(count, -1),
		.updated_ms = instant(record, "lastUpdated"),
		.moved_ms = instant(record, "lastMembershipUpdated"),
		.built_in = type != NULL && strcmp(type, "BUILT_IN") == 0,
		.out = scope != NULL && scope_match(scope, name, record) == 0,
	};
}

static void
on_groups(void *arg, const struct call_result *r)
{
	struct forecast_facts *facts = arg;
	yyjson_val *record;
	size_t i, n;
	char *next;

	if (r->verdict == VERDICT_FILTER &&
	    strstr(r->path, "filter=") != NULL) {
		forecast_ask(facts->forecast, facts->source,
		    list_path(GROUPS, facts->group.page, NULL, NULL), GROUPS,
		    on_groups, facts);
		return;
	}
	if (r->verdict != VERDICT_OK) {
		facts->groups_denied = true;
		return;
	}
	yyjson_arr_foreach(yyjson_doc_get_root(r->doc), i, n, record)
	{
		add_group(facts, record);
	}
	next = next_page(r);
	note_pace(&facts->group, r, next != NULL);
	if (next != NULL)
		forecast_ask(facts->forecast, facts->source, next, GROUPS,
		    on_groups, facts);
}

/* Whose items they are, of any run: their union is asked for. */
struct need {
	bool users; /* everyone, without an expression */
	bool groups, all_groups, members;
	const char *since; /* of the groups, the earliest */
};

static struct need
needs(const struct forecast_facts *facts)
{
	const struct forecast *f = facts->forecast;
	struct need n = { .users = facts->passes[PASS_PLAIN].asked };

	for (size_t i = 0; i < f->n_runs; i++) {
		for (size_t k = 0; k < f->runs[i].n; k++) {
			const struct forecast_item *it = &f->runs[i].items[k];

			if (it->facts != facts || it->done ||
			    it->stream->entity->filtered)
				continue;
			n.groups = true;
			n.members |= it->stream->entity->parent != NULL;
			n.all_groups |= it->mode == MODE_FULL;
			if (it->mode == MODE_DELTA &&
			    (n.since == NULL || strcmp(it->since, n.since) < 0))
				n.since = it->since;
		}
	}
	return n;
}

static void
ask_groups(struct forecast_facts *facts)
{
	struct need n = needs(facts);
	const struct entity *e = facts->source->streams[1].entity;
	char *text = NULL;

	if (!n.groups)
		return;
	if (!n.all_groups)
		text = with_time(e->delta, n.since);
	forecast_ask(facts->forecast, facts->source,
	    list_path(GROUPS, facts->group.page, "filter", text), GROUPS,
	    on_groups, facts);
	free(text);
}

static void
round_first(struct forecast_facts *facts)
{
	const struct forecast *f = facts->forecast;

	for (size_t i = 0; i < f->n_runs; i++)
		for (size_t k = 0; k < f->runs[i].n; k++) {
			const struct forecast_item *it = &f->runs[i].items[k];

			if (it->facts == facts && !it->done &&
			    it->stream->entity->filtered)
				ask_users(it, facts);
		}
	ask_groups(facts);
}

static void
on_everyone(void *arg, const struct call_result *r)
{
	struct forecast_facts *facts = arg;
	yyjson_val *rows = yyjson_doc_get_root(r->doc), *record;
	size_t i, n;

	yyjson_arr_foreach(rows, i, n, record)
	{
		int64_t members = json_int(
		    json_path(record, "_embedded.stats.usersCount"), -1);

		if (members > 0 && members > facts->everyone)
			facts->everyone = members;
	}
}

/* A refused expression means everybody; and who counts those? */
static void
round_everyone(struct forecast_facts *facts)
{
	const struct forecast_pass *plain = &facts->passes[PASS_PLAIN];
	bool count = plain->more;

	if (facts->passes[PASS_SCOPE].refused ||
	    facts->passes[PASS_DELTA].refused) {
		ask_everybody(facts);
		count = true;
	}
	if (count && forecast_everyone(facts) < 0)
		forecast_ask(facts->forecast, facts->source,
		    list_path(GROUPS, facts->group.page, "filter", EVERYONE),
		    GROUPS, on_everyone, facts);
}

static void
on_user_groups(void *arg, const struct call_result *r)
{
	struct forecast_facts *facts = arg;
	yyjson_val *rows = yyjson_doc_get_root(r->doc), *record;
	size_t i, n;

	if (r->verdict != VERDICT_OK)
		return;
	facts->keeps_gone = false;
	yyjson_arr_foreach(rows, i, n, record)
	{
		const char *type = json_text(record, "type");

		if (type != NULL && strcmp(type, "BUILT_IN") == 0)
			facts->keeps_gone = true;
	}
}

static void
on_members(void *arg, const struct call_result *r)
{
	struct forecast_facts *facts = arg;
	char *next;

	if (r->verdict == VERDICT_DENIED)
		facts->members_denied = true;
	if (r->verdict != VERDICT_OK)
		return;
	next = next_page(r);
	note_pace(&facts->member, r, next != NULL);
	free(next);
}

static void
ask_members(struct forecast_facts *facts, const struct forecast_group *g)
{
	char *list = url_fill(MEMBERS, g->id);

	forecast_ask(facts->forecast, facts->source,
	    list_path(list, facts->member.page, NULL, NULL), MEMBERS,
	    on_members, facts);
	free(list);
}

/* Is the group's list part of any run? */
static bool
is_listed(const struct forecast_facts *facts, const struct forecast_group *g)
{
	const struct forecast *f = facts->forecast;

	for (size_t i = 0; i < f->n_runs; i++)
		for (size_t k = 0; k < f->runs[i].n; k++) {
			const struct forecast_item *it = &f->runs[i].items[k];

			if (it->facts == facts && !it->done &&
			    it->stream->entity->parent != NULL &&
			    forecast_lists(it, g))
				return true;
		}
	return false;
}

static int
by_members(const void *a, const void *b)
{
	const struct forecast_group *const *x = a, *const *y = b;

	return ((*x)->members > (*y)->members) -
	       ((*x)->members < (*y)->members);
}

/* How long a list of members takes: the longest one, and a usual one. */
static void
sample_members(struct forecast_facts *facts)
{
	const struct forecast_group **listed;
	size_t n = 0;

	listed = xcalloc(facts->n_groups + 1, sizeof(*listed));
	for (size_t i = 0; i < facts->n_groups; i++)
		if (is_listed(facts, &facts->groups[i]))
			listed[n++] = &facts->groups[i];
	if (n > 0)
		qsort(listed, n, sizeof(*listed), by_members);
	if (n > 0)
		ask_members(facts, listed[n - 1]);
	if (n > FEW_GROUPS &&
	    listed[n - 1]->members > 4 * listed[n / 2]->members)
		ask_members(facts, listed[n / 2]);
	free(listed);
}

static void
round_details(struct forecast_facts *facts)
{
	struct forecast *f = facts->forecast;
	struct forecast_pass *p = facts->passes;
	const struct filter *filter = facts->source->filter;
	char *path;

	if (p[PASS_PLAIN].more && forecast_everyone(facts) < 0) {
		forecast_guess(facts, NULL, "created", EVER, &facts->users);
	} else if (p[PASS_PLAIN].more && p[PASS_GONE].more) {
		path = url_fill(USER_GROUPS, p[PASS_GONE].id);
		forecast_ask(
		    f, facts->source, path, USER_GROUPS, on_user_groups, facts);
	}
	if (p[PASS_SCOPE].more)
		forecast_guess(facts, filter_text(filter), "created", EVER,
		    &p[PASS_SCOPE].total);
	if (p[PASS_DELTA].more)
		forecast_guess(facts, NULL, "lastUpdated", p[PASS_DELTA].since,
		    &p[PASS_DELTA].total);
	sample_members(facts);
}

/* Who is deprovisioned and not in Everyone is counted by nobody. */
static void
round_gone(struct forecast_facts *facts)
{
	struct forecast_pass *gone = &facts->passes[PASS_GONE];

	forecast_guess_more(facts->forecast);
	if (gone->more &&
	    (!facts->passes[PASS_PLAIN].more || !facts->keeps_gone))
		forecast_guess(facts, facts->source->streams[0].entity->second,
		    "created", EVER, &gone->total);
}

static void
round_rest(struct forecast_facts *facts)
{
	forecast_guess_more(facts->forecast);
}

static bool
knows_window(const struct forecast *f)
{
	bool limited = false;

	for (size_t i = 0; i < f->n_windows; i++) {
		if (f->windows[i].length_ms > 0)
			return true;
		limited |= f->windows[i].limit > 0;
	}
	return !limited;
}

static void
on_me(void *arg, const struct call_result *r)
{
	(void)arg;
	(void)r;
}

/* A window that others opened does not tell its length; ask elsewhere. */
static void
round_window(struct forecast_facts *facts)
{
	struct forecast *f = facts->forecast;

	round_details(facts);
	if (facts == f->facts && !knows_window(f))
		forecast_ask(f, facts->source, xstrdup(ME), ME, on_me, NULL);
}

static const struct forecast_window *
window_of(const struct forecast *f, const char *name)
{
	for (size_t i = 0; i < f->n_windows; i++)
		if (strcmp(f->windows[i].name, name) == 0)
			return &f->windows[i];
	return NULL;
}

static int64_t
window_length(const struct forecast *f, const struct forecast_window *w)
{
	if (w->length_ms > 0)
		return w->length_ms;
	for (size_t i = 0; i < f->n_windows; i++)
		if (f->windows[i].length_ms > 0)
			return f->windows[i].length_ms;
	return WINDOW_MS;
}

static void
fill_bucket(const struct forecast *f, struct forecast_bucket *b)
{
	const struct forecast_window *w = window_of(f, b->name);
	const struct budget_limits limits = fetch_limits(f->fetch);
	int64_t now = clock_ms(), left;

	b->limit = w != NULL ? w->limit : -1;
	if (b->limit < 0)
		return;
	b->usable =
	    (int64_t)(limits.share * (double)b->limit + 1e-6) - limits.reserve;
	if (b->usable < 1)
		b->usable = 1;
	b->window_ms = window_length(f, w);
	left = w->remaining - limits.reserve;
	if (left > b->usable - w->ours)
		left = b->usable - w->ours;
	b->left = left > 0 ? left : 0;
	b->ends_ms = w->reset_s * 1000 - schedule_now(f->fetch, now);
	if (b->ends_ms < 0)
		b->ends_ms = 0;
}

static size_t
add_bucket(
    const struct forecast *f, struct forecast_run *run, const char *pattern)
{
	struct budget *b = f->fetch->budget;
	const char *name = budget_bucket(b, budget_class(b, "GET", pattern));
	struct forecast_bucket *k;

	for (size_t i = 0; i < run->n_buckets; i++)
		if (strcmp(run->buckets[i].name, name) == 0)
			return i;
	if (run->n_buckets == FORECAST_BUCKETS)
		return 0;
	k = &run->buckets[run->n_buckets];
	k->name = xstrdup(name);
	fill_bucket(f, k);
	return run->n_buckets++;
}

static void
finish_run(const struct forecast *f, struct forecast_run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		struct forecast_item *it = &run->items[i];

		it->bucket = add_bucket(f, run, it->stream->entity->list);
		forecast_count(it, run);
		run->calls += it->calls;
		run->low += it->low;
		if (it->high < 0)
			run->high = -1;
		else if (run->high >= 0)
			run->high += it->high;
	}
	forecast_time(run, f->fetch->in_flight_max);
}

void
forecast_round(struct forecast *f)
{
	static void (*const rounds[])(struct forecast_facts *) = { round_first,
		round_everyone, round_window, round_gone, round_rest };
	const int n = (int)(sizeof(rounds) / sizeof(rounds[0]));

	while (f->pending == 0 && f->phase < n) {
		for (size_t i = 0; i < f->fetch->n_sources; i++)
			rounds[f->phase](&f->facts[i]);
		f->phase++;
	}
	if (f->pending > 0)
		return;
	forecast_guess_end(f);
	for (size_t i = 0; i < f->n_runs; i++)
		finish_run(f, &f->runs[i]);
	f->done(f);
}
