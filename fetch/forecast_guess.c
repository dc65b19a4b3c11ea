/*
 * forecast_guess.c - how many users there are where nobody tells.
 *
 * forecast_rounds.c asks for one when neither the group Everyone nor a last
 * page says it.  Rows are sorted by a time; a page at either end and some
 * between show how dense they lie, and forecast_estimate() makes a number of
 * that.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "forecast.h"
#include "json.h"
#include "mem.h"

#define USERS "/api/v1/users"
#define PAGE 200
#define ENDS 2
#define BETWEEN 4
#define SAMPLES (ENDS + BETWEEN)

struct forecast_guess {
	struct forecast_facts *facts;
	char *expression; /* owned, or NULL */
	const char *attribute, *since;
	struct amount *out;
	int answered;
	bool more; /* was asked for */
	struct forecast_sample samples[SAMPLES];
	struct probe {
		struct forecast_guess *guess;
		struct forecast_sample *sample;
	} probes[SAMPLES];
	struct forecast_guess *next;
};

static int64_t
instant(yyjson_val *record, const char *name)
{
	const char *text = json_text(record, name);
	int64_t ms;

	if (text == NULL || clock_parse_rfc3339(text, strlen(text), &ms) < 0)
		return -1;
	return ms;
}

static void
on_probe(void *arg, const struct call_result *r)
{
	struct probe *p = arg;
	struct forecast_sample *s = p->sample;
	yyjson_val *rows = yyjson_doc_get_root(r->doc);
	int64_t a, b;

	p->guess->answered++;
	s->rows = (int64_t)yyjson_arr_size(rows);
	if (r->verdict != VERDICT_OK)
		return;
	s->more = s->rows >= PAGE;
	if (s->rows == 0)
		return;
	a = instant(yyjson_arr_get_first(rows), p->guess->attribute);
	b = instant(yyjson_arr_get_last(rows), p->guess->attribute);
	if (a < 0 || b < 0)
		return;
	s->ok = true;
	/* One between knows where it begins: rows may be missing there. */
	if (s->from_ms == 0)
		s->from_ms = a < b ? a : b;
	s->to_ms = a < b ? b : a;
}

static void
ask(struct forecast_guess *g, size_t i, const char *after, const char *order)
{
	struct buf path = { 0 }, text = { 0 };

	if (g->expression != NULL)
		buf_fmt(&text, "(%s) and ", g->expression);
	buf_fmt(&text, "%s gt \"%s\"", g->attribute, after);
	buf_fmt(&path, "%s?limit=%d", USERS, PAGE);
	url_add(&path, "search", text.data);
	url_add(&path, "sortBy", g->attribute);
	url_add(&path, "sortOrder", order);
	buf_free(&text);
	g->probes[i] = (struct probe){ g, &g->samples[i] };
	forecast_ask(g->facts->forecast, g->facts->source, buf_take(&path),
	    USERS, on_probe, &g->probes[i]);
}

void
forecast_guess(struct forecast_facts *facts, const char *expression,
    const char *attribute, const char *since, struct amount *out)
{
	struct forecast *f = facts->forecast;
	struct forecast_guess *g = xcalloc(1, sizeof(*g));

	g->facts = facts;
	g->expression = expression != NULL ? xstrdup(expression) : NULL;
	g->attribute = attribute;
	g->since = since;
	g->out = out;
	g->next = f->guesses;
	f->guesses = g;
	ask(g, 0, since, "asc");
	ask(g, 1, since, "desc");
}

static void
ask_between(struct forecast_guess *g)
{
	const struct forecast_sample *first = &g->samples[0];
	const struct forecast_sample *last = &g->samples[1];
	int64_t gap = last->from_ms - first->to_ms;

	g->more = true;
	if (!first->ok || !last->ok || !first->more || gap <= 0)
		return;
	for (int i = 0; i < BETWEEN; i++) {
		struct forecast_sample *s = &g->samples[ENDS + i];
		char after[CLOCK_TEXT];

		s->from_ms = first->to_ms + gap * (i + 1) / (BETWEEN + 1);
		clock_rfc3339(s->from_ms, after);
		ask(g, (size_t)(ENDS + i), after, "asc");
	}
}

void
forecast_guess_more(struct forecast *f)
{
	for (struct forecast_guess *g = f->guesses; g != NULL; g = g->next)
		if (!g->more && g->answered == ENDS)
			ask_between(g);
}

void
forecast_guess_end(struct forecast *f)
{
	for (struct forecast_guess *g = f->guesses; g != NULL; g = g->next)
		*g->out = forecast_estimate(g->samples, SAMPLES);
}

void
forecast_guesses_free(struct forecast *f)
{
	struct forecast_guess *g;

	while (f->guesses != NULL) {
		g = f->guesses;
		f->guesses = g->next;
		free(g->expression);
		free(g);
	}
}
