/*
 * printed.c - did what a command prints arrive?
 *
 * The last call of each command of fetch, transform, join, sink, run and
 * keygen that prints, and of --help and --version.
 */

#include "printed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum exit_code
printed_end(enum exit_code code)
{
	if (fflush(stdout) != 0)
		log_error("cannot write to standard output: %s; what was "
			  "printed is not whole",
		    strerror(errno));
	else if (ferror(stdout))
		log_error("cannot write to standard output; what was printed "
			  "is not whole");
	else
		return code;
	return code == EXIT_USAGE ? code : EXIT_TEMPORARY;
}
