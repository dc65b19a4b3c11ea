#!/usr/bin/env bash
# orgsim_tls.sh - orgsim behind nghttpx, the way HTTP/2 and TLS are tested:
# its links have to lead back to the front, over https.
. tests/setup.sh

org sim --users 500 --groups 5 --edges 50 --tier unlimited
back=$(cat "$TMP/sim.port")
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
	-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
	-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>"$TMP/openssl.log"

# A port is free until somebody takes it: try a few.
front_up() { curl -s -o /dev/null --cacert "$TMP/cert.pem" "https://localhost:$front/_sim/stats"; }
for _ in 1 2 3 4 5; do
	front=$((20000 + RANDOM % 20000))
	start front nghttpx --no-ocsp --errorlog-file="$TMP/front.err" \
		-f"127.0.0.1,$front" -b"127.0.0.1,$back;;proto=http/1.1" \
		"$TMP/key.pem" "$TMP/cert.pem"
	WAIT_SECONDS=5 wait_for front_up && break
	stop front
done
ok 'the front is up' front_up

get() {
	curl -s -m 20 --http2 --cacert "$TMP/cert.pem" -D "$TMP/head" \
		-H "Authorization: SSWS $TOKEN" "$1" >"$TMP/body"
	tr -d '\r' <"$TMP/head" >"$TMP/head.txt"
}
get "https://localhost:$front/api/v1/users?limit=100"
ok 'HTTP/2' grep -q '^HTTP/2 200' "$TMP/head.txt"
ok 'headers in lower case' grep -q '^x-rate-limit-remaining: ' "$TMP/head.txt"
is 'two link lines' "$(grep -c '^link: ' "$TMP/head.txt")" 2
ok 'links lead to the front' grep -q \
	"^link: <https://localhost:$front/api/v1/users?.*>; rel=\"next\"" "$TMP/head.txt"

: >"$TMP/ids"
next=https://localhost:$front/api/v1/users?limit=100
while [ -n "$next" ]; do
	get "$next"
	jq -r '.[].id' "$TMP/body" >>"$TMP/ids"
	next=$(sed -n 's/^link: <\(.*\)>; rel="next"$/\1/p' "$TMP/head.txt")
done
is 'a whole listing over HTTP/2' "$(sort -u "$TMP/ids" | wc -l)" 475
stop front
stop sim
done_testing
