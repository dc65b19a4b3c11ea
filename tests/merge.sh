# merge.sh - two sources by hand: `. tests/merge.sh` behind records.sh, for the
# tests of types with a join rule.
# shellcheck shell=bash disable=SC2034,SC2154 # used by the tests

O=okta:contoso
E=entra:contoso
export IDMESH_RULES=$TMP/rules

# rules TEXT: maps of both sources, and what the test adds.
rules() {
	mkdir -p "$TMP/rules"
	{
		for c in okta entra; do
			cat <<-END
				map "$c.User" {
				  login = "l", email = "e", employeeNumber = "n", title = "t",
				  accountEnabled = "a", manager = "m",
				}
				map "$c.Group" { name = "n" }
				map "$c.GroupMember" { groupId = "g", memberId = "m", memberType = "t" }
			END
		done
		printf '%s\n' "$1"
	} >"$TMP/rules/rules.lua"
}
usual='join "User" {
  sources = { "okta", "entra" },
  { "employeeNumber" }, { "email", norm = "lower", except = { "info@" } },
}
flow "User" {
  ["*"] = { "okta", "entra" }, title = { "entra", "okta" },
  accountEnabled = { all = { "okta", "entra" } },
  manager = { "okta", "entra", ref = { "User", by = { "login" } } },
}
join "Group" { sources = { "okta", "entra" }, { "name", norm = "fold" } }
life "User" { gone = "all", grace = "7d", back = { same_key = "ask" } }
'

# person ID NUMBER EMAIL [MORE]: "-" leaves an attribute out.
person() {
	local a=()
	[ "$2" = - ] || a+=("\"employeeNumber\":\"$2\"")
	[ "$3" = - ] || a+=("\"email\":\"$3\"")
	[ -z "${4-}" ] || a+=("$4")
	put "$1" "{$(join_by_comma "${a[@]}")}"
}
gone() { printf '{"id":"%s","op":"delete","reason":"removed"}' "$1"; }

# whole SOURCE STREAM RECORD...: a stream from its beginning to its end.
whole() {
	local S=$1 stream=$2
	shift 2
	page "$stream" 1 '' "$@"
	end "$stream" 2
}
# One group's members.
members() {
	local S=$1 g=$2 list=()
	shift 2
	for m; do
		list+=("$(put "$g/$m" "{\"groupId\":\"$g\",\"memberId\":\"$m\"}")")
	done
	page GroupMember 1 ",\"context\":{\"groupId\":\"$g\"},\"last\":true" "${list[@]}"
	end GroupMember 2
}
# What goes in changes the mesh; the last changes are in $changes.
merge() { changes --rules "$TMP/rules" "$@"; }
# The mesh of a type without ids: contributors and attributes, sorted.
shape() {
	mesh | jq -r --arg t "${1:-User}" 'select(.type == $t) |
		[([.contributors[] | sub("^[^/]*/"; "")] | join("+")),
		 (.object | tojson)] | join(" ")' | LC_ALL=C sort
}
# Who is one person: "o1+e1 e3".
who() {
	mesh | jq -r --arg t "${1:-User}" 'select(.type == $t) |
		[.contributors[] | sub("^[^/]*/"; "")] | join("+") | select(. != "")' |
		LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//'
}
id_of() { mesh | jq -r --arg c "$1" 'select(.contributors | index($c)) | .id'; }
held() {
	sqlite3 "$db" "SELECT o.id || ' ' || h.why FROM held h
		JOIN object o ON o.pk = h.object ORDER BY o.id" | tr '\n' ',' |
		sed 's/,$//'
}
left_over() {
	sqlite3 "$db" "SELECT (SELECT count(*) FROM dirty) || ' ' ||
		(SELECT count(*) FROM stale) || ' ' || (SELECT count(*) FROM merge)"
}
