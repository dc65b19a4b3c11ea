/*
 * forecast_groups.c - the groups, and how long it takes to list members.
 *
 * forecast_rounds.c says what is needed.  All groups are listed, or those a
 * delta would bring, for each list of members is a call of its own and what
 * it costs stands in the group.  Source: okta-api 2.2, 10.2.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "forecast.h"
#include "json.h"
#include "mem.h"

#define GROUPS "/api/v1/groups"
#define USER_GROUPS "/api/v1/users/{id}/groups"
#define MEMBERS "/api/v1/groups/{id}/users"
#define EVERYONE "type eq \"BUILT_IN\""
#define FEW_GROUPS 8 /* so few lists take no time worth a sample */

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
	facts->scoped = scope != NULL && scope_tests(scope, name);
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
		    forecast_path(GROUPS, facts->group.page, NULL, NULL),
		    GROUPS, on_groups, facts);
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
	next = forecast_next(r);
	forecast_pace(&facts->group, r, next != NULL);
	if (next != NULL)
		forecast_ask(facts->forecast, facts->source, next, GROUPS,
		    on_groups, facts);
}

/* From when on; NULL: all of them.  False when no run wants any. */
static bool
needs(const struct forecast_facts *facts, const char **since)
{
	const struct forecast *f = facts->forecast;
	bool any = false, all = false;

	*since = NULL;
	for (size_t i = 0; i < f->n_runs; i++)
		for (size_t k = 0; k < f->runs[i].n; k++) {
			const struct forecast_item *it = &f->runs[i].items[k];

			if (it->facts != facts || it->done ||
			    it->stream->entity->filtered)
				continue;
			any = true;
			all |= it->mode == MODE_FULL;
			if (*since == NULL || strcmp(it->since, *since) < 0)
				*since = it->since;
		}
	if (all)
		*since = NULL;
	return any;
}

void
forecast_ask_groups(struct forecast_facts *facts)
{
	const struct entity *e = facts->source->streams[1].entity;
	const char *since;
	char *text = NULL;

	if (!needs(facts, &since))
		return;
	if (since != NULL)
		text = forecast_expression(e->delta, since);
	forecast_ask(facts->forecast, facts->source,
	    forecast_path(GROUPS, facts->group.page, "filter", text), GROUPS,
	    on_groups, facts);
	free(text);
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

void
forecast_ask_everyone(struct forecast_facts *facts)
{
	forecast_ask(facts->forecast, facts->source,
	    forecast_path(GROUPS, facts->group.page, "filter", EVERYONE),
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

void
forecast_ask_keeps(struct forecast_facts *facts)
{
	forecast_ask(facts->forecast, facts->source,
	    url_fill(USER_GROUPS, facts->passes[PASS_GONE].id), USER_GROUPS,
	    on_user_groups, facts);
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
	next = forecast_next(r);
	forecast_pace(&facts->member, r, next != NULL);
	free(next);
}

static void
ask_members(struct forecast_facts *facts, const struct forecast_group *g)
{
	char *list = url_fill(MEMBERS, g->id);

	forecast_ask(facts->forecast, facts->source,
	    forecast_path(list, facts->member.page, NULL, NULL), MEMBERS,
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

void
forecast_sample_members(struct forecast_facts *facts)
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
