/*
 * fetch_test.c - `idmesh fetch test`: does this source work, and whose is it?
 *
 * Called by main.c.  Okta: one cheap call, users/me, which answers who the
 * token is; where that is refused, one user of the list.  Entra: a token, then
 * for each kind of thing a delta link without data, which needs the rights of
 * an import.  Says what is wrong and what to do about it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "http.h"
#include "json.h"
#include "mem.h"
#include "out.h"
#include "printed.h"

#include "fetch.h"

/* What the test knows; one source, no streams. */
struct test {
	struct fetch fetch;
	enum exit_code code;
	size_t at; /* of the streams of an Entra source */
	bool denied; /* one of them may not be read */
};

static const struct opt_use *
use(void)
{
	static const struct opt none[] = { { 0 } };
	static const struct opt_use u = {
		.name = "idmesh fetch test",
		.synopsis = "idmesh fetch test SOURCE.json",
		.about = "Makes one cheap call and says who the token is, or "
			 "what is wrong and what to do.",
		.options = none,
		.see = NULL,
		.args_min = 1,
		.args_max = 1,
	};

	return &u;
}

static void
finish(struct test *t, enum exit_code code)
{
	t->code = code;
	loop_stop(t->fetch.loop);
}

static void
fail(struct test *t, const struct call_result *r)
{
	const struct source *s = &t->fetch.sources[0];
	bool passing = r->answer != NULL &&
		       (r->answer->status == 0 || r->answer->status >= 429) &&
		       r->verdict == VERDICT_FAILED;

	log_error("%s: %s", s->name, r->why.text);
	finish(t, passing ? EXIT_TEMPORARY : EXIT_USAGE);
}

static void
on_list(void *arg, const struct call_result *r)
{
	struct test *t = arg;
	const struct source *s = &t->fetch.sources[0];

	if (r->verdict != VERDICT_OK) {
		fail(t, r);
		return;
	}
	printf("%s: the token works and may list users of %s; it does not say "
	       "whose it is\n",
	    s->name, s->config.base_url);
	finish(t, EXIT_DONE);
}

static void
ask(struct test *t, const char *path, const char *pattern, call_done *done)
{
	struct call_ask a = { .source = &t->fetch.sources[0],
		.path = path,
		.pattern = pattern,
		.omits = true };

	call_start(t->fetch.calls, &a, done, t);
}

static void
on_me(void *arg, const struct call_result *r)
{
	struct test *t = arg;
	const struct source *s = &t->fetch.sources[0];
	yyjson_val *profile = json_get(yyjson_doc_get_root(r->doc), "profile");
	const char *login = json_text(profile, "login");
	const char *first = json_text(profile, "firstName");
	const char *last = json_text(profile, "lastName");

	/* A service has no user behind it, some roles may not look. */
	if (r->verdict == VERDICT_DENIED || r->verdict == VERDICT_GONE) {
		ask(t, "/api/v1/users?limit=1", "/api/v1/users", on_list);
		return;
	}
	if (r->verdict != VERDICT_OK) {
		fail(t, r);
		return;
	}
	printf("%s: the token of %s (%s %s) works at %s\n", s->name,
	    login != NULL ? login : "an unnamed user",
	    first != NULL ? first : "", last != NULL ? last : "",
	    s->config.base_url);
	finish(t, EXIT_DONE);
}

static void on_link(void *arg, const struct call_result *r);

/* Asks for the next kind of thing; at the end says what came out. */
static void
ask_link(struct test *t)
{
	const struct source *s = &t->fetch.sources[0];
	char path[128];

	while (t->at < s->n_streams && !s->streams[t->at].wanted)
		t->at++;
	if (t->at < s->n_streams) {
		snprintf(path, sizeof(path), "%s?$deltatoken=latest&$select=%s",
		    s->streams[t->at].entity->list,
		    s->streams[t->at].entity->select);
		ask(t, path, s->streams[t->at].entity->list, on_link);
		return;
	}
	if (!t->denied)
		printf("%s: the application %s works at %s and may read what "
		       "is to be imported\n",
		    s->name, s->config.client_id, s->config.base_url);
	finish(t, t->denied ? EXIT_USAGE : EXIT_DONE);
}

static void
on_link(void *arg, const struct call_result *r)
{
	struct test *t = arg;
	const struct source *s = &t->fetch.sources[0];
	const struct entity *e = s->streams[t->at].entity;

	if (r->verdict == VERDICT_DENIED) {
		log_error("%s: %s needs the application permission %s: %s",
		    s->name, e->name, e->permission, r->why.text);
		t->denied = true;
	} else if (r->verdict != VERDICT_OK) {
		fail(t, r);
		return;
	}
	t->at++;
	ask_link(t);
}

int
command_test(int argc, char *argv[])
{
	struct budget_limits limits = { .share = 1, .in_flight_max = 1 };
	struct test t = { .code = EXIT_TEMPORARY };
	struct fetch *f = &t.fetch;

	opt_parse(use(), &argc, argv);
	srandom((unsigned)clock_wall_ms());
	f->retries_max = 1; /* somebody is waiting */
	f->loop = loop_new();
	f->out = out_none();
	f->sources = xcalloc(1, sizeof(*f->sources));
	f->n_sources = 1;
	source_open(f, &f->sources[0], argv[1]);
	source_unlock(&f->sources[0]);
	f->budget = budget_new(&limits);
	f->http = http_new(f->loop, 1);
	f->calls = calls_new(f);
	if (f->sources[0].kind != NULL)
		ask_link(&t);
	else
		ask(&t, "/api/v1/users/me", "/api/v1/users/me", on_me);
	if (!f->failed && !loop_stopped(f->loop))
		loop_run(f->loop);
	if (f->failed)
		t.code = f->code;
	calls_free(f->calls);
	source_close(&f->sources[0]);
	http_free(f->http);
	budget_free(f->budget);
	source_forget(f);
	free(f->sources);
	loop_free(f->loop);
	return printed_end(t.code);
}
