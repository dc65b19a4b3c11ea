#ifndef ORGSIM_NAMES_H
#define ORGSIM_NAMES_H

/*
 * names.h - the words that people, jobs and groups are named with.
 *
 * seed.c draws indices, render.c turns them into text.  All read-only.
 */

#include <stddef.h>

struct name {
	const char *text; /* UTF-8, as a person writes it */
	const char *ascii; /* as a login spells it */
};

struct city {
	const char *name, *country, *locale, *timezone;
};

#define N_FIRST 48
#define N_LAST 56
#define N_TITLE 24
#define N_DEPARTMENT 16
#define N_CITY 12
#define N_KIND 12

extern const struct name first_names[N_FIRST];
extern const struct name last_names[N_LAST];
extern const char *const titles[N_TITLE];
extern const char *const departments[N_DEPARTMENT];
extern const struct city cities[N_CITY];
extern const char *const group_kinds[N_KIND];

#endif
