/*
 * resume.c - where the streams of a source stand when fetch begins.
 *
 * A committer says it in a `state` message: read from a file here, or brought
 * by out_bus.c.  Without one everything is read, as run 0.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fetch.h"
#include "json.h"
#include "lines.h"
#include "mem.h"
#include "stream.h"

#define CODE_TORN "E_TORN"

static void
copy_time(char out[CLOCK_TEXT], const char *text)
{
	int64_t ms;

	out[0] = '\0';
	if (text != NULL && clock_parse_rfc3339(text, strlen(text), &ms) == 0)
		clock_rfc3339(ms, out);
}

/* What an earlier process of this run already knew. */
static void
take_state(struct stream *s, yyjson_val *state)
{
	yyjson_mut_doc *doc;

	if (!yyjson_is_obj(state) || yyjson_obj_size(state) == 0)
		return;
	doc = yyjson_mut_doc_new(NULL);
	if (doc == NULL)
		die(EXIT_TEMPORARY, "out of memory");
	yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, state));
	s->resume = yyjson_mut_doc_imut_copy(doc, NULL);
	yyjson_mut_doc_free(doc);
	copy_time(s->start, json_text(state, "start"));
	s->n = json_int(json_get(state, "n"), 0);
	s->restarts = json_int(json_get(state, "restarts"), 0);
	s->first = json_int(json_get(state, "first"), 1);
}

static int
take_stream(struct stream *s, yyjson_val *v, struct why *why)
{
	const char *mode = json_text(v, MSG_MODE);
	const char *since = json_text(v, MSG_SINCE);

	s->mode = mode != NULL && strcmp(mode, MSG_DELTA) == 0 ? MODE_DELTA
							       : MODE_FULL;
	if (s->source->kind == NULL && s->entity->delta == NULL)
		s->mode = MODE_FULL;
	s->seq = json_int(json_get(v, MSG_SEQ), 0);
	s->done = json_true(v, MSG_DONE);
	s->expected = json_int(json_get(v, MSG_EXPECTED), 0);
	copy_time(s->since, since);
	free(s->mark);
	s->mark = since != NULL ? xstrdup(since) : NULL;
	take_state(s, json_get(v, MSG_STATE));
	if (s->mode == MODE_DELTA && !s->done && s->since[0] == '\0' &&
	    s->source->kind == NULL)
		return why_set(why, "E_STATE", s->entity->name,
		    since == NULL
			? "a delta of %s needs a watermark and there is none; "
			  "run a full import first"
			: "the watermark of %s is no RFC 3339 time, such as "
			  "2026-04-22T08:15:30.000Z",
		    s->entity->name);
	return 0;
}

static struct source *
find_source(struct fetch *f, const char *name)
{
	for (size_t i = 0; i < f->n_sources; i++)
		if (strcmp(f->sources[i].name, name) == 0)
			return &f->sources[i];
	return NULL;
}

int
resume_state(struct fetch *f, const struct msg *m, struct why *why)
{
	struct source *s = find_source(f, m->source);
	yyjson_val *v;

	if (m->kind != MSG_STATE_ANSWER)
		return why_set(why, "E_STATE", m->source,
		    "a \"state\" message is wanted, not \"%s\"",
		    msg_kind_name(m->kind));
	if (s == NULL)
		return why_set(why, "E_STATE", m->source,
		    "the state is of %s, which is none of the sources here",
		    m->source);
	s->run = m->run;
	s->epoch = m->epoch;
	free(s->boot);
	s->boot = m->boot != NULL ? xstrdup(m->boot) : NULL;
	for (size_t i = 0; i < s->n_streams; i++) {
		struct stream *t = &s->streams[i];

		v = json_get(m->streams, t->entity->name);
		t->named = v != NULL && !json_true(v, MSG_DONE);
		if (!t->wanted)
			continue;
		t->first_import =
		    m->watermark == NULL || yyjson_is_null(m->watermark);
		if (v != NULL && take_stream(t, v, why) < 0)
			return -1;
	}
	s->positioned = true;
	return 0;
}

static int
take_line(struct fetch *f, const char *line, size_t len, struct why *why)
{
	struct why no;
	struct msg m;
	int result;

	if (msg_read(&m, line, len, &no) < 0)
		return why_set(why, "E_STATE", f->opt.resume,
		    "%s holds no state message: %.300s", f->opt.resume,
		    no.text);
	result = resume_state(f, &m, why);
	msg_free(&m);
	return result;
}

static int
all_positioned(const struct fetch *f, const char *path, struct why *why)
{
	for (size_t i = 0; i < f->n_sources; i++)
		if (!f->sources[i].positioned)
			return why_set(why, "E_STATE", path,
			    "%s has no state of %s", path, f->sources[i].name);
	return 0;
}

int
resume_file(struct fetch *f, const char *path, struct why *why)
{
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO
					: open(path, O_RDONLY | O_CLOEXEC);
	enum lines_result r;
	struct lines *l;
	int result = 0, n = 0;
	char *line;
	size_t len;

	if (fd < 0)
		return why_set(why, "E_STATE", path, "cannot read %s: %s", path,
		    strerror(errno));
	l = lines_new(fd);
	for (;;) {
		r = lines_next(l, &line, &len);
		if (r != LINES_ONE)
			break;
		result = take_line(f, line, len, why);
		if (result < 0)
			break;
		n++;
	}
	if (result == 0 && (r != LINES_END || n == 0))
		result = why_set(why, CODE_TORN, path,
		    "%s %s: did what writes it fail?", path,
		    n == 0 && r == LINES_END
			? "is empty"
			: "does not end with a whole line");
	lines_free(l);
	if (fd != STDIN_FILENO)
		close(fd);
	return result == 0 ? all_positioned(f, path, why) : -1;
}

enum exit_code
resume_code(const struct why *why)
{
	return strcmp(why->code, CODE_TORN) == 0 ? EXIT_TEMPORARY : EXIT_USAGE;
}

int
resume_nothing(struct fetch *f, struct why *why)
{
	if (f->opt.mode != NULL && strcmp(f->opt.mode, MSG_DELTA) == 0)
		return why_set(why, "E_STATE", NULL,
		    "--mode delta needs a watermark: give --resume, or "
		    "--jobs and --commit");
	for (size_t i = 0; i < f->n_sources; i++) {
		struct source *s = &f->sources[i];

		for (size_t k = 0; k < s->n_streams; k++)
			s->streams[k].first_import = true;
		s->positioned = true;
	}
	return 0;
}
