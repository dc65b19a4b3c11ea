/*
 * main.c - the program fetch: stage 1 of 4, remote API -> pages.
 *
 * Chooses the subcommand.  The front door also sends `idmesh secret` here,
 * because only fetch ever sees a credential.
 */

#include <string.h>
#include <unistd.h>

#include "fetch.h"
#include "forecast.h"
#include "mem.h"

/* "fetch forcast" is no file: a verb that is near was meant. */
static void
check_verb(const char *word)
{
	static const char *const verbs[] = { "test", "report", "forecast" };
	const char *near = why_nearest(word, verbs, 3);

	if (near != NULL && access(word, F_OK) != 0)
		die(EXIT_USAGE,
		    "there is no 'fetch %s' and no such file; did you mean "
		    "'idmesh fetch %s'?",
		    word, near);
}

int
main(int argc, char *argv[])
{
	log_open("idmesh-fetch");
	mem_open();
	if (argc > 1 && strcmp(argv[1], "test") == 0)
		return command_test(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "secret") == 0)
		return command_secret(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "report") == 0)
		return command_report(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "forecast") == 0)
		return command_forecast(argc - 1, argv + 1);
	if (argc > 1)
		check_verb(argv[1]);
	return command_fetch(argc, argv);
}
