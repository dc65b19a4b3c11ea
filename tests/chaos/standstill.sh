#!/usr/bin/env bash
# standstill.sh - whoever is behind stands still: what is before it stops
# asking instead of filling memory, and all goes on afterwards.
. tests/setup.sh
. tests/wire.sh

signal() { kill "-$2" "$(cat "$TMP/$1.pid")"; }
# How often its main thread has slept, so that a test can wait for a while in
# which fetch could have asked: N more rounds of its loop.
rounds() {
	awk '/^voluntary_ctxt/ { print $2 }' "/proc/$(cat "$TMP/$1.pid")/status"
}
later() { [ "$(rounds "$1")" -ge "$2" ]; }
some_rounds() { wait_for later "$1" $(($(rounds "$1") + 30)); }

org okta --users 3000 --groups 200 --edges 10000 --tier unlimited --latency 20
source_file "$TMP/okta.json"
calm

# --- join stands still
start_sink
start_join --to "$(at mesh)"
start_transform t1
start_transform t2
start_fetch
wait_for requests 20
signal join STOP
some_rounds fetch
asked=$(calls)
some_rounds fetch
is 'join stands still: fetch stops asking' "$(calls)" "$asked"
signal join CONT
more() { [ "$(calls)" -ge $((asked + 20)) ]; }
wait_for more
signal join STOP
some_rounds fetch
# What is neither committed nor asked for before is in the window.
asked=$(grep -c . "$TMP/req")
committed=$(committed_now)
echo "# $asked asked for, $committed committed"
ok 'join stands still again: no more is on its way than the window' \
	test $((asked - committed)) -le 33
signal join CONT
finished 'join stood still'
same 'join stood still'
same_calls 'join stood still'
same_target 'join stood still'

# --- the sink stands still, or its target is locked: that is not fetch's
# business, for the log of join is the queue
calm_again
: >"$TMP/req"
mutate '{"change": 200, "create": 20, "move": 100, "deprovision": 20}'
calm_again
signal sink STOP
start_fetch --mode full
finished 'the sink stands still'
same 'the sink stands still'
signal sink CONT
same_target 'the sink stands still'

# --- a window of one page
: >"$TMP/req"
start_fetch --mode full --pages-ahead 1
finished 'a window of one page'
same 'a window of one page'
same_calls 'a window of one page'
stop t1
stop t2
stop join
stop sink

run "$IDMESH" fetch "$TMP/okta.json" --pages-ahead 0 --jobs "$(at jobs)" \
	--commit "$(at commit)"
is 'a window of nothing is refused' "$status" 100

done_testing
