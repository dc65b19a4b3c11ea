#ifndef MATCH_WORLD_H
#define MATCH_WORLD_H

/*
 * match_world.h - small worlds of objects for the tests of match.h.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "join/match.c"
#include "join/match_link.c"
#include "join/match_person.c"
#include "join/match_round.c"

enum { OKTA, ENTRA, HR };
enum { NUMBER, EMAIL, NAME, KEYS }; /* NAME only proposes */

static const bool proposes[KEYS] = { [NAME] = true };
static const bool nobody[3] = { false };

/* A world that a test writes down: up to 64 objects of three values. */
struct world {
	struct match_object o[64];
	struct match_value v[64][KEYS];
	char ids[64][24];
	size_t n;
	struct match_decision d[16];
	size_t nd;
	struct match_rules rules;
	struct match_output out;
};

static inline void
begin(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->rules = (struct match_rules){ .nkeys = KEYS,
		.propose = proposes,
		.nsources = 2,
		.hold = nobody };
}

/* Texts may be NULL: the object has no such value. */
static inline size_t
add(struct world *w, int source, const char *id, const char *number,
    const char *email, const char *name)
{
	const char *texts[KEYS] = { number, email, name };
	struct match_object *o = &w->o[w->n];

	snprintf(w->ids[w->n], sizeof(w->ids[0]), "%s", id);
	*o = (struct match_object){ .source = source,
		.id = w->ids[w->n],
		.evidence = MATCH_NONE,
		.with = MATCH_NOBODY,
		.values = w->v[w->n] };
	for (int k = 0; k < KEYS; k++)
		if (texts[k] != NULL)
			w->v[w->n][o->nvalues++] =
			    (struct match_value){ k, texts[k] };
	return w->n++;
}

static inline void
decide(struct world *w, enum match_verb verb, size_t a, size_t b)
{
	w->d[w->nd++] = (struct match_decision){ verb, a, b };
}

static inline void
run(struct world *w)
{
	struct match_input in = { w->o, w->n, w->d, w->nd, &w->rules };

	match_free(&w->out);
	match(&in, &w->out);
}

/* The links that a store would remember: one number a person. */
static inline void
remember(struct world *w, int64_t *next)
{
	for (size_t i = 0; i < w->out.npersons; i++)
		if (w->out.persons[i].mesh == 0)
			w->out.persons[i].mesh = ++*next;
	for (size_t i = 0; i < w->n; i++) {
		const struct match_place *p = &w->out.places[i];

		if (w->o[i].gone)
			continue;
		w->o[i].mesh =
		    p->person < 0 ? 0 : w->out.persons[p->person].mesh;
		w->o[i].evidence = p->evidence;
		w->o[i].with = p->with;
	}
}

static inline bool
together(const struct world *w, size_t a, size_t b)
{
	return w->out.places[a].person >= 0 &&
	       w->out.places[a].person == w->out.places[b].person;
}

#endif
