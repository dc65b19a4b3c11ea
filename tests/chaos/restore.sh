#!/usr/bin/env bash
# restore.sh - join's database or a target is put back to an earlier copy:
# what is still on its way from the time that never was does not come in.
. tests/setup.sh
. tests/wire.sh

signal() { kill "-$2" "$(cat "$TMP/$1.pid")"; }

org okta --users 2000 --groups 20 --edges 2000 --tier unlimited --latency 150
source_file "$TMP/okta.json"

# --- join's database; fetch is new, too, and a worker has a page of before
start_join
start_transform t1
start_fetch
finished 'the first import'
stop join
cp "$db" "$TMP/copy.db"
: >"$TMP/req"
start_join
start_fetch --mode full --streams User
wait_for requests 3
stop join KILL
ok 'a worker holds a page that nobody takes' wait_for said t1 'waiting for join'
stop fetch KILL
signal t1 STOP
rm -f "$db"*
cp "$TMP/copy.db" "$db"
mutate '{"change": 1500}'
calm
: >"$TMP/req"
start_join
start_fetch --mode full --streams User
wait_for requests 5
signal t1 CONT
finished 'a restored database'
same 'a restored database: nothing of before it came in'
stop t1
stop join
done_testing
