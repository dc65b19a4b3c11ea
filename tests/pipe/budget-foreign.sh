#!/usr/bin/env bash
# budget-foreign.sh - another client of the org takes 40 % of a bucket: its
# calls are left to it, ours all succeed.
. tests/setup.sh
. tests/budget.sh

BUCKET=/api/v1/groups
LIMIT=100
WINDOW=6
FOREIGN=40

# ours NAME: our calls that were counted in each window.
ours() {
	jq -r 'select(.status == 200) | .reset' "$TMP/$1.req" | sort -n |
		uniq -c | awk '{ print $1 }'
}

# foreign NAME SAME_TOKEN: an org with a client that has our token or another.
foreign() {
	org "$1" --users 500 --groups 420 --edges 2500 --window $WINDOW \
		--limit "$BUCKET=$LIMIT" --share 100 --latency 20
	source_file "$TMP/$1.json" ".ConfigJson.MaxInFlight = 10 |
		.ConfigJson.RateLimitShare = 1.0"
	sim "$1" foreign -d "{\"bucket\":\"$BUCKET\",\"perMinute\":$FOREIGN,
		\"sameToken\":$2}" >/dev/null
}
foreign same true
foreign other false
import same --streams Group,GroupMember &
imports=($!)
import other --streams Group,GroupMember &
imports+=($!)
wait "${imports[@]}"
for name in same other; do
	is "$name: all succeed" "$(of "$name" code)" 0
	ok "$name: nothing is missing" whole "$name" 'Group GroupMember'
	few_windows "$name" "$name" "$BUCKET" '^/api/v1/groups' $((LIMIT - FOREIGN))
	quick "$name" "$name: time" "$(windows "$name" "$BUCKET" '^/api/v1/groups' \
		$((LIMIT - FOREIGN)) $WINDOW 10 20)" 1.2
	ok "$name: at most two refusals a window" test \
		"$(stats "$name" .limited)" -le $((2 * $(ours "$name" | wc -l)))
	echo "# $name: ours in each window: $(ours "$name" | tr '\n' ' ')"
	ok "$name: never more than the limit" test \
		"$(bucket "$name" "$BUCKET" peak)" -le $LIMIT
	# Ours of the first window are out before the others have taken five
	# calls, and what that tells about the second is little; from then on
	# their share is known, more and more exactly.
	ok "$name: in the third window ours plus theirs nearly fit" test \
		"$(ours "$name" | sed -n 3p)" -le $((LIMIT - FOREIGN + 5))
	ok "$name: in later ones they fit" test \
		"$(ours "$name" | sed 1,3d | sort -n | tail -n 1)" -le \
		$((LIMIT - FOREIGN + 2))
	# A minute of the clock on the wall, whatever a window takes.
	told=$(sed -n "s|.* \([0-9]*\) requests/min by others on $BUCKET\$|\1|p" \
		"$TMP/$name.err")
	ok "$name: the summary tells what others take: $told a minute" test \
		"$((told * WINDOW / 60 - FOREIGN))" -ge -4 -a \
		"$((told * WINDOW / 60 - FOREIGN))" -le 4
done
done_testing
