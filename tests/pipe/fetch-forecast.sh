#!/usr/bin/env bash
# fetch-forecast.sh - `idmesh fetch forecast` against what the run then costs,
# and --max-calls, which rests on it.
. tests/setup.sh

# forecast ARGS...: JSON in $out.
forecast() { run "$IDMESH" fetch forecast --json "$@"; }
# told JQ: of the last forecast.
told() { jq -cr "$1" <<<"$out"; }
of_stream() { told ".runs[0].streams[] | select(.stream == \"$1\") | $2"; }
sim() { curl -sS "$url/_sim/$1" "${@:2}"; }
reset() { sim reset-stats -X POST >"$TMP/sim.out"; }
# real ARGS...: a run; its calls in $calls.
real() {
	reset
	run "$IDMESH" fetch "$@"
	calls=$(sim stats | jq .calls)
}
# near TEXT GOT WANT PERCENT
near() {
	echo "# $1: forecast $2, real $3"
	ok "$1: within $4 %" awk -v a="$2" -v b="$3" -v p="$4" \
		'BEGIN { d = a - b; exit (d < 0 ? -d : d) * 100 > p * b }'
}

# --- several windows, both buckets, with the group Everyone; the run is of a
# twin of that org and goes on while the rest is tested
many=(--users 12000 --groups 400 --edges 30000 --everyone --window 6
	--latency 10 --limit /api/v1/users=15 --limit /api/v1/groups=70)
org twin "${many[@]}"
source_file "$TMP/twin.json" '.ConfigJson.RateLimitShare = 1.0'
twin() {
	XDG_RUNTIME_DIR=$TMP/twin timeout 100 "$IDMESH" fetch --request-log \
		"$TMP/twin.req" "$TMP/twin.json" >"$TMP/twin.pages" 2>"$TMP/twin.err"
	echo $? >"$TMP/twin.code"
}
mkdir "$TMP/twin"
twin &
twin_pid=$!
org many "${many[@]}"
source_file "$TMP/many.json" '.ConfigJson.RateLimitShare = 1.0'
forecast --mode full "$TMP/many.json"
is 'a forecast succeeds' "$status" 0
is 'it is one line' "$(wc -l <"$TMP/run.out")" 1
is 'it says how many calls it took itself' "$(told .asked)" \
	"$(sim stats | jq .calls)"
ok 'which are a handful' test "$(told .asked)" -le 10
is 'users are counted by the org' "$(of_stream User .sure)" counted
is 'all of them' "$(of_stream User .records)" 12000
is 'groups are listed' "$(of_stream Group '[.calls, .records, .sure]')" \
	'[2,400,"exact"]'
is 'the limits are those observed' \
	"$(told '.runs[0].buckets[] | [.name, .limit, .usable, .windowMs]')" \
	'["/api/v1/users",15,15,6000]
["/api/v1/groups",70,70,6000]'
many_calls=$(told '.runs[0].calls')
# How many windows it takes does not depend on how fast this machine is.
many_windows=$(told '(.runs[0].ms / .runs[0].buckets[0].windowMs | round) + 1')
many_users=$(of_stream User .calls)
many_members=$(of_stream GroupMember .calls)

# --- for people
run "$IDMESH" fetch forecast "$TMP/many.json"
is 'a table' "$status" 0
like 'of the full run' "$out" "^full run: $many_calls calls, [0-9]+ s"
like 'and of a delta' "$out" '^delta run since 20.*Z: [0-9]+ calls'
like 'a line for each stream' "$out" '^ +GroupMember +[0-9]+ +[0-9]+ .*counted'
like 'and each bucket' "$out" '^ +/api/v1/groups +[0-9]+ +70 +70 +6'
unlike 'no secret' "$out$err" "$TOKEN"

# --- a delta, with a state, and the rest of a run
org small --users 3000 --groups 120 --edges 9000 --everyone --tier unlimited
source_file "$TMP/small.json"
since=$(date -u +%Y-%m-%dT%H:%M:%S.000Z)
read -rt 1.1 <> <(:) || :
sim mutate -d '{"change":700,"create":5,"move":40,"groups":25}' >"$TMP/sim.out"
jq -n -c --arg t "$since" '{v: 1, kind: "state", source: "okta:contoso",
	run: 7, epoch: 3, boot: "b", watermark: {u: $t, g: $t}, streams:
	({User: 1, Group: 1, GroupMember: 1} | map_values({mode: "delta",
	seq: 0, state: null, since: $t}))}' >"$TMP/state"
forecast --mode delta --since "$since" "$TMP/small.json"
delta=$(told '.runs[0].calls')
is 'a delta of a few pages is counted' \
	"$(of_stream User '[.records, .sure]')" '[705,"exact"]'
is 'groups that moved are known' "$(of_stream GroupMember .sure)" counted
real --resume "$TMP/state" "$TMP/small.json"
near 'calls of a delta' "$delta" "$calls" 5
forecast --resume "$TMP/state" "$TMP/small.json"
is 'the same by a state' "$(told '.runs[0] | [.mode, .calls]')" \
	"[\"resumed\",$delta]"
forecast --resume - "$TMP/small.json" <"$TMP/state"
is 'from standard input too' "$(told '.runs[0].calls')" "$delta"
forecast "$TMP/small.json"
full=$(told '.runs[0].calls')
is 'both without --mode' "$(told '[.runs[].mode]')" '["full","delta"]'
real "$TMP/small.json"
near 'calls of the full run' "$full" "$calls" 5
printf '%s\n' "$out" >"$TMP/pages"
jq -n -c --slurpfile m "$TMP/pages" '{v: 1, kind: "state",
	source: "okta:contoso", run: 9, epoch: 2, boot: "b", watermark: null,
	streams: (["User", "Group", "GroupMember"] | map({key: ., value:
	(. as $s | [$m[] | select(.stream == $s and .kind == "page")] as $p |
	($p | length / 2 | floor) as $k | {mode: "full", seq: $k,
	state: $p[$k - 1].state, done: ($s == "Group")})}) | from_entries)}' \
	>"$TMP/rest"
forecast --resume "$TMP/rest" "$TMP/small.json"
rest=$(told '.runs[0].calls')
is 'what is complete costs nothing' "$(of_stream Group .calls)" 0
real --resume "$TMP/rest" "$TMP/small.json"
near 'the rest of a run' "$rest" "$calls" 5

# --- what decides about calls: pages, filters, scope
org odd --users 900 --groups 40 --edges 4000 --everyone --tier unlimited \
	--page-max 70
source_file "$TMP/odd.json"
forecast --mode full "$TMP/odd.json"
odd=$(told '.runs[0].calls')
real "$TMP/odd.json"
near 'an org with small pages' "$odd" "$calls" 5
url=http://127.0.0.1:$(cat "$TMP/small.port")
source_file "$TMP/page.json" '.ConfigJson.PageSize = 50 |
	.ConfigJson.UserSearchFilter = "status eq \"ACTIVE\""'
forecast --mode full --streams User,Group "$TMP/page.json"
page=$(told '.runs[0].calls')
like 'a filter is sampled' "$(of_stream User .sure)" estimate
real --streams User,Group "$TMP/page.json"
near 'pages of 50 through a filter' "$page" "$calls" 10
printf '%s\n' 'scope "okta.Group" { drop = { { type = "APP_GROUP" } } }' \
	'map "okta.Group" { name = "profile.name", type = "type" }' >"$TMP/scope.lua"
mkdir "$TMP/rules" && mv "$TMP/scope.lua" "$TMP/rules/"
"$IDMESH" transform describe --rules "$TMP/rules" >"$TMP/scope" 2>"$TMP/describe"
forecast --mode full --scope "$TMP/scope" --streams Group,GroupMember \
	"$TMP/small.json"
scoped=$(told '.runs[0].calls')
ok 'a scope makes it cheaper' test "$scoped" -lt "$full"
real --scope "$TMP/scope" --streams Group,GroupMember "$TMP/small.json"
near 'with a scope' "$scoped" "$calls" 5

# --- nobody tells how many users there are
org hidden --users 6000 --groups 20 --edges 3000 --tier unlimited
source_file "$TMP/hidden.json"
forecast --mode full "$TMP/hidden.json"
is 'then it is an estimate' "$(of_stream User .sure)" estimate
near 'of the users' "$(of_stream User .records)" 6000 15
ok 'by few calls' test "$(told .asked)" -le 15
hidden=$(told '.runs[0] | [.low, .high] | @sh')
real "$TMP/hidden.json"
ok 'and the truth is in its range' awk -v n="$calls" -v r="$hidden" \
	'BEGIN { split(r, a, " "); exit n < a[1] || n > a[2] }'

# --- what goes wrong
org denied --users 600 --groups 30 --tier unlimited --deny /api/v1/groups:E0000006
source_file "$TMP/denied.json"
forecast --mode full "$TMP/denied.json"
is 'what the token may not read is said' \
	"$(of_stream GroupMember .skipped) $(of_stream User .skipped)" 'true false'
run env IDMESH_SECRET_OKTA_CONTOSO_APITOKEN=00wrong \
	"$IDMESH" fetch forecast "$TMP/small.json"
is 'a wrong token is wrong use' "$status" 100
like 'and says so' "$err" 'okta:contoso: .*token'
is 'and nothing is printed' "$out" ''
url=http://127.0.0.1:1
source_file "$TMP/nobody.json"
run env -C "$TMP" timeout 50 "$IDMESH" fetch forecast "$TMP/nobody.json"
is 'no org is a temporary failure' "$status" 111
for args in '--mode auto' '--since yesterday' '--streams Users' \
	'--resume x --mode full' '--resume /nowhere'; do
	# shellcheck disable=SC2086 # they are words
	run "$IDMESH" fetch forecast $args "$TMP/small.json"
	is "wrong: $args" "$status" 100
done

# --- --max-calls
url=http://127.0.0.1:$(cat "$TMP/small.port")
reset
run "$IDMESH" fetch --max-calls 40 "$TMP/small.json"
is 'a run that costs more is refused' "$status" 100
is 'before its first page' "$out" ''
like 'and says what it would cost' "$err" \
	"would cost $full calls \\(User 1[0-9], Group 1, GroupMember [0-9]+; .*40"
ok 'having asked little' test "$(sim stats | jq .calls)" -le 10
run "$IDMESH" fetch --max-calls 3 "$TMP/small.json"
is 'nor may the forecast cost more' "$status $out" '100 '
like 'which is said' "$err" 'nothing was read'
real --max-calls 200 "$TMP/small.json"
is 'one that costs less runs' "$status" 0
ok 'within that' test "$calls" -le 200
like 'and says what it costs' "$err" "costs about [0-9]+ calls .* of 200"
sim fault -d '[{"match":"/api/v1/users","nth":4,"count":3,"kind":"503",
	"retryAfter":1}]' >"$TMP/sim.out"
allowed=$(($(sed -n 's/.*costs about \([0-9]*\) calls.*/\1/p' "$TMP/run.err") + 1))
real --max-calls "$allowed" "$TMP/small.json"
is 'calls that nobody foresaw end it' "$status" 111
is 'at that number' "$calls" "$allowed"
like 'and it says so' "$err" "stopped after $allowed calls"
printf '%s\n' "$out" >"$TMP/part"
sim fault -d '[]' >"$TMP/sim.out"
jq -n -c --slurpfile m "$TMP/part" '{v: 1, kind: "state",
	source: "okta:contoso", run: 9, epoch: 2, boot: "b", watermark: null,
	streams: (["User", "Group", "GroupMember"] | map({key: ., value:
	(. as $s | [$m[] | select(.stream == $s)] as $p | {mode: "full",
	seq: ($p | length), done: ([$p[] | select(.kind == "end")] | length > 0),
	state: ([$p[] | select(.kind == "page") | .state] | last)})}) |
	from_entries)}' >"$TMP/go-on"
run "$IDMESH" fetch --resume "$TMP/go-on" "$TMP/small.json"
is 'it can be resumed' "$status" 0
printf '%s\n' "$out" >>"$TMP/part"
is 'and then nobody is missing' \
	"$(jq -r 'select(.kind == "page" and .stream == "User") |
		.records[].id' "$TMP/part" | sort | md5sum)" \
	"$(sim users | jq -r .id | sort | md5sum)"
is 'nor any membership' \
	"$(jq -r 'select(.kind == "page" and .stream == "GroupMember") |
		.context.groupId as $g | .records[] | $g + .id' "$TMP/part" |
		sort -u | md5sum)" \
	"$(sim members | jq -r '.groupId + .userId' | sort | md5sum)"
run "$IDMESH" fetch --max-calls 0 "$TMP/small.json"
is '--max-calls 0 is wrong' "$status" 100

# --- the twin is done
wait "$twin_pid"
is 'the run of several windows succeeds' "$(cat "$TMP/twin.code")" 0
near 'calls' "$many_calls" "$(wc -l <"$TMP/twin.req")" 5
near 'calls for users' "$many_users" \
	"$(grep -c '"path":"/api/v1/users"' "$TMP/twin.req")" 5
near 'calls for members' "$many_members" \
	"$(grep -c '{id}/users"' "$TMP/twin.req")" 5
is 'time, in windows' "$many_windows" "$(jq -s '[["users", "groups"][] as $b |
	[.[] | select(.path | startswith("/api/v1/" + $b)) | .reset] | unique |
	length] | max' "$TMP/twin.req")"
ok 'it took several' test "$many_windows" -gt 4
done_testing
