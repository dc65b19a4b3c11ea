/*
 * map.c - one page in, one records message out.
 *
 * The middle of the flow: fetch's pages come from pipe.c, child.c or
 * worker.c, and what is made of them goes to join.  The header is copied, each
 * record is put through the compiled rules straight into the outgoing buffer;
 * records that cannot be mapped become entries of "bad" and travel along.
 */

#include "transform.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "mem.h"

#define CONNECTOR_MAX 64
#define HEADER_BYTES ((size_t)64 << 10) /* more than a header takes */

int
mapper_open(struct mapper *m, const char *dir)
{
	struct buf errors = { 0 };

	*m = (struct mapper){ .dir = dir };
	m->rules = rules_load(dir, &errors);
	log_error_lines(errors.data);
	buf_free(&errors);
	if (m->rules == NULL)
		return -1;
	m->failures = failures_new();
	return 0;
}

void
mapper_close(struct mapper *m)
{
	for (size_t i = 0; i < TRANSFORM_FILTERS; i++)
		filter_free(m->filters[i].filter);
	reject_free(&m->rejects);
	failures_free(m->failures);
	rules_free(m->rules);
	m->rules = NULL;
	json_room_free(&m->room);
}

int
mapper_reload(struct mapper *m)
{
	struct buf errors = { 0 };
	struct rules *fresh = rules_load(m->dir, &errors);

	log_error_lines(errors.data);
	buf_free(&errors);
	if (fresh == NULL) {
		log_error("%s: not taken, the rules %s stay in force", m->dir,
		    rules_version(m->rules));
		return -1;
	}
	rules_free(m->rules);
	m->rules = fresh;
	log_info("%s: rules %s are in force", m->dir, rules_version(fresh));
	return 0;
}

void
log_counts(uint64_t pages, uint64_t records, uint64_t rejected)
{
	log_info("%llu page%s, %llu record%s, %llu rejected",
	    (unsigned long long)pages, pages == 1 ? "" : "s",
	    (unsigned long long)records, records == 1 ? "" : "s",
	    (unsigned long long)rejected);
}

void
mapper_report(const struct mapper *m)
{
	failures_report(m->failures);
	log_counts(m->pages, m->records, m->rejects.n);
}

/* The filter of the header; 0 when there is none or it is known now. */
static int
find_filter(struct mapper *m, const struct msg *msg, struct rules_page *page,
    struct why *why)
{
	const char *text = json_text(msg->filter, MSG_TEXT);
	const char *route = json_text(msg->filter, MSG_ROUTE);
	enum filter_entity entity = FILTER_USER;
	struct known_filter *known;

	if (text == NULL || strcmp(msg->stream, "GroupMember") == 0)
		return 0;
	if (strcmp(msg->stream, "Group") == 0)
		entity = FILTER_GROUP;
	if (route != NULL && strcmp(route, "search") == 0)
		page->route = FILTER_BY_SEARCH;
	for (size_t i = 0; i < TRANSFORM_FILTERS; i++) {
		known = &m->filters[i];
		if (known->filter != NULL && known->entity == entity &&
		    strcmp(filter_text(known->filter), text) == 0) {
			page->filter = known->filter;
			return 0;
		}
	}
	known = &m->filters[m->next_filter];
	filter_free(known->filter);
	known->entity = entity;
	known->filter = filter_parse(text, strlen(text), entity, why);
	page->filter = known->filter;
	m->next_filter = (m->next_filter + 1) % TRANSFORM_FILTERS;
	return known->filter != NULL ? 0 : -1;
}

/* The header of the answer; the page's own fields are copied. */
static void
write_header(const struct mapper *m, const struct msg *page, struct buf *out)
{
	msg_open(out, MSG_MAPPED);
	msg_address(out, page->source, page->stream, page->run, page->epoch);
	msg_int(out, MSG_SEQ, page->seq);
	msg_int(out, MSG_N, (int64_t)yyjson_arr_size(page->records));
	msg_str(out, MSG_MODE, page->mode);
	msg_str(out, MSG_AT, page->at);
	msg_str(out, MSG_REQUEST, page->request);
	msg_str(out, MSG_RULES, rules_version(m->rules));
	/* What a dead letter needs to be mapped again. */
	msg_val(out, MSG_FILTER, page->filter);
	msg_val(out, MSG_KEY, page->key);
	msg_str(out, MSG_EXTERNAL_ID, page->external_id);
	msg_str(out, MSG_REMOVED, page->removed);
	if (m->keep_raw)
		msg_val(out, MSG_KEEP, page->keep);
	msg_val(out, MSG_CONTEXT, page->context);
	if (page->partial)
		msg_bool(out, MSG_PARTIAL, true);
	if (page->last)
		msg_bool(out, MSG_LAST, true);
	msg_val(out, MSG_STATE, page->state);
}

/* A page that is being mapped. */
struct mapping {
	struct mapper *m;
	const struct msg *msg;
	struct rules_page page;
	int isolate;
	char map[2 * CONNECTOR_MAX]; /* "okta.User" */
	size_t record_max; /* bytes that a mapped record may take, 0: any */
	bool raw; /* each one carries what it was made of */
	bool again; /* failures are counted already */
	struct buf *out;
};

static enum rules_result
map_record(
    struct mapping *w, yyjson_val *record, struct why *why, const char **id)
{
	if (w->isolate)
		return isolate_record(w->m, &w->page, record, w->out, why, id);
	return rules_record(w->m->rules, record, w->out, why, id);
}

/* Into the mapped record that has just been written, as its last member. */
static void
add_raw(struct buf *out, yyjson_val *record)
{
	out->len--;
	msg_val(out, MSG_RAW, record);
	buf_char(out, '}');
}

static void
map_one(struct mapping *w, size_t index, yyjson_val *record)
{
	size_t before = w->out->len;
	const char *id = NULL;
	struct why why;

	if (map_record(w, record, &why, &id) == RULES_BAD) {
		w->out->len = before;
		reject_add(&w->m->rejects, w->msg, index, id, &why,
		    w->record_max == 0 ? record : NULL);
		return;
	}
	if (w->record_max > 0 && w->out->len - before > w->record_max) {
		why_set(&why, "E_SIZE", NULL,
		    "%zu bytes when mapped; its page does not fit into a "
		    "message of %zu: map fewer attributes",
		    w->out->len - before, MSG_MAX);
		w->out->len = before;
		reject_add(&w->m->rejects, w->msg, index, id, &why, NULL);
		return;
	}
	if (!w->again)
		failures_note(w->m->failures, w->map, id, w->out->data + before,
		    w->out->len - before);
	if (w->raw)
		add_raw(w->out, record);
	buf_char(w->out, ',');
}

/* Moves the list of rejected records to its place before the records. */
static void
insert_bad(struct buf *out, size_t at, const struct buf *list)
{
	if (list->len == 0)
		return;
	buf_reserve(out, list->len);
	memmove(out->data + at + list->len, out->data + at, out->len - at);
	memcpy(out->data + at, list->data, list->len);
	out->len += list->len;
}

static void
map_records(struct mapping *w)
{
	static const char open_records[] = "],\"" MSG_RECORDS "\":[";
	struct buf *out = w->out;
	size_t bad_at, records_at, i, n;
	yyjson_val *record;

	msg_raw(out, MSG_BAD, "[", 1);
	bad_at = out->len;
	buf_add(out, open_records, sizeof(open_records) - 1);
	records_at = out->len;
	yyjson_arr_foreach(w->msg->records, i, n, record) map_one(w, i, record);
	if (out->len > records_at)
		out->len--;
	buf_char(out, ']');
	insert_bad(out, bad_at, &w->m->rejects.list);
}

static int
begin(struct mapping *w, char connector[CONNECTOR_MAX], struct why *why)
{
	const struct msg *msg = w->msg;
	struct buf errors = { 0 };

	snprintf(connector, CONNECTOR_MAX, "%.*s",
	    (int)strcspn(msg->source, ":"), msg->source);
	snprintf(w->map, sizeof(w->map), "%s.%.60s", connector, msg->stream);
	w->page = (struct rules_page){ .connector = connector,
		.source = msg->source,
		.stream = msg->stream,
		.at = msg->at,
		.context = msg->context,
		.key = msg->key,
		.external_id = msg->external_id,
		.removed = msg->removed,
		.keep = msg->keep,
		.tick = w->m->tick,
		.tick_arg = w->m->tick_arg };
	if (find_filter(w->m, msg, &w->page, why) < 0)
		return EXIT_TEMPORARY;
	if (rules_page_begin(w->m->rules, &w->page, &errors) < 0) {
		why_set(why, "E_RULES", msg->source, "%.*s",
		    (int)strcspn(errors.data, "\n"), errors.data);
		buf_free(&errors);
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

/* One pass over the page. */
static int
map_page(struct mapping *w, struct why *why)
{
	char connector[CONNECTOR_MAX];
	int code;

	buf_clear(&w->m->rejects.list);
	code = begin(w, connector, why);
	if (code != EXIT_DONE)
		return code;
	write_header(w->m, w->msg, w->out);
	map_records(w);
	msg_close(w->out);
	rules_page_end(w->m->rules);
	return EXIT_DONE;
}

/* A page that outgrew a message because of them goes without raw records. */
static int
map_page_plain(struct mapping *w, size_t start, struct why *why)
{
	w->out->len = start;
	w->raw = false;
	w->again = true;
	log_warn("%s %s page %lld goes without its raw records: they do not "
		 "fit into a message of %zu bytes; let fetch ask for smaller "
		 "pages",
	    w->msg->source, w->msg->stream, (long long)w->msg->seq, MSG_MAX);
	return map_page(w, why);
}

/*
 * A page that outgrew a message is mapped once more with an equal share for
 * each record; what takes more is rejected, without its raw text.
 */
static int
map_page_again(struct mapping *w, size_t start, struct why *why)
{
	size_t records = yyjson_arr_size(w->msg->records);
	int code;

	w->out->len = start;
	w->again = true;
	/* A header may be too large alone. */
	w->record_max = (MSG_MAX - HEADER_BYTES) / (records > 0 ? records : 1);
	code = map_page(w, why);
	if (code == EXIT_DONE && w->out->len - start > MSG_MAX) {
		why_set(why, "E_SIZE", w->msg->source,
		    "page %lld of %s is over %zu bytes when mapped: let fetch "
		    "ask for smaller pages",
		    (long long)w->msg->seq, w->msg->stream, MSG_MAX);
		return EXIT_TEMPORARY;
	}
	return code;
}

enum exit_code
mapper_page(struct mapper *m, const struct msg *page, int isolate,
    struct buf *out, struct why *why)
{
	struct mapping w = { .m = m,
		.msg = page,
		.isolate = isolate || page->isolate,
		.raw = m->keep_raw,
		.out = out };
	size_t start = out->len;
	uint64_t rejected = m->rejects.n;
	int code = map_page(&w, why);

	if (code == EXIT_DONE && w.raw && out->len - start > MSG_MAX) {
		m->rejects.n = rejected;
		code = map_page_plain(&w, start, why);
	}
	if (code == EXIT_DONE && out->len - start > MSG_MAX) {
		m->rejects.n = rejected;
		code = map_page_again(&w, start, why);
	}
	if (code != EXIT_DONE) {
		out->len = start;
		return (enum exit_code)code;
	}
	m->pages++;
	m->records += yyjson_arr_size(page->records);
	return EXIT_DONE;
}

enum exit_code
mapper_line(struct mapper *m, const char *line, size_t len, int isolate,
    struct buf *out, struct why *why)
{
	enum exit_code code;
	struct msg msg;

	if (msg_read_in(&msg, &m->room, line, len, why) < 0)
		return msg_code(why);
	code = mapper_page(m, &msg, isolate, out, why);
	msg_free(&msg);
	return code;
}
