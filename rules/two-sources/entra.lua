-- What an Entra tenant becomes in the mesh.  Left: the attribute, with the
-- name that okta.lua has for the same thing; right: where it is in Microsoft
-- Graph's record.  What is named here is what Graph is asked for.

map "entra.User" {
  ExternalId        = "id",
  accountEnabled    = "accountEnabled",
  created           = "createdDateTime",
  passwordChanged   = "lastPasswordChangeDateTime",
  firstName         = "givenName",
  lastName          = "surname",
  displayName       = "displayName",
  email             = "mail",
  secondEmail       = head "otherMails",
  login             = "userPrincipalName",
  mobilePhone       = "mobilePhone",
  primaryPhone      = head "businessPhones",
  streetAddress     = "streetAddress",
  city              = "city",
  state             = "state",
  zipCode           = "postalCode",
  countryCode       = "usageLocation",
  title             = "jobTitle",
  department        = "department",
  managerId         = "manager.id",
  costCenter        = "employeeOrgData.costCenter",
  division          = "employeeOrgData.division",
  employeeNumber    = "employeeId",
  organization      = "companyName",
  userType          = "employeeType",
  preferredLanguage = "preferredLanguage",
}

map "entra.Group" {
  ExternalId  = "id",
  created     = "createdDateTime",
  objectClass = concat("groupTypes", ","),
  name        = "displayName",
  description = "description",
}

-- Direct members only; a group in a group is a member of type Group.
map "entra.GroupMember" {
  ExternalId = concat(list("$context.groupId", "id"), ":"),
  groupId    = "$context.groupId",
  memberId   = "id",
  memberType = "memberType",
}
