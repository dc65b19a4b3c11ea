#!/usr/bin/env bash
# `fetch test`, `secret`, TLS, and every wrong way to call fetch: what is
# said, how it ends, and that no secret is ever shown.
. tests/setup.sh

org okta --users 400 --groups 10 --tier unlimited
source_file "$TMP/okta.json"
back=${url##*:}

run "$IDMESH" fetch test "$TMP/okta.json"
is 'fetch test: works' "$status" 0
like 'fetch test: says whose token it is, and where' "$out" \
	"okta:contoso: the token of .+@.+ \\(.+\\) works at $url"

# A role that may not see its own user.
org me --users 10 --groups 1 --tier unlimited --deny /api/v1/users/me:E0000006
source_file "$TMP/me.json"
run "$IDMESH" fetch test "$TMP/me.json"
is 'fetch test: a role without users/me works too' "$status" 0
like 'fetch test: says that it does not know whose' "$out" 'not say whose'
org nothing --users 10 --groups 1 --deny /api/v1/users:E0000006
source_file "$TMP/nothing.json"
run "$IDMESH" fetch test "$TMP/nothing.json"
is 'fetch test: a role that may nothing' "$status" 100
like 'fetch test: says what is missing' "$err" 'E0000006.*administrator'

run env IDMESH_SECRET_OKTA_CONTOSO_APITOKEN=00nope \
	"$IDMESH" fetch test "$TMP/okta.json"
is 'fetch test: a wrong token' "$status" 100
like 'fetch test: what to do about it' "$err" 'E0000011.*secret set'
unlike 'fetch test: the wrong token is not shown' "$out$err" 00nope
run env -u IDMESH_SECRET_OKTA_CONTOSO_APITOKEN \
	"$IDMESH" fetch test "$TMP/okta.json"
is 'fetch test: no secret' "$status" 100
like 'fetch test: where it was looked for' "$err" \
	'IDMESH_SECRET_OKTA_CONTOSO_APITOKEN'
url=http://127.0.0.1:1
source_file "$TMP/nobody.json"
run "$IDMESH" fetch test "$TMP/nobody.json"
is 'fetch test: nobody there' "$status" 111
like 'fetch test: what to look at' "$err" 'proxy'
url=https://no-such-host.invalid
source_file "$TMP/name.json"
run "$IDMESH" fetch test "$TMP/name.json"
is 'fetch test: no such host' "$status" 111
like 'fetch test: what to look at' "$err" 'OrgDomain'
run "$IDMESH" fetch test
is 'fetch test: without a file' "$status" 100

# Another server: an answer that is none of Okta's, and one that redirects.
node - "$TMP/odd.port" >"$TMP/odd.seen" 2>&1 <<'JS' &
const http = require('http'), fs = require('fs');
const s = http.createServer((q, r) => {
	console.log(JSON.stringify(q.headers));
	if (q.headers.host.startsWith('localhost')) {
		r.writeHead(302, { Location: 'https://elsewhere.example/x' });
		r.end();
	} else {
		r.writeHead(404, { 'Content-Type': 'application/json' });
		r.end('{"status":404,"message":"Resource not found"}');
	}
});
s.listen(0, '127.0.0.1', () =>
	fs.writeFileSync(process.argv[2], String(s.address().port)));
JS
started+=($!)
wait_for test -s "$TMP/odd.port"
url=http://127.0.0.1:$(cat "$TMP/odd.port")
source_file "$TMP/odd.json"
run "$IDMESH" fetch test "$TMP/odd.json"
is 'a gateway that knows no such API: configuration' "$status" 100
like 'a gateway that knows no such API: says so' "$err" 'OrgDomain right'
run "$IDMESH" fetch "$TMP/odd.json"
is 'the same in a run' "$status" 100
url=http://localhost:$(cat "$TMP/odd.port")
source_file "$TMP/away.json"
run "$IDMESH" fetch test "$TMP/away.json"
is 'a redirect is not followed' "$status" 100
like 'a redirect: names the other host' "$err" 'elsewhere.example'
like 'the API is asked as it should be' "$(cat "$TMP/odd.seen")" \
	'omitCredentials,omitCredentialsLinks,omitTransitioningToStatus'

# HTTP/2 and TLS, with a CA of our own.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
	-subj /CN=localhost -addext subjectAltName=DNS:localhost \
	-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>"$TMP/openssl.log"
front_up() {
	curl -s -o "$TMP/up" --cacert "$TMP/cert.pem" \
		"https://localhost:$front/_sim/stats"
}
for _ in 1 2 3 4 5; do
	front=$((20000 + RANDOM % 20000))
	start front nghttpx --no-ocsp --errorlog-file="$TMP/front.err" \
		--accesslog-file="$TMP/front.access" \
		--accesslog-format='$alpn $request' \
		-f"127.0.0.1,$front" -b"127.0.0.1,$back;;proto=http/1.1" \
		"$TMP/key.pem" "$TMP/cert.pem"
	WAIT_SECONDS=5 wait_for front_up && break
	stop front
done
url=https://localhost:$front
source_file "$TMP/tls.json"
run "$IDMESH" fetch test "$TMP/tls.json"
is 'TLS: an unknown certificate is refused' "$status" 100
like 'TLS: and what to do about it' "$err" 'certificate.*CURL_CA_BUNDLE'
: >"$TMP/front.access"
for variable in CURL_CA_BUNDLE SSL_CERT_FILE; do
	run env -u CURL_CA_BUNDLE "$variable=$TMP/cert.pem" \
		"$IDMESH" fetch "$TMP/tls.json"
	is "TLS: a whole import with $variable" "$status" 0
	is "TLS: with $variable all users are there" \
		"$(printf '%s\n' "$out" | jq -r 'select(.stream == "User" and
			.kind == "page") | .records[].id' | sort -u | wc -l)" 400
done
is 'TLS: everything went over HTTP/2' \
	"$(grep -c . "$TMP/front.access")" "$(grep -c ^h2 "$TMP/front.access")"
run env CURL_CA_BUNDLE="$TMP/none.pem" "$IDMESH" fetch test "$TMP/tls.json"
is 'TLS: a CA file that is not there' "$status" 100
url=https://127.0.0.1:$front
source_file "$TMP/host.json"
run env CURL_CA_BUNDLE="$TMP/cert.pem" "$IDMESH" fetch test "$TMP/host.json"
is 'TLS: a certificate of another name' "$status" 100

# Rate limits: never a 429, and the budget is used.
org tight --users 3000 --groups 4 --edges 20 --limit /api/v1/users=8 --window 2
source_file "$TMP/tight.json"
run "$IDMESH" fetch "$TMP/tight.json"
is 'a tight limit: done' "$status" 0
is 'a tight limit: no 429' "$(curl -sS "$url/_sim/stats" | jq .limited)" 0
like 'a tight limit: the summary says that it waited' "$err" \
	'bucket /api/v1/users: 16 calls, limit 8, 0 x 429.*waited [1-9]'

# Secrets.
export IDMESH_SECRETS_DIR=$TMP/secrets
printf '%s' "$TOKEN" >"$TMP/value"
run "$IDMESH" secret set okta/contoso/other <"$TMP/value"
is 'secret set' "$status" 0
is 'secret set: says where it is now' "$out" \
	"file $TMP/secrets/okta/contoso/other"
is 'secret set: for you alone' \
	"$(stat -c %a "$TMP/secrets/okta/contoso/other")" 600
run "$IDMESH" secret which secret://okta/contoso/apitoken
is 'secret which' "$out" \
	'environment variable IDMESH_SECRET_OKTA_CONTOSO_APITOKEN'
run "$IDMESH" secret which okta/none/such
is 'secret which: nowhere' "$status" 100
run "$IDMESH" secret set 'okta/../../etc/x' <"$TMP/value"
is 'secret set: a name that is a path' "$status" 100
run "$IDMESH" secret show okta/contoso/apitoken
is 'secret: nothing shows one' "$status" 100
url=http://127.0.0.1:$back
source_file "$TMP/file.json" \
	'.AuthJson.ApiKey = "secret://okta/contoso/other"'
run "$IDMESH" fetch test "$TMP/file.json"
is 'a secret in a file works' "$status" 0

# Every wrong way to call it.
wrong() {
	local name=$1 want=$2
	shift 2
	run "$IDMESH" fetch "$@"
	is "wrong: $name" "$status" "${code:-100}"
	like "wrong: $name, says what" "$err" "$want"
	is "wrong: $name, writes nothing" "$out" ''
}
state() {
	printf '{"v":1,"kind":"state","source":"%s","run":1,"epoch":1,%s}\n' \
		"$1" "$2"
}
f=$TMP/okta.json
state okta:contoso '"streams":{"User":{"mode":"delta","seq":0}}' >"$TMP/s1"
state okta:contoso '"streams":{"User":{"mode":"delta","since":"now"}}' \
	>"$TMP/s2"
state okta:other '"streams":{}' >"$TMP/s3"
printf '{"v":1,"kind":"state"' >"$TMP/s4"
printf '{"v":2,"kind":"state","source":"okta:contoso"}\n' >"$TMP/s5"
: >"$TMP/s6"
jq '.name = "b" | .ConfigJson.BaseUrl = "http://127.0.0.1:2"' "$f" \
	>"$TMP/two.json"
echo '{}' >"$TMP/scope"
wrong 'no source' 'operand is missing'
wrong 'no such file' "$TMP/none.json.*No such file" "$TMP/none.json"
wrong 'a mode that is none' 'auto, full or delta' --mode now "$f"
wrong 'delta without a watermark' 'needs a watermark' --mode delta "$f"
wrong 'mode and resume' 'exclude each other' --mode full --resume "$f" "$f"
wrong 'jobs alone' 'given together' --jobs ipc://x "$f"
wrong 'commit alone' 'given together' --commit ipc://x "$f"
wrong 'resume and commit' 'for pipes' --resume "$TMP/s1" --jobs ipc://x \
	--commit ipc://y "$f"
wrong 'a stream that is none' 'no Grup; did you mean Group' \
	--streams User,Grup "$f"
wrong 'two tenants' 'another tenant' "$f" "$TMP/two.json"
wrong 'one name twice' 'both named okta:contoso' "$f" "$f"
wrong 'a state that is not there' 'cannot read' --resume "$TMP/none" "$f"
wrong 'a delta without since' 'run a full import first' --resume "$TMP/s1" "$f"
wrong 'a watermark that is no time' 'RFC 3339' --resume "$TMP/s2" "$f"
wrong 'a state of another source' 'okta:other' --resume "$TMP/s3" "$f"
code=111 wrong 'a torn state' 'whole line' --resume "$TMP/s4" "$f"
wrong 'a state of another version' 'version 2' --resume "$TMP/s5" "$f"
code=111 wrong 'an empty state' 'is empty: did what writes it fail' --resume "$TMP/s6" "$f"
wrong 'a scope that is none' 'transform describe' --scope "$TMP/scope" "$f"
wrong 'a log that cannot be written' 'request log' --request-log /none/x "$f"
wrong 'a verb that is none' "did you mean 'idmesh fetch forecast'" forcast "$f"
wrong 'an option that is none' 'did you mean --mode' --mod full "$f"

unlike 'the token is in no output' "$(cat "$TMP"/*.log "$TMP"/run.*)" "$TOKEN"

done_testing
