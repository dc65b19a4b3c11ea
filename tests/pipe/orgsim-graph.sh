#!/usr/bin/env bash
# orgsim-graph.sh - the Entra side of the simulator: tokens, delta rounds,
# lists, batches, limits.  Drives orgsim with curl and jq; what delta says is
# always laid together by the rules of Microsoft's documentation and compared
# with the whole truth of /_sim/entra/.
. tests/setup.sh

TENANT=5f2b6c1e-0d47-4a9b-8e31-c7a4d90b6e12
APP=9d1e7b54-3a2f-4c60-8f77-2b6a51c0e8d3
SECRET='sim~secret+/='
SCOPE=https://graph.microsoft.com/.default

# get PATH-OR-URL [CURL OPTION...]: sets $code, $head, $body.
get() {
	local path=${1#"$url"}
	shift
	code=$(curl -s -m 30 -g -o "$TMP/body" -D "$TMP/head" -w '%{http_code}' \
		-H "Authorization: Bearer ${AS:-$bearer}" "$@" "$url$path")
	head=$(tr -d '\r' <"$TMP/head")
	body=$(cat "$TMP/body")
}
header() { sed -n "s/^$1: //Ip" <<<"$head"; }
j() { jq -r "$1" "$TMP/body"; }
sim() { curl -s -m 30 "$url/_sim/$1" "${@:2}"; }
post() { sim "$1" -X POST -d "$2"; }
# token NAME=VALUE...: asks with these fields; $code and $body.
token() {
	local field args=()
	for field; do args+=(--data-urlencode "$field"); done
	code=$(curl -s -m 30 -o "$TMP/body" -D "$TMP/head" -w '%{http_code}' \
		"${args[@]}" "$url/${IN:-$TENANT}/oauth2/v2.0/token")
	head=$(tr -d '\r' <"$TMP/head")
	body=$(cat "$TMP/body")
}
login() {
	token grant_type=client_credentials client_id=$APP \
		"client_secret=$SECRET" scope=$SCOPE
	bearer=$(j .access_token)
}
# round URL [CURL OPTION...]: all pages of one delta round; rows of all pages
# in $TMP/rows, their counts in $TMP/sizes, the new link in $link.
round() {
	local at=$1
	shift
	: >"$TMP/rows"
	: >"$TMP/sizes"
	link=
	while [ -n "$at" ] && [ "$(wc -l <"$TMP/sizes")" -lt 400 ]; do
		get "$at" "$@"
		[ "$code" = 200 ] || return 1
		jq -c '.value[]' "$TMP/body" >>"$TMP/rows"
		jq '.value | length' "$TMP/body" >>"$TMP/sizes"
		at=$(j '."@odata.nextLink" // ""')
		link=$(j '."@odata.deltaLink" // ""')
	done
	[ -n "$link" ]
}
ids() { jq -r .id "$TMP/rows"; }
# fold FILE: what a client that obeys the rules knows after $TMP/rows: the
# objects, and the edges of each, as sets; FILE holds what it knew before.
fold() {
	[ -s "$1" ] || echo '{}' >"$1"
	jq -cn --slurpfile old "$1" --arg edge "$2@delta" '
		reduce inputs as $r ($old[0];
			if $r["@removed"] then del(.[$r.id])
			else .[$r.id].props = ($r | del(.[$edge])) |
				reduce ($r[$edge] // [])[] as $e (.;
					if $e["@removed"]
					then del(.[$r.id].edges[$e.id])
					else .[$r.id].edges[$e.id] = 1 end) end)
		' "$TMP/rows" >"$1.new" && mv "$1.new" "$1"
}
# truths of the same shape: objects with these properties, and edges
users_known() {
	jq -cS 'to_entries[] | [.key, (.value.props | del(..|nulls)),
		(.value.edges // {} | keys)]' "$1" | LC_ALL=C sort
}
users_truth() {
	sim entra/users | jq -cS --arg p "id,$1" '. as $u | [.id,
		([$p / "," | .[] | {(.): $u[.]}] | add | del(..|nulls)),
		[.manager // empty]]' | LC_ALL=C sort
}
groups_known() {
	jq -cS 'to_entries[] | [.key, .value.props.displayName,
		(.value.edges // {} | keys)]' "$1" | LC_ALL=C sort
}
groups_truth() {
	{ sim entra/groups; sim entra/members; } | jq -cSn '
		reduce inputs as $r ({};
			if $r.groupId then .[$r.groupId].m += [$r.memberId]
			else .[$r.id].n = $r.displayName end) |
		to_entries[] | [.key, .value.n, (.value.m // [] | sort)]' | LC_ALL=C sort
}

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=app \
	-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>"$TMP/openssl.log"
org sim --users 1000 --groups 20 --entra 900 --entra-groups 30 \
	--entra-edges 4000 --entra-cycle --tier unlimited --app-cert "$TMP/cert.pem"

# --- tokens
login
is 'token: 200, members' "$code $(jq -c keys <<<"$body")" \
	'200 ["access_token","expires_in","ext_expires_in","token_type"]'
is 'token: an hour, Bearer' "$(j '[.token_type,.expires_in]|@csv')" '"Bearer",3599'
is 'token: by the name of the tenant, too' "$(IN=orgsim.onmicrosoft.example login; echo "$code")" 200
# denied NAME STATUS ERROR CODE FIELD...
denied() {
	token "${@:5}"
	is "token: $1" "$code $(j '.error') $(j '.error_codes[0]')" "$2 $3 $4"
}
good=("grant_type=client_credentials" "client_id=$APP" "scope=$SCOPE")
denied 'a wrong secret' 401 invalid_client 7000215 "${good[@]}" client_secret=nope
like 'token: errors are described' "$(j .error_description)" \
	'^AADSTS7000215: .* Trace ID: [0-9a-f-]{36} Correlation ID: '
is 'token: members of an error' "$(jq -c keys <<<"$body")" \
	'["correlation_id","error","error_codes","error_description","error_uri","timestamp","trace_id"]'
denied 'no secret' 401 invalid_client 7000216 "${good[@]}"
denied 'another grant' 400 unsupported_grant_type 70003 \
	grant_type=password client_id=$APP scope=$SCOPE
denied 'an unknown app' 400 unauthorized_client 700016 \
	grant_type=client_credentials client_id=x scope=$SCOPE "client_secret=$SECRET"
denied 'no scope' 400 invalid_request 900144 grant_type=client_credentials client_id=$APP
denied 'a scope without .default' 400 invalid_scope 1002012 \
	grant_type=client_credentials client_id=$APP scope=User.Read "client_secret=$SECRET"
denied 'the scope of another cloud' 400 invalid_resource 500011 grant_type=client_credentials \
	client_id=$APP scope=https://graph.microsoft.us/.default "client_secret=$SECRET"
IN=nowhere denied 'an unknown tenant' 400 invalid_request 90002 "${good[@]}" "client_secret=$SECRET"
is 'token: where it is' "$(curl -s "$url/$TENANT/v2.0/.well-known/openid-configuration" |
	jq -r .token_endpoint)" "$url/$TENANT/oauth2/v2.0/token"
# An unescaped + is a blank in a form, as people find out.
code=$(curl -s -o /dev/null -w '%{http_code}' "$url/$TENANT/oauth2/v2.0/token" \
	-d "grant_type=client_credentials&client_id=$APP&scope=$SCOPE&client_secret=$SECRET")
is 'token: a secret has to be escaped' "$code" 401

# --- assertions
b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
# assertion [JQ [HEAD [PADDING]]]: a JWT, its claims and head changed by filters.
jti=0
assertion() {
	local head claims now opts=(-sigopt rsa_pss_saltlen:-1)
	[ "${3:-pss}" = pss ] || opts=()
	now=$(date +%s)
	head=$(jq -nc --arg x "$(openssl x509 -in "$TMP/cert.pem" -outform der |
		openssl dgst -sha256 -binary | b64)" \
		'{alg:"PS256",typ:"JWT","x5t#S256":$x}'" | ${2:-.}" | tr -d '\n' | b64)
	claims=$(jq -nc --arg aud "$url/$TENANT/oauth2/v2.0/token" --arg app $APP \
		--arg jti "jti-$jti" --argjson now "$now" \
		'{aud:$aud,iss:$app,sub:$app,jti:$jti,nbf:$now,iat:$now,exp:($now+300)}'" | ${1:-.}" |
		tr -d '\n' | b64)
	printf '%s.%s.%s' "$head" "$claims" "$(printf '%s.%s' "$head" "$claims" |
		openssl dgst -sha256 -sign "$TMP/key.pem" -binary \
			-sigopt rsa_padding_mode:"${3:-pss}" ${opts[@]+"${opts[@]}"} | b64)"
}
TYPE=client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer
prove() { token "${good[@]}" "$TYPE" "client_assertion=$1"; }
# disproved NAME CODE JQ [HEAD [PADDING]]
disproved() {
	jti=$((jti + 1))
	prove "$(assertion "${@:3}")"
	is "assertion: $1" "$code $(j '.error') $(j '.error_codes[0]')" "401 invalid_client $2"
}
jwt=$(assertion)
prove "$jwt"
is 'assertion: PS256 is good' "$code $(j .token_type)" '200 Bearer'
prove "$jwt"
is 'assertion: once' "$code $(j '.error_codes[0]')" '401 50013'
disproved 'another audience' 700023 '.aud += "/"'
disproved 'another subject' 700021 '.sub = "x"'
disproved 'expired' 700024 '.exp = .iat - 1000'
disproved 'not yet valid' 700024 '.nbf += 1000'
disproved 'no jti' 50027 'del(.jti)'
disproved 'RS256' 5002738 . '.alg = "RS256"'
disproved 'another certificate' 700027 . '."x5t#S256" = "AAAA"'
disproved 'PKCS#1 instead of PSS' 700027 . . pkcs1
prove "${jwt%.*}.AAAA"
is 'assertion: a signature that does not fit' "$code $(j '.error_codes[0]')" '401 700027'
prove nonsense
is 'assertion: not a JWT' "$code $(j '.error_codes[0]')" '401 50027'

# --- who may
login
get '/v1.0/users?$top=1'
is 'graph: 200 with a token' "$code" 200
AS=x.y.z get '/v1.0/users'
is 'graph: 401 without' "$code $(j .error.code)" '401 InvalidAuthenticationToken'
is 'graph: members of an error' "$(jq -c '.error|keys,(.innerError|keys)' <<<"$body" | tr '\n' ' ')" \
	'["code","innerError","message"] ["client-request-id","date","request-id"] '
post entra/expire '{"access":true}' >/dev/null
get '/v1.0/users'
like 'graph: an expired token' "$code $(j .error.message)" '^401 .*expired'
login
get '/v1.0/users?$top=1'
is 'graph: a new one is good' "$code" 200
get '/v1.0/users?$top=1' -H 'client-request-id: my-own-id'
is 'graph: client-request-id comes back' "$(header client-request-id)" my-own-id
like 'graph: request-id' "$(header request-id)" '^[0-9a-f-]{36}$'
like 'graph: Date' "$(header date)" ' GMT$'
get /v1.0/nothing
is 'graph: no such segment' "$code $(j .error.code)" '400 BadRequest'

# --- a first round
PROPS=accountEnabled,department,displayName,employeeId,mail,userPrincipalName,userType
UD="/v1.0/users/delta?\$select=$PROPS,manager"
GD='/v1.0/groups/delta?$select=displayName,members'
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

# --- lists
# walk PATH: every row of a listing, by nextLink.
walk() {
	local at=$1
	: >"$TMP/rows"
	: >"$TMP/sizes"
	while [ -n "$at" ] && [ "$(wc -l <"$TMP/sizes")" -lt 400 ]; do
		get "$at"
		[ "$code" = 200 ] || return 1
		jq -c '.value[]' "$TMP/body" >>"$TMP/rows"
		jq '.value | length' "$TMP/body" >>"$TMP/sizes"
		at=$(j '."@odata.nextLink" // ""')
	done
}
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
walk "/v1.0/groups/${big% *}/members?\$top=99&\$select=id,displayName"
ok 'members: all, with their type' diff <(jq -r '[."@odata.type",.id]|join(" ")' "$TMP/rows" | sort) \
	<(jq -r --arg g "${big% *}" 'select(.groupId == $g)|"#microsoft.graph." + .type + " " + .memberId' "$TMP/members" | sort)
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
batch() {
	code=$(curl -s -m 30 -o "$TMP/body" -w '%{http_code}' -H "Authorization: Bearer $bearer" \
		-H 'Content-Type: application/json' -d "$1" "$url/v1.0/\$batch")
}
batch "{\"requests\":[{\"id\":\"a\",\"method\":\"GET\",\"url\":\"/users/$made?\$select=displayName\"},
	{\"id\":\"b\",\"method\":\"GET\",\"url\":\"/users/none\"},
	{\"id\":\"c\",\"method\":\"GET\",\"url\":\"groups/${big% *}/members?\$top=3&\$select=id\"}]}"
is 'batch: each for itself' "$code $(j '[.responses|sort_by(.id)[]|.status]|join(" ")')" '200 200 404 200'
is 'batch: bodies' "$(j '.responses[]|select(.id == "a").body.displayName')" Ann
ok 'batch: inner pages' jq -e '.responses[]|select(.id == "c").body|."@odata.nextLink" and (.value|length) == 3' "$TMP/body"
get "$(j '.responses[]|select(.id == "c").body."@odata.nextLink"')"
is 'batch: and their next' "$code $(j '.value|length')" '200 3'
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
fault emptynext
get "$UD"
is 'fault: an empty page' "$(j '.value|length')" 0
round "$(j '."@odata.nextLink"')"
is '... and all behind it' "$(ids | sort -u | wc -l)" "$(wc -l <"$TMP/users")"
is 'stats: calls by kind' "$(sim stats | jq -c '[.endpoints[]|select(.path == "/v1.0/$batch" or .path == "/{id}/oauth2/v2.0/token")|.calls > 1]')" '[true,true]'
is 'stats: the tenant' "$(sim stats | jq -c '.entra|[.users,.groups,.edges]')" \
	"[$(wc -l <"$TMP/users"),$(wc -l <"$TMP/groups"),$(wc -l <"$TMP/members")]"
stop sim

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

# --- limits
org tight --users 60 --groups 5 --entra 60 --graph-units 10 --token-life 60 \
	--deny /v1.0/groups:Authorization_RequestDenied
login
is 'token: a short life' "$(j .expires_in)" 60
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
org silent --users 60 --entra 60 --graph-units 1 --entra-quirks silent \
	--app-cert "$TMP/cert.pem" --jti-again
login
jwt=$(assertion)
prove "$jwt"
prove "$jwt"
is 'assertion: again, by option' "$code" 200
get '/v1.0/users'
is 'silent: 429 without Retry-After' "$code $(header retry-after)" '429 '
run "$BUILD/orgsim" --entra-quirks odd
is 'options: an unknown quirk' "$status" 100
run "$BUILD/orgsim" --app-cert /dev/null
is 'options: no certificate' "$status" 100
done_testing
