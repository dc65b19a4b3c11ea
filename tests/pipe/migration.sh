#!/usr/bin/env bash
# migration.sh - a company moves from Okta to Entra ID, team by team.
#
# Everybody begins in Okta.  Of one team after the other the accounts appear in
# Entra, with the same employee number and in groups of the same names, and are
# then deprovisioned in Okta.  Behind every run each person is in the target
# exactly once, under the mesh id and with the values of the beginning.
. tests/setup.sh
. tests/entra.sh

# Who moves a company tells the brake on leavers so.
mkdir "$TMP/rules"
cp rules/okta.lua rules/entra.lua "$TMP/rules"
sed 's/leave  = { max = 500, percent = 5,/leave  = { max = 500, percent = 100,/' \
	rules/two-sources/merge.lua >"$TMP/rules/merge.lua"
export IDMESH_RULES=$TMP/rules

org sim --users 120 --groups 7 --edges 360 --tier unlimited --app "$APP" \
	--entra 0 --entra-groups 0 --entra-edges 0
source_file "$TMP/okta.json"
entra_file "$TMP/entra.json"
jq -n --arg rules "$TMP/rules" '{sources: ["okta.json", "entra.json"],
	rules: $rules, state: "state.db", sinks: ["sqlite:mesh.db"],
	workers: 2}' >"$TMP/run.json"
round() { run "$IDMESH" run "$TMP/run.json"; }
sim() { curl -sf "$url/_sim/$1" -d "$2"; }

# What the target must have at every step: people by mesh id with whom they
# report to, groups, and who is in them.
target() {
	sqlite3 "$TMP/mesh.db" 'select meshId, employeeNumber, firstName,
			lastName, displayName, login, lower(email), department,
			title, city, countryCode, costCenter, userType,
			managerId, accountEnabled from "User" order by 1;
		select meshId, name, description from "Group" order by 1;
		select meshId, groupId, memberId from GroupMember order by 1'
}
# The same out of the mesh itself, and how many have accounts where.
truth() {
	"$IDMESH" join dump --db "$TMP/state.db" | jq -c 'select(.type == "User") |
		[.id, .object.employeeNumber, .object.managerId, .object.title]'
}
where() {
	"$IDMESH" join dump --db "$TMP/state.db" | jq -r 'select(.type == "User") |
		[.contributors[] | split(":")[0]] | join("+")' | sort | uniq -c |
		awk '{ printf "%s%s=%d", s, $2, $1; s = " " }'
}
unchanged() {
	target >"$TMP/target.now"
	truth >"$TMP/truth.now"
	[ -s "$TMP/target.was" ] && [ -s "$TMP/truth.was" ] &&
		diff "$TMP/target.was" "$TMP/target.now" &&
		diff "$TMP/truth.was" "$TMP/truth.now"
}

# Everybody whom Okta has, managers before their people: the number, that of
# the manager, the id, and the account that Entra will have.
curl -s "$url/_sim/users" | jq -r 'def number: gsub(" "; "") | ascii_upcase;
	select(.status != "DEPROVISIONED") | .profile as $p |
	[($p.employeeNumber | number), ($p.managerId // "-"), .id, ({
		accountEnabled: (.status == "ACTIVE"), employeeId: $p.employeeNumber,
		userPrincipalName: $p.login, mail: $p.email,
		givenName: $p.firstName, surname: $p.lastName,
		displayName: $p.displayName, department: $p.department,
		jobTitle: $p.title, city: $p.city, usageLocation: $p.countryCode,
		employeeOrgData: {costCenter: $p.costCenter},
		employeeType: $p.userType} | tojson)] | join("\t")' |
	LC_ALL=C sort >"$TMP/people"
curl -s "$url/_sim/members" |
	jq -r '[.groupId, .memberId // .userId] | join(" ")' >"$TMP/members"
declare -A entra # employee number, or Okta's id -> id in Entra

# Groups first: those of Okta's names, without members.
while IFS= read -r group; do
	entra[$(jq -r .id <<<"$group")]=$(sim entra/groups "$(jq -c '{
		displayName: .profile.name,
		description: .profile.description}' <<<"$group")" | jq -r .id)
done < <(curl -s "$url/_sim/groups" | jq -c .)

# appear: the team has accounts in Entra, in the same groups.
appear() {
	local number boss id body group
	while IFS=$'\t' read -r number boss id body; do
		boss=${entra[$boss]:-}
		body="${body%\}},\"manager\":${boss:+\"$boss\"}"
		[ -n "$boss" ] || body=${body}null
		entra[$number]=$(sim entra/users "$body}" | jq -r .id)
		entra[$id]=${entra[$number]}
	done <"$TMP/team"
	cut -f 3 "$TMP/team" >"$TMP/ids"
	grep -wFf "$TMP/ids" "$TMP/members" | while read -r group id; do
		echo "$group ${entra[$id]}"
	done | sort | awk '{ list[$1] = list[$1] s[$1] "\"" $2 "\""; s[$1] = "," }
		END { for (g in list) print g, list[g] }' |
		while read -r group list; do
			sim entra/groups "{\"id\": \"${entra[$group]}\",
				\"add\": [$list]}" >/dev/null
		done
}

round
is 'everybody is in Okta' "$status:$(where)" "0:okta=$(wc -l <"$TMP/people")"
ok 'and in groups' test "$(sqlite3 "$TMP/mesh.db" \
	'select count(*) from GroupMember')" -gt 100
ok 'with managers' test "$(sqlite3 "$TMP/mesh.db" \
	'select count(*) from "User" where managerId is not null')" -gt 80
target >"$TMP/target.was"
truth >"$TMP/truth.was"

all=$(wc -l <"$TMP/people")
for team in 1 2 3 4 5 6; do
	from=$(((team - 1) * all / 6 + 1)) to=$((team * all / 6))
	sed -n "$from,${to}p" "$TMP/people" >"$TMP/team"
	appear
	round
	was="" rest=""
	[ "$from" -eq 1 ] || was="entra=$((from - 1)) "
	[ "$to" -eq "$all" ] || rest="okta=$((all - to)) "
	is "team $team is in both" "$status:$(where)" \
		"0:$was${rest}okta+entra=$((to - from + 1))"
	ok 'nobody vanished, doubled or lost a value' unchanged

	while IFS= read -r id; do
		sim okta/users "{\"id\": \"$id\", \"status\": \"DEPROVISIONED\"}" \
			>/dev/null
	done <"$TMP/ids"
	round
	is "team $team is in Entra alone" "$status:$(where)" \
		"0:entra=$to${rest:+ ${rest% }}"
	ok 'nobody vanished, doubled or lost a value' unchanged
done
is 'nothing was left to decide' \
	"$("$IDMESH" join held --db "$TMP/state.db" | grep -c '^  held')" 0

done_testing
