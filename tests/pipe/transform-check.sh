#!/usr/bin/env bash
# transform-check.sh - the subcommands and the command line of transform, and
# rules that change while it runs.
. tests/setup.sh

mkdir "$TMP/rules"
cat >"$TMP/rules/okta.lua" <<'LUA'
map "okta.User" {
  ExternalId = "id",
  login      = "profile.login",
  shout      = function(u) return u.profile.login .. "!" end,
}
scope "okta.User" { search = [[status eq "ACTIVE"]] }
LUA

# --- check and describe
run "$IDMESH" transform check --rules "$TMP/rules"
is 'check: exit' "$status:$err" '0:'
like 'check: how much is Lua' "$out" 'compiled, 1 are Lua'
like 'check: which functions' "$out" 'okta\.User\.shout .*okta\.lua:4'
unlike 'check: no word of what fetch reads' "$out" fetch
mkdir "$TMP/others"
for connector in okta entra; do
	sed -n 's/^\t    \.name = "\([A-Za-z]*\)",$/map "'$connector'.\1" { a = "a" }/p' \
		fetch/$connector.c
done >"$TMP/others/fetched.lua"
ok 'check: all that fetch reads' grep -q okta.GroupRule "$TMP/others/fetched.lua"
echo 'map "hr.Person" { name = "name" }' >"$TMP/others/hr.lua"
run "$IDMESH" transform check --rules "$TMP/others"
is 'check: a source of others: exit' "$status:$err" '0:'
is 'check: which maps fetch has nothing for' "$(grep fetch <<<"$out")" \
	"hr.Person others/hr.lua:1: fetch reads no such stream
fetch reads $(cut -d '"' -f 2 "$TMP/others/fetched.lua" | paste -sd, | sed 's/,/, /g')"
run env IDMESH_RULES="$TMP/rules" "$IDMESH" transform describe
is 'describe: one line' "$status:$(wc -l <"$TMP/run.out")" 0:1
is 'describe: the search' "$(jq -r '.. | .search? // empty' <<<"$out")" 'status eq "ACTIVE"'
version=$(jq -r .rules <<<"$out")
like 'describe: the version' "$version" '^[0-9a-f]{16}$'

mkdir "$TMP/broken"
printf 'map "okta.User" {\n  login = trin "profile.login",\n}\n' >"$TMP/broken/okta.lua"
for sub in check describe ''; do
	# shellcheck disable=SC2086 # no subcommand is no word
	run "$IDMESH" transform $sub --rules "$TMP/broken" </dev/null
	is "broken rules: ${sub:-transform} exits" "$status:$out" '100:'
	like "broken rules: ${sub:-transform} says where" "$err" 'okta\.lua:2'
done
run "$IDMESH" transform check --rules "$TMP/nowhere"
is 'no rules: exit' "$status" 100
like 'no rules: which folder' "$err" nowhere

# --- the command line
run "$IDMESH" transform --jobs "ipc://$TMP/jobs" </dev/null
is '--jobs alone' "$status" 100
like '--jobs alone: what to do' "$err" '--jobs and --commit go together'
run "$IDMESH" transform --commit "ipc://$TMP/commit" </dev/null
is '--commit alone' "$status" 100
run "$IDMESH" transform -j 0 </dev/null
is '-j 0' "$status" 100
run "$IDMESH" transform --rules "$TMP/rules" --jobs tcp://192.0.2.1:5 --commit "ipc://$TMP/c" </dev/null
is 'tcp off loopback' "$status" 100
run "$IDMESH" transform --rules "$TMP/rules" -j 2 --jobs gopher://x --commit "ipc://$TMP/c" </dev/null
is 'no endpoint, two workers' "$status" 100
is 'no endpoint: said once or by each' "$(grep -c 'is no endpoint' <<<"$err")" "$(grep -c . <<<"$err")"

# --- SIGHUP
page() {
	printf '{"v":1,"kind":"page","source":"okta:contoso","stream":"User","run":1,"epoch":1,"seq":%s,"n":1,"at":"2026-04-22T08:15:30.000Z","records":[{"id":"u1","status":"ACTIVE","profile":{"login":"a@x"}}]}\n' "$1"
}
lines() { [ "$(wc -l <"$TMP/t.out")" -ge "$1" ]; }
from_fifo() { exec "$BUILD/idmesh-transform" -j "$1" --rules "$TMP/rules" <"$TMP/fifo"; }
versions() { jq -r .rules "$TMP/t.out" | tr '\n' ' '; }
cp "$TMP/rules/okta.lua" "$TMP/first.lua"
for j in 1 2; do
	cp "$TMP/first.lua" "$TMP/rules/okta.lua"
	rm -f "$TMP/fifo"
	mkfifo "$TMP/fifo"
	start t from_fifo $j
	exec 3>"$TMP/fifo"
	page 1 >&3
	ok "-j $j: mapped" wait_for lines 1
	echo 'map "okta.User" { login = }' >"$TMP/rules/okta.lua"
	kill -HUP "$pid"
	# In-process the rules change before the next page, not while it waits.
	page 2 >&3
	ok "-j $j: broken rules do not stop it" wait_for lines 2
	ok "-j $j: they are refused" wait_for grep -q 'stay in force' "$TMP/t.log"
	like "-j $j: with their place" "$(cat "$TMP/t.log")" 'okta\.lua:1'
	is "-j $j: the old ones map" "$(versions)" "$version $version "
	sed 's/login     /other     /' "$TMP/first.lua" >"$TMP/rules/okta.lua"
	kill -HUP "$pid"
	[ $j = 1 ] || ok "-j $j: taken at once" wait_for grep -q 'are in force' "$TMP/t.log"
	page 3 >&3
	ok "-j $j: still mapped" wait_for lines 3
	unlike "-j $j: by new rules" "$(tail -n 1 "$TMP/t.out" | jq -r .rules)" "$version"
	is "-j $j: with their attributes" "$(tail -n 1 "$TMP/t.out" | jq -c '.records[0].attrs | keys')" \
		'["ExternalId","other","shout"]'
	exec 3>&-
	wait "$pid"
	is "-j $j: a clean end" $? 0
done
done_testing
