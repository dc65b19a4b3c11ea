#!/usr/bin/env bash
# orgsim.sh - the simulated organisation itself: what every other test stands
# on.  Drives orgsim with curl and jq; the shapes are those of Okta's recorded
# answers.
. tests/setup.sh

OMIT='okta-response="omitCredentials,omitCredentialsLinks,omitTransitioningToStatus"'

# get PATH [CURL OPTION...]: sets $code, $head, $body.
get() {
	local path=$1
	shift
	code=$(curl -s -m 30 -o "$TMP/body" -D "$TMP/head" -w '%{http_code}' \
		-H "Authorization: SSWS ${AS:-$TOKEN}" "$@" "$url$path")
	head=$(tr -d '\r' <"$TMP/head")
	body=$(cat "$TMP/body")
}
# get_q PATH NAME VALUE: with one encoded parameter.
get_q() { get "$1" -G --data-urlencode "$2=$3"; }
header() { sed -n "s/^$1: //Ip" <<<"$head"; }
next() { sed -n 's/^[Ll]ink: <\(.*\)>; rel="next"$/\1/p' <<<"$head"; }
sim() { curl -s -m 30 "$url/_sim/$1" "${@:2}"; }
post() { sim "$1" -X POST -d "$2"; }
truth() { sim "$1" | jq -cS . | LC_ALL=C sort; }
# walk PATH: every row of a listing, by next links; the pages in $pages.
walk() {
	local path=$1
	: >"$TMP/rows"
	pages=0
	while [ -n "$path" ] && [ $pages -lt 500 ]; do
		get "$path" -H "Content-Type: application/json; $OMIT"
		[ "$code" = 200 ] || return 1
		jq -c '.[]' <<<"$body" >>"$TMP/rows"
		pages=$((pages + 1))
		path=$(next)
		path=${path#"$url"}
	done
}
ids() { jq -r .id "$TMP/rows"; }

org sim --users 1000 --groups 40 --edges 5000 --tier unlimited

# --- shapes
get '/api/v1/users?limit=2'
is 'list: 200' "$code" 200
is 'list: two rows' "$(jq length <<<"$body")" 2
is 'list: members of a row, in order' "$(jq -c '.[0]|keys_unsorted' <<<"$body")" \
	'["id","status","created","activated","statusChanged","lastLogin","lastUpdated","passwordChanged","type","profile","credentials","_links"]'
is 'list: only self among the links of a row' \
	"$(jq -c '.[0]._links|keys' <<<"$body")" '["self"]'
is 'list: type of content' "$(header content-type)" application/json
is 'list: two Link lines' "$(grep -ci '^link:' <<<"$head")" 2
like 'list: self repeats the limit' "$head" "<$url/api/v1/users\\?limit=2>; rel=\"self\""
like 'list: next is opaque' "$head" '<[^>]*\?after=[^&>]+&limit=2>; rel="next"'
for h in Date X-Okta-Request-Id X-Rate-Limit-Limit X-Rate-Limit-Remaining \
	X-Rate-Limit-Reset; do
	like "list: $h" "$head" "^$h: "
done
like 'list: Date has its form' "$(header date)" \
	'^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT$'
one=$(header x-okta-request-id)
user=$(jq -r '.[0].id' <<<"$body")
login=$(jq -r '.[0].profile.login' <<<"$body")
like 'ids are 20 characters' "$user" '^00u[0-9A-Za-z]{17}$'
like 'dates are in milliseconds, UTC' "$(jq -r '.[0].created' <<<"$body")" \
	'^20[0-9-]{8}T[0-9:]{8}\.000Z$'
get "/api/v1/users/$user"
like 'one user: weak ETag' "$(header etag)" '^W/"[0-9a-f]{64}"$'
is 'one user: links' "$(jq -c '._links|keys' <<<"$body")" \
	'["changePassword","changeRecoveryQuestion","deactivate","expirePassword","forgotPassword","resetFactors","resetPassword","schema","self","suspend","type"]'
ok 'request ids differ' test "$one" != "$(header x-okta-request-id)"
is 'one user: credentials' "$(jq -c '.credentials|keys' <<<"$body")" \
	"$(jq -c '.credentials|keys' <<<"$body" | grep -E 'emails.*password.*provider')"
get "/api/v1/users/$login"
is 'one user by login' "$(jq -r .id <<<"$body")" "$user"
get /api/v1/users/me
is 'me is active' "$(jq -r .status <<<"$body")" ACTIVE
get '/api/v1/groups?limit=3&expand=stats'
is 'groups: members of a row' "$(jq -c '.[1]|keys_unsorted' <<<"$body")" \
	'["id","created","lastUpdated","lastMembershipUpdated","objectClass","type","profile","_embedded","_links"]'
is 'groups: stats' "$(jq -c '.[1]._embedded.stats|keys' <<<"$body")" \
	'["appsCount","groupPushMappingsCount","hasAdminPrivilege","usersCount"]'
is 'groups: links' "$(jq -c '.[1]._links|keys' <<<"$body")" '["apps","logo","users"]'
is 'groups: an APP_GROUP has its source' \
	"$(jq -c '[.[]|select(.type=="APP_GROUP")|(.source|keys),(._links|keys)]' <<<"$body")" \
	'[["id"],["apps","logo","source","users"]]'
get /api/v1/org
is 'org: members' "$(jq -c keys <<<"$body")" \
	'["_links","address1","address2","city","companyName","country","created","endUserSupportHelpURL","expiresAt","id","lastUpdated","phoneNumber","postalCode","state","status","subdomain","supportPhoneNumber","website"]'
code=$(curl -s -o /dev/null -w '%{http_code}' "$url/.well-known/okta-organization")
is 'well-known needs no token' "$code" 200
get '/api/v1/users?limit=200' -H "Content-Type: application/json; $OMIT"
unlike 'omitCredentials is obeyed' "$body" '"credentials"'
get "/api/v1/users/$user" -H "Content-Type: application/json; $OMIT"
unlike 'omitCredentialsLinks is obeyed' "$body" 'forgotPassword|changePassword'

# --- paging and truth
truth users >"$TMP/users"
truth groups >"$TMP/groups"
truth members >"$TMP/members"
is 'truth: users' "$(wc -l <"$TMP/users")" 1000
is 'truth: memberships, exactly' "$(sort -u "$TMP/members" | wc -l)" 5000
is 'truth: one user in twenty is deprovisioned' \
	"$(grep -c '"status":"DEPROVISIONED"' "$TMP/users")" 50
ok 'truth: logins are unique' test "$(jq -r .profile.login "$TMP/users" |
	tr A-Z a-z | sort -u | wc -l)" = 1000
sim users >"$TMP/raw"
ok 'truth: integers beyond 2^53' grep -q '"badgeNumber":9007199254741[0-9]*,' "$TMP/raw"
ok 'truth: floats that are whole' grep -q '"fullTime":1\.0,' "$TMP/raw"
walk '/api/v1/users?limit=200'
is 'plain list: five pages' "$pages" 5
ok 'plain list: all but DEPROVISIONED, once' diff \
	<(jq -cS . "$TMP/rows" | LC_ALL=C sort) \
	<(grep -v '"status":"DEPROVISIONED"' "$TMP/users")
ok 'plain list: in id order' diff <(ids) <(ids | LC_ALL=C sort)
get '/api/v1/users?limit=9999'
is 'limit is clamped to 200' "$(jq length <<<"$body")" 200
get /api/v1/users
like 'limit is 200 by default' "$head" '\?limit=200>; rel="self"'
walk '/api/v1/users?filter=status+eq+%22DEPROVISIONED%22&limit=30'
is 'filter lists the DEPROVISIONED' "$(ids | wc -l) $pages" '50 2'
get '/api/v1/users?filter=status+eq+%22DEPROVISIONED%22&limit=30'
like 'next repeats the filter as a form' "$(next)" \
	'limit=30&filter=status\+eq\+%22DEPROVISIONED%22$'
walk '/api/v1/groups?limit=7'
ok 'groups: all, once' diff <(jq -cS . "$TMP/rows" | LC_ALL=C sort) "$TMP/groups"
get /api/v1/groups
like 'groups: 10000 by default' "$head" '\?limit=10000>; rel="self"'
is 'groups: the last page has no next' "$(next)" ''
big=$(jq -r .groupId "$TMP/members" | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
walk "/api/v1/groups/$big/users?limit=17"
ok 'members: all, once, deprovisioned ones too' diff <(ids | LC_ALL=C sort) \
	<(jq -r --arg g "$big" 'select(.groupId == $g).userId' "$TMP/members" | LC_ALL=C sort)
get "/api/v1/groups/$big/users"
like 'members: 1000 by default' "$head" '\?limit=1000>; rel="self"'
member=$(jq -r '.[0].id' <<<"$body")
walk "/api/v1/users/$member/groups?limit=2"
ok 'groups of a user: all, once' diff <(ids | LC_ALL=C sort) \
	<(jq -r --arg u "$member" 'select(.userId == $u).groupId' "$TMP/members" | LC_ALL=C sort)
is 'about one group in ten is empty' \
	"$(comm -23 <(jq -r .id "$TMP/groups" | sort) <(jq -r .groupId "$TMP/members" | sort -u) | wc -l)" 5

# --- q, filter, search
get '/api/v1/users?q=an'
is 'q: ten by default' "$(jq length <<<"$body")" 10
is 'q: no Link' "$(header link)" ''
ok 'q: names begin so' jq -e 'all(.[].profile; [.firstName,.lastName,.login,.email]
	| any(ascii_downcase|startswith("an")))' "$TMP/body"
get '/api/v1/groups?q=sIt'
ok 'groups q: names begin so, case aside' jq -e \
	'length > 0 and all(.[].profile.name; startswith("Site"))' "$TMP/body"
# count PARAMETER EXPRESSION JQ: the listing agrees with jq on the truth.
count() {
	walk "/api/v1/users?limit=200&$1=$(jq -rn --arg e "$2" '$e|@uri')"
	ok "$1: $2" diff <(ids) <(jq -r "select($3).id" "$TMP/users" | LC_ALL=C sort)
	ok "... is some, not all" test "$(ids | wc -l)" -gt 0 -a "$(ids | wc -l)" -lt 1000
}
count filter 'status eq "ACTIVE"' '.status == "ACTIVE"'
count filter 'lastUpdated ge "2023-01-01T00:00:00.000Z"' '.lastUpdated >= "2023"'
count filter 'lastUpdated lt "2022-06-01T00:00:00Z" and status eq "SUSPENDED"' \
	'.lastUpdated < "2022-06" and .status == "SUSPENDED"'
count filter 'profile.lastName eq "Weiß" or profile.firstName eq "太郎"' \
	'.profile.lastName == "Weiß" or .profile.firstName == "太郎"'
count search 'status eq "active"' '.status == "ACTIVE"'
count search 'profile.department eq "sales" and profile.title sw "engineer"' \
	'.profile.department == "Sales" and (.profile.title|startswith("Engineer"))'
count search '(profile.city eq "ZÜRICH" or profile.city eq "oslo") and status pr' \
	'.profile.city == "Zürich" or .profile.city == "Oslo"'
count search 'profile.lastName co "son"' '.profile.lastName|ascii_downcase|contains("son")'
count search 'profile.skills eq "sql"' '(.profile.skills // []) | any(. == "sql")'
count search 'profile.remote eq true' '.profile.remote == true'
count search 'profile.fullTime lt 1' '(.profile.fullTime // 1) < 1'
count search 'profile.nickName pr' '.profile.nickName != null'
count search 'status lt "ACTIVE" or status gt "ACTIVE"' '.status != "ACTIVE"'
count search 'activated gt "2024-01-01T00:00:00.000Z"' '(.activated // "") > "2024"'
get_q /api/v1/users search 'profile.badges pr'
is 'an empty array is not present' "$body" '[]'
get_q /api/v1/users search 'profile.badgeNumber eq 9007199254740992'
is 'whole numbers are not floats' "$body" '[]'
get_q /api/v1/users filter 'status eq "active"'
is 'filter minds the case of values' "$body" '[]'
walk '/api/v1/users?search=status+eq+%22ACTIVE%22&sortBy=profile.lastName&limit=50&sortOrder=desc'
ok 'sortBy: every row once' test "$(ids | sort -u | wc -l)" = \
	"$(grep -c '"status":"ACTIVE"' "$TMP/users")"
is 'sortBy: descending' "$(jq -r '.profile.lastName' "$TMP/rows" | sed -n '1p;$p' | tr '\n' ' ')" \
	"$(jq -r 'select(.status=="ACTIVE").profile.lastName' "$TMP/users" |
		awk '{ print (/^[A-z]/ ? 0 : 1) "\t" tolower($0) "\t" $0 }' | LC_ALL=C sort |
		cut -f3 | sed -n '1h;${p;g;p}' | tr '\n' ' ')"
get_q /api/v1/groups filter 'lastMembershipUpdated gt "2023-01-01T00:00:00.000Z" or type eq "BUILT_IN"'
is 'groups filter' "$(jq -r '.[].id' <<<"$body")" \
	"$(jq -r 'select(.lastMembershipUpdated > "2023" or .type == "BUILT_IN").id' "$TMP/groups" | LC_ALL=C sort)"
get_q /api/v1/groups search 'profile.name co "oslo"'
is 'groups search' "$(jq -r '.[].id' <<<"$body")" \
	"$(jq -r 'select(.profile.name|contains("Oslo")).id' "$TMP/groups" | LC_ALL=C sort)"

# --- refusals
# refused NAME PATH PARAMETER VALUE STATUS CODE
refused() {
	get_q "$2" "$3" "$4"
	is "$1" "$code $(jq -r .errorCode <<<"$body")" "$5 $6"
}
refused 'filter: attribute of search only' /api/v1/users filter 'profile.department eq "x"' 400 E0000031
refused 'filter: ne' /api/v1/users filter 'status ne "ACTIVE"' 400 E0000031
refused 'filter: sw' /api/v1/users filter 'profile.login sw "a"' 400 E0000031
refused 'filter: pr' /api/v1/users filter 'id pr' 400 E0000031
refused 'filter: not' /api/v1/users filter 'not (status eq "ACTIVE")' 400 E0000031
refused 'filter: no expression' /api/v1/users filter 'status eq' 400 E0000053
refused 'filter: attribute in the wrong case' /api/v1/users filter 'Status eq "ACTIVE"' 400 E0000031
refused 'filter: a date that is none' /api/v1/users filter 'lastUpdated ge "yesterday"' 400 E0000031
refused 'search: ne' /api/v1/users search 'status ne "ACTIVE"' 400 E0000031
refused 'search: attribute in the wrong case' /api/v1/users search 'Status eq "ACTIVE"' 400 E0000031
refused 'search: co with two characters' /api/v1/users search 'profile.login co "ab"' 400 E0000031
refused 'search: co on another attribute' /api/v1/users search 'profile.title co "abc"' 400 E0000031
refused 'search: no expression' /api/v1/users search 'status eq "a" or' 400 E0000031
refused 'groups filter: ge' /api/v1/groups filter 'lastUpdated ge "2023-01-01T00:00:00.000Z"' 400 E0000031
refused 'users: junk cursor' /api/v1/users after junk 400 E0000029
refused 'members: cursor of another place' "/api/v1/groups/$big/users" after 200u 400 E0000029
refused 'users: limit 0' /api/v1/users limit 0 400 E0000001
get '/api/v1/users?search=id+pr&filter=status+eq+%22ACTIVE%22'
is 'search and filter' "$code $(jq -r .errorCode <<<"$body")" '400 E0000033'
get '/api/v1/users?search=id+pr&after=junk'
is 'search: junk cursor' "$code $(jq -r '.errorCode+" "+.errorCauses[0].errorSummary' <<<"$body")" \
	'400 E0000031 Invalid cursor.'
get /api/v1/users/00u00000000000000000
is 'unknown user' "$code $(jq -c 'keys_unsorted' <<<"$body")" \
	'404 ["errorCode","errorSummary","errorLink","errorId","errorCauses"]'
like 'unknown user: says which' "$body" '"E0000007".*00u00000000000000000 \(User\)'
get /api/v1/nothing
is 'unknown path' "$code $body" '404 {"status":404,"message":"Resource not found"}'
unlike 'unknown path: no limits' "$head" 'X-Rate-Limit'
get /api/v1/users -X DELETE
is 'wrong method' "$code $(jq -r .errorCode <<<"$body")" '405 E0000022'
unlike 'wrong method: no limits' "$head" 'X-Rate-Limit'
AS=wrong get /api/v1/users
is 'wrong token' "$code $(jq -r .errorCode <<<"$body")" '401 E0000011'
like 'wrong token: counted' "$head" 'X-Rate-Limit-Remaining'

# --- mutations
before=$(date -u +%Y-%m-%dT%H:%M:%S.000Z)
post mutate '{"change":7,"create":3,"deprovision":2,"delete":2,"login":4,"move":9,"groups":3,"renameGroups":1}' >"$TMP/did"
is 'mutate tells what it touched' "$(jq -c 'map_values(arrays|length)' "$TMP/did")" \
	'{"change":7,"deprovision":2,"delete":2,"login":4,"create":3,"moves":9,"groups":3,"renameGroups":1}'
is 'stats: sizes' "$(sim stats | jq -c '[.users,.groups]')" '[1001,40]'
walk "/api/v1/users?filter=lastUpdated+ge+%22$before%22"
ok 'delta: changed, created, deprovisioned; no logins' diff <(ids | sort) \
	<(jq -r '.change[],.create[],.deprovision[]' "$TMP/did" | sort)
walk "/api/v1/groups?filter=lastMembershipUpdated+gt+%222026-01-01T00:00:00.000Z%22+or+lastUpdated+gt+%222026-01-01T00:00:00.000Z%22"
ok 'delta: groups moved or renamed' diff <(ids | sort) \
	<(jq -r '.groups[],.renameGroups[]' "$TMP/did" | sort -u)
get "/api/v1/users/$(jq -r '.delete[0]' "$TMP/did")"
is 'deleted: 404' "$code $(jq -r .errorCode <<<"$body")" '404 E0000007'
get "/api/v1/users/$(jq -r '.login[0]' "$TMP/did")"
ok 'login moves lastLogin alone' jq -e --arg t "$before" \
	'.lastLogin >= $t and .lastUpdated < $t' "$TMP/body"
truth members >"$TMP/members2"
is 'moves: as many out as in' \
	"$(comm -13 "$TMP/members" "$TMP/members2" | wc -l)" 9
is 'stats: memberships' "$(sim stats | jq .edges)" "$(wc -l <"$TMP/members2")"
like 'mutate refuses what it does not know' "$(post mutate '{"explode":1}')" error
get '/api/v1/users?limit=100'
second=$(next)
third=$(jq -r '.[99].id' <<<"$body")
get "${second#"$url"}"
rest=$(jq -r '.[0].id' <<<"$body")
post mutate '{"create":5,"delete":40}' >"$TMP/did"
get "${second#"$url"}"
ok 'a cursor outlives mutations' test "$(jq -r '.[0].id' <<<"$body")" \> "$third" -a \
	"$(jq -r '.[0].id' <<<"$body")" '>' "$third"
is 'a cursor points behind the same object' \
	"$(jq -r --arg r "$rest" --slurpfile d "$TMP/did" '[.[].id] | index($r) // -1' <<<"$body" |
		sed 's/^-1$/gone/')" \
	"$(jq -r --arg r "$rest" 'if .delete | index($r) then "gone" else 0 end' "$TMP/did")"

# --- faults
fault() { post fault "[{\"match\":\"/api/v1/users\",\"kind\":\"$1\"${2:+,$2}}]" >/dev/null; }
fault 500 '"nth":2'
get '/api/v1/users?limit=1'
first=$code
get '/api/v1/users?limit=1'
is 'fault: the second call' "$first $code $(jq -r .errorCode <<<"$body")" '200 500 E0000009'
get '/api/v1/users?limit=1'
is 'fault: and no other' "$code" 200
fault 503 '"retryAfter":7'
get '/api/v1/users?limit=1'
is 'fault: 503 with Retry-After' "$code $(header retry-after)" '503 7'
fault reset
ok 'fault: reset' sh -c "curl -s -m 9 -H 'Authorization: SSWS $TOKEN' '$url/api/v1/users'; test \$? = 56"
fault truncate
ok 'fault: truncated' sh -c "curl -s -m 9 -o '$TMP/torn' -H 'Authorization: SSWS $TOKEN' '$url/api/v1/users'; test \$? = 18 -a -s '$TMP/torn'"
fault nonjson
get '/api/v1/users?limit=1'
is 'fault: not JSON' "$code $(header content-type)" '200 text/html'
fault slow '"ms":300'
ok 'fault: slow' test "$(curl -s -o /dev/null -w '%{time_total}' -H "Authorization: SSWS $TOKEN" "$url/api/v1/users?limit=1" | tr -d .)" -ge 300000
fault 429
get '/api/v1/users?limit=1'
is 'fault: 429' "$code $(header x-rate-limit-remaining)" '429 0'
fault concurrency
get '/api/v1/users?limit=1'
is 'fault: concurrency' "$code $(header x-rate-limit-limit) $(header x-rate-limit-remaining)" '429 0 0'
fault credentials
get '/api/v1/users?limit=1' -H "Content-Type: application/json; $OMIT"
like 'fault: credentials all the same' "$body" '"credentials"'
get '/api/v1/users?limit=100'
at=$(next)
at=${at#"$url"}
fault dupcursor
get "$at"
is 'fault: the same cursor again' "$(next)" "$url$at"
fault emptynext
get "$at"
again=$(next)
is 'fault: empty page with next' "$body" '[]'
ok 'fault: its next differs' test "$again" != "$url$at"
get "$at"
want=$body
get "${again#"$url"}"
is 'fault: its next goes on' "$body" "$want"
fault badcursor
get '/api/v1/users?limit=1'
first=$code
get "$at"
is 'fault: a cursor is refused, a first page is not' "$first $code $(jq -r .errorCode <<<"$body")" '200 400 E0000029'
like 'a plan has to make sense' "$(post fault '[{"match":"/","kind":"lightning"}]')" error
stop sim
is 'SIGTERM: a clean end' "$status" 0

# --- limits
org limited --users 300 --groups 10 --edges 100 --limit /api/v1/users=5 --window 5
get '/api/v1/users?limit=1'
is 'bucket: what the token sees' "$(header x-rate-limit-limit) $(header x-rate-limit-remaining)" '5 4'
reset=$(header x-rate-limit-reset)
ok 'bucket: Reset minus Date' test $((reset - $(date -d "$(header date)" +%s))) -ge 1 -a \
	$((reset - $(date -d "$(header date)" +%s))) -le 5
get '/api/v1/users?limit=bad'
is 'bucket: a 400 counts' "$code $(header x-rate-limit-remaining)" '400 3'
get "/api/v1/users/$user/groups"
is 'bucket: groups of a user share it' "$(header x-rate-limit-remaining)" 2
get '/api/v1/users/me'
is 'bucket: one user does not' "$(header x-rate-limit-limit) $(header x-rate-limit-remaining)" '1000 999'
get '/api/v1/groups?limit=1'
is 'bucket: half of the published limit' "$(header x-rate-limit-limit)" 250
for _ in 1 2 3; do get '/api/v1/users?limit=1'; done
is 'bucket: 429' "$code $(jq -c '[.errorCode,.errorSummary,.errorLink,.errorCauses]' <<<"$body")" \
	'429 ["E0000047","API call exceeded rate limit due to too many requests.","E0000047",[]]'
is 'bucket: 429 has no Retry-After' "$(header retry-after)" ''
is 'bucket: 429 keeps the Reset' "$(header x-rate-limit-reset)" "$reset"
try() { get '/api/v1/users?limit=1' && [ "$code" = 200 ]; }
ok 'bucket: open again' wait_for try
ok 'bucket: not before its Reset' test "$(date -d "$(header date)" +%s)" -ge "$reset"
is 'bucket: a new window' "$(header x-rate-limit-remaining)" 4
like 'stats: bucket' "$(sim stats | jq -c '.buckets[0]')" \
	'"name":"/api/v1/users","limit":5,.*"peak":5'
is 'stats: 429s' "$(sim stats | jq -c '[.limited == .buckets[0].limited, .limited > 0]')" '[true,true]'
post reset-stats '' >/dev/null
is 'stats: reset' "$(sim stats | jq -c '[.calls,.limited,.endpoints]')" '[0,0,[]]'
post foreign '{"bucket":"/api/v1/groups","perMinute":1000000,"sameToken":true}' >/dev/null
drained() { get '/api/v1/groups?limit=1' && [ "$code" = 429 ]; }
ok 'foreign clients drain a bucket' wait_for drained
stop limited

org busy --users 100 --groups 5 --edges 50 --tier unlimited --concurrency 4 \
	--latency 800 --date-skew -3600 --join-links --page-max 10 \
	--deny /api/v1/groups:E0000006 --deny /api/v1/org:E0000015
for _ in 1 2 3 4 5 6 7; do
	curl -s -o /dev/null -D - -H "Authorization: SSWS $TOKEN" \
		"$url/api/v1/users" >>"$TMP/many" &
	pids+=($!)
done
wait "${pids[@]}"
is 'concurrency: what is too many is refused' \
	"$(grep -c '^HTTP/1.1 429' "$TMP/many") $(grep -c '^HTTP/1.1 200' "$TMP/many")" '3 4'
is 'concurrency: 0 and 0' "$(tr -d '\r' <"$TMP/many" | grep -c '^X-Rate-Limit-Limit: 0$')" 3
like 'concurrency: counted' "$(sim stats | jq -c '[.concurrency429,.maxInFlight,.limited]')" '^.3,[567],0.$'
get /api/v1/users
is '--page-max' "$(jq length <<<"$body")" 10
is '--join-links: one line' "$(grep -ci '^link:' <<<"$head")" 1
like '--join-links: both in it' "$(header link)" 'rel="self", <.*rel="next"$'
skew=$(($(date +%s) - $(date -d "$(header date)" +%s)))
ok '--date-skew' test $skew -ge 3599 -a $skew -le 3602
get /api/v1/groups
is '--deny: 403' "$code $(jq -r .errorCode <<<"$body")" '403 E0000006'
get /api/v1/org
is '--deny: 401' "$code $(jq -r .errorCode <<<"$body")" '401 E0000015'
stop busy

# --- determinism, usage
org a --seed 7 --users 200 --groups 9 --edges 300 --everyone
sim users >"$TMP/a"
sim members >>"$TMP/a"
is '--everyone' "$(sim members | wc -l)" 500
stop a
org b --seed 7 --users 200 --groups 9 --edges 300 --everyone
sim users >"$TMP/b"
sim members >>"$TMP/b"
stop b
ok 'the same seed is the same org' cmp "$TMP/a" "$TMP/b"
org c --seed 8 --users 200 --groups 9 --edges 300 --rules 4
sim users >"$TMP/c"
get '/api/v1/groups/rules?limit=3'
is 'rules: a page, a cursor, and a rule as Okta writes it' \
	"$(jq length <<<"$body") $(next | grep -c 'groups/rules?after=0pr') $(jq -c \
	'.[0] | keys_unsorted' <<<"$body")" \
	'3 1 ["type","id","status","name","created","lastUpdated","conditions","actions","allGroupsValid"]'
group=$(jq -r '.[0].actions.assignUserToGroups.groupIds[0]' <<<"$body")
out=$(jq -r '.[0].conditions.people.users.exclude[0]' <<<"$body")
# Who is of the first rule's department, who in its group.
people() { jq -r "select(.status != \"DEPROVISIONED\" and
	.profile.department == \"Engineering\") | .id" | sort; }
in_group() { sim members | jq -r --arg g "$group" 'select(.groupId == $g) |
	.userId' | sort; }
is 'rules: its group has all of the department, and one by hand' \
	"$(comm -23 <(sim users | people) <(in_group)) $(comm -13 \
	<(sim users | people) <(in_group) | wc -l)" ' 1'
ok 'rules: whom it leaves out is there by hand' grep -q "$out" <(in_group)
mover=$(sim users | people | grep -v "$out" | head -n 1)
post okta/users "{\"id\": \"$mover\", \"profile\": {\"department\": \"Sales\"}}" >/dev/null
unlike 'rules: who changes the department leaves' "$(in_group)" "$mover"
stop c
ok 'another seed is another' sh -c "! head -c 5000 '$TMP/a' | cmp -s -n 5000 - '$TMP/c'"
run "$BUILD/orgsim" --users many
is 'bad usage: 100' "$status" 100
like 'bad usage: says what' "$err" '--users takes a number'
run "$BUILD/orgsim" --users 3 --groups 2 --edges 99
is 'too many memberships: 100' "$status" 100
run "$BUILD/orgsim" --limit /nowhere=3
is 'unknown bucket: 100' "$status" 100
done_testing
