/*
 * feed.c - plays a fetch and its transforms against a join service.
 *
 * feed ENDPOINT FILE [INSTANCE [MODE [STOP]]]: says hello, then sends the
 * records and ends of FILE (run and epoch 0 in it) under the run and epoch
 * that the answer names, at most 32 unacknowledged, every third one late and
 * every fifth one twice.  Resends on a gap or when join was restarted; skips
 * what is committed.  Ends with 0 when all is acknowledged, 1 when it was
 * fenced, 3 after STOP messages were sent.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "msg.h"

#define WINDOW 32

struct item {
	char *text; /* owned */
	char *stream; /* owned */
	int64_t seq, sent_ms;
	int acked;
};

struct feed {
	struct loop *loop;
	struct bus_socket *socket;
	struct loop_timer *timer;
	const char *instance, *mode;
	char *boot;
	char *source; /* of FILE */
	int64_t run, epoch, heard_ms, hello_ms;
	struct item *items;
	size_t n, sent, stop;
	int code;
};

static void
hello(struct feed *f)
{
	static const char streams[] = "[\"User\",\"Group\",\"GroupMember\"]";
	struct buf b = { 0 };

	msg_open(&b, MSG_HELLO);
	msg_str(&b, MSG_ROLE, "fetch");
	msg_str(&b, MSG_SOURCE, f->source);
	msg_str(&b, MSG_MODE, f->mode);
	msg_str(&b, MSG_INSTANCE, f->instance);
	msg_raw(&b, MSG_STREAMS, streams, strlen(streams));
	msg_close(&b);
	(void)bus_send(f->socket, NULL, b.data, b.len);
	f->hello_ms = clock_ms();
	buf_free(&b);
}

/* The item's text under the run and epoch of now. */
static int
send_item(struct feed *f, struct item *item)
{
	static const char old[] = "\"run\":0,\"epoch\":0";
	char *at = strstr(item->text, old);
	struct buf b = { 0 };
	int rc;

	buf_add(&b, item->text, (size_t)(at - item->text));
	buf_fmt(&b, "\"run\":%lld,\"epoch\":%lld", (long long)f->run,
	    (long long)f->epoch);
	buf_str(&b, at + strlen(old));
	rc = bus_send(f->socket, NULL, b.data, b.len);
	buf_free(&b);
	if (rc == 0) {
		item->sent_ms = clock_ms();
		f->sent++;
	}
	return rc;
}

static void
pump(struct feed *f)
{
	size_t open = 0;

	if (f->run == 0)
		return;
	for (size_t i = 0; i < f->n && open < WINDOW; i++) {
		struct item *item = &f->items[i];

		if (item->acked)
			continue;
		open++;
		if (item->sent_ms != 0)
			continue;
		/* Out of order: the one behind it goes first. */
		if (i % 3 == 0 && i + 1 < f->n && open < WINDOW &&
		    f->items[i + 1].sent_ms == 0 && !f->items[i + 1].acked &&
		    send_item(f, &f->items[i + 1]) != 0)
			return;
		if (send_item(f, item) != 0)
			return;
		if (i % 5 == 0)
			(void)send_item(f, item);
		if (f->stop > 0 && f->sent >= f->stop) {
			f->code = 3;
			loop_stop(f->loop);
			return;
		}
	}
	if (open == 0) {
		f->code = 0;
		loop_stop(f->loop);
	}
}

static void
take_state(struct feed *f, const struct msg *m)
{
	if (f->boot != NULL && strcmp(f->boot, m->boot) == 0 &&
	    f->epoch == m->epoch)
		return;
	free(f->boot);
	f->boot = xstrdup(m->boot);
	f->run = m->run;
	f->epoch = m->epoch;
	for (size_t i = 0; i < f->n; i++) {
		yyjson_val *s = json_get(m->streams, f->items[i].stream);

		f->items[i].sent_ms = 0;
		f->items[i].acked =
		    json_true(s, "done") ||
		    f->items[i].seq <= json_int(json_get(s, MSG_SEQ), 0);
	}
}

static void
take(struct feed *f, const struct msg *m)
{
	f->heard_ms = clock_ms();
	if (m->kind == MSG_STATE_ANSWER)
		take_state(f, m);
	if (m->kind == MSG_BEAT && f->boot != NULL &&
	    strcmp(f->boot, m->instance) != 0)
		hello(f);
	if (m->kind == MSG_FENCED) {
		printf("fenced%s: %s\n", m->permanent ? " for good" : "",
		    m->why != NULL ? m->why : "");
		f->code = 1;
		loop_stop(f->loop);
	}
	for (size_t i = 0; i < f->n; i++) {
		struct item *item = &f->items[i];

		if (m->stream == NULL || m->epoch != f->epoch ||
		    strcmp(m->stream, item->stream) != 0)
			continue;
		if (m->kind == MSG_ACK && item->seq <= m->seq)
			item->acked = 1;
		if (m->kind == MSG_GAP && item->seq == m->seq)
			item->sent_ms = 0;
	}
}

static void
on_message(void *arg, short events)
{
	struct feed *f = arg;
	const char *bytes;
	size_t len;

	(void)events;
	while (bus_recv(f->socket, NULL, &bytes, &len) == 1) {
		struct why why;
		struct msg m;

		if (msg_read(&m, bytes, len, &why) != 0)
			die(EXIT_TEMPORARY, "%s", why.text);
		take(f, &m);
		msg_free(&m);
	}
	pump(f);
}

static void
on_timer(void *arg)
{
	struct feed *f = arg;
	int64_t now = clock_ms();
	struct buf b = { 0 };

	if (f->run == 0 ||
	    (now - f->heard_ms > 2000 && now - f->hello_ms > 500))
		hello(f);
	msg_from(&b, MSG_BEAT, f->instance);
	(void)bus_send(f->socket, NULL, b.data, b.len);
	buf_free(&b);
	pump(f);
	loop_timer_at(f->timer, now + 200);
}

static void
read_items(struct feed *f, const char *path)
{
	FILE *in = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	if (in == NULL)
		die(EXIT_USAGE, "%s: cannot open", path);
	for (;;) {
		struct why why;
		struct msg m;

		len = getline(&line, &cap, in);
		if (len <= 0)
			break;
		line[--len] = '\0';
		if (msg_read(&m, line, (size_t)len, &why) != 0)
			die(EXIT_USAGE, "%s: %s", path, why.text);
		if (f->source == NULL)
			f->source = xstrdup(m.source);
		f->items = xrealloc(f->items, (f->n + 1) * sizeof(*f->items));
		f->items[f->n++] = (struct item){ .text = xstrdup(line),
			.stream = xstrdup(m.stream),
			.seq = m.seq };
		msg_free(&m);
	}
	free(line);
	fclose(in);
}

int
main(int argc, char *argv[])
{
	struct feed f = { .mode = "auto", .code = EXIT_TEMPORARY };
	struct bus *bus = bus_new();
	struct why why;

	log_open("feed");
	if (argc < 3)
		die(EXIT_USAGE, "usage: feed ENDPOINT FILE [INSTANCE [MODE "
				"[STOP]]]");
	read_items(&f, argv[2]);
	f.instance = argc > 3 ? argv[3] : bus_instance();
	f.mode = argc > 4 ? argv[4] : "auto";
	f.stop = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
	f.loop = loop_new();
	f.socket = bus_connect(bus, argv[1], &why);
	if (f.socket == NULL)
		die(EXIT_USAGE, "%s", why.text);
	loop_socket(f.loop, bus_raw(f.socket), on_message, &f);
	f.timer = loop_timer(f.loop, clock_ms(), on_timer, &f);
	loop_run(f.loop);
	bus_close(f.socket);
	bus_free(bus);
	loop_free(f.loop);
	for (size_t i = 0; i < f.n; i++) {
		free(f.items[i].text);
		free(f.items[i].stream);
	}
	free(f.items);
	free(f.boot);
	free(f.source);
	return f.code;
}
