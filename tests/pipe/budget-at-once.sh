#!/usr/bin/env bash
# budget-at-once.sh - the server takes so many requests at once and never says
# how many; fetch may send more.
. tests/setup.sh
. tests/budget.sh

LATENCY=200

# What the server takes, what fetch may send.
for world in '35 60' '35 300' '5 60' '1 8'; do
	read -r takes k <<<"$world"
	groups=222
	[ "$takes" -gt 5 ] || groups=$((takes * 30))
	org org --users 500 --groups $groups --edges 1000 --tier unlimited \
		--concurrency "$takes" --latency $LATENCY
	source_file "$TMP/org.json" ".ConfigJson.MaxInFlight = $k"
	import org --streams Group,GroupMember
	is "$takes of $k: all succeed" "$(of org code)" 0
	ok "$takes of $k: nothing is missing" whole org 'Group GroupMember'
	# Knowing the number, a client would keep so many under way.
	calls=$(stats org '[.endpoints[]."2xx"] | add')
	quick org "$takes of $k: time" \
		$(((calls + takes - 1) / takes * LATENCY)) 2
	# One burst: the window starts at 8 and doubles until it is refused.
	ok "$takes of $k: few refusals" test "$(stats org .concurrency429)" \
		-le $((takes > 8 ? takes : 8))
	stop org
done
done_testing
