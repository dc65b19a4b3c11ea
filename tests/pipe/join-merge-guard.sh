#!/usr/bin/env bash
# join-merge-guard.sh - a merge over its limits does nothing at all until its
# very plan is approved; one that is killed goes on; many small merges end
# where one of everything would.
. tests/setup.sh
. tests/records.sh
. tests/merge.sh

limits='guard { leave = { max = 3, percent = 50, of_at_least = 10 },
  unjoin = { max = 1 }, change = { max = 2, attributes = { "email" } } }'
rules "$usual$limits"

# some LETTER N: so many persons, in the array `list`.
some() {
	list=()
	for i in $(seq "$2"); do list+=("$(person "$1$i" "$i" "$1$i@x")"); done
}
plan() { sqlite3 "$db" "SELECT hash FROM plan WHERE state = 'stopped'"; }
state() { sqlite3 "$db" 'SELECT state FROM merge'; }
approve() { "$JOIN" approve --db "$db" --rules "$TMP/rules" "$1"; }

# --- one plan, shown and approved
{
	some o 8
	whole $O User "${list[@]}"
	some e 6
	whole $E User "${list[@]}"
} | merge
is 'a crowd is joined' "$status:$(who)" \
	'0:o1+e1 o2+e2 o3+e3 o4+e4 o5+e5 o6+e6 o7 o8'
before=$(mesh)
mode=delta
{
	whole $O User "$(person o1 1 new1@x)" "$(person o2 2 new2@x)" "$(person o3 3 new3@x)"
} | merge
is 'too many changed keys: exit 1, nothing is done' \
	"$status:$(mesh):$(state):$changes" "1:$before:stopped:"
like 'with the numbers and the way out' "$err" \
	"3 objects behind 8 in the mesh have a guarded attribute changed at a source; guard change \(.*rules.lua:[0-9]+\).*approve --db $db $(plan)"
run "$JOIN" plan --db "$db" --rules "$TMP/rules" --json
is 'and each of them is named by the plan' \
	"$status:$(jq -r '[.what, .object] | join(" ")' <<<"$out" | sort | paste -sd,)" \
	'0:change okta:contoso/o1,change okta:contoso/o2,change okta:contoso/o3'
sqlite3 "$db" ".backup $TMP/moved.db"
sqlite3 "$TMP/moved.db" "UPDATE plan SET hash = '0123456789abcdef' WHERE state = 'stopped'"
run "$JOIN" plan --db "$TMP/moved.db" --rules "$TMP/rules"
like 'what is not the stopped plan any more is said not to be' "$status:$err" \
	"^1:.*moved on.* $(plan),.* 0123456789abcdef cannot be approved"
unlike 'and cannot be approved' "$out" 'join approve'
first=$(plan)
run "$JOIN" approve --db "$db" --rules "$TMP/rules" 0123456789abcdef
is 'another plan is refused' "$status" 100
whole $O User "$(person o4 4 new4@x)" | merge
is 'what comes behind it makes another plan' \
	"$status:$(state):$([ "$(plan)" != "$first" ] && echo other)" '1:stopped:other'
run "$JOIN" approve --db "$db" --rules "$TMP/rules" "$first"
is 'the first one is not to be had any more' "$status" 100
ok 'the one that was shown is' approve "$(plan)"
is 'and it was done' "$(mesh | grep -c new):$(left_over)" '4:0 0 0'
merge </dev/null
is 'its changes wait for the next join' "$status" 0

# --- what would be stopped is not so any more
db=$TMP/over.db
mode=full
off() { for i in $(seq 7); do list[i - 1]=$(person "o$i" "$i" "o$i@x" "\"accountEnabled\":$1"); done; }
some o 10
off true
whole $O User "${list[@]}" | merge
mode=delta
off false
whole $O User "${list[@]:0:7}" | merge
is 'a crowd that is disabled is stopped' "$status:$(state)" 1:stopped
off true
whole $O User "${list[@]:0:7}" | merge
is 'until their source takes it back' "$status:$(left_over)" '0:0 0 0'
is 'and then no plan is stopped any more' "$(plan)" ''

# --- keys that were mended at their source
db=$TMP/mended.db
mode=full
some o 8
whole $O User "${list[@]}" | merge
mode=delta
whole $O User "$(person o1 1 new1@x)" "$(person o2 2 new2@x)" "$(person o3 3 new3@x)" | merge
is 'a crowd whose keys change is stopped' "$status:$(state)" 1:stopped
cp "$db" "$TMP/half.db"
shown=$(plan)
whole $O User "$(person o1 1 newer1@x)" "$(person o2 2 o2@x)" "$(person o3 3 o3@x)" |
	merge
is 'who has again what he had does not count' "$status:$(plan):$(left_over)" \
	'0::0 0 0'
is 'and who has not is changed' "$changes" "put User $O/o1 email"
run "$JOIN" approve --db "$db" --rules "$TMP/rules" "$shown"
is 'the plan of then is not to be had' "$status" 100
db=$TMP/half.db
whole $O User "$(gone o1)" "$(gone o2)" | merge
is 'who left does not count as mended' "$status:$(state)" 1:stopped
whole $O User "$(person o1 1 o1@x)" "$(person o2 2 o2@x)" | merge
is 'who is back as he was does' "$status:$(plan):$(left_over)" '0::0 0 0'

# --- memory of a process that was killed
db=$TMP/kill.db
rules "$usual"
mode=full
{
	awk -v n=12000 '
	function put(id, attrs) {
		return sprintf(",{\"id\":\"%s\",\"op\":\"put\",\"hash\":\"%032x\",\"attrs\":%s}", id, ++hash, attrs)
	}
	function run(kind, source) {
		seq = 0
		for (i = 1; i <= n; i++) {
			list = list put(kind i, sprintf("{\"employeeNumber\":\"%d\",\"email\":\"%s%d@x\"}", i, kind, i))
			if (i % 1000 == 0) {
				printf "{\"v\":1,\"kind\":\"records\",\"source\":\"%s\",\"stream\":\"User\",\"run\":0,\"epoch\":0,\"seq\":%d,\"n\":1000,\"mode\":\"full\",\"rules\":\"r1\",\"records\":[%s]}\n", source, ++seq, substr(list, 2)
				list = ""
			}
		}
		printf "{\"v\":1,\"kind\":\"end\",\"source\":\"%s\",\"stream\":\"User\",\"run\":0,\"epoch\":0,\"seq\":%d,\"n\":0,\"mode\":\"full\",\"complete\":true,\"watermark\":\"2026-04-22T08:10:30.000Z\",\"certificate\":{\"chain\":true}}\n", source, ++seq
	}
	BEGIN { run("o", "okta:contoso"); run("e", "entra:contoso") }'
} >"$TMP/many"
"$JOIN" --db "$db" --rules "$TMP/rules" <"$TMP/many" >/dev/null 2>&1
want=$(mesh | sha256sum)
reached() { [ "$(sqlite3 "$db" "SELECT count(*) > 0 FROM $1")" = 1 ]; }
for at in link body 'merge WHERE state = '\''linked'\'; do
	db=$TMP/kill${at%% *}.db
	"$JOIN" --db "$db" --rules "$TMP/rules" <"$TMP/many" >/dev/null 2>&1 &
	victim=$!
	wait_for reached "$at"
	kill -9 $victim 2>/dev/null
	wait $victim 2>/dev/null
	links=$(sqlite3 "$db" 'SELECT count(*) FROM link')
	bodies=$(sqlite3 "$db" 'SELECT count(*) FROM body')
	"$JOIN" --db "$db" --rules "$TMP/rules" </dev/null >/dev/null 2>&1
	is "killed behind $links links, $bodies bodies: the same in the end" \
		"$(mesh | sha256sum):$(left_over)" "$want:0 0 0"
done

# --- a source alone: a join without keys, so that the guard sees who is disabled
rules 'guard { unjoin = { max = 1 }, change = { max = 1, attributes = { "login" } } }'
whole $O User | merge
is 'a brake that would hold nothing is refused' "$status:$(grep -c 'rules.lua:[0-9]*: guard: \(unjoin\|change\) holds merges' <<<"$err")" 100:2
rules 'join "User" { sources = { "okta" } }
guard { change = { max = 1 } }'
whole $O User | merge
like 'one that counts nothing, too' "$status:$err" '^100:.*rules.lua:[0-9]+: .*change needs attributes'
rules 'join "User" { sources = { "okta" } }
guard { change = { max = 1, attributes = { "emial" } } }'
whole $O User | merge
like 'or what nobody has' "$status:$err" '^100:.*rules.lua:[0-9]+: .*unknown attribute "emial": did you mean "email"'
db=$TMP/single.db
rules 'join "User" { sources = { "okta" } }
guard { leave = { max = 1, percent = 100 } }'
on() { person "$1" - - '"accountEnabled":true'; }
off() { person "$1" - - '"accountEnabled":false'; }
whole $O User "$(on o1)" "$(on o2)" "$(on o3)" | merge
was=$(mesh)
whole $O User "$(off o1)" "$(off o2)" "$(on o3)" | merge
is 'too many who are disabled: nothing is done' "$status:$changes:$(mesh)" "1::$was"
like 'and they are counted' "$err" '2 of 3 would leave, or were disabled at a source.*nothing was done \(okta:contoso disabled: 2\)'
whole $O User "$(off o1)" "$(on o2)" "$(on o3)" | merge
is 'one of them may' "$status:$changes" "0:put User $O/o1 accountEnabled"

done_testing
