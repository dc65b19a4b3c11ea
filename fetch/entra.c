/*
 * entra.c - the entities of an Entra tenant: one line of facts each.
 *
 * graph.c makes a stream of every line that is wanted.  Groups are listed
 * twice, once for what they are and once for who is in them: the two rounds
 * stand on their own, each with its own link to go on from.
 * Source: entra 1.1 (permissions), 1.2 and 1.7 (attributes).
 */

#include "graph.h"

static const struct entity entities[] = {
	{
	    .name = "User",
	    .config = "ImportUsers",
	    .list = "/v1.0/users/delta",
	    .type = "entra.User",
	    .select = "id",
	    .usual = "accountEnabled,businessPhones,city,companyName,country,"
		     "createdDateTime,department,displayName,employeeId,"
		     "employeeOrgData,employeeType,givenName,jobTitle,"
		     "lastPasswordChangeDateTime,mail,manager,mobilePhone,"
		     "onPremisesImmutableId,onPremisesSamAccountName,"
		     "onPremisesSyncEnabled,otherMails,postalCode,"
		     "preferredLanguage,proxyAddresses,state,streetAddress,"
		     "surname,usageLocation,userPrincipalName,userType",
	    .permission = "User.Read.All",
	},
	{
	    .name = "Group",
	    .config = "ImportGroups",
	    .list = "/v1.0/groups/delta",
	    .type = "entra.Group",
	    .select = "id",
	    .usual = "createdDateTime,description,displayName,groupTypes,mail,"
		     "mailEnabled,membershipRule,onPremisesSyncEnabled,"
		     "securityEnabled",
	    .permission = "Group.Read.All",
	},
	{
	    .name = "GroupMember",
	    .config = "ImportMemberships",
	    .list = "/v1.0/groups/delta",
	    .type = "entra.GroupMember",
	    .select = "id,members",
	    .permission = "GroupMember.Read.All",
	    .members = true,
	    .context = MSG_GROUP_ID,
	    .key = "[\"$context." MSG_GROUP_ID "\",\"id\"]",
	},
};

const struct entity *
entra_entity(size_t i)
{
	return i < sizeof(entities) / sizeof(entities[0]) ? &entities[i] : NULL;
}
