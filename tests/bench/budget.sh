# budget.sh - the torture tests of the budget, one after the other, with the
# wall time of each against that of a client which knows every limit beforehand.
# Sourced by tests/bench/run.
# shellcheck shell=bash

bench_budget() {
	local test out=$DIR/budget.out
	title 'the budget against a client that knows every limit beforehand'
	for test in "$ROOT"/tests/pipe/budget-*.sh; do
		BUDGET_TIMES=yes bash "$test" >"$out" 2>&1 ||
			die "${test##*/}: $(grep -A3 '^not ok' "$out")"
		sed -n 's/^# \(.*ratio .*\)/  \1/p' "$out"
	done
}
