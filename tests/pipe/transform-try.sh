#!/usr/bin/env bash
# transform-try.sh - single records through the rules, and the rules' own
# tests.
. tests/setup.sh

mkdir "$TMP/rules"
cat >"$TMP/rules/okta.lua" <<'LUA'
map "okta.User" {
  ExternalId = "id",
  login      = lower "profile.login",
  floor      = "profile.floor",
  userType   = function(u)
    if u.profile.userType == "Temp" then return "Contractor" end
    return u.profile.userType
  end,
}
map "okta.GroupMember" { groupId = "$context.groupId", memberId = "id" }
scope "okta.User" { drop = { { login = { prefix = "svc-" } } } }
LUA
record() {
	printf '{"id":"00u1","status":"ACTIVE","profile":{"login":"%s","userType":"Temp","floor":1.0}}' "$1"
}
try() { "$IDMESH" transform try --rules "$TMP/rules" --object - "$@"; }

# --- try
record Ann@x >"$TMP/ann.json"
run "$IDMESH" transform try --rules "$TMP/rules" --object "$TMP/ann.json"
is 'try: exit' "$status:$err" '0:'
like 'try: the verdict' "$out" 'okta\.User 00u1: put'
like 'try: a path, with its line' "$out" 'ExternalId +"00u1" +id +rules/okta\.lua:2'
like 'try: computed' "$out" 'login +"ann@x" +computed'
like 'try: Lua' "$out" 'userType +"Contractor" +Lua +rules/okta\.lua:5'
like 'try: a number as it came' "$out" 'floor +1\.0 '
out=$(record Ann@x | try --json)
is 'try --json: which values are Lua' \
	"$(jq -c '.attributes | map_values(.lua)' <<<"$out")" \
	'{"ExternalId":false,"login":false,"floor":false,"userType":true}'
is 'try --json: where' "$(jq -r .attributes.login.at <<<"$out")" rules/okta.lua:3
like 'try: out of scope' "$(record svc-x | try)" '00u1: out-of-scope \(scope\)'
like 'try: the context' \
	"$(try --map okta.GroupMember --context '{"groupId":"g1"}' <<<'{"id":"u1"}')" \
	'groupId +"g1"'
run "$IDMESH" transform try --rules "$TMP/rules" --object - \
	--map okta.GroupMember <<<'{"id":"u1"}'
is 'try: without the context: exit' "$status" 0
like 'try: without the context: what the map reads' "$err" \
	'okta\.GroupMember reads \$context\.groupId of its page, .*--context'
run "$IDMESH" transform try --rules "$TMP/rules" --object - \
	--map okta.GroupMember --context '{"groupId":"g1"}' <<<'{"id":"u1"}'
is 'try: with the context: no word' "$status:$err" 0:
run "$IDMESH" transform try --rules "$TMP/rules" --object - <<<'{"status":"ACTIVE"}'
is 'try: rejected: exit' "$status" 1
like 'try: rejected: why' "$out" 'rejected: the record has no id'
cat >"$TMP/rules/entra.lua" <<'LUA'
map "entra.User" {
  ExternalId = function(u) return u.names.first end,
  login = "userPrincipalName",
}
LUA
gone='{"id":"e1","@removed":{"reason":"changed"}}'
is 'try: what Graph says it removed leaves, as in a run' \
	"$(try --map entra.User <<<"$gone")" 'entra.User e1: delete (restorable)'
is 'try: a membership has the id of a run' \
	"$(try --map okta.GroupMember --context '{"groupId":"g1"}' \
		<<<'{"id":"u1"}' | head -n 1)" 'okta.GroupMember g1:u1: put'
run "$IDMESH" transform try --rules "$TMP/rules" --object - --map okta.Usr <<<'{"id":"1"}'
is 'try: no such map: exit' "$status" 100
run "$IDMESH" transform try --rules "$TMP/rules" --object - --map okta <<<'{"id":"1"}'
like 'try: no map at all: what to write' "$status:$out" \
	'^100:.*"okta" is no map: write CONNECTOR.TYPE'
run "$IDMESH" transform try --rules "$TMP/rules" --object "$TMP"
like 'try: a folder is no record' "$status:$err" '^100:.*cannot read .*: Is a directory'
run "$IDMESH" transform try --rules "$TMP/rules" --object - <<<'{"id":'
is 'try: no JSON: exit' "$status" 100
like 'try: no JSON: where' "$err" 'at byte'
run "$IDMESH" transform try --rules "$TMP/rules"
is 'try: without a record' "$status" 100

# --- test
cat >"$TMP/rules/okta_test.lua" <<'LUA'
local function user(login)
  return { id = "00u1", status = "ACTIVE", profile = { login = login, userType = "Temp" } }
end
test "okta.User" {
  name    = "temps are contractors",
  given   = user("Ann@x"),
  expect  = { userType = "Contractor", login = "ann@x" },
  without = { "floor" },
}
test "okta.User" { name = "services are out", given = user("SVC-1"), expect = "out-of-scope" }
LUA
run "$IDMESH" transform test --rules "$TMP/rules"
is 'test: exit' "$status:$err" '0:'
is 'test: as TAP' "$(sed -n 1p <<<"$out")" \
	'ok 1 - okta.User: temps are contractors (rules/okta_test.lua:4)'
is 'test: how many' "$(tail -n 1 <<<"$out")" 1..2
cat >"$TMP/rules/typo_test.lua" <<'LUA'
test "okta.User" { given = { id = "1", profile = { title = "x" } }, without = { "flor", "ssn" } }
test "okta.User" { given = { id = "1", profile = { title = "x" } }, expect = { lgoin = "a" } }
LUA
out=$("$IDMESH" transform test --rules "$TMP/rules")
like 'test: a misspelt attribute is not taken for absent' "$out" \
	'flor: okta.User has no such attribute: did you mean floor'
unlike 'test: one that the map does not have is absent' "$out" ssn
like 'test: nor is a misspelt one expected' "$out" 'lgoin: .*did you mean login'
rm "$TMP/rules/typo_test.lua"
sed -i 's/"Contractor" end/"Temporary" end/' "$TMP/rules/okta.lua"
run "$IDMESH" transform test --rules "$TMP/rules"
is 'test: a rule that changed is noticed' "$status" 1
like 'test: what differs, and which line made it' "$out" \
	'userType: expected "Contractor", got "Temporary" \(rules/okta\.lua:5\)'
is 'test --json' "$("$IDMESH" transform test --rules "$TMP/rules" --json |
	jq -c '[.passed, .name]' | head -n 1)" '[false,"temps are contractors"]'
run "$IDMESH" transform check --rules "$TMP/rules"
is 'tests are no rules' "$status" 0
cp "$TMP/rules/okta_test.lua" "$TMP/rules/more.lua"
run "$IDMESH" transform check --rules "$TMP/rules"
is 'tests among the rules' "$status" 100
like 'tests among the rules: what to do' "$err" 'more\.lua:4: tests stand in files named \*_test\.lua'
rm "$TMP/rules/more.lua"
echo 'test "okta.User" { gvien = { id = "1" }, expect = "putt" }' >"$TMP/rules/bad_test.lua"
run "$IDMESH" transform test --rules "$TMP/rules"
is 'a broken test: exit' "$status" 100
like 'a broken test: the nearest word' "$err" 'bad_test\.lua:1: unknown key "gvien": did you mean "given"'
like 'a broken test: what is expected' "$err" 'expect is a table of attributes'
echo 'test "okta.Usr" { given = { id = "1" }, expect = "rejected" }' >"$TMP/rules/bad_test.lua"
run "$IDMESH" transform test --rules "$TMP/rules"
is 'a test of no map fails, whatever it expects' "$status" 1
like 'a test of no map: which there are' "$out" 'no map "okta\.Usr"; they have .*okta\.User'
rm "$TMP"/rules/*_test.lua
run "$IDMESH" transform test --rules "$TMP/rules"
is 'no tests: exit' "$status" 100

# The rules that ship have tests, and pass them.
run "$IDMESH" transform test --rules rules
is 'the rules that ship' "$status" 0

done_testing
