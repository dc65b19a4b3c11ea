#ifndef IDMESH_TALLY_H
#define IDMESH_TALLY_H

/*
 * tally.h - what the programs of one run count together.
 *
 * layer 1.  `idmesh run` makes a file in its private folder and names it in
 * the environment; each program of the set adds to it as things happen, so
 * that a summary has the counts of all of them, of those that died too.
 */

#include <stdint.h>

enum tally {
	TALLY_DROPPED, /* frames that were no message, or not allowed */
	TALLY_REFUSED, /* connections with an unknown key */
	TALLY_FAILED, /* connections that were none of ours */
	TALLIES
};

/* Makes the file, for this process and its children; -1 with errno. */
int tally_make(const char *path);
/* Opens what the environment names, if it does; before any thread. */
void tally_open(void);
/* One more; nothing where nobody counts.  From any thread. */
void tally_add(enum tally what);
/* How many since it was asked last. */
uint64_t tally_take(enum tally what);

#endif
