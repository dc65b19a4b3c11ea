/*
 * main.c - the sink: changes in, a target out.
 *
 * Last stage: <- join.  Reads changes from stdin or from a ZeroMQ endpoint
 * and keeps a target equal to the mesh.  A new kind of target is one file
 * and one line in the table below.
 */

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "opt.h"
#include "printed.h"
#include "sink.h"

static const struct target *const targets[] = {
	&target_sqlite,
	&target_ndjson,
};

static const char *const synopsis =
    "idmesh sink TARGET [--commit ENDPOINT] < changes\n"
    "idmesh sink cursor TARGET";

static const char *const see =
    "TARGET is sqlite:FILE, ndjson:FILE or ndjson:- (stdout).\n"
    "Manual: idmesh-sink(1)";

const struct target *
sink_target(const char *text, const char **place, struct why *why)
{
	size_t n = sizeof(targets) / sizeof(targets[0]);

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(targets[i]->name);

		if (strncmp(text, targets[i]->name, len) == 0 &&
		    text[len] == ':' && text[len + 1] != '\0') {
			*place = text + len + 1;
			return targets[i];
		}
	}
	why_set(why, "E_TARGET", text,
	    "%s is no target; use sqlite:FILE, ndjson:FILE or ndjson:-", text);
	return NULL;
}

static int
print_cursor(int argc, char **argv)
{
	static const struct opt options[] = { { 0 } };
	static const struct opt_use use = {
		.name = "idmesh sink cursor",
		.synopsis = "idmesh sink cursor TARGET",
		.about = "Prints where the target is in the change log, from "
			 "where join goes on;\n\"-\" for a target that is "
			 "missing or empty.",
		.options = options,
		.see = "Manual: idmesh-sink(1)",
		.args_min = 1,
		.args_max = 1,
	};
	const struct target *target;
	const char *place;
	struct position at = { .number = SINK_NOWHERE };
	struct buf text = { 0 };
	enum exit_code code;
	struct why why;

	opt_parse(&use, &argc, argv);
	target = sink_target(argv[1], &place, &why);
	if (target == NULL)
		opt_wrong(&use, "%s", why.text);
	code = target->cursor(place, &at, &why);
	if (code != EXIT_DONE) {
		log_error("%s", why.text);
		return code;
	}
	position_write(&text, &at);
	puts(text.data);
	buf_free(&text);
	return printed_end(code);
}

static int
carry(int argc, char **argv)
{
	const char *endpoint = NULL, *key = NULL, *peers = NULL;
	const struct opt options[] = {
		{ "commit", 0, OPT_TEXT, &endpoint, "ENDPOINT",
		    "take changes from ipc:// or tcp:// until SIGTERM", 0, 0 },
		{ "key", 0, OPT_TEXT, &key, "FILE",
		    "our key, for tcp:// between hosts", 0, 0 },
		{ "peers", 0, OPT_TEXT, &peers, "DIR",
		    "public keys of the others, DIR/ROLE/NAME.pub", 0, 0 },
		{ 0 },
	};
	const struct opt_use use = {
		.name = "idmesh sink",
		.synopsis = synopsis,
		.about = "Carries the changes of `idmesh join` into a "
			 "database or file.",
		.options = options,
		.see = see,
		.args_min = 1,
		.args_max = 1,
	};
	struct sink s = { 0 };
	enum exit_code code;
	struct why why;

	opt_parse(&use, &argc, argv);
	if (endpoint == NULL && (key != NULL || peers != NULL))
		opt_wrong(&use, "--key and --peers are for --commit");
	if (sink_target(argv[1], &s.name, &why) == NULL)
		opt_wrong(&use, "%s", why.text);
	code = sink_open(&s, argv[1], &why);
	if (code != EXIT_DONE)
		log_error("%s", why.text);
	else if (endpoint != NULL)
		code = service_run(&s, endpoint, key, peers);
	else
		code = pipe_run(&s);
	sink_close(&s);
	return code;
}

int
main(int argc, char **argv)
{
	log_open("idmesh-sink");
	if (argc > 1 && strcmp(argv[1], "cursor") == 0)
		return print_cursor(argc - 1, argv + 1);
	return carry(argc, argv);
}
