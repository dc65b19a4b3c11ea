-- Okta and Entra as one mesh: give join (and transform) this folder as --rules.
-- With one source leave it out: merging costs a second copy of every object.
-- rules(7), JOIN, FLOW, LIFE, GUARD, says what each line means.

-- Who is the same person.  Tried top to bottom; what is ambiguous waits for a
-- decision and never falls through to a weaker key.
join "User" {
  sources = { "okta", "entra" },
  { "employeeNumber", norm = { "trim", "upper", "strip0" } },
  { "email", norm = { "trim", "lower" }, except = { "info@", "noreply@" } },
  { "login", norm = { "trim", "lower" } },
  { "lastName", "firstName", "department", norm = "fold", propose = true },
}
join "Group" {
  sources = { "okta", "entra" },
  { "name", norm = { "trim", "fold" } },
}

-- Whose word counts.
flow "User" {
  ["*"]          = { "okta", "entra" },
  title          = { "entra", "okta" },
  department     = { "entra", "okta" },
  accountEnabled = { all = { "okta", "entra" } },
  displayName    = { "okta", "entra", default = "{firstName} {lastName}" },
  managerId      = { own = "entra", backup = "okta",
                     ref = { "User", by = { "employeeNumber", "login" } } },
}

-- Leaving, coming back, and stopping in time.
life "User" {
  gone  = "all",
  grace = "7d",
  back  = { same_id = "revive", same_key = "ask" },
}
guard {
  leave  = { max = 500, percent = 5, of_at_least = 50 },
  unjoin = { max = 20 },
  change = { percent = 20, attributes = { "email", "login", "employeeNumber" } },
}
