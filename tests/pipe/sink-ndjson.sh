#!/usr/bin/env bash
# sink-ndjson.sh - changes as lines: a file that knows its own place, and
# stdout, which knows none.
. tests/setup.sh

sink=$BUILD/idmesh-sink
file=$TMP/mesh.ndjson
cursor() { "$sink" cursor "ndjson:${1:-$file}"; }
# change RUN FIRST SEQ CHANGES
change() { printf '{"v":1,"kind":"change","source":"st","stream":"mesh","run":%s,"epoch":1,"first":%s,"seq":%s,"changes":%s}\n' "$@"; }
put() { printf '{"op":"put","type":"User","id":"%s","object":{"n":%s},"contributors":["okta:c/%s"],"changed":["n"]}' "$1" "$2" "$1"; }
remove() { printf '{"op":"delete","type":"User","id":"%s","reason":"removed"}' "$1"; }
rebuilt() {
	printf '{"v":1,"kind":"end","source":"st","stream":"mesh","run":%s,"epoch":1,"seq":%s,"complete":true,"cursor":"st:%s"}\n' "$@"
}
# fold FILE: the mesh that the lines make, as idmesh-sink(1) says.
fold() {
	jq -cSn 'reduce inputs as $l ({mesh: {}, new: null};
		if $l.op == "rebuild" then .new = {}
		elif $l.op == "rebuilt" then {mesh: .new, new: null}
		elif $l.op == "put" then .mesh[$l.id] = $l.object |
			if .new then .new[$l.id] = $l.object else . end
		elif $l.op == "delete" then del(.mesh[$l.id]) |
			if .new then del(.new[$l.id]) else . end
		else . end) | .mesh' "$1"
}

is 'a missing file has no cursor' "$(cursor)" -
ok 'and asking makes none' test ! -e "$file"
run "$sink" "ndjson:$file" < <(change 0 1 2 "[$(put a 9007199254740993),$(remove b)]")
is 'changes become lines' "$status $(cat "$file")" '0 {"op":"put","type":"User","id":"a","object":{"n":9007199254740993},"contributors":["okta:c/a"],"changed":["n"]}
{"op":"delete","type":"User","id":"b","reason":"removed","store":"st","seq":2}'
is 'the last line is the cursor' "$(cursor)" st:2
run "$sink" "ndjson:$file" < <(change 0 2 2 "[$(put x 1)]"; change 0 3 4 "[$(put a 2)]"; change 0 5 6 '[]')
is 'it goes on there, and once' "$status $(cursor) $(wc -l <"$file")" '0 st:6 4'
is 'an empty message moves the cursor' "$(tail -n 1 "$file")" '{"op":"cursor","store":"st","seq":6}'

printf '{"op":"put","type":"User","id":"torn","obj' >>"$file"
is 'a torn last line does not count' "$(cursor) $(tail -c 4 "$file")" 'st:6 "obj'
run "$sink" "ndjson:$file" < <(change 0 7 7 "[$(put c 3)]")
is 'and is cut off at the next start' "$status $(grep -c torn "$file") $(cursor)" '0 0 st:7'
is 'every line is JSON' "$(jq -c .op "$file" | wc -l)" 5
is 'folded, the lines are the mesh' "$(fold "$file")" '{"a":{"n":2},"c":{"n":3}}'

big=$(head -c 300000 /dev/zero | tr '\0' x)
run "$sink" "ndjson:$file" < <(printf '{"v":1,"kind":"change","source":"st","stream":"mesh","run":0,"epoch":1,"first":8,"seq":8,"changes":[{"op":"put","type":"User","id":"big","object":{"s":"%s"}}]}\n' "$big")
is 'a long last line is found' "$status $(cursor)" '0 st:8'

# A batch of 3 MB is written in pieces; without room nothing of it stays.
many=()
for i in $(seq 10); do many+=("{\"op\":\"put\",\"type\":\"User\",\"id\":\"m$i\",\"object\":{\"s\":\"$big\"}}"); done
change 0 9 9 "[$(IFS=,; echo "${many[*]}")]" >"$TMP/large"
before=$(cksum <"$file")
run bash -c 'trap "" XFSZ; ulimit -f 2500; exec "$1" "$2" <"$3"' _ "$sink" "ndjson:$file" "$TMP/large"
is 'a large batch without room: 111 and as before' "$status $(cksum <"$file")" "111 $before"
like 'what was taken back does not count' "$err" ': 0 put'
run "$sink" "ndjson:$file" <"$TMP/large"
is 'with room it is there' "$status $(cursor) $(grep -c '"id":"m' "$file")" '0 st:9 10'
is 'for its owner alone' "$(stat -c %a "$file")" 600

run "$sink" "ndjson:$file" < <(change 7 1 1 "[$(put a 5)]")
is 'a rebuild without its end is 111' "$status $(cursor)" '111 st:9'
run "$sink" "ndjson:$file" < <(change 8 1 1 "[$(put d 6)]"; rebuilt 8 2 30; change 0 31 31 "[$(put e 7)]")
is 'a whole one replaces everything' "$status $(cursor) $(fold "$file")" '0 st:31 {"d":{"n":6},"e":{"n":7}}'
new=$TMP/new.ndjson
run "$sink" "ndjson:$new" < <(change 9 1 1 "[$(put a 1),$(put b 2)]")
is 'a rebuild from nothing has no cursor before its end' "$status $(cursor "$new")" '111 -'
run "$sink" "ndjson:$new" < <(rebuilt 9 1 0)
is 'an empty mesh forgets it' "$status $(cursor "$new") $(fold "$new")" '0 st:0 {}'

seq 10 >"$TMP/text"
run "$sink" "ndjson:$TMP/text" < <(change 0 1 1 "[$(put a 1)]")
is 'a file of another kind is refused' "$status $(wc -l <"$TMP/text")" '100 10'
printf 'no newline' >"$TMP/text"
run "$sink" "ndjson:$TMP/text" < <(change 0 1 1 "[$(put a 1)]")
is 'without a newline too' "$status $(cat "$TMP/text")" '100 no newline'
run "$sink" "ndjson:$TMP/no/file" </dev/null
is 'a missing folder is wrong use' "$status" 100

run "$sink" ndjson:- < <(change 0 41 41 "[$(put a 1)]")
is 'stdout takes any place in the log' "$status $(jq -c '[.id, .store, .seq]' <<<"$out")" '0 ["a","st",41]'
is 'and has no cursor' "$("$sink" cursor ndjson:-)" -
run "$sink" ndjson:- < <(change 0 41 41 "[$(put a 1)]"; change 0 43 43 "[$(put a 1)]")
is 'but no hole' "$status" 111
printf '%s' "$(change 0 1 1 "[$(put a 1)]")" | "$sink" ndjson:- >"$TMP/out" 2>&1
is 'half a line is 111' "${PIPESTATUS[1]}" 111
unlike 'and not printed' "$(cat "$TMP/out")" '"id"'
run "$sink" ndjson:/dev/full < <(change 0 1 1 "[$(put a 1)]")
is 'no room is 111' "$status" 111
like 'in a word' "$err" 'no room'
mkfifo "$TMP/gone"
{
	read -r _
	for i in $(seq 200); do change 0 "$i" "$i" "[$(put a "$i")]"; done
} <"$TMP/gone" | "$sink" ndjson:- 2>"$TMP/err" > >(exec <&-; echo closed >"$TMP/gone") &
wait $!
is 'a reader that is gone is 111' $? 111
like 'and said' "$(cat "$TMP/err")" 'reader of stdout is gone'

done_testing
