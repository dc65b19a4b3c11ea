-- What okta.lua must do: idmesh transform test.  Given this record of Okta's,
-- expect that object of the mesh.

local function user(changes)
  local u = {
    id = "00u1ab", status = "ACTIVE", created = "2026-04-22T08:15:30.000Z",
    profile = { login = "ann@example.com", email = "Ann@Example.com", firstName = "Ann" },
  }
  for key, value in pairs(changes) do u[key] = value end
  return u
end

test "okta.User" {
  name    = "values stay as they are",
  given   = user {},
  expect  = { ExternalId = "00u1ab", email = "Ann@Example.com", accountEnabled = true },
  without = { "lastName" },
}
test "okta.User" {
  name   = "suspended people stay, but may not sign in",
  given  = user { status = "SUSPENDED" },
  expect = { status = "SUSPENDED", accountEnabled = false },
}
test "okta.User" {
  name   = "who is deprovisioned has left",
  given  = user { status = "DEPROVISIONED" },
  expect = "delete",
}
test "okta.GroupMember" {
  name    = "a membership is named by both ends",
  given   = { id = "00u1ab" },
  context = { groupId = "00g7" },
  expect  = { ExternalId = "00g7:00u1ab", groupId = "00g7", memberId = "00u1ab" },
}
test "okta.GroupRule" {
  name   = "a group rule says whom it puts where",
  given  = {
    id = "0pr1ab", type = "group_rule", name = "Sales people", status = "ACTIVE",
    conditions = {
      people = { users = { exclude = { "00u1ab" } } },
      expression = { value = 'user.department=="Sales"' },
    },
    actions = { assignUserToGroups = { groupIds = { "00g7" } } },
  },
  expect = {
    name = "Sales people", status = "ACTIVE", expression = 'user.department=="Sales"',
    groupIds = { "00g7" }, excludedUsers = { "00u1ab" },
  },
  without = { "excludedGroups" },
}
