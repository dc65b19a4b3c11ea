#!/usr/bin/env bash
# transform-workers.sh - transform with several processes: the same records as
# one makes, whoever of them is killed, comes or leaves.
. tests/setup.sh

mkdir "$TMP/rules"
cat >"$TMP/rules/okta.lua" <<'LUA'
map "okta.User" {
  ExternalId = "id",
  login      = "profile.login",
  title      = upper("profile.title"),
  shout      = function(u) return u.profile.login .. "!" end,
}
LUA
export IDMESH_RULES=$TMP/rules
transform=$BUILD/idmesh-transform

# 60 pages of 50 users, then the end of the stream.
jq -nc 'range(1; 61) as $seq | {v: 1, kind: "page", source: "okta:contoso",
	stream: "User", run: 1, epoch: 1, seq: $seq, n: 50, try: 1,
	isolate: false, mode: "full", at: "2026-04-22T08:15:30.000Z",
	state: {after: "c\($seq)"},
	records: [range(50) | {id: "00u\($seq)x\(.)", status: "ACTIVE",
		profile: {login: "u\(.)@example.com", title: "ü\(.)"}}]}' >"$TMP/pages"
echo '{"v":1,"kind":"end","source":"okta:contoso","stream":"User","run":1,"epoch":1,"seq":61,"complete":true}' >"$TMP/end"
cat "$TMP/pages" "$TMP/end" >"$TMP/in"
"$transform" <"$TMP/in" 2>"$TMP/one.log" | sort >"$TMP/want"
is 'one process makes every line' "$(wc -l <"$TMP/want")" 61

# --- as many as one likes
for j in 2 5; do
	run "$transform" -j $j <"$TMP/in"
	is "-j $j: exit" "$status" 0
	ok "-j $j: the same records" cmp "$TMP/want" <(sort "$TMP/run.out")
	like "-j $j: all are counted" "$err" '60 pages, 3000 records, 0 rejected'
done
is 'each process lets the end of stdin through' "$(tail -c 1 "$TMP/run.out" | od -An -c | tr -d ' ')" '\n'

# Another writer's spelling of a page.
sed 's/^{"v":1,"kind":"page",/{"kind": "page", "v": 1, /' "$TMP/in" >"$TMP/other"
run "$transform" -j 2 <"$TMP/other"
ok 'a page spelt otherwise is a page' cmp "$TMP/want" <(sort "$TMP/run.out")

# --- a slow writer, so that there is time to interfere
from_fifo() { exec "$transform" -j "$1" <"$TMP/fifo"; }
children() { pgrep -P "$(cat "$TMP/t.pid")"; }
count_is() { [ "$(children | wc -l)" -eq "$1" ]; }
lines() { [ "$(wc -l <"$TMP/t.out")" -ge "$1" ]; }
mkfifo "$TMP/fifo"
begin() {
	start t from_fifo "$1"
	exec 3>"$TMP/fifo"
}
finish() {
	exec 3>&-
	wait "$(cat "$TMP/t.pid")"
	status=$?
}

begin 3
ok 'three processes' wait_for count_is 3
killed=0
while IFS= read -r line; do
	printf '%s\n' "$line" >&3
	case $line in *'"seq":'[1-6]0,*)
		kill -KILL "$(children | head -n 1)" && killed=$((killed + 1))
		;;
	esac
done <"$TMP/in"
finish
is 'six kills' "$killed" 6
is 'six kills: exit' "$status" 0
ok 'six kills: nothing lost, nothing doubled' cmp "$TMP/want" <(sort "$TMP/t.out")

begin 1
head -n 1 "$TMP/in" >&3
wait_for lines 1
kill -USR1 "$pid"
finish
is '-j 1 does not heed SIGUSR1' "$status:$(wc -l <"$TMP/t.out")" '0:1'

begin 2
wait_for count_is 2
kill -USR1 "$pid"
ok 'SIGUSR1: one more' wait_for count_is 3
head -n 30 "$TMP/in" >&3
kill -USR2 "$pid"
kill -USR2 "$pid"
# Two signals that come together are one.
wait_for count_is 2
kill -USR2 "$pid"
ok 'SIGUSR2: one fewer, down to one' wait_for count_is 1
kill -USR2 "$pid"
tail -n +31 "$TMP/in" >&3
ok 'SIGUSR2: the last one stays' wait_for lines 61
finish
is 'come and go: exit' "$status" 0
ok 'come and go: the same records' cmp "$TMP/want" <(sort "$TMP/t.out")

begin 2
ok 'two processes' wait_for count_is 2
pids=$(children)
kill -KILL "$pid"
gone() { for p in $pids; do ! kill -0 "$p" 2>/dev/null || return 1; done; }
ok 'children die with their parent' wait_for gone
exec 3>&-

for j in 1 2; do
	begin $j
	head -n 3 "$TMP/in" >&3
	ok "-j $j: pages are answered while stdin is open" wait_for lines 3
	stop t
	exec 3>&-
	is "-j $j: SIGTERM before the end of stdin" "$status" 111
	like "-j $j: it is said" "$(cat "$TMP/t.log")" 'stopped by a signal'
done

# --- one that stands still is waited for before join has to keep too much
begin 3
wait_for count_is 3
first=$(children | head -n 1)
kill -STOP "$first"
for _ in 1 2 3 4 5; do cat "$TMP/pages"; done >&3 &
feeder=$!
quiet() {
	local before
	before=$(wc -l <"$TMP/t.out")
	read -rt 0.3 <> <(:) || :
	[ "$before" -gt 0 ] && [ "$before" = "$(wc -l <"$TMP/t.out")" ]
}
ok 'one stands still: the others stop' wait_for quiet
ok 'one stands still: no more overtake its page than a window and their own' \
	test "$(wc -l <"$TMP/t.out")" -lt 38
kill -CONT "$first"
wait "$feeder"
finish
is 'one stood still: exit' "$status" 0
is 'one stood still: every page is there' "$(wc -l <"$TMP/t.out")" 300

# --- backpressure: nobody reads stdout, so stdin is left alone in the end
feed() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		cat "$TMP/pages" || return
		echo >>"$TMP/fed"
	done
}
: >"$TMP/fed"
mkfifo "$TMP/held"
feed | "$transform" -j 2 2>"$TMP/t.log" >"$TMP/held" &
bg=$!
started+=("$bg")
exec 4<"$TMP/held"
settled() {
	local before
	before=$(wc -l <"$TMP/fed")
	read -rt 0.3 <> <(:) || :
	[ "$before" -gt 0 ] && [ "$before" = "$(wc -l <"$TMP/fed")" ]
}
ok 'a full stdout stops the reading' wait_for settled
ok 'before all is read' test "$(wc -l <"$TMP/fed")" -lt 20
is 'nothing was lost meanwhile' "$(wc -l <&4)" 1200
wait "$bg"
is 'and it ends well' $? 0
done_testing
