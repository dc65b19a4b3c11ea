#!/usr/bin/env bash
# What goes wrong at the API: tried again, started over, skipped, or stopped
# with a reason; never a page too few that looks complete.
. tests/setup.sh

FETCH="$BUILD/idmesh-fetch"

fetch_to() {
	local file=$1
	shift
	timeout -k 5 60 "$FETCH" --request-log "$file.req" "$@" >"$file" \
		2>"$TMP/run.err"
	status=$?
	err=$(cat "$TMP/run.err")
}
ids() {
	jq -r --arg s "$2" 'select(.kind == "page" and .stream == $s) |
		.records[].id' "$1" | LC_ALL=C sort -u
}
edges() {
	jq -r 'select(.kind == "page" and .stream == "GroupMember") |
		.context.groupId as $g | .records[] | $g + ":" + .id' "$1" |
		LC_ALL=C sort -u
}
end_of() {
	jq -c --arg s "$2" 'select(.kind == "end" and .stream == $s) |
		'"$3" "$1"
}
fault() {
	curl -sS -d "$1" "$url/_sim/fault" >/dev/null
}
whole() {
	is "$1: succeeds" "$status" 0
	is "$1: nothing is missing" \
		"$(ids "$TMP/out" User | sha256sum)$(edges "$TMP/out" | sha256sum)" \
		"$want"
}

org okta --users 900 --groups 12 --edges 3000 --tier unlimited --window 2
source_file "$TMP/okta.json"
fetch_to "$TMP/out" "$TMP/okta.json"
want="$(ids "$TMP/out" User | sha256sum)$(edges "$TMP/out" | sha256sum)"

for kind in 500 503 reset truncate nonjson 429 concurrency; do
	fault '[{"match":"/api/v1/users","nth":2,"count":2,"kind":"'$kind'"},
		{"match":"/api/v1/groups/","nth":3,"count":1,"kind":"'$kind'"},
		{"match":"/api/v1/groups","nth":1,"count":1,"kind":"'$kind'"}]'
	fetch_to "$TMP/out" "$TMP/okta.json"
	whole "$kind"
	ok "$kind: a failed try is in the request log" \
		jq -se 'map(select(.error)) | length >= 3' "$TMP/out.req"
	ok "$kind: and so is the retry" \
		jq -se 'map(select(.retry)) | length >= 3' "$TMP/out.req"
done
ok 'retries name the first request' test \
	"$(curl -sS "$url/_sim/stats" | jq .retriesMarked)" -ge 10

fault '[{"match":"/api/v1/users","nth":2,"count":1,"kind":"503",
	"retryAfter":2}]'
before=$SECONDS
fetch_to "$TMP/out" "$TMP/okta.json"
whole 'Retry-After'
ok 'Retry-After: it is waited for' test $((SECONDS - before)) -ge 1

fault '[{"match":"/api/v1/users","nth":1,"count":3,"kind":"slow","ms":700}]'
fetch_to "$TMP/out" "$TMP/okta.json"
whole slow

fault '[{"match":"/api/v1/users","nth":3,"count":1,"kind":"emptynext"},
	{"match":"/api/v1/groups/","nth":2,"count":2,"kind":"emptynext"}]'
fetch_to "$TMP/out" "$TMP/okta.json"
whole 'an empty page with a next'

fault '[{"match":"/api/v1/users","nth":3,"count":1,"kind":"badcursor"}]'
fetch_to "$TMP/out" "$TMP/okta.json"
whole 'a refused cursor'
is 'a refused cursor: the end says that the listing started over' \
	"$(end_of "$TMP/out" User .certificate.restarts)" 1
like 'a refused cursor: and so does a warning' "$err" 'starts over'

fault '[{"match":"/api/v1/users","nth":1,"count":99,"kind":"badcursor"}]'
fetch_to "$TMP/out" "$TMP/okta.json"
is 'cursors that are always refused: temporary failure' "$status" 111
is 'cursors that are always refused: not complete' \
	"$(end_of "$TMP/out" User '[.complete, .watermark]')" '[false,null]'

fault '[{"match":"/api/v1/users","nth":2,"count":1,"kind":"dupcursor"}]'
fetch_to "$TMP/out" "$TMP/okta.json"
is 'a cursor that comes again: temporary failure' "$status" 111
is 'a cursor that comes again: not complete' \
	"$(end_of "$TMP/out" User .complete)" false
like 'a cursor that comes again: says so' \
	"$(end_of "$TMP/out" User .why)" 'cursor of an earlier page again'
is 'a cursor that comes again: the other streams are complete' \
	"$(end_of "$TMP/out" GroupMember .complete)" true

fault '[{"match":"/api/v1/users","nth":1,"count":9999,"kind":"emptynext"}]'
fetch_to "$TMP/out" "$TMP/okta.json"
is 'empty pages without end: temporary failure' "$status" 111
like 'empty pages without end: says so' "$err" 'empty pages in a row'

fault '[{"match":"/api/v1/users","nth":2,"count":1,"kind":"credentials"}]'
fetch_to "$TMP/out" "$TMP/okta.json"
whole 'credentials in one page'
unlike 'credentials in one page: not in ours' "$(cat "$TMP/out")" credentials

fault '[{"match":"/api/v1/groups/","nth":1,"count":999,"kind":"500"}]'
fetch_to "$TMP/out" "$TMP/okta.json"
is 'a server that never recovers: temporary failure' "$status" 111
is 'a server that never recovers: not complete' \
	"$(end_of "$TMP/out" GroupMember .complete)" false
like 'a server that never recovers: the page was made smaller' "$err" \
	'asking for 500 rows'
like 'a server that never recovers: says how often' "$err" 'given up after'
is 'a server that never recovers: the others are complete' \
	"$(jq -c 'select(.kind == "end") | [.stream, .complete]' "$TMP/out" |
		sort | tr '\n' ' ')" \
	'["Group",true] ["GroupMember",false] ["User",true] '
fault '[]'

# 500 E0000009 twice: smaller pages, and large ones again later.
org slow --users 1600 --groups 0 --tier unlimited
source_file "$TMP/slow.json"
fault '[{"match":"/api/v1/users","nth":2,"count":2,"kind":"500"}]'
fetch_to "$TMP/out" "$TMP/slow.json"
is 'a query that takes too long: succeeds' "$status" 0
is 'a query that takes too long: smaller pages, then as before' \
	"$(jq -r 'select(.status == 200 and .path == "/api/v1/users") | .query |
		capture("limit=(?<n>[0-9]+)").n' "$TMP/out.req" | uniq | head -n 3 |
		tr '\n' ' ')" '200 100 200 '

# What the token may not read is left out and named.
org denied --users 200 --groups 5 --tier unlimited \
	--deny /api/v1/groups:E0000006
source_file "$TMP/denied.json"
fetch_to "$TMP/out" "$TMP/denied.json"
is 'a refused entity: done in part' "$status" 1
is 'a refused entity: users are complete' \
	"$(end_of "$TMP/out" User .complete)" true
is 'a refused entity: skipped, not complete' \
	"$(end_of "$TMP/out" Group '[.skipped, .complete, .watermark]')" \
	'[true,false,null]'
is 'a refused entity: what hangs on it too' \
	"$(end_of "$TMP/out" GroupMember .skipped)" true
like 'a refused entity: named in the summary' "$err" 'Group: SKIPPED'
org feature --users 20 --groups 5 --tier unlimited \
	--deny /api/v1/users:E0000015
source_file "$TMP/feature.json"
fetch_to "$TMP/out" "$TMP/feature.json"
is '401 E0000015 is no bad token' "$status" 1
is '401 E0000015: groups go on' "$(end_of "$TMP/out" Group .complete)" true

# A bad token stops everything and says what to do.
IDMESH_SECRET_OKTA_CONTOSO_APITOKEN=00wrongWrongWrong
fetch_to "$TMP/out" "$TMP/okta.json"
is 'a bad token: configuration error' "$status" 100
like 'a bad token: E0000011 and what to do' "$err" \
	'E0000011.*secret set'
is 'a bad token: no end pretends anything' \
	"$(jq -c 'select(.kind == "end")' "$TMP/out")" ''
unlike 'a bad token: is not shown' "$err$(cat "$TMP/out" "$TMP/out.req")" \
	00wrongWrongWrong
IDMESH_SECRET_OKTA_CONTOSO_APITOKEN=$TOKEN

# Nobody there, and a stage that leaves.
url=http://127.0.0.1:1
source_file "$TMP/nobody.json"
fetch_to "$TMP/out" "$TMP/nobody.json"
is 'nobody answers: temporary failure' "$status" 111
like 'nobody answers: names the address' "$err" \
	'http://127.0.0.1:1: Failed to connect'
url=http://127.0.0.1:$(cat "$TMP/okta.port")
"$FETCH" "$TMP/okta.json" 2>"$TMP/run.err" | head -c 1000 >"$TMP/cut"
is 'the next stage is gone: temporary failure' "${PIPESTATUS[0]}" 111
like 'the next stage is gone: says so' "$(cat "$TMP/run.err")" \
	'next stage is gone'

# SIGTERM, while the next stage does not read.
mkfifo "$TMP/fifo"
exec 9<>"$TMP/fifo"
start stalled bash -c 'exec "$1" "$2" >"$3"' _ "$FETCH" "$TMP/okta.json" \
	"$TMP/fifo"
wait_for grep -q '"path":"/api/v1/users"' "$TMP/stalled.log"
stop stalled
is 'SIGTERM: temporary failure' "$status" 111
like 'SIGTERM: says so' "$(cat "$TMP/stalled.log")" 'stopped by a signal'

# One fetch per tenant.
fault '[{"match":"/api/v1/users","nth":1,"count":1,"kind":"slow",
	"ms":20000}]'
start first "$FETCH" --streams User "$TMP/okta.json"
first=$pid
wait_for grep -q "pid $first" "$TMP/idmesh/fetch-127.0.0.1_${url##*:}.lock"
fetch_to "$TMP/out" "$TMP/okta.json"
is 'a second fetch of the tenant: temporary failure' "$status" 111
like 'a second fetch of the tenant: who has it' "$err" "pid $first"
stop first
is 'SIGTERM in a request: temporary failure' "$status" 111
fault '[]'

# The secret is nowhere.
unlike 'the token is in no output at all' \
	"$(cat "$TMP"/*.req "$TMP"/*.log "$TMP/out" "$TMP/run.err")" "$TOKEN"

done_testing
