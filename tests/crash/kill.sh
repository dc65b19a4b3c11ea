#!/usr/bin/env bash
# kill.sh - kill any process at any moment: the mesh ends the same.
#
# A history (a full import, three rounds of changes, a full pass) runs under
# `idmesh run` while random programs of the set, and run itself, die by
# SIGKILL.  After each round join's mesh, the SQLite target and the folded
# lines of the ndjson target must be what an undisturbed import of the same
# org gives, byte for byte.  SEEDS="1 2 3" names the histories; `make crash`
# runs as many as fit into CRASH_SECONDS.
. tests/setup.sh

SEEDS=${SEEDS:-1 2}
kills=0

sorted_dump() { "$IDMESH" join dump --db "$1" | LC_ALL=C sort; }

# What a target holds, in the form of a dump.
sqlite_state() {
	local type
	for type in User Group GroupMember; do
		sqlite3 "$1" "select json_object('type', '$type', 'id', meshId,
			'object', json(object), 'contributors',
			json(contributors)) from mesh_$type"
	done | jq -cS . | LC_ALL=C sort
}
# A rebuild takes the place of all before it once it is rebuilt.
ndjson_state() {
	jq -cnS 'reduce inputs as $c ({now: {}, next: null};
		(if .next then "next" else "now" end) as $at |
		if $c.op == "rebuild" then .next = {}
		elif $c.op == "rebuilt" then {now: .next, next: null}
		elif $c.op == "put" then .[$at][$c.type + $c.id] =
			($c | {type, id, object, contributors})
		else del(.[$at][$c.type + $c.id]) end) | .now[]' "$1" |
		LC_ALL=C sort
}
dump_state() { sorted_dump "$1" | jq -cS . | LC_ALL=C sort; }

# The sweep spares who changed while the pass ran, or just before it: such a
# deleted user leaves with the next full pass, and is no difference here.
without_spared() {
	jq -cS --slurpfile gone "$TMP/deleted" --arg today "$(date -u +%F)" \
		'select((.type == "User" and (.object.lastUpdated >= $today) and
		(.object.ExternalId as $id | $gone[0] | index($id))) | not)' "$1"
}

# A random program of the set that is alive: a child or a grandchild of run.
victim() {
	local pids
	mapfile -t pids < <(
		pgrep -P "$1"
		pgrep -P "$1" | while read -r p; do pgrep -P "$p"; done
	)
	[ ${#pids[@]} -gt 0 ] && echo "${pids[RANDOM % ${#pids[@]}]}"
}

a_moment() { read -rt "0.$(printf %03d $((RANDOM % 180)))" <> <(:) || :; }

# One round under fire until it has ended well.
round() {
	local tries=0 left pid target
	while [ $((tries += 1)) -le 40 ]; do
		start run "$IDMESH" run "$TMP/run.json" -q --mode "$1"
		pid=$(cat "$TMP/run.pid")
		left=$((RANDOM % 8))
		while [ $left -gt 0 ] && kill -0 "$pid" 2>/dev/null; do
			a_moment
			target=$pid
			[ $((RANDOM % 8)) -eq 0 ] || target=$(victim "$pid")
			[ -n "$target" ] && kill -KILL "$target" 2>/dev/null &&
				kills=$((kills + 1))
			left=$((left - 1))
		done
		wait "$pid"
		case $? in
		0) return 0 ;;
		100) break ;;
		esac
		wait_for no_orphans
	done
	tail -n 20 "$TMP/run.log"
	return 1
}

# Programs of a killed run end by themselves.
no_orphans() { ! pgrep -f -- "$TMP/state.db|$TMP/mesh.db|$TMP/okta.json" >/dev/null; }

history() {
	local step mode
	RANDOM=$1
	rm -rf "$TMP"/state.db* "$TMP"/mesh.db* "$TMP"/changes.ndjson
	echo '[]' >"$TMP/deleted"
	org "sim$1" --users 600 --groups 40 --edges 3000 --tier unlimited \
		--seed "$1" --latency 12
	source_file "$TMP/okta.json"
	jq -n --arg rules "$ROOT/rules" '{sources: ["okta.json"], rules: $rules,
		state: "state.db", workers: 3,
		sinks: ["sqlite:mesh.db", "ndjson:changes.ndjson"]}' >"$TMP/run.json"
	for step in 1 2 3 4 5; do
		mode=auto
		[ $step -lt 5 ] || mode=full
		if [ $step -gt 1 ]; then
			curl -s -X POST "$url/_sim/mutate" -d '{"change": 20,
				"create": 5, "deprovision": 3, "move": 30,
				"groups": 5, "renameGroups": 2}' >/dev/null
		fi
		[ $step -lt 5 ] || curl -s -X POST "$url/_sim/mutate" \
			-d '{"delete": 4}' | jq -c '.delete' >"$TMP/deleted"
		round $mode || return 1
		compare "$1.$step" || return 1
	done
	stop "sim$1"
}

# Everything equal to an undisturbed full import of the org as it is now.
compare() {
	rm -f "$TMP"/calm.db*
	"$IDMESH" fetch "$TMP/okta.json" 2>/dev/null |
		"$IDMESH" transform 2>/dev/null |
		"$IDMESH" join --db "$TMP/calm.db" >/dev/null 2>&1 || return 1
	dump_state "$TMP/calm.db" >"$TMP/calm"
	dump_state "$TMP/state.db" >"$TMP/dump"
	sqlite_state "$TMP/mesh.db" >"$TMP/sqlite"
	ndjson_state "$TMP/changes.ndjson" >"$TMP/ndjson"
	for state in dump sqlite ndjson; do
		without_spared "$TMP/$state" | diff "$TMP/calm" - \
			>"$TMP/diff" && continue
		echo "$1: $state differs from an undisturbed import:"
		head -n 6 "$TMP/diff" | cut -c1-300
		return 1
	done
	[ "$("$IDMESH" sink cursor "sqlite:$TMP/mesh.db")" = \
		"$("$IDMESH" sink cursor "ndjson:$TMP/changes.ndjson")" ] || {
		echo "$1: the cursors differ"
		return 1
	}
}

end=$((SECONDS + ${CRASH_SECONDS:-1200}))
for seed in $SEEDS; do
	[ $SECONDS -lt $end ] || break
	history "$seed" >"$TMP/history.out" 2>&1
	ok "history $seed ends as if nothing had died" test $? -eq 0
	[ "$failed" -eq 0 ] || { sed 's/^/# /' "$TMP/history.out"; break; }
done
echo "# $kills kills"
ok 'there were kills' test "$kills" -gt 0

done_testing
