/*
 * config_run.c - the file of a whole run: sources, rules, state, sinks.
 *
 * `idmesh run` reads it to know which processes to start.  Paths in the file
 * are relative to it, so a run can be started from any folder.
 */

#include <stdlib.h>
#include <string.h>

#include "config_private.h"
#include "mem.h"

#define AT(member) offsetof(struct config_run, member)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int
check_path(const char *value, struct why *why)
{
	if (value[0] != '\0')
		return 0;
	return why_set(
	    why, CONFIG_CODE, NULL, "is empty; write the path of a file");
}

static int
check_sink(const char *value, struct why *why)
{
	static const char *const kinds[] = { "sqlite", "ndjson" };
	const char *colon = strchr(value, ':');
	const char *near;
	char *kind;

	if (colon == NULL || colon[1] == '\0')
		return why_set(why, CONFIG_CODE, NULL,
		    "a sink is a kind and a path; write one like "
		    "\"sqlite:mesh.db\" or \"ndjson:changes.ndjson\"");
	kind = xstrndup(value, (size_t)(colon - value));
	near = why_nearest(kind, kinds, COUNT(kinds));
	if (strcmp(kind, kinds[0]) == 0 || strcmp(kind, kinds[1]) == 0) {
		free(kind);
		return 0;
	}
	if (near != NULL)
		why_set(why, CONFIG_CODE, NULL,
		    "there is no %s; did you mean \"%s:%s\"?", kind, near,
		    colon + 1);
	else
		why_set(why, CONFIG_CODE, NULL,
		    "there is no %s; write sqlite:PATH or ndjson:PATH", kind);
	free(kind);
	return -1;
}

static int
check_tcp(const char *value, struct why *why)
{
	if (strncmp(value, "tcp://", 6) == 0 && strrchr(value + 6, ':') != NULL)
		return 0;
	return why_set(why, CONFIG_CODE, NULL,
	    "is no endpoint for other hosts; write one like "
	    "\"tcp://10.0.0.1:7001\"");
}

static const struct option hosts[] = {
	{ .name = "key",
	    .kind = OPTION_TEXT,
	    .offset = AT(hosts_key),
	    .check = check_path,
	    .form = "\"key\": \"near.key\"" },
	{ .name = "peers",
	    .kind = OPTION_TEXT,
	    .offset = AT(hosts_peers),
	    .check = check_path,
	    .form = "\"peers\": \"peers\"" },
	{ .name = "commit",
	    .kind = OPTION_TEXT,
	    .offset = AT(hosts_commit),
	    .check = check_tcp,
	    .form = "\"commit\": \"tcp://10.0.0.1:7001\"" },
	{ .name = "jobs",
	    .kind = OPTION_LIST,
	    .offset = AT(hosts_jobs),
	    .check = check_tcp,
	    .form = "\"jobs\": [\"tcp://10.0.0.1:7002\"]" },
	{ .name = NULL },
};

static const struct option run[] = {
	{ .name = "sources",
	    .kind = OPTION_LIST,
	    .offset = AT(sources),
	    .check = check_path,
	    .form = "\"sources\": [\"okta.json\"]" },
	{ .name = "rules",
	    .kind = OPTION_TEXT,
	    .offset = AT(rules),
	    .initial = "null",
	    .check = check_path,
	    .form = "\"rules\": \"rules\"" },
	{ .name = "state",
	    .kind = OPTION_TEXT,
	    .offset = AT(state),
	    .initial = "state.db",
	    .check = check_path,
	    .form = "\"state\": \"state.db\"" },
	{ .name = "sinks",
	    .kind = OPTION_LIST,
	    .offset = AT(sinks),
	    .check = check_sink,
	    .form = "\"sinks\": [\"sqlite:mesh.db\"]" },
	{ .name = "workers",
	    .kind = OPTION_INT,
	    .offset = AT(workers),
	    .initial = "2",
	    .min = 1,
	    .max = 64,
	    .form = "\"workers\": 2" },
	{ .name = "keepRuns",
	    .kind = OPTION_INT,
	    .offset = AT(keep_runs),
	    .initial = "100",
	    .min = 1,
	    .max = 1000000,
	    .form = "\"keepRuns\": 100" },
	{ .name = "keepDead",
	    .kind = OPTION_INT,
	    .offset = AT(keep_dead),
	    .initial = "30",
	    .max = 36500,
	    .form = "\"keepDead\": 30" },
	{ .name = "keepGone",
	    .kind = OPTION_INT,
	    .offset = AT(keep_gone),
	    .initial = "90",
	    .max = 36500,
	    .form = "\"keepGone\": 90" },
	{ .name = "keepRaw",
	    .kind = OPTION_FLAG,
	    .offset = AT(keep_raw),
	    .initial = "false",
	    .form = "\"keepRaw\": true" },
	{ .name = "hosts",
	    .kind = OPTION_OBJECT,
	    .initial = "null",
	    .inside = hosts,
	    .form = "\"hosts\": {\"key\": \"near.key\", ...}" },
	{ .name = NULL },
};

/*
 * Makes the path behind the first `kind` bytes of *text relative to the
 * folder of `file`.
 */
static void
relocate(char **text, size_t kind, const char *file)
{
	const char *slash = strrchr(file, '/'), *path;
	char *moved;

	if (*text == NULL)
		return;
	path = *text + kind;
	if (slash == NULL || *path == '/' || strcmp(path, "-") == 0)
		return;
	moved = xasprintf("%.*s%.*s%s", (int)kind, *text,
	    (int)(slash - file) + 1, file, path);
	free(*text);
	*text = moved;
}

static const struct option *
run_table(yyjson_val *root)
{
	(void)root;
	return run;
}

int
config_run_read(const char *path, struct config_run *out, struct buf *errors)
{
	const struct option *table;

	*out = (struct config_run){ 0 };
	if (config_read_any(path, run_table, out, &table, errors) != 0) {
		config_clear(run, out);
		return -1;
	}
	out->path = xstrdup(path);
	relocate(&out->rules, 0, path);
	relocate(&out->state, 0, path);
	relocate(&out->hosts_key, 0, path);
	relocate(&out->hosts_peers, 0, path);
	for (size_t i = 0; i < out->sources.n; i++)
		relocate(&out->sources.items[i], 0, path);
	for (size_t i = 0; i < out->sinks.n; i++) {
		char **sink = &out->sinks.items[i];

		relocate(sink, strcspn(*sink, ":") + 1, path);
	}
	return 0;
}

void
config_run_free(struct config_run *c)
{
	config_clear(run, c);
	free(c->path);
	c->path = NULL;
}
