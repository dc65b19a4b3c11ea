#!/usr/bin/env bash
# group-rules.sh - Okta's group rules, from the org to `join explain`.
#
# They are asked for only when they are wanted, listed in full on every run and
# swept; each membership is explained as the org made it.
. tests/setup.sh

export IDMESH_RULES=$ROOT/rules
org sim --users 150 --groups 20 --edges 600 --rules 50 --tier unlimited \
	--page-max 20
source_file "$TMP/okta.json" '.ConfigJson.ImportGroupRules = true'
jq -n '{sources: ["okta.json"], state: "one.db",
	sinks: ["sqlite:mesh.db"], workers: 1}' >"$TMP/one.json"
round() { run "$IDMESH" run "$TMP/one.json" "$@"; }
rules() { curl -s "$url/_sim/rules"; }
rule() { curl -sf "$url/_sim/okta/rules" -d "$1" >/dev/null; }
# One person's groups: "group how rule rule".
paths() {
	"$IDMESH" join explain --db "$TMP/one.db" --json "okta:contoso/$1" |
		jq -r '.groups[].paths[] | [.group, .how, (.rules[]? |
			select(.excluded | not) | .id)] | join(" ")' |
		LC_ALL=C sort
}
# What the org knows and Okta tells: the same out of its rules.
truth() {
	curl -s "$url/_sim/groups" | jq -c '{(.id): .type}' | jq -cs add \
		>"$TMP/types"
	curl -s "$url/_sim/members" | jq -r --arg u "$1" --slurpfile r \
		<(rules) --slurpfile t "$TMP/types" 'select(.userId == $u) |
		.groupId as $g | [$r[] | select(.status == "ACTIVE" and
			(.actions.assignUserToGroups.groupIds | index($g)) and
			(.conditions.people.users.exclude | index($u) | not)) |
			.id] as $by |
		[$g, if $t[0][$g] == "APP_GROUP" then "app-import"
			elif $by != [] then "direct-or-rule" else "direct" end,
			$by[]] | join(" ")' | LC_ALL=C sort
}

run "$IDMESH" fetch forecast --json "$TMP/okta.json"
is 'the forecast counts their calls, of a delta too' \
	"$(jq -c '[.runs[].streams[] | select(.stream == "GroupRule") |
		[.calls, .records, .sure]]' <<<"$out")" \
	'[[3,50,"exact"],[3,50,"exact"]]'

# --- not wanted, not asked for -----------------------------------------------
source_file "$TMP/okta.json"
curl -s -X POST "$url/_sim/reset-stats" >/dev/null
round
is 'without ImportGroupRules they are not asked for' "$status:$(curl -s \
	"$url/_sim/stats" | jq -c '[.endpoints[] |
	select(.path == "/api/v1/groups/rules")]')" '0:[]'
run "$IDMESH" join explain --db "$TMP/one.db" "okta:contoso/$(curl -s \
	"$url/_sim/members" | jq -rs --slurpfile r <(rules) '$r[0].actions
	.assignUserToGroups.groupIds[0] as $g |
	map(select(.groupId == $g))[0].userId')"
like 'a membership may then have either cause' "$out" \
	'okta:contoso/00g[^ ]* directly or by a group rule$'
is 'and it is said once how to have them read' "$(grep -c \
	'okta:contoso were never read: set ImportGroupRules' <<<"$out")" 1

# --- wanted ----------------------------------------------------------------------
source_file "$TMP/okta.json" '.ConfigJson.ImportGroupRules = true'
round --mode delta
is 'a delta run reads them in full' "$status:$(sqlite3 "$TMP/mesh.db" \
	'select ExternalId, name, status, expression from GroupRule' |
	LC_ALL=C sort)" "0:$(rules | jq -r '[.id, .name, .status,
		.conditions.expression.value] | join("|")' | LC_ALL=C sort)"
is 'page by page' "$(curl -s "$url/_sim/stats" | jq -c '.endpoints[] |
	select(.path == "/api/v1/groups/rules") | .calls')" 3
wrong=
for u in $(rules | jq -r '.conditions.people.users.exclude[]' | sort -u |
	head -n 4) $(curl -s "$url/_sim/members" | jq -r .userId | sort |
		uniq -c | sort -rn | awk 'NR < 5 { print $2 }'); do
	[ -n "$(truth "$u")" ] && [ "$(paths "$u")" = "$(truth "$u")" ] ||
		wrong="$wrong $u"
done
is 'each membership is explained as it may have come about' "$wrong" ''

# --- rules come and go -----------------------------------------------------------
read -r gone off group < <(rules | jq -rs '.[0].id + " " + .[1].id + " " +
	.[1].actions.assignUserToGroups.groupIds[0]')
rule "{\"id\": \"$gone\", \"delete\": true}"
rule "{\"id\": \"$off\", \"status\": \"INACTIVE\"}"
round
is 'one that was deleted is swept, without a full run' \
	"$status:$(sqlite3 "$TMP/mesh.db" "select count(*), sum(ExternalId =
		'$gone'), sum(ExternalId = '$off' and status = 'INACTIVE')
		from GroupRule")" '0:49|0|1'
u=$(curl -s "$url/_sim/members" | jq -rs --arg g "$group" \
	'map(select(.groupId == $g))[0].userId')
unlike 'one that is not active puts nobody anywhere' "$(paths "$u")" "$off"
is 'whom it put there may still be explained' "$(paths "$u")" "$(truth "$u")"
stop sim

# --- not allowed -------------------------------------------------------------------
org poor --users 20 --groups 4 --rules 2 --tier unlimited \
	--deny /api/v1/groups/rules:E0000006
source_file "$TMP/okta.json" '.ConfigJson.ImportGroupRules = true'
run "$IDMESH" fetch "$TMP/okta.json"
is 'a token that may not read them: the others go on' "$status:$(jq -c \
	'select(.kind == "end") | [.stream, .complete, .skipped // false]' \
	<<<"$out" | sort | tr -d '\n')" \
	'1:["Group",true,false]["GroupMember",true,false]["GroupRule",false,true]["User",true,false]'
like 'and what to do is said' "$err" \
	'GroupRule: skipped: .*E0000006.*grant okta.groups.read, or set ImportGroupRules to false'

done_testing
