/*
 * link_header.c - where the next page of a listing is.
 *
 * fetch calls link_next() with the Link lines of one answer.  Split on
 * structure and not on commas, because commas, semicolons and quotes are
 * legal inside < >.  Owns nothing; writes into the caller's buffer.
 */

#include "link_header.h"

#include <string.h>
#include <strings.h>

struct scan {
	const char *at, *end;
};

/* One token or quoted string, borrowed from the header. */
struct text {
	const char *s;
	size_t len;
};

static int
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
skip_blank(struct scan *in)
{
	while (in->at < in->end && is_blank(*in->at))
		in->at++;
}

/* Takes the character when it is the next one. */
static int
take(struct scan *in, char c)
{
	if (in->at >= in->end || *in->at != c)
		return 0;
	in->at++;
	return 1;
}

static struct text
token(struct scan *in)
{
	struct text t = { in->at, 0 };

	while (in->at < in->end && !is_blank(*in->at) && *in->at != '\0' &&
	       strchr("=;,\"", *in->at) == NULL)
		in->at++;
	t.len = (size_t)(in->at - t.s);
	return t;
}

/* Behind the opening quote; -1 when the closing one is missing. */
static int
quoted(struct scan *in, struct text *t)
{
	t->s = in->at;
	while (in->at < in->end && *in->at != '"')
		in->at += *in->at == '\\' && in->at + 1 < in->end ? 2 : 1;
	t->len = (size_t)(in->at - t->s);
	return take(in, '"') ? 0 : -1;
}

/* Is the word one of a list separated by blanks? */
static int
lists(struct text t, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < t.len;) {
		size_t from;

		while (i < t.len && is_blank(t.s[i]))
			i++;
		from = i;
		while (i < t.len && !is_blank(t.s[i]))
			i++;
		if (i - from == len && strncasecmp(t.s + from, word, len) == 0)
			return 1;
	}
	return 0;
}

/*
 * The parameters behind a URL.  1 when the first rel among them lists next
 * (later ones are ignored, RFC 8288 3.3), 0 when not, -1 when torn.
 */
static int
relation(struct scan *in)
{
	int rel = -1;

	for (skip_blank(in); take(in, ';'); skip_blank(in)) {
		struct text name, value = { in->at, 0 };

		skip_blank(in);
		name = token(in);
		skip_blank(in);
		if (take(in, '=')) {
			skip_blank(in);
			if (!take(in, '"'))
				value = token(in);
			else if (quoted(in, &value) != 0)
				return -1;
		}
		if (rel < 0 && name.len == 3 &&
		    strncasecmp(name.s, "rel", 3) == 0)
			rel = lists(value, "next");
	}
	return rel == 1;
}

/* Path and query of the URL, without its origin and fragment. */
static int
add_path(struct text url, struct buf *path)
{
	static const char *const schemes[] = { "https://", "http://" };
	const char *s = url.s, *end = url.s + url.len;
	const char *hash = memchr(s, '#', url.len);
	size_t skip = 0;

	for (size_t i = 0; i < 2 && skip == 0; i++)
		if (url.len > strlen(schemes[i]) &&
		    strncasecmp(s, schemes[i], strlen(schemes[i])) == 0)
			skip = strlen(schemes[i]);
	if (hash != NULL)
		end = hash;
	if (skip == 0 &&
	    (end == s || *s != '/' || (end - s > 1 && s[1] == '/')))
		return -1;
	for (const char *p = s; p < end; p++)
		if ((unsigned char)*p <= ' ' || *p == 127)
			return -1;
	s += skip;
	if (skip > 0 && (s == end || *s == '/' || *s == '?'))
		return -1;
	while (skip > 0 && s < end && *s != '/' && *s != '?')
		s++;
	buf_clear(path);
	if (s == end || *s == '?')
		buf_char(path, '/');
	buf_add(path, s, (size_t)(end - s));
	return 1;
}

/* Ends one link: a comma or a new line, then whatever is empty. */
static void
separators(struct scan *in)
{
	while (in->at < in->end && (is_blank(*in->at) || *in->at == ','))
		in->at++;
}

int
link_next(const char *header, size_t len, struct buf *path)
{
	struct scan in = { header, header + len };

	for (separators(&in); in.at < in.end; separators(&in)) {
		struct text url;
		const char *close;
		int next;

		if (!take(&in, '<'))
			return -1;
		close = memchr(in.at, '>', (size_t)(in.end - in.at));
		if (close == NULL)
			return -1;
		url = (struct text){ in.at, (size_t)(close - in.at) };
		in.at = close + 1;
		next = relation(&in);
		if (next != 0)
			return next < 0 ? -1 : add_path(url, path);
		if (in.at < in.end && *in.at != ',' && *in.at != '<')
			return -1;
	}
	return 0;
}

int
link_path(const char *url, size_t len, struct buf *path)
{
	return add_path((struct text){ url, len }, path);
}
