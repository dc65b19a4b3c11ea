#!/usr/bin/env bash
# run.sh - `idmesh run`: the set from one configuration, and what it does
# when one of its programs dies, is refused, or is stopped.
. tests/setup.sh

org sim --users 800 --groups 30 --edges 2000 --tier unlimited
source_file "$TMP/okta.json"
config() {
	jq -n --arg rules "$ROOT/rules" '{sources: ["okta.json"],
		rules: $rules, state: "state.db", sinks: ["sqlite:mesh.db",
		"ndjson:changes.ndjson"], workers: 2} | '"${1:-.}" >"$TMP/run.json"
}
config

run "$IDMESH" run "$TMP/run.json"
is 'a first run ends well' "$status" 0
like 'it says what it did' "$err" 'User +full +800 records: 7[0-9][0-9] new'
is 'both targets have every user' "$(sqlite3 "$TMP/mesh.db" \
	'select count(*) from "User"')" "$(jq -s '[.[] | select(.op == "put" and
	.type == "User") | .id] | unique | length' "$TMP/changes.ndjson")"
unlike 'no socket folder is left' "$(ls "$TMP")" '^idmesh-'

curl -s -X POST "$url/_sim/mutate" -d '{"change": 5}' >/dev/null
run "$IDMESH" run "$TMP/run.json" --json -j 1
is 'a second run ends well' "$status" 0
is 'its summary is one line of JSON' "$(printf %s "$out" |
	jq -r '[.exit, .runs[0].source, .runs[0].streams.User.mode,
	.runs[0].streams.User.changed] | join(" ")')" '0 okta:contoso delta 5'

# --- wrong use ---------------------------------------------------------------
run "$IDMESH" run "$TMP/missing.json"
is 'a missing configuration is wrong use' "$status" 100
config '.sink = "x"'
run "$IDMESH" run "$TMP/run.json"
is 'an unknown key is wrong use' "$status" 100
like 'and named with its place' "$err" 'run\.json:[0-9]+: .*sink'
config
mkdir "$TMP/bad-rules"
echo 'map "okta.User" { status = nope("status") }' >"$TMP/bad-rules/okta.lua"
config ".rules = \"$TMP/bad-rules\""
run "$IDMESH" run "$TMP/run.json"
is 'wrong rules are wrong use' "$status" 100
like 'and named with their place' "$err" 'okta\.lua:1: '
config
run "$IDMESH" run "$TMP/run.json" --every soon
is 'a time that is none is wrong use' "$status" 100

env -u IDMESH_SECRET_OKTA_CONTOSO_APITOKEN "$IDMESH" run "$TMP/run.json" \
	2>"$TMP/err"
is 'a missing secret is a configuration error' $? 100

# --- one source of two is refused: the other one is read all the same
first=$url
org sim2 --users 10 --groups 1 --tier unlimited
source_file "$TMP/other.json" '.name = "other" |
	.ConfigJson.OrgDomain = "other.okta.com" |
	.AuthJson.ApiKey = "secret://okta/other/nothing"'
config '.sources += ["other.json"] | .state = "two.db" | .sinks = ["sqlite:two-mesh.db"]'
run "$IDMESH" run "$TMP/run.json"
is 'one of two sources is refused: wrong use' "$status" 100
like 'and said to be out' "$err" 'its source stays out of this round and the others go on'
is 'the other source is whole' \
	"$(sqlite3 "$TMP/two-mesh.db" 'select count(*) > 700 from "User"')" 1
like 'and so says the summary' "$err" 'okta:contoso run 1: done'
like 'and which one was not read' "$err" \
	'^okta:other was not read: out for 1 round, since 2[-0-9TZ:.]+: .*secret://okta/other/nothing is nowhere'
export IDMESH_SECRETS_DIR=$TMP/secrets
start set "$IDMESH" run "$TMP/run.json" --every 1s --json
out_of() { jq -rs '[.[].out[]?.rounds] | join(" ")' "$TMP/set.out"; }
third() { grep -q '^1 2 3' < <(out_of); }
ok 'a schedule counts the rounds that it is out' wait_for third
like 'says so' "$(cat "$TMP/set.log")" \
	'error: fetch of okta:other ended with 100; .*; it is out for 3 rounds, since 2'
is 'with the first of them' "$(jq -s '[.[].out[]?.since] | unique | length' \
	"$TMP/set.out")" 1
like 'which source, and why' "$(jq -r '.out[]? | .source + " " + .why' \
	"$TMP/set.out" | head -n 1)" '^okta:other .*secret://.* is nowhere'
(umask 022 && "$IDMESH" secret set okta/other/nothing <<<"$TOKEN" >/dev/null)
back() { grep -q 'okta:other is back; it was out for' "$TMP/set.log"; }
ok 'and says when it is back' wait_for back
rounds=$(wc -l <"$TMP/set.out")
two_more() { [ "$(wc -l <"$TMP/set.out")" -ge $((rounds + 2)) ]; }
wait_for two_more
is 'once' "$(grep -c 'is back' "$TMP/set.log"),$(tail -n 1 "$TMP/set.out" |
	jq -c .out)" '1,[]'
stop set
unset IDMESH_SECRETS_DIR
stop sim2
url=$first
like 'and it says where it was looked for' "$(cat "$TMP/err")" \
	'IDMESH_SECRET_OKTA_CONTOSO_APITOKEN'

# --- what is left out shows in the exit code -----------------------------------
mkdir "$TMP/odd-rules"
cat >"$TMP/odd-rules/okta.lua" <<'EOF'
map "okta.User" {
  ExternalId = "id",
  login      = "profile.login",
  failing    = function(u) return u.profile.nothing.at.all end,
}
scope "okta.User" {
  drop = function(u)
    return u.profile.login:sub(1, 2) == "pr" and u.nothing.at.all
  end,
}
map "okta.Group" { name = "profile.name" }
map "okta.GroupMember" { memberId = "id" }
EOF
config ".rules = \"$TMP/odd-rules\" | .state = \"odd.db\" | .sinks = [\"sqlite:odd-mesh.db\"]"
run "$IDMESH" run "$TMP/run.json"
is 'a run that left records out says 1' "$status" 1
like 'and how many, and what failed' "$err" \
	'User .* [0-9]+ rejected.*, [0-9]+ attributes failed'
run "$IDMESH" join runs --db "$TMP/odd.db"
like 'join runs has a column for what failed' "$out" ' DEAD FAILED$'
is 'with how often' "$(awk '$5 == "User" { print ($NF > 0) }' <<<"$out")" 1
open=$("$IDMESH" join dead --db "$TMP/odd.db" --json | wc -l)
run "$IDMESH" run "$TMP/run.json"
is 'and so does every run until somebody has seen to them' \
	"$status:$(grep 'dead letters' <<<"$err")" \
	"1:$open records are dead letters: idmesh join dead --db $TMP/odd.db"
cat >"$TMP/odd-rules/okta.lua" <<'EOF'
map "okta.User" { ExternalId = "id", login = "profile.login" }
scope "okta.User" { drop = function(u) return u.nothing.at.all end }
map "okta.Group" { name = "profile.name" }
map "okta.GroupMember" { memberId = "id" }
EOF
config ".rules = \"$TMP/odd-rules\" | .state = \"stop.db\" | .sinks = [\"ndjson:stop\"]"
run "$IDMESH" run "$TMP/run.json"
is 'a run that join stops is not tried again' \
	"$status:$(grep -c 'starting it again' "$TMP/run.err")" 100:0
like 'fetch says why, and what to do' "$err" \
	"turns this fetch away: too many records were rejected; see 'idmesh join"
like 'and there is a summary' "$err" \
	'User .* [0-9]+ rejected.*too many rejects'
run "$IDMESH" run "$TMP/run.json" --json
is 'also as JSON' "$status:$(printf %s "$out" | jq -c '[.exit, .restarts,
	.runs[0].streams.User.why]')" '100:[100,0,"too many rejects"]'
jq '.ConfigJson.UserSearchFilter = "status eq \"NONE\""' "$TMP/okta.json" \
	>"$TMP/none.json"
cp -p "$TMP/state.db" "$TMP/held.db"
config '.state = "held.db" | .sources = ["none.json"] | .sinks = ["ndjson:held"]'
run "$IDMESH" run "$TMP/run.json" --mode full --json
is 'a run whose sweep is held says 1' \
	"$status:$(printf %s "$out" | jq -r '[.exit, .runs[0].state] | join(":")')" 1:1:held
held=$(printf %s "$out" | jq .runs[0].run)
run "$IDMESH" run "$TMP/run.json" --mode delta --json
is 'so does a later one that is well itself: the held one waits' \
	"$status:$(printf %s "$out" | jq -c '[.exit, .runs[0].state, .held]')" \
	"1:[1,\"done\",[{\"source\":\"okta:contoso\",\"run\":$held}]]"
run "$IDMESH" run "$TMP/run.json" --mode delta
is 'and the command is the last word' "$status:$(tail -n 1 <<<"$err")" \
	"1:okta:contoso run $held holds objects back that would leave: \
idmesh join approve --db $TMP/held.db okta:contoso/$held"
config '.state = "other.db"'
run "$IDMESH" run "$TMP/run.json"
is 'a target of another database is wrong use' "$status" 100
config

# --- what dies is started again -----------------------------------------------
child_of() {
	pgrep -P "$(cat "$TMP/big.pid")" -f "idmesh-$1" | head -n 1
}
for victim in transform join sink fetch; do
	rm -f "$TMP"/state.db* "$TMP"/mesh.db* "$TMP"/changes.ndjson
	curl -s -X POST "$url/_sim/fault" -d '[{"match": "/api/v1/groups",
		"nth": 2, "count": 1, "kind": "slow", "ms": 700}]' >/dev/null
	start big "$IDMESH" run "$TMP/run.json"
	wait_for child_of fetch
	wait_for child_of "$victim"
	kill -KILL "$(child_of "$victim")"
	wait "$(cat "$TMP/big.pid")"
	is "a run survives the death of its $victim" $? 0
	is "and the mesh is whole" "$(sqlite3 "$TMP/mesh.db" \
		'select count(*) from GroupMember')" \
		"$(curl -s "$url/_sim/members" | wc -l)"
done

# --- a schedule ends when it is asked to ---------------------------------------
start timed "$IDMESH" run "$TMP/run.json" --every 1s
rounds() {
	[ "$("$IDMESH" join runs --db "$TMP/state.db" --json | wc -l)" -ge 4 ]
}
ok 'rounds follow one another' wait_for rounds
run "$IDMESH" run "$TMP/run.json"
is 'a second run on the same state is refused' "$status" 111
like 'and says why' "$err" 'another idmesh run'
stop timed
is 'SIGTERM ends the schedule cleanly' "$status" 0

done_testing
