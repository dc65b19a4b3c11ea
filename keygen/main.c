/*
 * main.c - idmesh keygen: a CURVE key pair for one program of one host.
 *
 * Beside the flow, not in it: fetch, transform, join and sink take the pair
 * with --key and know each other by the public halves.  The secret one is
 * written and never shown.
 */

#include <stdio.h>

#include "curve.h"
#include "log.h"
#include "opt.h"
#include "printed.h"

static const struct opt none[] = { { 0 } };

static const struct opt_use use = {
	.name = "idmesh keygen",
	.synopsis = "idmesh keygen FILE",
	.about = "Makes a key pair for tcp:// between hosts: the secret key in "
		 "FILE, which\nonly you can read, and the public one in "
		 "FILE.pub, which goes into the\nothers' folder of peers as "
		 "ROLE/NAME.pub.  Prints the public key.",
	.options = none,
	.see = "Manual: idmesh-keygen(1)",
	.args_min = 1,
	.args_max = 1,
};

int
main(int argc, char *argv[])
{
	char public_key[CURVE_TEXT];
	struct why why;
	int rc;

	log_open("idmesh-keygen");
	opt_parse(&use, &argc, argv);
	rc = curve_make(argv[1], public_key, &why);
	if (rc < 0)
		die(rc == -2 ? EXIT_TEMPORARY : EXIT_USAGE, "%s", why.text);
	puts(public_key);
	return printed_end(EXIT_DONE);
}
