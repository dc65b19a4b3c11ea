/*
 * rules_streams.c - the streams that fetch reads, as far as rules must know.
 *
 * Beside the compiler: other programs may send pages of connectors and types
 * of their own, so a map for what fetch does not read is right; one that is
 * nearly for what it reads is misspelt and would never see a record.
 */

#include "rules_impl.h"

#include <string.h>

static const char *const streams[] = { "okta.User", "okta.Group",
	"okta.GroupMember", "okta.GroupRule", "entra.User", "entra.Group",
	"entra.GroupMember" };

#define STREAMS (sizeof(streams) / sizeof(streams[0]))

static int
is_fetched(const char *map)
{
	for (size_t i = 0; i < STREAMS; i++) {
		if (strcmp(streams[i], map) == 0)
			return 1;
	}
	return 0;
}

static void
list_streams(struct buf *out)
{
	buf_str(out, "fetch reads ");
	for (size_t i = 0; i < STREAMS; i++)
		buf_fmt(out, "%s%s", i > 0 ? ", " : "", streams[i]);
}

/* Letters that two names differ by; SIZE_MAX when they are not alike. */
static size_t
misspelt(const char *map, const char *stream)
{
	size_t a = strcspn(map, "."), b = strcspn(stream, "."), name, type;
	char own[16], theirs[16];

	if (map[a] == '\0' || a >= sizeof(own) || b >= sizeof(theirs))
		return SIZE_MAX;
	memcpy(own, map, a);
	memcpy(theirs, stream, b);
	own[a] = theirs[b] = '\0';
	name = why_distance(own, theirs);
	type = why_distance(map + a + 1, stream + b + 1);
	/* Short names that differ by two letters are just other names. */
	if (name > 1 || type > (strlen(map + a + 1) < 8 ? 1 : 2))
		return SIZE_MAX;
	return name + type;
}

void
rules_check_stream(struct rules *r, struct statement *st)
{
	size_t best = SIZE_MAX;
	const char *meant = NULL;
	struct buf list = { 0 };

	if (is_fetched(st->name))
		return;
	for (size_t i = 0; i < STREAMS; i++) {
		size_t d = misspelt(st->name, streams[i]);

		if (d < best) {
			best = d;
			meant = streams[i];
		}
	}
	if (meant == NULL)
		return;
	list_streams(&list);
	load_error(&r->load, st->file, st->line,
	    "unknown map \"%s\": did you mean \"%s\"? %s", st->name, meant,
	    list.data);
	buf_free(&list);
	st->name = meant;
}

void
rules_list_foreign(const struct rules *r, struct buf *out)
{
	size_t foreign = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct rules_map *m = &r->maps[i];

		if (is_fetched(m->name))
			continue;
		buf_fmt(out, "%s %s:%d: fetch reads no such stream\n", m->name,
		    m->file, m->line);
		foreign++;
	}
	if (foreign == 0)
		return;
	list_streams(out);
	buf_char(out, '\n');
}
