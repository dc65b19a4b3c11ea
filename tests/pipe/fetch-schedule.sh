#!/usr/bin/env bash
# fetch-schedule.sh - --window, --finish-by, and buckets side by side.
. tests/setup.sh

sim() { curl -sS "$url/_sim/$1" "${@:2}"; }
calls() { sim stats | jq .calls; }
# clock MINUTES: HH:MM in UTC so far from now.
clock() { date -u -d "@$((EPOCHSECONDS + $1 * 60))" +%H:%M; }
# request JQ: of every line of $TMP/req.
requests() { jq -sr "$1" "$TMP/req"; }

org org --users 1500 --groups 30 --edges 3000 --tier unlimited
source_file "$TMP/org.json"

# --- hours of the day
run "$IDMESH" fetch --quiet --window "$(clock -60)-$(clock 60)Z" "$TMP/org.json"
is 'within its hours a run runs' "$status" 0
sim reset-stats -X POST >"$TMP/sim.out"
start late "$IDMESH" fetch --window "$(clock 120)-$(clock 180)Z" "$TMP/org.json"
wait_for grep -q waiting "$TMP/late.log"
like 'outside of them it waits' "$(cat "$TMP/late.log")" \
	"okta:contoso: it is not [0-9:Z-]+ by this host's clock: waiting until 20"
like 'and says until when' "$(cat "$TMP/late.log")" \
	"waiting until 20[0-9-]+ $(clock 120):00 \\+00:00, 1 h 59 min|2 h 0 min"
stop late
is 'it can be stopped' "$status" 111
is 'without a request' "$(calls)" 0
like 'by this host'\''s zone' "$(TZ=XYZ-3 timeout 2 "$IDMESH" fetch --window \
	"$(TZ=XYZ-3 date -d "@$((EPOCHSECONDS + 7200))" +%H:%M)-$(TZ=XYZ-3 \
		date -d "@$((EPOCHSECONDS + 10800))" +%H:%M)" "$TMP/org.json" \
	2>&1 >"$TMP/none")" "waiting until .* $(clock 300):00 \\+03:00"

# The server's clock decides: by it the hours begin a few seconds after the
# first answer, by ours they are now.  All of the day but a minute.
opens=$((EPOCHSECONDS / 60 * 60 + 600))
skew=$((opens - EPOCHSECONDS - 4))
org skewed --users 1500 --groups 30 --edges 3000 --tier unlimited \
	--date-skew "$skew"
source_file "$TMP/skewed.json"
hours=$(date -u -d "@$opens" +%H:%M)-$(date -u -d "@$((opens - 60))" +%H:%M)Z
run "$IDMESH" fetch --request-log "$TMP/req" --window "$hours" "$TMP/skewed.json"
is 'hours by the server' "$status" 0
like 'it waits' "$err" "it is not $hours by the server's clock: waiting until"
like 'and goes on' "$err" "it is $hours: going on"
early=$(requests "[.[] | select(((.time[:19] + \"Z\" | fromdate) + $skew) <
	$opens)] | length")
ok 'only what asked for the time left before' test "$early" -le 4
is 'nothing is missing' "$(jq -r 'select(.kind == "page" and
	.stream == "User") | .records[].id' <<<"$out" | sort -u | wc -l)" 1500

for args in '--window 22-06' '--window 22:00-22:00Z' '--window 25:00-06:00' \
	'--finish-by noon' '--finish-by 2020-01-01T00:00:00Z' \
	'--max-calls many'; do
	# shellcheck disable=SC2086 # they are words
	run "$IDMESH" fetch $args "$TMP/org.json"
	is "wrong: $args" "$status $out" '100 '
	like 'and says what is right' "$err" \
		"^idmesh fetch: --(window|finish-by|max-calls):? "
done

# --- a deadline
url=http://127.0.0.1:$(cat "$TMP/org.port")
run "$IDMESH" fetch --request-log "$TMP/req.due" --finish-by "$(clock 30)Z" \
	"$TMP/org.json"
is 'a run with a deadline' "$status" 0
for stream in User Group GroupMember; do
	like "$stream: in time" "$err" \
		"$stream will be in by 20.*, in time for 20[0-9-]+ $(clock 30):00 "
done
# A minute in which the members have no chance, and the rest has.
org slow --users 2000 --groups 300 --edges 6000 --window 60 \
	--limit /api/v1/groups=20
source_file "$TMP/slow.json" '.ConfigJson.RateLimitShare = 1.0'
start due "$IDMESH" fetch --request-log "$TMP/req.slow" --finish-by \
	"$(date -u -d "@$((EPOCHSECONDS + 50))" +%Y-%m-%dT%H:%M:%SZ)" \
	"$TMP/slow.json"
wait_for grep -q 'NOT be in' "$TMP/due.log"
like 'what can be in time is said' "$(cat "$TMP/due.log")" \
	'User will be in by .*in time'
like 'and what cannot' "$(cat "$TMP/due.log")" \
	'GroupMember will NOT be in by 20.* but by 20.*, 1[0-9] min [0-9]+ s late'
like 'and what may help' "$(cat "$TMP/due.log")" 'RateLimitShare'
wait_for grep -q '"stream":"User".*"kind":"end"\|"kind":"end".*"stream":"User"' \
	"$TMP/due.out"
ok 'users are in' grep -q '"kind":"end".*"stream":"User"' "$TMP/due.out"
stop due
is 'and the rest can go on later' "$status" 111

# --- buckets side by side: both are filled in every window
org both --users 12000 --groups 130 --edges 6000 --window 4 --latency 10 \
	--limit /api/v1/users=20 --limit /api/v1/groups=40
source_file "$TMP/both.json" '.ConfigJson.RateLimitShare = 1.0'
rm -f "$TMP/req"
run "$IDMESH" fetch --request-log "$TMP/req" "$TMP/both.json"
is 'two buckets' "$status" 0
is 'each is used up in a window' "$(sim stats | jq -c '[.buckets[] |
	select(.name == "/api/v1/users" or .name == "/api/v1/groups") |
	.peak == .limit] | all')" true
# Windows of the one in which the other got calls, too.
is 'in the same windows' "$(requests 'def seconds: .time[:19] + "Z" | fromdate;
	group_by(.path == "/api/v1/users") | map(map(seconds)) |
	((map(min) | max) - (map(min) | min)) <= 1 and
	((map(max) | max) - (map(max) | min)) <= 5')" true
is 'and nothing is refused' "$(sim stats | jq '.limited + .concurrency429')" 0

# A request of one bucket that takes long holds the other one up by nothing:
# the first list of members goes alone into its window.
org stuck --users 4000 --groups 20 --edges 2000 --window 60 --latency 5
source_file "$TMP/stuck.json"
sim fault -d '[{"match":"/api/v1/groups","nth":1,"count":1,"kind":"slow",
	"ms":1500}]' >"$TMP/sim.out"
rm -f "$TMP/req"
run "$IDMESH" fetch --request-log "$TMP/req" "$TMP/stuck.json"
is 'a slow answer' "$status" 0
ok 'all users came before it' jq -es 'map(.path) |
	index("/api/v1/groups") >= 20' "$TMP/req"
done_testing
