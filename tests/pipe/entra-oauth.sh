#!/usr/bin/env bash
# entra-oauth.sh - tokens of an OAuth server that we did not write.
#
# npm's oidc-provider checks the client secret, or the PS256 assertion, which
# it takes only once; a token that is used up has to be renewed with another
# one.  The packages go to $BUILD/oauth.
. tests/setup.sh
. tests/entra.sh

install_oauth() {
	mkdir -p "$BUILD/oauth"
	cp tests/oauth/package.json tests/oauth/package-lock.json "$BUILD/oauth/"
	[ "$BUILD/oauth/node_modules/.package-lock.json" -nt tests/oauth/package-lock.json ] ||
		(cd "$BUILD/oauth" && timeout 150 npm ci --no-audit --no-fund --ignore-scripts)
}
if ! install_oauth >"$TMP/npm.log" 2>&1; then
	sed 's/^/# /' "$TMP/npm.log"
	ok "npm installs oidc-provider into $BUILD/oauth" false
	done_testing
fi
cp tests/oauth/server.mjs "$BUILD/oauth/"

openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=idmesh -days 30 \
	-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>"$TMP/openssl.log"
start oauth node "$BUILD/oauth/server.mjs" "$TMP/oauth.port" "$TMP/cert.pem"
wait_for test -s "$TMP/oauth.port" || {
	sed 's/^/# /' "$TMP/oauth.log"
	echo 'Bail out! no OAuth server'
	exit 1
}
url=http://127.0.0.1:$(cat "$TMP/oauth.port")
users='.ConfigJson += {TenantId: "contoso", ImportGroups: false,
	ImportMemberships: false}'
events() { grep '^{' "$TMP/oauth.out" | jq -cs "$1"; }

# --- client_secret_post -----------------------------------------------------
export IDMESH_SECRET_ENTRA_CONTOSO_SECRET='s3cret+/=&~'
entra_file "$TMP/secret.json" "$users"' | .AuthJson.ClientId = "app-secret"'
run "$IDMESH" fetch "$TMP/secret.json"
is 'an import with a client secret ends well' "$status" 0
is 'everything is there' "$(jq -r 'select(.kind == "page") | .records[].id' \
	<<<"$out" | xargs)" 'user-0 user-1 user-2 user-3 user-4 user-5'
is 'links that name another host lead to ours' "$(jq -r \
	'select(.kind == "end") | .watermark | split(" ")[1]' <<<"$out")" \
	'/v1.0/users/delta?$deltatoken=end'
is 'a token that is refused is renewed' \
	"$(events 'map(select(.event == "token")) | map(.status)')" '[200,200,200]'
run env IDMESH_SECRET_ENTRA_CONTOSO_SECRET=wrong \
	"$IDMESH" fetch "$TMP/secret.json"
is 'a wrong secret: 100' "$status" 100
like 'a wrong secret: the OAuth error' "$err" 'invalid_client.*ClientSecret right'

# --- private_key_jwt ---------------------------------------------------------
: >"$TMP/oauth.out"
mkdir -p -m 700 "$TMP/secrets/entra/contoso"
export IDMESH_SECRETS_DIR=$TMP/secrets
for name in key cert; do
	"$IDMESH" secret set "secret://entra/contoso/$name" \
		<"$TMP/$name.pem" >"$TMP/set.log" 2>&1
done
entra_file "$TMP/cert.json" "$users"' | .AuthJson = {Mode: "Certificate",
	ClientId: "app-cert", Certificate: "secret://entra/contoso/cert",
	PrivateKey: "secret://entra/contoso/key"}'
run "$IDMESH" fetch "$TMP/cert.json"
is 'an import with a certificate ends well' "$status" 0
is 'everything is there' "$(jq -r 'select(.kind == "page") | .records[].id' \
	<<<"$out" | xargs)" 'user-0 user-1 user-2 user-3 user-4 user-5'
is 'each renewal has an assertion of its own' \
	"$(events 'map(select(.event == "token")) |
		[length, (map(.jti) | unique | length), (map(.status) | unique)]')" \
	'[3,3,[200]]'
is 'the assertions are as Entra wants them' \
	"$(events 'map(select(.event == "token")) | map([.alg, .exact]) | unique')" \
	'[["PS256",true]]'
entra_file "$TMP/rs256.json" "$users"' | .AuthJson = {
	Mode: "Certificate", ClientId: "app-cert", Algorithm: "RS256",
	Certificate: "secret://entra/contoso/cert",
	PrivateKey: "secret://entra/contoso/key"}'
run "$IDMESH" fetch test "$TMP/rs256.json"
is 'this app takes no RS256: 100' "$status" 100
like 'RS256 is what was sent' "$(tail -n 1 "$TMP/oauth.out")" '"alg":"RS256"'

done_testing
