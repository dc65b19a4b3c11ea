#!/usr/bin/env bash
# budget-clock.sh - the org's clock and ours are hours apart, because the
# org's is wrong or because ours is: nothing changes, for only the org's
# clock counts.
. tests/setup.sh
. tests/budget.sh

BUCKET=/api/v1/groups
LIMIT=60
WINDOW=4

skews='0 7200 -7200'
for skew in $skews; do
	org "org$skew" --users 500 --groups 330 --edges 1500 \
		--window $WINDOW --limit "$BUCKET=$LIMIT" --latency 10 \
		--date-skew "$skew"
	source_file "$TMP/org$skew.json" '.ConfigJson.RateLimitShare = 1.0'
done
for skew in $skews; do
	import "org$skew" &
	imports+=($!)
done
org wrong --users 500 --groups 330 --edges 1500 --window $WINDOW \
	--limit "$BUCKET=$LIMIT" --latency 10
source_file "$TMP/wrong.json" '.ConfigJson.RateLimitShare = 1.0'
CLOCK=+5h import wrong &
imports+=($!)
wait "${imports[@]}"

# records NAME: what came, without regard to the order of pages.
records() {
	jq -c 'select(.kind == "page") | .context.groupId as $g |
		.records[] | [$g, .]' "$TMP/$1.pages" | LC_ALL=C sort
}
# watermark NAME: seconds of the one for users.
watermark() {
	jq -r 'select(.kind == "end" and .stream == "User") | .watermark |
		.[:19] + "Z" | fromdate' "$TMP/$1.pages"
}
records org0 >"$TMP/want"
for SKEW in $skews; do
	name=org$SKEW
	is "$SKEW s: all succeed" "$(of "$name" code)" 0
	ok "$SKEW s: nothing is missing" whole "$name" 'User Group GroupMember'
	records "$name" >"$TMP/got"
	ok "$SKEW s: every byte is the same" cmp "$TMP/got" "$TMP/want"
	is "$SKEW s: 0 x 429" "$(stats "$name" .limited)" 0
	# A Date is cut to the second, so that one window may open a second
	# late, which is much of four.
	few_windows "$name" "$SKEW s" "$BUCKET" '^/api/v1/groups' $LIMIT
	quick "$name" "$SKEW s: time" "$(windows "$name" "$BUCKET" \
		'^/api/v1/groups' $LIMIT $WINDOW 8 10)" 1.15
	apart=$(($(watermark "$name") - $(watermark org0) - SKEW))
	ok "$SKEW s: the watermark is the org's time ($apart)" test \
		$apart -ge -2 -a $apart -le 2
done

# Our clock is 5 h ahead, which is the org being 5 h behind.
SKEW=-18000
is 'a wrong clock of ours: all succeed' "$(of wrong code)" 0
records wrong >"$TMP/got"
ok 'a wrong clock of ours: every byte is the same' cmp "$TMP/got" "$TMP/want"
is 'a wrong clock of ours: 0 x 429' "$(stats wrong .limited)" 0
few_windows wrong 'a wrong clock of ours' "$BUCKET" '^/api/v1/groups' $LIMIT
quick wrong 'a wrong clock of ours: time' "$(windows wrong "$BUCKET" \
	'^/api/v1/groups' $LIMIT $WINDOW 8 10)" 1.15
apart=$(($(watermark wrong) - $(watermark org0)))
ok "a wrong clock of ours: the watermark is the org's time ($apart)" test \
	$apart -ge -2 -a $apart -le 2
done_testing
