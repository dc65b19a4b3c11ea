#!/usr/bin/env bash
# join-kill.sh - join and its sink are killed at any byte, again and again;
# the run goes on each time and the end is that of an undisturbed one.
. tests/setup.sh
. tests/records.sh

SINK=$BUILD/idmesh-sink
target=sqlite:$TMP/mesh.db
crowd 6000 30 >"$TMP/in"
"$JOIN" --db "$TMP/calm.db" <"$TMP/in" >/dev/null
"$JOIN" dump --db "$TMP/calm.db" | sort >"$TMP/want"

# A fetch that goes on where the state says.
feed() {
	jq -r '.streams | to_entries[] | "\(.key) \(if .value.done then 999999 else .value.seq end)"' <<<"$answer" >"$TMP/skip"
	awk -v head="$(jq -r '"\"run\":\(.run),\"epoch\":\(.epoch)"' <<<"$answer")" '
		NR == FNR { seq[$1] = $2; next }
		{
			match($0, /"stream":"[A-Za-z]*"/)
			stream = substr($0, RSTART + 10, RLENGTH - 11)
			match($0, /"seq":[0-9]*/)
			if (substr($0, RSTART + 6, RLENGTH - 6) + 0 <= seq[stream])
				next
			sub(/"run":0,"epoch":0/, head)
			print
		}' "$TMP/skip" "$TMP/in"
}

# round WHO SECONDS: the rest of the run; 1 is join's and 2 is the sink's time.
round() {
	answer=$("$JOIN" begin --db "$db" $S)
	feed |
		timeout -s KILL "$1" "$JOIN" --db "$db" \
			--after "$("$SINK" cursor "$target")" |
		timeout -s KILL "$2" "$SINK" "$target"
	codes="${PIPESTATUS[*]:1}"
}
ended() { [ "$(sqlite3 "$db" 'SELECT state FROM run')" = done ]; }

kills=0
while [ $kills -lt 30 ] && ! ended; do
	at=0.0$((RANDOM % 20 + 10 + kills))
	if [ $((RANDOM % 2)) = 0 ]; then
		round $at 60
	else
		round 60 $at
	fi 2>/dev/null
	case $codes in *137*) kills=$((kills + 1)) ;; esac
done 2>/dev/null
ok 'they were killed' test $kills -gt 0
ended || round 60 60 2>/dev/null
is 'it was one run' "$("$JOIN" runs --db "$db" --json | jq -c '[.run, .state]')" \
	'[1,"done"]'
ok 'the store is that of an undisturbed run' \
	diff <("$JOIN" dump --db "$db" | sort) "$TMP/want"
is 'numbers have no hole' "$(sqlite3 "$db" \
	'SELECT count(*) = max(number), max(number) = newest FROM change, store')" '1|1'
is 'nothing was put twice' "$(sqlite3 "$db" \
	'SELECT count(*) - count(DISTINCT mesh) FROM change')" 0
"$JOIN" --db "$db" --after "$("$SINK" cursor "$target")" </dev/null |
	"$SINK" "$target" 2>/dev/null
is 'the sink has the number of the store' "$("$SINK" cursor "$target")" \
	"$(sqlite3 "$db" "SELECT id || ':' || newest FROM store")"
ok 'and its mesh' diff <(for type in Group GroupMember User; do
	sqlite3 "$TMP/mesh.db" "SELECT json_object('type', '$type', 'id', meshId) FROM \"$type\""
done | sort) <(jq -c '{type, id}' "$TMP/want" | sort)
done_testing
