-- What an Okta org becomes in the mesh.  Left: the attribute, right: where it
-- is in Okta's record.  rules(7) has the whole language.

map "okta.User" {
  ExternalId        = "id",
  status            = "status",
  accountEnabled    = is("status", "ACTIVE"),
  created           = "created",
  lastUpdated       = "lastUpdated",
  lastLogin         = "lastLogin",
  passwordChanged   = "passwordChanged",
  statusChanged     = "statusChanged",
  activated         = "activated",
  type              = "type",
  firstName         = "profile.firstName",
  lastName          = "profile.lastName",
  displayName       = "profile.displayName",
  email             = "profile.email",
  secondEmail       = "profile.secondEmail",
  login             = "profile.login",
  mobilePhone       = "profile.mobilePhone",
  primaryPhone      = "profile.primaryPhone",
  streetAddress     = "profile.streetAddress",
  city              = "profile.city",
  state             = "profile.state",
  zipCode           = "profile.zipCode",
  countryCode       = "profile.countryCode",
  title             = "profile.title",
  department        = "profile.department",
  manager           = "profile.manager",
  managerId         = "profile.managerId",
  costCenter        = "profile.costCenter",
  division          = "profile.division",
  employeeNumber    = "profile.employeeNumber",
  organization      = "profile.organization",
  userType          = "profile.userType",
  preferredLanguage = "profile.preferredLanguage",
  locale            = "profile.locale",
  timezone          = "profile.timezone",
}

map "okta.Group" {
  ExternalId            = "id",
  type                  = "type",
  created               = "created",
  lastUpdated           = "lastUpdated",
  lastMembershipUpdated = "lastMembershipUpdated",
  objectClass           = concat("objectClass", ","),
  name                  = "profile.name",
  description           = "profile.description",
}

-- One object for each member of each group; Okta does not nest groups.
map "okta.GroupMember" {
  ExternalId = concat(list("$context.groupId", "id"), ":"),
  groupId    = "$context.groupId",
  memberId   = "id",
  memberType = const "User",
}

-- Who is put into which groups by what they are; read with ImportGroupRules.
map "okta.GroupRule" {
  ExternalId     = "id",
  name           = "name",
  status         = "status",
  created        = "created",
  lastUpdated    = "lastUpdated",
  expression     = "conditions.expression.value",
  groupIds       = "actions.assignUserToGroups.groupIds",
  excludedUsers  = "conditions.people.users.exclude",
  excludedGroups = "conditions.people.groups.exclude",
}

-- Who is gone, and who does not belong here.  More tests go into drop:
--   { login = { prefix = "svc-" } }, { email = { suffix = "@partner.example" } }
-- and search = [[profile.department eq "Engineering"]] saves calls as well.
scope "okta.User" {
  deleted = { status = "DEPROVISIONED" },
  drop    = { { status = "shadow" } },
}

-- A login alone changes nothing that a target needs to hear of.
quiet "User" { "lastLogin" }
