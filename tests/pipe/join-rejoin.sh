#!/usr/bin/env bash
# join-rejoin.sh - links that today's data would not make, and what new join
# rules would change, without raw records.
. tests/setup.sh
. tests/records.sh
. tests/merge.sh

rejoin() { run "$JOIN" rejoin --db "$db" --from-scratch --dry-run --rules "$TMP/rules" "$@"; }

rules "$usual"
{
	whole $O User "$(person o1 1 a@x)" "$(person o2 2 b@x)" \
		"$(person o3 - c@x)" "$(person o4 4 d@x)"
	whole $E User "$(person e1 1 q@x)" "$(person e2 2 b@x)" \
		"$(person e3 - C@x)" "$(person e4 - r@x)"
} | merge
is 'three are joined' "$status:$(who)" '0:e4 o1+e1 o2+e2 o3+e3 o4'
rejoin
is 'today all of it would be joined again' "$status:$out" \
	'0:User: 0 of 3 links would not be made today
Group: 0 of 0 links would not be made today'

mode=delta
{
	whole $E User "$(person e1 - q@x)" "$(person e3 - other@x)"
} | merge
is 'links that were made stay' "$(who)" 'e4 o1+e1 o2+e2 o3+e3 o4'
before=$(mesh | cksum)
rejoin
line=$(grep -n employeeNumber "$TMP/rules/rules.lua" | tail -n 1 | cut -d: -f1)
like 'those that would not be made' "$status:$out" '^User: 2 of 3 links'
like 'with their evidence and why it is gone' "$out" \
	"^User $(id_of $O/o1): $E/e1 is with $O/o1 by employeeNumber, .*rules.lua:$line: employeeNumber is nothing here and \"1\" there$"
like 'of whatever key' "$out" \
	"$E/e3 is with $O/o3 by email, .*: email is \"other@x\" here and \"c@x\" there$"
rejoin --json
is 'for programs' "$(jq -r '"\(.contributor) \(.with) \(.key)"' <<<"$out" | sort)" \
	"$E/e1 $O/o1 employeeNumber
$E/e3 $O/o3 email"
is 'nobody was parted' "$(mesh | cksum)" "$before"
run "$JOIN" rejoin --db "$db" --from-scratch --rules "$TMP/rules"
like 'and nobody can be' "$status:$err" '^100:.*join decide never'

# --- new rules for those who are there
cp -r "$TMP/rules" "$TMP/new"
sed -i 's/title = { "entra", "okta" }/email = { "entra", "okta" }/' "$TMP/new/rules.lua"
run "$JOIN" diff --db "$db" --rules "$TMP/new"
like 'a flow: who changes' "$status:$(head -n 2 <<<"$out" | paste -sd' ')" \
	'^0:2 mesh objects differ User: 2 change \(email 2\)'
line=$(grep -n 'email = { "entra"' "$TMP/new/rules.lua" | cut -d: -f1)
like 'with the line of the flow' "$out" "email: \"a@x\" -> \"q@x\"  .*rules.lua:$line$"
cp "$TMP/rules/rules.lua" "$TMP/new/rules.lua"
sed -i 's/{ "employeeNumber" }, { "email"/{ "title" }, { "email"/; s/sources = { "okta", "entra" },$/sources = { "okta", "entra" }, changed = "strict",/' "$TMP/new/rules.lua"
run "$JOIN" diff --db "$db" --rules "$TMP/new" --json
is 'a join rule: who is parted' \
	"$(jq -r 'select(.parted) | .parted[]' <<<"$out" | sort | paste -sd' ')" "$E/e1 $E/e3"
is 'nothing was written' "$(mesh | cksum)" "$before"

# --- the guard of a merge
sed -i '$a guard { unjoin = { max = 1 } }' "$TMP/new/rules.lua"
run "$JOIN" diff --db "$db" --rules "$TMP/new" --json
is 'the guard would stop it, and all is shown' \
	"$status:$(jq -c 'select(.summary) | .summary | [.stopped, .types.User.part]' <<<"$out")" \
	'1:[true,2]'
like 'with its words' "$out" 'guard unjoin'

done_testing
