#!/usr/bin/env bash
# merge-kill.sh - join is killed at random moments of a round of two sources,
# mostly while it merges, and starts again: the mesh and both targets are those
# of an undisturbed round.
#
# MERGE_KILLS: how many rounds (3).
. tests/setup.sh
. tests/entra.sh
. tests/state.sh

org sim --users 1000 --groups 40 --edges 3000 --tier unlimited --seed 7 \
	--app "$APP" --entra 950 --entra-groups 30 --entra-edges 2500
source_file "$TMP/okta.json"
entra_file "$TMP/entra.json"
jq -n --arg rules "$ROOT/rules/two-sources" '{$rules, state: "state.db",
	sources: ["okta.json", "entra.json"], workers: 2,
	sinks: ["sqlite:mesh.db", "ndjson:changes.ndjson"]}' >"$TMP/run.json"

kills=0
a_moment() { read -rt "0.$(printf %03d $((RANDOM % 700)))" <> <(:) || :; }
# It dies twice, each time within a second; the second time it may be done.
kill_join() {
	local join
	wait_for pgrep -P "$1" -f idmesh-join
	for _ in 1 2; do
		a_moment
		join=$(pgrep -P "$1" -f idmesh-join | head -n 1)
		kill -KILL "$join" 2>/dev/null && kills=$((kills + 1))
	done
}
# round NAME [COMMAND]: into new files; what came of it is in $TMP/*.NAME.
round() {
	rm -f "$TMP"/{state,mesh}.db* "$TMP/changes.ndjson"
	start set "$BUILD/idmesh-run" "$TMP/run.json" -q
	pid=$(cat "$TMP/set.pid")
	${2:+"$2" "$pid"}
	wait "$pid"
	status=$?
	dump_state "$TMP/state.db" >"$TMP/dump.$1"
	sqlite_state "$TMP/mesh.db" >"$TMP/sqlite.$1"
	ndjson_state "$TMP/changes.ndjson" >"$TMP/ndjson.$1"
}

round calm
is 'an undisturbed round ends well' "$status" 0
for n in $(seq "${MERGE_KILLS:-3}"); do
	round hit kill_join
	is "round $n ends well" "$status" 0
	for what in dump sqlite ndjson; do
		ok "its $what is as if nothing had died" \
			cmp "$TMP/$what.calm" "$TMP/$what.hit"
	done
done
ok 'there were kills' test $kills -gt 0
echo "# $kills kills"
done_testing
