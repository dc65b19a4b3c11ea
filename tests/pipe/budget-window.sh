#!/usr/bin/env bash
# budget-window.sh - about 400 calls at 60 per 10 s, from 1 to 300 requests at
# once: none is refused, and no client could be much quicker.
. tests/setup.sh
. tests/budget.sh

BUCKET=/api/v1/groups
LIMIT=60
WINDOW=10
LATENCY=20

for k in 1 10 75 300; do
	org "org$k" --users 500 --groups 441 --edges 2000 --window $WINDOW \
		--limit $BUCKET=$LIMIT --concurrency 400 --latency $LATENCY
	source_file "$TMP/org$k.json" ".ConfigJson.MaxInFlight = $k |
		.ConfigJson.RateLimitShare = 1.0"
done
# Four orgs, so that they may wait at the same time.
for k in 1 10 75 300; do
	import "org$k" --streams Group,GroupMember &
	imports+=($!)
done
wait "${imports[@]}"
for k in 1 10 75 300; do
	name=org$k
	is "$k at once: all succeed" "$(of $name code)" 0
	ok "$k at once: nothing is missing" whole $name 'Group GroupMember'
	is "$k at once: 0 x 429" "$(stats $name '.limited + .concurrency429')" 0
	is "$k at once: no retries" "$(stats $name .retriesMarked)" 0
	ok "$k at once: about 400 calls" jq -en --argjson n \
		"$(bucket $name $BUCKET calls)" '$n > 380 and $n <= 420'
	quick $name "$k at once: time" \
		"$(windows $name $BUCKET '^/api/v1/groups' $LIMIT $WINDOW $k $LATENCY)" \
		1.05
done
done_testing
