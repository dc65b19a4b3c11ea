#!/usr/bin/env bash
# harness.sh - scripts/tap and scripts/crash do not take silence for success:
# a test that says nothing, stops in the middle or dies is one that failed.
. tests/setup.sh

mkdir -p "$TMP/tree/scripts" "$TMP/tree/tests/crash" "$TMP/tree/tests/fault"
cp scripts/tap scripts/crash "$TMP/tree/scripts"
fake() { cat >"$TMP/tree/tests/$1.sh"; }
good() {
	fake crash/kill-1 <<<'echo "ok 1 - history 1"; echo 1..1'
	fake fault/one <<<'echo "ok 1 - fine"; echo 1..1'
}
crash() { CRASH_SECONDS=60 SEEDS=1 run "$TMP/tree/scripts/crash"; }
tap() { run "$TMP/tree/scripts/tap" crash fault; }

for runner in tap crash; do
	good
	$runner
	is "$runner: good tests are good" "$status" 0
	for how in silent:: half:'echo "ok 1 - x"; echo 1..2' \
		noplan:'echo "ok 1 - x"' dead:'echo "ok 1 - x"; echo 1..1; exit 1' \
		bad:'echo "not ok 1 - x"; echo 1..1'; do
		good
		fake fault/one <<<"${how#*:}"
		$runner
		is "$runner: one that is ${how%%:*} is not" "$status" 1
	done
done
done_testing
