/*
 * okta.c - the entities of Okta: one line of facts each.
 *
 * command.c makes a stream of every line that is wanted.  A new entity is a
 * new line here, its switch in lib/config_source.c and a map in the rules.
 * Source: okta-api 1.3 and 2.
 */

#include "fetch.h"

static const struct entity entities[] = {
	{
	    .name = "User",
	    .config = "ImportUsers",
	    .list = "/api/v1/users",
	    .query = "",
	    .page_max = 200,
	    .sized = true,
	    .omits = true,
	    .filtered = true,
	    /* The plain list leaves them out. */
	    .second = "status eq \"DEPROVISIONED\"",
	    .delta = "lastUpdated ge \"@\"",
	},
	{
	    .name = "Group",
	    .config = "ImportGroups",
	    .list = "/api/v1/groups",
	    .query = "expand=stats",
	    .page_max = 200,
	    .sized = true,
	    .delta = "lastUpdated gt \"@\" or lastMembershipUpdated gt \"@\"",
	},
	{
	    .name = "GroupMember",
	    .config = "ImportMemberships",
	    .list = "/api/v1/groups/{id}/users",
	    .query = "",
	    .page_max = 1000,
	    .omits = true,
	    .delta = "lastMembershipUpdated gt \"@\"",
	    .parent = "Group",
	    .moved = "lastMembershipUpdated",
	    .changed = "lastUpdated",
	    .count = "_embedded.stats.usersCount",
	    .context = MSG_GROUP_ID,
	    .key = "[\"$context." MSG_GROUP_ID "\",\"id\"]",
	},
	{
	    .name = "GroupRule",
	    .config = "ImportGroupRules",
	    .list = "/api/v1/groups/rules",
	    .query = "",
	    .page_max = 200,
	    .permission = "okta.groups.read",
	},
};

const struct entity *
okta_entity(size_t i)
{
	return i < sizeof(entities) / sizeof(entities[0]) ? &entities[i] : NULL;
}
