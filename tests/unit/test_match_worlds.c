/*
 * test_match_worlds.c - who is the same person: properties of hostile worlds.
 *
 * The order of the input means nothing, a world is the sum of its components,
 * nobody gets lost, no person has two objects of one source, nothing changes
 * when nothing has changed, and without remembered links, or with links whose
 * decisions were all undone, the outcome is what a slow and plain reading of
 * the rules gives.
 */

#include "match_world.h"

static uint64_t seed;

static unsigned
roll(unsigned n)
{
	seed += 0x9e3779b97f4a7c15;
	uint64_t z = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9;

	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (unsigned)((z ^ z >> 31) % n);
}

static const char *const texts[] = { "a", "b", "c", "d", "e", "f", "g", "h",
	"i", "j", "k", "l" };

static void
random_values(struct world *w, size_t i, unsigned spread)
{
	struct match_object *o = &w->o[i];

	o->nvalues = 0;
	for (int k = 0; k < KEYS; k++)
		if (roll(4) > 0)
			w->v[i][o->nvalues++] =
			    (struct match_value){ k, texts[roll(spread)] };
}

static void
random_world(struct world *w, size_t n)
{
	begin(w);
	w->rules.nsources = 2 + roll(2);
	for (size_t i = 0; i < n; i++) {
		char id[24];

		snprintf(id, sizeof(id), "%zu", i);
		add(w, (int)roll((unsigned)w->rules.nsources), id, NULL, NULL,
		    NULL);
		random_values(w, i, 12);
	}
	while (w->nd < 3 && roll(3) == 0)
		decide(w, (enum match_verb)roll(3), roll((unsigned)n),
		    roll((unsigned)n));
	for (size_t i = 0; i < w->nd; i++)
		if (w->d[i].a == w->d[i].b)
			w->d[i].verb = MATCH_ALONE;
}

/* What became of everybody, in an order of its own. */
static void
picture(const struct world *w, const size_t *original, char *out, size_t len)
{
	size_t at = 0, where[64];

	for (size_t i = 0; i < w->n; i++)
		where[original[i]] = i;
	for (size_t i = 0; i < w->n; i++) {
		const struct match_place *p = &w->out.places[where[i]];
		const struct match_person *m =
		    p->person < 0 ? NULL : &w->out.persons[p->person];

		at += (size_t)snprintf(out + at, len - at,
		    "%zu:%zd,%lld,%d,%s,%d,%d ", i,
		    m == NULL ? (ssize_t)-1 : (ssize_t)original[m->lead],
		    m == NULL ? 0LL : (long long)m->mesh, p->evidence,
		    p->value == NULL ? "-" : p->value, p->stale, p->held);
	}
}

static void
shuffle(const struct world *from, struct world *to, size_t *original)
{
	size_t place[64];

	*to = *from;
	to->out = (struct match_output){ 0 };
	for (size_t i = 0; i < from->n; i++)
		original[i] = i;
	for (size_t i = from->n; i > 1; i--) {
		size_t k = roll((unsigned)i), swap = original[i - 1];

		original[i - 1] = original[k];
		original[k] = swap;
	}
	for (size_t i = 0; i < from->n; i++)
		place[original[i]] = i;
	for (size_t i = 0; i < from->n; i++) {
		to->o[i] = from->o[original[i]];
		if (to->o[i].with != MATCH_NOBODY)
			to->o[i].with = place[to->o[i].with];
	}
	for (size_t i = 0; i < to->nd; i++) {
		struct match_decision *d = &to->d[to->nd - 1 - i];

		*d = from->d[i];
		d->a = place[d->a];
		d->b = place[d->b];
		if (d->verb != MATCH_ALONE && roll(2) == 0) {
			size_t swap = d->a;

			d->a = d->b;
			d->b = swap;
		}
	}
}

static void
check_order(const struct world *w)
{
	static char before[8192], after[8192];
	size_t original[64];
	struct world other;

	for (size_t i = 0; i < w->n; i++)
		original[i] = i;
	picture(w, original, before, sizeof(before));
	for (int i = 0; i < 8; i++) {
		shuffle(w, &other, original);
		run(&other);
		picture(&other, original, after, sizeof(after));
		assert_string_equal(before, after);
		match_free(&other.out);
	}
}

/* Everybody is somewhere, and no person has two of a source. */
static void
check_persons(const struct world *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct match_place *p = &w->out.places[i];

		if (w->o[i].gone)
			assert_int_equal(p->person, -1);
		else
			assert_true((p->person < 0) == (p->held != MATCH_FINE));
		for (size_t k = 0; k < i; k++)
			assert_false(together(w, i, k) &&
				     w->o[i].source == w->o[k].source);
	}
	for (size_t i = 0; i < w->nd; i++)
		if (w->d[i].verb == MATCH_NEVER)
			assert_false(together(w, w->d[i].a, w->d[i].b));
}

/* With links: who was a person stays one, under its id or an alias. */
static void
check_nobody_lost(const struct world *w)
{
	for (size_t i = 0; i < w->n; i++) {
		bool found = false;

		if (w->o[i].gone || w->o[i].mesh == 0 ||
		    w->o[i].evidence == MATCH_UNDONE)
			continue;
		assert_true(w->out.places[i].person >= 0);
		for (size_t k = 0; k < w->out.npersons; k++)
			found |= w->out.persons[k].mesh == w->o[i].mesh;
		for (size_t k = 0; k < w->out.naliases; k++)
			found |= w->out.aliases[k].mesh == w->o[i].mesh;
		assert_true(found);
	}
	for (size_t i = 0; i < w->out.npersons; i++)
		for (size_t k = 0; k < i; k++)
			assert_true(
			    w->out.persons[i].mesh == 0 ||
			    w->out.persons[i].mesh != w->out.persons[k].mesh);
}

static bool
connected(const struct world *w, size_t a, size_t b)
{
	if (w->o[a].mesh != 0 && w->o[a].mesh == w->o[b].mesh)
		return true;
	for (int k = 0; k < KEYS; k++)
		if (match_common(&w->o[a], &w->o[b], k) != NULL)
			return true;
	for (size_t i = 0; i < w->nd; i++)
		if (w->d[i].verb != MATCH_ALONE &&
		    ((w->d[i].a == a && w->d[i].b == b) ||
			(w->d[i].a == b && w->d[i].b == a)))
			return true;
	return false;
}

/* One component by itself gives what it gave in the whole. */
static void
check_components(const struct world *w)
{
	size_t comp[64], place[64];
	struct world part;

	for (size_t i = 0; i < w->n; i++)
		comp[i] = i;
	for (size_t round = 0; round < w->n; round++)
		for (size_t i = 0; i < w->n; i++)
			for (size_t k = 0; k < w->n; k++)
				if (comp[k] < comp[i] && connected(w, i, k))
					comp[i] = comp[k];
	for (size_t c = 0; c < w->n; c++) {
		begin(&part);
		part.rules = w->rules;
		for (size_t i = 0; i < w->n; i++) {
			if (comp[i] != c)
				continue;
			place[i] = part.n;
			part.o[part.n++] = w->o[i];
		}
		for (size_t i = 0; i < part.n; i++)
			if (part.o[i].with != MATCH_NOBODY)
				part.o[i].with = comp[part.o[i].with] == c
						     ? place[part.o[i].with]
						     : MATCH_NOBODY;
		for (size_t i = 0; i < w->nd; i++)
			if (comp[w->d[i].a] == c &&
			    (w->d[i].verb == MATCH_ALONE ||
				comp[w->d[i].b] == c))
				decide(&part, w->d[i].verb, place[w->d[i].a],
				    w->d[i].verb == MATCH_ALONE
					? 0
					: place[w->d[i].b]);
		run(&part);
		for (size_t i = 0; i < w->n; i++) {
			const struct match_place *p, *q;

			if (comp[i] != c)
				continue;
			p = &w->out.places[i];
			q = &part.out.places[place[i]];
			assert_int_equal(p->held, q->held);
			assert_int_equal(p->evidence, q->evidence);
			if (p->person >= 0)
				assert_true(w->out.persons[p->person].mesh ==
					    part.out.persons[q->person].mesh);
		}
		match_free(&part.out);
	}
}

/*
 * The rules once more, slow and plain: without links, tombstones or decisions
 * each round compares everybody with everybody.
 */
struct plain {
	int cluster[64]; /* of an object: its smallest member */
	bool left[64];
	bool held[64];
};

static uint64_t
plain_sources(const struct world *w, const struct plain *p, int cluster)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < w->n; i++)
		if (p->cluster[i] == cluster)
			mask |= (uint64_t)1 << w->o[i].source;
	return mask;
}

static bool
plain_share(const struct world *w, const struct plain *p, int a, int b, int key)
{
	for (size_t i = 0; i < w->n; i++)
		for (size_t k = 0; k < w->n; k++)
			if (p->cluster[i] == a && p->cluster[k] == b &&
			    match_common(&w->o[i], &w->o[k], key) != NULL)
				return true;
	return false;
}

static bool
plain_says(const struct world *w, const struct plain *p, int cluster, int key)
{
	for (size_t i = 0; i < w->n; i++)
		for (size_t k = 0; k < w->o[i].nvalues; k++)
			if (p->cluster[i] == cluster &&
			    w->o[i].values[k].key == key)
				return true;
	return false;
}

static bool
plain_contradict(const struct world *w, const struct plain *p, const int *set,
    size_t n, int key)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			for (int k = 0; k < key; k++)
				if (!proposes[k] &&
				    plain_says(w, p, set[i], k) &&
				    plain_says(w, p, set[j], k) &&
				    !plain_share(w, p, set[i], set[j], k))
					return true;
	return false;
}

static void
plain_judge(
    const struct world *w, struct plain *p, const int *set, size_t n, int key)
{
	uint64_t mask = 0, sources[64];
	bool twice = false;
	int lead = set[0];

	for (size_t i = 0; i < n; i++) {
		sources[i] = plain_sources(w, p, set[i]);
		twice |= (mask & sources[i]) != 0;
		mask |= sources[i];
	}
	if (n < 2 || __builtin_popcountll(mask) < 2)
		return;
	if (twice || plain_contradict(w, p, set, n, key)) {
		for (size_t i = 0; i < n; i++) {
			p->left[set[i]] = true;
			p->held[set[i]] = !(sources[i] & mask & -mask);
		}
		return;
	}
	for (size_t i = 1; i < n; i++)
		for (size_t k = 0; k < w->n; k++)
			if (p->cluster[k] == set[i])
				p->cluster[k] = lead;
}

static void
plain_round(const struct world *w, struct plain *p, int key)
{
	uint64_t all = ((uint64_t)1 << w->rules.nsources) - 1;
	bool plays[64], done[64] = { false };
	int set[64];

	for (size_t i = 0; i < w->n; i++)
		plays[i] = p->cluster[i] == (int)i && !p->left[i] &&
			   plain_sources(w, p, (int)i) != all;
	for (size_t i = 0; i < w->n; i++) {
		size_t n = 0;

		if (!plays[i] || done[i])
			continue;
		set[n++] = (int)i;
		done[i] = true;
		for (size_t at = 0; at < n; at++)
			for (size_t k = 0; k < w->n; k++)
				if (plays[k] && !done[k] &&
				    plain_share(w, p, set[at], (int)k, key)) {
					done[k] = true;
					set[n++] = (int)k;
				}
		plain_judge(w, p, set, n, key);
	}
}

static void
check_plain(const struct world *w)
{
	struct plain p = { 0 };

	for (size_t i = 0; i < w->n; i++)
		p.cluster[i] = (int)i;
	for (int k = 0; k < KEYS; k++)
		if (!proposes[k])
			plain_round(w, &p, k);
	for (size_t i = 0; i < w->n; i++) {
		assert_int_equal(
		    w->out.places[i].person < 0, p.held[p.cluster[i]]);
		for (size_t k = 0; k < i; k++)
			if (!p.held[p.cluster[i]])
				assert_int_equal(together(w, i, k),
				    p.cluster[i] == p.cluster[k]);
	}
}

/* Everything that decisions have made is undone: only the rules are left, and
 * nobody has the id of two. */
static void
check_undone(struct world *w)
{
	struct match_output out = w->out;
	int64_t next = 0;

	remember(w, &next);
	w->out = (struct match_output){ 0 };
	for (size_t i = 0; i < w->n; i++)
		w->o[i].evidence = MATCH_UNDONE;
	w->nd = 0;
	run(w);
	check_persons(w);
	check_order(w);
	check_plain(w);
	for (size_t i = 0; i < w->out.npersons; i++)
		for (size_t k = 0; k < i; k++)
			assert_true(
			    w->out.persons[i].mesh == 0 ||
			    w->out.persons[i].mesh != w->out.persons[k].mesh);
	match_free(&out);
}

static void
test_worlds(void **state)
{
	size_t joined = 0, held_ones = 0;
	struct world w;

	(void)state;
	for (int i = 0; i < 1500; i++) {
		seed = (uint64_t)i;
		random_world(&w, 4 + roll(36));
		run(&w);
		check_persons(&w);
		check_order(&w);
		check_components(&w);
		if (w.nd == 0)
			check_plain(&w);
		for (size_t k = 0; k < w.n; k++) {
			held_ones += w.out.places[k].person < 0;
			joined += w.out.places[k].person >= 0 &&
				  w.out.persons[w.out.places[k].person].n > 1;
		}
		check_undone(&w);
		match_free(&w.out);
	}
	/* The worlds are such that there is something to see. */
	assert_true(joined > 1000);
	assert_true(held_ones > 1000);
}

static void
change(struct world *w)
{
	size_t i = roll((unsigned)w->n);
	char id[24];

	switch (roll(7)) {
	case 0:
		w->o[i].gone = true;
		break;
	case 1:
		w->o[i].gone = false;
		break;
	case 2:
		if (w->n == 48)
			break;
		snprintf(id, sizeof(id), "%zu", w->n);
		add(w, (int)roll((unsigned)w->rules.nsources), id, NULL, NULL,
		    NULL);
		random_values(w, w->n - 1, 12);
		break;
	case 3:
		/* The store knows by which decision it got there. */
		if (w->o[i].mesh != 0) {
			w->o[i].evidence = MATCH_UNDONE;
			w->o[i].with = MATCH_NOBODY;
		}
		break;
	default:
		random_values(w, i, 12);
	}
}

static void
test_histories(void **state)
{
	size_t stale = 0, aliases = 0, returned = 0, unjoined = 0;
	static char before[8192], after[8192];
	size_t same[64];
	struct world w;

	(void)state;
	for (size_t i = 0; i < 64; i++)
		same[i] = i;
	for (int i = 0; i < 150; i++) {
		int64_t next = 0;

		seed = (uint64_t)i + 1000000;
		random_world(&w, 4 + roll(24));
		w.rules.same_key = (enum match_back)roll(3);
		for (int step = 0; step < 30; step++) {
			run(&w);
			check_persons(&w);
			check_nobody_lost(&w);
			check_order(&w);
			check_components(&w);
			for (size_t k = 0; k < w.n; k++) {
				stale += w.out.places[k].stale;
				returned +=
				    w.out.places[k].held == MATCH_RETURNED;
			}
			for (size_t k = 0; k < w.out.nconflicts; k++)
				unjoined +=
				    w.out.conflicts[k].why == MATCH_UNJOINED;
			aliases += w.out.naliases;
			remember(&w, &next);
			picture(&w, same, before, sizeof(before));
			/* Nothing has changed: nothing changes. */
			run(&w);
			picture(&w, same, after, sizeof(after));
			assert_string_equal(before, after);
			assert_int_equal(w.out.naliases, 0);
			change(&w);
		}
		match_free(&w.out);
	}
	assert_true(stale > 100);
	assert_true(aliases > 20);
	assert_true(returned > 100);
	assert_true(unjoined > 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worlds),
		cmocka_unit_test(test_histories),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("match worlds", tests, NULL, NULL);
}
