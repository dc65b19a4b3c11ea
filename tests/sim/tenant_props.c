/*
 * tenant_props.c - which properties the objects of the tenant have.
 *
 * Data, read by tenant*.c and graph_*.c.  The names are Graph's; the flags
 * say what a request without $select gets.
 */

#include "tenant.h"

#include <string.h>

static const struct prop user_props[] = {
	{ "id", PROP_DEFAULT },
	{ "accountEnabled", PROP_BOOL },
	{ "businessPhones", PROP_DEFAULT | PROP_LIST },
	{ "city", 0 },
	{ "companyName", 0 },
	{ "country", 0 },
	{ "createdDateTime", 0 },
	{ "creationType", 0 },
	{ "department", 0 },
	{ "displayName", PROP_DEFAULT },
	{ "employeeHireDate", 0 },
	{ "employeeId", 0 },
	{ "employeeOrgData", 0 },
	{ "employeeType", 0 },
	{ "externalUserState", 0 },
	{ "faxNumber", 0 },
	{ "givenName", PROP_DEFAULT },
	{ "jobTitle", PROP_DEFAULT },
	{ "lastPasswordChangeDateTime", 0 },
	{ "mail", PROP_DEFAULT },
	{ "mailNickname", 0 },
	{ "mobilePhone", PROP_DEFAULT },
	{ "officeLocation", PROP_DEFAULT },
	{ "onPremisesExtensionAttributes", 0 },
	{ "onPremisesImmutableId", 0 },
	{ "onPremisesSamAccountName", 0 },
	{ "onPremisesSyncEnabled", PROP_BOOL },
	{ "otherMails", PROP_LIST },
	{ "postalCode", 0 },
	{ "preferredLanguage", PROP_DEFAULT },
	{ "proxyAddresses", PROP_LIST },
	{ "state", 0 },
	{ "streetAddress", 0 },
	{ "surname", PROP_DEFAULT },
	{ "usageLocation", 0 },
	{ "userPrincipalName", PROP_DEFAULT },
	{ "userType", 0 },
	{ "deletedDateTime", 0 },
	{ "extension_5f2b6c1e0d474a9b8e31c7a4d90b6e12_badgeNumber", 0 },
};

static const struct prop group_props[] = {
	{ "id", PROP_DEFAULT },
	{ "classification", PROP_DEFAULT },
	{ "createdDateTime", PROP_DEFAULT },
	{ "deletedDateTime", PROP_DEFAULT },
	{ "description", PROP_DEFAULT },
	{ "displayName", PROP_DEFAULT },
	{ "groupTypes", PROP_DEFAULT | PROP_LIST },
	{ "isAssignableToRole", PROP_DEFAULT | PROP_BOOL },
	{ "mail", PROP_DEFAULT },
	{ "mailEnabled", PROP_DEFAULT | PROP_BOOL },
	{ "mailNickname", PROP_DEFAULT },
	{ "membershipRule", PROP_DEFAULT },
	{ "membershipRuleProcessingState", PROP_DEFAULT },
	{ "onPremisesSamAccountName", PROP_DEFAULT },
	{ "onPremisesSecurityIdentifier", PROP_DEFAULT },
	{ "onPremisesSyncEnabled", PROP_DEFAULT | PROP_BOOL },
	{ "proxyAddresses", PROP_DEFAULT | PROP_LIST },
	{ "renewedDateTime", PROP_DEFAULT },
	{ "securityEnabled", PROP_DEFAULT | PROP_BOOL },
	{ "securityIdentifier", PROP_DEFAULT },
	{ "visibility", PROP_DEFAULT },
};

static const struct prop device_props[] = {
	{ "id", PROP_DEFAULT },
	{ "displayName", PROP_DEFAULT },
	{ "accountEnabled", PROP_DEFAULT | PROP_BOOL },
	{ "operatingSystem", PROP_DEFAULT },
};

static const struct prop principal_props[] = {
	{ "id", PROP_DEFAULT },
	{ "displayName", PROP_DEFAULT },
	{ "accountEnabled", PROP_DEFAULT | PROP_BOOL },
	{ "appId", PROP_DEFAULT },
};

#define N(table) (sizeof(table) / sizeof((table)[0]))

_Static_assert(N(user_props) <= MAX_PROPS, "MAX_PROPS is too small");

const struct kind tenant_kinds[N_DIRS] = {
	{ "users", "user", user_props, N(user_props), "manager" },
	{ "groups", "group", group_props, N(group_props), "members" },
	{ "devices", "device", device_props, N(device_props), NULL },
	{ "servicePrincipals", "servicePrincipal", principal_props,
	    N(principal_props), NULL },
};

int
kind_prop(int dir, const char *name, size_t len)
{
	const struct kind *k = &tenant_kinds[dir];

	for (size_t i = 0; i < k->n_props; i++)
		if (strncasecmp(k->props[i].name, name, len) == 0 &&
		    k->props[i].name[len] == '\0')
			return (int)i;
	return -1;
}
