/*
 * set.c - which programs a configuration needs, with which arguments.
 *
 * One sink a target, one join, one transform with its workers, and one fetch
 * a tenant, all joined by ipc sockets in a private folder.  Owns the argument
 * lists.
 */

#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

#define MODE_SLOT "--mode=auto" /* replaced before each round */

static struct child *
add(struct run *r, enum role role)
{
	struct child *c;

	r->children = xrealloc(r->children, (r->n + 1) * sizeof(struct child));
	c = &r->children[r->n++];
	*c = (struct child){ .role = role, .run = r };
	return c;
}

/* Takes `word` over. */
static void
word_take(struct child *c, char *word)
{
	c->argv = xrealloc(c->argv, (c->argc + 2) * sizeof(char *));
	c->argv[c->argc++] = word;
	c->argv[c->argc] = NULL;
}

static void
free_words(struct child *c)
{
	for (size_t i = 0; i < c->argc; i++)
		free(c->argv[i]);
	free(c->argv);
}

static void
word(struct child *c, const char *text)
{
	word_take(c, xstrdup(text));
}

/* An option whose value is a socket in the runtime folder. */
static void
socket_option(struct run *r, struct child *c, const char *option,
    const char *name, size_t i)
{
	word(c, option);
	word_take(c, xasprintf("ipc://%s/%s-%zu", r->runtime, name, i));
}

/* Without it, the program takes the rules that are installed. */
static void
rules_option(struct run *r, struct child *c)
{
	if (r->config.rules == NULL)
		return;
	word(c, "--rules");
	word(c, r->config.rules);
}

/* A socket for transforms of other hosts, beside the one in the folder. */
static void
hosts_option(
    struct run *r, struct child *c, const char *option, const char *endpoint)
{
	if (r->config.hosts_key == NULL)
		return;
	word(c, option);
	word(c, endpoint);
	word(c, "--key");
	word(c, r->config.hosts_key);
	word(c, "--peers");
	word(c, r->config.hosts_peers);
}

static void
add_sinks(struct run *r)
{
	for (size_t i = 0; i < r->config.sinks.n; i++) {
		struct child *c = add(r, ROLE_SINK);

		c->target = r->config.sinks.items[i];
		word_take(c, child_program("sink"));
		word(c, r->config.sinks.items[i]);
		socket_option(r, c, "--commit", "mesh", i);
	}
}

static void
add_join(struct run *r, const struct config_source *sources)
{
	struct child *c = add(r, ROLE_JOIN);

	word_take(c, child_program("join"));
	word(c, "--db");
	word(c, r->config.state);
	rules_option(r, c);
	socket_option(r, c, "--commit", "join", 0);
	hosts_option(r, c, "--commit", r->config.hosts_commit);
	for (size_t i = 0; i < r->config.sinks.n; i++)
		socket_option(r, c, "--to", "mesh", i);
	for (size_t i = 0; i < r->config.sources.n; i++)
		word_take(c, xasprintf("--with=%s:%s", sources[i].connector,
				 sources[i].name));
	word_take(c, xasprintf("--keep-runs=%d", r->config.keep_runs));
	word_take(c, xasprintf("--keep-dead=%d", r->config.keep_dead));
	word_take(c, xasprintf("--keep-gone=%d", r->config.keep_gone));
	if (r->config.keep_raw)
		word(c, "--keep-raw");
}

static void
add_transform(struct run *r, size_t n_fetch)
{
	int64_t workers =
	    r->options->workers > 0 ? r->options->workers : r->config.workers;
	struct child *c = add(r, ROLE_TRANSFORM);

	word_take(c, child_program("transform"));
	rules_option(r, c);
	word(c, "-j");
	word_take(c, xasprintf("%lld", (long long)workers));
	if (r->config.keep_raw)
		word(c, "--keep-raw");
	for (size_t i = 0; i < n_fetch; i++)
		socket_option(r, c, "--jobs", "jobs", i);
	socket_option(r, c, "--commit", "join", 0);
}

static int
write_file(const char *path, const struct buf *text)
{
	char *temporary = xasprintf("%s.new", path);
	int fd =
	    open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int rc = -1;

	if (fd >= 0 && write(fd, text->data, text->len) == (ssize_t)text->len)
		rc = 0;
	/* A fetch may begin to read the one that is there. */
	if (fd < 0 || close(fd) < 0 || rc < 0 || rename(temporary, path) < 0) {
		log_error("cannot write %s: %s", path, strerror(errno));
		rc = -1;
	}
	free(temporary);
	return rc;
}

int
set_scope(struct run *r)
{
	struct child describe = { .role = ROLE_TRANSFORM };
	char *path = xasprintf("%s/scope.json", r->runtime);
	struct buf out = { 0 };
	int code;

	word_take(&describe, child_program("transform"));
	word(&describe, "describe");
	rules_option(r, &describe);
	code = child_capture(describe.argv, &out, false);
	/* transform has said what is wrong with the rules, if anything is */
	if (code == EXIT_DONE && write_file(path, &out) < 0)
		code = EXIT_TEMPORARY;
	free_words(&describe);
	buf_free(&out);
	free(path);
	return code;
}

static void
add_source(struct child *c, const struct config_source *s)
{
	c->sources =
	    xrealloc(c->sources, (c->n_sources + 1) * sizeof(*c->sources));
	c->sources[c->n_sources++] = xasprintf("%s:%s", s->connector, s->name);
}

/* Sources that share a tenant's limits are one fetch's. */
static void
add_fetch(struct run *r, const struct config_source *sources, size_t first,
    size_t index)
{
	struct child *c = add(r, ROLE_FETCH);

	word_take(c, child_program("fetch"));
	for (size_t i = first; i < r->config.sources.n; i++)
		if (strcmp(sources[i].tenant, sources[first].tenant) == 0) {
			word(c, r->config.sources.items[i]);
			add_source(c, &sources[i]);
		}
	word(c, "--scope");
	word_take(c, xasprintf("%s/scope.json", r->runtime));
	socket_option(r, c, "--jobs", "jobs", index);
	if (index < r->config.hosts_jobs.n)
		hosts_option(r, c, "--jobs", r->config.hosts_jobs.items[index]);
	socket_option(r, c, "--commit", "join", 0);
	word(c, "--progress-fd");
	word_take(c, xasprintf("%d", RUN_EVENT_FD));
	if (r->options->quiet)
		word(c, "--quiet");
	else if (!isatty(STDERR_FILENO))
		word(c, "--request-log=-");
	word(c, MODE_SLOT);
}

static int
is_first_of_tenant(const struct config_source *sources, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(sources[k].tenant, sources[i].tenant) == 0)
			return 0;
	return 1;
}

static int
read_sources(struct run *r, struct config_source *sources)
{
	struct buf errors = { 0 };
	int rc = 0;

	for (size_t i = 0; i < r->config.sources.n; i++)
		if (config_source_read(
			r->config.sources.items[i], &sources[i], &errors) < 0)
			rc = -1;
	if (rc < 0) {
		fwrite(errors.data, 1, errors.len, stderr);
		r->code = EXIT_USAGE;
	}
	buf_free(&errors);
	return rc;
}

static int
write_first_scope(struct run *r)
{
	r->code = set_scope(r);
	return r->code == EXIT_DONE ? 0 : -1;
}

/* Each fetch listens for itself. */
static int
check_hosts(struct run *r, size_t tenants)
{
	size_t n = r->config.hosts_jobs.n;

	if (r->config.hosts_key == NULL || n == tenants)
		return 0;
	log_error("%s: hosts.jobs has %zu endpoints for %zu tenants; write one "
		  "for each",
	    r->config.path, n, tenants);
	r->code = EXIT_USAGE;
	return -1;
}

int
set_build(struct run *r)
{
	size_t n = r->config.sources.n, tenants = 0;
	struct config_source *sources = xcalloc(n, sizeof(*sources));
	int rc = -1;

	if (read_sources(r, sources) < 0 || runtime_make(r) < 0 ||
	    write_first_scope(r) < 0)
		goto out;
	add_sinks(r);
	add_join(r, sources);
	for (size_t i = 0; i < n; i++)
		tenants += (size_t)is_first_of_tenant(sources, i);
	if (check_hosts(r, tenants) < 0)
		goto out;
	add_transform(r, tenants);
	tenants = 0;
	for (size_t i = 0; i < n; i++)
		if (is_first_of_tenant(sources, i))
			add_fetch(r, sources, i, tenants++);
	rc = 0;
out:
	for (size_t i = 0; i < n; i++)
		config_source_free(&sources[i]);
	free(sources);
	return rc;
}

void
set_mode(struct run *r, const char *mode)
{
	for (size_t i = 0; i < r->n; i++) {
		struct child *c = &r->children[i];

		if (c->role != ROLE_FETCH)
			continue;
		free(c->argv[c->argc - 1]);
		c->argv[c->argc - 1] = xasprintf("--mode=%s", mode);
	}
}

void
set_free(struct run *r)
{
	runtime_remove(r);
	for (size_t i = 0; i < r->n; i++) {
		struct child *c = &r->children[i];

		free_words(c);
		for (size_t k = 0; k < c->n_sources; k++)
			free(c->sources[k]);
		free(c->sources);
		free(c->out_why);
	}
	free(r->children);
}
