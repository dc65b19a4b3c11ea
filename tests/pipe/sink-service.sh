#!/usr/bin/env bash
# sink-service.sh - the sink behind a ZeroMQ endpoint: where it says it
# stands, what it acknowledges, whom it fences.  `dealer` plays join.
. tests/setup.sh

sink=$BUILD/idmesh-sink
end=ipc://$TMP/bus/mesh
db=$TMP/mesh.db

# join NAME: a dealer whose lines come from fd ${to[NAME]}.
declare -A to
join() {
	local fd
	mkfifo "$TMP/$1.in"
	start "$1" bridge "$1"
	exec {fd}>"$TMP/$1.in"
	to[$1]=$fd
}
bridge() { exec "$BUILD/tools/dealer" "$end" <"$TMP/$1.in"; }
say() { cat >&"${to[$1]}"; }
leave() {
	eval "exec ${to[$1]}>&-"
	rm "$TMP/$1.in"
}
# heard NAME FILTER: the last message that matches.
heard() { jq -c "select($2)" "$TMP/$1.out" 2>/dev/null | tail -n 1; }
hears() { [ -n "$(heard "$@")" ]; }

hello() { printf '{"v":1,"kind":"hello","role":"join","source":"%s","first":1,"seq":%s,"instance":"%s"}\n' "$2" "$3" "$1"; }
# change EPOCH RUN FIRST SEQ ID
change() { printf '{"v":1,"kind":"change","source":"st","stream":"mesh","run":%s,"epoch":%s,"first":%s,"seq":%s,"changes":[{"op":"put","type":"User","id":"%s","object":{"login":"x"}}]}\n' "$2" "$1" "$3" "$4" "$5"; }
rebuilt() { printf '{"v":1,"kind":"end","source":"st","stream":"mesh","run":%s,"epoch":%s,"seq":%s,"complete":true,"cursor":"st:%s"}\n' "$2" "$1" "$3" "$4"; }
schema() { echo '{"v":1,"kind":"schema","source":"st","types":[{"type":"User","attributes":["login"]}]}'; }
ids() { sqlite3 "$db" 'SELECT group_concat(meshId) FROM (SELECT meshId FROM mesh_User ORDER BY 1)'; }
# greet NAME INSTANCE NEWEST [STORE [KIND]]: hello, as join does, until it is
# answered; sets $epoch.
greet() {
	local i
	: >"$TMP/$1.out"
	for i in $(seq 20); do
		hello "$2" "${4:-st}" "$3" | say "$1"
		WAIT_SECONDS=2 wait_for hears "$1" ".kind == \"${5:-state}\"" && break
	done
	epoch=$(heard "$1" '.kind == "state"' | jq .epoch)
}

start sink "$sink" "sqlite:$db" --commit "$end"
join a
# The first one may come before the connection.
meet() {
	printf '{"v":1,"kind":"beat","instance":"one"}\n' | say a
	WAIT_SECONDS=1 wait_for hears a '.kind == "beat"'
}
ok 'who beats before its hello hears that this is another sink' wait_for meet
greet a one 0
is 'an empty target says so' "$(heard a '.kind == "state"' | jq -r '[.source, .run, .cursor] | join(" ")')" 'st 0 -'
{
	schema
	change "$epoch" 5 1 1 u1
	change "$epoch" 5 2 2 u2
	rebuilt "$epoch" 5 3 10
} | say a
ok 'a rebuild is acknowledged in its own numbers' wait_for hears a '.kind == "ack" and .run == 5 and .seq == 3'
is 'and committed' "$("$sink" cursor "sqlite:$db") $(ids)" 'st:10 u1,u2'
rebuilt "$epoch" 5 3 10 | say a
ok 'its end is acknowledged again when the ack was lost' wait_for sh -c "[ \$(grep -c '\"ack\".*\"run\":5.*\"seq\":3}' '$TMP/a.out') -ge 2 ]"
change "$epoch" 0 11 12 u3 | say a
ok 'changes go on behind it' wait_for hears a '.kind == "ack" and .run == 0 and .seq == 12'
is 'and are there before the ack' "$(ids)" u1,u2,u3

change "$epoch" 0 14 14 u5 | say a
ok 'a hole is reported' wait_for hears a '.kind == "gap" and .seq == 13'
is 'and waited for' "$("$sink" cursor "sqlite:$db")" st:12
change "$epoch" 0 13 13 u4 | say a
ok 'once it is filled, both are in' wait_for hears a '.kind == "ack" and .seq == 14'
: >"$TMP/a.out"
change "$epoch" 0 13 13 u9 | say a
ok 'a message twice is acknowledged' wait_for hears a '.kind == "ack" and .seq == 14'
is 'and applied once' "$(ids)" u1,u2,u3,u4,u5
ok 'it beats' wait_for hears a '.kind == "beat"'
hello one st 14 | say a
ok 'the same join is answered again' wait_for hears a '.kind == "state"'
is 'with its epoch and the place' "$(heard a '.kind == "state"' | jq -c '[.epoch, .cursor]')" "[$epoch,\"st:14\"]"
{
	echo 'no JSON'
	echo '{"v":1,"kind":"page","source":"o:c","stream":"User","seq":1,"records":[]}'
	change "$epoch" 0 15 15 u6
} | say a
ok 'what is no message is dropped' wait_for hears a '.kind == "ack" and .seq == 15'

old=$epoch
join b
greet b two 15
ok 'another join has a higher epoch' test "$epoch" -gt "$old"
change "$old" 0 16 16 late | say a
ok 'and the first one is fenced' wait_for hears a '.kind == "fenced"'
change "$epoch" 0 16 16 u7 | say b
ok 'the second one goes on' wait_for hears b '.kind == "ack" and .seq == 16'
unlike 'without the late change' "$(ids)" late

run "$sink" "sqlite:$TMP/other.db" --commit "$end"
is 'an endpoint in use is refused' "$status" 111
change "$epoch" 0 17 17 u8 | say b
wait_for hears b '.kind == "ack" and .seq == 17'
stop sink TERM
is 'SIGTERM ends it well' "$status" 0
is 'with everything committed' "$("$sink" cursor "sqlite:$db")" st:17
like 'and says what was done' "$(cat "$TMP/sink.log")" 'now at st:17'

# Restarted: a rebuild that was cut off starts over.
start sink "$sink" "sqlite:$db" --commit "$end"
greet b two 17
is 'a restarted one knows its place' "$(heard b '.kind == "state"' | jq -r .cursor)" st:17
change "$epoch" 6 1 1 half | say b
wait_for hears b '.kind == "ack" and .run == 6'
stop sink KILL
is 'kill -9 in a rebuild keeps the old cursor' "$("$sink" cursor "sqlite:$db")" st:17
start sink "$sink" "sqlite:$db" --commit "$end"
greet b three 20
{
	change "$epoch" 7 1 1 new
	rebuilt "$epoch" 7 2 20
} | say b
wait_for hears b '.kind == "ack" and .run == 7 and .seq == 2'
is 'the next rebuild leaves nothing of it' "$("$sink" cursor "sqlite:$db") $(ids)" 'st:20 new'
{
	change "$epoch" 8 2 2 n2
	change "$epoch" 8 1 1 n1
	rebuilt "$epoch" 8 3 21
} | say b
ok 'a rebuild whose first message is overtaken is whole' \
	wait_for hears b '.kind == "ack" and .run == 8 and .seq == 3'
{
	change "$epoch" 7 1 1 old
	change "$epoch" 0 22 22 u22
} | say b
ok 'a late copy of an earlier rebuild begins nothing' \
	wait_for hears b '.kind == "ack" and .run == 0 and .seq == 22'
is 'and is not in' "$(ids)" n1,n2,u22

greet b four 12 st fenced
ok 'a store that went back is fenced' hears b '.kind == "fenced"'
is 'and hears where the sink stands' \
	"$(heard b '.kind == "state"' | jq -r .cursor)" st:22
wait_for sh -c "! kill -0 $pid"
wait "$pid"
is 'and the sink ends with 100' $? 100
like 'with the way out' "$(cat "$TMP/sink.log")" 'restored from a backup'
start sink "$sink" "sqlite:$db" --commit "$end"
greet b five 99 other fenced
wait "$pid"
is 'another store too' $? 100

leave a
leave b
done_testing
