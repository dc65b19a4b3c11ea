#!/usr/bin/env bash
# workers.sh - transforms come and go as they like, in every way there is to
# go, and nobody has to be told: it costs a page sent again, and no call.
. tests/setup.sh
. tests/wire.sh

signal() { kill "-$2" "$(cat "$TMP/$1.pid")"; }

org okta --users 2400 --groups 80 --edges 8000 --tier unlimited --latency 60
source_file "$TMP/okta.json"
calm

# --- one to eight, by TERM, by KILL, and stopped for a while
start_join
start_transform t1
start_fetch
wait_for requests 5
start_transform t2
start_transform t3
wait_for requests 12
stop t1 KILL
signal t2 STOP
start_transform t4
wait_for requests 20
stop t3
is 'a worker that is told to leave ends well' "$status" 0
for t in t5 t6 t7 t8; do start_transform $t; done
wait_for requests 40
signal t5 STOP
stop t6 KILL
stop t7
ok 'one that is stopped is noticed' wait_for said fetch 'transform is silent'
# Its pages were given to others; now it brings them, too.
signal t2 CONT
finished 'workers come and go'
same 'workers come and go'
same_calls 'workers come and go'
signal t5 CONT
for t in t2 t4 t5 t8; do stop $t; done
is 'one that was stopped to the end leaves well' "$status" 0

calm_again
# --- all are gone for a while, and pages pile up no further than the window
: >"$TMP/req"
start_transform u1
start_fetch --mode full
wait_for requests 10
stop u1 KILL
ok 'all gone: fetch says that nobody takes its pages' \
	wait_for said fetch 'pages wait, but no transform takes them'
before=$(committed_now)
asked=$(grep -c . "$TMP/req")
ok 'all gone: it asks for no more than the window holds' \
	test $((asked - before)) -le 34
start_transform u2
finished 'all gone'
same 'all gone'
same_calls 'all gone'
stop u2

# --- a page that its worker has done, and that join never gets
: >"$TMP/req"
commit_at=lossy
relay loss lossy commit lose-records=3
start_transform v1
commit_at=commit
start_fetch --mode full
finished 'done and lost'
same 'done and lost'
same_calls 'done and lost'
pages=$(sed -n 's/.* records* in \([0-9]*\) page.*/\1/p' "$TMP/fetch.log" |
	awk '{ n += $1 } END { print n }')
stop v1
stop loss
like 'done and lost: it was' "$(cat "$TMP/loss.out")" ' 3 lost'
mapped=$(sed -n 's/.*: \([0-9]*\) pages, .*/\1/p' "$TMP/v1.log")
is 'done and lost: just these were mapped again' "$mapped" $((pages + 3))

stop join
done_testing
