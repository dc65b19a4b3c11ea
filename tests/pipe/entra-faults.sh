#!/usr/bin/env bash
# entra-faults.sh - what Graph may do to an import, and what comes of it.
#
# Tokens that end, links that are refused, throttling, errors, a fetch that is
# killed: in the end the mesh is what the tenant lists.
. tests/setup.sh
. tests/entra.sh

# A group that is gone takes many memberships along, for a tenant so small.
mkdir "$TMP/rules"
cp rules/*.lua "$TMP/rules"
echo 'guard { leave = { max = 5000, percent = 60, of_at_least = 50 } }' \
	>"$TMP/rules/zz.lua"
export IDMESH_RULES=$TMP/rules

mesh=sqlite:$TMP/mesh.db
run_once() { entra_pipeline "$TMP/entra.json" "$TMP/a.db" "$mesh" "$@"; }
streams() {
	"$IDMESH" join runs --db "$TMP/a.db" --json | tail -n 1 |
		jq -r ".streams | to_entries | map(\"\\(.value.name // .value.stream // .key) \\(.value.$1)\") | sort | join(\",\")"
}
fault() { curl -sf -X POST "$url/_sim/fault" -d "$1" >/dev/null; }
expire() { curl -sf -X POST "$url/_sim/entra/expire" -d "$1" >/dev/null; }

# --- killed in the middle of a round ------------------------------------------
tenant slow --entra 1500 --entra-groups 30 --entra-edges 3000 \
	--entra-slice 100 --entra-quirks empty,repeat --latency 40
entra_file "$TMP/entra.json"
"$IDMESH" transform describe >"$TMP/scope.json"
"$IDMESH" join begin --db "$TMP/a.db" entra:contoso >"$TMP/state"
mkfifo "$TMP/pages"
"$IDMESH" transform <"$TMP/pages" 2>"$TMP/transform.log" |
	"$IDMESH" join --db "$TMP/a.db" --after - 2>"$TMP/join.log" |
	"$IDMESH" sink "$mesh" 2>"$TMP/sink.log" &
rest=$!
start fetch "$IDMESH" fetch "$TMP/entra.json" --scope "$TMP/scope.json" \
	--resume "$TMP/state" --request-log "$TMP/requests"
tail -f -n +1 --pid="$pid" "$TMP/fetch.out" >"$TMP/pages" &
middle() { [ "$(grep -c '"GET"' "$TMP/requests")" -ge 12 ]; }
ok 'the round is under way' wait_for middle
stop fetch KILL
wait "$rest"
is 'it was killed' "$status" 137
before=$(grep -c '"GET"' "$TMP/requests")
n=$("$IDMESH" join runs --db "$TMP/a.db" --json | tail -n 1 | jq .run)
: >"$TMP/requests"
run_once
is 'the next fetch ends well' "$pipe_status" '0 0 0 0'
is 'in the run that was begun' "$n" \
	"$("$IDMESH" join runs --db "$TMP/a.db" --json | tail -n 1 | jq .run)"
unlike 'from where it was' "$(jq -r .query "$TMP/requests" | grep -v token)" \
	'accountEnabled'
ok 'the mesh is what the tenant lists' same_as_tenant "$TMP/mesh.db"
stop slow

# --- tokens that end -----------------------------------------------------------
tenant sim --entra 900 --entra-groups 20 --entra-edges 1500 \
	--entra-quirks empty,repeat,removed --seed 3
entra_file "$TMP/entra.json"
rm -f "$TMP"/a.db* "$TMP"/mesh.db*
fault '[{"match": "/v1.0/users/delta", "nth": 3, "count": 1, "kind": "401"}]'
: >"$TMP/requests"
run_once
is 'a token that ends in the middle: the run ends well' "$pipe_status" '0 0 0 0'
is 'a second one was got' "$(grep -c '"POST"' "$TMP/requests")" 2
ok 'nothing is missing' same_as_tenant "$TMP/mesh.db"
fault '[{"match": "/v1.0/users/delta", "nth": 1, "count": 9, "kind": "401"}]'
run_once
like 'a new token that is refused too: 100' "$pipe_status" '^100 '
like 'and says so' "$(cat "$TMP/fetch.log")" 'does not take a token that was just given'
fault '[]'
run_once
is 'then it goes on' "$pipe_status" '0 0 0 0'

stop sim
tenant brief --entra 900 --token-life 1 --latency 60
entra_file "$TMP/entra.json"
rm -f "$TMP"/a.db* "$TMP"/mesh.db*
: >"$TMP/requests"
run_once
is 'tokens of a second: the run ends well' "$pipe_status" '0 0 0 0'
ok 'they are renewed one at a time' test "$(grep -c '"POST"' "$TMP/requests")" -le 6
stop brief

tenant sim --entra 900 --entra-groups 20 --entra-edges 1500 \
	--entra-quirks empty,repeat,removed --seed 3
entra_file "$TMP/entra.json"
rm -f "$TMP"/a.db* "$TMP"/mesh.db*
run_once
is 'a new tenant is read' "$pipe_status" '0 0 0 0'

# --- links that are refused -------------------------------------------------------
for how in syncStateNotFound gone resyncRequired; do
	mutate '{"change": 5, "hardDelete": 2, "softDelete": 1, "move": 10,
		"hardDeleteGroups": 1, "manager": 3}'
	expire "{\"delta\": \"$how\"}"
	run_once
	is "$how: the run ends well" "$pipe_status" '0 0 0 0'
	like "$how: it says so" "$(cat "$TMP/fetch.log")" \
		'the link is refused.*reading everything'
	is "$how: it was a full one" "$(streams mode)" \
		'Group full,GroupMember full,User full'
	ok "$how: who is gone is gone" same_as_tenant "$TMP/mesh.db"
done
run_once
is 'the next one is a delta again' "$(streams mode)" \
	'Group delta,GroupMember delta,User delta'
fault '[{"match": "/v1.0/users/delta", "nth": 3, "count": 1, "kind": "resync"}]'
run_once full
is 'a link refused in the middle: the run ends well' "$pipe_status" '0 0 0 0'
ok 'nothing is missing, nothing too much' same_as_tenant "$TMP/mesh.db"
# What a round begun anew leaves out is counted anew.
left_out() {
	: >"$TMP/requests"
	"$IDMESH" fetch -s GroupMember "$TMP/entra.json" --request-log \
		"$TMP/requests" 2>&1 >/dev/null |
		grep -o '[0-9]* members are neither.*'
}
calm=$(left_out)
calls=$(grep -c "/groups/delta" "$TMP/requests") # the first has no link
fault "[{\"match\": \"/v1.0/groups/delta\", \"nth\": $((calls - 1)), \"count\": 1,
	\"kind\": \"resync\"}]"
is 'what is left out is counted once' "$(left_out)" "$calm"
like 'and there was something' "$calm" '^[1-9]'
ok 'in a round that began twice' test \
	"$(grep -c '/groups/delta' "$TMP/requests")" -gt "$calls"
mutate '{"hardDelete": 3}'
fault '[{"match": "/v1.0/users/delta", "nth": 2, "count": 20, "kind": "resync"}]'
run_once full
like 'links that are always refused: 111' "$pipe_status" '^111 '
ok 'nobody is taken away by half a round' test \
	"$(sqlite3 "$TMP/mesh.db" 'select count(*) from User')" -gt 800
fault '[]'
run_once full
ok 'a whole one does' same_as_tenant "$TMP/mesh.db"

# --- errors that pass -----------------------------------------------------------------
mutate '{"change": 20, "move": 20}'
fault '[{"match": "/v1.0/users/delta", "nth": 1, "count": 2, "kind": "503", "retryAfter": 1},
	{"match": "/v1.0/groups/delta", "nth": 1, "count": 1, "kind": "504"},
	{"match": "/v1.0/groups/delta", "nth": 3, "count": 1, "kind": "reset"}]'
run_once
is 'errors that pass: the run ends well' "$pipe_status" '0 0 0 0'
ok 'the mesh follows' same_as_tenant "$TMP/mesh.db"

# --- what is tracked -------------------------------------------------------------------
sed -i 's/^map "entra.User" {/&\n  office = "officeLocation",/' "$TMP/rules/entra.lua"
run_once
is 'one more attribute: the run ends well' "$pipe_status" '0 0 0 0'
is 'one more attribute: all users are read, and only users' "$(streams mode)" \
	'Group delta,GroupMember delta,User full'
is 'it is there' "$(sqlite3 "$TMP/mesh.db" \
	'select count(*) > 0 from User where office is not null')" 1
stop sim

# --- throttling -------------------------------------------------------------------------
tenant tight --entra 2600 --entra-groups 5 --entra-edges 200 \
	--graph-units 12 --graph-window 10
entra_file "$TMP/entra.json" '.ConfigJson.ResourceUnits = 12'
rm -f "$TMP"/a.db* "$TMP"/mesh.db*
run_once
is 'a tenant with few units: the run ends well' "$pipe_status" '0 0 0 0'
is 'nothing was refused' "$(curl -s "$url/_sim/stats" | jq .limited)" 0
ok 'nothing is missing' same_as_tenant "$TMP/mesh.db"
stop tight
tenant silent --entra 2600 --entra-groups 5 --entra-edges 200 \
	--graph-units 6 --graph-window 2 --entra-quirks silent
entra_file "$TMP/entra.json"
rm -f "$TMP"/a.db* "$TMP"/mesh.db*
run_once
is 'fewer units than we were told: the run ends well' "$pipe_status" '0 0 0 0'
is 'nothing is missing' "$(entra_mesh "$TMP/mesh.db" | grep -c '^user')" \
	"$(curl -s "$url/_sim/entra/users" |
		jq -s 'map(select(.deletedDateTime == null)) | length')"
like 'requests say how near the limit is' "$(cat "$TMP/requests")" '"percent":[0-9]+'
stop silent

done_testing
