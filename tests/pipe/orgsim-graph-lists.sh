#!/usr/bin/env bash
# orgsim-graph-lists.sh - lists, batches, faults and limits of the simulated
# Graph, and how much its tenant has in common with the org.
. tests/setup.sh
. tests/graph.sh

org sim --users 1000 --groups 20 --entra 900 --entra-groups 30 \
	--entra-edges 4000 --entra-cycle --tier unlimited
login
big=$(sim entra/members | jq -r .groupId | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
made=$(sim entra/users | sed -n 7p | jq -r .id)

# --- lists
sim entra/users >"$TMP/users"
sim entra/groups >"$TMP/groups"
sim entra/members >"$TMP/members"
walk "/v1.0/users?\$select=id,$PROPS&\$top=250"
is 'list: pages of $top' "$(sed -n 1,2p "$TMP/sizes" | xargs)" '250 250'
ok 'list: the truth, never set is null' diff <(jq -cS . "$TMP/rows" | sort) \
	<(jq -cS --arg p "id,$PROPS" '. as $u | [$p/","|.[]|{(.): $u[.]}]|add' "$TMP/users" | sort)
get /v1.0/users
is 'list: 100 by default, default properties' "$(j '[(.value|length),(.value[0]|keys|length)]|@csv')" 100,11
get '/v1.0/users?$top=1000'
is 'list: $top is 999 at most' "$code $(j .error.code)" '400 Request_UnsupportedQuery'
# filtered EXPRESSION JQ
filtered() {
	walk "/v1.0/users?\$select=id&\$filter=$(jq -rn --arg e "$1" '$e|@uri')"
	ok "filter: $1" diff <(ids) <(jq -r "select($2).id" "$TMP/users")
	ok '... is some, not all' test "$(ids | wc -l)" -gt 0 -a "$(ids | wc -l)" -lt 700
}
filtered "employeeId eq 'e000010'" '.employeeId == "E000010"'
filtered "department eq 'Sales' and accountEnabled eq true" '.department == "Sales" and .accountEnabled'
filtered "surname eq 'O''Brien' or userType eq 'Guest'" '.surname == "O'"'"'Brien" or .userType == "Guest"'
filtered 'mail eq null' '.mail == null'
get '/v1.0/users?$filter=startswith(displayName,%27A%27)'
is 'filter: what is not played is refused' "$code $(j .error.code)" '400 Request_UnsupportedQuery'
get "/v1.0/users?\$count=true&\$filter=userType%20eq%20'Guest'" -H 'ConsistencyLevel: eventual'
is 'list: $count' "$(j '."@odata.count"')" "$(jq -r 'select(.userType == "Guest").id' "$TMP/users" | wc -l)"
walk '/v1.0/groups?$top=7'
ok 'groups: all, once' diff <(ids) <(jq -r .id "$TMP/groups")
walk "/v1.0/groups/$big/members?\$top=99&\$select=id,displayName"
ok 'members: all, with their type' diff <(jq -r '[."@odata.type",.id]|join(" ")' "$TMP/rows" | sort) \
	<(jq -r --arg g "$big" 'select(.groupId == $g)|"#microsoft.graph." + .type + " " + .memberId' "$TMP/members" | sort)
nest=$(jq -r 'select(.type == "group").groupId' "$TMP/members" | head -n 1)
# closure of the nested groups by jq, against the one of the server
jq -rs --arg g "$nest" 'group_by(.groupId) | map({(.[0].groupId): map(.memberId)}) | add as $m |
	{all: [], todo: [$g], seen: []} | until(.todo == []; .todo[0] as $t | .todo |= .[1:] |
	if (.seen|index($t)) then . else .seen += [$t] | .all += ($m[$t] // []) |
	.todo += [($m[$t] // [])[] | select($m[.])] end) | .all | unique[]' "$TMP/members" | sort >"$TMP/closure"
walk "/v1.0/groups/$nest/transitiveMembers?\$top=999"
ok 'transitive: the closure, cycle or not' diff <(ids | sort) "$TMP/closure"
ok '... is more than the direct ones' test "$(wc -l <"$TMP/closure")" -gt \
	"$(jq -r --arg g "$nest" 'select(.groupId == $g).memberId' "$TMP/members" | wc -l)"
walk "/v1.0/groups/$nest/transitiveMembers/microsoft.graph.user?\$top=999"
ok 'transitive: cast to users' jq -es 'length > 0 and all(."@odata.type" == "#microsoft.graph.user")' "$TMP/rows"
is 'a cycle by option' "$(jq -rs '[.[]|select(.type == "group")|[.groupId,.memberId]] as $e |
	any($e[]; . as [$a, $b] | any($e[]; . as [$c, $d] | $c == $b and any($e[]; . == [$d, $a])))' "$TMP/members")" true

# --- the company from two sides
sim users >"$TMP/okta"
jq -n --slurpfile o "$TMP/okta" --slurpfile e "$TMP/users" '
	($o | map({(.id): .}) | add) as $by |
	[$e[] | select(.oktaId) | {e: ., o: $by[.oktaId]} | select(.o)] as $t | {
	twins: ($t | length),
	number: [$t[] | select(.e.employeeId == (.o.profile.employeeNumber|gsub(" ";"")|ascii_upcase))] | length,
	noNumber: [$t[] | select(.e.employeeId == null)] | length,
	mailCase: [$t[] | select(.e.mail and .e.mail != .o.profile.email and
		(.e.mail|ascii_downcase) == (.o.profile.email|ascii_downcase))] | length,
	otherMail: [$t[] | select(.e.mail and (.e.mail|ascii_downcase) != (.o.profile.email|ascii_downcase))] | length,
	login: [$t[] | select((.e.userPrincipalName|ascii_downcase) == (.o.profile.login|ascii_downcase))] | length,
	department: [$t[] | select(.o.profile.department and .e.department != .o.profile.department)] | length,
	guests: [$e[] | select(.userPrincipalName|contains("#EXT#"))] | length,
	second: ([$e[] | .employeeId | select(.)] | group_by(.) | map(select(length > 1)) | length)
	}' >"$TMP/sides"
ok 'both sides: most agree, some do not' jq -e '.twins > 820 and .number > 750 and
	.noNumber > 20 and .mailCase > 50 and .otherMail > 2 and .login > 800 and
	.department > 50 and .guests > 10 and .second > 5' "$TMP/sides"

# --- batches
batch "{\"requests\":[{\"id\":\"a\",\"method\":\"GET\",\"url\":\"/users/$made?\$select=displayName\"},
	{\"id\":\"b\",\"method\":\"GET\",\"url\":\"/users/none\"},
	{\"id\":\"c\",\"method\":\"GET\",\"url\":\"groups/$big/members?\$top=3&\$select=id\"}]}"
is 'batch: each for itself' "$code $(j '[.responses|sort_by(.id)[]|.status]|join(" ")')" '200 200 404 200'
is 'batch: bodies' "$(j '.responses[]|select(.id == "a").body.displayName')" \
	"$(sim entra/users | sed -n 7p | jq -r .displayName)"
ok 'batch: inner pages' jq -e '.responses[]|select(.id == "c").body|."@odata.nextLink" and (.value|length) == 3' "$TMP/body"
get "$(j '.responses[]|select(.id == "c").body."@odata.nextLink"')"
is 'batch: and their next' "$code $(j '.value|length')" '200 3'
batch '{"requests":[{"id":"a","method":"GET","url":"/users/none"},
	{"id":"b","method":"GET","url":"/users?$top=1","dependsOn":["a"]},
	{"id":"c","method":"GET","url":"/users?$top=1"},
	{"id":"d","method":"GET","url":"/users?$top=1","dependsOn":["c"]}]}'
is 'batch: dependsOn' "$(j '[.responses|sort_by(.id)[]|.status]|join(" ")')" '404 424 200 200'
batch "$(jq -nc '{requests:[range(21)|{id:"\(.)",method:"GET",url:"/users"}]}')"
is 'batch: twenty at most' "$code" 400

# --- faults
fault() { post fault "[{\"match\":\"/v1.0/users/delta\",\"kind\":\"$1\"${2:+,$2}}]" >/dev/null; }
round "$UD"
users_link=$link
# faulty KIND EXTRA STATUS CODE
faulty() {
	fault "$1" "$2"
	get "$users_link"
	is "fault: $1" "$code $(j .error.code)" "$3 $4"
	get "$users_link"
	is "fault: $1, once" "$code" 200
}
faulty 500 '' 500 InternalServerError
faulty 504 '"retryAfter":4' 504 UnknownError
faulty 401 '' 401 InvalidAuthenticationToken
faulty badcursor '' 400 syncStateNotFound
faulty resync '' 410 resyncRequired
fault gone
get "$UD"
is 'fault: gone needs a token' "$code" 200
get "$users_link"
is 'fault: gone' "$code" 410
fault 503 '"retryAfter":7'
get "$users_link"
is 'fault: 503 with Retry-After' "$code $(header retry-after)" '503 7'
fault 429 '"retryAfter":3'
get "$users_link"
is 'fault: 429' "$code $(j .error.code) $(header retry-after) $(j .error.innerError.innerError.code)" \
	'429 TooManyRequests 3 429'
fault truncate
ok 'fault: truncated' sh -c "curl -s -m 9 -o '$TMP/torn' -H 'Authorization: Bearer $bearer' '$users_link'; test \$? = 18"
fault nonjson
get "$users_link"
is 'fault: not JSON' "$code $(header content-type)" '200 text/html'
fault dupcursor
get "$UD"
again=$(j '."@odata.nextLink"')
is 'fault: a link that leads back' "$(curl -s -g -H "Authorization: Bearer $bearer" "$again" | jq -r '.value[0].id')" "$(j '.value[0].id')"
fault emptynext
get "$UD"
is 'fault: an empty page' "$(j '.value|length')" 0
round "$(j '."@odata.nextLink"')"
is '... and all behind it' "$(ids | sort -u | wc -l)" "$(wc -l <"$TMP/users")"
is 'stats: calls by kind' "$(sim stats | jq -c '[.endpoints[]|select(.path == "/v1.0/$batch" or .path == "/{id}/oauth2/v2.0/token")|.calls > 0]')" '[true,true]'
is 'stats: the tenant' "$(sim stats | jq -c '.entra|[.users,.groups,.edges]')" \
	"[$(wc -l <"$TMP/users"),$(wc -l <"$TMP/groups"),$(wc -l <"$TMP/members")]"
stop sim

# --- limits
org tight --users 60 --groups 5 --entra 60 --graph-units 10 --graph-window 3600 \
	--deny /v1.0/groups:Authorization_RequestDenied
login
get '/v1.0/groups'
is 'rights: denied' "$code $(j .error.code)" '403 Authorization_RequestDenied'
get '/v1.0/users?$top=50'
is 'units: a list costs two' "$(header x-ms-resource-unit)" 2
get '/v1.0/users?$top=50&$select=id'
is 'units: one with $select' "$(header x-ms-resource-unit)" 1
is 'units: no percentage below 80' "$(header x-ms-throttle-limit-percentage)" ''
percents=
for _ in 1 2 3 4 5 6 7; do
	get '/v1.0/users?$top=50'
	percents="$percents $(header x-ms-throttle-limit-percentage)"
	[ "$code" = 200 ] || break
done
like 'units: a percentage from 80 on' "$percents" ' (0\.[89]|1\.)[0-9]'
is 'units: 429' "$code $(j .error.code)" '429 TooManyRequests'
like 'units: Retry-After' "$(header retry-after)" '^[0-9]+$'
like 'units: scope' "$(header x-ms-throttle-scope)" "^Tenant_Application/ReadWrite/"
is 'units: information' "$(header x-ms-throttle-information)" ResourceUnitLimitExceeded
batch '{"requests":[{"id":"1","method":"GET","url":"/users"}]}'
is 'units: inside a batch, each alone' "$code $(j '.responses[0].status')" '200 429'
ok 'units: with its own Retry-After' jq -e '.responses[0].headers["Retry-After"]' "$TMP/body"
is 'stats: throttled' "$(sim stats | jq '.entra.throttled')" 2
stop tight
org silent --users 60 --entra 60 --graph-units 1 --entra-quirks silent
login
get '/v1.0/users'
is 'silent: 429 without Retry-After' "$code $(header retry-after)" '429 '
run "$BUILD/orgsim" --entra-quirks odd
is 'options: an unknown quirk' "$status" 100
done_testing
