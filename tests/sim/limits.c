/*
 * limits.c - the buckets of calls per minute.
 *
 * admit.c asks for every call of a limited route; control.c shows the
 * counts and sets the clients that are simulated beside the real one.
 */

#include "limits.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define UNLIMITED 1000000

/* Per minute for the organisation: integrator, enterprise, workforce. */
static const struct {
	const char *name;
	int64_t limit[3];
} table[] = {
	{ "/api/v1/users", { 100, 600, 600 } },
	{ "/api/v1/users/{id:.+}", { 100, 1000, 2000 } },
	{ "/api/v1/users/{id}", { 100, 600, 600 } },
	{ "/api/v1/users/me", { 100, 1000, 2000 } },
	{ "/api/v1/groups", { 100, 600, 500 } },
	{ "/api/v1/groups/{id}", { 100, 600, 1000 } },
	{ "/api/v1/apps", { 20, 100, 100 } },
	{ "/api/v1/apps/{id}", { 100, 600, 500 } },
	{ "/api/v1/logs", { 20, 50, 120 } },
	{ "/api/v1/devices", { 100, 150, 100 } },
	{ "/api/v1/iam", { 100, 100, 100 } },
	{ "/api/v1", { 100, 600, 1200 } },
};
#define N_BUCKETS (sizeof(table) / sizeof(table[0]))

struct limits {
	struct bucket buckets[N_BUCKETS];
};

static void
set_limit(struct bucket *b, const struct options *opt, size_t row)
{
	b->name = table[row].name;
	if (opt->tier != TIER_UNLIMITED) {
		b->limit = table[row].limit[opt->tier];
		b->ceiling = b->limit * opt->share / 100;
		if (b->ceiling < 1)
			b->ceiling = 1;
	}
	for (size_t i = 0; i < opt->n_limits; i++) {
		if (strcmp(opt->limits[i].bucket, b->name) != 0)
			continue;
		b->ceiling = opt->limits[i].limit;
		b->limit = b->ceiling * 100 / opt->share;
	}
}

struct limits *
limits_new(const struct options *opt)
{
	struct limits *l = xcalloc(1, sizeof(*l));

	for (size_t i = 0; i < N_BUCKETS; i++)
		set_limit(&l->buckets[i], opt, i);
	return l;
}

void
limits_free(struct limits *l)
{
	free(l);
}

struct bucket *
limits_find(struct limits *l, const char *name)
{
	for (size_t i = 0; i < N_BUCKETS; i++)
		if (strcmp(l->buckets[i].name, name) == 0)
			return &l->buckets[i];
	return NULL;
}

struct bucket *
limits_at(struct limits *l, size_t i)
{
	return i < N_BUCKETS ? &l->buckets[i] : NULL;
}

/*
 * Opens a window with the first call after the last one ended.  It ends at a
 * whole second, so that Reset tells the truth; Reset minus Date is then 1 to
 * 60, as recorded.
 */
static void
open_window(struct bucket *b, const struct options *opt, int64_t now_ms)
{
	if (now_ms < b->reset_ms + opt->late_reset_ms)
		return;
	b->reset_ms = now_ms - now_ms % 1000 + opt->window_s * 1000;
	b->used = 0;
	memset(b->used_by, 0, sizeof(b->used_by));
}

/* What the others of this window took until now. */
static int64_t
foreign_used(const struct bucket *b, const struct options *opt, int64_t now_ms)
{
	int64_t gone = now_ms - (b->reset_ms - opt->window_s * 1000);

	return b->foreign * gone / (opt->window_s * 1000);
}

bool
bucket_take(struct bucket *b, const struct options *opt, size_t principal,
    int64_t now_ms, struct quota *quota)
{
	int64_t foreign, own, left;

	open_window(b, opt, now_ms);
	b->calls++;
	*quota = (struct quota){ .shown = true,
		.limit = b->limit > 0 ? b->ceiling : UNLIMITED,
		.reset = b->reset_ms / 1000 };
	foreign = foreign_used(b, opt, now_ms);
	own = b->used_by[principal] + (b->foreign_same ? foreign : 0);
	left = quota->limit - own;
	if (b->limit > 0 && b->limit - b->used - foreign < left)
		left = b->limit - b->used - foreign;
	quota->remaining = left > 1 ? left - 1 : 0;
	if (b->limit > 0 && left < 1) {
		b->limited++;
		return false;
	}
	b->used++;
	b->used_by[principal]++;
	if (b->used_by[principal] > b->peak)
		b->peak = b->used_by[principal];
	return true;
}
