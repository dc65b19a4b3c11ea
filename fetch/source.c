/*
 * source.c - a source file becomes a source with streams.
 *
 * command.c and fetch_test.c open them.  Owns the configuration, the
 * effective filter and the secrets.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "connector.h"
#include "fetch.h"
#include "mem.h"
#include "secret.h"
#include "stream.h"
#include "token.h"

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

	if (s->kind != NULL)
		return NULL;
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
	bool wanted = false;

	s->fetch = f;
	if (config_source_read(path, &s->config, &errors) < 0)
		refuse(&errors);
	buf_free(&errors);
	s->name = xasprintf("%s:%s", s->config.connector, s->config.name);
	if (strcmp(s->config.connector, "entra") == 0)
		s->kind = &connector_graph;
	s->filter = effective(f, s);
	for (size_t i = 0;; i++) {
		e = s->kind != NULL ? s->kind->entity(i) : okta_entity(i);
		if (e == NULL)
			break;
		s->streams[s->n_streams++] = (struct stream){
			.source = s,
			.entity = e,
			.wanted =
			    config_source_imports(&s->config, e->config) &&
			    (f->opt.streams == NULL ||
				listed(f->opt.streams, e->name)),
		};
		wanted |= s->streams[s->n_streams - 1].wanted;
	}
	/* Without a stream there is no run that could end. */
	if (!wanted)
		die(EXIT_USAGE,
		    "%s: nothing is to be imported: each Import... is false, "
		    "or --streams leaves it out",
		    path);
}

/*
 * Sources of one tenant often name one secret, and a place may give it only
 * once: the environment is wiped.
 */
struct unlocked {
	char *ref; /* owned */
	struct secret *secret; /* owned */
	struct unlocked *next;
};

static const struct secret *
unlock(const struct source *s, const char *ref, int pem)
{
	struct fetch *f = s->fetch;
	struct unlocked *u = f->unlocked;
	struct why why;

	if (ref == NULL)
		return NULL;
	while (u != NULL && strcmp(u->ref, ref) != 0)
		u = u->next;
	if (u == NULL) {
		u = xcalloc(1, sizeof(*u));
		u->ref = xstrdup(ref);
		u->next = f->unlocked;
		f->unlocked = u;
		u->secret = secret_resolve(ref, &why);
		if (u->secret == NULL)
			die(EXIT_USAGE, "%s: %s", s->config.path, why.text);
	}
	if (secret_is_pem(u->secret) != pem)
		die(EXIT_USAGE, "%s: %s is %s", s->config.path, ref,
		    pem ? "no PEM: store the text with its BEGIN and END lines"
			: "a key or certificate in PEM and no token");
	return u->secret;
}

void
source_forget(struct fetch *f)
{
	while (f->unlocked != NULL) {
		struct unlocked *u = f->unlocked;

		f->unlocked = u->next;
		secret_free(u->secret);
		free(u->ref);
		free(u);
	}
}

void
source_unlock(struct source *s)
{
	static const struct rlimit none = { 0, 0 };
	const struct config_source *c = &s->config;
	struct why why;

	/* From here on a core file or a debugger could show the secret. */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	s->secret =
	    unlock(s, c->api_key != NULL ? c->api_key : c->client_secret, 0);
	s->certificate = unlock(s, c->certificate, 1);
	s->private_key = unlock(s, c->private_key, 1);
	if (s->kind != NULL && s->kind->unlock(s, &why) < 0)
		die(EXIT_USAGE, "%s: %s", c->path, why.text);
}

void
source_close(struct source *s)
{
	for (size_t i = 0; i < s->n_streams; i++)
		stream_reset(&s->streams[i]);
	token_free(s->token);
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
