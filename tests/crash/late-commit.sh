#!/usr/bin/env bash
# late-commit.sh - a commit of join fails after its pages were taken, each
# commit of a run in turn; join is started again.  A fetch that ends well has
# nothing left that is not durable.
. tests/setup.sh
. tests/steps.sh

db=$TMP/state.db
org small --users 60 --groups 5 --edges 150 --tier unlimited --seed 3 \
	--page-max 20
source_file "$TMP/okta.json"
calm_import

# set_runs HOW N: everybody runs; HOW happens at the Nth step of join's log.
set_runs() {
	rm -f "$db"* "$TMP/steps"
	"$JOIN" begin --db "$db" okta:contoso >/dev/null 2>&1 # makes the file
	spoil '*/state.db-wal' "$1" "$2"
	start join "${spoil[@]}" "$JOIN" --db "$db" --commit "$commit"
	start worker "$BUILD/idmesh-transform" -j 1 --jobs "$jobs" \
		--commit "$commit"
	start fetch "$BUILD/idmesh-fetch" "$TMP/okta.json" --jobs "$jobs" \
		--commit "$commit"
}
again() { start join "$JOIN" --db "$db" --commit "$commit"; }
# 2: there was no such step.
fails_at() {
	set_runs EIO "$1"
	wait_for one_ended || return 1
	! ended join || again
	ends_whole
}
ends_whole() {
	wait_for ended fetch || return 1
	wait "$(cat "$TMP/fetch.pid")"
	echo $? >"$TMP/code"
	stop join
	stop worker
	fired || return 2
	[ "$(cat "$TMP/code")" = 0 ] && sound "$db" &&
		diff "$TMP/calm" <(dump_state "$db")
}
one_ended() { ended join || ended fetch; }

n=1
export STEPS_OF=sync
while [ $n -lt 40 ]; do
	fails_at $n >"$TMP/why" 2>&1
	code=$?
	[ $code != 2 ] || break
	is "commit $n fails: what was acknowledged is there" \
		"$code $(head -n 6 "$TMP/why" | cut -c1-300)" '0 '
	[ "$failed" -eq 0 ] || done_testing
	n=$((n + 1))
done
ok 'several commits failed' test $n -gt 4

# The one that closes the run, whose row says that auto was asked, and done,
# takes for ever: fetch waits, is not done with it, and outlives join.
hangs() {
	set_runs hang 1
	wait_for fired && wait_for fetch_waits || return 1
	! ended fetch || echo 'fetch has ended before the commit'
	stop join KILL
	again
	ends_whole
}
fetch_waits() { ended fetch || grep -q 'waiting for join' "$TMP/fetch.log"; }
export STEPS_OF=write STEPS_HAS=autodone
hangs >"$TMP/why" 2>&1
is 'fetch does not end before the commit that closes the run' \
	"$? $(head -n 6 "$TMP/why" | cut -c1-300)" '0 '
done_testing
