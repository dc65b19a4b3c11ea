#!/usr/bin/env bash
# fetch over ZeroMQ: workers and join may die, come back, or take over, and
# every page is committed all the same.
. tests/setup.sh
WAIT_SECONDS=90 # what waits for the ack timer waits 30 s

jobs=ipc://$TMP/bus/jobs
join=ipc://$TMP/bus/join
bus=(--jobs "$jobs" --commit "$join")
start_join() {
	start join "$IDMESH" join --db "$TMP/state.db" --commit "$join"
}
start_transform() {
	start "$1" "$IDMESH" transform "${bus[@]}"
}
start_fetch() {
	start fetch "$IDMESH" fetch "$TMP/okta.json" "${bus[@]}" \
		--request-log "$TMP/req" "$@"
}
# finish: how fetch ended, at most so long.
finish() {
	wait_for bash -c "! kill -0 $(cat "$TMP/fetch.pid")"
	stop fetch
}
# committed N: so many pages of the newest run are in join's database.
committed() {
	[ "$(sqlite3 "$TMP/state.db" "SELECT sum(seq) FROM checkpoint
		WHERE run = (SELECT max(run) FROM checkpoint)")" -ge "$1" ]
}
requests() {
	[ "$(grep -c . "$TMP/req")" -ge "$1" ]
}
count() {
	sqlite3 "$TMP/state.db" "SELECT count(*) FROM object WHERE stream =
		(SELECT pk FROM stream WHERE name = '$1')"
}
complete() {
	is "$1: fetch is done" "$status" 0
	is "$1: every page and end is committed" \
		"$(sqlite3 "$TMP/state.db" "SELECT sum(seq) FROM checkpoint
			WHERE run = (SELECT max(run) FROM checkpoint)")" \
		"$(sed -n 's/.* records* in \([0-9]*\) page.*/\1/p' \
			"$TMP/fetch.log" | awk '{ n += $1 + 1 } END { print n }')"
}

org okta --users 3000 --groups 60 --edges 20000 --tier unlimited --latency 40
source_file "$TMP/okta.json"
mkdir -m 0700 "$TMP/bus"

# This one is looked at again at the end.
start lonely env XDG_RUNTIME_DIR="$TMP/bus" "$IDMESH" fetch "$TMP/okta.json" \
	--jobs "$jobs.3" --commit "ipc://$TMP/bus/none"
lonely=$pid

# Nothing is there when fetch starts; it all comes later.
start_fetch
wait_for test -S "$TMP/bus/jobs"
start_join
start_transform t1
start_transform t2
wait_for requests 10

# A worker is killed, another one leaves, a third one comes.
stop t1 KILL
start_transform t3
wait_for requests 20
stop t2
is 'a transform that is told to leave ends well' "$status" 0

# Join is killed and comes back.
wait_for requests 30
stop join KILL
start_join
finish
complete 'killed workers and a killed join'
like 'killed workers and a killed join: fetch noticed' \
	"$(cat "$TMP/fetch.log")" 'join has restarted|transform is silent'
is 'every record came once' "$(count GroupMember)" 20000

# The next run is a delta, by itself.
: >"$TMP/req"
start_fetch
finish
is 'the next run: done' "$status" 0
like 'the next run: a delta' "$(cat "$TMP/fetch.log")" 'User: complete, delta'
like 'the next run: the memberships too' "$(cat "$TMP/fetch.log")" \
	'GroupMember: complete, delta'

# fetch is killed: the next one goes on where it was.
: >"$TMP/req"
start_fetch --mode full
wait_for committed 30
stop fetch KILL
: >"$TMP/req"
start_fetch --mode full
finish
is 'after a killed fetch: done' "$status" 0
ok 'after a killed fetch: what was committed is not asked for again' test \
	"$(grep -c '/users"' "$TMP/req")" -lt 70
is 'after a killed fetch: every record came once' "$(count GroupMember)" 20000

# The ends of all streams are lost on their way to join.
start wire "$BUILD/tools/relay" "$join.wire" "$join" 1 lose-end=3
: >"$TMP/req"
start fetch "$IDMESH" fetch "$TMP/okta.json" --jobs "$jobs" \
	--commit "$join.wire" --mode full --request-log "$TMP/req"
finish
stop wire
complete 'lost ends'
like 'lost ends: they were' "$(cat "$TMP/wire.out" "$TMP/wire.log")" ' 3 lost'
unlike 'lost ends: not waited for as long as for a page' \
	"$(cat "$TMP/fetch.log")" 'not acknowledged in time'

# Another fetch takes the source over.
: >"$TMP/req"
start_fetch --mode full
wait_for requests 10
mv "$TMP/fetch.log" "$TMP/old.log"
old=$pid
url=http://localhost:${url##*:}
source_file "$TMP/other.json"
start other "$IDMESH" fetch "$TMP/other.json" --jobs "$jobs.2" \
	--commit "$join" --mode full
wait_for bash -c "! kill -0 $old"
wait "$old"
is 'another fetch takes over: temporary failure' "$?" 111
like 'another fetch takes over: says so' "$(cat "$TMP/old.log")" \
	'another fetch took over'
stop other

# Join's database is put back to an earlier copy under a running fetch.
url=http://127.0.0.1:${url##*:}
stop join
cp "$TMP/state.db" "$TMP/copy.db"
start_join
: >"$TMP/req"
start_fetch --mode full
wait_for committed 40
stop join KILL
rm -f "$TMP"/state.db*
cp "$TMP/copy.db" "$TMP/state.db"
start_join
finish
is 'a join that went back: done' "$status" 0
like 'a join that went back: started over' "$(cat "$TMP/fetch.log")" \
	'gone back'
is 'a join that went back: every record is there' "$(count GroupMember)" 20000

# Endpoints that cannot be used.
run "$IDMESH" fetch "$TMP/okta.json" --jobs udp://x --commit "$join"
is 'an endpoint that is none' "$status" 100
like 'an endpoint that is none: says what is one' "$err" 'ipc:///path'
run "$IDMESH" fetch "$TMP/okta.json" --jobs tcp://0.0.0.0:9 --commit "$join"
is 'tcp off loopback is refused' "$status" 100
wait_for bash -c "! kill -0 $lonely"
wait "$lonely"
is 'no join at all is not waited for without end' "$?" 111
like 'no join at all: says where' "$(cat "$TMP/lonely.log")" \
	"no join answers at ipc://$TMP/bus/none"
is 'no join at all: it was said early that fetch waits, and where' \
	"$(grep -c "waiting for join at ipc://$TMP/bus/none" "$TMP/lonely.log")" 1

unlike 'the token is in no output' "$(cat "$TMP"/*.log "$TMP/req")" "$TOKEN"

done_testing
