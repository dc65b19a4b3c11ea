#!/usr/bin/env bash
# run-progress.sh - what is seen while fetch reads, alone and in a set: on a
# terminal, which script(1) plays, and without one.
. tests/setup.sh

# Two calls of users in two seconds: something waits for the budget.
org sim --users 900 --groups 20 --edges 600 --tier unlimited --latency 150 \
	--limit /api/v1/users=3 --window 2
source_file "$TMP/okta.json" '.ConfigJson.RateLimitShare = 1'
jq -n --arg rules "$ROOT/rules" '{sources: ["okta.json"], $rules,
	state: "state.db", sinks: ["sqlite:mesh.db"], workers: 1}' >"$TMP/run.json"
unset NO_COLOR
export TERM=xterm TZ=UTC

# terminal COLUMNS COMMAND: what it writes to a terminal so wide is in $seen,
# a line for each time that a line was drawn or written, without what moves
# the cursor; raw in $TMP/raw.
terminal() {
	timeout -k 5 60 script -qec "stty cols $1; $2" "$TMP/raw" </dev/null \
		>/dev/null 2>&1
	status=$?
	seen=$(sed -e '/^Script /d' -e 's/\r//g' -e 's/\x1b\[[0-9;]*[A-Za-z]//g' \
		"$TMP/raw")
}
esc() { grep -qF "$(printf "\033[$1")" "$TMP/raw"; }
widest() { awk '/^okta:/ && length > m { m = length } END { print m + 0 }'; }

# --- fetch by itself, on a terminal ---------------------------------------------
terminal 100 "'$IDMESH' fetch '$TMP/okta.json' >/dev/null"
is 'fetch on a terminal ends well' "$status" 0
like 'a stream has a line: records, pages' "$seen" \
	'^okta:contoso User +[1-9][0-9]* of about|^okta:contoso User +[1-9][0-9]*, [0-9]+ pages?'
like 'of how many, by what the groups count' "$seen" \
	'^okta:contoso GroupMember +[0-9]+ of about 600 \([0-9]+ %\)'
like 'and until when it waits' "$seen" \
	', waiting for the budget until [0-2][0-9]:[0-5][0-9]:[0-5][0-9]$'
like 'and that it is done' "$seen" '^okta:contoso Group +20, 1 page, done$'
ok 'its lines are drawn over' esc '3A'
ok 'what waits has a colour' esc '33m'
ok 'what is done has another' esc '32m'
unlike 'no request log is mixed in' "$seen" '^\{'
like 'the summary comes behind it' "$(tail -n 1 <<<"$seen")" 'retries'

terminal 40 "NO_COLOR=1 '$IDMESH' fetch '$TMP/okta.json' >/dev/null"
is 'no line is wider than the terminal' "$(widest <<<"$seen")" 39
ok 'and NO_COLOR has none' eval '! esc 3[23]m'
terminal 80 "TERM=dumb '$IDMESH' fetch -s Group '$TMP/okta.json' >/dev/null"
ok 'a terminal that cannot move is written line by line' eval '! esc 1A'
terminal 80 "'$IDMESH' fetch -q '$TMP/okta.json' >/dev/null"
is '-q shows nothing' "$seen" ''

# --- and without one -----------------------------------------------------------
lines() { grep -cE '^idmesh-[a-z]+: okta:contoso User [0-9]+' <<<"$err"; }
export IDMESH_PROGRESS_MS=100
run "$IDMESH" fetch "$TMP/okta.json"
ok 'without a terminal there is a line now and then' [ "$(lines)" -ge 3 ]
unlike 'and nothing that moves' "$err" "$(printf '\033')"
run "$IDMESH" fetch -q "$TMP/okta.json"
is '-q has none' "$err" ''
export IDMESH_PROGRESS_MS=3600000
run "$IDMESH" fetch "$TMP/okta.json"
is 'nor is there one before its time' "$(lines)" 0
unset IDMESH_PROGRESS_MS

# --- for who draws it -----------------------------------------------------------
run "$IDMESH" fetch --progress-fd 9 "$TMP/okta.json"
is 'a descriptor that is not open is wrong use' "$status" 100
run bash -c "'$IDMESH' fetch --progress-fd 9 '$TMP/okta.json' 9>'$TMP/events'"
is 'the last event has it all' "$(tail -n 1 "$TMP/events" | jq -r '[.kind,
	.event, .ready] + [.streams[] | .stream, .state, .n] | @csv' | tr -d '"')" \
	event,progress,true,User,done,900,Group,done,20,GroupMember,done,600
unlike 'and there is no request log' "$err" '^\{'

# More streams than a pipe takes at once, into one that nobody reads.
org few --users 5 --groups 2 --edges 5 --tier unlimited
many=()
for n in $(seq 16); do
	source_file "$TMP/many$n.json" ".name = \"one-of-many-departments-$n\""
	many+=("$TMP/many$n.json")
done
# events PAGES: those that a pipe with so many pages in it took.
events() {
	rm -f "$TMP/pipe"
	mkfifo "$TMP/pipe"
	exec 8<>"$TMP/pipe"
	[ "$1" = 0 ] || head -c $(($1 * 4096)) /dev/zero >&8
	run bash -c "'$IDMESH' fetch --progress-fd 9 ${many[*]} 9>'$TMP/pipe'"
	exec 7<"$TMP/pipe" 8>&-
	tail -c +$(($1 * 4096 + 1)) <&7 >"$TMP/events"
	exec 7<&-
}
events 15
is 'an event that has no room is dropped' "$status" 0
ok 'whole' jq -e .kind "$TMP/events"
is 'and one that has room is there' "$(tail -c 1 "$TMP/events")" ''
events 0
is 'all streams are told' "$(jq -rs '[.[].streams[] | .source] | unique |
	length' "$TMP/events")" 16

# --- the set --------------------------------------------------------------------
terminal 100 "'$IDMESH' run '$TMP/run.json'"
is 'a run on a terminal ends well' "$status" 0
like 'it draws the lines of fetch' "$seen" '^okta:contoso User +[1-9]'
ok 'over one another' esc '3A'
unlike 'no request log is mixed in' "$seen" '^\{'
like 'and nothing stands behind a line that moves' "$seen" '^idmesh-join: .* is done'
like 'the summary adds up' "$(awk '/^  User/ {
	gsub(/[;,]/, "")
	n = $3
	for (i = 4; i <= NF; i++) {
		if ($(i + 1) ~ /^(new|changed|rejected)$/) n -= $i
		if ($(i + 1) == "the" || $(i + 1) == "not") n -= $i
	}
	print n, /not for the mesh/ }' <<<"$seen")" '^0 1$'
terminal 100 "'$IDMESH' run '$TMP/run.json' --mode full"
like 'the last full run tells how many there are' "$seen" \
	'^okta:contoso User +[0-9]+ of about 900 \([0-9]+ %\)'
export IDMESH_PROGRESS_MS=100
run "$IDMESH" run "$TMP/run.json" --mode full
ok 'without a terminal run writes the lines' [ "$(lines)" -ge 3 ]
is 'and only run' "$(grep -c '^idmesh-fetch: okta:contoso User' <<<"$err")" 0
like 'beside the request log' "$err" '^\{.*"kind":"request"'
run "$IDMESH" run "$TMP/run.json" --mode full -q
is '-q leaves the summary' "$(grep -cv '^  ' <<<"$err")" 1
unset IDMESH_PROGRESS_MS

# --- ^C is for run, which stops the others in order ------------------------------
# A call of users every two seconds: it is not over before ^C comes.  A shell
# that waits for run on the same terminal may die of it, and its code be seen.
org slow --users 3000 --tier unlimited --limit /api/v1/users=1 --window 2
source_file "$TMP/okta.json"
drawn() { grep -q 'GroupMember' "$TMP/raw2"; }
{
	wait_for drawn
	printf '\003'
	wait_for grep -q 'stopping: finishing' "$TMP/raw2"
} | timeout -k 5 60 script -qfec \
	"exec '$IDMESH' run '$TMP/run.json' --mode full" "$TMP/raw2" >/dev/null 2>&1
is '^C does not end a round' "${PIPESTATUS[1]}" 111
unlike 'and nothing is taken for dead' "$(cat "$TMP/raw2")" 'starting it again'

done_testing
