/*
 * source.c - a source file becomes a source with streams.
 *
 * command.c and fetch_test.c open them.  Owns the configuration, the
 * effective filter and the secret.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "fetch.h"
#include "mem.h"
#include "secret.h"
#include "stream.h"

/* One error a line, each with the place it already names. */
static _Noreturn void
refuse(struct buf *errors)
{
	char *rest = errors->data, *line;

	for (;;) {
		line = strsep(&rest, "\n");
		if (line == NULL)
			break;
		if (*line != '\0')
			log_error("%s", line);
	}
	exit(EXIT_USAGE);
}

static struct filter *
parse(const char *text, const char *where)
{
	struct filter *f;
	struct why why;

	if (text == NULL)
		return NULL;
	f = filter_parse(text, strlen(text), FILTER_USER, &why);
	if (f == NULL)
		die(EXIT_USAGE, "%s: %s", where, why.text);
	return f;
}

/* UserSearchFilter and the scope of the rules: both must hold. */
static struct filter *
effective(const struct fetch *f, const struct source *s)
{
	const char *scoped =
	    f->scope != NULL ? scope_search(f->scope, "okta.User") : NULL;
	struct filter *a, *b, *both;
	struct why why;

	a = parse(s->config.user_search_filter, s->config.path);
	b = parse(scoped, "scope \"okta.User\"");
	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	both = filter_and(a, b, FILTER_USER, &why);
	if (both == NULL)
		die(EXIT_USAGE, "%s and the rules' scope together: %s",
		    s->config.path, why.text);
	filter_free(a);
	filter_free(b);
	return both;
}

static bool
listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, name, len) == 0 &&
		    (p[len] == ',' || p[len] == '\0'))
			return true;
	}
	return false;
}

void
source_open(struct fetch *f, struct source *s, const char *path)
{
	struct buf errors = { 0 };
	const struct entity *e;

	s->fetch = f;
	if (config_source_read(path, &s->config, &errors) < 0)
		refuse(&errors);
	buf_free(&errors);
	s->name = xasprintf("%s:%s", s->config.connector, s->config.name);
	s->filter = effective(f, s);
	for (size_t i = 0;; i++) {
		e = okta_entity(i);
		if (e == NULL)
			break;
		s->streams[s->n_streams++] = (struct stream){
			.source = s,
			.entity = e,
			.wanted = okta_wanted(&s->config, e) &&
				  (f->opt.streams == NULL ||
				      listed(f->opt.streams, e->name)),
		};
	}
}

/*
 * Sources of one tenant often name one secret, and a place may give it only
 * once: the environment is wiped.
 */
static struct secret *
shared(const struct source *s)
{
	const struct fetch *f = s->fetch;

	for (size_t i = 0; i < f->n_sources; i++)
		if (f->sources[i].secret != NULL &&
		    strcmp(f->sources[i].config.api_key, s->config.api_key) ==
			0)
			return f->sources[i].secret;
	return NULL;
}

static void
forget(struct source *s)
{
	const struct fetch *f = s->fetch;
	struct secret *secret = s->secret;

	for (size_t i = 0; i < f->n_sources; i++)
		if (f->sources[i].secret == secret)
			f->sources[i].secret = NULL;
	secret_free(secret);
}

void
source_unlock(struct source *s)
{
	static const struct rlimit none = { 0, 0 };
	struct why why;

	/* From here on a core file or a debugger could show the secret. */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	s->secret = shared(s);
	if (s->secret == NULL)
		s->secret = secret_resolve(s->config.api_key, &why);
	if (s->secret == NULL)
		die(EXIT_USAGE, "%s: %s", s->config.path, why.text);
}

void
source_close(struct source *s)
{
	for (size_t i = 0; i < s->n_streams; i++)
		stream_reset(&s->streams[i]);
	forget(s);
	filter_free(s->filter);
	config_source_free(&s->config);
	free(s->name);
	free(s->boot);
}

struct stream *
source_stream(struct source *s, const char *name)
{
	for (size_t i = 0; i < s->n_streams; i++)
		if (strcmp(s->streams[i].entity->name, name) == 0)
			return &s->streams[i];
	return NULL;
}
