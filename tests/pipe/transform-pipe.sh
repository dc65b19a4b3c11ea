#!/usr/bin/env bash
# transform-pipe.sh - transform behind a pipe: pages become records, all else
# is passed on, and what is no good ends it with its reason.
. tests/setup.sh

transform() { run "$IDMESH" transform --rules "$TMP/rules" "$@"; }

# pages FIRST LAST RECORDS [EXTRA]: NDJSON of users; EXTRA is a jq filter.
pages() {
	jq -nc --argjson first "$1" --argjson last "$2" --argjson n "$3" '
		range($first; $last + 1) as $seq |
		{v: 1, kind: "page", source: "okta:contoso", stream: "User",
		 run: 3, epoch: 2, seq: $seq, n: $n, try: 1, isolate: false,
		 mode: "full", at: "2026-04-22T08:15:30.000Z",
		 request: "req-\($seq)", state: {after: "c\($seq)"},
		 records: [range($n) | {id: "00u\($seq)x\(.)", status: "ACTIVE",
			profile: {login: "u\(.)@example.com", title: "T\(.)"}}]}
		| '"${4:-.}"
}

mkdir "$TMP/rules"
cat >"$TMP/rules/okta.lua" <<'LUA'
map "okta.User" {
  ExternalId = "id",
  login      = "profile.login",
  title      = "profile.title",
  number     = int("profile.number"),
  shout      = function(u) return u.profile.login .. "!" end,
}
map "okta.Group" { ExternalId = "id", name = "profile.name" }
LUA

# --- one page
pages 7 7 2 '.last = true | .context = {x: "y"}' >"$TMP/in"
transform <"$TMP/in"
is 'a page: exit' "$status" 0
is 'a page is one line' "$(wc -l <"$TMP/run.out")" 1
is 'the header is copied' "$(jq -c 'del(.bad, .records, .rules)' <<<"$out")" \
	'{"v":1,"kind":"records","source":"okta:contoso","stream":"User","run":3,"epoch":2,"seq":7,"n":2,"mode":"full","at":"2026-04-22T08:15:30.000Z","request":"req-7","context":{"x":"y"},"last":true,"state":{"after":"c7"}}'
is 'keys come in the order of message(5)' "$(jq -r 'keys_unsorted | join(" ")' <<<"$out")" \
	'v kind source stream run epoch seq n mode at request rules context last state bad records'
is 'a record' "$(jq -c '.records[1] | del(.hash)' <<<"$out")" \
	'{"id":"00u7x1","op":"put","attrs":{"ExternalId":"00u7x1","login":"u1@example.com","title":"T1","shout":"u1@example.com!"}}'
like 'its hash' "$(jq -r '.records[0].hash' <<<"$out")" '^[0-9a-f]{32}$'
version=$(jq -r .rules <<<"$out")
like 'the rules that mapped it' "$version" '^[0-9a-f]{16}$'
one=$out
transform <"$TMP/in"
is 'the same again' "$out" "$one"

like 'one page is no pages' "$err" ' 1 page, 2 records, 0 rejected'

# --- what is not a page
cat >"$TMP/in" <<'NDJSON'
{"v":1,"kind":"end","source":"okta:contoso","stream":"User","run":3,"epoch":2,"seq":8,"n":2,"complete":true,"later":[1.10, {"x" : 1e400}]}
{ "v" : 1, "kind" : "event", "unknown" : "\u00e9" }
NDJSON
for j in 1 2; do
	transform -j $j <"$TMP/in"
	ok "-j $j: other kinds pass byte for byte" cmp "$TMP/in" "$TMP/run.out"
	is "-j $j: and that is all" "$status" 0
done
: >"$TMP/in"
transform <"$TMP/in"
is 'nothing in, nothing out' "$status:$out" '0:'

# --- records that are no good
pages 1 1 4 '.records[1] = {status: "ACTIVE", profile: {}} | .records[3].profile.number = "many"' >"$TMP/in"
transform <"$TMP/in"
is 'a bad record: exit 1' "$status" 1
is 'a bad record: the others go on' "$(jq -c '[.n, (.records | length), (.bad | length)]' <<<"$out")" '[4,3,1]'
is 'a bad record: what and why' "$(jq -c '.bad[0] | [.index, has("id"), has("code"), has("at"), has("message"), .raw]' <<<"$out")" \
	'[1,true,true,true,true,{"status":"ACTIVE","profile":{}}]'
is 'a failed attribute costs that attribute' "$(jq -c '.records[2] | [.op, (.errors | keys), .attrs.login]' <<<"$out")" \
	'["put",["number"],"u3@example.com"]'
like 'it is said on stderr' "$err" 'okta:contoso User .*rejected'

for j in 1 2; do
	pages 1 3 2 '.records[].profile = {number: "many"}' >"$TMP/in"
	transform -j $j <"$TMP/in"
	like "-j $j: a failed attribute is named with its place" "$err" \
		'okta\.lua:5 okta\.User\.number failed, first on 00u[0-9x]+: int: '
	like "-j $j: a failed function too" "$err" \
		'okta\.lua:6 okta\.User\.shout failed, first on 00u[0-9x]+: attempt to'
	like "-j $j: and in the end counted" "$err" \
		'okta\.lua:6 okta\.User\.shout failed on 6 records, first 00u'
	is "-j $j: each in two lines" "$(grep -c failed "$TMP/run.err")" 4
done

# --- filter of the page, with the semantics of its endpoint
for route in filter:1 search:2; do
	pages 1 1 2 '.records[1].status = "active" | .filter = {text: "status eq \"ACTIVE\"", route: "'"${route%:*}"'"}' >"$TMP/in"
	transform <"$TMP/in"
	is "${route%:*}: case" "$(jq '[.records[] | select(.op == "put")] | length' <<<"$out")" "${route#*:}"
done
pages 1 1 1 '.stream = "Group" | .records[0].profile = {name: "g"} | .filter = {text: "type eq \"OKTA_GROUP\"", route: "filter"}' >"$TMP/in"
transform <"$TMP/in"
is 'a group out of scope' "$(jq -c '.records[0] | [.op, .reason]' <<<"$out")" '["out-of-scope","scope"]'

# --- what cannot be processed
for j in 1 2; do
	pages 1 3 2 >"$TMP/whole"
	head -c -20 "$TMP/whole" >"$TMP/in"
	transform -j $j <"$TMP/in"
	is "-j $j: half a line is not processed" "$status:$(wc -l <"$TMP/run.out")" 111:2
	like "-j $j: and it is said" "$err" 'middle of a line'
	{ cat "$TMP/whole"; echo '{"v":1,"kind":"page"'; } >"$TMP/in"
	transform -j $j <"$TMP/in"
	is "-j $j: no JSON" "$status" 111
	like "-j $j: where" "$err" 'not JSON at byte'
	pages 1 1 1 '.v = 2' >"$TMP/in"
	transform -j $j <"$TMP/in"
	is "-j $j: another version" "$status" 100
	echo '{"id":"00u1"}' >"$TMP/in"
	transform -j $j <"$TMP/in"
	like "-j $j: no message at all" "$status:$err" \
		'^100:.*not a message of idmesh \(no "v"\)'
	pages 1 1 1 '.stream = "Device"' >"$TMP/in"
	transform -j $j <"$TMP/in"
	is "-j $j: a stream without a map" "$status" 100
	like "-j $j: which" "$err" 'okta\.Device'
	pages 1 1 1 '.filter = {text: "status is \"X\"", route: "filter"}' >"$TMP/in"
	transform -j $j <"$TMP/in"
	is "-j $j: a filter that is none" "$status" 111
	echo '{"v":1,"kind":"sermon"}' >"$TMP/in"
	transform -j $j <"$TMP/in"
	is "-j $j: an unknown kind" "$status" 111
	pages 1 40 200 >"$TMP/in"
	{ "$IDMESH" transform -j $j --rules "$TMP/rules" <"$TMP/in" 2>"$TMP/err"
		echo $? >"$TMP/code"; } | head -c 1 >/dev/null
	is "-j $j: nobody reads" "$(cat "$TMP/code")" 111
	like "-j $j: who is gone" "$(cat "$TMP/err")" 'next stage is gone'
done
done_testing
