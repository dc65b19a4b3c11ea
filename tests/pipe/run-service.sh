#!/usr/bin/env bash
# run-service.sh - `idmesh run` under a service manager: what it is told, what
# SIGHUP, SIGUSR1 and SIGUSR2 do, and who sees where the secrets are.
. tests/setup.sh

# Slow enough that a round is seen while it runs.
org sim --users 800 --groups 20 --edges 800 --tier unlimited --latency 100
source_file "$TMP/okta.json"
mkdir "$TMP/rules" "$TMP/credentials"
cp "$ROOT"/rules/*.lua "$TMP/rules/"
printf %s "$TOKEN" >"$TMP/credentials/okta.contoso.apitoken"
chmod 600 "$TMP/credentials/okta.contoso.apitoken"
jq -n '{sources: ["okta.json"], rules: "rules", state: "state.db",
	sinks: ["sqlite:mesh.db"], workers: 1}' >"$TMP/run.json"

told() { grep -Eq -- "$1" "$TMP/manager.out"; }
logged() { grep -Eq -- "$1" "$TMP/set.log"; }
child_of() { pgrep -P "$(cat "$TMP/set.pid")" -f "idmesh-$1" | head -n 1; }
# The number of the first line of what the manager heard that is so.
line_of() { grep -nE -m 1 -- "$1" "$TMP/manager.out" | cut -d : -f 1; }

manager=@idmesh-test-$$
start manager "$BUILD/tools/manager" $manager
wait_for told listening || echo 'Bail out! no manager'
export IDMESH_PROGRESS_MS=200
start set env -u IDMESH_SECRET_OKTA_CONTOSO_APITOKEN \
	CREDENTIALS_DIRECTORY="$TMP/credentials" NOTIFY_SOCKET=$manager \
	WATCHDOG_USEC=400000 "$IDMESH" run "$TMP/run.json" --every 3s

# --- who sees what, while the first round runs --------------------------------
wait_for child_of fetch
sees() { tr '\0' '\n' <"/proc/$(child_of "$1")/environ" | grep -c "^$2="; }
is 'fetch sees where the secrets are' "$(sees fetch CREDENTIALS_DIRECTORY)" 1
for name in transform join sink; do
	is "$name does not" "$(sees $name CREDENTIALS_DIRECTORY)" 0
	is "$name cannot speak to the manager" "$(sees $name NOTIFY_SOCKET)" 0
done
is 'fetch cannot speak to the manager' "$(sees fetch NOTIFY_SOCKET)" 0

# --- READY and STATUS ---------------------------------------------------------
ok 'it says that it is ready' wait_for told '^READY=1$'
ok 'and how far it is' wait_for told \
	'^STATUS=okta:contoso User [0-9,]+.*; GroupMember [0-9,]+ of about 800 '
ok 'and that it lives' wait_for told '^WATCHDOG=1$'
ok 'and when it goes on' wait_for told '^STATUS=idle; .* at [0-9]+:[0-9]+:[0-9]+$'
ok 'a line of progress is in the log' logged \
	'^idmesh-run: okta:contoso User [0-9,]+'
is 'every user is there' "$(sqlite3 "$TMP/mesh.db" \
	'select count(*) from "User"')" \
	"$(curl -s "$url/_sim/users" | grep -vc '"status":"DEPROVISIONED"')"

# --- SIGUSR1, SIGUSR2 ---------------------------------------------------------
: >"$TMP/set.log"
kill -USR2 "$(cat "$TMP/set.pid")"
kill -USR1 "$(cat "$TMP/set.pid")"
ok 'SIGUSR1 writes where it is' wait_for logged \
	'^idmesh-run: (idle; the next round begins at|okta:contoso User)'

# --- SIGHUP -------------------------------------------------------------------
ready() { [ "$(grep -c '^READY=1$' "$TMP/manager.out")" -ge "$1" ]; }
echo 'map "okta.User" { login = nope("x") }' >"$TMP/rules/okta.lua"
kill -HUP "$(cat "$TMP/set.pid")"
ok 'broken rules are refused' wait_for logged 'goes on with the rules that it has'
like 'with their place' "$(cat "$TMP/set.log")" 'okta\.lua:1: '
ok 'and it is said when it began' wait_for told \
	'^RELOADING=1\|MONOTONIC_USEC=[0-9]+$'
ok 'and that it stands again' wait_for ready 2
sed 's/^\( *\)login  *= .*/\1login = upper("profile.login"),/' \
	"$ROOT/rules/okta.lua" >"$TMP/rules/okta.lua"
kill -HUP "$(cat "$TMP/set.pid")"
ok 'right ones are loaded' wait_for logged 'the rules are loaded again'
ok 'by join' wait_for logged '^idmesh-join: rules '
curl -s -X POST "$url/_sim/mutate" -d '{"change": 5}' >/dev/null
upper() {
	[ "$(sqlite3 "$TMP/mesh.db" 'select count(*) from "User"
		where login = upper(login)')" -ge 5 ]
}
ok 'and what comes next is mapped by them' wait_for upper

# --- the end ------------------------------------------------------------------
stop set
is 'SIGTERM ends it well' "$status" 0
ok 'and it says that it stops' wait_for told '^STOPPING=1$'
is 'in this order' "$(for l in '^READY=1$' '^STATUS=idle' '^RELOADING=1' \
	'^STOPPING=1$'; do line_of "$l"; done | sort -cn 2>&1 && echo yes)" yes
unlike 'nothing is ready behind the end' \
	"$(sed '1,/^STOPPING=1$/d' "$TMP/manager.out")" READY

# --- a path instead of an abstract name, and nobody there ----------------------
start other "$BUILD/tools/manager" "$TMP/notify"
heard() { grep -q "$1" "$TMP/other.out"; }
wait_for heard listening
NOTIFY_SOCKET=$TMP/notify run "$IDMESH" run "$TMP/run.json"
is 'one round, with a path' "$status:$(grep -c '^READY=1$' "$TMP/other.out")" 0:1
NOTIFY_SOCKET=$TMP/nobody run "$IDMESH" run "$TMP/run.json"
is 'a manager that is gone is no reason to fail' "$status" 0

# --- a tenant that is refused from the start does not hold READY up -------------
source_file "$TMP/other.json" '.name = "other" |
	.ConfigJson.OrgDomain = "other.okta.com" |
	.ConfigJson.BaseUrl = "http://127.0.0.1:9" |
	.AuthJson.ApiKey = "secret://okta/other/nothing"'
jq '.sources += ["other.json"]' "$TMP/run.json" >"$TMP/two.json"
: >"$TMP/other.out"
start two env NOTIFY_SOCKET="$TMP/notify" "$IDMESH" run "$TMP/two.json" --every 1h
ok 'the set is ready while one of its tenants is out' wait_for heard '^READY=1$'
like 'which STATUS says' "$(cat "$TMP/other.out")" '^STATUS=.*okta:other is out for 1 round'
stop two

done_testing
