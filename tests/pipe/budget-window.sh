#!/usr/bin/env bash
# budget-window.sh - 400 calls at 60 per 10 s, from 1 to 300 requests at once:
# none is refused, and no client could be much quicker.  Beside them an org
# that ends its windows late, and one of which a share is left to others.
. tests/setup.sh
. tests/budget.sh

BUCKET=/api/v1/groups
LIMIT=60
WINDOW=10
LATENCY=20

# start_org NAME GROUPS JQ [ORGSIM OPTION...]
start_org() {
	org "$1" --users 500 --groups "$2" --edges 2500 --window $WINDOW \
		--limit "$BUCKET=$LIMIT" --concurrency 400 --latency $LATENCY \
		"${@:4}"
	source_file "$TMP/$1.json" "$3"
}
# came_through NAME: what holds for every one of them.
came_through() {
	is "$1: all succeed" "$(of "$1" code)" 0
	ok "$1: nothing is missing" whole "$1" 'Group GroupMember'
}
# in_time NAME LIMIT IN_FLIGHT RATIO
in_time() {
	few_windows "$1" "$1" "$BUCKET" '^/api/v1/groups' "$2"
	quick "$1" "$1: time" "$(windows "$1" "$BUCKET" '^/api/v1/groups' \
		"$2" $WINDOW "$3" $LATENCY)" "$4"
}

names=
for k in 1 10 75 300; do
	start_org "org$k" 442 ".ConfigJson.MaxInFlight = $k |
		.ConfigJson.RateLimitShare = 1.0"
	names+="org$k "
done
start_org late 330 '.ConfigJson.RateLimitShare = 1.0' --late-reset 900
start_org share 220 . --share 100
for name in $names late share; do
	import "$name" --streams Group,GroupMember &
	imports+=($!)
done
wait "${imports[@]}"

for k in 1 10 75 300; do
	name=org$k
	came_through "$name"
	is "$name: 0 x 429" "$(stats "$name" '.limited + .concurrency429')" 0
	is "$name: no retries" "$(stats "$name" .retriesMarked)" 0
	unlike "$name: nobody else is seen" "$(of "$name" err)" 'by others'
	is "$name: 400 calls" "$(bucket "$name" "$BUCKET" calls)" 400
	in_time "$name" $LIMIT $k 1.05
done

# Until the first refusal nobody knows that a Reset is rounded down.
came_through late
ok 'late: at most one 429' test "$(stats late .limited)" -le 1
in_time late $LIMIT 8 1.2

# 0.8 of the limit, as it is without being asked.
came_through share
is 'share: 0 x 429' "$(stats share .limited)" 0
is 'share: four in five calls of a window' "$(bucket share "$BUCKET" peak)" 48
in_time share 48 8 1.1
done_testing
