/*
 * forecast_ask.c - questions to the org for a forecast, and their answers.
 *
 * forecast_rounds.c and forecast_guess.c ask.  Each question is a call like
 * any other, within the same budget; when all of a round are answered the
 * next round begins.  Notes what the headers say about windows and limits.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "forecast.h"
#include "link_header.h"
#include "mem.h"

#define GROUPS "/api/v1/groups"
#define ME "/api/v1/users/me"
#define GROUP_PAGE 200
#define MEMBER_PAGE 1000

struct question {
	struct forecast *forecast;
	const struct source *source;
	const char *pattern;
	forecast_answer *fn;
	void *arg;
	struct question *next;
};

struct forecast *
forecast_new(struct fetch *fetch, void (*done)(struct forecast *))
{
	struct forecast *f = xcalloc(1, sizeof(*f));

	f->fetch = fetch;
	f->done = done;
	f->facts = xcalloc(fetch->n_sources, sizeof(*f->facts));
	for (size_t i = 0; i < fetch->n_sources; i++) {
		const struct config_source *c = &fetch->sources[i].config;

		f->facts[i].forecast = f;
		f->facts[i].source = &fetch->sources[i];
		for (int k = 0; k < PASSES; k++)
			f->facts[i].passes[k].facts = &f->facts[i];
		f->facts[i].users.n = f->facts[i].everyone = -1;
		f->facts[i].keeps_gone = true;
		f->facts[i].user.page = c->page_size;
		f->facts[i].group.page = GROUP_PAGE;
		f->facts[i].member.page = MEMBER_PAGE;
	}
	return f;
}

void
forecast_free(struct forecast *f)
{
	struct question *q;

	if (f == NULL)
		return;
	for (size_t i = 0; i < f->fetch->n_sources; i++) {
		for (size_t k = 0; k < f->facts[i].n_groups; k++)
			free(f->facts[i].groups[k].id);
		free(f->facts[i].groups);
	}
	for (size_t i = 0; i < f->n_windows; i++)
		free(f->windows[i].name);
	for (size_t i = 0; i < f->n_runs; i++) {
		for (size_t k = 0; k < f->runs[i].n_buckets; k++)
			free(f->runs[i].buckets[k].name);
		for (size_t k = 0; k < f->runs[i].n; k++)
			yyjson_doc_free(f->runs[i].items[k].state);
	}
	while (f->questions != NULL) {
		q = f->questions;
		f->questions = q->next;
		free(q);
	}
	forecast_guesses_free(f);
	free(f->facts);
	free(f);
}

/* The stream may be reset before the forecast is there. */
static yyjson_doc *
copy_of(yyjson_doc *doc)
{
	yyjson_mut_doc *mut = yyjson_doc_mut_copy(doc, NULL);
	yyjson_doc *copy = yyjson_mut_doc_imut_copy(mut, NULL);

	yyjson_mut_doc_free(mut);
	return copy;
}

struct forecast_run *
forecast_add(struct forecast *f, const char *name)
{
	struct forecast_run *run = &f->runs[f->n_runs++];

	run->name = name;
	for (size_t i = 0; i < f->fetch->n_sources; i++) {
		const struct source *s = &f->fetch->sources[i];

		for (size_t k = 0; k < s->n_streams; k++) {
			const struct stream *t = &s->streams[k];
			struct forecast_item *it = &run->items[run->n];

			if (!t->wanted || run->n == FORECAST_ITEMS)
				continue;
			*it = (struct forecast_item){ .stream = t,
				.facts = &f->facts[i],
				.mode = t->mode,
				.first_import = t->first_import,
				.done = t->done || t->ended,
				.state = copy_of(t->resume) };
			it->resume = yyjson_doc_get_root(it->state);
			memcpy(it->since, t->since, sizeof(it->since));
			run->n++;
		}
	}
	return run;
}

static struct forecast_window *
find_window(struct forecast *f, const char *name)
{
	struct forecast_window *w;

	for (size_t i = 0; i < f->n_windows; i++)
		if (strcmp(f->windows[i].name, name) == 0)
			return &f->windows[i];
	if (f->n_windows == FORECAST_BUCKETS)
		return NULL;
	w = &f->windows[f->n_windows++];
	*w = (struct forecast_window){ .name = xstrdup(name), .limit = -1 };
	return w;
}

/* What the headers say.  The first call of a window sees all of it. */
static void
note_window(
    struct forecast *f, const char *pattern, const struct http_answer *a)
{
	struct budget *b = f->fetch->budget;
	int class = budget_class(b, "GET", pattern);
	struct forecast_window *w = find_window(f, budget_bucket(b, class));

	if (w == NULL || a->limit <= 0 || a->remaining < 0 || a->reset_s < 0)
		return;
	if (a->reset_s > w->reset_s) {
		w->reset_s = a->reset_s;
		w->ours = 0;
		if (a->remaining == a->limit - 1 && a->date_ms >= 0)
			w->length_ms = a->reset_s * 1000 - a->date_ms;
	}
	w->ours++;
	w->limit = a->limit;
	w->remaining = a->remaining;
}

static void
close_question(struct question *q)
{
	struct question **at = &q->forecast->questions;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	free(q);
}

static void
on_answer(void *arg, const struct call_result *r)
{
	struct question *q = arg;
	struct forecast *f = q->forecast;

	if (r->answer != NULL && r->answer->status > 0)
		note_window(f, q->pattern, r->answer);
	switch (r->verdict) {
	case VERDICT_TOKEN:
	case VERDICT_CONFIG:
		fetch_fail(f->fetch, EXIT_USAGE, "%s: %s", q->source->name,
		    r->why.text);
		break;
	case VERDICT_FAILED:
	case VERDICT_RESTART:
		fetch_fail(f->fetch, EXIT_TEMPORARY,
		    "%s: what a run would cost cannot be found out: %s",
		    q->source->name, r->why.text);
		break;
	default:
		q->fn(q->arg, r);
		break;
	}
	close_question(q);
	if (--f->pending == 0 && !f->fetch->failed)
		forecast_round(f);
}

void
forecast_ask(struct forecast *f, const struct source *s, char *path,
    const char *pattern, forecast_answer *fn, void *arg)
{
	struct question *q = xcalloc(1, sizeof(*q));
	struct fetch *fetch = f->fetch;
	struct call_ask ask = {
		.source = &fetch->sources[s - fetch->sources],
		.path = path,
		.pattern = pattern,
		.omits = strcmp(pattern, GROUPS) != 0,
		.array = strcmp(pattern, ME) != 0,
	};

	*q = (struct question){ .forecast = f,
		.source = s,
		.pattern = pattern,
		.fn = fn,
		.arg = arg,
		.next = f->questions };
	f->questions = q;
	f->pending++;
	f->asked++;
	call_start(fetch->calls, &ask, on_answer, q);
	free(path);
}

char *
forecast_path(
    const char *list, int64_t limit, const char *name, const char *value)
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

char *
forecast_expression(const char *expression, const char *since)
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

void
forecast_pace(struct forecast_pace *p, const struct call_result *r, bool more)
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

char *
forecast_next(const struct call_result *r)
{
	const struct buf *link = &r->answer->link;
	struct buf next = { 0 };

	if (link_next(link->data, link->len, &next) == 1)
		return buf_take(&next);
	buf_free(&next);
	return NULL;
}
