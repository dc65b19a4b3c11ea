#!/usr/bin/env bash
# join-guard.sh - the brake on leavers holds whoever takes them out: the
# source, the rules or absence; and what it holds back is not lost.
. tests/setup.sh
. tests/records.sh

gone() { printf '{"id":"%s","op":"%s","reason":"%s"}' "$1" "$2" "$3"; }
drop() { gone "$1" delete deprovisioned; }
out() { gone "$1" out-of-scope scope; }
marks() { sqlite3 "$db" 'SELECT count(*) FROM leaving'; }
states() { "$JOIN" runs --db "$db" --json | tail -n 1 | jq -rc '[.state, .streams.User.state, .streams.User.gone]'; }
begin() { "$JOIN" begin --db "$db" --streams User "$@" $S; }
take_run() { head=$(jq -r '"\"run\":\(.run),\"epoch\":\(.epoch)"' <<<"$answer"); }

# --- by hand: below, above, both kinds together
all=()
for i in $(seq 100 199); do all+=("$(user "u$i")"); done
full() {
	page User 1 '' "$@"
	end User 2
}
full "${all[@]}" | changes
mode=delta
{
	page User 1 '' "$(drop u100)" "$(out u101)" "$(drop u102)"
	page User 2 '' "$(user u102 Back)" "$(drop nobody)"
	end User 3
} | changes
is 'below the guard they leave with their reasons, the last word counts' \
	"$status:$changes" "0:put User $S/u102 title
delete User deprovisioned
delete User scope"
is 'and are counted' "$(states):$(marks)" '["done","done",2]:0'
mode=full
{
	page User 1 '' "${all[@]:2:90}" "$(out u192)" "$(out u193)" "$(drop u194)"
	end User 2
} | changes
is 'absent and marked ones are judged together' "$status:$changes:$(count)" \
	"1:put User $S/u102 title:98"
like 'with the numbers of each' "$err" \
	"8 of 98 objects would leave \\(5 absent, 1 deprovisioned, 2 scope\\).*approve --db $db 3"
is 'the run is held, the marks are kept' "$(states):$(marks)" \
	'["held","held",0]:3'
mode=delta
{
	page User 1 '' "$(user u193 Returned)"
	end User 2
} | changes
is 'a later run lets only its own go: the held ones wait' \
	"$status:$(states):$(count):$(marks)" '1:["done","done",0]:98:2'
like 'and says who holds them' "$err" \
	"okta:contoso User run 3 still holds objects back: .*approve --db $db 3"
ok 'approve lets those of the held run go, but for who came back' \
	"$JOIN" approve --db "$db" 3
is 'and nobody else' "$(count):$(marks)" 91:0

# --- two held runs: each approval takes its own
some=()
for i in $(seq 110 119); do some+=("$(drop "u$i")"); done
more=()
for i in $(seq 115 126); do more+=("$(drop "u$i")"); done
{
	page User 1 '' "${some[@]}"
	end User 2
} | changes
is 'a delta is held too' "$status:$changes:$(count):$(marks)" 1::91:10
{
	page User 1 '' "${more[@]}"
	end User 2
} | changes
like 'another one is held for its own' "$status:$err" \
	'^1:.*12 of 91 objects would leave'
{ end User 1; } | changes
is 'one without any is not' "$(states)" '["done","done",0]'
run "$JOIN" approve --db "$db" 7
is 'and has nothing to approve' "$status:$(count)" 100:91
ok 'approve the second' "$JOIN" approve --db "$db" 6
is 'takes exactly those that it held' "$(count):$(marks)" 79:5
ok 'approve the first' "$JOIN" approve --db "$db" 5
is 'takes what is left of its own' "$(count):$(marks)" 74:0
is 'no run is held any more' \
	"$("$JOIN" runs --db "$db" --json | grep -c '"state":"held"')" 0
{
	page User 1 '' "${some[@]}" "$(drop u130)" "$(drop u131)" \
		"$(drop u132)" "$(drop u133)" "$(drop u134)"
	end User 2
} | changes
is 'those that come back' "$status:$(marks)" 1:5
{
	page User 1 '' "$(user u130)" "$(user u131)" "$(user u132)" \
		"$(user u133)" "$(user u134)"
	end User 2
} | changes
is 'are held by nobody' "$status:$(marks):$(
	"$JOIN" runs --db "$db" --json | grep -c '"state":"held"')" 0:0:0

# --- broken off
{
	page User 1 '' "${some[@]/u11/u14}"
	end User 2 false ''
} | changes
is 'an incomplete end takes nobody' "$status:$changes" 111:
{ end User 1; } | changes
is 'nor does the next run' "$status:$(count):$(marks)" 0:74:0
answer=$(begin --mode delta)
take_run
page User 1 '' "$(drop u150)" "$(drop u151)" | changes
answer=$(begin --mode delta)
take_run
page User 2 '' "$(drop u152)" "$(user u151)" | changes
is 'a run that goes on keeps its marks' "$(marks)" 2
answer=$(begin --mode delta)
take_run
end User 3 | changes
is 'and lets them leave at its end' "$status:$changes:$(count):$(marks)" \
	"0:delete User deprovisioned
delete User deprovisioned:72:0"

# --- who changed while the list was read, or shortly before, proves nothing
db=$TMP/spared.db mode=full head='"run":0,"epoch":0'
fresh() { put "$1" "{\"login\":\"$1@example.com\",\"lastUpdated\":\"2026-04-22T08:${2:-12}:00.000Z\"}"; }
list() { # MINUTE of the watermark, records
	local at=$1
	shift
	page User 1 '' "$@"
	end User 2 true ",\"watermark\":\"2026-04-22T08:$at:30.000Z\",\"certificate\":{\"chain\":true}"
}
told() { "$JOIN" runs --db "$db" --json | tail -n 1 | jq -rc '.streams.User | [.state, .gone, .spared, .why]'; }
wait='were changed too recently to tell and wait for a later full run'
young=()
for i in $(seq 200 209); do young+=("$(fresh "u$i")"); done
{ list 10 "${all[@]}" "${young[@]}"; } | changes
{ list 10 "${all[@]}" "${young[@]:4}"; } | changes
is 'they are spared, and the run says so' "$status:$(count):$(told)" \
	"0:110:[\"done\",0,4,\"4 not listed $wait\"]"
like 'in its summary too' "$err" "0 gone, 0 rejected; 4 not listed $wait"
like 'and in the history' "$("$JOIN" runs --db "$db")" " 4 not listed $wait"
{ list 10 "${all[@]:8}" "${young[@]:4}"; } | changes
like 'the guard counts without them, and tells of them' "$status:$err" \
	"^1:.*held: 8 of 110 objects would leave \(8 absent\), .*; 4 more $wait"
like 'the plan shows as many' "$("$JOIN" plan --db "$db")" \
	"8 objects would leave"
like 'whoever would leave is explained so' \
	"$("$JOIN" explain --db "$db" u100)" \
	"run $S/3 would let $S/u100 go and waits to be approved"
unlike 'whoever is spared is not' "$("$JOIN" explain --db "$db" u200)" \
	'would let'
unlike 'nor who stays' "$("$JOIN" explain --db "$db" u150)" 'would let'
cp "$db" "$TMP/returned.db"
run "$JOIN" approve --db "$db" 3
like 'as many leave with the approval' "$status:$(count):$err" \
	"^0:102:.*8 gone, 0 rejected; 4 not listed $wait"
is 'and the run says that it was approved' "$(told)" \
	"[\"done\",8,4,\"was held and approved: 8 of 110 objects would leave (8 absent), the guard allows 500 or 5 %; 4 not listed $wait\"]"
{ list 15 "${all[@]:8}" "${young[@]:4}"; } | changes
is 'a full run that begins later lets them go' \
	"$status:$(count):$(told)" '0:98:["done",4,0,null]'
db=$TMP/returned.db mode=delta
{
	page User 1 '' "${all[@]:0:8}"
	end User 2
} | changes
is 'a run is not held for them alone' "$status:$(count):$(
	"$JOIN" runs --db "$db" --json | grep -c '"state":"held"')" 0:110:0
for bad in okta:contoso/okta:contoso/3 entra:none/3; do
	run "$JOIN" approve --db "$db" "$bad"
	like "approve $bad: no such source" "$status:$err" \
		"^100:.*there is no source ${bad%/3}; a run is RUN or SOURCE/RUN"
done
run "$JOIN" approve --db "$db" $S/3
like 'a run without any' "$status:$err" \
	"^100:.*no run 3 of $S holds anything back"
run "$JOIN" approve --db "$db" zzz
like 'what is neither a run nor a plan' "$status:$err" \
	'^100:.*zzz names neither a run .* nor a plan'

# --- the real programs: rules that drop everybody, and a wave of leavers
org sim --users 900 --groups 5 --edges 20 --tier unlimited
source_file "$TMP/okta.json"
db=$TMP/real.db
target=sqlite:$TMP/mesh.db
users() { sqlite3 "$TMP/mesh.db" 'SELECT count(*) FROM "User"'; }
pipeline "$TMP/okta.json" "$db" "$target"
N=$(users)
ok 'an import' test "$N" -gt 800
cp -r rules "$TMP/rules"
sed -i 's/drop .*= {.*/drop = { { login = { like = "*" } } },/' \
	"$TMP/rules/okta.lua"
IDMESH_RULES=$TMP/rules pipeline "$TMP/okta.json" "$db" "$target" full
is 'rules that drop everybody are held' "$pipe_status:$(users)" "0 0 1 0:$N"
like 'by their number' "$(cat "$TMP/join.log")" "$N of $N objects would leave \\($N scope\\)"
pipeline "$TMP/okta.json" "$db" "$target" full
is 'mended rules and a full run take the marks away' \
	"$pipe_status:$(users):$(marks)" "0 0 0 0:$N:0"
curl -s -X POST "$url/_sim/mutate" -d '{"deprovision": 300}' >/dev/null
pipeline "$TMP/okta.json" "$db" "$target" delta
is 'a wave of leavers in a delta is held' "$pipe_status:$(users)" "0 0 1 0:$N"
n=$(marks)
run "$JOIN" approve --db "$db" \
	"$("$JOIN" runs --db "$db" --json | tail -n 1 | jq .run)"
is 'approved' "$status:$(marks)" 0:0
pipeline "$TMP/okta.json" "$db" "$target"
is 'they leave' "$pipe_status:$(users)" "0 0 0 0:$((N - n))"
ok 'and were many' test "$n" -gt 200
done_testing
