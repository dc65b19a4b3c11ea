#!/usr/bin/env bash
# join-service.sh - join between sockets: nothing lost and nothing doubled
# when join, a fetch or a sink dies, and each sink at its own pace.
. tests/setup.sh
. tests/records.sh

FEED=$BUILD/tools/feed
SINK=$BUILD/idmesh-sink
in=ipc://$TMP/run/join
crowd 4000 20 >"$TMP/in"
"$JOIN" --db "$TMP/pipe.db" <"$TMP/in" >/dev/null
"$JOIN" dump --db "$TMP/pipe.db" | sort >"$TMP/want"

join() {
	start "${1:-join}" "$JOIN" --db "$db" --commit "$in" \
		--to "ipc://$TMP/run/a" --to "ipc://$TMP/run/b"
	wait_for test -S "$TMP/run/join"
}
sink() { start "$1" "$SINK" "$2" --commit "ipc://$TMP/run/$1"; }
committed() { [ "$(sqlite3 "$db" "SELECT sum(seq) >= $1 FROM checkpoint" 2>/dev/null)" = 1 ]; }
# The mesh of a target, in the words of dump.
sqlite_mesh() {
	local type
	for type in Group GroupMember User; do
		sqlite3 "$TMP/a.db" "SELECT json_object('type', '$type', 'id', meshId) FROM \"$type\""
	done | sort
}
ndjson_mesh() {
	jq -c 'select(.op) | {op, type, id}' "$TMP/b.ndjson" | tac |
		jq -cs 'unique_by(.id) | .[] | select(.op == "put") | {type, id}' | sort
}
want_ids() { jq -c '{type, id}' "$TMP/want" | sort; }
at() { [ "$("$SINK" cursor "$1")" = "$(sqlite3 "$db" "SELECT id || ':' || newest FROM store")" ]; }

# --- join dies while a fetch is feeding it
join
sink a "sqlite:$TMP/a.db"
start feed "$FEED" "$in" "$TMP/in"
feed=$pid
wait_for committed 5
stop join KILL
join again
wait "$feed"
is 'a fetch outlives join: all is acknowledged' $? 0
ok 'the store is as a pipe leaves it' \
	diff <("$JOIN" dump --db "$db" | sort) "$TMP/want"
is 'in one run' "$("$JOIN" runs --db "$db" --json | jq -c '[.run, .state]')" '[1,"done"]'
is 'nothing was put twice' "$(sqlite3 "$db" 'SELECT count(*) = newest FROM change, store')" 1
ok 'the sink gets there' wait_for at "sqlite:$TMP/a.db"
ok 'and has the mesh' diff <(sqlite_mesh) <(want_ids)

ok 'a sink that is not there is named' \
	wait_for grep -q "waiting for a sink at ipc://$TMP/run/b" "$TMP/again.log"
stop again
is 'SIGTERM while it has not answered: not done' "$status" 111
like 'and where its changes are' "$(cat "$TMP/again.log")" \
	"run/b: no sink has answered here; its changes wait in $db and come with"
unlike 'the sink that has everything is not named' "$(cat "$TMP/again.log")" \
	"run/a: (the|no) sink"
join again

# --- a sink that comes late, and one that dies
sink b "ndjson:$TMP/b.ndjson"
wait_for test -s "$TMP/b.ndjson"
stop b KILL
sink b "ndjson:$TMP/b.ndjson"
ok 'a late sink that is killed gets there' wait_for at "ndjson:$TMP/b.ndjson"
ok 'and has the mesh too' diff <(ndjson_mesh) <(want_ids)

# --- a fetch that dies: the next one goes on
sed 's/Clerk/Baker/; s/"title":"0/"title":"1/g; s/"hash":"0/"hash":"1/g' "$TMP/in" >"$TMP/in2"
run "$FEED" "$in" "$TMP/in2" first auto 12
is 'a fetch is gone in the middle' "$status" 3
run "$FEED" "$in" "$TMP/in2" second full
is 'another one goes on and ends' "$status" 0
like 'in the same run' "$("$JOIN" runs --db "$db" --json | tail -n 1 |
	jq -c '[.run, .state, .streams.User.mode, .streams.User.changed]')" \
	'\[[23],"done","full",[0-9]+\]'
run "$FEED" "$in" "$TMP/in2" second full
is 'asked again by the same fetch: it is done' "$status" 0
is 'and no run was begun' "$("$JOIN" runs --db "$db" --json | tail -n 1 | jq .state)" '"done"'
ok 'both sinks get there' wait_for at "sqlite:$TMP/a.db"
ok 'at their own pace' wait_for at "ndjson:$TMP/b.ndjson"

# --- two fetches of a source, a second join, a begin
{
	sed '$d' "$TMP/in2"
	page GroupMember 99 ''
} >"$TMP/hole"
start other "$FEED" "$in" "$TMP/hole" waits full
other=$pid
asked() { [ "$(sqlite3 "$db" 'SELECT instance FROM source')" = "$1" ]; }
wait_for asked waits
run "$FEED" "$in" "$TMP/in2" fast full
is 'a second fetch of the source goes on' "$status" 0
wait "$other"
is 'the first one is fenced' "$?:$(cat "$TMP/other.out")" '1:fenced: another fetch took over'
run "$JOIN" --db "$db" --commit "ipc://$TMP/run/other"
like 'a second join of the database' "$status:$err" '^111:.*in use by another join'
run "$JOIN" begin --db "$db" $S
like 'a pipe cannot begin beside it' "$status:$err" '^111:.*under way'
run "$JOIN" --db "$TMP/new.db" --commit "$in"
is 'a second join at the endpoint' "$status" 111

# --- the rules again, the guard, the end
kill -HUP "$(cat "$TMP/again.pid")"
ok 'rules are read again' wait_for grep -q 'rules [0-9a-f]' "$TMP/again.log"
sed '/"stream":"User"/{/"kind":"records"/d;}' "$TMP/in2" |
	sed '/"User"/s/"seq":[0-9]*/"seq":1/' >"$TMP/empty"
run "$FEED" "$in" "$TMP/empty" empty full
is 'an empty listing of users is held' \
	"$status:$("$JOIN" runs --db "$db" --json | tail -n 1 | jq -r .state)" 0:held
number=$("$JOIN" runs --db "$db" --json | tail -n 1 | jq .run)
ok 'approved beside the service' "$JOIN" approve --db "$db" "$number"
ok 'the sinks hear of it' wait_for at "sqlite:$TMP/a.db"
is 'the users are gone there' "$(sqlite3 "$TMP/a.db" 'SELECT count(*) FROM User')" 0
many=$(for i in $(seq 101); do printf ',{"index":%d,"id":"b%d","code":"E","message":"no"}' "$i" "$i"; done)
{
	n=101 page User 1 ",\"bad\":[${many#,}]"
	end User 2
} >"$TMP/broken"
run "$FEED" "$in" "$TMP/broken" broken full
is 'too many rejects: the fetch is told' "$status:$out" \
	"1:fenced for good: too many records were rejected; see 'idmesh join dead', mend the rules, run again"
is 'and the mesh stays' "$(sqlite3 "$db" 'SELECT sum(alive) FROM stream')" 4020
"$JOIN" watermark --db "$db" $S '{"u":null,"g":null}'
run "$FEED" "$in" "$TMP/in" never delta
like 'changes since never: refused with the reason' "$status:$out" \
	'^1:fenced for good: .*User has no watermark'
ok 'the service goes on' kill -0 "$(cat "$TMP/again.pid")"
stop again
is 'SIGTERM: drained; 100 for the rejects' "$status" 100
ok 'every sink has everything' at "ndjson:$TMP/b.ndjson"
stop a
stop b

# --- a sink that is slow is waited for when it is to finish ------------------------
crowd 12000 20 >"$TMP/many"
slow() {
	db=$TMP/$1.db
	start "to-$1" "$BUILD/tools/relay" "ipc://$TMP/run/near" "ipc://$TMP/run/far" \
		1 keep-change=1200
	start "join-$1" "$JOIN" --db "$db" --commit "$in" --drain 2 \
		--to "ipc://$TMP/run/near"
	run "$FEED" "$in" "$TMP/many"
	sink far "ndjson:$TMP/$1.ndjson"
	wait_for test -s "$TMP/$1.ndjson"
	stop "join-$1" "$1"
}
slow TERM
is 'SIGTERM: no longer than --drain' "$status" 111
like 'what the sink has not is told' "$(cat "$TMP/join-TERM.log")" \
	'the sink has not the whole mesh; its changes wait in'
stop to-TERM
stop far
slow USR1
is 'SIGUSR1: for as long as it goes on' "$status" 0
ok 'and then it has everything' at "ndjson:$TMP/USR1.ndjson"
stop to-USR1
stop far
done_testing
