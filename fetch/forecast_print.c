/*
 * forecast_print.c - a forecast as a table, or as JSON.
 *
 * Called by forecast.c when all is known.  A run is its streams, then its
 * buckets, then a line for the whole of it.
 */

#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "forecast.h"
#include "msg.h"
#include "schedule.h"

const char *
forecast_sure(enum sure sure)
{
	switch (sure) {
	case SURE_EXACT:
		return "exact";
	case SURE_COUNTED:
		return "counted by the org";
	case SURE_ESTIMATE:
		return "estimate";
	default:
		return "at least";
	}
}

/* The same for programs. */
static const char *
sure_word(enum sure sure)
{
	static const char *const words[] = { "exact", "counted", "estimate",
		"at-least" };

	return words[sure];
}

static void
put_number(int64_t n, char out[24])
{
	if (n < 0)
		snprintf(out, 24, "-");
	else
		snprintf(out, 24, "%lld", (long long)n);
}

static void
print_item(const struct forecast_item *it, bool named)
{
	char time[SCHEDULE_TEXT], range[64] = "";

	schedule_duration(it->ms, time);
	if (it->high < 0)
		snprintf(range, sizeof(range), ", or more");
	else if (it->low != it->high)
		snprintf(range, sizeof(range), ", %lld to %lld calls",
		    (long long)it->low, (long long)it->high);
	printf("  %-12s %8lld %10lld %14s  %s%s%s%s\n",
	    it->stream->entity->name, (long long)it->calls,
	    (long long)it->records.n, time,
	    it->denied ? "SKIPPED, the token may not read it"
	    : it->done ? "complete already"
		       : forecast_sure(it->records.sure),
	    range, named ? ", " : "", named ? it->stream->source->name : "");
}

static void
print_bucket(const struct forecast_bucket *b)
{
	char time[SCHEDULE_TEXT], limit[24], usable[24], window[24];

	schedule_duration(b->ms, time);
	put_number(b->limit, limit);
	put_number(b->limit < 0 ? -1 : b->usable, usable);
	put_number(b->limit < 0 ? -1 : b->window_ms / 1000, window);
	printf("  %-28s %8lld %6s %6s %8s %14s\n", b->name, (long long)b->calls,
	    limit, usable, window, time);
}

static void
print_run(const struct forecast *f, const struct forecast_run *run)
{
	char time[SCHEDULE_TEXT];
	const char *since = NULL;

	for (size_t i = 0; i < run->n; i++)
		if (run->items[i].mode == MODE_DELTA)
			since = run->items[i].since;
	schedule_duration(run->ms, time);
	printf("%s run%s%s: %lld calls, %s\n", run->name,
	    since != NULL ? " since " : "", since != NULL ? since : "",
	    (long long)run->calls, time);
	printf("  %-12s %8s %10s %14s  %s\n", "stream", "calls", "records",
	    "in after", "how sure");
	for (size_t i = 0; i < run->n; i++)
		print_item(&run->items[i], f->fetch->n_sources > 1);
	printf("  %-28s %8s %6s %6s %8s %14s\n", "bucket", "calls", "limit",
	    "ours", "window s", "in after");
	for (size_t i = 0; i < run->n_buckets; i++)
		print_bucket(&run->buckets[i]);
}

static void
put_range(struct buf *b, int64_t calls, int64_t low, int64_t high)
{
	msg_int(b, "calls", calls);
	msg_int(b, "low", low);
	if (high >= 0)
		msg_int(b, "high", high);
	else
		buf_str(b, ",\"high\":null");
}

static void
put_item(struct buf *b, const struct forecast_run *run,
    const struct forecast_item *it)
{
	buf_str(b, "{\"source\":");
	buf_json_str(b, it->stream->source->name);
	msg_str(b, "stream", it->stream->entity->name);
	msg_str(b, "mode", it->mode == MODE_DELTA ? "delta" : "full");
	if (it->mode == MODE_DELTA)
		msg_str(b, "since", it->since);
	msg_str(b, "bucket", run->buckets[it->bucket].name);
	put_range(b, it->calls, it->low, it->high);
	msg_int(b, "records", it->records.n);
	msg_str(b, "sure", sure_word(it->records.sure));
	msg_bool(b, "skipped", it->denied);
	msg_int(b, "ms", it->ms);
	buf_char(b, '}');
}

static void
put_bucket(struct buf *b, const struct forecast_bucket *k)
{
	buf_str(b, "{\"name\":");
	buf_json_str(b, k->name);
	msg_int(b, "calls", k->calls);
	if (k->limit >= 0) {
		msg_int(b, "limit", k->limit);
		msg_int(b, "usable", k->usable);
		msg_int(b, "windowMs", k->window_ms);
	}
	msg_int(b, "ms", k->ms);
	buf_char(b, '}');
}

static void
put_run(struct buf *b, const struct forecast_run *run)
{
	buf_str(b, "{\"mode\":");
	buf_json_str(b, run->name);
	put_range(b, run->calls, run->low, run->high);
	msg_int(b, "ms", run->ms);
	buf_str(b, ",\"streams\":[");
	for (size_t i = 0; i < run->n; i++) {
		buf_str(b, i > 0 ? "," : "");
		put_item(b, run, &run->items[i]);
	}
	buf_str(b, "],\"buckets\":[");
	for (size_t i = 0; i < run->n_buckets; i++) {
		buf_str(b, i > 0 ? "," : "");
		put_bucket(b, &run->buckets[i]);
	}
	buf_str(b, "]}");
}

static void
print_json(const struct forecast *f)
{
	struct buf b = { 0 };

	buf_str(&b, "{\"tenant\":");
	buf_json_str(&b, f->fetch->sources[0].config.base_url);
	msg_int(&b, "asked", f->asked);
	buf_str(&b, ",\"runs\":[");
	for (size_t i = 0; i < f->n_runs; i++) {
		buf_str(&b, i > 0 ? "," : "");
		put_run(&b, &f->runs[i]);
	}
	buf_str(&b, "]}\n");
	fwrite(b.data, 1, b.len, stdout);
	buf_free(&b);
}

void
forecast_print(const struct forecast *f, bool json)
{
	if (json) {
		print_json(f);
		return;
	}
	printf("%s: %d calls asked\n", f->fetch->sources[0].config.base_url,
	    f->asked);
	for (size_t i = 0; i < f->n_runs; i++)
		print_run(f, &f->runs[i]);
}
