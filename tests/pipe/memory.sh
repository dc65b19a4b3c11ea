#!/usr/bin/env bash
# memory.sh - fetch and transform are as large for four times as many people.
. tests/setup.sh

# flat NAME SMALL LARGE: it has not grown by a third.
flat() {
	# What a sanitizer keeps of freed memory says nothing about ours.
	if grep -q __asan_init "$BUILD/idmesh-fetch"; then
		tests=$((tests + 1))
		echo "ok $tests - $1 # SKIP the sizes are those of a sanitizer"
	else
		ok "$1" test $(($3 * 10)) -lt $(($2 * 13))
	fi
}

# import NAME USERS: $fetch and $transform are the largest sizes, in KB.
import() {
	local at=ipc://$TMP/$1.bus
	org "$1" --users "$2" --groups $(($2 / 500)) --edges $(($2 * 2)) \
		--tier unlimited
	source_file "$TMP/$1.json"
	start join "$BUILD/idmesh-join" --db "$TMP/$1.db" --commit "$at/join"
	start transform "$BUILD/idmesh-transform" --jobs "$at/jobs" \
		--commit "$at/join"
	# A window that is full for the small org too.
	run "$BUILD/tools/peak" "$TMP/$1.peak" "$BUILD/idmesh-fetch" \
		"$TMP/$1.json" --jobs "$at/jobs" --commit "$at/join" \
		--pages-ahead 6
	is "$2 people: fetch" "$status" 0
	fetch=$(jq '.programs["idmesh-fetch"]' "$TMP/$1.peak")
	transform=$(awk '/VmHWM/ { print $2 }' "/proc/$(cat "$TMP/transform.pid")/status")
	stop transform
	stop join
	stop "$1"
	# One in twenty is deprovisioned.
	is "$2 people: they came" "$(sqlite3 "$TMP/$1.db" "SELECT count(*)
		FROM object JOIN stream ON object.stream = stream.pk
		WHERE stream.name = 'User'")" $(($2 * 95 / 100))
}

import small 4000
small_fetch=$fetch small_transform=$transform
import large 16000
echo "# fetch $small_fetch -> $fetch KB, transform $small_transform -> $transform KB"
# The pages of 12,000 people and their memberships are over 30 MB.
flat 'fetch does not grow with them' "$small_fetch" "$fetch"
flat 'nor does transform' "$small_transform" "$transform"
done_testing
