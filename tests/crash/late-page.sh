#!/usr/bin/env bash
# late-page.sh - a worker stands still with a page in its hands while fetch
# dies, the org changes and another fetch gives the same number to other
# records: the late page must not be taken for it.
. tests/setup.sh
. tests/steps.sh

db=$TMP/state.db

# A worker that stops just before it sends the first page of a stream.
worker() {
	rm -f "$TMP/steps"
	spoil "$1" stop 1
	STEPS_OF=send start worker "${spoil[@]}" "$BUILD/idmesh-transform" \
		-j 1 --jobs "$jobs" --commit "$commit"
}
epoch() { sqlite3 "$db" 'SELECT max(epoch) FROM source'; }
epoch_rose() { [ "$(epoch)" -gt "$before" ]; }

# late STREAM SEED: what was committed before the org changed is behind it; a
# delta brings it up.
late() {
	rm -f "$db"*
	org "org$2" --users 120 --groups 12 --edges 400 --tier unlimited \
		--seed "$2" --page-max 20
	source_file "$TMP/okta.json"
	start join "$JOIN" --db "$db" --commit "$commit"
	worker "$1"
	start fetch "$BUILD/idmesh-fetch" "$TMP/okta.json" --jobs "$jobs" \
		--commit "$commit"
	wait_for fired || return 1
	stop fetch KILL
	before=$(epoch)
	curl -sf -X POST "$url/_sim/mutate" -d '{"change": 100, "create": 10,
		"move": 150, "groups": 8, "renameGroups": 8}' >/dev/null
	start fetch "$BUILD/idmesh-fetch" "$TMP/okta.json" --jobs "$jobs" \
		--commit "$commit"
	wait_for epoch_rose || return 1
	kill -CONT "$(sed -n 's/^fired.* by //p' "$TMP/steps")"
	wait_for ended fetch || return 1
	wait "$(cat "$TMP/fetch.pid")" || return 1
	stop join
	stop worker
	calm_import
	sound "$db" && diff <(of_type "$1" <"$TMP/calm") \
		<(dump_state "$db" | of_type "$1") || return 1
	pipeline "$TMP/okta.json" "$db" "sqlite:$TMP/mesh.db"
	rm -f "$TMP"/mesh.db*
	stop "org$2"
	sound "$db" && diff "$TMP/calm" <(dump_state "$db")
}
of_type() { grep "\"type\":\"$1\"}\$"; }

for stream in User Group GroupMember; do
	for seed in 1 2; do
		late $stream $seed >"$TMP/why" 2>&1
		is "a page of ${stream}s comes late, of an older epoch: dropped" \
			"$? $(head -n 6 "$TMP/why" | cut -c1-300)" '0 '
		[ "$failed" -eq 0 ] || done_testing
	done
done
done_testing
