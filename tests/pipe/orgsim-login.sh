#!/usr/bin/env bash
# orgsim-login.sh - the token endpoint of the simulated tenant, and what Graph
# makes of the tokens.
. tests/setup.sh
. tests/graph.sh

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=app \
	-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>"$TMP/openssl.log"
org sim --users 20 --entra 20 --tier unlimited --app-cert "$TMP/cert.pem"

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
post fault '[{"match":"/'$TENANT'/","kind":"429","retryAfter":5}]' >/dev/null
login
is 'token: 429 by a fault' "$code $(header retry-after)" '429 5'

# --- the secret
login
post entra/secret '{"revoke":true}' >/dev/null
denied 'a secret that has expired' 401 invalid_client 7000222 "${good[@]}" "client_secret=$SECRET"
get '/v1.0/users?$top=1'
is 'secret: tokens outlive it' "$code" 200
post entra/secret '{"secret":"another"}' >/dev/null
denied 'a secret that was replaced' 401 invalid_client 7000215 "${good[@]}" "client_secret=$SECRET"
token "${good[@]}" client_secret=another
is 'secret: the new one' "$code" 200
stop sim

# --- options
org again --users 20 --entra 20 --token-life 1 --app-cert "$TMP/cert.pem" --jti-again
jwt=$(assertion)
prove "$jwt"
prove "$jwt"
is 'assertion: again, by option' "$code" 200
is 'token: a short life' "$(j .expires_in)" 1
bearer=$(j .access_token)
too_old() {
	get /v1.0/users
	[ "$code" = 401 ]
}
ok 'token: it ends' wait_for too_old
stop again
run "$BUILD/orgsim" --app-cert /dev/null
is 'options: no certificate' "$status" 100
done_testing
