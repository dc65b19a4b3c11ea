-- Okta and Entra ID are two views of one company: who is the same person, and
-- whose word counts.  Copy this folder, which is whole by itself, or this file
-- beside your own okta.lua and entra.lua, and make it yours; see first what it
-- does: idmesh join diff --db state.db --rules FOLDER.
-- rules(7) has the whole language.

-- Two accounts are one person when they share a value of a key.  The first key
-- is trusted most; the next is tried for those that it did not join.  Values
-- are compared as `norm` makes them, and an empty value matches nobody.
-- Who cannot be told for sure is held for you: idmesh join held.
join "User" {
  sources = { "okta", "entra" }, -- most trusted first: its account leads
  { "employeeNumber", norm = { "trim", "upper" } },
  { "email", norm = "lower", except = { "info@", "admin@", "noreply@" } },
  { "lastName", "firstName", norm = "fold", propose = true }, -- only proposed
}

-- Whose value an attribute has: the first source in the list that has one.
flow "User" {
  ["*"]          = { "okta", "entra" },
  title          = { "entra", "okta" },
  displayName    = { "okta", "entra", default = "{firstName} {lastName}" },

  -- May sign in only where no source that has them says no.  One that let go of
  -- them, as Okta does of who is deprovisioned, has no say: see life below.
  accountEnabled = { all = { "okta", "entra" } },

  -- Of people in Entra only Entra's word counts, also when it names nobody.
  -- Entra names a manager's id, Okta here the employee number; the mesh has
  -- the manager's mesh id.
  managerId      = { own = "entra", backup = "okta",
                     ref = { "User", by = { "employeeNumber" } } },
}

-- A person leaves when the last source has let go (gone = "any": the first), is
-- disabled for a week and then removed.  Who comes back under the same id is the
-- same person; a new id with the same key is held until you decide.
life "User" {
  gone  = "all",
  grace = "7d",
  back  = { same_id = "revive", same_key = "ask" },
}

-- Groups of the same name are one group with the members of both.
join "Group" {
  sources = { "okta", "entra" },
  { "name", norm = "fold" },
}

-- The brake: what would go beyond this is stopped as a whole, nothing of it is
-- done, and `idmesh join approve` lets it through when it is right.
guard {
  leave  = { max = 500, percent = 5, of_at_least = 50 },
  unjoin = { max = 20 },
  change = { percent = 20, of_at_least = 50,
             attributes = { "email", "employeeNumber" } },
}
