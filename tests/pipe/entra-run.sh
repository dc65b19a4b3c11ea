#!/usr/bin/env bash
# entra-run.sh - one `idmesh run` with an Okta org and an Entra tenant.
#
# Each has a fetch of its own; one set of transforms, one join, one target.
. tests/setup.sh
. tests/entra.sh

org sim --users 300 --groups 15 --edges 900 --tier unlimited \
	--app "$APP" --entra 400 --entra-groups 20 --entra-edges 1200
source_file "$TMP/okta.json"
entra_file "$TMP/entra.json"
jq -n --arg rules "$ROOT/rules" '{sources: ["okta.json", "entra.json"],
	rules: $rules, state: "state.db", sinks: ["sqlite:mesh.db"],
	workers: 2}' >"$TMP/run.json"

# The streams of the last run of a source: name mode records.
last() {
	"$IDMESH" join runs --db "$TMP/state.db" --json |
		jq -r --arg source "$1" 'select(.source == $source) | "\(.state) " +
			([.streams[] | .mode] | unique | join(","))' | tail -n 1
}
tenant_users() {
	curl -s "$url/_sim/entra/users" |
		jq -r 'select(.deletedDateTime == null) | "entra:contoso/" + .id'
	curl -s "$url/_sim/users" |
		jq -r 'select(.status != "DEPROVISIONED") | "okta:contoso/" + .id'
}
mesh_users() {
	"$IDMESH" join dump --db "$TMP/state.db" |
		jq -r 'select(.type == "User") | .contributors[]'
}
same_users() {
	diff <(tenant_users | LC_ALL=C sort) <(mesh_users | LC_ALL=C sort)
}

run "$IDMESH" run "$TMP/run.json"
is 'a run with both ends well' "$status" 0
is 'the org was read in full' "$(last okta:contoso)" 'done full'
is 'the tenant was read in full' "$(last entra:contoso)" 'done full'
ok 'everybody of both is in the mesh' same_users
is 'and so are the groups' "$("$IDMESH" join dump --db "$TMP/state.db" |
	jq -r 'select(.type == "Group") | .contributors[]' | wc -l)" 35
ok 'the target has them' test \
	"$(sqlite3 "$TMP/mesh.db" 'select count(*) from "Group"')" -gt 20

mutate '{"change": 5, "create": 2, "hardDelete": 2, "move": 5}'
curl -s -X POST "$url/_sim/mutate" -d '{"change": 5, "create": 2}' >/dev/null
run "$IDMESH" run "$TMP/run.json"
is 'a second one ends well' "$status" 0
is 'the org was asked for its difference' "$(last okta:contoso)" 'done delta'
is 'and so was the tenant' "$(last entra:contoso)" 'done delta'
ok 'the mesh follows both' same_users

# --- whatever is killed on the way ------------------------------------------------
stop sim
org slow --users 20 --groups 2 --edges 20 --tier unlimited --latency 60 \
	--app "$APP" --entra 1600 --entra-groups 60 --entra-edges 3000 \
	--entra-slice 60 --entra-quirks empty,repeat
entra_file "$TMP/entra.json"
jq '.sources = ["entra.json"] | .state = "slow.db" | .sinks =
	["sqlite:slow-mesh.db"]' "$TMP/run.json" >"$TMP/slow.json"
child_of() { pgrep -P "$pid" -f "idmesh-$1" | head -n 1; }
calls() { curl -s "$url/_sim/stats" | jq .calls; }
start run "$IDMESH" run "$TMP/slow.json"
for victim in fetch transform join fetch; do
	at=$(($(calls) + 6))
	on() { [ "$(calls)" -ge $at ] && [ -n "$(child_of $victim)" ]; }
	wait_for on
	kill -KILL "$(child_of $victim)"
done
wait "$pid"
is 'a run whose programs are killed ends well' $? 0
ok 'and its mesh is what the tenant lists' same_as_tenant "$TMP/slow-mesh.db"

done_testing
