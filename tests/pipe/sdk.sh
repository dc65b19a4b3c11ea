#!/usr/bin/env bash
# sdk.sh - Okta's own Node SDK against orgsim: a client that we did not write
# finds in it what it expects of Okta.  The packages go to $BUILD/sdk.
. tests/setup.sh

install_sdk() {
	mkdir -p "$BUILD/sdk"
	cp tests/sdk/package.json tests/sdk/package-lock.json "$BUILD/sdk/"
	[ "$BUILD/sdk/node_modules/.package-lock.json" -nt tests/sdk/package-lock.json ] ||
		(cd "$BUILD/sdk" && timeout 150 npm ci --no-audit --no-fund --ignore-scripts)
}
if ! install_sdk >"$TMP/npm.log" 2>&1; then
	sed 's/^/# /' "$TMP/npm.log"
	ok "npm installs the SDK into $BUILD/sdk" false
	done_testing
fi
cp tests/sdk/run.mjs "$BUILD/sdk/"

org open --users 200 --groups 15 --edges 600 --tier unlimited
open=$url
org tight --users 80 --groups 3 --edges 40 --limit /api/v1/users=3 --window 2
cd "$BUILD/sdk" || exit 1
ORGSIM_URL=$open ORGSIM_TIGHT_URL=$url ORGSIM_TOKEN=$TOKEN \
	timeout 100 node run.mjs
