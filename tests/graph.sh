# graph.sh - a client of Graph for the tests of orgsim: `. tests/graph.sh`
# behind setup.sh.  It obeys the rules of Microsoft's documentation, so what
# it knows in the end can be compared with the truth of /_sim/entra/.
# shellcheck shell=bash disable=SC2034 # used by the tests
# Functions: get, header, j, sim, post, token, login, prove, assertion, round,
# walk, ids, batch, fold, users_known, users_truth, groups_known, groups_truth.

TENANT=5f2b6c1e-0d47-4a9b-8e31-c7a4d90b6e12
APP=9d1e7b54-3a2f-4c60-8f77-2b6a51c0e8d3
SECRET='sim~secret+/='
SCOPE=https://graph.microsoft.com/.default
PROPS=accountEnabled,department,displayName,employeeId,mail,userPrincipalName,userType
UD="/v1.0/users/delta?\$select=$PROPS,manager"
GD='/v1.0/groups/delta?$select=displayName,members'
good=("grant_type=client_credentials" "client_id=$APP" "scope=$SCOPE")

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
batch() {
	code=$(curl -s -m 30 -o "$TMP/body" -w '%{http_code}' -H "Authorization: Bearer $bearer" \
		-H 'Content-Type: application/json' -d "$1" "$url/v1.0/\$batch")
}

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
