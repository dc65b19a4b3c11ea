/*
 * secret_command.c - `idmesh secret`: store a value, or say where one is.
 *
 * Called by main.c.  A value comes on standard input and never leaves again.
 */

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "buf.h"
#include "fetch.h"
#include "printed.h"
#include "secret.h"

#define SCHEME "secret://"

static const struct opt_use *
use(void)
{
	static const struct opt none[] = { { 0 } };
	static const struct opt_use u = {
		.name = "idmesh secret",
		.synopsis = "idmesh secret set NAME <VALUE\n"
			    "idmesh secret which NAME",
		.about = "set stores what comes on standard input as a file "
			 "that only you can read;\nwhich says where a secret "
			 "would be taken from.  NAME is a reference such as\n"
			 "secret://okta/contoso/apitoken, or the same without "
			 "secret://.",
		.options = none,
		.see = "Places, the first that has it wins:\n"
		       "  $CREDENTIALS_DIRECTORY/okta.contoso.apitoken\n"
		       "  $IDMESH_SECRETS_DIR/okta/contoso/apitoken\n"
		       "  $IDMESH_SECRET_OKTA_CONTOSO_APITOKEN",
		.args_min = 2,
		.args_max = 2,
	};

	return &u;
}

static int
which(const char *ref)
{
	struct buf out = { 0 };
	struct why why;

	if (secret_which(ref, &out, &why) < 0)
		die(EXIT_USAGE, "%s", why.text);
	printf("%s\n", out.data);
	buf_free(&out);
	return printed_end(EXIT_DONE);
}

static int
set(const char *ref)
{
	struct termios old, silent;
	struct why why;
	int tty = tcgetattr(STDIN_FILENO, &old) == 0, result;

	if (tty) {
		fprintf(stderr, "Value (not shown; end with Ctrl-D on an "
				"empty line): ");
		silent = old;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	}
	result = secret_store(ref, STDIN_FILENO, &why);
	if (tty) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	if (result < 0)
		die(result == -2 ? EXIT_TEMPORARY : EXIT_USAGE, "%s", why.text);
	return which(ref);
}

int
command_secret(int argc, char *argv[])
{
	struct buf ref = { 0 };
	struct why why;
	int code;

	opt_parse(use(), &argc, argv);
	if (strncmp(argv[2], SCHEME, strlen(SCHEME)) != 0)
		buf_str(&ref, SCHEME);
	buf_str(&ref, argv[2]);
	if (secret_name_valid(ref.data, &why) < 0)
		die(EXIT_USAGE, "%s", why.text);
	if (strcmp(argv[1], "set") == 0)
		code = set(ref.data);
	else if (strcmp(argv[1], "which") == 0)
		code = which(ref.data);
	else
		opt_wrong(use(), "there is no 'secret %s'; only set and which",
		    argv[1]);
	buf_free(&ref);
	return code;
}
