/*
 * fault.c - the plan of what goes wrong, and when.
 *
 * control.c sets the plan; admit.c asks for every call that got past token
 * and limits.  Each rule counts for itself, from the moment it was set.
 */

#include "sim.h"

#include <string.h>

enum fault_kind
fault_kind_of(const char *name)
{
	static const struct {
		const char *name;
		enum fault_kind kind;
	} kinds[] = { { "500", FAULT_500 }, { "503", FAULT_503 },
		{ "reset", FAULT_RESET }, { "truncate", FAULT_TRUNCATE },
		{ "nonjson", FAULT_NONJSON }, { "slow", FAULT_SLOW },
		{ "dupcursor", FAULT_DUPCURSOR },
		{ "emptynext", FAULT_EMPTYNEXT },
		{ "badcursor", FAULT_BADCURSOR }, { "429", FAULT_429 },
		{ "concurrency", FAULT_CONCURRENCY },
		{ "credentials", FAULT_CREDENTIALS }, { "401", FAULT_401 },
		{ "504", FAULT_504 }, { "gone", FAULT_GONE },
		{ "resync", FAULT_RESYNC } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].kind;
	return FAULT_NONE;
}

static bool
needs_cursor(enum fault_kind kind)
{
	return kind == FAULT_BADCURSOR || kind == FAULT_GONE ||
	       kind == FAULT_RESYNC;
}

static bool
has_cursor(const struct call *c)
{
	return call_query(c, "after") != NULL ||
	       call_query(c, "$deltatoken") != NULL ||
	       call_query(c, "$skiptoken") != NULL;
}

void
fault_pick(struct call *c)
{
	for (size_t i = 0; i < c->sim->n_faults; i++) {
		struct fault *f = &c->sim->faults[i];

		if (strncmp(c->path, f->match, strlen(f->match)) != 0)
			continue;
		/* Only a request with a cursor can have a bad one. */
		if (needs_cursor(f->kind) && !has_cursor(c))
			continue;
		f->seen++;
		if (c->fault.kind == FAULT_NONE && f->seen >= f->nth &&
		    f->seen < f->nth + f->count)
			c->fault = *f;
	}
}
