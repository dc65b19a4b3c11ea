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
#include <unistd.h>

/*
 * Why an earlier write failed, which stdio forgets: one more line end behind
 * what is not whole anyway fails for the same reason.  0 when it does not.
 */
static int
reason(void)
{
	return write(STDOUT_FILENO, "\n", 1) < 0 ? errno : 0;
}

enum exit_code
printed_end(enum exit_code code)
{
	int error = 0;

	if (fflush(stdout) != 0)
		error = errno;
	else if (ferror(stdout))
		error = reason();
	else
		return code;
	/* As `head` leaves: it has seen enough, and needs no words. */
	if (error != EPIPE)
		log_error("cannot write to standard output%s%s; what was "
			  "printed is not whole",
		    error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
	return code == EXIT_USAGE ? code : EXIT_TEMPORARY;
}
