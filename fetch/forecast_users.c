/*
 * forecast_users.c - the first pages of the listings of users, and of others.
 *
 * forecast_rounds.c says which are needed.  A listing that ends on its first
 * page is counted; of any other only that there is more is known, and what a
 * page is like.  Entities that are neither users nor groups are few: their
 * listings are read for as long as it takes, within reason.
 * Source: okta-api 1.3, 2.1.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "forecast.h"
#include "json.h"

#define USERS "/api/v1/users"
#define PAGES_MAX 5
#define OTHERS_MAX 20

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
	next = forecast_next(r);
	p->more = next != NULL;
	p->rows += (int64_t)yyjson_arr_size(rows);
	snprintf(p->id, sizeof(p->id), "%s", id != NULL ? id : "");
	forecast_pace(p->pace, r, p->more);
	if (next != NULL && ++p->pages < p->pages_max)
		forecast_ask(p->facts->forecast, p->facts->source, next,
		    p->list, on_pass, p);
	else
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
	p->list = USERS;
	p->pace = &facts->user;
	/* What nobody counts is listed for a while: it may end soon. */
	p->pages_max = kind == PASS_DELTA || kind == PASS_SCOPE ? PAGES_MAX : 1;
	forecast_ask(facts->forecast, facts->source,
	    forecast_path(
		USERS, facts->source->config.page_size, name, expression),
	    USERS, on_pass, p);
}

void
forecast_ask_everybody(struct forecast_facts *facts)
{
	const struct entity *e = facts->source->streams[0].entity;

	ask_pass(facts, PASS_PLAIN, NULL, NULL);
	ask_pass(facts, PASS_GONE, "filter", e->second);
}

void
forecast_ask_users(const struct forecast_item *it, struct forecast_facts *facts)
{
	const struct filter *filter = facts->source->filter;
	const char *pass = json_text(it->resume, "pass");
	char *text;

	if (it->mode == MODE_DELTA) {
		text =
		    forecast_expression(it->stream->entity->delta, it->since);
		ask_pass(facts, PASS_DELTA, "filter", text);
		facts->passes[PASS_DELTA].since = it->since;
		free(text);
	} else if (filter != NULL && (pass == NULL || *pass == 's')) {
		ask_pass(facts, PASS_SCOPE,
		    filter_route_name(filter_route(filter)),
		    filter_text(filter));
	} else {
		forecast_ask_everybody(facts);
	}
}

void
forecast_ask_other(const struct forecast_item *it, struct forecast_facts *facts)
{
	struct forecast_pass *p = forecast_other(facts, it->stream);
	const struct entity *e = it->stream->entity;

	if (p == NULL || p->asked)
		return;
	*p = (struct forecast_pass){ .facts = facts,
		.asked = true,
		.pages_max = OTHERS_MAX,
		.list = e->list,
		.pace = &facts->other[it->stream - facts->source->streams] };
	p->pace->page = e->page_max;
	forecast_ask(facts->forecast, facts->source,
	    forecast_path(e->list, e->page_max, NULL, NULL), e->list, on_pass,
	    p);
}
