join "User" {
  sources = { "okta", "entra" },
  { "employeeNumber", norm = { "trim", "upper" } },
  { "email", norm = "lower", except = { "info@" } },
  { "lastName", "firstName", norm = "fold", propose = true },
}
flow "User" {
  ["*"]          = { "okta", "entra" },
  title          = { "entra", "okta" },
  accountEnabled = { all = { "okta", "entra" } },
  managerId      = { own = "entra", backup = "okta", ref = "User" },
  displayName    = { "okta", "entra", default = "{firstName} {lastName}" },
}
life "User" { gone = "all", grace = "7d", back = { same_key = "ask" } }
join "Group" {
  sources = { "okta", "entra" },
  { "name", norm = "fold" },
}
guard {
  leave  = { max = 500, percent = 5, of_at_least = 50 },
  unjoin = { max = 20 },
  change = { percent = 20, of_at_least = 50, attributes = { "email", "employeeNumber" } },
}
