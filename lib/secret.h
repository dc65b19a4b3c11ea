#ifndef IDMESH_SECRET_H
#define IDMESH_SECRET_H

/*
 * secret.h - from a reference like secret://okta/contoso/apitoken to its value.
 *
 * layer 1.  fetch resolves the reference of a source file just before it
 * opens the connection, and frees the value when it ends.  A reference is a
 * name and no place, so configuration stays the same wherever the value
 * lives.  The places, the first that has it wins:
 *
 *     $CREDENTIALS_DIRECTORY/okta.contoso.apitoken     systemd.exec(5)
 *     $IDMESH_SECRETS_DIR/okta/contoso/apitoken        a 0600 file
 *       (/etc/idmesh/secrets when the variable is not set)
 *     $IDMESH_SECRET_OKTA_CONTOSO_APITOKEN             read once, then wiped
 *
 * A place that has it but may not be trusted ends the search with the reason:
 * falling through would silently use an old copy.
 */

#include <stddef.h>

#include "buf.h"
#include "why.h"

#define SECRET_DIR "/etc/idmesh/secrets"

struct secret; /* one value: locked in memory, left out of core files */

/*
 * 0 when ref is secret:// and 1 to 8 names of letters, digits, - and _ with /
 * between them, 200 bytes in all; -1 with why filled.  ref may be a token
 * pasted by mistake: why never repeats what is not a reference.
 */
int secret_name_valid(const char *ref, struct why *why);

/* NULL with why filled when no place has it or one cannot be trusted. */
struct secret *secret_resolve(const char *ref, struct why *why);

/*
 * The value in a file of its own, which is judged as one of the secrets
 * folder is; NULL with why filled.
 */
struct secret *secret_read(const char *path, struct why *why);

/* NUL-terminated, printable, without spaces unless it is PEM; borrowed. */
const char *secret_value(const struct secret *s);
/* A key or a certificate in PEM, which has lines and is no token. */
int secret_is_pem(const struct secret *s);
size_t secret_len(const struct secret *s);

/* Wipes the memory before it goes back. */
void secret_free(struct secret *s);

/*
 * Appends the place that secret_resolve() would take, such as
 * "file /etc/idmesh/secrets/okta/contoso/apitoken"; never the value.  Leaves
 * the environment as it is.  -1 with why filled when there is none.
 */
int secret_which(const char *ref, struct buf *out, struct why *why);

/*
 * Reads the value from fd up to its end and writes it as a 0600 file in the
 * secrets folder: whole or not at all, also through a crash.  Makes missing
 * folders, 0700.  With why filled -1, or -2 when a later attempt may do, as on
 * a full disk.
 */
int secret_store(const char *ref, int fd, struct why *why);

#endif
