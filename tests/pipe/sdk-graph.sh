#!/usr/bin/env bash
# sdk-graph.sh - Microsoft's own Node clients (msal-node, the Graph client)
# against orgsim: clients that we did not write find in it what they expect
# of Entra.  They insist on TLS, so nghttpx stands in front.  The packages go
# to $BUILD/sdk-graph.
. tests/setup.sh

install_sdk() {
	mkdir -p "$BUILD/sdk-graph"
	cp tests/sdk/graph/package.json tests/sdk/graph/package-lock.json "$BUILD/sdk-graph/"
	[ "$BUILD/sdk-graph/node_modules/.package-lock.json" -nt tests/sdk/graph/package-lock.json ] ||
		(cd "$BUILD/sdk-graph" && timeout 150 npm ci --no-audit --no-fund --ignore-scripts)
}
if ! install_sdk >"$TMP/npm.log" 2>&1; then
	sed 's/^/# /' "$TMP/npm.log"
	ok "npm installs the clients into $BUILD/sdk-graph" false
	done_testing
fi
cp tests/sdk/graph/run.mjs "$BUILD/sdk-graph/"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
	-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
	-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>"$TMP/openssl.log"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=app \
	-keyout "$TMP/app.key" -out "$TMP/app.pem" 2>>"$TMP/openssl.log"
org sim --users 300 --groups 5 --entra 350 --entra-groups 15 --entra-edges 1500 \
	--entra-slice 100 --tier unlimited --app-cert "$TMP/app.pem" --jti-again
back=$(cat "$TMP/sim.port")

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

cd "$BUILD/sdk-graph" || exit 1
GRAPH_URL=https://localhost:$front GRAPH_CERT=$TMP/app.pem GRAPH_KEY=$TMP/app.key \
	NODE_EXTRA_CA_CERTS=$TMP/cert.pem timeout 100 node run.mjs
