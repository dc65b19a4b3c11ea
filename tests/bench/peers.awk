# peers.awk - the map of a user in rules/okta.lua as a program of a peer, so
# that all of them do the same work.  -v peer=jq or -v peer=mlr.  Fails on a
# line that it cannot say in the peer's language.

function path(text, dot,    parts, n, i, out) {
	if (peer == "jq")
		return "." text
	n = split(text, parts, ".")
	out = "$" parts[1]
	for (i = 2; i <= n; i++)
		out = out "[\"" parts[i] "\"]"
	return out
}

function entry(name, value) {
	list = list (n_entries++ ? "," : "") \
		(peer == "jq" ? name : "\"" name "\"") ":" value
}

/^map "okta.User" \{/ { inside = 1; next }
/^}/ { inside = 0 }
inside && split($0, q, "\"") == 3 && /^ *[A-Za-z]+ *= *"[A-Za-z.]+",$/ {
	entry($1, path(q[2]))
	next
}
inside && split($0, q, "\"") == 5 && /= *is\(/ {
	entry($1, "(" path(q[2]) " == \"" q[4] "\")")
	next
}
inside && NF { print FILENAME ":" FNR ": " $0 >"/dev/stderr"; bad = 1 }

END {
	if (bad || n_entries == 0)
		exit 1
	if (peer == "jq")
		print ".[] | {" list "}"
	else
		print "$* = {" list "}"
}
