#!/usr/bin/env bash
# sinks.sh - each sink goes on behind its own cursor, at its own pace: one that
# stands still, one that is away for many rounds, one that was put back to an
# earlier copy, one that is empty or too old; and what comes out of order.
. tests/setup.sh
. tests/wire.sh

signal() { kill "-$2" "$(cat "$TMP/$1.pid")"; }
lines=ndjson:$TMP/lines
# A round of changes, and its run up to the end.
round() {
	mutate '{"change": 60, "create": 8, "deprovision": 4, "move": 40}'
	start_fetch
	ended fetch
	[ "$status" -eq 0 ]
}
rounds() {
	local n
	for n in $(seq "$1"); do round || return 1; done
}
numbers() { sqlite3 "$db" 'SELECT newest FROM store'; }

org okta --users 1200 --groups 30 --edges 3000 --tier unlimited
source_file "$TMP/okta.json"
start_sink
start_sink slow "$lines" slow
start_join --to "$(at mesh)" --to "$(at slow)"
start_transform t1
start_fetch
finished 'the first import'
ok 'both sinks have it' wait_for caught_up "$lines"

# --- one stands still, the other goes on
signal slow STOP
ok 'one stands still: two rounds' rounds 2
ok 'one stands still: the other has everything' wait_for caught_up
unlike 'one stands still: it has not' "$("$IDMESH" sink cursor "$lines")" \
	":$(numbers)\$"
calm
same_target 'one stands still'
signal slow CONT
ok 'it goes on' wait_for caught_up "$lines"
ok 'it goes on: the same mesh' cmp "$TMP/calm" <(ndjson_state "$TMP/lines")

# --- one is away for many rounds, and a copy of it comes back
stop sink
cp "$TMP/mesh.db" "$TMP/copy.db"
put() { sed -n 's/.*: \([0-9]*\) put, .*/\1/p' "$TMP/sink.log"; }
ok 'one is away: five rounds' rounds 5
before=$(numbers)
start_sink
calm
same_target 'one was away'
stop sink
ok 'one was away: it was sent what it missed, not everything' \
	test "$(put)" -lt 2000
rm -f "$TMP"/mesh.db*
cp "$TMP/copy.db" "$TMP/mesh.db"
start_sink
same_target 'one was put back to an earlier copy'
stop sink
ok 'one was put back: it was sent what it missed, not everything' \
	test "$(put)" -lt 2000

# --- an empty one, and one behind the oldest number of the log
rm -f "$TMP"/mesh.db*
start_sink
same_target 'an empty one'
stop sink
stop join
cp "$TMP/copy.db" "$TMP/mesh.db"
# What join does itself with changes of more than a week.
sqlite3 "$db" "DELETE FROM change WHERE number <= $((before - 20));
	UPDATE store SET oldest = $((before - 19))"
start_sink
start_join --to "$(at mesh)" --to "$(at slow)"
same_target 'one that is too old'
like 'one that is too old: join says that it builds it anew' \
	"$(cat "$TMP/join.log")" 'is new or too old: sending the whole mesh'

# --- restarted in the middle of everything
for n in 1 2 3; do
	mutate '{"change": 400}'
	start_fetch
	wait_for alive fetch
	stop sink KILL
	start_sink
	stop slow KILL
	start_sink slow "$lines" slow
	[ $n = 2 ] && stop join KILL &&
		start_join --to "$(at mesh)" --to "$(at slow)"
	ended fetch
done
is 'restarted in the middle: fetch is done' "$status" 0
calm
same 'restarted in the middle'
same_target 'restarted in the middle'
ok 'restarted in the middle: the other one, too' wait_for caught_up "$lines"
ok 'restarted in the middle: with the same mesh' \
	cmp "$TMP/calm" <(ndjson_state "$TMP/lines")
for name in t1 join sink slow; do stop $name; done

done_testing
