# kills.sh - histories in which programs die: `. tests/kills.sh` behind
# setup.sh, then `histories SEED...`.
#
# A history (a full import, three rounds of changes read as deltas, a full
# pass behind deletes) runs under `idmesh run` while random programs of the
# set, and run itself, die by SIGKILL or stand still (SIGSTOP) for a while.
# Three strokes are aimed, as chance finds their places too seldom: in the
# import the first page of a stream comes late, from before fetch died and the
# org changed; in each later round join dies right behind a random commit; and
# behind one of those full passes break off at a random page.
# After each round join's mesh, the SQLite target and the folded lines of the
# ndjson target must be what an undisturbed import of the same org gives,
# byte for byte, both targets at the end of the log, and the database sound;
# behind the import only the stream whose page came late, as the org is
# another by then.  Each of crash/mutants is caught by each file of four or
# three seeds, mostly by its first.
# KILL_HISTORIES: at most so many of the seeds.  CRASH_SECONDS: none begins
# later than that.
# shellcheck shell=bash
. tests/steps.sh

# LeakSanitizer looks for leaks from a helper process, a child like any other
# to victim(), and its parent spins for ever if that one is killed.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

kills=0
stops=0
late=
export STEPS_OF STEPS_ONCE=1

# The sweep spares who changed while the pass ran, or just before it: such a
# deleted user leaves with the next full pass, and is no difference here.
without_spared() {
	if [ "$step" -lt 5 ]; then
		cat "$1"
		return
	fi
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

# One run under fire, in which join dies behind one of its first commits too,
# before anybody hears of it: a kill from outside is too slow for that place.
under_fire() {
	local left pid standing=
	start run "${spoil[@]}" "$IDMESH" run "$TMP/run.json" -q "$@"
	pid=$(cat "$TMP/run.pid")
	[ -z "$late" ] || late_page "$pid"
	left=$((RANDOM % 8))
	while [ $left -gt 0 ] && kill -0 "$pid" 2>/dev/null; do
		a_moment
		strike "$pid"
		left=$((left - 1))
	done
	go_on "$standing"
	wait "$pid"
}
aim() {
	rm -f "$TMP/steps"
	late=
	STEPS_OF=sync
	spoil '*/state.db*' kill-after $((RANDOM % (RANDOM % 24 + 1) + 1))
}

# Or the only worker stands still with the first page of a stream in its hands
# while fetch dies, the org changes and another fetch begins anew.
aim_late() {
	aim
	spoil "$1" stop 1
	late=yes
	STEPS_OF=send
}
late_page() {
	late=
	wait_for fired || return
	before=$(epoch)
	kill -KILL "$(pgrep -P "$1" -f idmesh-fetch)" && kills=$((kills + 1))
	mutate '{"change": 200, "create": 10, "move": 300, "groups": 20,
		"renameGroups": 20}' >/dev/null
	wait_for epoch_rose
	kill -CONT "$(sed -n 's/^fired.* by //p' "$TMP/steps")"
}
epoch() { sqlite3 "$TMP/state.db" 'SELECT max(epoch) FROM source'; }
epoch_rose() { [ "$(epoch)" -gt "$before" ]; }
mutate() { curl -s -X POST "$url/_sim/mutate" -d "$1"; }

# One round until it has ended well.  A run that misses a page and says so (1)
# reads it again the next time, and would hide that it was lost.
round() {
	local tries=0
	while [ $((tries += 1)) -le 40 ]; do
		under_fire "$@"
		case $? in
		0) return 0 ;;
		1 | 100) break ;;
		esac
		wait_for no_orphans
	done
	tail -n 20 "$TMP/run.log"
	return 1
}

# Programs of a killed run end by themselves.
no_orphans() { ! pgrep -f -- "$TMP/state.db|$TMP/mesh.db|$TMP/okta.json" >/dev/null; }

# Full passes under fire whose listings break off: that of the groups or their
# members at a random page, that of the users at the last one, which has few
# enough for the guard.  Nobody has left; then what was begun is ended.
broken() {
	local tries=0 code=137 at
	faults '[{"match": "/api/v1/users", "nth": '$((($(users) - 1) / 22))',
		"count": 1000, "kind": "badcursor"},
		{"match": "/api/v1/groups", "nth": '$((RANDOM % 20 + 1))',
		"count": 1000, "kind": "badcursor"}]'
	aim
	until [ $code = 111 ] && grep -q 'fetch.* is incomplete' "$TMP/run.log"; do
		if [ $code -le 1 ] || [ $((tries += 1)) -gt 40 ]; then
			tail -n 20 "$TMP/run.log"
			return 1
		fi
		under_fire --mode full --restarts 1
		code=$?
		wait_for no_orphans
	done
	faults '[]'
	same "$1, broken off" "" || return 1
	at=$(newest "$TMP/state.db")
	ends_there "$at" >"$TMP/run.log" 2>&1 && return
	cat "$TMP/run.log"
	return 1
}
# One more run has nothing to tell.
ends_there() {
	"$IDMESH" run "$TMP/run.json" -q && sound "$TMP/state.db" &&
		[ "$(newest "$TMP/state.db")" = "$1" ]
}
users() { curl -s "$url/_sim/stats" | jq .users; }
faults() { curl -s -X POST "$url/_sim/fault" -d "$1" >/dev/null; }

history() {
	local step mode breaks stream streams=(User Group GroupMember)
	RANDOM=$1
	breaks=$((RANDOM % 3 + 2))
	rm -rf "$TMP"/state.db* "$TMP"/mesh.db* "$TMP"/changes.ndjson
	echo '[]' >"$TMP/deleted"
	org "sim$1" --users 300 --groups 30 --edges 1500 --tier unlimited \
		--seed "$1" --latency 25 --page-max 22
	source_file "$TMP/okta.json"
	jq -n --arg rules "$ROOT/rules" '{sources: ["okta.json"], rules: $rules,
		state: "state.db", workers: 3,
		sinks: ["sqlite:mesh.db", "ndjson:changes.ndjson"]}' >"$TMP/run.json"
	# What was read before the org changed is brought up by the next round.
	step=1
	stream=${streams[RANDOM % 3]}
	aim_late "$stream"
	round -j 1 && compare "$1.1" "\"type\":\"$stream\"}\$" || return 1
	for step in 2 3 4 5; do
		mode=auto
		[ $step -lt 5 ] || mode=full
		mutate '{"change": 20, "create": 5, "deprovision": 3,
			"move": 30, "groups": 5, "renameGroups": 2}' >/dev/null
		[ $step -lt 5 ] || mutate '{"delete": 4}' |
			jq -c '.delete' >"$TMP/deleted"
		aim
		round --mode $mode || return 1
		compare "$1.$step" || return 1
		[ $step != $breaks ] || broken "$1.$step" || return 1
	done
	stop "sim$1"
}

# Everything, or the lines with $2, is as an undisturbed full import of the org
# as it is now.
compare() {
	rm -f "$TMP"/calm.db*
	"$IDMESH" fetch "$TMP/okta.json" 2>/dev/null |
		"$IDMESH" transform 2>/dev/null |
		"$IDMESH" join --db "$TMP/calm.db" >/dev/null 2>&1 || return 1
	dump_state "$TMP/calm.db" >"$TMP/calm"
	same "$1" "${2:-}" && sound "$TMP/state.db"
}
same() {
	local state at
	dump_state "$TMP/state.db" >"$TMP/dump"
	sqlite_state "$TMP/mesh.db" >"$TMP/sqlite"
	ndjson_state "$TMP/changes.ndjson" >"$TMP/ndjson"
	for state in dump sqlite ndjson; do
		diff <(grep "$2" "$TMP/calm") \
			<(without_spared "$TMP/$state" | grep "$2") \
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
