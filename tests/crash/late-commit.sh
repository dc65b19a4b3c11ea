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

# With the Nth step of $STEPS_OF the disk of join's log fails; 2: there was no
# such step.
fails_at() {
	rm -f "$db"* "$TMP/steps"
	"$JOIN" begin --db "$db" okta:contoso >/dev/null 2>&1 # makes the file
	start join spoiled '*/state.db-wal' EIO "$1" \
		"$JOIN" --db "$db" --commit "$commit"
	start worker "$BUILD/idmesh-transform" -j 1 --jobs "$jobs" \
		--commit "$commit"
	start fetch "$BUILD/idmesh-fetch" "$TMP/okta.json" --jobs "$jobs" \
		--commit "$commit"
	wait_for one_ended || return 1
	if ended join; then
		wait "$(cat "$TMP/join.pid")"
		start join "$JOIN" --db "$db" --commit "$commit"
	fi
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
while fails_at $n >"$TMP/why" 2>&1 || [ $? = 1 ]; do
	is "commit $n fails: what was acknowledged is there" \
		"$(head -n 6 "$TMP/why" | cut -c1-300)" ''
	n=$((n + 1))
done
ok 'several commits failed' test $n -gt 4

# The one that closes the run: its row says that auto was asked, and done.
export STEPS_OF=write STEPS_HAS=autodone
fails_at 1 >"$TMP/why" 2>&1
is 'the commit that closes the run fails: fetch does not end before it' \
	"$? $(head -n 6 "$TMP/why" | cut -c1-300)" '0 '
done_testing
