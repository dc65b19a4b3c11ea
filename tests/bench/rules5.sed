# rules5.sed - rules/okta.lua with five attributes of a user as functions:
# what a site with some rules of its own has.  Only `map "okta.User"`.
/^map "okta.User"/,/^}/ {
	s/^\( *accountEnabled *=\).*/\1 function(u) return u.status == "ACTIVE" end,/
	s/^\( *email *=\).*/\1 function(u) return u.profile.email:lower() end,/
	s/^\( *department *=\).*/\1 function(u) return u.profile.department end,/
	s/^\( *employeeNumber *=\).*/\1 function(u) return u.profile.employeeNumber:upper() end,/
	s/^\( *userType *=\).*/\1 function(u)\
    if u.profile.userType == "Intern" then return "Temp" end\
    return u.profile.userType\
  end,/
}
