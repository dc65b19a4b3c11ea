#!/usr/bin/env bash
# budget-org.sh - 50,000 users and 2,000 groups within the limits of a
# Workforce org, whose minute takes five seconds here.
. tests/setup.sh
. tests/budget.sh

WINDOW=5

org org --users 50000 --groups 2000 --edges 80000 --tier workforce \
	--window $WINDOW --latency 10
source_file "$TMP/org.json" '.ConfigJson.RateLimitShare = 1.0'
import org
is 'all succeed' "$(of org code)" 0
ok 'nothing is missing' whole org 'User Group GroupMember'
is '0 x 429' "$(stats org '.limited + .concurrency429')" 0
is 'no retries' "$(stats org .retriesMarked)" 0
# The buckets fill side by side, so the one that needs the most windows
# says how long all of it takes.
ideal=0
for bucket in users groups; do
	name=/api/v1/$bucket
	calls=$(bucket org "$name" calls)
	limit=$(bucket org "$name" limit)
	ms=$(windows org "$name" "^$name" "$limit" $WINDOW 8 10)
	few_windows org "$name" "$name" "^$name" "$limit"
	echo "# $name: $calls calls, $limit in a window, $ms ms"
	[ "$ms" -lt "$ideal" ] || ideal=$ms
done
quick org 'time' "$ideal" 1.05
ok 'the limits were felt' test "$ideal" -gt $((5 * WINDOW * 1000))
done_testing
