#!/usr/bin/env bash
# budget-aside.sh - while one bucket waits, for its window or for an answer
# that does not come, the calls of another go on.
. tests/setup.sh
. tests/budget.sh

org org --users 4000 --groups 60 --edges 500 --limit /api/v1/groups=20 \
	--limit /api/v1/users=500 --window 4 --latency 200
source_file "$TMP/org.json" '.ConfigJson.RateLimitShare = 1.0 |
	.ConfigJson.PageSize = 100'
# One listing of groups and 19 of members are the first window; the call that
# opens the second one takes long.
sim org fault -d '[{"match":"/api/v1/groups/","nth":20,"count":1,
	"kind":"slow","ms":3000}]' >/dev/null
import org
is 'all succeed' "$(of org code)" 0
ok 'nothing is missing' whole org 'User Group GroupMember'
is '0 x 429' "$(stats org .limited)" 0
slow=$(jq -s '[.[] | select(.ms > 2500)]' "$TMP/org.req")
is 'one call of groups was slow' \
	"$(jq -r 'length, .[0].path' <<<"$slow" | tr '\n' ' ')" \
	'1 /api/v1/groups/{id}/users '
# Between the question and the slow answer, users kept coming.
ok 'users went on meanwhile' jq -es --argjson slow "$slow" '
	def at: (.time[:19] + "Z" | fromdate) + (.time[20:23] | tonumber) / 1000;
	$slow[0] as $s | [.[] | select(.path == "/api/v1/users") | at |
		select(. > ($s | at) - $s.ms / 1000 and . < ($s | at))] |
	length >= 2' "$TMP/org.req"
done_testing
