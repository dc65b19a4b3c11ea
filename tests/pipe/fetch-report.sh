#!/usr/bin/env bash
# fetch-report.sh - `idmesh fetch report` adds a request log up: one made by
# hand whose sums are known, and a real one against the org's own statistics.
. tests/setup.sh

# request PATH STATUS MS [MORE]: one line as fetch writes it.
request() {
	printf '{"time":"2026-04-22T08:15:%02d.000Z","kind":"request",' \
		$((lines++ % 60))
	printf '"source":"okta:contoso","method":"GET","path":"%s",' "$1"
	printf '"query":"limit=200","status":%d,"ms":%d,"bytes":7%s}\n' \
		"$2" "$3" "${4:-}"
}

# --- a log made by hand
lines=0
{
	for ms in $(seq 1 100); do
		request /api/v1/users 200 "$ms" ',"limit":60,"remaining":5'
	done
	echo 'idmesh-fetch: warning: a line for people'
	request '/api/v1/groups/{id}/users' 200 40
	request '/api/v1/groups/{id}/users' 429 4 \
		',"limit":60,"remaining":0,"waitedMs":1500'
	request '/api/v1/groups/{id}/users' 429 4 ',"waitedMs":250'
	request '/api/v1/groups/{id}/users' 429 4 ',"limit":0,"remaining":0'
	request /api/v1/groups 500 30
	request /api/v1/groups 0 9000 ',"error":"connection reset"'
	request /api/v1/groups 200 20
	request /api/v1/apps 200 20
	echo '{"v":1,"kind":"event"}'
	echo '{"kind":"request","torn'
} >"$TMP/one.log"
run "$IDMESH" fetch report --json "$TMP/one.log"
is 'a log is added up' "$status" 0
is 'JSON is one line' "$(wc -l <"$TMP/run.out")" 1
is 'refusals first, then calls, then names' \
	"$(jq -r '.endpoints[].path' <<<"$out" | tr '\n' ' ')" \
	'/api/v1/groups/{id}/users /api/v1/users /api/v1/groups /api/v1/apps '
row() { jq -c --arg p "$1" ".endpoints[] | select(.path == \$p) | $2" <<<"$out"; }
is 'buckets and concurrency are told apart' \
	"$(row '/api/v1/groups/{id}/users' '[.calls,.ok,.limited,.concurrency,.errors]')" \
	'[4,1,2,1,0]'
is 'waiting is added up' \
	"$(row '/api/v1/groups/{id}/users' .waitedMs)" 1750
is 'no answer and a 500 are other errors' \
	"$(row /api/v1/groups '[.calls,.ok,.limited,.errors]')" '[3,1,0,2]'
is 'percentiles are exact' "$(row /api/v1/users '[.p50Ms,.p95Ms]')" '[50,95]'
is 'a call without an answer has no latency' \
	"$(row /api/v1/groups '[.p50Ms,.p95Ms]')" '[20,30]'
is 'the total' "$(jq -c '.total | [.endpoints,.calls,.ok,.limited,.concurrency,
	.errors,.waitedMs]' <<<"$out")" '[4,108,103,2,1,2,1750]'
is 'other lines are counted' "$(jq -c '[.lines,.ignored]' <<<"$out")" '[111,3]'
is 'the time it covers' "$(jq -r '.from + " " + .to' <<<"$out")" \
	'2026-04-22T08:15:00.000Z 2026-04-22T08:15:59.000Z'

# --- the same for people
run "$IDMESH" fetch report "$TMP/one.log"
is 'a table' "$(sed 's/  */ /g; s/^ //' <<<"$out")" \
	'calls 2xx 429 at once other p50 ms p95 ms waited s endpoint
4 1 2 1 0 4 40 1.8 GET /api/v1/groups/{id}/users
100 100 0 0 0 50 95 0.0 GET /api/v1/users
3 1 0 0 2 20 30 0.0 GET /api/v1/groups
1 1 0 0 0 20 20 0.0 GET /api/v1/apps
108 103 2 1 2 47 95 1.8 total
from 2026-04-22T08:15:00.000Z to 2026-04-22T08:15:59.000Z
3 of 111 lines are no requests'
ok 'fits the terminal' test "$(awk '{ print length }' "$TMP/run.out" |
	sort -n | tail -n 1)" -le 100

# --- where it comes from
run "$IDMESH" fetch report --json "$TMP/one.log" "$TMP/one.log"
is 'several files are one log' "$(jq -c '[.files,.total.calls]' <<<"$out")" '[2,216]'
run "$IDMESH" fetch report --json - <"$TMP/one.log"
is 'standard input by name' "$(jq .total.calls <<<"$out")" 108
run "$IDMESH" fetch report --json <"$TMP/one.log"
is 'and without one' "$(jq .total.calls <<<"$out")" 108
printf '%s' "$(request /api/v1/users 200 1)" >"$TMP/torn.log"
run "$IDMESH" fetch report --json "$TMP/torn.log"
is 'a line without its end is not counted' \
	"$(jq -c '[.lines,.ignored,.total.calls]' <<<"$out")" '[1,1,0]'
run "$IDMESH" fetch report /dev/null
is 'an empty log: 0' "$status" 0
like 'an empty log: nothing but the total' "$out" '^ *0 .* - .*total$'

# --- a file that is no log
run "$IDMESH" fetch report "$TMP/nowhere.log"
is 'unreadable: 111' "$status" 111
like 'unreadable: says which and why' "$err" 'nowhere.log: No such file'
run "$IDMESH" fetch report "$TMP"
is 'a folder: 111' "$status" 111
run "$IDMESH" fetch report --jsn "$TMP/one.log"
is 'wrong use: 100' "$status" 100
like 'wrong use: the nearest option' "$err" 'json'
head -c 20000000 /dev/zero | tr '\0' x >"$TMP/long.log"
run "$IDMESH" fetch report "$TMP/long.log"
is 'a line without end: 111' "$status" 111
for i in $(seq 1 300); do request "/path/$i" 200 1; done >"$TMP/many.log"
run "$IDMESH" fetch report --json "$TMP/many.log"
is 'more endpoints than any API has are one row' \
	"$(jq -c '[.total.calls, (.endpoints | length), .endpoints[-1].path,
		.endpoints[-1].calls]' <<<"$out")" \
	'[300,129,"(other endpoints)",172]'
request '/api\u001b[2J' 200 1 >"$TMP/evil.log"
run "$IDMESH" fetch report "$TMP/evil.log"
like 'nothing that a terminal obeys is printed' "$out" '1 of 1 lines are no req'

# --- a million answers in little memory, still exact
yes "$(request /api/v1/users 200 7)" | head -n 300000 >"$TMP/big.log"
yes "$(request /api/v1/users 200 131071)" | head -n 20000 >>"$TMP/big.log"
# ASan maps more than any limit; it has one of its own.
bound='ulimit -v 100000'
if grep -q __asan_init "$BUILD/idmesh-fetch"; then
	bound='export ASAN_OPTIONS=quarantine_size_mb=8:hard_rss_limit_mb=200'
fi
run bash -c "$bound"'; exec "$0" fetch report --json "$1"' "$IDMESH" "$TMP/big.log"
is 'a large log in 100 MB' \
	"$(jq -c '.total | [.calls, .p50Ms, .p95Ms]' <<<"$out")" '[320000,7,131071]'

# --- a real one
org sim --users 900 --groups 40 --edges 2000 --everyone --concurrency 3 \
	--latency 30 --window 3
source_file "$TMP/okta.json" '.ConfigJson.MaxInFlight = 12'
post() { curl -sS -X POST "$url/_sim/$1" -d "$2" >/dev/null; }
post fault '[{"match":"/api/v1/users","nth":2,"count":2,"kind":"503",
	"retryAfter":1},{"match":"/api/v1/groups/","nth":4,"count":1,"kind":"429"}]'
run bash -c '"$0" fetch "$1" >"$2"' "$IDMESH" "$TMP/okta.json" "$TMP/pages"
is 'fetch logs to standard error without being asked' "$status" 0
cp "$TMP/run.err" "$TMP/real.log"
run "$IDMESH" fetch report --json "$TMP/real.log"
is 'and what it logs can be reported' "$status" 0
is 'as the org itself counted it' \
	"$(jq -cS '[.endpoints[] | {path, calls, ok,
		"429": (.limited + .concurrency), other: .errors}] |
		sort_by(.path)' <<<"$out")" \
	"$(curl -sS "$url/_sim/stats" | jq -cS '[.endpoints[] |
		{path: (.path | sub("/{[a-z]+}"; "/{id}")), calls, ok: ."2xx",
		"429", other}] | sort_by(.path)')"
is 'refusals because of concurrency too' "$(jq .total.concurrency <<<"$out")" \
	"$(curl -sS "$url/_sim/stats" | jq .concurrency429)"
ok 'there were some of each' jq -e '.total | .limited > 0 and .concurrency > 0 and
	.errors == 2 and .waitedMs > 0' <<<"$out"
ok 'latency is about that of the org' jq -e '.total.p50Ms | . >= 30 and . < 500' \
	<<<"$out"
done_testing
