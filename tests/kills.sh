# kills.sh - histories in which programs die: `. tests/kills.sh` behind
# setup.sh, then `histories SEED...`.
#
# A history (a full import, three rounds of changes read as deltas, a full
# pass behind deletes) runs under `idmesh run` while random programs of the
# set, and run itself, die by SIGKILL or stand still (SIGSTOP) for a while.
# After each round join's mesh, the SQLite target and the folded lines of the
# ndjson target must be what an undisturbed import of the same org gives,
# byte for byte, both targets at the end of the log, and the database sound.
# KILL_HISTORIES: at most so many of the seeds.  CRASH_SECONDS: none begins
# later than that.
# shellcheck shell=bash
. tests/state.sh

# LeakSanitizer looks for leaks from a helper process, a child like any other
# to victim(), and its parent spins for ever if that one is killed.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

kills=0
stops=0

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

a_moment() { read -rt "0.$(printf %03d $((RANDOM % 90)))" <> <(:) || :; }

# One stroke at the set of run: mostly a program dies, at times run does, and
# at times one stands still until the next stroke or two.
strike() {
	local target=$1 still=${standing:-}
	[ $((RANDOM % 8)) -eq 0 ] || target=$(victim "$1")
	[ -n "$target" ] || return 0
	if [ $((RANDOM % 4)) -eq 0 ] && [ "$target" != "$1" ]; then
		kill -STOP "$target" 2>/dev/null && stops=$((stops + 1))
		standing="$still $target"
		still=
	elif kill -KILL "$target" 2>/dev/null; then
		kills=$((kills + 1))
	fi
	go_on "$still"
}
go_on() {
	# shellcheck disable=SC2086 # a list
	[ -z "$1" ] || kill -CONT $1 2>/dev/null
	standing=${standing#"$1"}
}

# One round under fire until it has ended well.
round() {
	local tries=0 left pid standing=
	while [ $((tries += 1)) -le 40 ]; do
		start run "$IDMESH" run "$TMP/run.json" -q --mode "$1"
		pid=$(cat "$TMP/run.pid")
		left=$((RANDOM % 8))
		while [ $left -gt 0 ] && kill -0 "$pid" 2>/dev/null; do
			a_moment
			strike "$pid"
			left=$((left - 1))
		done
		go_on "$standing"
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
	org "sim$1" --users 300 --groups 30 --edges 1500 --tier unlimited \
		--seed "$1" --latency 25 --page-max 25
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
	local state at
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
	for at in "sqlite:$TMP/mesh.db" "ndjson:$TMP/changes.ndjson"; do
		[ "$(place "$at")" = "$(newest "$TMP/state.db")" ] && continue
		echo "$1: $at is at $(place "$at"), the log ends at" \
			"$(newest "$TMP/state.db")"
		return 1
	done
	sound "$TMP/state.db"
}

histories() {
	local seed n=0 end=$((SECONDS + ${CRASH_SECONDS:-1200}))
	for seed in "$@"; do
		[ $SECONDS -lt $end ] && [ $n -lt "${KILL_HISTORIES:-999}" ] ||
			break
		n=$((n + 1))
		history "$seed" >"$TMP/history.out" 2>&1
		ok "history $seed ends as if nothing had died" test $? -eq 0
		[ "$failed" -eq 0 ] || {
			sed 's/^/# /' "$TMP/history.out"
			break
		}
	done
	echo "# $n histories, $kills kills, $stops stops, $SECONDS seconds"
	ok 'there were kills' test $kills -ge $n
}
