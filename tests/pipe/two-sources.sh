#!/usr/bin/env bash
# two-sources.sh - `idmesh run` with an Okta org and an Entra tenant of one
# company, merged by the rules that ship in rules/two-sources.
#
# Everybody is there once; whichever end comes first, the mesh is the same to
# the byte; what changes on one side arrives, also while the other is down.
. tests/setup.sh
. tests/entra.sh

# As an operator does it; a copy of links would be of no use elsewhere.
cp -r rules/two-sources "$TMP/rules"
export IDMESH_RULES=$TMP/rules
run "$IDMESH" transform check
is 'the rules that ship go together' "$status" 0
is 'without the tree they come from' "$(find "$TMP/rules" ! -type d ! -type f)" ''
cp rules/okta_test.lua "$TMP/rules"
run "$IDMESH" transform test
is 'and do what their tests say' "$status" 0

both() {
	org sim --users 300 --groups 12 --edges 900 --tier unlimited \
		--app "$APP" --entra 270 --overlap 90 --entra-groups 12 \
		--entra-edges 600 "$@"
	source_file "$TMP/okta.json"
	entra_file "$TMP/entra.json"
}
# config DB: a run with three workers.
config() {
	jq -n --arg rules "$TMP/rules" --arg db "$1" '{rules: $rules,
		sources: ["okta.json", "entra.json"], state: "\($db).db",
		sinks: ["sqlite:\($db)-mesh.db"], workers: 3}' >"$TMP/$1.json"
}
round() { run "$IDMESH" run "$TMP/$1.json" "${@:2}"; }
dump() { "$IDMESH" join dump --db "$TMP/${1:-one}.db"; }

# Every account of both sides that is not gone.
accounts() {
	curl -s "$url/_sim/users" |
		jq -r 'select(.status != "DEPROVISIONED") | "okta:contoso/" + .id'
	curl -s "$url/_sim/entra/users" | jq -r '"entra:contoso/" + .id'
}
everybody_once() {
	accounts | LC_ALL=C sort >"$TMP/accounts"
	{
		dump | jq -r 'select(.type == "User") | .contributors[]'
		"$IDMESH" join held --db "$TMP/one.db" --json |
			jq -r 'select(.held) | .other' | sort -u
	} | LC_ALL=C sort >"$TMP/placed"
	[ -s "$TMP/accounts" ] && diff -u "$TMP/accounts" "$TMP/placed"
}
# People whose accounts say so: the same number, which nobody else has.
twins_are_one() {
	curl -s "$url/_sim/users" | jq -r 'select(.status != "DEPROVISIONED") |
		[.profile.employeeNumber, .id] | @tsv' | sort >"$TMP/o"
	curl -s "$url/_sim/entra/users" | jq -r 'select(.employeeId) |
		[.employeeId, .id] | @tsv' | sort >"$TMP/e"
	join -t "$(printf '\t')" "$TMP/o" "$TMP/e" |
		awk '{ n[$1]++; v[$1] = $2 "+" $3 }
			END { for (k in n) if (n[k] == 1) print v[k] }' |
		sort >"$TMP/twins"
	dump | jq -r 'select(.type == "User" and (.contributors | length) == 2) |
		[.contributors[] | sub("^[^/]*/"; "")] | join("+")' |
		sort >"$TMP/pairs"
	[ -s "$TMP/twins" ] && [ -z "$(comm -23 "$TMP/twins" "$TMP/pairs")" ]
}

both
config one
round one
is 'a run with both ends well' "$status" 0
ok 'every account is in one person, or held' everybody_once
is 'the summary counts who is held' "$(sed -n 's/ objects are held, in no.*//p' <<<"$err")" \
	"$("$IDMESH" join held --db "$TMP/one.db" --json |
		jq -r 'select(.held) | .other' | sort -u | wc -l)"
ok 'who has one number on both sides is one person' twins_are_one
is 'the target has the people of the mesh' \
	"$(sqlite3 "$TMP/one-mesh.db" 'select count(*) from "User"')" \
	"$(dump | jq -c 'select(.type == "User")' | wc -l)"
dump >"$TMP/first"
before=$("$IDMESH" sink cursor "sqlite:$TMP/one-mesh.db")

round one
is 'run again' "$status" 0
is 'there is no change' "$("$IDMESH" sink cursor "sqlite:$TMP/one-mesh.db")" \
	"$before"
round one --mode full
is 'nor in full' "$status:$("$IDMESH" sink cursor "sqlite:$TMP/one-mesh.db")" \
	"0:$before"
ok 'and the mesh is the same' diff -q "$TMP/first" <(dump)

# --- whichever comes first -----------------------------------------------------------
# One side alone first and the other behind it, with the first one still known
# to the rules, is another story: ids are kept.  Here both run, one is slow.
for slow in /api/v1/users /v1.0/users/delta; do
	config slow
	rm -f "$TMP"/slow.db* "$TMP"/slow-mesh.db*
	curl -sf -X POST "$url/_sim/fault" -d "[{\"match\": \"$slow\",
		\"count\": 2, \"kind\": \"slow\", \"ms\": 700}]" >/dev/null
	round slow
	is "with $slow behind" "$status" 0
	ok 'the mesh is the same to the byte' diff -q "$TMP/first" <(dump slow)
done

# --- a difference on each side ---------------------------------------------------------
person=$(head -n 1 "$TMP/pairs")
okta_id=${person%+*} entra_id=${person#*+}
field() {
	sqlite3 "$TMP/one-mesh.db" "select $1 from \"User\" u where meshId =
		'$mesh_id'"
}
mesh_id=$(jq -r --arg c "okta:contoso/$okta_id" 'select(.type == "User" and
	(.contributors | index($c))) | .id' "$TMP/first")
curl -sf "$url/_sim/okta/users" -d "{\"id\": \"$okta_id\",
	\"profile\": {\"city\": \"Bergen\"}}" >/dev/null
curl -sf "$url/_sim/entra/users" -d "{\"id\": \"$entra_id\",
	\"jobTitle\": \"Pilot\", \"city\": \"Nowhere\"}" >/dev/null
round one
is 'both differences arrive in one person' \
	"$status:$(field city):$(field title)" 0:Bergen:Pilot
ok 'everybody still once' everybody_once

# --- one source is down ----------------------------------------------------------------
jq '.ConfigJson.AuthorityUrl = "http://127.0.0.1:9"' "$TMP/entra.json" \
	>"$TMP/down.json"
jq '.sources[1] = "down.json"' "$TMP/one.json" >"$TMP/half.json"
curl -sf "$url/_sim/okta/users" -d "{\"id\": \"$okta_id\",
	\"profile\": {\"city\": \"Oslo\"}}" >/dev/null
curl -sf "$url/_sim/entra/users" -d "{\"id\": \"$entra_id\",
	\"jobTitle\": \"Captain\"}" >/dev/null
round half --restarts 1
is 'one source is down: the run says so' "$status" 111
is 'the other goes on' "$(field city):$(field title)" Oslo:Pilot
ok 'nobody leaves' everybody_once
round one
is 'and it catches up' "$status:$(field title)" 0:Captain

# --- too much at once ------------------------------------------------------------------
dump >"$TMP/before"
curl -sf -X POST "$url/_sim/entra/mutate" -d '{"clearEmployeeId": 150}' \
	>/dev/null
round one
is 'an accident is stopped, and the run says so' "$status" 1
like 'with what it is and what to type' "$err" \
	'guard change .*merge.lua.*idmesh join approve --db'
ok 'nothing of it is done' diff -q "$TMP/before" <(dump)

done_testing
