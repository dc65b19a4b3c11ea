#!/usr/bin/env bash
# entra-auth.sh - signing in to Entra: what is wrong is said, nothing shows.
#
# Source files, client secrets, certificates and permissions against orgsim;
# tests/oauth has an OAuth server that we did not write.
. tests/setup.sh
. tests/entra.sh

# wrong NAME REGEX JQ: a source file that is refused, and how.
wrong() {
	entra_file "$TMP/wrong.json" "$3"
	run "$IDMESH" fetch test "$TMP/wrong.json"
	is "$1: 100" "$status" 100
	like "$1: says so" "$err" "$2"
}

# A key and a certificate of it, as an app registration has them.
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=idmesh -days 30 \
	-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>"$TMP/openssl.log"
tenant sim --entra 40 --app-cert "$TMP/cert.pem"
entra_file "$TMP/entra.json"

# --- files --------------------------------------------------------------------
wrong 'a cloud that is none' ':[0-9]+: Cloud: .*mean "global"' '.ConfigJson.Cloud = "globl"'
wrong 'no tenant' 'TenantId is missing' 'del(.ConfigJson.TenantId)'
wrong 'a tenant that is none' 'TenantId: .*GUID' '.ConfigJson.TenantId = "a/b"'
wrong 'a key of Okta' 'no key "OrgDomain"' '.ConfigJson.OrgDomain = "a.okta.com"'
wrong 'a mistyped key' 'mean "ImportUsers"' '.ConfigJson.ImportUser = true'
wrong 'nothing to import' 'nothing is to be imported' '.ConfigJson += {
	ImportUsers: false, ImportGroups: false, ImportMemberships: false}'
wrong 'a way to sign in that is none' 'Mode: .*mean "ClientSecret"' \
	'.AuthJson.Mode = "ClientSecrt"'
wrong 'a secret in the file' 'ClientSecret: .*secret://' \
	'.AuthJson.ClientSecret = "abc~Secret-value"'
unlike 'a secret in the file is not repeated' "$err" 'abc~Secret'
wrong 'a certificate without its key' 'PrivateKey is missing' \
	'.AuthJson = {Mode: "Certificate", ClientId: "a",
		Certificate: "secret://entra/contoso/cert"}'
wrong 'a certificate and a secret' 'no key "ClientSecret"' \
	'.AuthJson += {Mode: "Certificate",
		Certificate: "secret://entra/contoso/cert",
		PrivateKey: "secret://entra/contoso/key"}'
wrong 'plain http to somewhere' 'AuthorityUrl: .*loopback' \
	'.ConfigJson.AuthorityUrl = "http://login.example"'

# --- a secret -----------------------------------------------------------------
run "$IDMESH" fetch test "$TMP/entra.json"
is 'fetch test with a secret works' "$status" 0
like 'and says for whom' "$out" "application $APP works at $url"
run env IDMESH_SECRET_ENTRA_CONTOSO_SECRET=wrong~one \
	"$IDMESH" fetch test "$TMP/entra.json"
is 'a wrong secret: 100' "$status" 100
like 'a wrong secret: Entra'\''s word and what to do' "$err" \
	'invalid_client, AADSTS7000215.*secret set'
unlike 'a wrong secret is not shown' "$out$err" 'wrong~one'
run env -u IDMESH_SECRET_ENTRA_CONTOSO_SECRET \
	"$IDMESH" fetch test "$TMP/entra.json"
is 'no secret: 100' "$status" 100
entra_file "$TMP/other.json" '.AuthJson.ClientId = "another"'
run "$IDMESH" fetch test "$TMP/other.json"
like 'an app that the tenant does not know' "$err" 'AADSTS700016.*ClientId'
entra_file "$TMP/other.json" '.ConfigJson.TenantId = "nobody.example"'
run "$IDMESH" fetch test "$TMP/other.json"
like 'a tenant that there is not' "$err" 'AADSTS90002.*TenantId'
entra_file "$TMP/other.json" '.ConfigJson.Cloud = "china"'
run "$IDMESH" fetch test "$TMP/other.json"
is 'a token of another cloud: 100' "$status" 100
like 'a token of another cloud: says so' "$err" 'AADSTS500011.*Cloud right'
curl -s -X POST "$url/_sim/entra/secret" -d '{"revoke": true}' >/dev/null
run "$IDMESH" fetch test "$TMP/entra.json"
like 'a secret that has expired' "$err" 'AADSTS7000222.*has expired'

# --- a certificate --------------------------------------------------------------
mkdir -p -m 700 "$TMP/secrets/entra/contoso"
export IDMESH_SECRETS_DIR=$TMP/secrets
for name in key cert; do
	"$IDMESH" secret set "secret://entra/contoso/$name" \
		<"$TMP/$name.pem" >"$TMP/set.log" 2>&1
done
certificate='.AuthJson = {Mode: "Certificate", ClientId: .AuthJson.ClientId,
	Certificate: "secret://entra/contoso/cert",
	PrivateKey: "secret://entra/contoso/key"}'
entra_file "$TMP/cert.json" "$certificate"
run "$IDMESH" fetch test "$TMP/cert.json"
is 'fetch test with a certificate works' "$status" 0
entra_pipeline "$TMP/cert.json" "$TMP/a.db" "sqlite:$TMP/mesh.db"
is 'an import with a certificate ends well' "$pipe_status" '0 0 0 0'
# An assertion that is sent a second time is refused here.
curl -s -X POST "$url/_sim/entra/expire" -d '{"access": true}' >/dev/null
entra_pipeline "$TMP/cert.json" "$TMP/a.db" "sqlite:$TMP/mesh.db"
is 'and so does the next one' "$pipe_status" '0 0 0 0'

openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other -days 30 \
	-keyout "$TMP/other.key" -out "$TMP/other.crt" 2>"$TMP/openssl.log"
"$IDMESH" secret set secret://entra/contoso/otherkey <"$TMP/other.key" >"$TMP/set.log"
"$IDMESH" secret set secret://entra/contoso/othercert <"$TMP/other.crt" >"$TMP/set.log"
entra_file "$TMP/pair.json" "$certificate"' |
	.AuthJson.PrivateKey = "secret://entra/contoso/otherkey"'
run "$IDMESH" fetch test "$TMP/pair.json"
is 'a key of another certificate: 100' "$status" 100
like 'a key of another certificate: says so' "$err" 'not that of the certificate'
entra_file "$TMP/pair.json" "$certificate"' |
	.AuthJson.PrivateKey = "secret://entra/contoso/otherkey" |
	.AuthJson.Certificate = "secret://entra/contoso/othercert"'
run "$IDMESH" fetch test "$TMP/pair.json"
is 'a certificate that the app has not: 100' "$status" 100
like 'a certificate that the app has not: says so' "$err" 'AADSTS700027'
entra_file "$TMP/pair.json" "$certificate"' |
	.AuthJson.PrivateKey = "secret://entra/contoso/cert"'
run "$IDMESH" fetch test "$TMP/pair.json"
like 'a certificate for a key' "$err" 'no unencrypted key in PEM'
entra_file "$TMP/pair.json" '.AuthJson.ClientSecret = "secret://entra/contoso/key"'
run "$IDMESH" fetch test "$TMP/pair.json"
is 'a key for a token: 100' "$status" 100
unlike 'no part of a key is ever shown' "$(cat "$TMP"/*.log "$TMP/requests")$err" \
	"$(sed -n 5p "$TMP/key.pem" | cut -c1-24 | sed 's/[+]/./g')"

# --- permissions ------------------------------------------------------------------
tenant denied --entra 40 --deny /v1.0/groups:Authorization_RequestDenied
entra_file "$TMP/denied.json"
run "$IDMESH" fetch test "$TMP/denied.json"
is 'permissions that are missing: 100' "$status" 100
like 'permissions that are missing: which' "$err" 'permission Group.Read.All'
like 'permissions that are missing: all of them' "$err" 'GroupMember.Read.All'
entra_pipeline "$TMP/denied.json" "$TMP/d.db" "sqlite:$TMP/denied-mesh.db"
like 'an import leaves out what it may not read' "$pipe_status" '^1 0 [01] 0'
like 'and names the permission' "$(cat "$TMP/fetch.log")" \
	'Group: skipped: .*permission Group.Read.All'
is 'what may be read is there' \
	"$(sqlite3 "$TMP/denied-mesh.db" 'select count(*) from User')" \
	"$(curl -s "$url/_sim/entra/users" | jq -s 'map(select(.deletedDateTime == null)) | length')"

# --- what there is not for Entra -----------------------------------------------------
run "$IDMESH" fetch forecast "$TMP/entra.json"
is 'a forecast: 100' "$status" 100
like 'a forecast: says that there is none' "$err" 'no forecast for an Entra tenant'
"$IDMESH" fetch report "$TMP/requests" >"$TMP/report" 2>&1
like 'a report of the requests' "$(cat "$TMP/report")" '/v1.0/users/delta'

done_testing
