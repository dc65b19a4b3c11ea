/*
 * out.c - the sources that could not be read, and for how long already.
 *
 * A fetch that is refused stays out of a round and is tried in the next one.
 * supervise.c tells when one goes out or is back, summary.c and show.c ask.
 */

#include "out.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

void
out_names(const struct child *c, struct buf *text)
{
	for (size_t i = 0; i < c->n_sources; i++)
		buf_fmt(text, "%s%s", i > 0 ? ", " : "", c->sources[i]);
}

void
out_goes(struct child *c)
{
	if (c->out_rounds++ == 0)
		c->out_since_ms = clock_wall_ms();
	free(c->out_why);
	c->out_why = c->last_words != NULL ? xstrdup(c->last_words) : NULL;
}

void
out_text(const struct child *c, struct buf *text)
{
	char since[CLOCK_TEXT];

	clock_rfc3339(c->out_since_ms, since);
	buf_fmt(text, "out for %d round%s, since %s", c->out_rounds,
	    c->out_rounds == 1 ? "" : "s", since);
}

void
out_comes_back(struct child *c)
{
	struct buf text = { 0 };

	if (c->out_rounds == 0)
		return;
	out_names(c, &text);
	buf_str(&text, " is back; it was ");
	out_text(c, &text);
	log_info("%s", text.data);
	buf_free(&text);
	c->out_rounds = 0;
}

void
out_status(const struct run *r, struct buf *text)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct child *c = &r->children[i];

		if (c->out_rounds == 0)
			continue;
		buf_str(text, "; ");
		out_names(c, text);
		buf_str(text, " is ");
		out_text(c, text);
	}
}

void
out_print(const struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct child *c = &r->children[i];
		struct buf text = { 0 };

		if (c->out_rounds == 0)
			continue;
		out_names(c, &text);
		buf_str(&text, " was not read: ");
		out_text(c, &text);
		if (c->out_why != NULL)
			buf_fmt(&text, ": %s", c->out_why);
		buf_char(&text, '\n');
		fwrite(text.data, 1, text.len, stderr);
		buf_free(&text);
	}
}

/* {"source":"okta:other","rounds":3,"since":"...","why":"..."} */
static void
put_source(const struct child *c, const char *source, struct buf *json)
{
	char since[CLOCK_TEXT];

	clock_rfc3339(c->out_since_ms, since);
	if (json->data[json->len - 1] != '[')
		buf_char(json, ',');
	buf_str(json, "{\"source\":");
	buf_json_str(json, source);
	buf_fmt(json, ",\"rounds\":%d,\"since\":\"%s\",\"why\":", c->out_rounds,
	    since);
	buf_json_str(json, c->out_why);
	buf_char(json, '}');
}

void
out_json(const struct run *r, struct buf *json)
{
	buf_char(json, '[');
	for (size_t i = 0; i < r->n; i++) {
		const struct child *c = &r->children[i];

		for (size_t k = 0; c->out_rounds > 0 && k < c->n_sources; k++)
			put_source(c, c->sources[k], json);
	}
	buf_char(json, ']');
}
