#ifndef IDMESH_PEERS_H
#define IDMESH_PEERS_H

/*
 * peers.h - the folder of public keys: who may speak to us, and to whom we
 * speak.
 *
 * layer 1.  DIR/ROLE/NAME.pub, where ROLE is fetch, transform, join or sink.
 * zap.c looks up who connects, bus.c the key of the one it connects to.  The
 * folder is read anew each time, so that a key that is added or removed counts
 * from the next connection on.
 */

#include <stddef.h>
#include <stdint.h>

#include "curve.h"
#include "why.h"

#define PEERS_USER 128 /* "fetch,transform/oslo-1", with its NUL */
#define PEERS_CODE "E_PEERS"

/*
 * Who has this key among the roles ("fetch,transform")?  1 with *user set to
 * ROLE/NAME, or ROLE,ROLE/NAME when it has several; 0 when nobody has it.
 */
int peers_who(const char *dir, const char *roles, const char key[CURVE_TEXT],
    char user[PEERS_USER]);

/* How many keys of these roles there are; -1 with a reason for no folder. */
int peers_count(const char *dir, const char *roles, struct why *why);

/*
 * The key of the one who has `role` behind "tcp://HOST:PORT": that in
 * HOST:PORT.pub, or HOST.pub, or the only one of the role.  -1 with a reason.
 */
int peers_key(const char *dir, const char *role, const char *endpoint,
    char key[CURVE_TEXT], struct why *why);

#endif
