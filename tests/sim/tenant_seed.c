/*
 * tenant_seed.c - the same company, seen from Entra.
 *
 * main.c calls tenant_seed() behind org_seed().  --overlap percent of the
 * users are people of the org and agree with it as such data does: another
 * case here, an employeeId missing there, an e-mail that somebody else had.
 * The others are guests, accounts of services, and people's second accounts.
 * tenant_groups.c makes the groups.
 */

#include "tenant_seed.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "names.h"

#define YEAR_2019 INT64_C(1546300800000)
#define DAY INT64_C(86400000)

/* What one user is made from; the words are those of names.c. */
struct person {
	enum { TWIN, GUEST, SERVICE, SECOND } is;
	uint32_t number; /* of its employeeId and login */
	uint16_t first, last, title, department, city;
	uint64_t bits;
	int64_t created;
	bool enabled;
	const struct user *user; /* of a TWIN */
	struct buf login, mail; /* owned */
};

/* Properties come in the order of the table, so the next is near. */
static void
begin(struct maker *m, const char *prop)
{
	const struct kind *k = &tenant_kinds[DIR_USERS];
	size_t i = m->next > 0 ? m->next : 1;

	while (i < k->n_props && strcmp(k->props[i].name, prop) != 0)
		i++;
	assert(i < k->n_props);
	object_begin(m, i);
}

/* NULL: never set. */
static void
add_text(struct maker *m, const char *prop, const char *text)
{
	begin(m, prop);
	if (text != NULL)
		buf_json_str(&m->b, text);
}

static void
add_raw(struct maker *m, const char *prop, const char *json)
{
	begin(m, prop);
	buf_str(&m->b, json);
}

static void
add_time(struct maker *m, const char *prop, int64_t ms)
{
	char text[CLOCK_TEXT];

	clock_rfc3339(ms, text);
	/* Entra gives whole seconds, without a fraction. */
	memcpy(text + 19, "Z", 2);
	add_text(m, prop, text);
}

/* The value of a string in the Okta user's profile. */
static void
copy_profile(const struct user *u, const char *key, struct buf *out)
{
	char *want = xasprintf("\"%s\":\"", key);
	const char *s =
	    memmem(u->text + u->profile, u->profile_len, want, strlen(want));

	if (s != NULL) {
		s += strlen(want);
		buf_add(out, s, strcspn(s, "\""));
	}
	free(want);
}

static void
capital(struct buf *b)
{
	bool start = true;

	for (size_t i = 0; i < b->len; i++) {
		char ch = b->data[i];

		if (start && ch >= 'a' && ch <= 'z')
			b->data[i] = (char)(ch - 'a' + 'A');
		start = ch == '.' || ch == '@';
	}
}

static void
name_twin(struct person *p, const struct org *org)
{
	const struct user *u = p->user;

	copy_profile(u, "login", &p->login);
	if (p->number % 15 == 2)
		capital(&p->login);
	/* An address goes to the next one when its owner has left. */
	if (p->number % 200 == 77)
		u = &org->users[p->number - 1];
	else if (p->number % 12 == 5 || p->number % 200 == 76)
		return; /* has no mailbox, or lost it */
	copy_profile(u, "email", &p->mail);
	if (p->number % 9 == 1)
		capital(&p->mail);
}

static void
name_other(struct person *p)
{
	const char *first = first_names[p->first].ascii;
	const char *last = last_names[p->last].ascii;

	switch (p->is) {
	case GUEST:
		buf_fmt(&p->login, "%s.%s%u_partner.example#EXT#@%s", first,
		    last, p->number, TENANT_NAME);
		buf_fmt(&p->mail, "%s.%s%u@partner.example", first, last,
		    p->number);
		break;
	case SECOND:
		buf_fmt(&p->login, "adm-%s%u@%s", last, p->number, TENANT_NAME);
		break;
	default:
		buf_fmt(&p->login, "svc-%s%u@%s", last, p->number, TENANT_NAME);
		break;
	}
}

static void
add_work(struct maker *m, const struct person *p)
{
	static const char *const types[] = { "Employee", "Contractor", "Temp",
		"Intern" };
	bool staff = p->is == TWIN || p->is == SECOND;
	char *text;

	if (staff && p->number % 5 == 0)
		add_text(m, "department",
		    departments[(p->department + 1) % N_DEPARTMENT]);
	else if (staff)
		add_text(m, "department", departments[p->department]);
	text = xasprintf("%s %s%s", first_names[p->first].text,
	    last_names[p->last].text, p->is == SECOND ? " (admin)" : "");
	add_text(m, "displayName", text);
	free(text);
	if (staff && p->number % 25 != 4) {
		text = xasprintf("E%06u", p->number);
		add_time(m, "employeeHireDate", p->created - p->created % DAY);
		add_text(m, "employeeId", text);
		free(text);
	}
	if (p->is == TWIN && p->department % 2 == 0) {
		text = xasprintf(
		    "{\"division\":\"%s\",\"costCenter\":\"CC-%03u\"}",
		    p->department < 8 ? "Core" : "Services",
		    p->department * 7u);
		add_raw(m, "employeeOrgData", text);
		free(text);
	}
	if (staff)
		add_text(m, "employeeType", types[p->bits >> 46 & 3]);
	if (p->is == GUEST)
		add_text(m, "externalUserState",
		    p->number % 3 == 0 ? "PendingAcceptance" : "Accepted");
	if (p->is != SERVICE)
		add_text(m, "givenName", first_names[p->first].text);
	if (staff)
		add_text(m, "jobTitle",
		    titles[(p->title + (p->number % 10 == 6)) % N_TITLE]);
	add_time(m, "lastPasswordChangeDateTime", p->created + 40 * DAY);
}

static void
add_mail(struct maker *m, const struct person *p)
{
	bool synced = p->is == TWIN && p->bits % 4 == 1;
	char *text;

	if (p->mail.len > 0)
		add_text(m, "mail", p->mail.data);
	text = xstrndup(p->login.data, strcspn(p->login.data, "@"));
	add_text(m, "mailNickname", text);
	free(text);
	if (p->is == TWIN && p->bits % 3 == 0) {
		text = xasprintf("+1 555 %03u %04u",
		    (unsigned)(p->bits >> 20 & 0x3ff) % 1000,
		    (unsigned)(p->bits >> 30 & 0x3fff) % 10000);
		add_text(m, "mobilePhone", text);
		free(text);
	}
	if (p->is == TWIN)
		add_text(m, "officeLocation", cities[p->city].name);
	if (synced) {
		add_raw(m, "onPremisesExtensionAttributes",
		    "{\"extensionAttribute1\":\"hq\","
		    "\"extensionAttribute2\":null}");
		text = xasprintf("b3JnLXNpbS0%010u==", p->number);
		add_text(m, "onPremisesImmutableId", text);
		free(text);
		text = xasprintf("usr%u", p->number);
		add_text(m, "onPremisesSamAccountName", text);
		free(text);
		add_raw(m, "onPremisesSyncEnabled", "true");
	}
	if (p->bits % 6 == 2) {
		text = xasprintf("[\"%s%u@home.example\"]",
		    last_names[p->last].ascii, p->number);
		add_raw(m, "otherMails", text);
		free(text);
	}
	if (p->mail.len > 0) {
		text = xasprintf("[\"SMTP:%s\",\"smtp:u%u@%s\"]", p->mail.data,
		    p->number, TENANT_NAME);
		add_text(m, "preferredLanguage",
		    p->is == TWIN ? cities[p->city].locale : NULL);
		add_raw(m, "proxyAddresses", text);
		free(text);
	}
}

static void
add_person(struct tenant *t, struct person *p)
{
	struct maker m = { .o = tenant_add(t, DIR_USERS, false) };
	char *text;

	if (p->user != NULL)
		m.o->twin = p->user->number;
	buf_reserve(&m.b, 1000);
	add_raw(&m, "accountEnabled", p->enabled ? "true" : "false");
	if (p->is == TWIN && p->bits % 5 < 2) {
		text = xasprintf("[\"+1 555 0%05u\"]", p->number % 100000);
		add_raw(&m, "businessPhones", text);
		free(text);
	}
	if (p->is == TWIN)
		add_text(&m, "city", cities[p->city].name);
	add_text(
	    &m, "companyName", p->is == GUEST ? "Partner Ltd." : "Orgsim Inc.");
	add_time(&m, "createdDateTime", p->created);
	if (p->is == GUEST)
		add_text(&m, "creationType", "Invitation");
	add_work(&m, p);
	add_mail(&m, p);
	if (p->is != SERVICE)
		add_text(&m, "surname", last_names[p->last].text);
	if (p->is == TWIN)
		add_text(&m, "usageLocation", cities[p->city].country);
	add_text(&m, "userPrincipalName", p->login.data);
	add_text(&m, "userType", p->is == GUEST ? "Guest" : "Member");
	if (p->is == TWIN && p->bits % 8 == 3) {
		object_begin(&m, tenant_kinds[DIR_USERS].n_props - 1);
		buf_fmt(
		    &m.b, "%" PRId64, INT64_C(9007199254740993) + p->number);
	}
	object_end(&m);
}

static void
seed_twin(struct tenant *t, const struct org *org, const struct user *u)
{
	struct person p = { .is = TWIN,
		.number = u->number,
		.first = u->first,
		.last = u->last,
		.title = u->title,
		.department = u->department,
		.city = u->city,
		.bits = u->bits,
		.created = u->created,
		.user = u };

	p.enabled = u->status != USER_DEPROVISIONED &&
		    u->status != USER_SUSPENDED && u->number % 33 != 9;
	name_twin(&p, org);
	add_person(t, &p);
	buf_free(&p.login);
	buf_free(&p.mail);
}

static void
seed_other(struct tenant *t, const struct org *org, uint32_t k, size_t twins)
{
	struct rng *rng = &t->rng;
	struct person p = { .is = k % 3 == 0 && twins > 0 ? SECOND
				  : k % 3 == 1            ? SERVICE
							  : GUEST,
		.number = (uint32_t)org->n_users + k,
		.first = (uint16_t)rng_below(rng, N_FIRST),
		.last = (uint16_t)rng_below(rng, N_LAST),
		.bits = rng_next(rng),
		.created = YEAR_2019 + (int64_t)(k % 2000) * DAY,
		.enabled = k % 7 != 3 };

	/* The second account of somebody who has one here already. */
	if (p.is == SECOND) {
		const struct user *u =
		    &org->users[t->dirs[DIR_USERS]
				    .v[rng_below(rng, (uint32_t)twins)]
				    .twin];

		p.number = u->number;
		p.first = u->first;
		p.last = u->last;
		p.department = u->department;
	}
	name_other(&p);
	add_person(t, &p);
	buf_free(&p.login);
	buf_free(&p.mail);
}

/* People have the manager that the org has, if Entra knows that one too. */
static void
seed_managers(struct tenant *t, const struct org *org)
{
	struct directory *d = &t->dirs[DIR_USERS];
	uint32_t *place = xmalloc((org->n_users + 1) * sizeof(*place));

	memset(place, 0xff, (org->n_users + 1) * sizeof(*place));
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].twin != NO_TWIN)
			place[d->v[i].twin] = (uint32_t)i;
	for (size_t i = 0; i < d->n; i++) {
		struct object *o = &d->v[i];
		uint32_t boss;

		if (o->twin == NO_TWIN)
			continue;
		boss = org->users[o->twin].manager;
		if (boss == o->twin || place[boss] == UINT32_MAX)
			continue;
		tenant_link(t, REF(DIR_USERS, i), REF(DIR_USERS, place[boss]));
	}
	free(place);
}

void
tenant_seed(struct tenant *t, const struct org *org,
    const struct tenant_size *size, uint64_t seed)
{
	size_t twins = size->users * (size_t)size->overlap / 100;

	*t = (struct tenant){ .rng = { seed ^ 0x656e747261u },
		.key = rng_hash(&seed, sizeof(seed), 0x656e) };
	if (twins > org->n_users)
		twins = org->n_users;
	for (size_t i = 0; i < twins; i++)
		seed_twin(t, org, &org->users[i]);
	for (size_t i = twins; i < size->users; i++)
		seed_other(t, org, (uint32_t)(i - twins), twins);
	seed_managers(t, org);
	tenant_seed_groups(t, size);
}
