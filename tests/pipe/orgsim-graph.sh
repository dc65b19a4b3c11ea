#!/usr/bin/env bash
# orgsim-graph.sh - delta rounds of the simulated tenant: what they tell is
# laid together as a client has to, and compared with the whole truth.
. tests/setup.sh
. tests/graph.sh

org sim --users 1000 --groups 20 --entra 900 --entra-groups 30 \
	--entra-edges 4000 --tier unlimited
login

# --- a first round
ok 'users: a round ends with a deltaLink' round "$UD"
is 'users: pages of 200' "$(tr '\n' ' ' <"$TMP/sizes")" '200 200 200 200 100 '
ok 'users: each once' test "$(ids | sort -u | wc -l)" = 900
like 'users: links are absolute and opaque' "$link" \
	"^$url/v1.0/users/delta\\?\\\$deltatoken=[A-Za-z0-9_-]+\$"
fold "$TMP/u" manager
ok 'users: what was told is the truth' diff <(users_known "$TMP/u") <(users_truth "$PROPS")
ok 'users: never set is absent' jq -es 'map(select(has("employeeId"))|.employeeId) |
	length < 900 and all(. != null)' "$TMP/rows"
users_link=$link
ok 'groups: a round' round "$GD"
fold "$TMP/g" members
ok 'groups: what was told is the truth' diff <(groups_known "$TMP/g") <(groups_truth)
big=$(jq -r .id "$TMP/rows" | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2, $1 }')
ok 'groups: a large one comes on several pages' test "${big#* }" -gt 1
ok 'groups: each time with other members' jq -es --arg g "${big% *}" '
	[.[] | select(.id == $g)."members@delta"[].id] | length == (unique | length)' "$TMP/rows"
ok 'groups: no slice is over 500' jq -es 'all((."members@delta" // [])|length <= 500)' "$TMP/rows"
is 'groups: kinds of members' "$(jq -r '."members@delta"[]?."@odata.type"' "$TMP/rows" | sort -u | tr '\n' ' ')" \
	'#microsoft.graph.device #microsoft.graph.group #microsoft.graph.servicePrincipal #microsoft.graph.user '
ok 'groups: an empty one has no members@delta' jq -es \
	'any(has("members@delta")|not)' "$TMP/rows"
groups_link=$link
round '/v1.0/groups/delta?$select=displayName'
unlike 'groups: members only when selected' "$(cat "$TMP/rows")" members
round '/v1.0/users/delta?$select=displayName' -H 'Prefer: odata.maxpagesize=300'
is 'pages are never over 200' "$(head -1 "$TMP/sizes")" 200
get '/v1.0/users/delta?$select=displayName' -H 'Prefer: odata.maxpagesize=7'
is 'pages are as small as asked' "$(j '.value|length')" 7
get "$(j '."@odata.nextLink"')"
is 'and stay so' "$(j '.value|length')" 7
round '/v1.0/users/delta'
is 'without $select: the default properties' "$(jq -c keys "$TMP/rows" | awk '{ print length, $0 }' | sort -n | sed -n '$s/^[0-9]* //p')" \
	'["businessPhones","displayName","givenName","id","jobTitle","mail","mobilePhone","officeLocation","preferredLanguage","surname","userPrincipalName"]'
one=$(sim entra/users | sed -n 5p | jq -r .id)
two=$(sim entra/users | sed -n 6p | jq -r .id)
get '/v1.0/users/delta' -G --data-urlencode '$select=displayName' \
	--data-urlencode "\$filter=id eq '$one' or id eq '$two'"
is 'delta: $filter by id' "$(j '[.value[].id]|join(" ")')" "$one $two"
filter_link=$(j '."@odata.deltaLink"')
for q in '$top=5' '$expand=manager' '$orderby=displayName' "\$filter=displayName%20eq%20'x'" \
	"\$filter=id%20eq%20'x'%20and%20id%20eq%20'y'"; do
	get "/v1.0/users/delta?$q"
	is "delta refuses $q" "$code $(j .error.code)" '400 Request_UnsupportedQuery'
done
get '/v1.0/users/delta?$select=shoeSize'
is 'delta: an unknown property' "$code $(j .error.code)" '400 BadRequest'
get '/v1.0/users/delta?$select=skills'
is 'delta: a property outside the directory' "$code $(j .error.code)" '501 NotImplemented'
get '/v1.0/users/delta?$deltatoken=abc'
is 'delta: a token that is none' "$code $(j .error.code)" '400 BadRequest'
get "${groups_link/groups/users}"
is 'delta: the token of another resource' "$code" 400
get '/v1.0/users/delta?$select=displayName&$deltatoken=latest'
is 'delta: latest has no data' "$(j '.value|length')" 0
latest=$(j '."@odata.deltaLink"')

# --- what changes
post entra/mutate '{"change":3,"rename":4,"unselected":5,"clearEmployeeId":6,"softDelete":7,"hardDelete":8,"create":9,"disable":2,"manager":3,"move":40,"groups":5,"createGroups":2,"renameGroups":3,"hardDeleteGroups":1,"softDeleteGroups":1}' >"$TMP/did"
is 'mutate: what it touched' "$(jq -c 'map_values(arrays|length)' "$TMP/did")" \
	'{"change":3,"unselected":5,"rename":4,"clearEmployeeId":6,"disable":2,"manager":3,"restore":0,"softDelete":7,"hardDelete":8,"create":9,"moves":40,"renameGroups":3,"softDeleteGroups":1,"hardDeleteGroups":1,"createGroups":2}'
round "$users_link"
ok 'delta: only what changed' test "$(ids | sort -u | wc -l)" -lt 120
is 'delta: reasons of removal' "$(jq -r '."@removed".reason // empty' "$TMP/rows" | sort | uniq -c | xargs)" \
	'7 changed 8 deleted'
ok 'delta: removed ones say nothing else' jq -es \
	'all(select(."@removed")|keys == ["@removed","id"])' "$TMP/rows"
ok 'delta: cleared is null' test "$(jq -r 'select(.employeeId == null and has("employeeId")).id' "$TMP/rows" | wc -l)" -ge 4
unlike 'delta: a change of what is not selected is none' "$(ids)" \
	"$(jq -r '.unselected|join("|")' "$TMP/did")"
ok 'delta: all that is selected comes, changed or not' jq -es --slurpfile d "$TMP/did" '
	all(select(.id as $i | $d[0].disable | index($i)) | has("displayName"))' "$TMP/rows"
fold "$TMP/u" manager
ok 'delta: truth after a delta' diff <(users_known "$TMP/u") <(users_truth "$PROPS")
users_link=$link
round "$users_link"
is 'delta: then nothing' "$(wc -l <"$TMP/rows")" 0
users_link=$link
round "$groups_link"
fold "$TMP/g" members
ok 'groups: truth after a delta' diff <(groups_known "$TMP/g") <(groups_truth)
ok 'groups: edges that went' jq -es '[.[]|."members@delta"[]?|select(."@removed".reason == "deleted")]|length > 40' "$TMP/rows"
ok 'groups: unchanged members are not repeated' jq -es 'all((."members@delta" // [])|length < 100)' "$TMP/rows"
groups_link=$link
round "$latest"
ok 'latest: from now on' test "$(ids | wc -l)" -gt 20
round "$filter_link"
is 'filter: in the token, too' "$(ids | grep -vc -e "$one" -e "$two")" 0
gone=$(jq -r '.hardDelete[0]' "$TMP/did")
soft=$(jq -r '.softDelete[0]' "$TMP/did")
get "/v1.0/users/$soft"
is 'a soft-deleted user: 404' "$code $(j .error.code)" '404 Request_ResourceNotFound'
post entra/users "{\"id\":\"$soft\",\"delete\":null}" >/dev/null
round "$users_link"
ok 'restored: without annotation, with all properties' jq -es --arg s "$soft" \
	'any(.id == $s and (has("@removed")|not) and has("userPrincipalName"))' "$TMP/rows"
fold "$TMP/u" manager
ok 'restored: truth' diff <(users_known "$TMP/u") <(users_truth "$PROPS")
users_link=$link
round "$groups_link"
fold "$TMP/g" members
ok 'restored: memberships come back' diff <(groups_known "$TMP/g") <(groups_truth)
groups_link=$link
post entra/users "{\"id\":\"$soft\",\"delete\":\"soft\"}" >/dev/null
post entra/users "{\"id\":\"$soft\",\"delete\":\"hard\"}" >/dev/null
round "$users_link"
is 'soft, then hard' "$(jq -r --arg s "$soft" 'select(.id == $s)."@removed".reason' "$TMP/rows")" deleted
fold "$TMP/u" manager
users_link=$link
like 'gone for good' "$(post entra/users "{\"id\":\"$gone\",\"delete\":null}")" 'no such object'

# --- single persons
get "/v1.0/users/delta?\$select=department,jobTitle&\$deltatoken=latest"
from=$(j '."@odata.deltaLink"')
made=$(post entra/users '{"displayName":"Ann","employeeId":"Z1","userPrincipalName":"ann@orgsim.example","department":"A"}' | jq -r .id)
get "/v1.0/users/$made?\$select=id,displayName,department,mail,otherMails"
is 'a user made to measure' "$(jq -c 'del(."@odata.context")' <<<"$body")" \
	"{\"id\":\"$made\",\"department\":\"A\",\"displayName\":\"Ann\",\"mail\":null,\"otherMails\":[]}"
post entra/users "{\"match\":{\"employeeId\":\"Z1\"},\"department\":null,\"manager\":\"$one\"}" >/dev/null
round "$from"
is 'two changes are one row' "$(jq -c . "$TMP/rows")" "{\"id\":\"$made\",\"department\":null}"
get /v1.0/users/ANN@orgsim.example/manager
is 'by name, case aside; and its manager' "$(j .id)" "$one"
like 'no such property' "$(post entra/users '{"shoeSize":9}')" error
is '... and nobody was made' "$(sim entra/users | jq -r 'select(.userPrincipalName == null).id')" ''
like 'no such person' "$(post entra/users '{"match":{"employeeId":"none"},"mail":null}')" error
round "$users_link" -H 'Prefer: return=minimal'
round "$UD" -H 'Prefer: return=minimal'
minimal=$link
is 'minimal: applied' "$(header preference-applied)" return=minimal
post entra/users "{\"id\":\"$made\",\"department\":\"B\"}" >/dev/null
round "$minimal"
is 'minimal: only what changed' "$(jq -c . "$TMP/rows")" "{\"id\":\"$made\",\"department\":\"B\"}"
first=$(sim users | sed -n 3p)
number=$(jq -r .profile.employeeNumber <<<"$first")
is 'okta: the same person over there' "$(sim entra/users | jq -r --arg e "$number" \
	'select(.employeeId == $e and .oktaId)|.oktaId')" "$(jq -r .id <<<"$first")"
post okta/users "{\"match\":{\"employeeNumber\":\"$number\"},\"status\":\"SUSPENDED\",\"profile\":{\"email\":\"new@orgsim.example\",\"nickName\":null}}" >/dev/null
is 'okta: one attribute of one person' "$(sim users | jq -c --arg e "$number" \
	'select(.profile.employeeNumber == $e)|[.status,.profile.email,.profile.nickName,.profile.login]')" \
	"$(jq -c '["SUSPENDED","new@orgsim.example",null,.profile.login]' <<<"$first")"
like 'okta: big integers survive' "$(sim users | grep -F "\"$number\"")" '"badgeNumber":9007199254740[0-9]+|"fullTime"|"id"'
is 'okta: a new person' "$(post okta/users '{"profile":{"login":"zed@orgsim.example","employeeNumber":"Z9"}}' |
	jq -c '[.status,.profile.login,.profile.employeeNumber]')" '["ACTIVE","zed@orgsim.example","Z9"]'
like 'okta: no such person' "$(post okta/users '{"match":{"employeeNumber":"none"}}')" error

boss=$(post entra/users '{"displayName":"Boss"}' | jq -r .id)
post entra/users "{\"id\":\"$made\",\"manager\":\"$boss\"}" >/dev/null
post entra/users "{\"id\":\"$boss\",\"delete\":\"soft\"}" >/dev/null
get "/v1.0/users/$made/manager"
is 'manager: none when deleted' "$code" 404
post entra/users "{\"id\":\"$boss\",\"delete\":null}" >/dev/null
get "/v1.0/users/$made/manager"
is 'manager: back with a restore' "$(j .id)" "$boss"
post entra/users "{\"id\":\"$boss\",\"delete\":\"soft\"}" >/dev/null
post entra/users "{\"id\":\"$made\",\"manager\":\"$two\"}" >/dev/null
post entra/users "{\"id\":\"$boss\",\"delete\":null}" >/dev/null
get "/v1.0/users/$made/manager"
is 'manager: not beside another' "$(j .id) $(sim entra/users | jq -r --arg i "$made" 'select(.id == $i).manager')" "$two $two"

# --- tokens of rounds expire
post entra/expire '{"delta":"syncStateNotFound"}' >/dev/null
get "$users_link"
is 'expired: syncStateNotFound' "$code $(j .error.code)" '400 syncStateNotFound'
post entra/expire '{"delta":"gone"}' >/dev/null
get "$users_link"
like 'expired: 410 with a Location' "$code $(header location)" \
	"^410 $url/v1.0/users/delta\\?\\\$select=.*&\\\$deltatoken=\$"
round "$(header location)"
rm "$TMP/u"
fold "$TMP/u" manager
ok 'expired: the Location begins anew' diff <(users_known "$TMP/u") <(users_truth "$PROPS")
post entra/expire '{"delta":"resyncRequired","pages":true}' >/dev/null
get "$groups_link"
is 'expired: resyncRequired' "$code $(j .error.code)" '410 resyncRequired'
like 'expired: otherwise refused' "$(post entra/expire '{"delta":"never"}')" error

# --- quirks
org odd --users 700 --groups 5 --entra 650 --entra-groups 12 --entra-edges 3000 \
	--tier unlimited --entra-quirks empty,repeat,removed,replay,late --entra-slice 90
login
post entra/mutate '{"softDelete":5}' >/dev/null
rm -f "$TMP/u" "$TMP/g"
round "$UD"
ok 'quirks: empty pages with a nextLink' grep -qx 0 "$TMP/sizes"
ok 'quirks: objects come again' test "$(ids | sort | uniq -d | wc -l)" -gt 0
is 'quirks: a first round tells of deleted ones' "$(jq -r '."@removed".reason // empty' "$TMP/rows" | uniq -c | xargs)" \
	'5 changed'
fold "$TMP/u" manager
ok 'quirks: the truth all the same' diff <(users_known "$TMP/u") <(users_truth "$PROPS")
users_link=$link
round "$GD"
fold "$TMP/g" members
ok 'quirks: groups, too' diff <(groups_known "$TMP/g") <(groups_truth)
# A round of another resource has shown the past; this one shows the change.
post entra/mutate '{"change":12,"rename":11,"softDelete":3,"hardDelete":2,"manager":4}' >"$TMP/did"
round "$users_link"
late=$(ids | sort -u | grep -c -f <(jq -r '.rename[]' "$TMP/did"))
is 'quirks: changes are late' "$late" 0
fold "$TMP/u" manager
round "$link"
fold "$TMP/u" manager
ok 'quirks: but they come' diff <(users_known "$TMP/u") <(users_truth "$PROPS")
round "$link"
ok 'quirks: some twice' test "$(wc -l <"$TMP/rows")" -gt 0
fold "$TMP/u" manager
ok 'quirks: which changes nothing' diff <(users_known "$TMP/u") <(users_truth "$PROPS")
stop odd
org short --users 20 --entra 20 --delta-life 0
login
get '/v1.0/users/delta?$deltatoken=latest'
short=$(j '."@odata.deltaLink"')
too_old() {
	get "$short"
	[ "$code" = 400 ]
}
ok 'delta tokens have their time' wait_for too_old
is '... and then are not found' "$(j .error.code)" syncStateNotFound
stop short
done_testing
