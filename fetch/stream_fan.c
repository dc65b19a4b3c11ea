/*
 * stream_fan.c - an entity that is listed once for each record of another.
 *
 * Memberships: the groups come from the Group stream where that lists the
 * same ones, or from a listing of our own; then each group's members are
 * listed in the order of ids, some groups at once.  The resume state is the
 * last id that was begun and those that were not finished by then; such a
 * group starts again at its first page.  Source: okta-api 2.2, 10.2.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "mem.h"
#include "out.h"
#include "stream.h"

#define WRONG_COUNTS_MAX 10 /* groups whose count lies, until believed */
#define REFUSED_MAX 3 /* refused groups in a row at the start: all will be */

struct parent {
	char *id; /* owned */
	int64_t count; /* how many there should be, -1 unknown */
	bool out; /* of scope: has none, as far as we are concerned */
};

/* One parent whose records are being listed. */
struct branch {
	struct fan *fan;
	const struct parent *parent;
	struct listing *listing;
	int64_t listed, before; /* now, and the time before; -1 for none */
	struct branch *next;
};

struct fan {
	struct stream *stream;
	bool fed; /* the parent's stream lists for us */
	bool ready; /* all parents are known */
	struct listing *scan; /* our own listing of parents */
	char type[64]; /* of the parents, in the rules: "okta.Group" */
	bool scoped; /* some of them are out of scope, and may come into it */
	bool scan_all; /* the filter was refused: look at every parent */
	const char *floor; /* up to here an earlier process had begun all */
	struct parent *parents; /* owned; by id once ready */
	size_t n, cap, begun;
	struct branch *branches; /* in flight */
	int n_branches;
	size_t listed_ok, refused, wrong_counts, gone;
	struct why refusal; /* of the first refused one */
};

static const struct listing_events scan_events, branch_events;
static void scan(struct fan *f);

static void
branch_free(struct branch *b)
{
	struct branch **at = &b->fan->branches;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	b->fan->n_branches--;
	listing_free(b->listing);
	free(b);
}

void
fan_free(struct fan *f)
{
	if (f == NULL)
		return;
	listing_free(f->scan);
	while (f->branches != NULL)
		branch_free(f->branches);
	for (size_t i = 0; i < f->n; i++)
		free(f->parents[i].id);
	free(f->parents);
	free(f);
}

/* Does that time of the parent not lie before the watermark? */
static bool
is_new(const struct stream *s, yyjson_val *record, const char *time)
{
	yyjson_val *v = json_get(record, time);
	int64_t moved, since;

	if (!yyjson_is_str(v) ||
	    clock_parse_rfc3339(yyjson_get_str(v), yyjson_get_len(v), &moved) <
		0 ||
	    clock_parse_rfc3339(s->since, strlen(s->since), &since) < 0)
		return true;
	return moved >= since;
}

/*
 * Did what is listed below this parent change since the watermark?  Where
 * scope tells parents apart, all of it comes and goes with the parent.
 */
static bool
has_moved(const struct fan *f, yyjson_val *record)
{
	const struct stream *s = f->stream;

	return s->mode != MODE_DELTA || is_new(s, record, s->entity->moved) ||
	       (f->scoped && is_new(s, record, s->entity->changed));
}

static void
add_parent(struct fan *f, yyjson_val *record)
{
	const struct entity *e = f->stream->entity;
	const struct fetch *fetch = f->stream->source->fetch;
	const char *id = json_text(record, "id");

	if (id == NULL || id[0] == '\0' || !has_moved(f, record))
		return;
	if (f->n == f->cap) {
		f->cap = f->cap > 0 ? f->cap * 2 : 256;
		f->parents = xrealloc(f->parents, f->cap * sizeof(*f->parents));
	}
	f->parents[f->n++] = (struct parent){
		.id = xstrdup(id),
		.count = json_int(json_path(record, e->count), -1),
		.out = f->scoped &&
		       scope_match(fetch->scope, f->type, record) == 0,
	};
}

/* The pass of a fed stream begins with that of its parents. */
static void
share_clock(struct stream *s)
{
	const struct stream *parent =
	    source_stream(s->source, s->entity->parent);

	if (!s->fan->fed)
		return;
	if (s->start[0] == '\0')
		memcpy(s->start, parent->start, sizeof(s->start));
	memcpy(s->at, parent->at, sizeof(s->at));
}

void
fan_feed(struct stream *s, yyjson_val *parents)
{
	yyjson_val *record;
	size_t i, n;

	share_clock(s);
	yyjson_arr_foreach(parents, i, n, record)
	{
		add_parent(s->fan, record);
	}
}

static int
by_id(const void *a, const void *b)
{
	const struct parent *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static bool
was_pending(yyjson_val *pending, const char *id)
{
	yyjson_val *v;
	size_t i, n;

	yyjson_arr_foreach(pending, i, n, v)
	{
		if (yyjson_equals_str(v, id))
			return true;
	}
	return false;
}

/* In order, each once, without those that an earlier process finished. */
static void
arrange(struct fan *f)
{
	yyjson_val *state = yyjson_doc_get_root(f->stream->resume);
	yyjson_val *pending = json_get(state, "pending");
	size_t kept = 0;

	f->floor = json_text(state, "group");
	if (f->n > 0)
		qsort(f->parents, f->n, sizeof(*f->parents), by_id);
	for (size_t i = 0; i < f->n; i++) {
		struct parent *p = &f->parents[i];
		bool again =
		    kept > 0 && strcmp(f->parents[kept - 1].id, p->id) == 0;
		bool done = f->floor != NULL && strcmp(p->id, f->floor) <= 0 &&
			    !was_pending(pending, p->id);

		if (again || done)
			free(p->id);
		else
			f->parents[kept++] = *p;
	}
	f->n = kept;
}

void
fan_fed(struct stream *s)
{
	struct fan *f = s->fan;

	share_clock(s);
	arrange(f);
	f->ready = true;
	fan_pump(s);
}

/* Ends the stream; nothing that is on its way may come behind the end. */
static void
stop(struct fan *f, enum verdict verdict, const struct why *why)
{
	stream_stopped(f->stream, verdict, why);
	while (f->branches != NULL)
		branch_free(f->branches);
}

void
fan_starved(struct stream *s, enum verdict verdict, const struct why *why)
{
	stop(s->fan, verdict, why);
}

/* The state behind a page: `done` is the branch that it finishes, or NULL. */
static void
put_state(const struct fan *f, const struct branch *done, struct buf *b)
{
	const char *group = f->begun > 0 ? f->parents[f->begun - 1].id : "";
	const char *comma = "";
	int64_t n = f->stream->n;

	/* A pending group begins again, and its records count then. */
	for (const struct branch *p = f->branches; p != NULL; p = p->next)
		if (p != done)
			n -= p->listed + (p->before > 0 ? p->before : 0);
	if (f->floor != NULL && strcmp(group, f->floor) < 0)
		group = f->floor;
	stream_state(f->stream, n, b);
	buf_str(b, ",\"group\":");
	buf_json_str(b, group);
	buf_str(b, ",\"pending\":[");
	for (const struct branch *p = f->branches; p != NULL; p = p->next) {
		if (p == done)
			continue;
		buf_str(b, comma);
		buf_json_str(b, p->parent->id);
		comma = ",";
	}
	for (size_t i = f->begun;
	     i < f->n && strcmp(f->parents[i].id, group) <= 0; i++) {
		buf_str(b, comma);
		buf_json_str(b, f->parents[i].id);
		comma = ",";
	}
	buf_str(b, "]}");
}

/*
 * A page of one parent; done as in put_state().  What the parent counts goes
 * with its last page when the list has fewer: join removes nobody unasked then.
 */
static void
put_page(struct fan *f, const struct parent *parent, struct page *p,
    const struct branch *done, int64_t listed)
{
	struct buf context = { 0 }, state = { 0 };

	buf_str(&context, "{\"");
	buf_str(&context, f->stream->entity->context);
	buf_str(&context, "\":");
	buf_json_str(&context, parent->id);
	if (p->last && listed >= 0 && listed < parent->count)
		msg_int(&context, MSG_USERS_COUNT, parent->count);
	buf_char(&context, '}');
	f->stream->n += (int64_t)yyjson_arr_size(p->records);
	put_state(f, done, &state);
	p->context = context.data;
	p->state = state.data;
	stream_page(f->stream, p);
	buf_free(&context);
	buf_free(&state);
}

static void
put_none(struct fan *f, const struct parent *parent)
{
	struct page p = { .text = "[]", .len = 2, .last = true };

	put_page(f, parent, &p, NULL, -1);
}

static void
open_branch(struct branch *b)
{
	struct stream *s = b->fan->stream;
	struct buf path = { 0 };
	char *filled = url_fill(s->entity->list, b->parent->id), limit[16];

	snprintf(limit, sizeof(limit), "%d", s->entity->page_max);
	buf_str(&path, filled);
	url_add(&path, "limit", limit);
	b->listed = 0;
	b->listing = listing_open(
	    s, path.data, NULL, s->entity->list, &branch_events, b);
	buf_free(&path);
	free(filled);
}

static void
begin(struct fan *f, const struct parent *parent)
{
	struct branch *b = xcalloc(1, sizeof(*b));

	b->fan = f;
	b->parent = parent;
	b->before = -1;
	b->next = f->branches;
	f->branches = b;
	f->n_branches++;
	open_branch(b);
}

/* Is a parent known to have none, so that asking would be a waste? */
static bool
has_none(const struct fan *f, const struct parent *p)
{
	/* The count may be stale: it is believed where nothing can be lost. */
	return p->out || (p->count == 0 && f->stream->first_import &&
			     f->stream->mode == MODE_FULL);
}

static void
finish(struct fan *f)
{
	struct stream *s = f->stream;
	struct why why = f->refusal;

	if (f->gone > 0)
		stream_warn(s,
		    "%zu groups were gone when their members "
		    "were asked for",
		    f->gone);
	if (f->refused == 0) {
		stream_done(s);
		return;
	}
	snprintf(why.text, sizeof(why.text), "%zu of %zu groups: %.380s",
	    f->refused, f->refused + f->listed_ok, f->refusal.text);
	stream_stopped(s, VERDICT_DENIED, &why);
}

void
fan_pump(struct stream *s)
{
	struct fan *f = s->fan;
	struct fetch *fetch = s->source->fetch;
	const struct out *o = fetch->out;

	while (f->ready && s->running && !fetch->failed && f->begun < f->n &&
	       f->n_branches < fetch->in_flight_max) {
		const struct parent *p = &f->parents[f->begun];

		if (!has_none(f, p)) {
			f->begun++;
			begin(f, p);
			continue;
		}
		if (!o->kind->room(o, (size_t)calls_in_flight(fetch->calls)))
			return;
		f->begun++;
		put_none(f, p);
	}
	if (f->ready && s->running && f->begun == f->n && f->n_branches == 0)
		finish(f);
}

/*
 * Were there as many as the parent said?  When not, the parent is listed
 * once more, since members may have moved under the listing.
 */
static bool
wants_again(struct branch *b)
{
	struct fan *f = b->fan;
	int64_t want = b->parent->count;

	if (want < 0 || b->listed == want)
		return false;
	if (b->before < 0)
		return f->wrong_counts < WRONG_COUNTS_MAX;
	stream_warn(f->stream,
	    "group %s says it has %lld members, the list has %lld",
	    b->parent->id, (long long)want, (long long)b->listed);
	if (b->before == b->listed)
		f->wrong_counts++;
	return false;
}

static void
on_branch_page(
    void *arg, struct listing *l, const struct call_result *r, const char *next)
{
	struct branch *b = arg;
	struct fan *f = b->fan;
	bool again;
	struct page p = { .records = yyjson_doc_get_root(r->doc),
		.text = r->answer->body.data,
		.len = r->answer->body.len,
		.request = r->answer->request_id,
		.last = next == NULL };

	b->listed += (int64_t)yyjson_arr_size(p.records);
	again = next == NULL && wants_again(b);
	put_page(
	    f, b->parent, &p, next == NULL && !again ? b : NULL, b->listed);
	if (next != NULL || f->stream->source->fetch->failed)
		return;
	if (again) {
		b->before = b->listed;
		listing_free(l);
		open_branch(b);
		return;
	}
	f->listed_ok++;
	branch_free(b);
	fan_pump(f->stream);
}

static void
on_branch_restarted(void *arg, struct listing *l)
{
	struct branch *b = arg;

	(void)l;
	b->listed = 0;
	stream_restarted(b->fan->stream);
}

static void
on_branch_stopped(
    void *arg, struct listing *l, enum verdict verdict, const struct why *why)
{
	struct branch *b = arg;
	struct fan *f = b->fan;
	struct stream *s = f->stream;

	(void)l;
	if (verdict == VERDICT_GONE) {
		f->gone++;
		branch_free(b);
		fan_pump(s);
		return;
	}
	if (verdict == VERDICT_DENIED) {
		if (f->refused++ == 0)
			f->refusal = *why;
		branch_free(b);
		if (f->listed_ok == 0 && f->refused >= REFUSED_MAX)
			stop(f, verdict, why);
		else
			fan_pump(s);
		return;
	}
	stop(f, verdict, why);
}

static const struct listing_events branch_events = {
	.page = on_branch_page,
	.restarted = on_branch_restarted,
	.stopped = on_branch_stopped,
};

static void
on_scan_page(
    void *arg, struct listing *l, const struct call_result *r, const char *next)
{
	struct fan *f = arg;

	fan_feed(f->stream, yyjson_doc_get_root(r->doc));
	if (next != NULL)
		return;
	listing_free(l);
	f->scan = NULL;
	fan_fed(f->stream);
}

static void
on_scan_restarted(void *arg, struct listing *l)
{
	(void)arg;
	(void)l;
}

static void
on_scan_stopped(
    void *arg, struct listing *l, enum verdict verdict, const struct why *why)
{
	struct fan *f = arg;

	listing_free(l);
	f->scan = NULL;
	if (verdict == VERDICT_FILTER && !f->scan_all) {
		f->scan_all = true;
		scan(f);
		return;
	}
	fan_starved(f->stream, verdict, why);
}

static const struct listing_events scan_events = {
	.page = on_scan_page,
	.restarted = on_scan_restarted,
	.stopped = on_scan_stopped,
};

static void
scan(struct fan *f)
{
	const struct stream *s = f->stream;
	const struct entity *e =
	    source_stream(s->source, s->entity->parent)->entity;
	struct buf path = { 0 };
	char limit[16], *filter;

	snprintf(limit, sizeof(limit), "%d", e->page_max);
	buf_str(&path, e->list);
	url_add(&path, "limit", limit);
	if (e->query[0] != '\0') {
		buf_char(&path, '&');
		buf_str(&path, e->query);
	}
	if (s->mode == MODE_DELTA && !f->scan_all) {
		filter =
		    stream_filter(s, f->scoped ? e->delta : s->entity->delta);
		url_add(&path, "filter", filter);
		free(filter);
	}
	f->scan =
	    listing_open(f->stream, path.data, NULL, e->list, &scan_events, f);
	buf_free(&path);
}

bool
fan_eats(const struct stream *s, const struct stream *parent)
{
	return s->fan->fed &&
	       strcmp(s->entity->parent, parent->entity->name) == 0;
}

/* Will the parent's stream list, from its first page, all that we need? */
static bool
can_eat(const struct stream *s, const struct stream *parent)
{
	return parent != NULL && parent->wanted && !parent->done &&
	       !parent->ended && !parent->running && parent->resume == NULL &&
	       parent->mode == s->mode && strcmp(parent->since, s->since) == 0;
}

void
fan_start(struct stream *s)
{
	const struct scope *scope = s->source->fetch->scope;
	struct fan *f = xcalloc(1, sizeof(*f));

	f->stream = s;
	s->fan = f;
	snprintf(f->type, sizeof(f->type), "%s.%s", s->source->config.connector,
	    s->entity->parent);
	f->scoped = scope != NULL && scope_tests(scope, f->type);
	f->fed = can_eat(s, source_stream(s->source, s->entity->parent));
	if (!f->fed)
		scan(f);
}

int64_t
fan_expected(const struct stream *s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s->fan->n; i++)
		if (!s->fan->parents[i].out && s->fan->parents[i].count > 0)
			n += s->fan->parents[i].count;
	return s->fan->ready ? n : 0;
}
